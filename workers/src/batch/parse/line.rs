//! One line of an hourly dump: `domain title views bytes`, separated by single spaces
//! (`hql/pageview/hourly/transform_pageview_to_legacy_format.hql` in Wikimedia's analytics-refinery).

use std::ops::Range;

use super::fields::{back_to, is_number, number, shorten};

/// The most bytes of a domain code.
pub const MAX_DOMAIN: usize = 64;
/// The most bytes of a title; the warehouse's column holds as much.
pub const MAX_TITLE: usize = 4096;

/// The fields of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Where the domain code is; empty where upstream knew none (published as `""` or nothing).
    pub domain: Range<usize>,
    /// Where the title is, as it stands in the file.
    pub title: Range<usize>,
    /// Views in the hour.
    pub views: i64,
    /// Where the bytes are, which are digits with perhaps a sign.
    pub bytes: Range<usize>,
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
    /// The first field.
    #[error("domain is not letters, digits, dashes and dots: {0:?}")]
    Domain(String),
}

/// Splits a line. The first field is the domain, the last two are numbers, and what lies
/// between is the title: in the old archives it may hold spaces.
///
/// # Errors
/// When a field is missing, empty or not a number, or the domain too long.
pub fn split(line: &[u8]) -> Result<Line, BadLine> {
    let fields = || BadLine::Fields(count(line));
    let last = back_to(b' ', line).ok_or_else(fields)?;
    let views = back_to(b' ', &line[..last]).ok_or_else(fields)?;
    let domain_end = memchr::memchr(b' ', &line[..views]).ok_or_else(fields)?;
    let title = domain_end + 1..views;
    if !is_number(&line[last + 1..]) {
        return Err(BadLine::Bytes(shorten(&line[last + 1..])));
    }
    let views = number(&line[views + 1..last])
        .ok_or_else(|| BadLine::Views(shorten(&line[views + 1..last])))?;
    if title.is_empty() {
        return Err(BadLine::NoTitle);
    }
    if domain_end > MAX_DOMAIN {
        return Err(BadLine::LongDomain(domain_end));
    }
    let is_unknown = &line[..domain_end] == b"\"\"";
    Ok(Line {
        domain: if is_unknown { 0..0 } else { 0..domain_end },
        title,
        views,
        bytes: last + 1..line.len(),
    })
}

/// A title as it is kept. In the file its escapes may take three times the room.
///
/// # Errors
/// When it is too long for the warehouse's column.
pub fn bounded(title: &str) -> Result<&str, BadLine> {
    if title.len() > MAX_TITLE {
        return Err(BadLine::LongTitle(title.len()));
    }
    Ok(title)
}

fn count(line: &[u8]) -> usize {
    let fields = line.split(|byte| *byte == b' ');
    fields.filter(|field| !field.is_empty()).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(line: &str) -> Result<(&str, &str, i64, &str), BadLine> {
        let Line {
            domain,
            title,
            views,
            bytes,
        } = super::split(line.as_bytes())?;
        Ok((&line[domain], &line[title], views, &line[bytes]))
    }

    #[test]
    fn a_real_line_of_each_shape() {
        assert_eq!(
            split("af Simon_van_der_Stel 1 44452"),
            Ok(("af", "Simon_van_der_Stel", 1, "44452"))
        );
        // The project has no code: Wikifunctions.
        assert_eq!(split("\"\" Z11550 1 0"), Ok(("", "Z11550", 1, "0")));
        assert_eq!(split(" Z11550 1 0"), Ok(("", "Z11550", 1, "0")));
        // Upstream did not know the title.
        assert_eq!(split("en - 1234 0"), Ok(("en", "-", 1234, "0")));
        // A raw space inside an old title.
        assert_eq!(split("en A B 3 -1"), Ok(("en", "A B", 3, "-1")));
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
        let long = format!("{} A 1 0", "x".repeat(MAX_DOMAIN + 1));
        assert_eq!(split(&long), Err(BadLine::LongDomain(MAX_DOMAIN + 1)));
        assert_eq!(
            bounded(&"x".repeat(MAX_TITLE + 1)),
            Err(BadLine::LongTitle(MAX_TITLE + 1))
        );
    }
}
