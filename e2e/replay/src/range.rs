//! The `Range` header, read exactly as nginx's range filter reads it.

use std::ops::Range;

/// What a `Range` header asks for of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Requested {
    /// All of it, with status 200: no range, several ranges, or one that nginx ignores.
    Whole,
    /// These bytes, with status 206.
    Part(Range<u64>),
    /// None of it: status 416.
    Unsatisfiable,
}

/// Reads a `Range` header for a file of `len` bytes.
///
/// Several ranges are answered with the whole file, which HTTP allows and no client of dumps needs.
pub(crate) fn requested(header: &str, len: u64) -> Requested {
    let Some(prefix) = header.get(..6) else {
        return Requested::Whole;
    };
    if header.len() < 7 || !prefix.eq_ignore_ascii_case("bytes=") {
        return Requested::Whole;
    }
    let mut found: Vec<Range<u64>> = Vec::new();
    for part in header[6..].split(',') {
        match one(part.trim_matches(' '), len) {
            One::Bytes(range) if range.is_empty() && range.start == 0 => return Requested::Whole,
            One::Bytes(range) if range.is_empty() => {}
            One::Bytes(range) => found.push(range),
            One::Malformed => return Requested::Unsatisfiable,
        }
    }
    match <[_; 1]>::try_from(found) {
        Ok([range]) => Requested::Part(range),
        Err(none) if none.is_empty() => Requested::Unsatisfiable,
        Err(_several) => Requested::Whole,
    }
}

enum One {
    Bytes(Range<u64>),
    Malformed,
}

/// `5-9`, `5-` or `-5`, cut to the file.
fn one(part: &str, len: u64) -> One {
    let Some((first, last)) = part.split_once('-') else {
        return One::Malformed;
    };
    let (first, last) = (first.trim_end_matches(' '), last.trim_start_matches(' '));
    match (first, number(first), last, number(last)) {
        ("", _, _, Some(tail)) => One::Bytes(len.saturating_sub(tail)..len),
        (_, Some(start), "", _) => One::Bytes(start..len),
        (_, Some(start), _, Some(end)) => One::Bytes(start..end.saturating_add(1).min(len)),
        _ => One::Malformed,
    }
}

/// Digits only: `u64::from_str` would take a plus sign.
fn number(text: &str) -> Option<u64> {
    text.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_what_nginx_reads() {
        let cases = [
            ("bytes=2-3", Requested::Part(2..4)),
            ("BYTES= 2 - 3 ", Requested::Part(2..4)),
            ("bytes=7-", Requested::Part(7..10)),
            ("bytes=7-99", Requested::Part(7..10)),
            ("bytes=-3", Requested::Part(7..10)),
            ("bytes=-99", Requested::Part(0..10)),
            ("bytes=0-", Requested::Part(0..10)),
            ("bytes=0-1,4-5", Requested::Whole),
            ("bytes=0-1,90-", Requested::Part(0..2)),
            ("items=0-1", Requested::Whole),
            ("bytes=", Requested::Whole),
            ("bytes=10-", Requested::Unsatisfiable),
            ("bytes=5-3", Requested::Unsatisfiable),
            ("bytes=-0", Requested::Unsatisfiable),
            ("bytes=-", Requested::Unsatisfiable),
            ("bytes=+1-2", Requested::Unsatisfiable),
            ("bytes=a", Requested::Unsatisfiable),
            ("bytes=99999999999999999999-", Requested::Unsatisfiable),
        ];
        for (header, wanted) in cases {
            assert_eq!(requested(header, 10), wanted, "{header}");
        }
        assert_eq!(requested("bytes=0-", 0), Requested::Whole);
        assert_eq!(requested("bytes=-5", 0), Requested::Whole);
        assert_eq!(requested("bytes=5-", 0), Requested::Unsatisfiable);
    }

    proptest! {
        #[test]
        fn any_text_gives_bytes_of_the_file(header in "(bytes=)?[-0-9, a]{0,24}|.{0,16}", len: u64) {
            if let Requested::Part(range) = requested(&header, len) {
                prop_assert!(range.start < range.end && range.end <= len, "{range:?} of {len}");
            }
        }

        #[test]
        fn first_and_last_are_inclusive(start in 0u64..2000, end in 0u64..2000, len in 1u64..1000) {
            let wanted = if start > end || start >= len {
                // An empty range at the very start is one that nginx ignores; here it cannot be.
                Requested::Unsatisfiable
            } else {
                Requested::Part(start..(end + 1).min(len))
            };
            prop_assert_eq!(requested(&format!("bytes={start}-{end}"), len), wanted);
        }

        #[test]
        fn a_suffix_is_the_end(tail in 1u64..2000, len in 1u64..1000) {
            prop_assert_eq!(requested(&format!("bytes=-{tail}"), len), Requested::Part(len.saturating_sub(tail)..len));
        }
    }
}
