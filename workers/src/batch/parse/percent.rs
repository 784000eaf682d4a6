//! Percent-escapes, as requests of browsers had them and page counts kept them.

/// Decodes `%XX` once. What does not stand for a byte (`100%`) is itself, and a space becomes an underscore, as in
/// titles. A byte that is not of UTF-8 text stays, or becomes, an escape in upper case (`%E9`), so that no text is
/// lost; the answer says that, too. What has nothing to decode is not copied; else `room` holds it.
pub fn decode<'a>(text: &'a [u8], room: &'a mut Room) -> (&'a str, bool) {
    let Room { bytes, escaped } = room;
    let decoded = match memchr::memchr2(b'%', b' ', text) {
        None => text,
        Some(first) => {
            unescape(text, first, bytes);
            bytes
        }
    };
    if let Ok(text) = simdutf8::basic::from_utf8(decoded) {
        (text, false)
    } else {
        escape(decoded, escaped);
        (escaped, true)
    }
}

/// Where decoded text is kept, from one to the next.
#[derive(Debug, Default)]
pub struct Room {
    bytes: Vec<u8>,
    escaped: String,
}

/// Escapes are dense where there are any: a walk beats a search for the next one. What is decoded is never longer.
fn unescape(text: &[u8], first: usize, into: &mut Vec<u8>) {
    into.clear();
    into.extend_from_slice(text);
    let (mut read, mut written) = (first, first);
    while read < text.len() {
        let mut decoded = text[read];
        read += 1;
        if decoded == b'%'
            && let Some([high, low]) = text.get(read..read + 2)
        {
            let (high, low) = (VALUES[usize::from(*high)], VALUES[usize::from(*low)]);
            if high | low < 16 {
                read += 2;
                decoded = high << 4 | low;
            }
        }
        into[written] = if decoded == b' ' { b'_' } else { decoded };
        written += 1;
    }
    into.truncate(written);
}

/// The values of hex digits, and 255 of all other bytes.
const VALUES: [u8; 256] = {
    let mut values = [255; 256];
    let mut value = 0_u8;
    while value < 16 {
        values[b"0123456789abcdef"[value as usize] as usize] = value;
        values[b"0123456789ABCDEF"[value as usize] as usize] = value;
        value += 1;
    }
    values
};

/// What is not UTF-8 as escapes.
fn escape(bytes: &[u8], into: &mut String) {
    into.clear();
    for chunk in bytes.utf8_chunks() {
        into.push_str(chunk.valid());
        for byte in chunk.invalid() {
            into.push('%');
            into.push(digit(byte >> 4));
            into.push(digit(byte & 15));
        }
    }
}

fn digit(value: u8) -> char {
    char::from_digit(u32::from(value), 16).map_or('0', |digit| digit.to_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(text: &[u8]) -> (String, bool) {
        let mut room = Room::default();
        let (decoded, is_broken) = decode(text, &mut room);
        (decoded.to_owned(), is_broken)
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
