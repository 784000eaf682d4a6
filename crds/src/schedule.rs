//! When a source is read: on a schedule, over a past range, or all the time.

use jiff::Timestamp;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Source, Span};

/// When a batch source looks for new files, and how far back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Schedule {
    /// When to look for new files, as a cron expression of five fields (minute, hour, day of month, month, day of week)
    /// or one of @hourly, @daily, @weekly, @monthly and @yearly. An hour's page views are published 40 to 60 minutes
    /// after it ends, so some minutes past the hour are a good time. Example: "25 * * * *".
    #[schemars(length(min = 1, max = 128))]
    pub cron: String,

    /// The time zone that the cron expression is in, as a name of the IANA database. Only the times of the runs follow
    /// it: data are in UTC always. Default: Etc/UTC. Example: Europe/Berlin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub time_zone: Option<String>,

    /// How far back each run looks for files that are not loaded yet, or that were published anew, so that an outage
    /// shorter than this mends itself. A number and a unit (s, m, h, d, w). Default: 48h for hourly sources, 7d for
    /// daily ones. Example: 72h.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lookback: Option<Span>,
}

impl Schedule {
    /// The zone that `cron` is in when none is given.
    pub const DEFAULT_TIME_ZONE: &str = "Etc/UTC";

    /// The zone that `cron` is in.
    #[must_use]
    pub fn time_zone(&self) -> &str {
        self.time_zone.as_deref().unwrap_or(Self::DEFAULT_TIME_ZONE)
    }
}

/// A past range of a batch source, loaded once beside the schedule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.from == oldSelf.from && self.to == oldSelf.to")
    .message("the range of a backfill cannot be changed once it is there: add another under a new name"))]
#[x_kube(validation = Rule::new("self.from < self.to").message("from must be before to; the range is [from, to)").field_path(".to"))]
pub struct Backfill {
    /// Name of the backfill, unique within its source: lower-case letters, digits and hyphens, at most 20. Its progress
    /// shows under this name. A new range is a new name. Example: y2024.
    #[schemars(
        length(min = 1, max = 20),
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
    )]
    pub name: String,

    /// Where the range begins, included: the start of the first hour or day to load, in UTC and on a whole hour (daily
    /// sources: on midnight). Example: 2024-01-01T00:00:00Z.
    pub from: Timestamp,

    /// Where the range ends, not included: the start of the first hour or day not to load, in UTC and on a whole hour
    /// (daily sources: on midnight). Example: 2025-01-01T00:00:00Z.
    pub to: Timestamp,

    /// Where to read the range from instead of the source's own host, so that the years of a backfill can be spread over
    /// hosts while the schedule goes on reading the source's: the URL of a mirror, under which the paths are the same.
    /// Known mirrors are `https://mirror.accum.se/mirror/wikimedia.org`, `https://dumps.wikimedia.your.org` and
    /// `https://wikimedia.crc.nd.edu`; they may lag behind and have gaps, so load what has been there for long. What a known
    /// mirror lacks and Wikimedia's index lists leaves the range incomplete: load that part without baseUrl. Each host
    /// has its own limit of connections. Default: the source's baseUrl. Example:
    /// `https://mirror.accum.se/mirror/wikimedia.org`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 8, max = 512),
        regex(pattern = r"^https?://[A-Za-z0-9._:\[\]-]+(/[A-Za-z0-9._~%/-]*)?$")
    )]
    pub base_url: Option<String>,

    /// How many workers load the range at the same time. Each has one of the connections that the whole cluster is given
    /// to the host, so there are never more than those (two to Wikimedia's own host and to one that is not known), and
    /// scheduled runs go first. Default: 1.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 16))]
    pub parallelism: u16,
}

impl Backfill {
    /// Where the range of this backfill of a source is read from; none for Wikimedia's own host.
    #[must_use]
    pub fn base_url<'a>(&'a self, source: &'a Source) -> Option<&'a str> {
        self.base_url.as_deref().or(source.base_url.as_deref())
    }
}

fn one() -> u16 {
    1
}

/// How a stream is read and written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct StreamOptions {
    /// The longest that an event waits for others before it is written. Longer makes fewer and larger writes.
    /// A number and a unit (ms, s, m). Default: 100ms. Example: 1s.
    pub batch_interval: Span,

    /// The most events written at once. A batch is written when it holds so many or when batchInterval is over,
    /// whichever comes first. Default: 1000.
    #[schemars(range(min = 1, max = 100_000))]
    pub batch_size: u32,

    /// Reconnect when nothing at all was received for so long. The stream carries a canary event every few minutes at
    /// the least. A number and a unit (s, m, h). Default: 5m.
    pub idle_timeout: Span,

    /// How far before the last event a reconnect starts, since events do not arrive in the order of their times. What
    /// comes twice is dropped by its id. A number and a unit (s, m, h). Default: 30s.
    pub rewind: Span,

    /// How old a lake's object may get before it is completed and shows; events wait for it in the worker until then.
    /// Longer makes fewer and larger objects. A number and a unit (s, m, h). Default: 5m. Example: 15m.
    pub object_interval: Span,

    /// The most events of a lake's object. It is completed when it holds so many or when objectInterval is over,
    /// whichever comes first. Default: 100000.
    #[schemars(range(min = 1, max = 200_000))]
    pub object_size: u32,
}

impl Default for StreamOptions {
    fn default() -> Self {
        Self {
            batch_interval: Span::millis(100),
            batch_size: 1_000,
            idle_timeout: Span::minutes(5),
            rewind: Span::seconds(30),
            object_interval: Span::minutes(5),
            object_size: 100_000,
        }
    }
}
