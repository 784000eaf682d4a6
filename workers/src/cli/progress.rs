//! A run as people see it: bars on a terminal, a line a file elsewhere.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use indicatif::{HumanCount, ProgressBar, ProgressStyle};

use super::console::Console;
use crate::batch::{
    events::{Event, Observer},
    list::Unit,
};

const LISTING: &str = "{spinner} {prefix}: looking at what is published";
const TOTAL: &str = "{prefix}  [{wide_bar}] {pos} of {len} files, {elapsed}";
const FILE: &str = "  {prefix}  [{wide_bar}] {bytes} of {total_bytes}, {bytes_per_sec} {msg}";
const FILE_OF_UNKNOWN_SIZE: &str = "  {prefix}  {spinner} {bytes}, {bytes_per_sec} {msg}";

/// Draws one run.
#[derive(Debug)]
pub(super) struct Progress {
    console: Console,
    total: ProgressBar,
    under_way: Mutex<HashMap<String, ProgressBar>>,
}

impl Progress {
    /// Begins to draw.
    pub(super) fn new(console: &Console, title: &str) -> Self {
        let total = ProgressBar::new_spinner()
            .with_style(style(LISTING))
            .with_prefix(title.to_owned());
        let total = console.bars().add(total);
        total.enable_steady_tick(Duration::from_millis(100));
        Self {
            console: console.clone(),
            total,
            under_way: Mutex::default(),
        }
    }

    /// Takes everything off the screen; what is to stay has been printed above.
    pub(super) fn clear(&self) {
        for (_, bar) in self.under_way().drain() {
            bar.finish_and_clear();
        }
        self.total.finish_and_clear();
    }

    /// Lines stand in for the bars where those do not show.
    fn line(&self, text: &str) {
        if self.console.bars().is_hidden() {
            self.console.note(text);
        }
    }

    fn planned(&self, due: usize, held: usize) {
        self.total.set_length(due as u64);
        self.total.set_style(style(TOTAL));
        self.line(&format!(
            "{}: {due} to load, {held} loaded already",
            self.total.prefix()
        ));
    }

    fn started(&self, unit: &Unit, bytes: Option<u64>) {
        let bar = match bytes {
            Some(bytes) => ProgressBar::new(bytes).with_style(style(FILE)),
            None => ProgressBar::new_spinner().with_style(style(FILE_OF_UNKNOWN_SIZE)),
        };
        let bar = self.console.bars().add(bar.with_prefix(unit.name.clone()));
        self.under_way().insert(unit.name.clone(), bar);
    }

    fn fetched(&self, unit: &Unit, bytes: u64) {
        if let Some(bar) = self.under_way().get(&unit.name) {
            bar.inc(bytes);
            if bar.length().is_some_and(|length| bar.position() >= length) {
                bar.set_message("(writing)");
            }
        }
    }

    fn ended(&self, unit: &Unit) {
        if let Some(bar) = self.under_way().remove(&unit.name) {
            bar.finish_and_clear();
        }
        self.total.inc(1);
    }

    fn under_way(&self) -> MutexGuard<'_, HashMap<String, ProgressBar>> {
        self.under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for Progress {
    fn on(&self, event: &Event<'_>) {
        match event {
            Event::Planned { due, held, .. } => self.planned(*due, *held),
            Event::Started { unit, bytes } => self.started(unit, *bytes),
            Event::Fetched { unit, bytes } => self.fetched(unit, *bytes),
            Event::Loaded {
                unit,
                rows,
                rejected,
            } => {
                self.ended(unit);
                let rows = HumanCount(rows.unsigned_abs());
                self.line(&format!(
                    "  {}: {rows} rows{}",
                    unit.name,
                    rejects(*rejected)
                ));
            }
            Event::Skipped { unit } => {
                self.ended(unit);
                self.line(&format!(
                    "  {}: loaded meanwhile by another program",
                    unit.name
                ));
            }
            Event::Failed { unit, error } => {
                self.ended(unit);
                self.console
                    .note(&format!("  {}: failed: {error}", unit.name));
            }
            Event::Waiting { why } => self.console.note(&format!("  waiting: {why}")),
        }
    }
}

fn rejects(rejected: i64) -> String {
    match rejected {
        0 => String::new(),
        lines => format!(", {} lines rejected", HumanCount(lines.unsigned_abs())),
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ")
}
