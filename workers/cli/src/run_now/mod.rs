//! A run of all scheduled sources, now.

mod state;

use std::time::Instant;

use jiff::Timestamp;
use kube::ResourceExt as _;
use serde_json::json;
use wikiingest_crds::{WikiIngest, names::RUN_NOW, worker::ExitCode};

use self::state::{Run, State};
use crate::{
    args::RunNow,
    cluster::Cluster,
    console,
    error::Error,
    follow::{GLANCE, Line, not_begun},
    idle,
};

/// Asks for the runs, and may wait for their ends.
pub(crate) async fn run(args: &RunNow) -> Result<ExitCode, Error> {
    let cluster = Cluster::find(&args.place).await?;
    let ingest = cluster.get(&args.name).await?;
    let token = Timestamp::now().to_string();
    let runs = runs(&ingest, &token).map_err(Error::NotNow)?;
    let patch = json!({"metadata": {"annotations": {(RUN_NOW): token}}});
    cluster.patch(&args.name, &patch).await?;
    let sources: Vec<&str> = runs.iter().map(|run| run.source.as_str()).collect();
    let asked = format!("{}: asked for a run of {}", args.name, sources.join(", "));
    if args.wait {
        console::note(&asked);
        wait(&cluster, &args.name, &token, &runs).await
    } else {
        console::say(&asked);
        Ok(ExitCode::Done)
    }
}

/// The runs that a token makes.
fn runs(ingest: &WikiIngest, token: &str) -> Result<Vec<Run>, String> {
    let name = ingest.name_any();
    if let Some(why) = idle::why(ingest) {
        return Err(why);
    }
    let sources = ingest.spec.sources.iter();
    let runs: Vec<Run> = sources
        .filter(|source| source.schedule.is_some())
        .map(|source| Run::new(&name, &source.name, token))
        .collect();
    if runs.is_empty() {
        return Err(format!(
            "{name} has no source with a schedule: streams are read all the time, and backfills run by themselves"
        ));
    }
    Ok(runs)
}

async fn wait(cluster: &Cluster, name: &str, token: &str, runs: &[Run]) -> Result<ExitCode, Error> {
    let asked = Instant::now();
    let mut line = Line::new();
    loop {
        let answer = look(cluster, name, token, runs).await;
        if let Some((ingest, states)) = line.bear(answer)? {
            let ends: Option<Vec<_>> = states.iter().map(State::end).collect();
            if let Some(ends) = ends {
                drop(line);
                return Ok(told(runs, &ends));
            }
            if states.contains(&State::Asked) {
                not_begun(&ingest, asked)?;
            }
            line.show(state::line(runs, &states));
        }
        tokio::time::sleep(GLANCE).await;
    }
}

async fn look(
    cluster: &Cluster,
    name: &str,
    token: &str,
    runs: &[Run],
) -> Result<(WikiIngest, Vec<State>), Error> {
    // Jobs first: what has ended by now the resource may tell already.
    let mut jobs = Vec::new();
    for run in runs {
        jobs.push(cluster.job(&run.job).await?);
    }
    let ingest = cluster.get(name).await?;
    let both = runs.iter().zip(&jobs);
    let states = both.map(|(run, job)| State::of(&ingest, run, job.as_ref(), token));
    let states = states.collect();
    Ok((ingest, states))
}

fn told(runs: &[Run], ends: &[(bool, &str)]) -> ExitCode {
    for (run, (_, what)) in runs.iter().zip(ends) {
        console::say(&format!("{}: {what}", run.source));
    }
    if ends.iter().all(|(good, _)| *good) {
        ExitCode::Done
    } else {
        ExitCode::TryAgain
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::ingest;

    #[test]
    fn every_scheduled_source_is_run_and_no_stream() {
        let runs = runs(&ingest(), "now").unwrap();
        let sources: Vec<_> = runs.iter().map(|run| run.source.as_str()).collect();
        assert_eq!(sources, ["pageviews"]);
    }

    #[test]
    fn where_nothing_would_start_it_is_not_asked_for() {
        let mut suspended = ingest();
        suspended.spec.suspend = true;
        let text = runs(&suspended, "now").unwrap_err();
        assert!(text.contains("`wikiingest resume wikimedia`"), "{text}");
        let mut streams = ingest();
        streams.spec.sources.remove(0);
        let text = runs(&streams, "now").unwrap_err();
        assert!(text.contains("no source with a schedule"), "{text}");
    }
}
