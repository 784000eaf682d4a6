//! A past range, loaded once.

mod entry;

use std::time::Instant;

use serde_json::json;
use wikiingest_crds::{BackfillPhase, BackfillStatus, WikiIngest, worker::ExitCode};

use self::entry::{Added, Entry};
use crate::{
    args::Backfill,
    cluster::Cluster,
    console,
    error::Error,
    follow::{GLANCE, Line, not_begun},
    gitops, idle, status,
};

/// How often a resource that changes at the same time is looked at anew.
const ATTEMPTS: usize = 5;

/// Adds the range, and may wait until it is loaded.
pub(crate) async fn run(args: &Backfill) -> Result<ExitCode, Error> {
    let cluster = Cluster::find(&args.place).await?;
    let ingest = cluster.get(&args.name).await?;
    let idle = idle::why(&ingest);
    if let Some(why) = idle.as_ref().filter(|_| args.wait) {
        return Err(Error::NotNow(why.clone()));
    }
    let entry = Entry::new(args);
    let (added, generation) = add(&cluster, args, &ingest, &entry).await?;
    let what = format!("backfill {} of source {}", entry.name, args.source);
    let text = if added {
        format!("{}: added {what}", args.name)
    } else {
        format!("{}: {what} is there already", args.name)
    };
    if added && gitops::is_applied_from_a_file(&ingest) {
        console::note(
            "Add it to your file as well: the next `kubectl apply` of it may take the backfill out again.",
        );
    }
    if !args.wait {
        console::say(&text);
        if let Some(why) = idle {
            console::note(&why);
        }
        return Ok(ExitCode::Done);
    }
    console::note(&text);
    wait(&cluster, args, &entry.name, generation).await
}

/// Whether it was added, or was there, and the generation of the resource that has it.
async fn add(
    cluster: &Cluster,
    args: &Backfill,
    ingest: &WikiIngest,
    entry: &Entry,
) -> Result<(bool, Option<i64>), Error> {
    for _ in 0..ATTEMPTS {
        let raw = cluster.get_raw(&args.name).await?;
        let sources = match entry.added(&raw, &args.source)? {
            Added::Already => return Ok((false, raw["metadata"]["generation"].as_i64())),
            Added::Sources(sources) => sources,
        };
        gitops::guard(ingest, "spec.sources[].backfill", args.force)?;
        // The version makes it fail where the resource has changed since it was read.
        let version = &raw["metadata"]["resourceVersion"];
        let patch = json!({"metadata": {"resourceVersion": version}, "spec": {"sources": sources}});
        match cluster.patch(&args.name, &patch).await {
            Ok(ingest) => return Ok((true, ingest.metadata.generation)),
            Err(Error::Conflict { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Err(Error::Conflict {
        what: format!("add the backfill to {}", args.name),
    })
}

async fn wait(
    cluster: &Cluster,
    args: &Backfill,
    backfill: &str,
    generation: Option<i64>,
) -> Result<ExitCode, Error> {
    let asked = Instant::now();
    let mut line = Line::new();
    loop {
        let answer = cluster.get(&args.name).await;
        let ingest = line.bear(answer)?;
        if let Some(ingest) = &ingest {
            let status = of(ingest, &args.source, backfill, generation);
            let text = status.map_or_else(|| "asked for".to_owned(), status::backfill);
            let text = format!("{}/{backfill} {text}", args.source);
            if let Some(exit) = status.and_then(ended) {
                drop(line);
                console::say(&text);
                return Ok(exit);
            }
            if status.is_none() {
                not_begun(ingest, asked)?;
            }
            line.show(text);
        }
        tokio::time::sleep(GLANCE).await;
    }
}

/// How far it is; none while the operator has not seen the resource with it.
fn of<'a>(
    ingest: &'a WikiIngest,
    source: &str,
    name: &str,
    generation: Option<i64>,
) -> Option<&'a BackfillStatus> {
    let status = ingest.status.as_ref()?;
    let mut backfills = status.backfills.iter();
    backfills
        .find(|one| one.source == source && one.name == name)
        .filter(|_| status.observed_generation >= generation)
}

/// How it ended; none while it goes on. One that failed the operator tries again in a while.
fn ended(status: &BackfillStatus) -> Option<ExitCode> {
    match status.phase {
        BackfillPhase::Complete => Some(ExitCode::Done),
        BackfillPhase::Failed => Some(ExitCode::TryAgain),
        BackfillPhase::Pending | BackfillPhase::Running | BackfillPhase::Suspended => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::ingest;

    #[test]
    fn a_backfill_is_followed_once_the_operator_has_seen_the_resource_with_it() {
        let ingest = ingest();
        let found = |generation| of(&ingest, "pageviews", "spring", Some(generation));
        assert_eq!(found(3).map(|status| status.percent), Some(44));
        assert_eq!(found(4), None);
        assert_eq!(of(&ingest, "pageviews", "autumn", Some(3)), None);
    }

    #[test]
    fn it_ends_when_it_is_loaded_or_has_failed() {
        let mut status = ingest().status.unwrap().backfills.remove(0);
        let mut end = |phase| {
            status.phase = phase;
            ended(&status)
        };
        assert_eq!(end(BackfillPhase::Complete), Some(ExitCode::Done));
        assert_eq!(end(BackfillPhase::Failed), Some(ExitCode::TryAgain));
        assert_eq!(end(BackfillPhase::Pending), None);
        assert_eq!(end(BackfillPhase::Suspended), None);
    }
}
