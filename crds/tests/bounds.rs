//! Every CEL rule and every bound of the CRD refuses a resource with what a person needs to know, and takes the one that
//! is nearly as wrong.
#![cfg(feature = "offline")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what is unexpected here fails the test"
)]

mod corpus;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::LazyLock;

use corpus::{Case, cases};
use kube::core::cel::{ValidationErrors, Validator};
use serde_json::{Value, json};
use wikiingest_crds::{
    crd,
    validate::{Problem, Target, offline},
};

/// The schema of the spec. What stands in the status nobody but the operator can write.
static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
    let crd = json!(crd::crd());
    let whole = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    json!({ "type": "object", "properties": { "spec": whole["properties"]["spec"] } })
});

fn problems(case: &Case, resource: &Value) -> Vec<Problem> {
    let target = if case.local {
        Target::Local
    } else {
        Target::Cluster
    };
    let mut problems = offline(resource, target);
    if let Some(before) = &case.before {
        let (now, before) = (without_nulls(resource), without_nulls(before));
        let errors = Validator::new().validate(&SCHEMA, &now, Some(&before));
        for error in errors
            .err()
            .into_iter()
            .flat_map(ValidationErrors::into_vec)
        {
            problems.push(Problem {
                path: error.field_path,
                message: error.message,
            });
        }
    }
    problems
}

#[test]
fn what_is_wrong_is_named_with_its_place_and_what_to_write() {
    let mut failures = String::new();
    for case in cases() {
        let problems = problems(&case, &case.bad);
        let is_told = |p: &Problem| p.path == case.path && p.message.contains(&case.says);
        // Of what is in a list that is too long, something else may be wrong, too.
        let in_it = |p: &Problem| p.path.starts_with(&format!("{}[", case.path));
        let told = problems.iter().filter(|p| is_told(p)).count();
        if told != 1 || !problems.iter().all(|p| is_told(p) || in_it(p)) {
            let Case { at, path, says, .. } = &case;
            let _ = writeln!(failures, "{at} {path} {says}\n  got {problems:#?}");
        }
    }
    assert!(failures.is_empty(), "{failures}");
}

#[test]
fn what_is_nearly_wrong_is_taken() {
    let mut failures = String::new();
    for case in cases() {
        let problems = case.good.as_ref().map(|good| problems(&case, good));
        if let Some(problems) = problems.filter(|problems| !problems.is_empty()) {
            let _ = writeln!(failures, "{} {}\n  got {problems:#?}", case.at, case.says);
        }
    }
    assert!(failures.is_empty(), "{failures}");
}

#[test]
fn every_rule_and_every_bound_has_both() {
    let mut bare = BTreeSet::new();
    limits("", &SCHEMA, &mut bare);
    assert!(bare.len() > 200, "{} limits", bare.len());
    let bounds: BTreeSet<Limit> = bare.iter().filter(|one| !is_rule(one)).cloned().collect();
    for case in cases() {
        let Some(good) = &case.good else { continue };
        // Nobody hears what a rule says of a resource that a bound refuses.
        let is_bound = !outside(&case, &bounds).is_empty();
        let mut refused = outside(&case, &bare);
        refused.retain(|limit| !(is_bound && is_rule(limit)));
        for (limit, side) in sides(&case, good, &refused) {
            let is_near = match side {
                Side::Outside => false,
                Side::Edge => true,
                Side::Inside => case.because.is_some(),
            };
            if is_near {
                bare.remove(&limit);
            }
        }
    }
    let bare: Vec<_> = bare
        .iter()
        .map(|(path, what)| format!("{path} {what}"))
        .collect();
    assert!(
        bare.is_empty(),
        "give these an entry in bad.yaml:\n{}",
        bare.join("\n")
    );
}

/// A rule or a bound: where in the schema, and which.
type Limit = (String, String);

/// Where a value is, seen from a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Side {
    Outside,
    /// As far as it goes, where that can be told.
    Edge,
    Inside,
}

/// What the names of rules start with, which go on with the rule.
const RULE: &str = "rule ";

/// What of a schema bounds nothing, or is looked at by itself. All else is a bound.
const NO_BOUNDS: &[&str] = &[
    "type",
    "description",
    "default",
    "nullable",
    "properties",
    "required",
    "items",
    "additionalProperties",
    "x-kubernetes-validations",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-int-or-string",
];

/// The limits of one place: the name of each, and what it is.
fn own(schema: &Value) -> impl Iterator<Item = (String, &Value)> {
    // The size of a number, which has bounds besides.
    let is_size = |limit: &Value| matches!(limit.as_str(), Some("int32" | "int64"));
    let keywords = schema.as_object().into_iter().flatten();
    let bounds = keywords
        .filter(move |(name, limit)| !NO_BOUNDS.contains(&name.as_str()) && !is_size(limit))
        .map(|(name, limit)| (name.clone(), limit));
    let rules = schema["x-kubernetes-validations"].as_array();
    let rules = rules.into_iter().flatten();
    bounds.chain(rules.map(|rule| (format!("{RULE}{}", rule["rule"].as_str().unwrap()), rule)))
}

fn limits(path: &str, schema: &Value, found: &mut BTreeSet<Limit>) {
    found.extend(own(schema).map(|(name, _)| (path.to_owned(), name)));
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        limits(&format!("{path}.{name}"), property, found);
    }
    for (keyword, name) in [("items", "[]"), ("additionalProperties", ".*")] {
        if schema[keyword].is_object() {
            limits(&format!("{path}{name}"), &schema[keyword], found);
        }
    }
}

fn is_rule((_, name): &Limit) -> bool {
    name.starts_with(RULE)
}

/// Which of these limits refuse what is wrong.
fn outside(case: &Case, of: &BTreeSet<Limit>) -> BTreeSet<Limit> {
    let sides = sides(case, &case.bad, of).into_iter();
    sides
        .filter(|(_, side)| *side == Side::Outside)
        .map(|(limit, _)| limit)
        .collect()
}

/// The sides that a resource is on, of these limits.
fn sides(case: &Case, resource: &Value, of: &BTreeSet<Limit>) -> BTreeMap<Limit, Side> {
    let way: Vec<&str> = case.at.split('/').skip(1).collect();
    let before = case.before.as_ref().map(without_nulls);
    let resource = without_nulls(resource);
    let mut sides = of.iter().map(|limit| (limit.clone(), None)).collect();
    look("", &SCHEMA, &resource, before.as_ref(), &way, &mut sides);
    let met = sides.into_iter();
    met.filter_map(|(limit, side)| Some((limit, side?)))
        .collect()
}

/// Finds the sides that the values on the way to a field are on, and all in it; of several values at one place of the
/// schema the one that is furthest out counts.
fn look(
    path: &str,
    schema: &Value,
    value: &Value,
    before: Option<&Value>,
    way: &[&str],
    sides: &mut BTreeMap<Limit, Option<Side>>,
) {
    for (name, limit) in own(schema) {
        let key = (path.to_owned(), name);
        if let Some(known) = sides.get_mut(&key) {
            let side = side(&key.1, limit, schema, value, before);
            *known = Some(known.map_or(side, |known| side.min(known)));
        }
    }
    for (name, item) in children(value) {
        let is_on = way.first().is_none_or(|next| *next == name || *next == "-");
        let Some((below, schema)) = below(schema, &name).filter(|_| is_on) else {
            continue;
        };
        let before = before.and_then(|before| child(before, &name));
        let way = way.get(1..).unwrap_or_default();
        look(&format!("{path}{below}"), schema, item, before, way, sides);
    }
}

/// The fields of an object, or the items of a list by their numbers.
fn children(value: &Value) -> Vec<(String, &Value)> {
    match value {
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| (name.clone(), value))
            .collect(),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .map(|(n, item)| (n.to_string(), item))
            .collect(),
        _ => Vec::new(),
    }
}

fn child<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    children(value)
        .into_iter()
        .find(|(known, _)| known == name)
        .map(|(_, value)| value)
}

/// The schema of a child, and how its place is written.
fn below<'a>(schema: &'a Value, name: &str) -> Option<(String, &'a Value)> {
    let (items, values) = (&schema["items"], &schema["additionalProperties"]);
    if let Some(property) = schema["properties"].get(name) {
        return Some((format!(".{name}"), property));
    }
    let others = [("[]", items), (".*", values)].into_iter();
    let mut others = others.filter(|(_, schema)| schema.is_object());
    others
        .next()
        .map(|(name, schema)| (name.to_owned(), schema))
}

fn side(name: &str, limit: &Value, schema: &Value, value: &Value, before: Option<&Value>) -> Side {
    if limit.is_object() {
        return of_rule(limit, schema, value, before);
    }
    let size = match name {
        "minLength" | "maxLength" => value.as_str().map(|text| count(text.chars().count())),
        "minItems" | "maxItems" => value.as_array().map(|items| count(items.len())),
        "minProperties" | "maxProperties" => value.as_object().map(|fields| count(fields.len())),
        "minimum" | "maximum" => value.as_f64(),
        "x-kubernetes-list-type" => return of_list(schema, value),
        _ => return of_form(name, limit, value),
    };
    let Some((size, limit)) = size.zip(limit.as_f64()) else {
        return Side::Inside;
    };
    let room = if name.starts_with("min") {
        size - limit
    } else {
        limit - size
    };
    match room {
        room if room < 0.0 => Side::Outside,
        room if room > 0.0 => Side::Inside,
        _ => Side::Edge,
    }
}

/// What is right or wrong, and no more: a pattern, a choice, a format.
fn of_form(name: &str, limit: &Value, value: &Value) -> Side {
    let judge = jsonschema::options().should_validate_formats(true);
    let judge = judge.build(&json!({ name: limit })).unwrap();
    if judge.is_valid(value) {
        Side::Edge
    } else {
        Side::Outside
    }
}

fn count(things: usize) -> f64 {
    f64::from(u32::try_from(things).unwrap())
}

/// Whether entries that have to differ do.
fn of_list(schema: &Value, value: &Value) -> Side {
    let key = |item: &Value| match schema["x-kubernetes-list-map-keys"].as_array() {
        Some(keys) => keys
            .iter()
            .map(|key| item[key.as_str().unwrap()].to_string())
            .collect(),
        None => item.to_string(),
    };
    let Some(items) = value.as_array() else {
        return Side::Inside;
    };
    let distinct: BTreeSet<String> = items.iter().map(key).collect();
    match items.len() {
        count if distinct.len() < count => Side::Outside,
        0 | 1 => Side::Inside,
        _ => Side::Edge,
    }
}

fn of_rule(rule: &Value, schema: &Value, value: &Value, before: Option<&Value>) -> Side {
    let mut alone = schema.clone();
    alone["x-kubernetes-validations"] = json!([rule]);
    let errors = Validator::new().validate(&alone, value, before);
    let mut errors = errors
        .err()
        .into_iter()
        .flat_map(ValidationErrors::into_vec);
    let text = rule["rule"].as_str().unwrap();
    if errors.any(|error| error.rule == text) {
        Side::Outside
    } else if text.contains("oldSelf") && before.is_none() {
        Side::Inside
    } else {
        Side::Edge
    }
}

/// A null counts as absent for CEL, and has no bounds.
fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let set = fields.iter().filter(|(_, value)| !value.is_null());
            let set = set.map(|(name, value)| (name.clone(), without_nulls(value)));
            Value::Object(set.collect())
        }
        Value::Array(items) => items.iter().map(without_nulls).collect(),
        other => other.clone(),
    }
}
