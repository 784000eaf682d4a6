//! A resource to test with, as it stands in the middle of its life.

use jiff::Timestamp;
use serde_json::{Value, json};
use wikiingest_crds::WikiIngest;

/// When it is looked at.
pub(crate) fn now() -> Timestamp {
    "2024-08-03T08:40:00Z".parse().unwrap()
}

/// The resource.
pub(crate) fn ingest() -> WikiIngest {
    serde_json::from_value(raw()).unwrap()
}

/// The same as the API server has it.
pub(crate) fn raw() -> Value {
    json!({
        "apiVersion": "wikiingest.dev/v1alpha1",
        "kind": "WikiIngest",
        "metadata": {
            "name": "wikimedia", "namespace": "default", "uid": "1", "generation": 3, "resourceVersion": "7",
            "creationTimestamp": "2024-07-30T08:40:00Z",
        },
        "spec": {
            "contact": "https://example.org/bot",
            "suspend": false,
            "sinks": [{"name": "lake", "s3": {
                "bucket": "lake", "region": "eu-west-1", "credentialsSecretRef": {"name": "lake"},
            }}],
            "sources": [
                {
                    "name": "pageviews", "pageviews": {}, "schedule": {"cron": "25 * * * *"}, "sinks": ["lake"],
                    "backfill": [{
                        "name": "spring", "from": "2024-03-01T00:00:00Z", "to": "2024-06-01T00:00:00Z", "parallelism": 1,
                    }],
                },
                {"name": "edits", "recentChanges": {}, "sinks": ["lake"]},
            ],
        },
        "status": status(),
    })
}

fn status() -> Value {
    json!({
        "observedGeneration": 3,
        "conditions": [
            condition("Ready", "True", "Ready", "everything is set up and running"),
            condition("DataComplete", "False", "FilesMissing",
                "source pageviews: 1 files are missing: pageviews-20240803-070000"),
        ],
        "lastHandledReconcileAt": "one",
        "sourcesReady": "2/2",
        "lastSuccessTime": "2024-08-03T08:26:10Z",
        "loadedThrough": "2024-08-03T06:00:00Z",
        "sources": [
            {
                "name": "pageviews", "kind": "pageviews",
                "lastRun": {
                    "job": "wikimedia-pageviews-28711705", "finishTime": "2024-08-03T08:26:10Z",
                    "window": {"from": "2024-08-01T08:00:00Z", "to": "2024-08-03T08:00:00Z"},
                    "loaded": 1, "skipped": 46, "missing": 1, "failed": 0, "rows": 4_567_890, "rejected": 3,
                    "bytes": 50_000_000, "seconds": 31.4, "exitCode": 2,
                    "message": "1 files are not published yet, such as pageviews-20240803-070000",
                },
                "lastSuccessTime": "2024-08-03T08:26:10Z", "nextRunTime": "2024-08-03T09:25:00Z",
                "loadedThrough": "2024-08-03T06:00:00Z", "lagSeconds": 8770, "rows": 900_000_000, "rejected": 12,
                "missingCount": 1, "missingUnits": ["pageviews-20240803-070000"],
            },
            {
                "name": "edits", "kind": "recentChanges", "lagSeconds": 0,
                "stream": {"deployment": "wikimedia-edits", "ready": 1, "desired": 1, "gapSeconds": 90},
            },
        ],
        "backfills": [{
            "source": "pageviews", "name": "spring", "phase": "Running", "completed": 41, "failed": 0, "total": 92,
            "percent": 44, "rows": 3_210_000, "missing": 0, "job": "wikimedia-pageviews-spring-1f2e3d4c",
            "startTime": "2024-08-02T08:40:00Z",
        }],
        "retention": {
            "lastRun": {
                "finishTime": "2024-08-03T03:10:00Z", "rows": 120_000, "objects": 24, "seconds": 4.0, "exitCode": 0,
            },
            "lastSuccessTime": "2024-08-03T03:10:00Z", "nextRunTime": "2024-08-04T03:07:00Z",
        },
    })
}

/// A condition that has stood so for an hour.
pub(crate) fn condition(name: &str, status: &str, reason: &str, message: &str) -> Value {
    json!({
        "type": name, "status": status, "reason": reason, "message": message, "observedGeneration": 3,
        "lastTransitionTime": "2024-08-03T07:40:00Z",
    })
}

/// The resource with a condition instead of those that it has, and another one where that is given.
pub(crate) fn with_conditions(conditions: Value) -> WikiIngest {
    let mut raw = raw();
    raw["status"]["conditions"] = conditions;
    serde_json::from_value(raw).unwrap()
}
