//! Index pages, byte for byte as nginx's autoindex writes them.

use std::fmt::Write as _;
use std::time::SystemTime;

/// The width of the name column; a longer name is cut in the text, never in the link.
const NAME_WIDTH: usize = 50;

/// One line of an index page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) folder: bool,
    pub(crate) modified: SystemTime,
    pub(crate) len: u64,
}

/// The page of the folder `path`; sorts `entries`, folders first, then by bytes of the name.
pub(crate) fn page(path: &str, mut entries: Vec<Entry>) -> String {
    entries.sort_by(|a, b| b.folder.cmp(&a.folder).then_with(|| a.name.cmp(&b.name)));
    let title = escape_html(path);
    let mut page = format!(
        "<html>\r\n<head><title>Index of {title}</title></head>\r\n<body>\r\n\
         <h1>Index of {title}</h1><hr><pre><a href=\"../\">../</a>\r\n"
    );
    for entry in &entries {
        line(&mut page, entry);
    }
    page.push_str("</pre><hr></body>\r\n</html>\r\n");
    page
}

fn line(page: &mut String, entry: &Entry) {
    let slash = if entry.folder { "/" } else { "" };
    // Bytes, not characters: nginx counts those only where it is told a charset.
    let width = entry.name.len();
    let (text, pad) = if width > NAME_WIDTH {
        let cut = &entry.name[..entry.name.floor_char_boundary(NAME_WIDTH - 3)];
        (escape_html(cut) + "..&gt;", 0)
    } else {
        // A folder's slash has to fit in the column too.
        let slash = if width < NAME_WIDTH { slash } else { "" };
        (
            escape_html(&entry.name) + slash,
            NAME_WIDTH - width - slash.len(),
        )
    };
    let size = if entry.folder {
        "-".to_owned()
    } else {
        entry.len.to_string()
    };
    // Writing into a string cannot fail.
    let _ = write!(
        page,
        "<a href=\"{}{slash}\">{text}</a>{:pad$} {} {size:>19}\r\n",
        escape_link(&entry.name),
        "",
        date(entry.modified),
    );
}

/// `01-Nov-2026 01:51`, cut from `Sun, 01 Nov 2026 01:51:07 GMT`.
fn date(time: SystemTime) -> String {
    let http = httpdate::fmt_http_date(time);
    format!(
        "{}-{}-{} {}",
        &http[5..7],
        &http[8..11],
        &http[12..16],
        &http[17..22]
    )
}

fn escape_html(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

fn escape_link(name: &str) -> String {
    let mut link = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            link.push(char::from(byte));
        } else {
            let _ = write!(link, "%{byte:02X}");
        }
    }
    link
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    /// 2026-11-01T01:51:07Z, the date of every file behind the pages that real nginx wrote.
    const MODIFIED: u64 = 0x6ae6_9b0b;

    fn entry(name: &str, len: Option<u64>) -> Entry {
        Entry {
            name: name.to_owned(),
            folder: len.is_none(),
            modified: UNIX_EPOCH + Duration::from_secs(MODIFIED),
            len: len.unwrap_or(0),
        }
    }

    #[test]
    fn a_month_of_page_views_is_nginx_s_own_page() {
        let entries = vec![
            entry("projectviews-20261101-000000", Some(3)),
            entry("pageviews-20261101-010000.gz", Some(53147)),
            entry("pageviews-20261101-000000.gz", Some(300)),
        ];
        let nginx = include_str!("../tests/nginx/pageviews.html");
        assert_eq!(page("/other/pageviews/2026/2026-11/", entries), nginx);
    }

    #[test]
    fn odd_names_are_cut_and_escaped_as_nginx_does() {
        let entries = vec![
            entry("ten.txt", Some(10)),
            entry("sub", None),
            entry("empty", Some(0)),
            entry("Upper", Some(2)),
            entry("Ünïcödé & <tags> \"quoted\" 100%.txt", Some(2)),
            entry(
                "ß-long-name-Ünïcödé-with-more-than-fifty-characters-in-it-really.txt",
                Some(2),
            ),
            entry(
                "pageview_complete-of-a-name-exactly-50-characters-l",
                Some(2),
            ),
            entry(
                "pageview_complete-of-a-name-exactly-50-characters-",
                Some(2),
            ),
            entry(
                "a folder with a name that is longer than nginx's column is wide",
                None,
            ),
        ];
        assert_eq!(
            page("/other/odd/", entries),
            include_str!("../tests/nginx/odd-names.html")
        );
    }
}
