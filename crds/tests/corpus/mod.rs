//! `bad.yaml`, read: what makes a resource invalid, each beside what is nearly so.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what is unexpected here fails the test"
)]

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value, json};

/// A resource for a cluster.
pub(crate) const EXAMPLE: &str = include_str!("../example.yaml");

/// A resource for `wikiingest local`.
pub(crate) const EVERYTHING: &str = include_str!("../everything.yaml");

/// What one entry says of one field.
#[derive(Debug)]
pub(crate) struct Case {
    /// The field that is changed, as a JSON pointer.
    pub(crate) at: String,
    /// Where the problem is.
    pub(crate) path: String,
    /// What its message has.
    pub(crate) says: String,
    /// Whether it is about a resource for `wikiingest local`.
    pub(crate) local: bool,
    /// The resource that is there already, where that matters.
    pub(crate) before: Option<Value>,
    /// The resource that is wrong.
    pub(crate) bad: Value,
    /// The resource that is nearly so and fine.
    pub(crate) good: Option<Value>,
    /// Why the good one does not stand on the bound.
    pub(crate) because: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    at: Places,
    #[serde(default)]
    set: Value,
    #[serde(default)]
    remove: bool,
    path: Option<String>,
    says: String,
    #[serde(default, deserialize_with = "given")]
    good: Option<Value>,
    because: Option<String>,
    #[serde(default)]
    with: BTreeMap<String, Value>,
    #[serde(default)]
    local: bool,
    #[serde(default)]
    update: bool,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Places {
    One(String),
    Many(Vec<String>),
}

/// A null is a value, too.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// All of them.
pub(crate) fn cases() -> Vec<Case> {
    let entries: Vec<Entry> = serde_saphyr::from_str(include_str!("../bad.yaml")).unwrap();
    entries.into_iter().flat_map(Entry::cases).collect()
}

impl Entry {
    fn cases(self) -> Vec<Case> {
        let places = match &self.at {
            Places::One(at) => vec![at.clone()],
            Places::Many(at) => at.clone(),
        };
        places.into_iter().map(|at| self.case(at)).collect()
    }

    fn case(&self, at: String) -> Case {
        let base = read(if self.local { EVERYTHING } else { EXAMPLE });
        let settings = self.with.iter();
        let base = settings.fold(base, |base, (at, value)| put(base, at, Some(made(value))));
        let bad = (!self.remove).then(|| made(&self.set));
        let bad = put(base.clone(), &at, bad);
        let good = self.good.as_ref();
        Case {
            path: self.path.clone().unwrap_or_else(|| dotted(&at)),
            says: self.says.clone(),
            local: self.local,
            bad,
            good: good.map(|good| put(base.clone(), &at, Some(made(good)))),
            because: self.because.clone(),
            before: self.update.then_some(base),
            at,
        }
    }
}

/// YAML as JSON.
pub(crate) fn read(yaml: &str) -> Value {
    serde_saphyr::from_str(yaml).unwrap()
}

/// The resource with one field set, appended to a list, or (without a value) taken away.
pub(crate) fn put(mut resource: Value, at: &str, value: Option<Value>) -> Value {
    let (parent, name) = at.rsplit_once('/').unwrap();
    match (resource.pointer_mut(parent).unwrap(), value) {
        (Value::Object(fields), None) => drop(fields.remove(name)),
        (Value::Object(fields), Some(value)) => drop(fields.insert(name.to_owned(), value)),
        (Value::Array(items), Some(value)) if name == "-" => items.push(value),
        (Value::Array(items), Some(value)) => items[name.parse::<usize>().unwrap()] = value,
        (other, _) => panic!("{at} is in {other}"),
    }
    resource
}

/// As paths are told to people.
fn dotted(at: &str) -> String {
    let written = |part: &str| match part.parse::<usize>() {
        Ok(index) => format!("[{index}]"),
        Err(_) => format!(".{part}"),
    };
    let parts: Vec<String> = at.split('/').skip(1).map(written).collect();
    parts.concat().trim_start_matches('.').to_owned()
}

/// The value, with what is to be made in it made.
fn made(value: &Value) -> Value {
    let count = |name: &str| usize::try_from(value[name].as_u64()?).ok();
    if let (Some(count), Some(text)) = (count("padded"), value["text"].as_str()) {
        return json!(format!("{text:a<count$}"));
    }
    if let Some(count) = count("items") {
        let templates = match &value["of"] {
            Value::Array(templates) => templates.clone(),
            one => vec![one.clone()],
        };
        let item = |n: usize| numbered(&templates[n % templates.len()], n / templates.len() + 1);
        return (0..count).map(item).collect();
    }
    if let Some(count) = count("entries") {
        let (name, value) = (&value["of"][0], &value["of"][1]);
        let name = |n: usize| made(&numbered(name, n)).as_str().unwrap().to_owned();
        let fields = (1..=count).map(|n| (name(n), value.clone()));
        return Value::Object(fields.collect());
    }
    match value {
        Value::Object(fields) => {
            let made = fields
                .iter()
                .map(|(name, value)| (name.clone(), made(value)));
            Value::Object(made.collect::<Map<_, _>>())
        }
        Value::Array(items) => items.iter().map(made).collect(),
        other => other.clone(),
    }
}

/// The value, with a number for # in its texts.
fn numbered(template: &Value, number: usize) -> Value {
    match template {
        Value::String(text) => json!(text.replace('#', &number.to_string())),
        Value::Object(fields) => {
            let numbered = |(name, value): (&String, _)| (name.clone(), numbered(value, number));
            Value::Object(fields.iter().map(numbered).collect())
        }
        Value::Array(items) => items.iter().map(|item| numbered(item, number)).collect(),
        other => other.clone(),
    }
}
