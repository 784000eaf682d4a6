//! Percent-escapes, as requests of browsers had them and page counts kept them.

/// Decodes `%XX` once. What does not stand for a byte (`100%`) is itself, and a space becomes an underscore, as in
/// titles. A byte that is not of UTF-8 text stays, or becomes, an escape in upper case (`%E9`), so that no text is
/// lost; the answer is then true.
pub fn decode(text: &[u8], bytes: &mut Vec<u8>, into: &mut String) -> bool {
    into.clear();
    bytes.clear();
    let mut rest = text;
    while let Some(at) = memchr::memchr(b'%', rest) {
        bytes.extend_from_slice(&rest[..at]);
        let escape = rest.get(at + 1..at + 3).and_then(byte);
        bytes.push(escape.unwrap_or(b'%'));
        rest = &rest[at + if escape.is_some() { 3 } else { 1 }..];
    }
    bytes.extend_from_slice(rest);
    for byte in bytes.iter_mut().filter(|byte| **byte == b' ') {
        *byte = b'_';
    }
    if let Ok(text) = simdutf8::basic::from_utf8(bytes) {
        into.push_str(text);
        return false;
    }
    for chunk in bytes.utf8_chunks() {
        into.push_str(chunk.valid());
        for byte in chunk.invalid() {
            into.push('%');
            into.push(digit(byte >> 4));
            into.push(digit(byte & 15));
        }
    }
    true
}

/// The byte of two hex digits.
fn byte(digits: &[u8]) -> Option<u8> {
    let value = |digit: u8| {
        let value = char::from(digit).to_digit(16)?;
        u8::try_from(value).ok()
    };
    Some(value(digits[0])? << 4 | value(digits[1])?)
}

fn digit(value: u8) -> char {
    char::from_digit(u32::from(value), 16).map_or('0', |digit| digit.to_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(text: &[u8]) -> (String, bool) {
        let mut into = String::new();
        let is_broken = decode(text, &mut Vec::new(), &mut into);
        (into, is_broken)
    }

    #[test]
    fn escapes_are_undone_once() {
        for (text, expected) in [
            ("Main_Page", "Main_Page"),
            ("%E8%8F%85%e8%b0%b7", "菅谷"),
            ("100%", "100%"),
            ("50%_off", "50%_off"),
            ("a%2", "a%2"),
            ("A%2520B", "A%20B"),
            ("A%20B C", "A_B_C"),
            ("%+1", "%+1"),
        ] {
            assert_eq!(decoded(text.as_bytes()), (expected.to_owned(), false));
        }
    }

    #[test]
    fn what_is_not_utf_8_is_kept_as_escapes_and_told() {
        let caf = ("Caf%E9".to_owned(), true);
        assert_eq!(decoded(b"Caf%e9"), caf);
        assert_eq!(decoded(b"Caf\xe9"), caf);
        assert_eq!(decoded(b"\xc3%A9%C3x"), ("é%C3x".to_owned(), true));
    }
}
