//! The user's command on a real Kubernetes: what it shows of a resource, what it asks the operator for, and what it says
//! when something is not there.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails should say so at once"
)]

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use wikiingest_e2e::binaries::Binaries;
use wikiingest_e2e::harness::Hour;
use wikiingest_e2e::harness::kube::{Cluster, OperatorWorld as World};
use wikiingest_e2e::process::guarded;

/// For what takes a pod or two.
const PATIENCE: Duration = Duration::from_mins(3);
/// For what takes none.
const SOON: Duration = Duration::from_secs(30);

/// The command, in the namespace of a world.
struct Cli {
    cluster: Cluster,
    program: PathBuf,
    namespace: String,
}

/// How it ended, and what it said.
#[derive(Debug)]
struct Said {
    code: i32,
    out: String,
    errors: String,
}

impl Cli {
    fn of(world: &World) -> Self {
        let binaries = Binaries::beside_this_program().expect("the programs under test");
        Self {
            cluster: Cluster::connect().expect("the cluster is up"),
            program: binaries.path("wikiingest").expect("the command is built"),
            namespace: world.namespace.name().to_owned(),
        }
    }

    fn run(&self, args: &[&str]) -> Said {
        let mut command = guarded(&self.program);
        command.env("KUBECONFIG", self.cluster.kubeconfig());
        said(command.args(args).args(["--namespace", &self.namespace]))
    }

    /// Its results, where it has to work.
    fn shows(&self, args: &[&str]) -> String {
        let said = self.run(args);
        assert_eq!(said.code, 0, "{args:?}: {said:?}");
        said.out
    }

    /// What it says where it has to fail.
    fn fails(&self, code: i32, args: &[&str]) -> String {
        let said = self.run(args);
        assert_eq!(said.code, code, "{args:?}: {said:?}");
        said.errors
    }
}

/// A kubeconfig of somebody who may do nothing, and the folder that it is in.
fn of_nobody(world: &World) -> (tempfile::TempDir, String) {
    let kubectl = world.namespace.kubectl();
    let view = ["config", "view", "--raw", "--minify", "--output", "json"];
    let view = kubectl.run(&view).expect("the kubeconfig");
    let mut config: Value = serde_json::from_str(&view).expect("JSON");
    let token = kubectl.run(&["create", "token", "default"]);
    let token = token.expect("a token of an account without rights");
    config["users"][0]["user"] = json!({"token": token.trim()});
    let dir = tempfile::tempdir().expect("a temporary folder");
    let path = dir.path().join("config");
    std::fs::write(&path, config.to_string()).expect("it is written");
    let path = path.to_str().expect("a path").to_owned();
    (dir, path)
}

fn said(command: &mut Command) -> Said {
    let output = command.output().expect("the program runs");
    Said {
        code: output.status.code().expect("it was not killed"),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        errors: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

fn lines_with(text: &str, parts: &[&str]) {
    let is_there = |line: &str| parts.iter().all(|part| line.contains(part));
    assert!(text.lines().any(is_there), "no line has {parts:?}:\n{text}");
}

#[test]
fn a_resource_tells_how_it_stands_and_what_its_workers_say() {
    let world = World::new("cli-status");
    let cli = Cli::of(&world);
    let text = cli.shows(&["status"]);
    assert!(
        text.contains("There is no WikiIngest in namespace"),
        "{text}"
    );
    world.secrets();
    world.apply(&world.resource());
    world.stands(PATIENCE, "Ready", "True", "Ready");
    let is_done = |ingest: &Value| ingest["status"]["backfills"][0]["phase"] == "Complete";
    let kubectl = world.namespace.kubectl();
    let done = kubectl.wait(PATIENCE, "wikiingest", "wikimedia", is_done);
    done.expect("the backfill ends");

    // All, and one, for people and for programs.
    lines_with(
        &cli.shows(&["status"]),
        &["wikimedia", "True", "Ready", "2/2"],
    );
    let page = cli.shows(&["status", "wikimedia"]);
    lines_with(
        &page,
        &["Ready: yes, for ", ": everything is set up and running"],
    );
    lines_with(&page, &["pageviews (pageviews)"]);
    lines_with(&page, &["next run", "in "]);
    lines_with(&page, &["stream", "1 of 1 workers ready"]);
    lines_with(&page, &["pageviews/morning", "100% Complete, 2 of 2 parts"]);
    let json = cli.shows(&["status", "wikimedia", "--output", "json"]);
    let status: Value = serde_json::from_str(&json).expect("JSON");
    let mut conditions = status["conditions"].as_array().into_iter().flatten();
    let is_ready = conditions.any(|one| one["type"] == "Ready" && one["status"] == "True");
    assert!(is_ready, "{status}");
    assert_eq!(status["backfills"][0]["percent"], 100, "{status}");
    let json = cli.shows(&["status", "--output", "json"]);
    let all: Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(all[0]["name"], "wikimedia", "{all}");
    assert_eq!(all[0]["namespace"], json!(cli.namespace), "{all}");

    // Of one worker the lines as they are, of several with their sources.
    let edits = cli.shows(&["logs", "wikimedia", "--source", "edits"]);
    assert!(
        edits.starts_with('{') && edits.contains("/readyz"),
        "{edits}"
    );
    let all = cli.shows(&["logs", "wikimedia", "--tail", "1"]);
    for source in ["[edits] {", "[pageviews morning] {"] {
        lines_with(&all, &[source]);
    }

    // kubectl finds it on the PATH.
    let path = cli
        .program
        .parent()
        .expect("its folder")
        .display()
        .to_string();
    let path = std::env::var("PATH").map_or(path.clone(), |others| format!("{path}:{others}"));
    let kubectl = cli.cluster.kubectl().expect("kubectl");
    let args = [
        "wikiingest",
        "status",
        "wikimedia",
        "--namespace",
        &cli.namespace,
    ];
    let plugin = said(kubectl.command().args(args).env("PATH", path));
    assert_eq!(plugin.code, 0, "{plugin:?}");
    lines_with(&plugin.out, &["Ready: yes, for "]);

    // What is not there, and what is not allowed.
    let errors = cli.fails(64, &["status", "wikipedia"]);
    lines_with(
        &errors,
        &["there is no WikiIngest wikipedia", "there are wikimedia"],
    );
    let errors = cli.fails(64, &["logs", "wikimedia", "--source", "views"]);
    lines_with(&errors, &["no source views", "pageviews, edits"]);
    let errors = cli.fails(64, &["status", "--context", "elsewhere"]);
    lines_with(&errors, &["no context \"elsewhere\""]);
    let (_dir, nobody) = of_nobody(&world);
    let errors = cli.fails(77, &["status", "wikimedia", "--kubeconfig", &nobody]);
    lines_with(
        &errors,
        &[
            "not allowed to get WikiIngest wikimedia",
            "ask for that right",
        ],
    );
}

#[test]
fn a_run_and_a_range_are_asked_for_and_waited_for() {
    let world = World::new("cli-runs");
    let cli = Cli::of(&world);
    world.secrets();
    world.apply(&world.views_only(&json!([])));
    world.stands(PATIENCE, "Ready", "True", "Ready");

    // The stand-in has nothing of the last two days: the run does what it can.
    let text = cli.shows(&["run-now", "wikimedia", "--wait"]);
    lines_with(&text, &["pageviews: files: ", "not published yet"]);
    let batch = "app.kubernetes.io/component=batch";
    let runs = || {
        world
            .namespace
            .kubectl()
            .list("job", batch)
            .expect("a list")
            .len()
    };
    assert_eq!(runs(), 1);
    let text = cli.shows(&["run-now", "wikimedia"]);
    lines_with(&text, &["asked for a run of pageviews"]);

    let (from, to) = (Hour(5).timestamp(), Hour(7).timestamp());
    let range = [
        "backfill",
        "wikimedia",
        "--source",
        "pageviews",
        "--from",
        &from,
        "--to",
        &to,
    ];
    let named = [&range[..], &["--name", "morning"]].concat();
    let text = cli.shows(&[&named[..], &["--wait"]].concat());
    lines_with(&text, &["pageviews/morning", "100% Complete, 2 of 2 parts"]);
    assert_eq!(
        world.mariadb.warehouse.tally("pageviews_hourly"),
        world.expected
    );
    let text = cli.shows(&named);
    lines_with(
        &text,
        &["backfill morning of source pageviews is there already"],
    );

    // What the server would refuse is told first, and what git has is changed there.
    let backwards = [
        "backfill",
        "wikimedia",
        "--source",
        "pageviews",
        "--from",
        &to,
        "--to",
        &from,
    ];
    let errors = cli.fails(64, &backwards);
    lines_with(&errors, &["from must be before to"]);
    let tracked = "argocd.argoproj.io/tracking-id=data:wikiingest.dev/WikiIngest:default/wikimedia";
    let args = ["annotate", "wikiingest/wikimedia", tracked];
    world
        .namespace
        .kubectl()
        .run(&args)
        .expect("it is annotated");
    let again = [&range[..], &["--name", "again"]].concat();
    let errors = cli.fails(64, &again);
    lines_with(&errors, &["Argo CD (application data)", "--force"]);
    let errors = cli.fails(64, &["pause", "wikimedia"]);
    lines_with(&errors, &["Argo CD (application data)", "spec.suspend"]);
    let text = cli.shows(&[&again[..], &["--force", "--wait"]].concat());
    lines_with(&text, &["pageviews/again", "100% Complete"]);
    assert_eq!(
        world.mariadb.warehouse.tally("pageviews_hourly"),
        world.expected
    );
}

#[test]
fn a_resource_is_paused_and_goes_on() {
    let world = World::new("cli-pause");
    let cli = Cli::of(&world);
    world.secrets();
    world.apply(&world.resource());
    world.stands(PATIENCE, "Ready", "True", "Ready");
    let replicas = |number: i64| {
        let is_so = move |deployment: &Value| deployment["spec"]["replicas"] == number;
        let kubectl = world.namespace.kubectl();
        let found = kubectl.wait(SOON, "deployment", "wikimedia-edits", is_so);
        found.expect("the stream's worker is as it should be");
    };

    cli.shows(&["pause", "wikimedia"]);
    world.stands(SOON, "Suspended", "True", "SpecSuspend");
    replicas(0);
    let text = cli.shows(&["pause", "wikimedia"]);
    lines_with(&text, &["wikimedia is suspended, as it was"]);
    let errors = cli.fails(64, &["run-now", "wikimedia"]);
    lines_with(
        &errors,
        &["wikimedia is suspended", "`wikiingest resume wikimedia`"],
    );
    cli.shows(&["resume", "wikimedia"]);
    replicas(1);
    world.stands(PATIENCE, "Ready", "True", "Ready");

    // The operator's hands off: what is changed meanwhile has no effect.
    cli.shows(&["pause", "wikimedia", "--operator"]);
    let is_paused = |ingest: &Value| {
        ingest["status"]["conditions"]
            .to_string()
            .contains("Paused")
    };
    let kubectl = world.namespace.kubectl();
    let paused = kubectl.wait(SOON, "wikiingest", "wikimedia", is_paused);
    paused.expect("the operator says so");
    let page = cli.shows(&["status", "wikimedia"]);
    lines_with(
        &page,
        &[
            "Suspended: ",
            "`wikiingest resume wikimedia --operator` goes on",
        ],
    );
    let said = cli.run(&["pause", "wikimedia"]);
    assert_eq!(said.code, 0, "{said:?}");
    lines_with(&said.errors, &["no effect yet"]);
    std::thread::sleep(Duration::from_secs(3));
    replicas(1);
    cli.shows(&["resume", "wikimedia", "--operator"]);
    replicas(0);
    cli.shows(&["resume", "wikimedia"]);
    replicas(1);
    world.stands(PATIENCE, "Ready", "True", "Ready");
}

#[test]
fn a_pod_like_the_workers_examines_what_they_are_given_and_leaves_nothing() {
    let world = World::new("cli-doctor");
    let cli = Cli::of(&world);
    let doctor = ["doctor", "--in-cluster", "wikimedia"];
    let errors = cli.fails(64, &doctor);
    lines_with(&errors, &["there is no WikiIngest wikimedia"]);
    world.secrets();
    world.apply(&world.resource());
    world.stands(PATIENCE, "Ready", "True", "Ready");

    // From where the workers are, it reaches what this machine does not.
    let json = cli.run(&[&doctor[..], &["--write", "--output", "json"]].concat());
    let report: Value = serde_json::from_str(&json.out).unwrap_or_else(|_| panic!("{json:?}"));
    let checks = report["checks"].as_array().expect("checks");
    let result = |subject: &str, name: &str| {
        let is_it = |check: &&Value| check["subject"] == subject && check["name"] == name;
        let check = checks.iter().find(is_it);
        check.map_or(Value::Null, |check| check["result"].clone())
    };
    for (subject, name) in [
        ("cluster", "version"),
        ("cluster", "admission"),
        ("source edits", "reachable"),
        ("sink warehouse", "rights"),
        ("sink lake", "multipart"),
    ] {
        assert_eq!(result(subject, name), "ok", "{subject}: {name}: {json:?}");
    }
    let left = || {
        let kubectl = world.namespace.kubectl();
        let of_doctor = "app.kubernetes.io/name=wikiingest-doctor";
        let jobs = kubectl.list("job", of_doctor).expect("a list");
        jobs.len()
    };
    assert_eq!(left(), 0);

    // What a worker is refused it is told without a pod.
    let quota = json!({
        "apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none"},
        "spec": {"hard": {"count/pods": "0"}},
    });
    let kubectl = world.namespace.kubectl();
    kubectl.apply(&quota.to_string()).expect("a quota");
    let is_known = |quota: &Value| !quota["status"]["hard"].is_null();
    let known = kubectl.wait(SOON, "resourcequota", "none", is_known);
    known.expect("the quota holds");
    let said = cli.run(&doctor);
    assert_eq!(said.code, 1, "{said:?}");
    lines_with(
        &said.out,
        &["not ok", "cluster: admission", "exceeded quota"],
    );
    lines_with(
        &said.out,
        &["to do: make room in the namespace's ResourceQuota"],
    );
    assert_eq!(left(), 0);
}
