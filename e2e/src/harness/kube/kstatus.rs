//! How tools that follow kstatus (Flux, Helm, kpt and others) read a resource: the published rules, by their own library.

use std::fs;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::cluster::Home;
use crate::error::{Doing, Error, Result};
use crate::harness::env;
use crate::process::{feed, guarded};

/// Set, it lets what the suite sees of resources join the corpus in `tests/kstatus/`.
const HARVEST: &str = "WIKIINGEST_E2E_HARVEST";

/// What kstatus makes of an object.
#[derive(Debug, PartialEq, Eq, Deserialize)]
pub struct Answer {
    /// `Current`, `Failed`, `InProgress` or `Terminating`.
    pub status: String,
    /// Why, for people.
    pub message: String,
}

/// What kstatus makes of objects.
///
/// # Errors
/// If its program is not there, or if it does not take them for objects.
pub fn kstatus(objects: &[Value]) -> Result<Vec<Answer>> {
    let input: String = objects.iter().map(ToString::to_string).collect();
    let printed = feed(&mut guarded(Home::find()?.kstatus()?), input.as_bytes())?;
    let answers: Vec<Answer> = printed
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()
        .map_err(|error| Error::other(format!("kstatus printed {printed}: {error}")))?;
    if answers.len() == objects.len() {
        return Ok(answers);
    }
    let (asked, said) = (objects.len(), answers.len());
    Err(Error::other(format!(
        "kstatus had {said} answers for {asked} objects"
    )))
}

/// What kstatus shall make of a `WikiIngest`.
#[must_use]
pub fn meaning(ingest: &Value) -> &'static str {
    if ingest["metadata"]["deletionTimestamp"].is_string() {
        "Terminating"
    } else if !is_current(ingest) {
        "InProgress"
    } else if is_true(ingest, "Stalled") {
        "Failed"
    } else if is_true(ingest, "Ready") {
        "Current"
    } else {
        "InProgress"
    }
}

fn is_current(ingest: &Value) -> bool {
    ingest["status"]["observedGeneration"] == ingest["metadata"]["generation"]
}

fn is_true(ingest: &Value, condition: &str) -> bool {
    condition_of(ingest, condition).is_some_and(|found| found["status"] == "True")
}

fn condition_of<'a>(ingest: &'a Value, name: &str) -> Option<&'a Value> {
    conditions(ingest).find(|condition| condition["type"] == name)
}

fn conditions(ingest: &Value) -> impl Iterator<Item = &Value> {
    let list = ingest["status"]["conditions"].as_array();
    list.into_iter().flatten()
}

/// Shows `WikiIngest`s to kstatus.
///
/// # Errors
/// If it takes one for something else than it is, or gives another reason than the resource itself.
pub fn agrees(ingests: &[Value]) -> Result<()> {
    let mut ingests = ingests.to_vec();
    ingests.dedup();
    for (ingest, answer) in ingests.iter().zip(kstatus(&ingests)?) {
        let meaning = meaning(ingest);
        let said = condition_of(ingest, "Ready").map(|ready| &ready["message"]);
        let is_told = matches!(meaning, "Current" | "Terminating")
            || !is_current(ingest)
            || said.is_some_and(|said| *said == answer.message.as_str());
        if answer.status != meaning || !is_told {
            return Err(Error::other(format!(
                "kstatus takes what is {meaning} for {answer:?}: {ingest:#}"
            )));
        }
        if std::env::var_os(HARVEST).is_some() {
            harvest(ingest, meaning)?;
        }
    }
    Ok(())
}

/// Keeps what kstatus reads of an object, unless one like it is there already.
fn harvest(ingest: &Value, meaning: &str) -> Result<()> {
    let dir = env::file("tests/kstatus").join(meaning);
    fs::create_dir_all(&dir).doing_to("making", &dir)?;
    let file = dir.join(format!("{}.json", kind_of(ingest)));
    if file.exists() {
        return Ok(());
    }
    let mut metadata = json!({});
    for field in ["name", "generation", "deletionTimestamp"] {
        if !ingest["metadata"][field].is_null() {
            metadata[field] = ingest["metadata"][field].clone();
        }
    }
    let kept = json!({
        "apiVersion": ingest["apiVersion"], "kind": ingest["kind"], "metadata": metadata, "status": ingest["status"],
    });
    fs::write(&file, format!("{kept:#}\n")).doing_to("writing", &file)
}

/// What sets an object apart from others: the reasons of Ready and of all that is not so.
fn kind_of(ingest: &Value) -> String {
    let told = |condition: &&Value| condition["type"] == "Ready" || condition["status"] == "False";
    let unseen = (!is_current(ingest)).then_some("Unseen");
    let reasons = conditions(ingest).filter(told);
    let reasons = reasons.filter_map(|condition| condition["reason"].as_str());
    let mut words: Vec<&str> = Vec::new();
    for word in unseen.into_iter().chain(reasons) {
        if !words.contains(&word) {
            words.push(word);
        }
    }
    words.join("-")
}
