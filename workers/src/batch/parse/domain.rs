//! What a domain code stands for.
//!
//! A code is a name, `.m` for mobile (or `.zero`), and a suffix for the family:
//! `de.m.voy` is the mobile German Wikivoyage. Wikipedia has no suffix, and Wikimedia's own
//! wikis have `.m`, so that `X.m` is both the mobile Wikipedia in language X and the desktop
//! wiki X.wikimedia.org, summed into one row upstream. Such a row counts as the mobile
//! Wikipedia, whose share is by far the larger, unless no Wikipedia has that name; the column
//! `domain_code` keeps what was published.

use super::line::MAX_DOMAIN;
use crate::{
    batch::dataset::Dataset,
    rows::{Access, Domain},
};

/// Wikis under wikimedia.org whose name is no language of a Wikipedia
/// (`static_data/pageview/allowlist/allowlist.tsv` in Wikimedia's analytics-refinery), and
/// three whose Wikipedia twin is negligible: commons, incubator and outreach.
const WIKIMEDIA: &[&str] = &[
    "advisory",
    "commons",
    "cn",
    "dk",
    "fdc",
    "foundation",
    "gr",
    "il",
    "in-tech",
    "incubator",
    "meta",
    "mx",
    "nyc",
    "nz",
    "outreach",
    "quality",
    "rs",
    "species",
    "strategy",
    "ua",
    "usability",
    "wikitech",
];

/// What a code stands for, or `None` for rows that are sums of other rows: `X.mw` in the page
/// counts (`EZProjectConverter.java` in Wikimedia's analytics-refinery-source: "mw represents
/// the sum of mobile views for a language and we don't count it").
#[must_use]
pub fn describe(code: &str, dataset: Dataset) -> Option<Domain> {
    if code.is_empty() {
        return Some(domain(code, "unknown".to_owned(), Access::Unknown));
    }
    let (rest, suffix) = code.rsplit_once('.').unwrap_or((code, ""));
    let (name, access, family) = match (suffix, family(suffix)) {
        ("mw", _) => return None,
        (_, Some(family)) => with_access(rest, family),
        ("m", None) if is_wikimedia(rest, dataset) => with_access(rest, "wikimedia"),
        // Wikipedia, desktop or not.
        _ => with_access(code, "wikipedia"),
    };
    let project = if name == "www" {
        family.to_owned()
    } else {
        format!("{name}.{family}")
    };
    Some(domain(code, project, access))
}

/// Whether it can be a domain code at all. Half of a line, split by a line feed in its title, begins with anything.
pub(super) fn is_code(code: &str) -> bool {
    code.bytes().all(|byte| byte == b'.' || is_of_name(byte))
}

/// Whether it can be the name of a project: a family (`wikidata`), perhaps behind the name of a wiki (`en.wikipedia`).
/// Languages and families come and go, so that there is no list of them; but all families are called alike
/// (`static_data/pageview/allowlist/allowlist.tsv` in Wikimedia's analytics-refinery).
pub(super) fn is_project(name: &str) -> bool {
    let family = name.rsplit('.').next().unwrap_or(name);
    (family.starts_with("wik") || family == "mediawiki") && name.split('.').all(is_wiki)
}

/// Whether it can be the name of a wiki: a language, or what the wiki is for.
fn is_wiki(name: &str) -> bool {
    (1..=MAX_DOMAIN).contains(&name.len()) && name.bytes().all(is_of_name)
}

/// Whether names of hosts may hold it.
fn is_of_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

/// Families of wikis, as paths of media files have them.
const FAMILIES: &[&str] = &[
    "wikipedia",
    "wikibooks",
    "wiktionary",
    "wikinews",
    "wikiquote",
    "wikisource",
    "wikiversity",
    "wikivoyage",
    "wikimedia",
];

/// The project of a wiki in a path of media files, if these are the names of a family and of a wiki. What has no language
/// of its own counts there as a Wikipedia: `/wikipedia/commons/…`.
pub(super) fn project(wiki: &str, family: &str) -> Option<String> {
    if !(FAMILIES.contains(&family) && is_wiki(wiki)) {
        return None;
    }
    Some(match wiki {
        "mediawiki" | "wikidata" | "wikifunctions" => wiki.to_owned(),
        _ if family == "wikipedia" && is_wikimedia(wiki, Dataset::Pageviews) => {
            format!("{wiki}.wikimedia")
        }
        _ => format!("{wiki}.{family}"),
    })
}

/// Splits the access from a code without its family.
fn with_access<'a>(code: &'a str, family: &'static str) -> (&'a str, Access, &'static str) {
    match code.rsplit_once('.') {
        Some((name, "m")) => (name, Access::Mobile, family),
        Some((name, "zero")) => (name, Access::Zero, family),
        // A family with one wiki: `www.wd` is its desktop site and `m.wd` the mobile one.
        _ if code == "m" => ("www", Access::Mobile, family),
        _ => (code, Access::Desktop, family),
    }
}

/// Whether `name.m` is a wiki under wikimedia.org.
fn is_wikimedia(name: &str, dataset: Dataset) -> bool {
    // Page counts know no mobile sites, and a second part leaves no doubt: `meta.m.m`.
    dataset == Dataset::PagecountsRaw
        || name.contains('.')
        || WIKIMEDIA.contains(&name)
        || name.starts_with("wikimania")
}

fn domain(code: &str, project: String, access: Access) -> Domain {
    Domain {
        code: code.to_owned(),
        project,
        access,
    }
}

fn family(suffix: &str) -> Option<&'static str> {
    Some(match suffix {
        "b" => "wikibooks",
        "d" => "wiktionary",
        "f" => "wikimediafoundation",
        "n" => "wikinews",
        "q" => "wikiquote",
        "s" => "wikisource",
        "v" => "wikiversity",
        "voy" => "wikivoyage",
        "w" => "mediawiki",
        "wd" => "wikidata",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn described(code: &str) -> (String, &'static str) {
        let domain = describe(code, Dataset::Pageviews).unwrap();
        (domain.project, domain.access.as_str())
    }

    #[test]
    fn codes_become_projects_and_access() {
        for (code, project, access) in [
            ("en", "en.wikipedia", "desktop"),
            ("en.m", "en.wikipedia", "mobile"),
            ("en.zero", "en.wikipedia", "zero"),
            ("zh-min-nan.m", "zh-min-nan.wikipedia", "mobile"),
            ("de.voy", "de.wikivoyage", "desktop"),
            ("zh.m.voy", "zh.wikivoyage", "mobile"),
            ("en.m.b", "en.wikibooks", "mobile"),
            ("ru.m.d", "ru.wiktionary", "mobile"),
            ("www.wd", "wikidata", "desktop"),
            ("m.wd", "wikidata", "mobile"),
            ("www.w", "mediawiki", "desktop"),
            ("www.f", "wikimediafoundation", "desktop"),
            ("www", "wikipedia", "desktop"),
            ("", "unknown", "unknown"),
        ] {
            assert_eq!(described(code), (project.to_owned(), access), "{code}");
        }
    }

    #[test]
    fn what_ends_in_m_is_wikimedia_only_where_no_wikipedia_has_the_name() {
        assert_eq!(
            described("commons.m"),
            ("commons.wikimedia".to_owned(), "desktop")
        );
        assert_eq!(
            described("commons.m.m"),
            ("commons.wikimedia".to_owned(), "mobile")
        );
        assert_eq!(
            described("meta.m.m"),
            ("meta.wikimedia".to_owned(), "mobile")
        );
        assert_eq!(
            described("wikimania2024.m"),
            ("wikimania2024.wikimedia".to_owned(), "desktop")
        );
        // Both a mobile Wikipedia and a chapter's wiki, in one row.
        assert_eq!(described("ru.m"), ("ru.wikipedia".to_owned(), "mobile"));
    }

    #[test]
    fn names_of_projects_are_told_from_ends_of_titles() {
        // As they stand in the list of all projects, and in days of 2011.
        for name in [
            "en.wikipedia",
            "zh-min-nan.wiktionary",
            "be-x-old.wikipedia",
            "test2.wikipedia",
            "wg-en.wikipedia",
            "commons.wikimedia",
            "wikimania2014.wikimedia",
            "meta.wikidata",
            "beta.wikiversity",
            "wikidata",
            "wikifunctions",
            "wikimediafoundation",
            "wikisource",
            "mediawiki",
        ] {
            assert!(is_project(name), "{name}");
        }
        for end in [
            "bar",
            "bar.jpg",
            "(film)",
            ".wikipedia",
            "en..wikipedia",
            "Foo,_bar.wikipedia",
            "東.wikipedia",
            "en.wikipedia\"",
            "",
        ] {
            assert!(!is_project(end), "{end}");
        }
    }

    #[test]
    fn domain_codes_are_told_from_ends_of_titles() {
        for code in [
            "",
            "en",
            "en.m.b",
            "zh-classical",
            "www.wd",
            "AR",
            "test2.m",
        ] {
            assert!(is_code(code), "{code}");
        }
        for end in ["bar\"", "(film)", "a/b", "Caf%C3%A9", "東"] {
            assert!(!is_code(end), "{end}");
        }
    }

    #[test]
    fn page_counts_know_no_mobile_site() {
        let domain = describe("commons.m", Dataset::PagecountsRaw).unwrap();
        assert_eq!(
            (domain.project.as_str(), domain.access),
            ("commons.wikimedia", Access::Desktop)
        );
        assert_eq!(describe("en.mw", Dataset::PagecountsRaw), None);
    }
}
