//! Fields of lines: separators, numbers.

/// The most bytes of a number of views, transfers or anything else that is added up: with 12 digits, no sum of a file
/// overflows.
const MOST_DIGITS: usize = 12;

/// Where the last separator is. What is behind it is short, so a plain walk beats a search.
pub(super) fn back_to(separator: u8, bytes: &[u8]) -> Option<usize> {
    bytes.iter().rposition(|byte| *byte == separator)
}

/// A whole number below 10^12: more than any page has, and few enough that no sum of a file overflows.
pub(super) fn number(digits: &[u8]) -> Option<i64> {
    if digits.is_empty() || digits.len() > MOST_DIGITS {
        return None;
    }
    digits.iter().try_fold(0_i64, |value, digit| {
        digit
            .is_ascii_digit()
            .then(|| value * 10 + i64::from(digit - b'0'))
    })
}

/// Whether it is a whole number, perhaps a negative one.
pub(super) fn is_number(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    !digits.is_empty() && digits.iter().all(u8::is_ascii_digit)
}

/// The start of a field, for a message.
pub(super) fn shorten(field: &[u8]) -> String {
    String::from_utf8_lossy(field).chars().take(40).collect()
}
