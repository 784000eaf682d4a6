//! What passes between operator and worker.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what is unexpected here fails the test"
)]

use std::{sync::LazyLock, time::Duration};

use proptest::prelude::*;
use serde_json::{Value, json};
use wikiingest_crds::{
    Compression, Sink, SinkKind, Source, SourceKind, Span, WikiIngestSpec, WikiIngestStatus,
    worker::{
        ExitCode, ExpireConfig, ExpireReport, FailedTerm, FailedUnit, Limits, REPORT_LIMIT, Report,
        ReportWindow, SecretKey, Window, WorkerConfig, resolve, secret_env, secret_vars,
    },
};

fn spec() -> WikiIngestSpec {
    let example: Value = serde_saphyr::from_str(include_str!("example.yaml")).unwrap();
    serde_json::from_value(example["spec"].clone()).unwrap()
}

fn lookback() -> Window {
    Window::Lookback {
        lookback: "48h".parse().unwrap(),
    }
}

#[test]
fn a_worker_gets_one_source_and_the_sinks_it_feeds() {
    let config = resolve(&spec(), "edits", lookback()).unwrap();
    assert_eq!(config.contact, "https://example.org/wiki-bot");
    assert_eq!(config.source.name, "edits");
    assert_eq!(
        config
            .sinks
            .iter()
            .map(|sink| sink.name.as_str())
            .collect::<Vec<_>>(),
        ["warehouse"]
    );

    let mut spec = spec();
    spec.sources[0].sinks.reverse();
    let config = resolve(&spec, "pageviews", lookback()).unwrap();
    assert_eq!(
        config
            .sinks
            .iter()
            .map(|sink| sink.name.as_str())
            .collect::<Vec<_>>(),
        ["lake", "warehouse"]
    );
}

#[test]
fn what_cannot_be_resolved_is_named() {
    let mut spec = spec();
    let error = |spec: &WikiIngestSpec, source: &str, window: Window| {
        resolve(spec, source, window).unwrap_err().to_string()
    };
    assert_eq!(
        error(&spec, "page", lookback()),
        "no source is called \"page\": spec.sources has pageviews, media, edits"
    );
    let at = "2024-08-03T05:00:00Z".parse().unwrap();
    assert!(
        error(
            &spec,
            "media",
            Window::Range {
                from: at,
                to: at,
                every: None
            }
        )
        .contains("from (2024-08-03T05:00:00Z) must be before to")
    );
    spec.sources[1].sinks.push("pond".to_owned());
    assert!(
        error(&spec, "media", lookback())
            .contains("\"pond\", which spec.sinks does not declare: it has warehouse, lake")
    );
    spec.sources[1].mediacounts = None;
    assert_eq!(
        error(&spec, "media", lookback()),
        "source \"media\" must have exactly one kind"
    );
}

#[test]
fn the_config_file_round_trips_and_carries_no_secret() {
    let config = resolve(&spec(), "pageviews", lookback()).unwrap();
    let file = serde_json::to_string(&config).unwrap();
    assert_eq!(serde_json::from_str::<WorkerConfig>(&file).unwrap(), config);
    assert!(!file.contains("password"), "{file}");
}

#[test]
fn the_config_file_may_leave_out_limits_but_have_nothing_unknown() {
    let mut file = json!(resolve(&spec(), "pageviews", lookback()).unwrap());
    file.as_object_mut().unwrap().remove("limits");
    let config: WorkerConfig = serde_json::from_value(file.clone()).unwrap();
    assert_eq!(config.limits, Limits::default());
    file["limits"] = json!({ "attempts": 9 });
    let config: WorkerConfig = serde_json::from_value(file.clone()).unwrap();
    assert_eq!(
        config.limits,
        Limits {
            attempts: 9,
            ..Limits::default()
        }
    );
    file["limits"] = json!({ "retries": 9 });
    assert!(
        serde_json::from_value::<WorkerConfig>(file.clone())
            .unwrap_err()
            .to_string()
            .contains("unknown field `retries`")
    );
    file["limits"] = json!({});
    file["windows"] = json!({});
    assert!(
        serde_json::from_value::<WorkerConfig>(file)
            .unwrap_err()
            .to_string()
            .contains("unknown field `windows`")
    );
}

#[test]
fn a_window_is_a_lookback_or_a_range() {
    let read =
        |value: Value| serde_json::from_value::<Window>(value).map_err(|error| error.to_string());
    assert_eq!(read(json!({ "lookback": "48h" })), Ok(lookback()));
    let range = json!({ "from": "2024-08-03T05:00:00Z", "to": "2024-08-03T06:00:00Z" });
    assert_eq!(json!(read(range.clone()).unwrap()), range);
    for (value, reason) in [
        (json!({}), "window must be"),
        (json!({ "from": "2024-08-03T05:00:00Z" }), "window must be"),
        (
            json!({ "lookback": "1h", "from": "2024-08-03T05:00:00Z", "to": "2024-08-03T06:00:00Z" }),
            "window must be",
        ),
        (
            json!({ "from": "2024-08-03T06:00:00Z", "to": "2024-08-03T05:00:00Z" }),
            "window is empty",
        ),
        (
            json!({ "lookback": "soon" }),
            "\"soon\" is not a length of time",
        ),
        (json!({ "since": "1h" }), "unknown field `since`"),
    ] {
        let error = read(value.clone()).unwrap_err();
        assert!(error.contains(reason), "{value}: {error}");
    }
}

#[test]
fn secrets_travel_in_the_environment() {
    assert_eq!(
        secret_env("my-lake", SecretKey::SecretAccessKey),
        "WIKIINGEST_MY_LAKE_SECRET_ACCESS_KEY"
    );
    let mut sinks = spec().sinks;
    let lines = |sink: &Sink| -> Vec<String> {
        secret_vars(sink)
            .into_iter()
            .map(|var| {
                format!(
                    "{}={}/{}{}",
                    var.env,
                    var.secret,
                    var.key,
                    if var.optional { "?" } else { "" }
                )
            })
            .collect()
    };
    assert_eq!(
        lines(&sinks[0]),
        [
            "WIKIINGEST_WAREHOUSE_USERNAME=singlestore/username",
            "WIKIINGEST_WAREHOUSE_PASSWORD=singlestore/password",
            "WIKIINGEST_WAREHOUSE_CA_PEM=singlestore-ca/ca.pem",
        ]
    );
    assert_eq!(
        lines(&sinks[1]),
        Vec::<String>::new(),
        "the pod's own identity"
    );
    sinks[1].s3.as_mut().unwrap().credentials_secret_ref = Some(wikiingest_crds::LocalSecretRef {
        name: "lake".to_owned(),
    });
    assert_eq!(
        lines(&sinks[1]),
        [
            "WIKIINGEST_LAKE_ACCESS_KEY_ID=lake/accessKeyId",
            "WIKIINGEST_LAKE_SECRET_ACCESS_KEY=lake/secretAccessKey",
            "WIKIINGEST_LAKE_SESSION_TOKEN=lake/sessionToken?",
        ]
    );
}

#[test]
fn exit_codes_are_what_the_failure_policy_expects() {
    let codes = [
        ExitCode::Done,
        ExitCode::TryAgain,
        ExitCode::UnitsMissing,
        ExitCode::BadConfig,
        ExitCode::Refused,
    ];
    assert_eq!(codes.map(ExitCode::code), [0, 1, 2, 64, 77]);
    assert!(
        codes
            .iter()
            .all(|exit| ExitCode::from_code(exit.code()) == Some(*exit))
    );
    assert_eq!(ExitCode::from_code(137), None);
}

#[test]
fn the_least_that_can_be_written_has_the_documented_defaults() {
    let source: Source = serde_json::from_value(
        json!({ "name": "a", "pageviews": {}, "schedule": { "cron": "@hourly" }, "sinks": ["x"] }),
    )
    .unwrap();
    let Some(SourceKind::Pageviews(pageviews)) = source.kind() else {
        panic!("{source:?}")
    };
    assert_eq!(
        (pageviews.projects.as_slice(), pageviews.min_views),
        (["*".to_owned()].as_slice(), 0)
    );
    assert_eq!(source.lookback().unwrap().as_str(), "48h");
    assert_eq!(source.schedule.unwrap().time_zone(), "Etc/UTC");

    let source: Source = serde_json::from_value(
        json!({ "name": "a", "mediacounts": {}, "schedule": { "cron": "@daily" }, "sinks": ["x"] }),
    )
    .unwrap();
    assert_eq!(source.lookback().unwrap().as_str(), "7d");

    let source: Source = serde_json::from_value(
        json!({ "name": "a", "recentChanges": {}, "stream": {}, "sinks": ["x"] }),
    )
    .unwrap();
    assert_eq!(source.recent_changes.unwrap().types.len(), 5);
    let stream = json!(source.stream.unwrap());
    assert_eq!(
        stream,
        json!({ "batchInterval": "100ms", "batchSize": 1000, "idleTimeout": "5m", "rewind": "30s", "objectInterval": "5m", "objectSize": 100_000 })
    );

    let sink: Sink = serde_json::from_value(json!({ "name": "a", "singleStore": { "host": "h", "database": "d", "credentialsSecretRef": { "name": "s" } } })).unwrap();
    let Some(SinkKind::SingleStore(server)) = sink.kind() else {
        panic!("{sink:?}")
    };
    assert_eq!(server.port, 3306);
    assert_eq!(Compression::zstd_level(None), 1);
    assert_eq!(
        json!(Limits::default()),
        json!({
            "connections": 2, "attempts": 5, "minBackoff": "1s", "maxBackoff": "60s", "idleTimeout": "60s",
            "maxRejectedShare": 0.01, "maxRejectedLines": 10000, "missingUntil": "336h",
        })
    );
}

#[test]
fn a_status_of_which_nothing_is_known_yet_reads() {
    let status: WikiIngestStatus =
        serde_json::from_value(json!({ "observedGeneration": -1 })).unwrap();
    assert_eq!(status.observed_generation, Some(-1));
    assert_eq!(json!(WikiIngestStatus::default()), json!({}));
}

/// The pattern of the schema and the parser must agree on every text.
static SPAN_SCHEMA: LazyLock<jsonschema::Validator> =
    LazyLock::new(|| jsonschema::validator_for(&json!(schemars::schema_for!(Span))).unwrap());

fn report() -> impl Strategy<Value = Report> {
    // Any text at all: what is longest in JSON are control characters.
    let text = prop_oneof![any::<String>(), "[\\x00-\\x1f\"]{0,400}", "\\PC{0,300}"];
    let failed = (text.clone(), text.clone()).prop_map(|(unit, error)| FailedUnit { unit, error });
    let lists = (
        prop::collection::vec(text.clone(), 0..80),
        prop::collection::vec(failed, 0..40),
    );
    (
        text,
        lists,
        any::<(u32, u32, u32, u32)>(),
        any::<(i64, i64, u64, u8)>(),
        any::<f64>(),
    )
        .prop_map(
            |(
                source,
                (missing, failed),
                (loaded, skipped, missing_count, failed_count),
                (rows, rejected, bytes, exit_code),
                seconds,
            )| Report {
                source,
                window: ReportWindow {
                    from: jiff::Timestamp::MIN,
                    to: jiff::Timestamp::MAX,
                },
                loaded,
                skipped,
                missing,
                missing_count,
                failed,
                failed_count,
                rows,
                rejected,
                inconsistent: rejected,
                bytes,
                seconds,
                through: None,
                exit_code,
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_report_always_fits_on_one_line_and_reads_back(report in report()) {
        let message = report.to_termination_message();
        prop_assert!(message.len() <= REPORT_LIMIT, "{} bytes", message.len());
        prop_assert!(!message.contains('\n'));
        let read: Report = serde_json::from_str(&message).unwrap();
        prop_assert_eq!((read.missing_count, read.failed_count, read.rows), (report.missing_count, report.failed_count, report.rows));
        prop_assert_eq!((read.loaded, read.exit_code, read.bytes), (report.loaded, report.exit_code, report.bytes));
    }

    #[test]
    fn a_report_that_fits_is_left_whole(missing in prop::collection::vec("[a-z0-9-]{0,26}", 0..40)) {
        let missing_count = u32::try_from(missing.len()).unwrap();
        let failed = vec![FailedUnit { unit: "pageviews-20240803-060000".to_owned(), error: "checksum of gzip does not agree".to_owned() }];
        let window = ReportWindow { from: "2024-08-01T06:00:00Z".parse().unwrap(), to: "2024-08-03T06:00:00Z".parse().unwrap() };
        let report = Report {
            source: "pageviews".to_owned(), window, loaded: 3, skipped: 40, missing, missing_count, failed, failed_count: 1,
            rows: 15_000_000, rejected: 2, inconsistent: 1, bytes: 150_000_000, seconds: 61.5, through: None, exit_code: 1,
        };
        prop_assert_eq!(serde_json::from_str::<Report>(&report.to_termination_message()).unwrap(), report);
    }

    #[test]
    fn a_span_is_its_number_times_its_unit(count in 1_u32..1_000_000, unit in 0_usize..6) {
        let (suffix, millis) = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000), ("w", 604_800_000_u64)][unit];
        let text = format!("{count}{suffix}");
        let span: Span = text.parse().unwrap();
        prop_assert_eq!(span.to_std(), Duration::from_millis(u64::from(count) * millis));
        prop_assert_eq!(span.to_string(), text.clone());
        prop_assert_eq!(json!(&span), json!(text));
        prop_assert_eq!(serde_json::from_value::<Span>(json!(text)).unwrap(), span);
    }

    #[test]
    fn spans_and_other_texts_are_told_apart_as_by_the_schema(text in any::<String>()) {
        prop_assert_eq!(text.parse::<Span>().is_ok(), SPAN_SCHEMA.is_valid(&json!(text)));
    }

    #[test]
    fn near_misses_agree_with_the_schema_too(text in "[0-9]{0,7}(ms|s|m|h|d|w|mo|)[ ]?") {
        prop_assert_eq!(text.parse::<Span>().is_ok(), SPAN_SCHEMA.is_valid(&json!(text)));
    }
}

#[test]
fn no_two_secrets_share_a_variable() {
    let names = ["a", "a-ca", "a-session", "a-secret", "a-access", "a-b", "b"];
    let mut vars: Vec<_> = names
        .iter()
        .flat_map(|name| SecretKey::ALL.map(|key| secret_env(name, key)))
        .collect();
    let all = vars.len();
    vars.sort();
    vars.dedup();
    assert_eq!(vars.len(), all);
    assert!(
        vars.iter()
            .all(|var| var.bytes().all(|b| b.is_ascii_uppercase() || b == b'_'))
    );
}

#[test]
fn a_range_is_cut_into_parts_that_are_all_of_it() {
    let window: Window = serde_json::from_value(json!({
        "from": "2024-01-01T05:00:00Z", "to": "2024-01-03T07:00:00Z", "every": "1d"
    }))
    .unwrap();
    assert_eq!(window.parts(), 3);
    let range = |part: u32| serde_json::to_value(window.part(part).unwrap()).unwrap();
    assert_eq!(
        range(0),
        json!({"from": "2024-01-01T05:00:00Z", "to": "2024-01-02T05:00:00Z"})
    );
    assert_eq!(
        range(2),
        json!({"from": "2024-01-03T05:00:00Z", "to": "2024-01-03T07:00:00Z"})
    );
    assert_eq!(
        window.part(3).unwrap_err().to_string(),
        "the window has 3 parts, and part 3 was asked for; the first one is 0"
    );
    // A window that is not cut is its own only part.
    let whole: Window = serde_json::from_value(json!({"lookback": "48h"})).unwrap();
    assert_eq!((whole.parts(), whole.part(0).unwrap()), (1, whole.clone()));
}

#[test]
fn what_is_deleted_is_what_a_sink_keeps_for_a_time_only() {
    let mut spec = spec();
    let config = ExpireConfig::of(&spec).unwrap();
    let terms = |config: &ExpireConfig| -> Vec<String> {
        let terms = config.terms();
        terms
            .map(|term| {
                let kind = term.kind.name();
                format!("{} {kind} {}", term.sink.name, term.span)
            })
            .collect()
    };
    assert_eq!(
        terms(&config),
        ["warehouse pageviews 90d", "warehouse recentChanges 30d"]
    );
    // The lake keeps everything, and the media counts are kept for ever: neither is in the file.
    let names = |all: Vec<&String>| all.into_iter().cloned().collect::<Vec<_>>();
    assert_eq!(
        names(config.sinks.iter().map(|sink| &sink.name).collect()),
        ["warehouse"]
    );
    assert_eq!(config.streams, ["edits"]);
    let file = serde_json::to_string(&config).unwrap();
    assert_eq!(serde_json::from_str::<ExpireConfig>(&file).unwrap(), config);

    // What a source has brought ends as well when the source is gone.
    spec.sources.clear();
    let config = ExpireConfig::of(&spec).unwrap();
    assert_eq!((terms(&config).len(), config.streams.len()), (2, 0));

    let warehouse = spec.sinks[0].single_store.as_mut().unwrap();
    warehouse.retention = None;
    assert_eq!(ExpireConfig::of(&spec), None);
}

#[test]
fn a_report_of_what_was_deleted_fits_however_much_failed() {
    let failed = FailedTerm {
        sink: "warehouse".to_owned(),
        kind: "pageviews".to_owned(),
        error: "é\"".repeat(1000),
    };
    let report = ExpireReport {
        rows: u64::MAX,
        failed: vec![failed; 100],
        failed_count: 100,
        seconds: f64::NAN,
        exit_code: 77,
        ..ExpireReport::default()
    };
    let message = report.to_termination_message();
    assert!(message.len() <= REPORT_LIMIT, "{}", message.len());
    let read: ExpireReport = serde_json::from_str(&message).unwrap();
    assert_eq!((read.failed_count, read.exit_code), (100, 77));
    assert!(!read.failed.is_empty());
}
