//! One line of an hourly dump.

/// The most bytes of a domain code.
pub const MAX_DOMAIN: usize = 64;
/// The most bytes of a title; the warehouse's column holds as much.
pub const MAX_TITLE: usize = 4096;

/// The fields of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line<'a> {
    /// The domain code; empty where upstream knew none (published as `""` or nothing).
    pub domain: &'a str,
    /// The title as it stands in the file; see [`Line::quoted_title`].
    pub title: &'a str,
    /// Views in the hour.
    pub views: i64,
}

/// Why a line is not a row.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadLine {
    /// Too few fields.
    #[error("{0} fields where there should be 4: domain, title, views, bytes")]
    Fields(usize),
    /// The third field.
    #[error("views is not a whole number below 10^12: {0:?}")]
    Views(String),
    /// The fourth field.
    #[error("bytes is not a whole number: {0:?}")]
    Bytes(String),
    /// The second field.
    #[error("title is empty")]
    NoTitle,
    /// The second field.
    #[error("title has {0} bytes, more than 4096")]
    LongTitle(usize),
    /// The first field.
    #[error("domain has {0} bytes, more than 64")]
    LongDomain(usize),
}

/// Splits a line. The first field is the domain, the last two are numbers, and what lies
/// between is the title: in the old archives it may hold spaces.
///
/// # Errors
/// When a field is missing, empty, too long or not a number.
pub fn split(line: &str) -> Result<Line<'_>, BadLine> {
    let bytes = line.as_bytes();
    let fields = || BadLine::Fields(line.split(' ').filter(|field| !field.is_empty()).count());
    let last = back_to_space(bytes).ok_or_else(fields)?;
    let views = back_to_space(&bytes[..last]).ok_or_else(fields)?;
    let domain_end = memchr::memchr(b' ', &bytes[..views]).ok_or_else(fields)?;
    let (domain, title) = (&line[..domain_end], &line[domain_end + 1..views]);
    if !is_number(&bytes[last + 1..]) {
        return Err(BadLine::Bytes(shorten(&line[last + 1..])));
    }
    let views = number(&bytes[views + 1..last])
        .ok_or_else(|| BadLine::Views(shorten(&line[views + 1..last])))?;
    if title.is_empty() {
        return Err(BadLine::NoTitle);
    }
    if title.len() > MAX_TITLE {
        return Err(BadLine::LongTitle(title.len()));
    }
    if domain.len() > MAX_DOMAIN {
        return Err(BadLine::LongDomain(domain.len()));
    }
    let domain = if domain == "\"\"" { "" } else { domain };
    Ok(Line {
        domain,
        title,
        views,
    })
}

impl<'a> Line<'a> {
    /// What stands between the quotes, where Spark's CSV writer put any (since February 2023).
    ///
    /// It quotes a title that holds a quote or a space, and puts a backslash before each inner
    /// quote. A title of the time before that merely begins and ends with a quote
    /// (`"Heroes"`) has nothing escaped inside, and is left alone.
    #[must_use]
    pub fn quoted_title(&self) -> Option<&'a str> {
        if !self.title.starts_with('"') {
            return None;
        }
        let inner = self.title.strip_prefix('"')?.strip_suffix('"')?;
        let mut needed = false;
        let mut bytes = inner.bytes();
        while let Some(byte) = bytes.next() {
            match byte {
                b'\\' => needed |= bytes.next()? == b'"',
                b'"' => return None,
                b' ' => needed = true,
                _ => {}
            }
        }
        needed.then_some(inner)
    }
}

/// Undoes Spark's escapes: `\"` is a quote and `\\` a backslash; other backslashes stand for
/// themselves.
pub fn unescape(quoted: &str, into: &mut String) {
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

/// Where the last space is. Numbers are short, so a plain walk beats a search.
fn back_to_space(bytes: &[u8]) -> Option<usize> {
    bytes.iter().rposition(|byte| *byte == b' ')
}

fn number(digits: &[u8]) -> Option<i64> {
    // More than any page has, and few enough that no sum of a file overflows.
    if digits.is_empty() || digits.len() > 12 {
        return None;
    }
    digits.iter().try_fold(0_i64, |value, digit| {
        digit
            .is_ascii_digit()
            .then(|| value * 10 + i64::from(digit - b'0'))
    })
}

fn is_number(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    !digits.is_empty() && digits.iter().all(u8::is_ascii_digit)
}

fn shorten(text: &str) -> String {
    text.chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn title(line: &str) -> String {
        let line = split(line).unwrap();
        let mut unescaped = String::new();
        match line.quoted_title() {
            Some(quoted) => {
                unescape(quoted, &mut unescaped);
                unescaped
            }
            None => line.title.to_owned(),
        }
    }

    #[test]
    fn a_real_line_of_each_shape() {
        let line = split("af Simon_van_der_Stel 1 44452").unwrap();
        assert_eq!(
            (line.domain, line.title, line.views),
            ("af", "Simon_van_der_Stel", 1)
        );
        // The project has no code: Wikifunctions.
        assert_eq!(split("\"\" Z11550 1 0").unwrap().domain, "");
        assert_eq!(split(" Z11550 1 0").unwrap().domain, "");
        // Upstream did not know the title.
        assert_eq!(title("en - 1234 0"), "-");
        // A raw space inside an old title.
        assert_eq!(title("en A B 3 0"), "A B");
    }

    #[test]
    fn what_spark_quoted_is_unquoted() {
        let real = r#"vi.m "\"Hello,_World!\"_(chương_trình_máy_tính)" 1 0"#;
        assert_eq!(title(real), r#""Hello,_World!"_(chương_trình_máy_tính)"#);
        assert_eq!(title(r#"en "a\\\"b" 1 0"#), r#"a\"b"#);
        assert_eq!(title(r#"en "a b" 1 0"#), "a b");
    }

    #[test]
    fn what_spark_did_not_quote_stays() {
        assert_eq!(title(r"ja \(^o^)/チエ 1 0"), r"\(^o^)/チエ");
        assert_eq!(title(r"en AC\DC 1 0"), r"AC\DC");
        assert_eq!(title(r"en tail\ 1 0"), r"tail\");
        // Raw quotes of the years before.
        assert_eq!(title(r#"en "Heroes"_(song) 1 0"#), r#""Heroes"_(song)"#);
        assert_eq!(title(r#"en "Heroes" 1 0"#), r#""Heroes""#);
        assert_eq!(title("en \" 1 0"), "\"");
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert_eq!(split(""), Err(BadLine::Fields(0)));
        assert_eq!(split("en"), Err(BadLine::Fields(1)));
        assert_eq!(split("en 1 0"), Err(BadLine::Fields(3)));
        assert_eq!(split("en A x 0"), Err(BadLine::Views("x".to_owned())));
        assert_eq!(split("en A -1 0"), Err(BadLine::Views("-1".to_owned())));
        assert_eq!(
            split("en A 99999999999999999999 0"),
            Err(BadLine::Views("99999999999999999999".to_owned()))
        );
        assert_eq!(split("en A 1 y"), Err(BadLine::Bytes("y".to_owned())));
        assert_eq!(split("en  1 0"), Err(BadLine::NoTitle));
        let long = format!("en {} 1 0", "x".repeat(MAX_TITLE + 1));
        assert_eq!(split(&long), Err(BadLine::LongTitle(MAX_TITLE + 1)));
    }
}
