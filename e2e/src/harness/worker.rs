//! The workers as processes, run as the operator would run it.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::config::Config;
use super::env::Env;
use crate::bench::measure::high_water_mib;
use crate::process::{Guard, capture, guarded};

/// No run in these suites takes this long; one that does hangs.
const LIMIT: Duration = Duration::from_mins(2);

/// How a run ended.
#[derive(Debug)]
pub struct Run {
    /// The exit code; none when it was killed.
    pub code: Option<i32>,
    /// All that it printed, on both streams.
    pub output: String,
    /// The report it wrote, if it did.
    pub report: Value,
    /// How long it took.
    pub took: Duration,
    /// The most memory that it was seen to have held at a time, in MiB; none if it was not waited for.
    pub rss_mib: Option<f64>,
}

impl Run {
    /// Fails unless it ended with this code.
    #[must_use]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "the worker said:\n{}", self.output);
        self
    }

    /// Fails unless the output holds every one of these.
    #[must_use]
    pub fn says(self, parts: &[&str]) -> Self {
        for part in parts {
            assert!(
                self.output.contains(part),
                "{part:?} is not in what the worker said:\n{}",
                self.output
            );
        }
        self
    }

    /// A number of the report.
    #[must_use]
    pub fn count(&self, name: &str) -> u64 {
        self.report[name]
            .as_u64()
            .unwrap_or_else(|| panic!("no {name} in the report {}", self.report))
    }
}

/// A worker that runs.
#[derive(Debug)]
pub struct Running {
    guard: Guard,
    config: Config,
    dir: TempDir,
    started: Instant,
}

/// Starts `wikiingest-batch run`.
#[must_use]
pub fn start(env: &Env, config: &Config) -> Running {
    begin(env, "run", config)
}

/// Runs `wikiingest-batch run` to its end.
#[must_use]
pub fn run(env: &Env, config: &Config) -> Run {
    start(env, config).wait()
}

/// Runs `wikiingest-batch migrate` to its end.
#[must_use]
pub fn migrate(env: &Env, config: &Config) -> Run {
    begin(env, "migrate", config).wait()
}

/// Runs `wikiingest-batch plan` to its end, and gives back what it prints.
#[must_use]
pub fn plan(env: &Env, config: &Config) -> Run {
    let mut run = begin(env, "plan", config).wait().expect(0);
    let json = run.output.lines().find(|line| line.starts_with('{'));
    run.report = serde_json::from_str(json.unwrap_or_default())
        .unwrap_or_else(|error| panic!("{error}: {}", run.output));
    run
}

/// Starts `wikiingest-batch expire`.
#[must_use]
pub fn expire(env: &Env, config: &Config) -> Running {
    begin(env, "expire", config)
}

/// Starts `wikiingest-stream run`.
#[must_use]
pub fn stream(env: &Env, config: &Config) -> Running {
    launch(
        env,
        "wikiingest-stream",
        &["run", "--listen", "127.0.0.1:0"],
        config,
    )
}

/// Starts `wikiingest doctor`.
#[must_use]
pub fn doctor(env: &Env, config: &Config, args: &[&str]) -> Running {
    let args: Vec<&str> = std::iter::once("doctor")
        .chain(args.iter().copied())
        .collect();
    launch(env, "wikiingest", &args, config)
}

/// Runs `wikiingest report` on the sinks of a configuration, as a resource that has them, and gives back the page.
#[must_use]
pub fn report(env: &Env, config: &Config) -> String {
    let mut resource = config.clone();
    let source = config.json["source"].clone();
    resource.json = json!({
        "apiVersion": "wikiingest.dev/v1alpha1",
        "kind": "WikiIngest",
        "metadata": {"name": "wikimedia"},
        "spec": {
            "contact": config.json["contact"],
            "sinks": config.json["sinks"],
            "sources": [source],
        },
    });
    let dir = crate::scratch::dir("report").expect("a temporary folder");
    let page = dir.path().join("report.html");
    let to = page.to_str().expect("a plain path");
    let args = ["report", "--output", to];
    let running = launch_with(env, "wikiingest", &args, &resource, "--file");
    let _ = running.wait().expect(0);
    fs::read_to_string(page).expect("the page is written")
}

fn begin(env: &Env, command: &str, config: &Config) -> Running {
    launch(env, "wikiingest-batch", &[command], config)
}

fn launch(env: &Env, program: &str, args: &[&str], config: &Config) -> Running {
    launch_with(env, program, args, config, "--config")
}

/// `flag` is what the file with the configuration is given by.
fn launch_with(env: &Env, program: &str, args: &[&str], config: &Config, flag: &str) -> Running {
    let dir = crate::scratch::dir("worker").expect("a temporary folder");
    let file = dir.path().join("config.json");
    fs::write(&file, config.json.to_string()).expect("the configuration can be written");
    let output = File::create(dir.path().join("output")).expect("a file for the output");
    let is_batch = program == "wikiingest-batch";
    let program = env.binaries.path(program).expect("the worker is built");
    let mut process = guarded(program);
    process.args(args).arg(flag).arg(&file);
    if is_batch && !matches!(args, ["migrate" | "plan"]) {
        process.arg("--report").arg(dir.path().join("report.json"));
    }
    // What whoever runs the suites has set for a worker of their own must not reach these.
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("WIKIINGEST_") {
            process.env_remove(name);
        }
    }
    process
        .envs(config.env.iter().cloned())
        .stdin(Stdio::null())
        .stdout(output.try_clone().expect("a second handle"))
        .stderr(output);
    let started = Instant::now();
    let guard = Guard::spawn(&mut process).expect("the worker starts");
    Running {
        guard,
        config: config.clone(),
        dir,
        started,
    }
}

impl Running {
    /// Kills it (SIGKILL) when it has run for so long; `None` if it ended by itself before.
    #[must_use]
    pub fn kill_after(mut self, moment: Duration) -> Option<Run> {
        while self.started.elapsed() < moment {
            if self.ended() {
                return None;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        self.guard.kill();
        Some(self.finish(None))
    }

    /// Kills it (SIGKILL) as soon as this holds; `None` if it ended by itself before.
    #[must_use]
    pub fn kill_when(mut self, now: impl Fn() -> bool) -> Option<Run> {
        while !now() {
            if self.ended() {
                return None;
            }
        }
        self.guard.kill();
        Some(self.finish(None))
    }

    /// Waits for its end.
    #[must_use]
    pub fn wait(mut self) -> Run {
        let mut rss_mib = None;
        while !self.ended() {
            rss_mib = high_water_mib(self.id()).or(rss_mib);
            assert!(
                self.started.elapsed() < LIMIT,
                "the worker hangs; it said:\n{}",
                self.output()
            );
            std::thread::sleep(Duration::from_millis(2));
        }
        let status = self.guard.wait().expect("it has ended");
        Run {
            rss_mib,
            ..self.finish(status.code())
        }
    }

    /// Asks it to stop (SIGTERM), and waits for its end.
    #[must_use]
    pub fn stop(self) -> Run {
        self.signal("TERM");
        self.wait()
    }

    /// Sends it a signal, by name.
    pub fn signal(&self, name: &str) {
        let pid = self.guard.id().to_string();
        let _ =
            capture(Command::new("kill").args(["-s", name, &pid])).expect("it can be signalled");
    }

    /// Its process.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.guard.id()
    }

    /// Where it says that it serves its metrics.
    #[must_use]
    pub fn port(&self) -> u16 {
        let started = Instant::now();
        loop {
            let output = self.output();
            let told = output
                .lines()
                .find(|line| line.contains("Serving /metrics"));
            let port = told.and_then(|line| line.trim().rsplit_once(':')?.1.parse().ok());
            if let Some(port) = port {
                return port;
            }
            assert!(
                started.elapsed() < LIMIT,
                "it serves nothing; it said:\n{output}"
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn ended(&mut self) -> bool {
        self.guard.exited().expect("the system can tell").is_some()
    }

    /// What it said so far.
    #[must_use]
    pub fn output(&self) -> String {
        let bytes = fs::read(self.dir.path().join("output")).expect("the output is there");
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Every run of every suite is held to this: no secret in what it says.
    fn finish(self, code: Option<i32>) -> Run {
        let took = self.started.elapsed();
        let output = self.output();
        let report = fs::read_to_string(self.dir.path().join("report.json")).unwrap_or_default();
        for secret in self.config.secrets() {
            assert!(
                !output.contains(secret) && !report.contains(secret),
                "a secret is in what the worker said:\n{output}\n{report}"
            );
        }
        Run {
            code,
            output,
            report: serde_json::from_str(&report).unwrap_or_default(),
            took,
            rss_mib: None,
        }
    }
}

/// A folder that a test can keep things in.
#[must_use]
pub fn folder() -> (TempDir, PathBuf) {
    let dir = crate::scratch::dir("test").expect("a temporary folder");
    let path = dir.path().to_owned();
    (dir, path)
}
