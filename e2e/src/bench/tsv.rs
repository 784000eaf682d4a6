//! Rows as text that `LOAD DATA` reads.

/// A project and an access for a domain code: of the right length and variety for a bench, not the product's own rules.
#[must_use]
pub fn project(domain_code: &str) -> (&str, &'static str) {
    match domain_code.split_once(".m") {
        Some((language, _)) => (language, "mobile"),
        None => (domain_code, "desktop"),
    }
}

/// Writes a field as LOAD DATA reads it by default: tab, newline and backslash behind a backslash.
pub fn push_tsv(line: &mut String, field: &str) {
    if !field.contains(['\\', '\t', '\n']) {
        line.push_str(field);
        return;
    }
    for c in field.chars() {
        match c {
            '\\' => line.push_str("\\\\"),
            '\t' => line.push_str("\\t"),
            '\n' => line.push_str("\\n"),
            c => line.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_load_data_would_misread_is_escaped() {
        let mut line = String::new();
        push_tsv(&mut line, "AC\\DC\tlive\n");
        assert_eq!(line, "AC\\\\DC\\tlive\\n");
    }
}
