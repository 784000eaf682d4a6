//! Every panel of every dashboard has the numbers that the lake has, and the dashboards and alerts are such that Grafana and
//! Prometheus take them.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails should say so at once"
)]

use std::path::PathBuf;
use std::process::Command;

use wikiingest_e2e::harness::{Env, Warehouse, env};
use wikiingest_e2e::install::{self, Python};
use wikiingest_e2e::process::capture;
use wikiingest_e2e::scratch;
use wikiingest_e2e::servers::mariadb::{PASSWORD, USER};

fn python() -> Python {
    install::python(&env::file("requirements-dashboards.txt")).expect("a Python for dashboards")
}

fn reader(name: &str) -> PathBuf {
    env::file("readers").join(name)
}

/// What it prints, where it has to succeed.
fn shows(command: &mut Command) -> String {
    capture(command).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn grafana_knows_all_that_is_in_the_dashboards() {
    install::debian(install::FOR_DASHBOARDS).expect("promtool");
    let mut check = Command::new(python().interpreter());
    check
        .arg(reader("dashboards.py"))
        .args(["--promtool", "promtool"]);
    let told = shows(&mut check);
    assert!(told.contains("5 dashboards"), "{told}");
}

#[test]
fn prometheus_fires_each_alert_when_it_should_and_not_before() {
    install::debian(install::FOR_DASHBOARDS).expect("promtool");
    let (rules, tests) = (
        env::file("../charts/wikiingest/files/alerts.yaml"),
        env::file("cluster/alerts-test.yaml"),
    );
    shows(Command::new("promtool").args(["check", "rules"]).arg(rules));
    shows(Command::new("promtool").args(["test", "rules"]).arg(tests));
}

#[test]
fn every_panel_has_the_numbers_of_the_lake() {
    let env = Env::get();
    let python = python();
    let Warehouse::MariaDb { port, database } = Warehouse::mariadb(&env) else {
        panic!("a database of MariaDB");
    };
    let dir = scratch::dir("panels").expect("a temporary folder");
    let on_server = |script: &str| {
        let mut command = Command::new(python.interpreter());
        command
            .arg(reader(script))
            .args(["--port", &port.to_string(), "--user", USER])
            .args(["--database", &database])
            .env("PANELS_PASSWORD", PASSWORD);
        command
    };
    let binaries = env.binaries.path("wikiingest").expect("it is built");
    let mut sample = on_server("panels/sample.py");
    shows(
        sample
            .arg(binaries.parent().expect("its folder"))
            .arg(dir.path()),
    );
    let mut panels = on_server("panels.py");
    let told = shows(panels.arg("--lake").arg(dir.path().join("lake")));
    assert!(told.contains(" 0 wrong"), "{told}");
}
