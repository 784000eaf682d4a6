//! How resources stand.

mod page;
mod sources;
mod table;
mod warnings;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt as _;
use serde_json::{Value, json};
use wikiingest_crds::{WikiIngest, worker::ExitCode};

pub(crate) use self::sources::backfill;
use crate::{
    args::{Output, Status},
    cluster::Cluster,
    console,
    error::Error,
};

/// Prints one resource, or all.
pub(crate) async fn run(args: &Status) -> Result<ExitCode, Error> {
    let cluster = Cluster::find(&args.place).await?;
    let now = Timestamp::now();
    let text = match (&args.name, args.output) {
        (Some(name), Output::Json) => pretty(&status_of(&cluster.get(name).await?)),
        (Some(name), Output::Text) => {
            let ingest = cluster.get(name).await?;
            let warnings = cluster.warnings(&ingest).await;
            page::page(&ingest, &warnings::told(warnings, now), now)
        }
        (None, output) => {
            let all = args.all_namespaces;
            let ingests = if all {
                cluster.list_all().await?
            } else {
                cluster.list().await?
            };
            match output {
                Output::Json => pretty(&listed(&ingests)),
                Output::Text if ingests.is_empty() => none(&cluster, all),
                Output::Text => table::table(&ingests, all, now),
            }
        }
    };
    console::say(&text);
    Ok(ExitCode::Done)
}

/// The condition of a resource that is called so.
pub(crate) fn condition<'a>(ingest: &'a WikiIngest, name: &str) -> Option<&'a Condition> {
    let conditions = &ingest.status.as_ref()?.conditions;
    conditions.iter().find(|condition| condition.type_ == name)
}

fn none(cluster: &Cluster, all: bool) -> String {
    if all {
        return "There is no WikiIngest in any namespace.".to_owned();
    }
    let namespace = cluster.namespace();
    format!("There is no WikiIngest in namespace {namespace}; -A looks at all.")
}

fn status_of(ingest: &WikiIngest) -> Value {
    json!(ingest.status.clone().unwrap_or_default())
}

fn listed(ingests: &[WikiIngest]) -> Value {
    let one = |ingest: &WikiIngest| {
        json!({
            "namespace": ingest.namespace(),
            "name": ingest.name_any(),
            "status": status_of(ingest),
        })
    };
    ingests.iter().map(one).collect()
}

fn pretty(value: &Value) -> String {
    format!("{value:#}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{ingest, raw};

    #[test]
    fn json_is_the_status_as_the_api_server_has_it() {
        let (printed, status) = (status_of(&ingest()), &raw()["status"]);
        assert_eq!(&printed["conditions"], &status["conditions"]);
        assert_eq!(&printed["backfills"], &status["backfills"]);
        let listed = listed(&[ingest()]);
        assert_eq!(listed[0]["name"], "wikimedia");
        assert_eq!(listed[0]["namespace"], "default");
        assert_eq!(listed[0]["status"], printed);
    }

    #[test]
    fn a_resource_that_nobody_has_seen_has_an_empty_status() {
        let mut ingest = ingest();
        ingest.status = None;
        assert_eq!(status_of(&ingest), json!({}));
    }
}
