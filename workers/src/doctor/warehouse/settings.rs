//! The server's settings that loads go by.

use jiff::Timestamp;
use mysql_async::{Conn, prelude::Queryable as _};

use super::text;
use crate::{
    doctor::{
        clock,
        finding::{Findings, Verdict},
    },
    sinks::warehouse::mysql::{PACKET, SETTINGS},
};

/// Asks for each.
pub(super) async fn examine(conn: &mut Conn, findings: &mut Findings) {
    let infile = text(conn, "SELECT CAST(@@local_infile AS CHAR)").await;
    findings.add("local-infile", local_infile(infile.as_deref()));
    let packet = text(conn, "SELECT CAST(@@max_allowed_packet AS CHAR)").await;
    findings.add("packet-limit", packet_limit(packet.as_deref()));
    let patience = conn.query_drop(SETTINGS).await;
    findings.add(
        "timeouts",
        timeouts(patience.err().map(|error| error.to_string())),
    );
    let zone = text(conn, IN_UTC).await;
    findings.add("time-zone", time_zone(zone.as_deref()));
    let clock = text(conn, "SELECT CAST(UNIX_TIMESTAMP() AS CHAR)").await;
    findings.add("clock", server_clock(clock.as_deref(), Timestamp::now()));
}

/// A moment that is another number of seconds in every zone but UTC.
const IN_UTC: &str = "SELECT CAST(UNIX_TIMESTAMP('2026-01-01 00:00:00') - 1767225600 AS CHAR)";

fn local_infile(told: Option<&str>) -> Verdict {
    match told {
        Some("1" | "ON") => Verdict::ok("the server lets clients load rows (local_infile is on)"),
        Some("0" | "OFF") => Verdict::not_ok(
            "LOAD DATA LOCAL INFILE is off on the server (local_infile), and all rows are loaded by it",
            "set local_infile=ON on the server",
        ),
        _ => Verdict::could_not_tell(
            "the server does not tell local_infile",
            "run with --write, which tries it",
        ),
    }
}

fn packet_limit(told: Option<&str>) -> Verdict {
    let Some(limit) = told.and_then(|limit| limit.parse::<usize>().ok()) else {
        return Verdict::could_not_tell(
            "the server does not tell max_allowed_packet",
            format!("have it at {PACKET} or more"),
        );
    };
    if limit >= PACKET {
        return Verdict::ok(format!(
            "max_allowed_packet is {limit}, and {PACKET} bytes are needed"
        ));
    }
    Verdict::not_ok(
        format!(
            "max_allowed_packet is {limit}: the largest packet of rows may have {PACKET} bytes"
        ),
        format!(
            "set max_allowed_packet to {} or more on the server",
            16 << 20
        ),
    )
}

fn timeouts(refused: Option<String>) -> Verdict {
    refused.map_or_else(
        || Verdict::ok("a session may wait for rows as long as a download rests"),
        |why| {
            Verdict::not_ok(
                format!("a session may not set net_read_timeout and net_write_timeout: {why}"),
                "let the user set them",
            )
        },
    )
}

fn time_zone(told: Option<&str>) -> Verdict {
    match told.and_then(|seconds| seconds.parse::<f64>().ok()) {
        None => Verdict::could_not_tell(
            "the server does not tell the time",
            "have the server in UTC (default_time_zone = '+00:00')",
        ),
        Some(0.0) => Verdict::ok("the server reckons in UTC, as the tables do"),
        Some(seconds) => Verdict::not_ok(
            format!(
                "the server's time zone is {:+} h off UTC: NOW(), FROM_UNIXTIME and dashboards will not agree with the tables, \
                 whose times are UTC",
                -seconds / 3600.0
            ),
            "set default_time_zone to '+00:00' on the server; SingleStore takes no zone from a session",
        ),
    }
}

fn server_clock(told: Option<&str>, now: Timestamp) -> Verdict {
    let seconds = told.and_then(|seconds| seconds.split('.').next()?.parse().ok());
    match seconds.and_then(|seconds| Timestamp::from_second(seconds).ok()) {
        Some(theirs) => clock::judge("the server", theirs, now),
        None => Verdict::could_not_tell(
            "the server does not tell the time",
            "compare its clock with this machine's",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Outcome;

    #[test]
    fn a_packet_limit_below_the_largest_packet_is_not_ok() {
        assert_eq!(packet_limit(Some("16777216")).result, Outcome::Ok);
        assert_eq!(packet_limit(Some("1048576")).result, Outcome::NotOk);
        assert_eq!(packet_limit(None).result, Outcome::CouldNotTell);
    }

    #[test]
    fn a_zone_that_is_not_utc_is_told_by_its_hours() {
        assert_eq!(time_zone(Some("0")).result, Outcome::Ok);
        let berlin = time_zone(Some("-3600"));
        assert_eq!(berlin.result, Outcome::NotOk);
        assert!(berlin.detail.contains("+1 h off UTC"), "{}", berlin.detail);
    }

    #[test]
    fn the_server_s_clock_is_read_with_and_without_fractions() {
        let now = Timestamp::from_second(1_767_225_600).unwrap();
        for told in ["1767225600", "1767225600.000000"] {
            assert_eq!(server_clock(Some(told), now).result, Outcome::Ok);
        }
        assert_eq!(server_clock(Some("1767222000"), now).result, Outcome::NotOk);
        assert_eq!(server_clock(Some(""), now).result, Outcome::CouldNotTell);
    }
}
