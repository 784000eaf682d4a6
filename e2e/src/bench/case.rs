//! What is measured of a case, and how it is told.

use serde::{Serialize, Serializer};

use super::measure::Measured;
use crate::error::{Error, Result};
use crate::say::say;

/// What a case should not exceed: printed beside what it was. Only what [`held`] is asked about fails by it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Target {
    pub(super) ratio: Option<f64>,
    pub(super) rss_mib: Option<f64>,
    /// Of what only this case has, by its name.
    pub(super) others: &'static [(&'static str, f64)],
}

/// One thing measured, round after round.
#[derive(Debug, Clone)]
pub(super) struct Case {
    bench: &'static str,
    name: String,
    target: Option<Target>,
    rounds: Vec<Measured>,
    /// The median of what it is held against; its own when that is nothing.
    floor: Option<f64>,
    /// What only this case has.
    others: Vec<(&'static str, f64)>,
}

impl Case {
    pub(super) fn new(bench: &'static str, name: &str, target: Option<Target>) -> Self {
        Self {
            bench,
            name: name.to_owned(),
            target,
            rounds: Vec::new(),
            floor: None,
            others: Vec::new(),
        }
    }

    /// The same rounds under another name, to be held against something else.
    pub(super) fn again(&self, name: &str, target: Option<Target>) -> Self {
        Self {
            name: name.to_owned(),
            target,
            ..self.clone()
        }
    }

    /// Adds a figure that only this case has.
    pub(super) fn figure(&mut self, name: &'static str, value: f64) {
        self.others.push((name, value));
    }

    /// Adds a round; the first one, of number 0, only warms up.
    pub(super) fn add(&mut self, round: usize, measured: Measured) {
        let kind = if round == 0 { "warm-up" } else { "round" };
        let rss = mib(measured.rss_mib);
        say!(
            "{kind:<7} {round}  {:<26} {:>8.3} s  {rss:>7} MiB",
            self.name,
            measured.seconds
        );
        if round > 0 {
            self.rounds.push(measured);
        }
    }

    /// Holds it against another case.
    pub(super) fn against(&mut self, floor: &Self) {
        self.floor = Some(floor.seconds());
    }

    /// The median.
    fn seconds(&self) -> f64 {
        let mut seconds: Vec<f64> = self.rounds.iter().map(|round| round.seconds).collect();
        seconds.sort_by(f64::total_cmp);
        seconds.get(seconds.len() / 2).copied().unwrap_or(f64::NAN)
    }

    /// The worst.
    fn rss_mib(&self) -> Option<f64> {
        self.rounds
            .iter()
            .filter_map(|round| round.rss_mib)
            .max_by(f64::total_cmp)
    }

    fn floor_seconds(&self) -> f64 {
        self.floor.unwrap_or_else(|| self.seconds())
    }

    fn ratio(&self) -> f64 {
        self.seconds() / self.floor_seconds()
    }

    fn verdict(&self) -> String {
        let word = |met: bool| if met { "met" } else { "MISSED" };
        let targets = self.targets().into_iter();
        let parts: Vec<_> = targets
            .map(|(target, met)| format!("{target} {}", word(met)))
            .collect();
        if parts.is_empty() {
            return String::new();
        }
        format!("target {}", parts.join(", "))
    }

    /// Each target, and whether it was met.
    fn targets(&self) -> Vec<(String, bool)> {
        let target = self.target.unwrap_or_default();
        let ratio = target
            .ratio
            .map(|most| (format!("{most} x"), self.ratio() <= most));
        let rss = target.rss_mib.map(|most| {
            let met = self.rss_mib().is_some_and(|rss| rss <= most);
            (format!("{most} MiB"), met)
        });
        let others = target.others.iter().map(|(name, most)| {
            let mut figures = self.others.iter();
            let met = figures.any(|(other, value)| other == name && value <= most);
            (format!("{name} {most}"), met)
        });
        ratio.into_iter().chain(rss).chain(others).collect()
    }

    fn line(&self) -> Line<'_> {
        Line {
            bench: self.bench,
            case: &self.name,
            seconds: rounded(self.seconds()),
            floor_seconds: rounded(self.floor_seconds()),
            ratio: rounded(self.ratio()),
            rss_mib: self.rss_mib().map(rounded),
            others: Others(&self.others),
        }
    }
}

/// How every bench of the project tells of a case.
#[derive(Debug, Serialize)]
struct Line<'a> {
    bench: &'a str,
    case: &'a str,
    seconds: f64,
    floor_seconds: f64,
    ratio: f64,
    /// Nothing for a case that has no process of its own.
    rss_mib: Option<f64>,
    #[serde(flatten)]
    others: Others<'a>,
}

#[derive(Debug)]
struct Others<'a>(&'a [(&'static str, f64)]);

impl Serialize for Others<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, rounded(*value))))
    }
}

impl Line<'_> {
    fn json(&self) -> Result<String> {
        serde_json::to_string(self)
            .map_err(|error| Error::other(format!("a case cannot be told: {error}")))
    }
}

fn rounded(x: f64) -> f64 {
    (x * 1000.0).round() / 1000.0
}

fn mib(rss: Option<f64>) -> String {
    rss.map_or_else(|| "-".to_owned(), |rss| format!("{rss:.1}"))
}

/// A table for people, then the lines for programs.
pub(super) fn print(cases: &[Case]) -> Result<()> {
    say!(
        "\n{:<26} {:>9} {:>9} {:>7} {:>8}",
        "case",
        "seconds",
        "floor",
        "ratio",
        "MiB"
    );
    for case in cases {
        let (seconds, floor, ratio) = (case.seconds(), case.floor_seconds(), case.ratio());
        let (rss, verdict) = (mib(case.rss_mib()), case.verdict());
        say!(
            "{:<26} {seconds:>9.3} {floor:>9.3} {ratio:>7.2} {rss:>8}  {verdict}",
            case.name
        );
        for (name, value) in &case.others {
            say!("    {name} {value:.3}");
        }
    }
    say!("");
    for case in cases {
        say!("{}", case.line().json()?);
    }
    Ok(())
}

/// Fails if a case misses one of its targets.
pub(super) fn held(cases: &[Case]) -> Result<()> {
    let missed = cases.iter().flat_map(|case| {
        let missed = case.targets().into_iter().filter(|(_, met)| !met);
        missed.map(|(target, _)| format!("{}, {}: {target}", case.bench, case.name))
    });
    let missed: Vec<_> = missed.collect();
    if missed.is_empty() {
        return Ok(());
    }
    Err(Error::other(format!(
        "limits are broken:\n{}",
        missed.join("\n")
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_told_with_its_ratio_and_the_worst_memory() {
        let mut floor = Case::new("b", "floor", None);
        let mut case = Case::new("b", "c", None);
        for (round, seconds) in [9.0, 3.0, 1.0, 2.0].into_iter().enumerate() {
            floor.add(
                round,
                Measured {
                    seconds: seconds / 2.0,
                    rss_mib: None,
                },
            );
            case.add(
                round,
                Measured {
                    seconds,
                    rss_mib: Some(seconds * 10.0),
                },
            );
        }
        case.against(&floor);
        let json = case.line().json().expect("it can be told");
        let expected = r#"{"bench":"b","case":"c","seconds":2.0,"floor_seconds":1.0,"ratio":2.0,"rss_mib":30.0}"#;
        assert_eq!(json, expected);
        let json = floor.line().json().expect("it can be told");
        assert!(json.ends_with(r#""ratio":1.0,"rss_mib":null}"#), "{json}");
    }

    #[test]
    fn figures_of_its_own_follow_in_their_order_and_have_targets() {
        let target = Target {
            rss_mib: Some(32.0),
            others: &[("p99_ms", 200.0), ("p50_ms", 60.0)],
            ..Target::default()
        };
        let mut case = Case::new("b", "c", Some(target));
        let (seconds, rss_mib) = (1.0, Some(8.0));
        case.add(1, Measured { seconds, rss_mib });
        case.figure("p50_ms", 61.0004);
        case.figure("p99_ms", 150.5);
        let json = case.line().json().expect("it can be told");
        let expected = r#""rss_mib":8.0,"p50_ms":61.0,"p99_ms":150.5}"#;
        assert!(json.ends_with(expected), "{json}");
        let verdict = "target 32 MiB met, p99_ms 200 met, p50_ms 60 MISSED";
        assert_eq!(case.verdict(), verdict);
        let broken = held(&[case.clone()])
            .expect_err("one is missed")
            .to_string();
        assert!(broken.ends_with("\nb, c: p50_ms 60"), "{broken}");
        let other = case.again("d", None);
        assert!(other.verdict().is_empty() && other.rss_mib() == Some(8.0));
        held(&[other]).expect("nothing is asked of it");
    }
}
