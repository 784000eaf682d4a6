//! What a mirror lacks. Mirrors have gaps, and only Wikimedia's own host can tell which files there never were.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use wikiingest_crds::{
    DUMPS_URL, Host, mirror_at,
    worker::{Limits, WorkerConfig},
};

use super::{
    dataset::Dataset,
    events::Observer,
    fetch::{Fetch, FetchError},
    list::Missing,
    run::list_all,
};
use crate::failure::chain;

/// Whether files are missing at a known mirror alone. Of any other host nobody knows better.
///
/// Only Wikimedia's index pages are asked for, one at a time; what it has is left to a run that is told to read it there,
/// and waits for one of its connections.
pub(super) async fn has_gaps(
    config: &WorkerConfig,
    datasets: &[Dataset],
    missing: &[&Missing],
    observer: Arc<dyn Observer>,
    stop: CancellationToken,
) -> bool {
    let base_url = config.source.base_url.as_deref();
    if missing.is_empty() || !base_url.is_some_and(is_mirror) {
        return false;
    }
    let limits = Limits {
        connections: 1,
        ..config.limits.clone()
    };
    let origin = Fetch::new(Some(DUMPS_URL), &config.contact, &limits, observer, stop);
    let found = match origin {
        Ok(origin) => there(&origin, datasets, missing).await,
        Err(error) => Err(error),
    };
    match found.as_deref() {
        Ok([]) => false,
        Ok([first, ..]) => {
            tracing::warn!(
                files = found.as_ref().map_or(0, Vec::len),
                first,
                "The mirror lacks files that Wikimedia's own host has: read their time from there, without baseUrl"
            );
            true
        }
        Err(error) => {
            tracing::warn!(
                error = chain(error),
                "The mirror lacks files, and whether Wikimedia's own host has them could not be told"
            );
            true
        }
    }
}

fn is_mirror(base_url: &str) -> bool {
    mirror_at(&Host::of(base_url)).is_some()
}

/// Which of these units a host lists.
async fn there(
    host: &Fetch,
    datasets: &[Dataset],
    missing: &[&Missing],
) -> Result<Vec<String>, FetchError> {
    let times = || missing.iter().map(|missing| missing.ts);
    let (Some(first), Some(last)) = (times().min(), times().max()) else {
        return Ok(Vec::new());
    };
    let period = datasets.iter().map(|dataset| dataset.period()).max();
    let end = last + period.unwrap_or_default();
    let lacked = list_all(host, datasets, (first, end), end).await?.missing;
    let found = missing
        .iter()
        .filter(|missing| lacked.iter().all(|lacked| lacked.name != missing.name));
    Ok(found.map(|missing| missing.name.clone()).collect())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use wikimedia_replay::{Options, Replay, Root};

    use super::*;
    use crate::batch::events::Log;

    fn missing(name: &str, ts: &str) -> Missing {
        Missing {
            name: name.to_owned(),
            ts: ts.parse().unwrap(),
        }
    }

    #[test]
    fn mirrors_are_known_by_their_hosts() {
        assert!(is_mirror("https://mirror.accum.se/mirror/wikimedia.org"));
        assert!(is_mirror("http://dumps.wikimedia.your.org:80/"));
        assert!(!is_mirror(DUMPS_URL));
        assert!(!is_mirror("http://127.0.0.1:8080"));
    }

    #[tokio::test]
    async fn what_the_other_host_lists_is_told_from_what_never_was() {
        let options = Options {
            listed: vec!["pageviews@2024-08-03+6".parse().unwrap()],
            ..Options::new(Root::Memory(BTreeMap::new()))
        };
        let replay = Replay::start(options).await.unwrap();
        let origin = Fetch::new(
            Some(&replay.base_url()),
            "https://example.org/bot",
            &Limits::default(),
            Arc::new(Log),
            CancellationToken::new(),
        )
        .unwrap();
        let hours = [
            missing("pageviews-20240803-060000", "2024-08-03T05:00:00Z"),
            missing("pageviews-20240803-070000", "2024-08-03T06:00:00Z"),
            missing("pageviews-20240803-090000", "2024-08-03T08:00:00Z"),
        ];
        let all: Vec<&Missing> = hours.iter().collect();
        let found = there(&origin, &[Dataset::Pageviews], &all).await.unwrap();
        assert_eq!(found, ["pageviews-20240803-060000"]);
    }
}
