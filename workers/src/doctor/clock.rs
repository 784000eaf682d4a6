//! This machine's clock, beside those of hosts and servers.

use jiff::{SignedDuration, Timestamp};

use super::finding::Verdict;

/// The most that two clocks may be apart. S3 refuses requests from 15 minutes on.
const TOLERANCE: SignedDuration = SignedDuration::from_mins(5);

const REMEDY: &str = "set the clock that is wrong, as a rule by NTP (timedatectl set-ntp true, chronyd): due files, retention \
and the signatures of S3 go by it";

/// What it means that `whose` clock says `theirs` when ours says `ours`.
pub(super) fn judge(whose: &str, theirs: Timestamp, ours: Timestamp) -> Verdict {
    let ahead = ours.duration_since(theirs);
    let off = ahead.abs();
    if off <= TOLERANCE {
        return Verdict::ok(format!("within {} s of {whose}", off.as_secs().max(1)));
    }
    let way = if ahead.is_positive() {
        "ahead of"
    } else {
        "behind"
    };
    let detail = format!(
        "this machine's clock is {} {way} {whose}: {} here, {} there",
        words(off),
        seconds(ours),
        seconds(theirs)
    );
    Verdict::not_ok(detail, REMEDY)
}

fn seconds(moment: Timestamp) -> String {
    moment.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn words(time: SignedDuration) -> String {
    let minutes = time.as_secs() / 60;
    match (minutes / 60, minutes % 60) {
        (0, minutes) => format!("{minutes} min"),
        (hours, minutes) => format!("{hours} h {minutes} min"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Outcome;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_clock_that_is_an_hour_off_is_told_with_its_direction() {
        let (here, there) = (at("2026-01-01T13:00:00Z"), at("2026-01-01T12:00:00Z"));
        let ahead = judge("host", there, here);
        assert_eq!(ahead.result, Outcome::NotOk);
        assert!(
            ahead
                .detail
                .contains("1 h 0 min ahead of host: 2026-01-01T13:00:00Z here"),
            "{}",
            ahead.detail
        );
        assert!(
            judge("host", here, there)
                .detail
                .contains("1 h 0 min behind host")
        );
    }

    #[test]
    fn a_minute_between_two_clocks_is_nothing() {
        let verdict = judge(
            "host",
            at("2026-01-01T12:00:00Z"),
            at("2026-01-01T12:01:00Z"),
        );
        assert_eq!(verdict, Verdict::ok("within 60 s of host"));
    }
}
