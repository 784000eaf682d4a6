//! How Spark's CSV writer writes a text, as upstream has done since February 2023.

/// It quotes a value that holds its quote character or its separator, and then escapes with backslashes; any other
/// value goes out raw, backslashes and all.
pub(super) fn push_quoted(line: &mut String, text: &str, separator: char) {
    if !text.contains(['"', separator]) {
        line.push_str(text);
        return;
    }
    line.push('"');
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            line.push('\\');
        }
        line.push(c);
    }
    line.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quoted(text: &str, separator: char) -> String {
        let mut line = String::new();
        push_quoted(&mut line, text, separator);
        line
    }

    #[test]
    fn a_text_with_a_quote_or_the_separator_is_quoted() {
        assert_eq!(quoted("Foo_\"bar\"", ' '), r#""Foo_\"bar\"""#);
        assert_eq!(quoted("a\tb\\c", '\t'), "\"a\tb\\\\c\"");
    }

    #[test]
    fn any_other_text_goes_out_raw() {
        assert_eq!(quoted("AC\\DC", ' '), "AC\\DC");
        assert_eq!(quoted("a\tb", ' '), "a\tb");
    }
}
