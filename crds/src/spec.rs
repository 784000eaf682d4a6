//! The resource and its spec.
#![allow(
    clippy::duplicated_attributes,
    reason = "printer columns are of the same types"
)]

use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use crate::{Sink, Source, WikiIngestStatus, Workers};

/// What to load from Wikimedia, and where to.
#[derive(Clone, Debug, PartialEq, CustomResource, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "wikiingest.dev",
    version = "v1alpha1",
    kind = "WikiIngest",
    plural = "wikiingests",
    singular = "wikiingest",
    shortname = "wi",
    category = "wikimedia",
    namespaced,
    status = "WikiIngestStatus",
    derive = "PartialEq",
    doc = "Loads data sets that Wikimedia publishes (page views, media counts, recent changes) into databases and data lakes, on schedule and exactly once.",
    printcolumn(
        name = "READY",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].status"#,
        description = "Whether everything is set up and running"
    ),
    printcolumn(
        name = "REASON",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].reason"#,
        description = "Why it is ready, or why not"
    ),
    printcolumn(
        name = "SOURCES",
        type_ = "string",
        json_path = ".status.sourcesReady",
        description = "Sources without trouble, of all sources"
    ),
    printcolumn(
        name = "LAST SUCCESS",
        type_ = "date",
        json_path = ".status.lastSuccessTime",
        description = "Time since a run last succeeded"
    ),
    printcolumn(
        name = "LAG",
        type_ = "date",
        json_path = ".status.loadedThrough",
        description = "How old the newest loaded data of the source furthest behind are"
    ),
    printcolumn(
        name = "SUSPENDED",
        type_ = "boolean",
        json_path = ".spec.suspend",
        description = "Whether spec.suspend is set"
    ),
    printcolumn(
        name = "AGE",
        type_ = "date",
        json_path = ".metadata.creationTimestamp",
        description = "Time since the resource was created"
    ),
    printcolumn(
        name = "MESSAGE",
        type_ = "string",
        priority = 1,
        json_path = r#".status.conditions[?(@.type=="Ready")].message"#,
        description = "What the reason means here"
    )
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new(SINKS_DECLARED)
        .message(Message::Expression(SINK_MISSING.to_owned())).field_path(".sources"),
    validation = Rule::new(KINDS_APART)
        .message("two sources of the same kind feed the same sink, where they would overwrite each other's rows: make them one source, or give them different sinks").field_path(".sources"),
)]
pub struct WikiIngestSpec {
    /// Stop loading: nothing new is started while this is true, and the stream is not read. Scheduled runs that have begun
    /// finish; backfills stop where they are and go on later. Default: false.
    #[serde(default)]
    pub suspend: bool,

    /// Who to write to about the traffic: the URL of a page about you, or an e-mail address. It is sent to Wikimedia with
    /// every request (in the User-Agent), as its policy asks; requests without it are refused.
    /// Example: `https://example.org/wiki-bot`.
    #[schemars(
        length(min = 6, max = 256),
        regex(
            pattern = r"^(https?://[!#-'*-:=?-\[\]-~]+|(mailto:)?[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+)$"
        )
    )]
    pub contact: String,

    /// Where data go: databases and data lakes, 1 to 8 of them. Sources refer to them by name.
    #[schemars(length(min = 1, max = 8))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub sinks: Vec<Sink>,

    /// What to load: data sets of Wikimedia's, 1 to 16 of them.
    #[schemars(length(min = 1, max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub sources: Vec<Source>,

    /// Settings of the pods that do the work. Default: those that the operator was installed with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workers: Option<Workers>,
}

const SINKS_DECLARED: &str =
    "self.sources.all(s, s.sinks.all(n, self.sinks.exists(k, k.name == n)))";

/// Names the first sink that is missing. Messages are made after rules, and only for what failed.
const SINK_MISSING: &str = "'there is no sink called ' + self.sources.filter(s, \
!s.sinks.all(n, self.sinks.exists(k, k.name == n)))[0].sinks.filter(n, !self.sinks.exists(k, k.name == n))[0] + \
': correct the name in sources, or add the sink to sinks'";

/// Sink by sink, since pairs of sources would cost the API server several times as much at each write, of status too.
const KINDS_APART: &str = "self.sinks.all(k, \
size(self.sources.filter(s, has(s.pageviews) && k.name in s.sinks)) < 2 \
&& size(self.sources.filter(s, has(s.pageviewComplete) && k.name in s.sinks)) < 2 \
&& size(self.sources.filter(s, has(s.pagecountsRaw) && k.name in s.sinks)) < 2 \
&& size(self.sources.filter(s, has(s.mediacounts) && k.name in s.sinks)) < 2 \
&& size(self.sources.filter(s, has(s.recentChanges) && k.name in s.sinks)) < 2)";
