//! What Spark's CSV writer did to a field. Wikimedia writes its dumps with it since February and March 2023.
//!
//! A field that holds a quote or the separator stands in quotes, with a backslash before each inner quote. A field of
//! the time before that merely begins and ends with a quote (`"Heroes"`) has nothing escaped inside, and is left alone.

/// What stands between the quotes, where Spark put any; `separator` is the one of the file's fields.
#[must_use]
pub fn quoted(field: &str, separator: u8) -> Option<&str> {
    if !field.starts_with('"') {
        return None;
    }
    let inner = field.strip_prefix('"')?.strip_suffix('"')?;
    let mut needed = false;
    let mut bytes = inner.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => needed |= bytes.next()? == b'"',
            b'"' => return None,
            _ => needed |= byte == separator,
        }
    }
    needed.then_some(inner)
}

/// The field as it was before Spark wrote it; `into` holds it where it was quoted.
pub fn unquote<'a>(field: &'a str, separator: u8, into: &'a mut String) -> &'a str {
    match quoted(field, separator) {
        None => field,
        Some(inner) => {
            unescape(inner, into);
            into
        }
    }
}

/// Undoes Spark's escapes: `\"` is a quote and `\\` a backslash; other backslashes stand for
/// themselves.
fn unescape(quoted: &str, into: &mut String) {
    into.clear();
    let mut rest = quoted;
    while let Some(at) = rest.find('\\') {
        into.push_str(&rest[..at]);
        let escaped = rest.as_bytes().get(at + 1);
        if matches!(escaped, Some(b'"' | b'\\')) {
            into.push_str(&rest[at + 1..at + 2]);
            rest = &rest[at + 2..];
        } else {
            into.push('\\');
            rest = &rest[at + 1..];
        }
    }
    into.push_str(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn title(field: &str) -> String {
        unquote(field, b' ', &mut String::new()).to_owned()
    }

    #[test]
    fn what_spark_quoted_is_unquoted() {
        let real = r#""\"Hello,_World!\"_(chương_trình_máy_tính)""#;
        assert_eq!(title(real), r#""Hello,_World!"_(chương_trình_máy_tính)"#);
        assert_eq!(title(r#""a\\\"b""#), r#"a\"b"#);
        assert_eq!(title(r#""a b""#), "a b");
        assert_eq!(unquote("\"a\tb c\"", b'\t', &mut String::new()), "a\tb c");
    }

    #[test]
    fn what_spark_did_not_quote_stays() {
        for field in [
            r"\(^o^)/チエ",
            r"AC\DC",
            r"tail\",
            // Raw quotes of the years before.
            r#""Heroes"_(song)"#,
            r#""Heroes""#,
            "\"",
        ] {
            assert_eq!(title(field), field);
        }
        assert_eq!(unquote("\"a b\"", b'\t', &mut String::new()), "\"a b\"");
    }
}
