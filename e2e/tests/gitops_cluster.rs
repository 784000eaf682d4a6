//! The examples for Argo CD and Flux, run by the real Argo CD and Flux: from a fork of this repository, changed as its user
//! would change it, to a resource that is at work; with every state in between, as the API server had it.
//!
//! Of Flux only kustomize-controller can be had. A test publishes revisions in place of source-controller, and installs
//! with helm what the `HelmRelease` says in place of helm-controller, whose own retries, remediation and detection of
//! drift are therefore **not** tested.
//!
//! The CRDs, and an operator of all namespaces, are the whole cluster's, so that one test runs at a time.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails should say so at once"
)]

use std::io::Write as _;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use wikiingest_e2e::harness::gitops::argocd::resource;
use wikiingest_e2e::harness::gitops::example::{
    another, has, secrets, served_by, set_contact, set_cron, set_projects, stands, without_edits,
};
use wikiingest_e2e::harness::gitops::{ArgoCd, Clean, Flux, Repository, Silence, Timeline};
use wikiingest_e2e::harness::kube::{
    Cluster, Content, Kubectl, OperatorWorld as World, meaning, operator_values,
};
use wikiingest_e2e::process::capture;

/// For what takes pods, and a look of a controller.
const PATIENCE: Duration = Duration::from_mins(3);
/// What is looked for between two looks.
const GLANCE: Duration = Duration::from_millis(200);
/// How long the operator is kept from answering: less than its probe has patience for.
const SILENCE: Duration = Duration::from_secs(8);
/// How long nothing may change when nothing was changed.
const REST: Duration = Duration::from_mins(1);
/// For watches to tell what happened.
const ECHO: Duration = Duration::from_secs(1);

const ARGO_RESOURCE: &str = "charts/gitops/argocd/wikimedia/wikiingest.yaml";
const FLUX_RESOURCE: &str = "charts/gitops/flux/wikimedia/wikiingest.yaml";

fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The servers, with a stream in which there is always something new, as in the real one: a resource whose stream is
/// silent for a minute is not ready.
fn servers(name: &str) -> World {
    let mut world = World::without_operator(name, 5..6, 50);
    let stream = ["--pace", "2", "--restamp", "--repeat", "50"];
    let replay = world.namespace.replay(Content::Events, &stream);
    world.replay = replay.expect("the stand-in starts");
    world
}

/// How long a part took.
fn told(what: &str, began: Instant) {
    let seconds = began.elapsed().as_secs_f64();
    let _ = writeln!(std::io::stderr(), "{what}: {seconds:.1} s");
}

fn goes(kubectl: &Kubectl, kind: &str, name: &str) {
    let gone = kubectl.gone(PATIENCE, kind, name);
    gone.unwrap_or_else(|error| panic!("{error}"));
}

fn ingest(kubectl: &Kubectl) -> Value {
    kubectl.get("wikiingest", "wikimedia").expect("a resource")
}

fn edit_by_hand(kubectl: &Kubectl) {
    let edit = json!({"spec": {"contact": "https://example.org/by-hand"}}).to_string();
    let patch = [
        "patch",
        "wikiingest",
        "wikimedia",
        "--type=merge",
        "--patch",
        &edit,
    ];
    kubectl.run(&patch).expect("an edit");
}

/// Each time that a controller said that all is well, the resource was, as it stood then.
fn were_true(said: &[Value], ingests: &Timeline) {
    assert!(!said.is_empty(), "it never was well");
    for words in said {
        let ingest = ingests.when("wikimedia", words);
        let ingest = ingest.unwrap_or_else(|| panic!("well with nothing: {words:#}"));
        assert_eq!(meaning(&ingest), "Current", "{words:#}\n{ingest:#}");
    }
}

/// Pushes what makes a fork one of this cluster: its images in the operator's values, which are a part of a file, and the
/// servers of the test in the resource.
fn runs_here(fork: &Repository, values: (&str, &str), resource: &str, world: &World) {
    let (file, part) = values;
    let edited = fork.edit(file, |it| {
        let values = it.pointer_mut(part).expect("the operator's values");
        *values = operator_values(values);
    });
    edited.expect("values");
    let edited = fork.edit(resource, |it| served_by(it, world.namespace.name()));
    edited.expect("a resource");
    fork.push("our own").expect("a push");
}

/// Argo CD with the fork that a user would make.
struct Argo {
    fork: Repository,
    controllers: ArgoCd,
    applications: Timeline,
    ingests: Timeline,
    /// In the resource's namespace.
    kubectl: Kubectl,
    world: World,
    // The last to go.
    _clean: Clean,
}

const OPERATOR: &str = "wikiingest-operator";

impl Argo {
    fn start() -> Self {
        let cluster = Cluster::connect().expect("the cluster is up");
        let clean = Clean::new(&cluster).expect("nothing is there");
        let world = servers("argocd");
        let kubectl = cluster.kubectl().expect("kubectl");
        let controllers = ArgoCd::start(&cluster).expect("Argo CD starts");
        Self {
            fork: Repository::fork().expect("a fork"),
            controllers,
            applications: Timeline::of(&kubectl, "applications.argoproj.io"),
            ingests: Timeline::of(&kubectl, "wikiingests.wikiingest.dev"),
            kubectl: kubectl.in_namespace("wikimedia"),
            world,
            _clean: clean,
        }
    }

    /// What the README asks of who forks it, the images of the cluster, and the servers of the test.
    fn change_the_fork(&self) {
        let origin = "https://github.com/wikiingest/wikiingest.git";
        let apps = [
            "apps/application-operator.yaml",
            "apps/application-wikimedia.yaml",
        ];
        for file in ["application.yaml"].iter().chain(&apps) {
            let file = format!("charts/gitops/argocd/{file}");
            let replaced = self.fork.replace(&file, origin, &self.fork.url());
            replaced.expect("it names the repository");
        }
        let operator = format!("charts/gitops/argocd/{}", apps[0]);
        let values = (operator.as_str(), "/spec/source/helm/valuesObject");
        runs_here(&self.fork, values, ARGO_RESOURCE, &self.world);
    }

    /// The commands of the README, in the folder of the README.
    fn set_up(&self) {
        let dir = self.fork.dir().join("charts/gitops/argocd");
        let run = |args: &[&str]| {
            let mut command = self.controllers.kubectl().command();
            capture(command.args(args).current_dir(&dir)).expect("the README's command");
        };
        run(&[
            "patch",
            "configmap",
            "argocd-cm",
            "--patch-file",
            "argocd-cm.yaml",
        ]);
        run(&["apply", "-f", "application.yaml"]);
    }

    fn push(&self, message: &str) -> String {
        let commit = self.fork.push(message).expect("a push");
        for application in ["wikiingest", "wikimedia"] {
            self.controllers.refresh(application).expect("it is there");
        }
        commit
    }

    fn application(&self, name: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let found = self
            .controllers
            .kubectl()
            .wait(PATIENCE, "application", name, is_so);
        found.unwrap_or_else(|error| panic!("{error}"))
    }

    /// Waits until an Application is as a commit has it, and well.
    fn is_green(&self, name: &str) -> Value {
        self.application(name, is_green)
    }

    /// Waits until nothing is tried any more either: while it is, neither edits are undone nor commits followed.
    fn is_at_rest(&self, name: &str) {
        self.application(name, |it| {
            is_green(it) && it["status"]["operationState"]["phase"] == "Succeeded"
        });
    }

    /// Waits until the resource's Application is of this health, and says why.
    fn is_of_health(&self, health: &str, reason: &str) {
        self.application("wikimedia", |it| {
            let resource = resource(it, "WikiIngest", "wikimedia");
            let message = resource.and_then(|it| it["health"]["message"].as_str());
            it["status"]["health"]["status"] == health
                && message.is_some_and(|message| message.starts_with(reason))
        });
    }

    /// Waits until a condition of the resource's Application had these words, be it for a moment.
    fn has_said(&self, words: &str) {
        let deadline = Instant::now() + PATIENCE;
        let has_them = |it: &Value| it["status"]["conditions"].to_string().contains(words);
        while !self
            .applications
            .of_object("wikimedia")
            .iter()
            .any(has_them)
        {
            assert!(Instant::now() < deadline, "nothing was said of {words}");
            sleep(GLANCE);
        }
    }

    /// Whenever Argo CD wrote that the resource is as git has it and well, it was so.
    fn was_never_falsely_green(&self) {
        sleep(ECHO);
        let mut said = self.applications.words_about("wikimedia", |it| {
            let status = &it["status"];
            json!([status["sync"], status["health"], status["reconciledAt"]])
        });
        said.retain(is_green);
        were_true(&said, &self.ingests);
    }

    fn edit(&self, change: impl FnOnce(&mut Value)) {
        self.fork.edit(ARGO_RESOURCE, change).expect("an edit");
    }

    fn operation(&self, name: &str) -> Value {
        let application = self.controllers.kubectl().get("application", name);
        let status = &application.expect("it is there")["status"];
        json!([status["operationState"], status["history"], status["sync"]])
    }
}

fn is_green(application: &Value) -> bool {
    let status = &application["status"];
    status["sync"]["status"] == "Synced" && status["health"]["status"] == "Healthy"
}

fn is_synced_to(application: &Value, commit: &str) -> bool {
    let sync = &application["status"]["sync"];
    sync["status"] == "Synced" && sync["revision"] == commit
}

#[test]
fn argo_cd_brings_the_examples_from_git_to_work_and_is_never_green_too_soon() {
    let _alone = alone();
    let argo = Argo::start();
    argo.change_the_fork();
    let began = Instant::now();
    argo.set_up();
    argo_installs(&argo);
    told("Argo CD, from git to ready", began);
    argo.was_never_falsely_green();
    argo_follows_a_push(&argo);
    argo.was_never_falsely_green();
    argo_says_what_is_wrong(&argo);
    argo.was_never_falsely_green();
    argo_prunes(&argo);
    argo_heals(&argo);
    argo_rests(&argo);
    argo.was_never_falsely_green();
    argo_lets_the_resources_go_before_the_operator(&argo);
}

/// The operator first, then the resource, which waits for its Secrets.
fn argo_installs(argo: &Argo) {
    argo.is_of_health("Degraded", "SecretNotFound: ");
    let first = argo.applications.of_object("wikimedia").remove(0);
    let operator = argo.applications.when(OPERATOR, &first).expect("wave 0");
    assert!(is_green(&operator), "wave 1 did not wait: {operator:#}");
    for name in ["wikimedia", "wikiingest"] {
        for state in argo.applications.of_object(name) {
            assert!(!is_green(&state), "{state:#}");
        }
    }
    secrets(&argo.kubectl).expect("the Secrets");
    for name in ["wikimedia", OPERATOR, "wikiingest"] {
        argo.is_at_rest(name);
    }
    assert!(stands(&ingest(&argo.kubectl), "Ready", "True", "Ready"));
}

/// Until the operator has answered, the new state is not well.
fn argo_follows_a_push(argo: &Argo) {
    argo.edit(|it| set_projects(it, &["fr.wikipedia"]));
    let silence = Silence::begin().expect("the operators stop");
    let commit = argo.push("another wiki");
    argo.application("wikimedia", |it| is_synced_to(it, &commit));
    sleep(SILENCE);
    assert_eq!(meaning(&ingest(&argo.kubectl)), "InProgress");
    for state in argo.applications.of_object("wikimedia") {
        assert!(
            !is_synced_to(&state, &commit) || !is_green(&state),
            "{state:#}"
        );
    }
    drop(silence);
    argo.application("wikimedia", |it| is_synced_to(it, &commit) && is_green(it));
    let follows = |it: &Value| it["data"].to_string().contains("fr.wikipedia");
    let config = argo
        .kubectl
        .wait(PATIENCE, "configmap", "wikimedia-workers", follows);
    config.expect("the workers' configuration follows");
}

fn argo_says_what_is_wrong(argo: &Argo) {
    // The API server cannot know that there is no such day.
    argo.edit(|it| set_cron(it, "0 0 31 2 *"));
    argo.push("a day that there is not");
    argo.is_of_health("Degraded", "InvalidSpec: spec.sources[0].schedule.cron: ");
    argo.edit(|it| set_cron(it, "0 0 1 2 *"));
    let commit = argo.push("a day that there is");
    argo.application("wikimedia", |it| is_synced_to(it, &commit) && is_green(it));

    // Of what it does know Argo CD tells once: at its next look it takes a comparison that failed for one without
    // differences (argo-cd#28722). The commit that mends it is followed.
    let before = ingest(&argo.kubectl)["spec"].clone();
    argo.edit(|it| set_contact(it, "me"));
    argo.push("nobody");
    argo.has_said("spec.contact");
    assert_eq!(ingest(&argo.kubectl)["spec"], before);
    argo.edit(|it| set_contact(it, "https://example.org/somebody"));
    let commit = argo.push("somebody");
    argo.application("wikimedia", |it| is_synced_to(it, &commit));
    argo.is_at_rest("wikimedia");
    let contact = &ingest(&argo.kubectl)["spec"]["contact"];
    assert_eq!(contact, "https://example.org/somebody");
}

/// A source, and a resource, that git has no longer.
fn argo_prunes(argo: &Argo) {
    let file = "charts/gitops/argocd/wikimedia/other.yaml";
    let other = another(&argo.fork.object(ARGO_RESOURCE).expect("a resource"));
    argo.fork.write(file, &other).expect("a file");
    let commit = argo.push("another resource");
    argo.application("wikimedia", |it| is_synced_to(it, &commit) && is_green(it));
    argo.kubectl
        .get("cronjob", "other-pageviews")
        .expect("it has a schedule");

    argo.fork.remove(file).expect("it goes");
    argo.edit(without_edits);
    argo.push("less of all");
    goes(&argo.kubectl, "wikiingest", "other");
    goes(&argo.kubectl, "cronjob", "other-pageviews");
    goes(&argo.kubectl, "deployment", "wikimedia-edits");
    argo.kubectl
        .get("cronjob", "wikimedia-pageviews")
        .expect("it stays");
    argo.is_green("wikimedia");
}

/// An edit by hand, and a deletion.
fn argo_heals(argo: &Argo) {
    let wanted = ingest(&argo.kubectl)["spec"].clone();
    edit_by_hand(&argo.kubectl);
    let is_healed = |it: &Value| it["spec"] == wanted;
    let healed = argo
        .kubectl
        .wait(PATIENCE, "wikiingest", "wikimedia", is_healed);
    healed.expect("it is as git has it");
    argo.kubectl
        .run(&["delete", "wikiingest", "wikimedia"])
        .expect("it goes");
    let is_back = |it: &Value| it["spec"] == wanted && meaning(it) == "Current";
    let back = argo
        .kubectl
        .wait(PATIENCE, "wikiingest", "wikimedia", is_back);
    back.expect("it is made again");
    argo.is_green("wikimedia");
}

/// Looked at every ten seconds, nothing differs, and nothing is written.
fn argo_rests(argo: &Argo) {
    let names = ["wikiingest", OPERATOR, "wikimedia"];
    for name in names {
        argo.is_at_rest(name);
    }
    let state = || {
        (
            names.map(|name| argo.operation(name)),
            ingest(&argo.kubectl),
        )
    };
    let (before, mut seen) = (
        state(),
        names.map(|name| argo.applications.of_object(name).len()),
    );
    sleep(REST);
    assert_eq!(state(), before);
    sleep(ECHO);
    for (name, seen) in names.iter().zip(&mut seen) {
        for later in argo.applications.of_object(name).split_off(*seen) {
            assert!(is_green(&later), "{later:#}");
        }
    }
}

/// As the README has it: first the resources' Application is deleted from git.
fn argo_lets_the_resources_go_before_the_operator(argo: &Argo) {
    let app = "charts/gitops/argocd/apps/application-wikimedia.yaml";
    argo.fork.remove(app).expect("it goes");
    argo.fork.push("no resources").expect("a push");
    argo.controllers.refresh("wikiingest").expect("it is there");
    goes(argo.controllers.kubectl(), "application", "wikimedia");
    goes(&argo.kubectl, "wikiingest", "wikimedia");
    goes(&argo.kubectl, "cronjob", "wikimedia-pageviews");
    argo.is_at_rest(OPERATOR);
    argo.is_at_rest("wikiingest");
    argo.kubectl
        .get("secret", "lake")
        .expect("it is not Argo CD's to delete");
}

/// Flux with the fork that a user would make.
struct Fluxed {
    fork: Repository,
    flux: Flux,
    kustomizations: Timeline,
    ingests: Timeline,
    /// In the resource's namespace.
    kubectl: Kubectl,
    world: World,
    // The last to go.
    _clean: Clean,
}

impl Fluxed {
    fn start() -> Self {
        let cluster = Cluster::connect().expect("the cluster is up");
        let clean = Clean::new(&cluster).expect("nothing is there");
        let world = servers("flux");
        let kubectl = cluster.kubectl().expect("kubectl");
        let flux = Flux::start(&cluster).expect("Flux starts");
        Self {
            fork: Repository::fork().expect("a fork"),
            flux,
            kustomizations: Timeline::of(&kubectl, "kustomizations.kustomize.toolkit.fluxcd.io"),
            ingests: Timeline::of(&kubectl, "wikiingests.wikiingest.dev"),
            kubectl: kubectl.in_namespace("wikimedia"),
            world,
            _clean: clean,
        }
    }

    fn change_the_fork(&self) {
        let origin = "https://github.com/wikiingest/wikiingest.git";
        let replaced =
            self.fork
                .replace("charts/gitops/flux/source.yaml", origin, &self.fork.url());
        replaced.expect("it names the repository");
        let release = "charts/gitops/flux/operator/helmrelease.yaml";
        let values = (release, "/spec/values");
        runs_here(&self.fork, values, FLUX_RESOURCE, &self.world);
    }

    /// The command of the README, at the top of the repository.
    fn set_up(&self) {
        let mut apply = self.flux.kubectl().command();
        apply.args(["apply", "-k", "charts/gitops/flux"]);
        capture(apply.current_dir(self.fork.dir())).expect("the README's command");
        self.publish();
    }

    fn publish(&self) -> String {
        self.flux
            .publish("wikiingest", &self.fork)
            .expect("a revision")
    }

    fn push(&self, message: &str) -> String {
        self.fork.push(message).expect("a push");
        self.publish()
    }

    fn kustomization(&self, name: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let found = self
            .flux
            .kubectl()
            .wait(PATIENCE, "kustomization", name, is_so);
        found.unwrap_or_else(|error| panic!("{error}"))
    }

    fn is_ready_at(&self, revision: &str) -> Value {
        self.kustomization("wikimedia", |it| is_ready_at(it, revision))
    }

    /// Whenever Flux wrote that all is applied and well, it was so.
    fn was_never_falsely_ready(&self) {
        sleep(ECHO);
        let mut said = self
            .kustomizations
            .words_about("wikimedia", |it| it["status"].clone());
        said.retain(is_ready);
        were_true(&said, &self.ingests);
    }

    fn edit(&self, change: impl FnOnce(&mut Value)) {
        self.fork.edit(FLUX_RESOURCE, change).expect("an edit");
    }
}

fn is_ready(kustomization: &Value) -> bool {
    stands(kustomization, "Ready", "True", "ReconciliationSucceeded")
}

fn is_ready_at(kustomization: &Value, revision: &str) -> bool {
    kustomization["status"]["lastAppliedRevision"] == revision && is_ready(kustomization)
}

#[test]
fn flux_brings_the_examples_from_git_to_work_and_is_never_ready_too_soon() {
    let _alone = alone();
    let flux = Fluxed::start();
    flux.change_the_fork();
    let began = Instant::now();
    flux.set_up();
    flux_installs(&flux);
    told("Flux, from git to ready", began);
    flux.was_never_falsely_ready();
    flux_follows_a_push(&flux);
    flux.was_never_falsely_ready();
    flux_says_what_is_wrong(&flux);
    flux.was_never_falsely_ready();
    flux_prunes(&flux);
    flux_heals(&flux);
    flux_rests(&flux);
    flux.was_never_falsely_ready();
    flux_lets_the_resources_go_before_the_operator(&flux);
}

fn flux_installs(flux: &Fluxed) {
    let released = flux.flux.release("wikiingest", "wikiingest", &flux.fork);
    released.expect("helm installs what the HelmRelease says");
    flux.kustomization("wikiingest-operator", is_ready);
    // Without its Secrets the resource is Stalled, for which Flux does not wait.
    let failed = flux.kustomization("wikimedia", |it| {
        has(it, "Ready", "False", "HealthCheckFailed")
    });
    let message = failed["status"]["conditions"].to_string();
    assert!(
        message.contains("WikiIngest/wikimedia/wikimedia"),
        "{message}"
    );
    assert!(stands(
        &ingest(&flux.kubectl),
        "Stalled",
        "True",
        "SecretNotFound"
    ));
    // The operator's Kustomization was ready before anything of the other one was applied.
    let first = flux.ingests.of_object("wikimedia").remove(0);
    let operator = flux.kustomizations.when("wikiingest-operator", &first);
    let operator = operator.expect("it is there");
    assert!(is_ready(&operator), "{operator:#}");
    secrets(&flux.kubectl).expect("the Secrets");
    // After its retryInterval.
    flux.kustomization("wikimedia", is_ready);
    assert!(stands(&ingest(&flux.kubectl), "Ready", "True", "Ready"));
}

fn flux_follows_a_push(flux: &Fluxed) {
    flux.edit(|it| set_projects(it, &["fr.wikipedia"]));
    let before = ingest(&flux.kubectl)["metadata"]["generation"].clone();
    let silence = Silence::begin().expect("the operators stop");
    let revision = flux.push("another wiki");
    let is_changed = |it: &Value| it["metadata"]["generation"] != before;
    let changed = flux
        .kubectl
        .wait(PATIENCE, "wikiingest", "wikimedia", is_changed);
    changed.expect("it follows");
    sleep(SILENCE);
    assert_eq!(meaning(&ingest(&flux.kubectl)), "InProgress");
    for state in flux.kustomizations.of_object("wikimedia") {
        assert!(!is_ready_at(&state, &revision), "{state:#}");
    }
    drop(silence);
    flux.is_ready_at(&revision);
    let follows = |it: &Value| it["data"].to_string().contains("fr.wikipedia");
    let config = flux
        .kubectl
        .wait(PATIENCE, "configmap", "wikimedia-workers", follows);
    config.expect("the workers' configuration follows");
}

fn flux_says_what_is_wrong(flux: &Fluxed) {
    flux.edit(|it| set_cron(it, "0 0 31 2 *"));
    let revision = flux.push("a day that there is not");
    let began = Instant::now();
    let failed = flux.kustomization("wikimedia", |it| {
        it["status"]["lastAttemptedRevision"] == revision.as_str()
            && has(it, "Ready", "False", "HealthCheckFailed")
    });
    // Not only when its time is over.
    assert!(began.elapsed() < Duration::from_mins(1), "{failed:#}");
    assert!(stands(
        &ingest(&flux.kubectl),
        "Stalled",
        "True",
        "InvalidSpec"
    ));
    flux.edit(|it| set_cron(it, "0 0 1 2 *"));
    let revision = flux.push("a day that there is");
    flux.is_ready_at(&revision);

    // What the API server refuses is not applied.
    flux.edit(|it| set_contact(it, "me"));
    flux.push("nobody");
    let refused = |it: &Value| {
        has(it, "Ready", "False", "ReconciliationFailed")
            && it["status"]["conditions"]
                .to_string()
                .contains("spec.contact")
    };
    flux.kustomization("wikimedia", refused);
    flux.edit(|it| set_contact(it, "https://example.org/somebody"));
    let revision = flux.push("somebody");
    flux.is_ready_at(&revision);
}

fn flux_prunes(flux: &Fluxed) {
    let (list, file) = (
        "charts/gitops/flux/wikimedia/kustomization.yaml",
        "charts/gitops/flux/wikimedia/other.yaml",
    );
    let other = another(&flux.fork.object(FLUX_RESOURCE).expect("a resource"));
    flux.fork.write(file, &other).expect("a file");
    let (without, with) = (
        "[namespace.yaml, wikiingest.yaml]",
        "[namespace.yaml, wikiingest.yaml, other.yaml]",
    );
    flux.fork.replace(list, without, with).expect("a list");
    let revision = flux.push("another resource");
    flux.is_ready_at(&revision);
    flux.kubectl
        .get("cronjob", "other-pageviews")
        .expect("it has a schedule");

    flux.fork.remove(file).expect("it goes");
    flux.fork.replace(list, with, without).expect("a list");
    flux.edit(without_edits);
    let revision = flux.push("less of all");
    goes(&flux.kubectl, "wikiingest", "other");
    goes(&flux.kubectl, "cronjob", "other-pageviews");
    goes(&flux.kubectl, "deployment", "wikimedia-edits");
    flux.kubectl
        .get("cronjob", "wikimedia-pageviews")
        .expect("it stays");
    flux.is_ready_at(&revision);
}

/// An edit by hand stays until the next interval, or until somebody asks.
fn flux_heals(flux: &Fluxed) {
    let wanted = ingest(&flux.kubectl)["spec"].clone();
    edit_by_hand(&flux.kubectl);
    flux.flux.reconcile("wikimedia").expect("it is looked at");
    let is_healed = |it: &Value| it["spec"] == wanted && meaning(it) == "Current";
    let healed = flux
        .kubectl
        .wait(PATIENCE, "wikiingest", "wikimedia", is_healed);
    healed.expect("it is as git has it");
}

/// Looked at six times, nothing differs, and nothing is written.
fn flux_rests(flux: &Fluxed) {
    let before = ingest(&flux.kubectl);
    let until = Instant::now() + REST;
    while Instant::now() < until {
        flux.flux.reconcile("wikimedia").expect("it is looked at");
        sleep(REST / 6);
    }
    assert_eq!(ingest(&flux.kubectl), before);
}

fn flux_lets_the_resources_go_before_the_operator(flux: &Fluxed) {
    let kubectl = flux.flux.kubectl();
    kubectl
        .run(&["delete", "kustomization", "wikimedia"])
        .expect("it goes");
    goes(&flux.kubectl, "wikiingest", "wikimedia");
    goes(kubectl, "namespace", "wikimedia");
    flux.kustomization("wikiingest-operator", is_ready);
}
