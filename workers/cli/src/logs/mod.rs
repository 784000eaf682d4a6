//! What workers say.

mod choose;

use futures::{AsyncBufReadExt as _, StreamExt as _, TryStreamExt as _, stream::SelectAll};
use kube::api::LogParams;
use wikiingest_crds::{
    WikiIngest,
    names::{self, INSTANCE, SOURCE},
    worker::ExitCode,
};

use self::choose::{Chosen, choose};
use crate::{
    args::Logs,
    cluster::{Cluster, call},
    console,
    error::Error,
};

/// Lines of each worker where there are several.
const SOME: u32 = 20;

/// Prints what the workers of a resource say.
pub(crate) async fn run(args: &Logs) -> Result<ExitCode, Error> {
    let cluster = Cluster::find(&args.place).await?;
    let ingest = cluster.get(&args.name).await?;
    let pods = cluster.pods(&selector(&ingest, args)?).await?;
    let chosen = choose(&pods);
    if chosen.is_empty() {
        return Err(Error::NotBegun(none(args)));
    }
    let several = chosen.len() > 1;
    let params = params(args, several);
    let mut logs = SelectAll::new();
    for one in &chosen {
        let prefix = if several {
            format!("[{}] ", one.label)
        } else {
            String::new()
        };
        match open(&cluster, one, &params).await {
            Ok(log) => logs.push(
                log.lines()
                    .map_ok(move |line| format!("{prefix}{line}"))
                    .boxed(),
            ),
            Err(error) => console::note(&format!("{}: {error}", one.pod)),
        }
    }
    if logs.is_empty() {
        return Ok(ExitCode::TryAgain);
    }
    while let Some(line) = logs.next().await {
        match line {
            Ok(line) => console::say(&line),
            Err(error) => console::note(&format!("the log broke off: {error}")),
        }
    }
    Ok(ExitCode::Done)
}

async fn open(
    cluster: &Cluster,
    chosen: &Chosen,
    params: &LogParams,
) -> Result<impl futures::AsyncBufRead + Send + use<>, Error> {
    let pods = cluster.pod_api();
    let what = format!("get the log of pod {}", chosen.pod);
    call(&what, pods.log_stream(&chosen.pod, params)).await
}

fn selector(ingest: &WikiIngest, args: &Logs) -> Result<String, Error> {
    let all = format!("{INSTANCE}={}", names::instance(&args.name));
    let Some(source) = &args.source else {
        return Ok(all);
    };
    let sources: Vec<&str> = ingest
        .spec
        .sources
        .iter()
        .map(|one| one.name.as_str())
        .collect();
    if !sources.contains(&source.as_str()) {
        return Err(Error::NoSource {
            name: args.name.clone(),
            source_name: source.clone(),
            sources: sources.join(", "),
        });
    }
    Ok(format!("{all},{SOURCE}={source}"))
}

fn params(args: &Logs, several: bool) -> LogParams {
    let tail = args.tail.or(several.then_some(SOME));
    LogParams {
        follow: args.follow,
        previous: args.previous,
        tail_lines: tail.map(i64::from),
        ..LogParams::default()
    }
}

fn none(args: &Logs) -> String {
    let of = args
        .source
        .as_ref()
        .map_or_else(String::new, |source| format!(" for source {source}"));
    let name = &args.name;
    format!(
        "{name} has no workers{of} now, and none whose pod is still there: `wikiingest status {name}` tells how it stands"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::ingest;

    fn args(source: Option<&str>) -> Logs {
        Logs {
            name: "wikimedia".to_owned(),
            source: source.map(str::to_owned),
            follow: false,
            tail: None,
            previous: false,
            place: crate::args::Place::default(),
        }
    }

    #[test]
    fn pods_are_found_by_the_labels_that_the_operator_gives_them() {
        let selector =
            |source| selector(&ingest(), &args(source)).map_err(|error| error.to_string());
        let all = "app.kubernetes.io/instance=wikimedia";
        assert_eq!(selector(None), Ok(all.to_owned()));
        assert_eq!(
            selector(Some("edits")),
            Ok(format!("{all},wikiingest.dev/source=edits"))
        );
        assert_eq!(
            selector(Some("views")),
            Err("wikimedia has no source views: it has pageviews, edits".to_owned())
        );
    }

    #[test]
    fn all_of_one_worker_is_shown_and_some_of_each_of_several() {
        assert_eq!(params(&args(None), false).tail_lines, None);
        assert_eq!(params(&args(None), true).tail_lines, Some(20));
        let few = Logs {
            tail: Some(3),
            ..args(None)
        };
        assert_eq!(params(&few, true).tail_lines, Some(3));
    }
}
