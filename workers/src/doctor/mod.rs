//! Proves an installation before the first load: hosts, databases, buckets and disks, each through the code that loads.
//!
//! | module | what is checked |
//! |---|---|
//! | `source` | a host with files: the way there, TLS, refusals, recent files |
//! | `stream` | a host with a stream |
//! | `clock` | this machine's clock, beside theirs |
//! | `warehouse` | a server that speaks MySQL's protocol: login, rights, settings, schema; with writing, each assumption |
//! | `lake` | a bucket: login, region, listing; with writing, each request |
//! | `disk` | a SQLite file or a folder |
//!
//! What an answer means is told apart from asking: `reach`, `grants`, `meaning` and the like are pure. Nothing is written
//! unless asked to, and what is written then is removed.

mod clock;
mod disk;
mod finding;
mod lake;
mod random;
mod reach;
mod source;
mod stream;
mod subjects;
mod warehouse;

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;
use wikiingest_crds::{Sink, SinkKind};

use self::subjects::{Place, What};
pub use self::{
    finding::{Finding, Outcome},
    subjects::Subjects,
};

/// Examines everything, one after the other, and tells of each as soon as it is known. Ends early once `stop` is
/// cancelled, after what was written is removed.
pub async fn examine(
    subjects: &Subjects,
    write: bool,
    stop: &CancellationToken,
    mut tell: impl FnMut(&[Finding]),
) {
    for place in &subjects.places {
        match stop.run_until_cancelled(host(place)).await {
            Some(findings) => tell(&findings),
            None => return,
        }
    }
    for sink in &subjects.sinks {
        if stop.is_cancelled() {
            return;
        }
        tell(&self::sink(sink, write, stop).await);
    }
}

async fn host(place: &Place) -> Vec<Finding> {
    match place.what {
        What::Stream => stream::examine(place).await,
        What::Recent(dataset, late) => {
            let range = source::Range::recent(dataset, late, Timestamp::now());
            source::examine(place, dataset, range).await
        }
        What::Past(dataset, from, to) => {
            source::examine(place, dataset, source::Range::past(dataset, from, to)).await
        }
    }
}

async fn sink(sink: &Sink, write: bool, stop: &CancellationToken) -> Vec<Finding> {
    let name = &sink.name;
    match sink.kind() {
        Some(SinkKind::SingleStore(server)) => warehouse::examine(name, server, write, stop).await,
        Some(SinkKind::S3(bucket)) => Box::pin(lake::examine(name, bucket, write, stop)).await,
        Some(SinkKind::Sqlite(file)) => disk::examine(name, &file.path, true, write),
        Some(SinkKind::Folder(folder)) => disk::examine(name, &folder.path, false, write),
        None => Vec::new(),
    }
}
