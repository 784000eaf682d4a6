//! What is measured of a case, and how it is told.

use serde_json::json;

use super::measure::Measured;
use crate::say::say;

/// What a case should not exceed: printed beside what it was, nothing fails by it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Target {
    pub(super) ratio: f64,
    pub(super) rss_mib: f64,
}

/// One thing measured, round after round.
#[derive(Debug)]
pub(super) struct Case {
    bench: &'static str,
    name: String,
    target: Option<Target>,
    rounds: Vec<Measured>,
    /// The median of what it is held against; its own when that is nothing.
    floor: Option<f64>,
}

impl Case {
    pub(super) fn new(bench: &'static str, name: &str, target: Option<Target>) -> Self {
        Self {
            bench,
            name: name.to_owned(),
            target,
            rounds: Vec::new(),
            floor: None,
        }
    }

    /// Adds a round; the first one, of number 0, only warms up.
    pub(super) fn add(&mut self, round: usize, measured: Measured) {
        let kind = if round == 0 { "warm-up" } else { "round" };
        say!(
            "{kind} {round}  {:<24} {:>8.3} s  {:>7.1} MiB",
            self.name,
            measured.seconds,
            measured.rss_mib
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
    fn rss_mib(&self) -> f64 {
        self.rounds
            .iter()
            .map(|round| round.rss_mib)
            .fold(0.0, f64::max)
    }

    fn floor_seconds(&self) -> f64 {
        self.floor.unwrap_or_else(|| self.seconds())
    }

    fn ratio(&self) -> f64 {
        self.seconds() / self.floor_seconds()
    }

    fn verdict(&self) -> String {
        let Some(target) = self.target else {
            return String::new();
        };
        let word = |met: bool| if met { "met" } else { "MISSED" };
        format!(
            "target {:.1} x {}, {} MiB {}",
            target.ratio,
            word(self.ratio() <= target.ratio),
            target.rss_mib,
            word(self.rss_mib() <= target.rss_mib)
        )
    }

    fn json(&self) -> String {
        json!({
            "bench": self.bench,
            "case": self.name,
            "seconds": rounded(self.seconds()),
            "floor_seconds": rounded(self.floor_seconds()),
            "ratio": rounded(self.ratio()),
            "rss_mib": rounded(self.rss_mib()),
        })
        .to_string()
    }
}

fn rounded(x: f64) -> f64 {
    (x * 1000.0).round() / 1000.0
}

/// A table for people, then the lines for programs.
pub(super) fn print(cases: &[Case]) {
    say!(
        "\n{:<24} {:>9} {:>9} {:>7} {:>8}",
        "case",
        "seconds",
        "floor",
        "ratio",
        "MiB"
    );
    for case in cases {
        let (seconds, floor, ratio, rss) = (
            case.seconds(),
            case.floor_seconds(),
            case.ratio(),
            case.rss_mib(),
        );
        say!(
            "{:<24} {seconds:>9.3} {floor:>9.3} {ratio:>7.2} {rss:>8.1}  {}",
            case.name,
            case.verdict()
        );
    }
    say!("");
    for case in cases {
        say!("{}", case.json());
    }
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
                    rss_mib: 1.0,
                },
            );
            case.add(
                round,
                Measured {
                    seconds,
                    rss_mib: seconds * 10.0,
                },
            );
        }
        case.against(&floor);
        assert_eq!(
            case.json(),
            r#"{"bench":"b","case":"c","floor_seconds":1.0,"ratio":2.0,"rss_mib":30.0,"seconds":2.0}"#
        );
    }
}
