//! A host with files: whether it can be asked, politely, and has what is to be loaded.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use reqwest::{
    Client, Response, StatusCode,
    header::{AGE, DATE, HeaderMap},
};

use super::{
    clock,
    finding::{Finding, Findings, Verdict},
    reach,
    subjects::Place,
};
use wikiingest_crds::DUMPS_URL;

use crate::{
    batch::{
        dataset::Dataset,
        list::{Unit, units_of},
    },
    failure::chain,
    http::{self, is_loopback},
    trouble::Trouble,
};

/// The longest that a host is waited for when it asks to.
const LONGEST_WAIT: Duration = Duration::from_mins(1);
/// How long it may be silent.
const PATIENCE: Duration = Duration::from_secs(30);
/// Index pages that are read of a host.
const PAGES: usize = 2;

/// Looks at index pages, one after the other on one connection.
pub(super) async fn examine(place: &Place, dataset: Dataset, range: Range) -> Vec<Finding> {
    let mut findings = Findings::of(format!("source {}", place.source));
    let (client, base) = match client(place) {
        Ok(client) => client,
        Err(what) => {
            findings.not_ok("reachable", what, "correct baseUrl or spec.contact");
            return findings.found;
        }
    };
    let mut units = Vec::new();
    let mut folders = dataset.folders(range.from, range.to);
    folders.reverse();
    for (number, folder) in folders.iter().take(PAGES).enumerate() {
        let url = format!("{base}/{folder}");
        let Some(page) = page(&client, &url, number == 0, &mut findings).await else {
            return findings.found;
        };
        units.extend(units_of(dataset, &url, &page));
        if !units.is_empty() {
            break;
        }
    }
    let host = host(&base);
    findings.add("files", judge(&host, &units, range));
    findings.found
}

/// Which files are looked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Range {
    from: Timestamp,
    to: Timestamp,
    period: SignedDuration,
    /// How long after its end the newest may be missing; none where the range is long past.
    late: Option<SignedDuration>,
}

impl Range {
    pub(super) fn recent(dataset: Dataset, late: SignedDuration, now: Timestamp) -> Self {
        let period = dataset.period();
        Self {
            from: now - late - period - period,
            to: now,
            period,
            late: Some(late),
        }
    }

    pub(super) fn past(dataset: Dataset, from: Timestamp, to: Timestamp) -> Self {
        Self {
            from,
            to,
            period: dataset.period(),
            late: None,
        }
    }
}

fn client(place: &Place) -> Result<(Client, String), String> {
    let (builder, base) = http::client(place.base_url.as_deref(), DUMPS_URL, &place.contact)
        .map_err(|error| error.to_string())?;
    let builder = builder.pool_max_idle_per_host(1).read_timeout(PATIENCE);
    let client = builder.build().map_err(|error| chain(&error))?;
    Ok((client, base))
}

/// An index page, empty where there is none; nothing when the host does not give any. The first tells of the way there.
async fn page(
    client: &Client,
    url: &str,
    is_first: bool,
    findings: &mut Findings,
) -> Option<String> {
    let response = match ask(client, url).await {
        Ok(response) => response,
        Err(error) => {
            let (name, verdict) = unreached(url, error);
            findings.add(name, verdict);
            return None;
        }
    };
    if is_first {
        clock_of(&host(url), response.headers(), findings);
    }
    let status = response.status();
    let wait = http::retry_after(response.headers());
    let body = response.text().await.unwrap_or_default();
    if !status.is_success() && status != StatusCode::NOT_FOUND {
        findings.add("reachable", reach::refusal(status.as_u16(), wait, &body));
        return None;
    }
    if is_first {
        reached(url, findings);
    }
    Some(if status.is_success() {
        body
    } else {
        String::new()
    })
}

/// Asks once, and once again if the host says when.
async fn ask(client: &Client, url: &str) -> reqwest::Result<Response> {
    let response = client.get(url).send().await?;
    let is_busy = [
        StatusCode::TOO_MANY_REQUESTS,
        StatusCode::SERVICE_UNAVAILABLE,
    ]
    .contains(&response.status());
    let wait = http::retry_after(response.headers()).filter(|wait| *wait <= LONGEST_WAIT);
    match wait {
        Some(wait) if is_busy => {
            drop(response);
            tokio::time::sleep(wait + Duration::from_secs(1)).await;
            client.get(url).send().await
        }
        _ => Ok(response),
    }
}

/// There is a way to the host.
pub(super) fn reached(url: &str, findings: &mut Findings) {
    let host = host(url);
    findings.ok("reachable", format!("{host} answers"));
    if url.starts_with("https:") {
        findings.ok("tls", format!("the certificate of {host} is trusted"));
    }
}

/// There is none.
pub(super) fn unreached(url: &str, error: reqwest::Error) -> (&'static str, Verdict) {
    let is_handshake = error.is_connect() && url.starts_with("https:");
    let error = error.without_url();
    let trouble = Trouble::of(&error).map(|trouble| {
        if is_handshake {
            trouble.in_handshake()
        } else {
            trouble
        }
    });
    let is_here = url.parse().is_ok_and(|url| is_loopback(&url));
    let is_set = |name: &str| !is_here && std::env::var_os(name).is_some_and(|set| !set.is_empty());
    let verdict = reach::no_way(
        trouble,
        &host(url),
        &chain(&error),
        reach::proxy(url, is_set),
    );
    (reach::check_of(trouble), verdict)
}

/// Compares clocks, where the host says what it is told by its own.
pub(super) fn clock_of(host: &str, headers: &HeaderMap, findings: &mut Findings) {
    let now = Timestamp::now();
    match told(headers) {
        Some(theirs) => findings.add("clock", clock::judge(host, theirs, now)),
        None => findings.could_not_tell(
            "clock",
            format!("{host} does not say what time it is"),
            "compare this machine's clock with another one",
        ),
    }
}

/// The host's time: an answer from a cache is as old as it says.
fn told(headers: &HeaderMap) -> Option<Timestamp> {
    let date = httpdate::parse_http_date(headers.get(DATE)?.to_str().ok()?).ok()?;
    let age = headers.get(AGE).and_then(|age| age.to_str().ok());
    let age = age.and_then(|age| age.trim().parse().ok()).unwrap_or(0);
    Some(Timestamp::try_from(date).ok()? + SignedDuration::from_secs(age))
}

/// The host of a URL, for people.
pub(super) fn host(url: &str) -> String {
    let after = url.split_once("://").map_or(url, |(_, rest)| rest);
    after.split('/').next().unwrap_or(after).to_owned()
}

fn judge(host: &str, units: &[Unit], range: Range) -> Verdict {
    let Some(newest) = units.iter().max_by_key(|unit| unit.ts) else {
        return Verdict::not_ok(
            format!("{host} lists no file that could be loaded"),
            "correct baseUrl; a mirror may hold only part of what Wikimedia's own host has",
        );
    };
    let Some(late) = range.late else {
        return Verdict::ok(format!("{host} lists files, such as {}", newest.name));
    };
    let age = range.to.duration_since(newest.ts + range.period);
    if age <= late + range.period {
        return Verdict::ok(format!("the newest file of {host} is {}", newest.name));
    }
    Verdict::not_ok(
        format!(
            "the newest file of {host} is {}, {} h old: later ones are not listed",
            newest.name,
            age.as_hours()
        ),
        "if the clock is right, read from a host that is up to date; a mirror may lag behind",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Outcome;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn unit(ts: &str) -> Unit {
        let dataset = Dataset::Pageviews;
        Unit {
            dataset,
            name: dataset.usual_name(at(ts)),
            ts: at(ts),
            url: String::new(),
        }
    }

    #[test]
    fn a_mirror_that_lags_behind_is_told_by_its_newest_file() {
        let late = SignedDuration::from_hours(6);
        let range = Range::recent(Dataset::Pageviews, late, at("2024-08-03T12:00:00Z"));
        let fresh = [unit("2024-08-03T05:00:00Z"), unit("2024-08-03T04:00:00Z")];
        assert_eq!(judge("h", &fresh, range).result, Outcome::Ok);
        let old = judge("h", &[unit("2024-08-02T05:00:00Z")], range);
        assert_eq!(old.result, Outcome::NotOk);
        assert!(
            old.detail.contains("pageviews-20240802-060000, 30 h old"),
            "{}",
            old.detail
        );
        assert_eq!(judge("h", &[], range).result, Outcome::NotOk);
    }

    #[test]
    fn files_of_the_past_need_not_be_recent() {
        let range = Range::past(
            Dataset::Pageviews,
            at("2020-01-01T00:00:00Z"),
            at("2020-02-01T00:00:00Z"),
        );
        let old = judge("h", &[unit("2020-01-02T05:00:00Z")], range);
        assert_eq!(old.result, Outcome::Ok);
    }

    #[test]
    fn an_answer_from_a_cache_is_as_old_as_it_says() {
        let mut headers = HeaderMap::new();
        headers.insert(DATE, "Sun, 06 Nov 1994 08:49:37 GMT".parse().unwrap());
        assert_eq!(told(&headers), Some(at("1994-11-06T08:49:37Z")));
        headers.insert(AGE, "60".parse().unwrap());
        assert_eq!(told(&headers), Some(at("1994-11-06T08:50:37Z")));
    }
}
