//! The configuration file of a worker, as the operator writes it, and its secrets, as the Secrets would give them.

use serde_json::{Value, json};

use super::dump::Hour;
use super::lake::Lake;
use super::warehouse::Warehouse;

/// Who the tests say they are.
pub const CONTACT: &str = "https://example.org/wikiingest-e2e";

/// A configuration and the environment that goes with it.
#[derive(Debug, Clone)]
pub struct Config {
    /// The file.
    pub json: Value,
    /// The secrets.
    pub env: Vec<(String, String)>,
}

impl Config {
    /// Page views of the hours from `from` up to, but not including, `to`, into no sink yet.
    #[must_use]
    pub fn pageviews(base_url: &str, from: Hour, to: Hour) -> Self {
        Self::new(
            "pageviews",
            "pageviews",
            base_url,
            &from.timestamp(),
            &to.timestamp(),
        )
    }

    /// A batch source of any kind, all of it.
    #[must_use]
    pub fn new(name: &str, kind: &str, base_url: &str, from: &str, to: &str) -> Self {
        let json = json!({
            "contact": CONTACT,
            "source": {
                "name": name,
                kind: {},
                "backfill": [{"name": "all", "from": from, "to": to}],
                "baseUrl": base_url,
                "sinks": [],
            },
            "sinks": [],
            "window": {"from": from, "to": to},
            // Waits that suit a test, and still show whether there is jitter.
            "limits": {"minBackoff": "1s", "maxBackoff": "4s", "idleTimeout": "2s"},
        });
        Self {
            json,
            env: Vec::new(),
        }
    }

    /// Adds the sink `warehouse`.
    #[must_use]
    pub fn warehouse(self, warehouse: &Warehouse) -> Self {
        self.sink("warehouse", warehouse.sink(), warehouse.secrets())
    }

    /// Adds the sink `lake`.
    #[must_use]
    pub fn lake(self, lake: &Lake) -> Self {
        self.sink("lake", lake.sink(), lake.secrets())
    }

    /// Adds a sink, with the secrets of it by their keys.
    #[must_use]
    pub fn sink(mut self, name: &str, mut sink: Value, secrets: Vec<(&str, &str)>) -> Self {
        sink["name"] = json!(name);
        push(&mut self.json["sinks"], sink);
        push(&mut self.json["source"]["sinks"], json!(name));
        let variable = |key: &str| format!("WIKIINGEST_{}_{key}", name.to_uppercase());
        self.env.extend(
            secrets
                .into_iter()
                .map(|(key, value)| (variable(key), value.to_owned())),
        );
        self
    }

    /// Lets every sink keep what this kind of source brings for so long.
    #[must_use]
    pub fn keeping(mut self, kind: &str, span: &str) -> Self {
        let sinks = self.json["sinks"].as_array_mut().expect("a list of sinks");
        for sink in sinks {
            for place in ["singleStore", "s3", "sqlite", "folder"] {
                if sink.get(place).is_some() {
                    sink[place]["retention"] = json!({kind: span});
                }
            }
        }
        self
    }

    /// The configuration of a run that deletes what the sinks keep no longer.
    #[must_use]
    pub fn to_expire(&self) -> Self {
        let source = &self.json["source"];
        let is_stream = source.get("recentChanges").is_some();
        let streams: Vec<&Value> = is_stream.then_some(&source["name"]).into_iter().collect();
        Self {
            json: json!({"sinks": self.json["sinks"], "streams": streams}),
            env: self.env.clone(),
        }
    }

    /// Changes a value, by its path, such as `/limits/attempts`.
    #[must_use]
    pub fn with(mut self, pointer: &str, value: Value) -> Self {
        let (parent, key) = pointer
            .rsplit_once('/')
            .expect("a path starts with a slash");
        self.json.pointer_mut(parent).expect("the path is there")[key] = value;
        self
    }

    /// Changes a secret.
    #[must_use]
    pub fn with_secret(mut self, variable: &str, value: &str) -> Self {
        self.env.retain(|(name, _)| name != variable);
        self.env.push((variable.to_owned(), value.to_owned()));
        self
    }

    /// Every secret that the worker is given and must not tell.
    #[must_use]
    pub fn secrets(&self) -> Vec<&str> {
        let is_secret =
            |name: &str| name.ends_with("PASSWORD") || name.ends_with("SECRET_ACCESS_KEY");
        self.env
            .iter()
            .filter(|(name, _)| is_secret(name))
            .map(|(_, value)| value.as_str())
            .collect()
    }
}

fn push(list: &mut Value, value: Value) {
    list.as_array_mut().expect("it is a list").push(value);
}
