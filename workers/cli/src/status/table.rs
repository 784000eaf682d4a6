//! A line for each resource.

use jiff::Timestamp;
use kube::ResourceExt as _;
use wikiingest_crds::{SourceStatus, WikiIngest};

use super::{condition, sources::lag};
use crate::words::{NOTHING, ago, columns, length};

/// All of them, in the order of their namespaces and names.
pub(super) fn table(ingests: &[WikiIngest], with_namespace: bool, now: Timestamp) -> String {
    let headings = [
        "NAME",
        "READY",
        "REASON",
        "SOURCES",
        "LAG",
        "LAST SUCCESS",
        "SUSPENDED",
        "AGE",
    ];
    let headings = headings.map(str::to_owned).to_vec();
    let mut ingests: Vec<&WikiIngest> = ingests.iter().collect();
    ingests.sort_by_key(|ingest| (ingest.namespace(), ingest.name_any()));
    let rows = ingests.into_iter().map(|ingest| {
        let namespace = ingest.namespace().unwrap_or_default();
        (namespace, row(ingest, now))
    });
    let all = std::iter::once(("NAMESPACE".to_owned(), headings)).chain(rows);
    let rows: Vec<Vec<String>> = all
        .map(|(namespace, row)| {
            let first = with_namespace.then_some(namespace);
            first.into_iter().chain(row).collect()
        })
        .collect();
    columns(&rows)
}

fn row(ingest: &WikiIngest, now: Timestamp) -> Vec<String> {
    let ready = condition(ingest, "Ready");
    let status = ingest.status.clone().unwrap_or_default();
    let or_nothing = |text: Option<String>| text.unwrap_or_else(|| NOTHING.to_owned());
    let created = ingest.creation_timestamp();
    vec![
        ingest.name_any(),
        or_nothing(ready.map(|ready| ready.status.clone())),
        or_nothing(ready.map(|ready| ready.reason.clone())),
        or_nothing(status.sources_ready),
        lags(&status.sources, now),
        or_nothing(status.last_success_time.map(|time| ago(time, now))),
        ingest.spec.suspend.to_string(),
        or_nothing(created.map(|time| length(now.duration_since(time.0)))),
    ]
}

/// Those of all sources that tell one.
fn lags(sources: &[SourceStatus], now: Timestamp) -> String {
    let each =
        |source: &SourceStatus| Some(format!("{} {}", source.name, length(lag(source, now)?)));
    let lags: Vec<String> = sources.iter().filter_map(each).collect();
    if lags.is_empty() {
        return NOTHING.to_owned();
    }
    lags.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{ingest, now};

    #[test]
    fn resources_are_a_line_each_with_the_lag_of_each_source() {
        let mut unseen = ingest();
        unseen.metadata.name = Some("a-new-one".to_owned());
        unseen.metadata.creation_timestamp = None;
        unseen.spec.suspend = true;
        unseen.status = None;
        let both = [ingest(), unseen];
        insta::assert_snapshot!(table(&both, false, now()));
        let with = table(&both, true, now());
        assert!(with.starts_with("NAMESPACE   NAME"), "{with}");
        assert!(with.contains("\ndefault     wikimedia"), "{with}");
    }
}
