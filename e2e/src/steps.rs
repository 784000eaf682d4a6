//! The steps of `cargo e2e test`: each is one command line whose output streams through, and a line in the table.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};

use crate::athena::Athena;
use crate::cluster;
use crate::error::{Error, Result};
use crate::install::{self, Python};
use crate::process::{Guard, capture, line};
use crate::readme;
use crate::say::say;
use crate::servers::mariadb::{Durability, MariaDb};
use crate::servers::s3::S3;

/// What to run.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Run this step only; may be given several times
    #[arg(long, value_name = "STEP")]
    only: Vec<Step>,
    /// Leave this step out; may be given several times
    #[arg(long, value_name = "STEP")]
    skip: Vec<Step>,
    /// Run the suites, too, for which a run of everything has no time: on clocks and logins as `wikiingest doctor` sees
    /// them, on each panel of the dashboards, on what Athena finds in a lake, and on a cluster what schedules, edits and the
    /// loss of its parts come to, and what Argo CD and Flux make of the examples for them
    #[arg(long)]
    all: bool,
    /// Say what the steps are and run none
    #[arg(long)]
    list: bool,
    /// What the tests of the steps `unit`, `servers` and `cluster` are told, such as a part of a test's name
    #[arg(last = true, value_name = "TEST ARGS")]
    tests: Vec<String>,
}

impl Options {
    /// These suites, and with `--all` those, too.
    fn with(
        &self,
        suites: &'static [&'static str],
        more: &'static [&'static str],
    ) -> impl Iterator<Item = &'static str> + use<> {
        let more = if self.all { more } else { &[] };
        suites.iter().chain(more).copied()
    }
}

/// The steps, in the order in which they run: what is quick to tell comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Step {
    /// The code is formatted
    Fmt,
    /// Licences, banned crates and sources
    Deny,
    /// Clippy has nothing to say
    Clippy,
    /// Tests that need nothing but Rust
    Unit,
    /// The documentation builds without a warning
    Doc,
    /// The README's own commands, word for word, in a copy of the work tree
    Readme,
    /// Suites against MariaDB, an S3 server and a stand-in for the dumps host
    Servers,
    /// The suite on a real Kubernetes, which is brought up by kind and stays up
    Cluster,
}

/// The suites of the step `servers`.
const SUITES: &[&str] = &[
    "right",
    "conformance",
    "exactly_once",
    "bad_input",
    "polite",
    "retention",
    "stream",
];

/// Those that `--all` adds.
const MORE_SUITES: &[&str] = &["athena", "dashboards", "doctor"];

/// The suites of the step `cluster`, one after the other.
const ON_CLUSTER: &[&str] = &["cluster", "chart", "operator", "cli", "kstatus", "install"];

/// Those that `--all` adds.
const MORE_ON_CLUSTER: &[&str] = &["schedule", "edits", "faults", "gitops_cluster"];

/// Tests of the cluster at a time, which mostly wait for it, on two cores and more.
const ABREAST_ON_CLUSTER: &str = "3";

/// No step takes this long; one that does hangs.
const LIMIT: Duration = Duration::from_hours(1);

/// The repository.
#[derive(Debug, Clone)]
pub(crate) struct Workspace {
    root: PathBuf,
}

impl Workspace {
    /// The repository that this program was built from.
    ///
    /// # Errors
    /// If it has been moved since.
    pub(crate) fn find() -> Result<Self> {
        let e2e = Path::new(env!("CARGO_MANIFEST_DIR"));
        match e2e.parent() {
            Some(root) if root.join("Cargo.toml").is_file() => Ok(Self {
                root: root.to_owned(),
            }),
            _ => Err(Error::other(format!(
                "{} is gone: run `cargo e2e` in the repository",
                e2e.display()
            ))),
        }
    }

    /// Its top folder.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The folder of this crate.
    pub(crate) fn e2e(&self) -> PathBuf {
        self.root.join("e2e")
    }

    /// `cargo`, started at the top.
    pub(crate) fn cargo(&self, args: &[&str]) -> Command {
        self.program(&install::cargo(), args)
    }

    /// The same with what stands for `cargo`.
    pub(crate) fn program(&self, cargo: &Path, args: &[&str]) -> Command {
        let mut command = Command::new(cargo);
        command.args(args).current_dir(&self.root);
        // What the `cargo run` that started us says of this package: build scripts that look at it would run again, and
        // all that depends on them would be built again, each time someone builds without us in between.
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
                command.env_remove(name);
            }
        }
        command
    }
}

struct Outcome {
    step: Step,
    result: Result<()>,
    seconds: f64,
}

pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let steps: Vec<Step> = Step::value_variants()
        .iter()
        .copied()
        .filter(|step| options.only.is_empty() || options.only.contains(step))
        .filter(|step| !options.skip.contains(step))
        .collect();
    if options.list {
        for step in steps {
            say!("{:<9} {}", step.name(), step.help());
        }
        return Ok(ExitCode::SUCCESS);
    }
    let workspace = Workspace::find()?;
    let outcomes: Vec<Outcome> = steps
        .into_iter()
        .map(|step| attempt(step, &workspace, options))
        .collect();
    Ok(summary(&outcomes))
}

fn attempt(step: Step, workspace: &Workspace, options: &Options) -> Outcome {
    say!("\n=== {}: {}", step.name(), step.help());
    let started = Instant::now();
    let result = step.run(workspace, options);
    if let Err(error) = &result {
        say!("=== {} failed: {error}", step.name());
    }
    Outcome {
        step,
        result,
        seconds: started.elapsed().as_secs_f64(),
    }
}

fn summary(outcomes: &[Outcome]) -> ExitCode {
    let mut table = String::from("\nstep      result   seconds\n");
    for Outcome {
        step,
        result,
        seconds,
    } in outcomes
    {
        let result = if result.is_ok() { "ok" } else { "FAILED" };
        let _ = writeln!(table, "{:<9} {result:<6} {seconds:>9.1}", step.name());
    }
    let failed = outcomes
        .iter()
        .filter(|outcome| outcome.result.is_err())
        .count();
    say!(
        "{table}\n{} passed, {failed} failed",
        outcomes.len() - failed
    );
    if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

impl Step {
    fn name(self) -> String {
        self.to_possible_value()
            .map(|value| value.get_name().to_owned())
            .unwrap_or_default()
    }

    fn help(self) -> String {
        self.to_possible_value()
            .and_then(|value| value.get_help().map(ToString::to_string))
            .unwrap_or_default()
    }

    fn run(self, workspace: &Workspace, options: &Options) -> Result<()> {
        let tests = &options.tests;
        match self {
            Self::Fmt => stream(&mut workspace.cargo(&["fmt", "--all", "--check"])),
            Self::Clippy => stream(
                workspace
                    .cargo(&[
                        "clippy",
                        "--quiet",
                        "--workspace",
                        "--all-targets",
                        "--all-features",
                    ])
                    .args(["--", "-D", "warnings"]),
            ),
            Self::Unit => stream(workspace.cargo(&["test", "--workspace", "--"]).args(tests)),
            Self::Servers => servers(workspace, options),
            Self::Cluster => on_cluster(workspace, options),
            Self::Doc => stream(
                workspace
                    .cargo(&["doc", "--workspace", "--no-deps"])
                    .env("RUSTDOCFLAGS", "-D warnings"),
            ),
            Self::Deny => {
                let deny = install::cargo_deny()?;
                let checks = [
                    "--locked",
                    "check",
                    "--hide-inclusion-graph",
                    "bans",
                    "licenses",
                    "sources",
                ];
                stream(
                    Command::new(deny)
                        .args(checks)
                        .current_dir(workspace.root()),
                )
            }
            Self::Readme => readme::run(workspace),
        }
    }
}

/// Starts the servers, then the suites, which are told by environment variables where the servers are.
fn servers(workspace: &Workspace, options: &Options) -> Result<()> {
    install::debian(install::FOR_TESTS)?;
    let python = install::python(&workspace.e2e().join("requirements.txt"))?;
    let spark = install::python(&workspace.e2e().join("requirements-spark.txt"))?;
    // As `cargo test --workspace` builds them, so that nothing is compiled twice.
    stream(&mut workspace.cargo(&["build", "--workspace", "--bins"]))?;
    let mariadb = MariaDb::start(Durability::Full)?;
    let s3 = S3::start(&python.program("weed"))?;
    let athena = options.all.then(|| Athena::start(workspace, &s3));
    let athena = athena.transpose()?;
    let mut suites = workspace.cargo(&[
        "test",
        "--workspace",
        "--no-fail-fast",
        "--features",
        "wikiingest-e2e/servers",
    ]);
    for suite in options.with(SUITES, MORE_SUITES) {
        suites.args(["--test", suite]);
    }
    suites
        .arg("--")
        .args(&options.tests)
        .envs(environment(&mariadb, &s3, &python, &spark))
        .envs(athena.iter().flat_map(Athena::environment));
    stream(&mut suites)
}

/// Brings the cluster up, fills it with the images, and starts its suite.
fn on_cluster(workspace: &Workspace, options: &Options) -> Result<()> {
    install::debian(install::FOR_TESTS)?;
    cluster::make_images(cluster::ImageOptions::default())?;
    let mut suite = vec!["test", "--workspace", "--no-fail-fast"];
    suite.extend(
        options
            .with(ON_CLUSTER, MORE_ON_CLUSTER)
            .flat_map(|suite| ["--test", suite]),
    );
    let features = ["--features", "wikiingest-e2e/cluster", "--"];
    let mut suites = workspace.cargo(&suite);
    suites.args(features).args(&options.tests);
    stream(suites.env("RUST_TEST_THREADS", ABREAST_ON_CLUSTER))
}

/// What the suites are told.
pub(crate) fn environment(
    mariadb: &MariaDb,
    s3: &S3,
    python: &Python,
    spark: &Python,
) -> [(&'static str, String); 5] {
    [
        ("WIKIINGEST_E2E", "1".to_owned()),
        ("WIKIINGEST_E2E_MARIADB_PORT", mariadb.port().to_string()),
        ("WIKIINGEST_E2E_S3", s3.endpoint()),
        (
            "WIKIINGEST_E2E_PYTHON",
            python.interpreter().display().to_string(),
        ),
        (
            "WIKIINGEST_E2E_SPARK_PYTHON",
            spark.interpreter().display().to_string(),
        ),
    ]
}

/// Runs a command with its output going where ours goes.
pub(crate) fn stream(command: &mut Command) -> Result<()> {
    let mut child = Guard::spawn(command.stdin(Stdio::null()))?;
    let deadline = Instant::now() + LIMIT;
    loop {
        match child.exited()? {
            Some(status) if status.success() => return Ok(()),
            Some(status) => {
                return Err(Error::other(format!(
                    "`{}` ended with {status}",
                    line(command)
                )));
            }
            None if Instant::now() > deadline => {
                return Err(Error::other(format!(
                    "`{}` did not end within {} s",
                    line(command),
                    LIMIT.as_secs()
                )));
            }
            None => std::thread::sleep(Duration::from_millis(50)),
        }
    }
}

/// The files of the work tree that belong to the repository, or would if they were added.
pub(crate) fn files(workspace: &Workspace) -> Result<Vec<PathBuf>> {
    let list = ["ls-files", "--cached", "--others", "--exclude-standard"];
    let list = capture(Command::new("git").args(list).current_dir(workspace.root()))?;
    Ok(list
        .lines()
        .map(PathBuf::from)
        .filter(|file| workspace.root().join(file).is_file())
        .collect())
}
