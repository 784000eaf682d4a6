//! Every state of a kind of object that the API server ever had, from a watch: a look now and then could miss the moment in
//! which something was green that should not be.

use std::io::BufReader;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use crate::cluster::client::Kubectl;
use crate::process::Guard;

/// A watch on all namespaces; it ends with the value.
#[derive(Debug)]
pub struct Timeline {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    seen: Mutex<Vec<State>>,
    watch: Mutex<Option<Guard>>,
    is_over: AtomicBool,
}

#[derive(Debug, Clone, Deserialize)]
struct State {
    #[serde(rename = "type")]
    what: String,
    object: Value,
}

impl Timeline {
    /// Of a kind that may not be there yet.
    #[must_use]
    pub fn of(kubectl: &Kubectl, kind: &'static str) -> Self {
        let shared = Arc::new(Shared::default());
        let (theirs, kubectl) = (Arc::clone(&shared), kubectl.clone());
        let thread = thread::spawn(move || {
            while !theirs.is_over.load(Ordering::Relaxed) {
                theirs.watch(&kubectl, kind);
                // The kind is not there yet, or no longer.
                thread::sleep(Duration::from_millis(100));
            }
        });
        Self {
            shared,
            thread: Some(thread),
        }
    }

    /// The states of an object so far, oldest first.
    #[must_use]
    pub fn of_object(&self, name: &str) -> Vec<Value> {
        let states = lock(&self.shared.seen);
        let named = states.iter().filter(|state| state.is_of(name));
        let there = named.filter(|state| state.what != "DELETED");
        there.map(|state| state.object.clone()).collect()
    }

    /// What a controller said of an object: the states in which that differs from what it had said before. Others write to
    /// it as well.
    #[must_use]
    pub fn words_about(&self, name: &str, said: impl Fn(&Value) -> Value) -> Vec<Value> {
        let mut states = self.of_object(name);
        states.dedup_by(|later, earlier| said(later) == said(earlier));
        states
    }

    /// How an object was when something else was written: the API server counts all that it writes in one row.
    #[must_use]
    pub fn when(&self, name: &str, other: &Value) -> Option<Value> {
        let version = version(other);
        let states = lock(&self.shared.seen);
        let before = |state: &&State| self::version(&state.object) <= version;
        let last = states
            .iter()
            .filter(|state| state.is_of(name))
            .filter(before)
            .max_by_key(|state| self::version(&state.object));
        last.filter(|state| state.what != "DELETED")
            .map(|state| state.object.clone())
    }
}

impl Drop for Timeline {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Relaxed);
        if let Some(watch) = lock(&self.shared.watch).as_mut() {
            watch.kill();
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    /// Until the watch ends, which the API server sees to now and then.
    fn watch(&self, kubectl: &Kubectl, kind: &str) {
        let mut command = kubectl.command();
        command
            .args(["get", kind, "--all-namespaces", "--output=json"])
            .args(["--watch", "--output-watch-events"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let Ok(mut guard) = Guard::spawn(&mut command) else {
            return;
        };
        let Some(stdout) = guard.child().stdout.take() else {
            return;
        };
        *lock(&self.watch) = Some(guard);
        // Who ended us in this moment had nothing to kill yet.
        if self.is_over.load(Ordering::Relaxed) {
            return;
        }
        let states = serde_json::Deserializer::from_reader(BufReader::new(stdout));
        for mut state in states.into_iter::<State>().map_while(Result::ok) {
            // Of no interest, and longer than all else.
            state.object["metadata"]["managedFields"] = Value::Null;
            lock(&self.seen).push(state);
        }
        *lock(&self.watch) = None;
    }
}

impl State {
    fn is_of(&self, name: &str) -> bool {
        self.object["metadata"]["name"] == name
    }
}

/// Comparable between kinds, as long as one store holds them all.
fn version(object: &Value) -> u64 {
    let version = object["metadata"]["resourceVersion"].as_str();
    version
        .and_then(|version| version.parse().ok())
        .unwrap_or_default()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
