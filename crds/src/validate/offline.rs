//! The judgement of the API server and the operator, without either.

use std::sync::LazyLock;

use jiff::Timestamp;
use jsonschema::{ValidationError, error::ValidationErrorKind};
use kube::{Resource as _, core::cel::Validator};
use serde_json::{Value, json};

use super::{
    Problem, Target, nearest,
    schema::{Place, place, plain},
    semantic,
};
use crate::{WikiIngest, crd};

/// What the API server (schema, then CEL) and the operator (or `wikiingest local`) would refuse a resource for.
///
/// As on a cluster, CEL rules are looked at only when the schema holds. Unknown fields are errors, as with kubectl.
#[must_use]
pub fn offline(resource: &Value, target: Target) -> Vec<Problem> {
    accept(resource, target).err().unwrap_or_default()
}

/// The resource, unless the API server or the operator (or `wikiingest local`) would refuse it; see [`offline`].
///
/// # Errors
/// All that is wrong with it.
pub fn accept(resource: &Value, target: Target) -> Result<WikiIngest, Vec<Problem>> {
    let resource = without_stray_nulls(&CRD_SCHEMA, resource);
    let mut problems = schema_problems(&resource);
    list_problems(
        &Place {
            path: String::new(),
            schema: &CRD_SCHEMA,
        },
        &resource,
        &mut problems,
    );
    if !problems.is_empty() {
        return Err(problems);
    }
    // A null counts as absent for CEL.
    let resource = without_nulls(resource);
    problems.extend(cel_problems(&CRD_SCHEMA, &resource));
    match serde_json::from_value::<WikiIngest>(resource) {
        Ok(accepted) => {
            problems.extend(semantic(&accepted.spec, target));
            if problems.is_empty() {
                Ok(accepted)
            } else {
                Err(problems)
            }
        }
        Err(error) => {
            problems.push(Problem::new("", error.to_string()));
            Err(problems)
        }
    }
}

static CRD_SCHEMA: LazyLock<Value> = LazyLock::new(|| {
    let versions = crd::crd().spec.versions;
    let schema = versions
        .into_iter()
        .find_map(|version| version.schema?.open_api_v3_schema);
    json!(schema)
});

static PLAIN_SCHEMA: LazyLock<Value> = LazyLock::new(|| {
    plain(
        &CRD_SCHEMA,
        &WikiIngest::api_version(&()),
        &WikiIngest::kind(&()),
    )
});

static JUDGE: LazyLock<Result<jsonschema::Validator, String>> = LazyLock::new(|| {
    jsonschema::options()
        .should_validate_formats(true)
        .build(&PLAIN_SCHEMA)
        .map_err(|error| format!("the CRD's own schema is not valid: {error}"))
});

/// The API server drops a null where the schema allows none; a default fills in then, if there is one.
fn without_stray_nulls(schema: &Value, value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let property = |name: &String| {
                schema["properties"]
                    .get(name)
                    .unwrap_or(&schema["additionalProperties"])
            };
            let is_stray = |name: &String| {
                !property(name).is_null() && property(name)["nullable"] != json!(true)
            };
            let kept = fields
                .iter()
                .filter(|(name, value)| !(value.is_null() && is_stray(name)));
            kept.map(|(name, value)| (name.clone(), without_stray_nulls(property(name), value)))
                .collect()
        }
        Value::Array(items) => items
            .iter()
            .map(|item| without_stray_nulls(&schema["items"], item))
            .collect(),
        other => other.clone(),
    }
}

fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .into_iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| (name, without_nulls(value)))
            .collect(),
        Value::Array(items) => items.into_iter().map(without_nulls).collect(),
        other => other,
    }
}

fn schema_problems(resource: &Value) -> Vec<Problem> {
    let judge = match &*JUDGE {
        Ok(judge) => judge,
        Err(error) => return vec![Problem::new("", error.as_str())],
    };
    let mut problems: Vec<Problem> = Vec::new();
    for problem in judge
        .iter_errors(resource)
        .flat_map(|error| describe(&PLAIN_SCHEMA, resource, &error))
    {
        // One thing wrong with a value often breaks several bounds: the first is enough to say.
        if problems.iter().all(|known| known.path != problem.path) {
            problems.push(problem);
        }
    }
    problems
}

fn describe(schema: &Value, resource: &Value, error: &ValidationError<'_>) -> Vec<Problem> {
    let here = place(schema, resource, error.instance_path().as_str());
    match error.kind() {
        ValidationErrorKind::AdditionalProperties { unexpected } => unexpected
            .iter()
            .map(|name| unknown_field(&here, name))
            .collect(),
        ValidationErrorKind::Required { property } => {
            let missing = here.field(property.as_str().unwrap_or_default());
            vec![Problem::new(
                &missing.path,
                with_help("is required and not set", &missing),
            )]
        }
        kind => vec![Problem::new(
            &here.path,
            value_message(kind, error.instance(), &here).unwrap_or_else(|| error.to_string()),
        )],
    }
}

fn unknown_field(here: &Place<'_>, name: &str) -> Problem {
    let fields: Vec<&str> = here.fields().collect();
    let advice = match nearest(name, fields.iter().copied()) {
        Some(near) => format!("did you mean {near}?"),
        None if fields.is_empty() => "nothing can be set here".to_owned(),
        None => format!("there are {}", fields.join(", ")),
    };
    Problem::new(
        here.field(name).path,
        format!("is not a field that there is: {advice}"),
    )
}

fn value_message(kind: &ValidationErrorKind, value: &Value, here: &Place<'_>) -> Option<String> {
    let message = match kind {
        ValidationErrorKind::Type { .. } => return Some(type_message(value, here)),
        ValidationErrorKind::Constant { expected_value } => {
            return Some(format!("must be {expected_value}, is {}", brief(value)));
        }
        ValidationErrorKind::Enum { options } => {
            let options = options
                .as_array()?
                .iter()
                .filter_map(Value::as_str)
                .collect::<Vec<_>>();
            return Some(format!(
                "must be one of {}, is {}",
                options.join(", "),
                brief(value)
            ));
        }
        ValidationErrorKind::Pattern { .. } => {
            format!("{} does not have the right form", brief(value))
        }
        ValidationErrorKind::Format { format } if format == "date-time" => {
            format!(
                "{} is not a time such as 2024-01-01T00:00:00Z",
                brief(value)
            )
        }
        ValidationErrorKind::Minimum { limit } => format!("must be at least {limit}, is {value}"),
        ValidationErrorKind::Maximum { limit } => format!("must be at most {limit}, is {value}"),
        ValidationErrorKind::MinLength { limit: 1 }
        | ValidationErrorKind::MinItems { limit: 1 } => "must not be empty".to_owned(),
        ValidationErrorKind::MinLength { limit } => {
            format!("must have at least {limit} characters, is {}", brief(value))
        }
        ValidationErrorKind::MaxLength { limit } => {
            format!("must have at most {limit} characters, is {}", brief(value))
        }
        ValidationErrorKind::MinItems { limit } => format!("must have at least {limit} entries"),
        ValidationErrorKind::MaxItems { limit } | ValidationErrorKind::MaxProperties { limit } => {
            format!("must have at most {limit} entries")
        }
        _ => return None,
    };
    Some(with_help(&message, here))
}

fn type_message(value: &Value, here: &Place<'_>) -> String {
    let types = match &here.schema["type"] {
        Value::Array(types) => types
            .iter()
            .filter_map(Value::as_str)
            .filter(|name| *name != "null")
            .collect(),
        one => vec![one.as_str().unwrap_or_default()],
    };
    let quoted = types == ["string"] && (value.is_number() || value.is_boolean());
    let advice = if quoted { ": write it in quotes" } else { "" };
    format!(
        "must be {}, is {}{advice}",
        types
            .iter()
            .map(|name| article(name))
            .collect::<Vec<_>>()
            .join(" or "),
        brief(value)
    )
}

fn article(name: &str) -> &str {
    match name {
        "object" => "a map of fields",
        "array" => "a list",
        "integer" => "a whole number",
        "number" => "a number",
        "boolean" => "true or false",
        "string" => "a text",
        other => other,
    }
}

/// What the value is, not the whole of it.
fn brief(value: &Value) -> String {
    match value {
        Value::Object(_) => "a map of fields".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::String(text) if text.chars().count() > 80 => {
            format!("{:?}...", text.chars().take(80).collect::<String>())
        }
        other => other.to_string(),
    }
}

/// The field's own documentation tells what to write instead.
fn with_help(message: &str, here: &Place<'_>) -> String {
    match here.description() {
        "" => message.to_owned(),
        help => format!("{message}. {help}"),
    }
}

/// Lists whose entries have a name must not have one twice, nor may sets; JSON Schema cannot say it so.
fn list_problems(here: &Place<'_>, value: &Value, problems: &mut Vec<Problem>) {
    match value {
        Value::Object(fields) => {
            fields
                .iter()
                .for_each(|(name, value)| list_problems(&here.field(name), value, problems));
        }
        Value::Array(items) => {
            let keys: Vec<_> = items
                .iter()
                .map(|item| list_key(here.schema, item))
                .collect();
            for (index, item) in items.iter().enumerate() {
                if keys[index].is_some() && keys[..index].contains(&keys[index]) {
                    problems.push(Problem::new(
                        here.item(index).path,
                        format!(
                            "{} is in the list already: each may be there once",
                            brief_key(item)
                        ),
                    ));
                }
                list_problems(&here.item(index), item, problems);
            }
        }
        _ => {}
    }
}

fn list_key(schema: &Value, item: &Value) -> Option<Value> {
    match schema["x-kubernetes-list-type"].as_str()? {
        "set" => Some(item.clone()),
        "map" => schema["x-kubernetes-list-map-keys"]
            .as_array()?
            .iter()
            .map(|key| item.get(key.as_str()?).cloned())
            .collect(),
        _ => None,
    }
}

fn brief_key(item: &Value) -> String {
    brief(item.get("name").unwrap_or(item))
}

fn cel_problems(crd_schema: &Value, resource: &Value) -> Vec<Problem> {
    let resource = in_utc(crd_schema, resource);
    match Validator::new().validate(crd_schema, &resource, None) {
        Ok(()) => Vec::new(),
        Err(errors) => errors
            .into_vec()
            .into_iter()
            .map(|error| Problem::new(error.field_path, error.message))
            .collect(),
    }
}

/// The API server's CEL tells the hour of a time in UTC, the library's as it was written.
fn in_utc(schema: &Value, value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let property = |name: &String| schema["properties"].get(name).unwrap_or(&Value::Null);
            fields
                .iter()
                .map(|(name, value)| (name.clone(), in_utc(property(name), value)))
                .collect()
        }
        Value::Array(items) => items
            .iter()
            .map(|item| in_utc(&schema["items"], item))
            .collect(),
        Value::String(text) if schema["format"] == "date-time" => text
            .parse::<Timestamp>()
            .map_or_else(|_| value.clone(), |time| json!(time)),
        other => other.clone(),
    }
}
