//! The projects, by the codes that hourly files have for them, and their shares of the lines.

use super::random::Random;
use super::round;
use crate::bench::words::{LANGUAGES, SCRIPTS};

/// A domain code and its share of the lines.
#[derive(Debug)]
pub(super) struct Domain {
    pub(super) code: String,
    /// An index of [`SCRIPTS`].
    pub(super) script: usize,
    pub(super) lines: usize,
}

/// The families of projects: the suffix of a code, how many languages have one, and its weight beside Wikipedia's.
const FAMILIES: &[(&str, usize, f64)] = &[
    ("", 340, 1.0),
    (".d", 300, 0.06),
    (".b", 220, 0.012),
    (".q", 200, 0.010),
    (".s", 150, 0.015),
    (".n", 60, 0.006),
    (".v", 40, 0.006),
    (".voy", 40, 0.008),
];

/// Projects without a language: desktop code, mobile code, weight beside the English Wikipedia's.
const WORLDWIDE: &[(&str, &str, f64)] = &[
    ("commons.m", "commons.m.m", 0.12),
    ("www.wd", "m.wd", 0.10),
    ("meta.m", "meta.m.m", 0.01),
    ("species.m", "species.m.m", 0.01),
    ("incubator.m", "incubator.m.m", 0.005),
    ("www.w", "m.w", 0.005),
    ("www.f", "m.f", 0.004),
    ("foundation.m", "foundation.m.m", 0.001),
];

/// Every domain code in byte order, with exactly `lines` lines between them.
pub(super) fn domains(lines: usize) -> Vec<Domain> {
    divided(shares(), lines)
}

/// The codes of the years that counted no mobile views of their own, in the same way.
pub(super) fn desktop_domains(lines: usize) -> Vec<Domain> {
    let desktop = shares().into_iter().filter(|share| !share.mobile);
    divided(desktop.collect(), lines)
}

/// A domain code and its weight beside the others.
struct Share {
    code: String,
    script: usize,
    weight: f64,
    mobile: bool,
}

fn shares() -> Vec<Share> {
    let mut all = Vec::new();
    let mut add = |code: String, script, weight, mobile| {
        all.push(Share {
            code,
            script,
            weight,
            mobile,
        });
    };
    for (rank, (language, script)) in languages(340).into_iter().enumerate() {
        let language_weight = language_weight(rank);
        for (suffix, count, weight) in FAMILIES {
            if rank < *count {
                let weight = language_weight * weight;
                add(format!("{language}{suffix}"), script, weight * 0.45, false);
                add(format!("{language}.m{suffix}"), script, weight * 0.55, true);
            }
        }
    }
    for (desktop, mobile, weight) in WORLDWIDE {
        add((*desktop).to_owned(), 0, weight * 0.7, false);
        add((*mobile).to_owned(), 0, weight * 0.3, true);
    }
    all
}

/// The head is heavy: about half of all lines are the first language's.
pub(super) fn language_weight(rank: usize) -> f64 {
    1.0 / ((rank + 1) as f64).powf(1.35)
}

fn divided(all: Vec<Share>, lines: usize) -> Vec<Domain> {
    let total: f64 = all.iter().map(|share| share.weight).sum();
    let mut domains: Vec<Domain> = all
        .into_iter()
        .map(|share| Domain {
            code: share.code,
            script: share.script,
            lines: round(lines as f64 * share.weight / total),
        })
        .collect();
    // Rounding loses or gains a few lines: the biggest one makes up for them.
    let given: usize = domains.iter().map(|domain| domain.lines).sum();
    if let Some(biggest) = domains.iter_mut().max_by_key(|domain| domain.lines) {
        biggest.lines = (biggest.lines + lines).saturating_sub(given);
    }
    domains.sort_by(|a, b| a.code.cmp(&b.code));
    domains
}

/// Language codes by size: the real head, then made-up three-letter ones.
pub(super) fn languages(count: usize) -> Vec<(String, usize)> {
    let mut languages: Vec<(String, usize)> = Vec::new();
    for &(code, script) in LANGUAGES {
        languages.push((code.to_owned(), script));
    }
    let mut random = Random::new(7);
    while languages.len() < count {
        let code: String = (0..3)
            .map(|_| char::from(b'a' + random.below_u8(26)))
            .collect();
        if languages.iter().all(|(known, _)| *known != code) {
            let script = if random.chance(0.7) {
                0
            } else {
                random.below(SCRIPTS.len())
            };
            languages.push((code, script));
        }
    }
    languages
}
