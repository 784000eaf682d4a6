//! What somebody applied of an object, told by the API server's account of who owns which field: the same request again,
//! without what the server and others have added.

use serde_json::{Map, Value};

/// The object as `manager` applied it; nothing if it did not.
pub(super) fn by(manager: &str, object: &Value) -> Option<Value> {
    let entries = object["metadata"]["managedFields"].as_array()?;
    let entry = entries.iter().find(|entry| {
        entry["manager"] == manager
            && entry["operation"] == "Apply"
            && entry["subresource"].is_null()
    })?;
    let mut applied = pick(object, &entry["fieldsV1"]);
    applied["apiVersion"] = object["apiVersion"].clone();
    applied["kind"] = object["kind"].clone();
    for name in ["name", "namespace"] {
        applied["metadata"][name] = object["metadata"][name].clone();
    }
    Some(applied)
}

/// The part of a value that fields name. A field without parts is owned whole.
fn pick(value: &Value, fields: &Value) -> Value {
    let Some(fields) = fields.as_object().filter(|fields| !fields.is_empty()) else {
        return value.clone();
    };
    match value {
        Value::Object(map) => Value::Object(members(map, fields)),
        Value::Array(items) => items
            .iter()
            .filter_map(|item| {
                let mut keys = fields.iter();
                let (_, fields) = keys.find(|(key, _)| is_item(item, key))?;
                Some(pick(item, fields))
            })
            .collect(),
        other => other.clone(),
    }
}

fn members(map: &Map<String, Value>, fields: &Map<String, Value>) -> Map<String, Value> {
    let mut picked = Map::new();
    for (key, fields) in fields {
        let Some(name) = key.strip_prefix("f:") else {
            continue;
        };
        if let Some(value) = map.get(name) {
            picked.insert(name.to_owned(), pick(value, fields));
        }
    }
    picked
}

/// Whether a list's item is the one of this key: `k:{"name":"worker"}`, or `v:"worker"` in a set.
fn is_item(item: &Value, key: &str) -> bool {
    let parsed = |text: &str| serde_json::from_str::<Value>(text).ok();
    if let Some(value) = key.strip_prefix("v:") {
        return parsed(value).is_some_and(|value| value == *item);
    }
    let keys = key.strip_prefix("k:").and_then(parsed);
    keys.as_ref()
        .and_then(Value::as_object)
        .is_some_and(|keys| keys.iter().all(|(key, value)| item[key] == *value))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_was_applied_is_there_and_what_was_added_is_not() {
        let fields = json!({
            "f:metadata": {"f:labels": {"f:a": {}}},
            "f:spec": {
                "f:atomic": {},
                "f:finalizers": {".": {}, "v:\"mine\"": {}},
                "f:containers": {"k:{\"name\":\"worker\"}": {".": {}, "f:name": {}, "f:image": {}}},
            },
        });
        let object = json!({
            "apiVersion": "batch/v1",
            "kind": "CronJob",
            "metadata": {
                "name": "n", "namespace": "s", "uid": "u", "labels": {"a": "1", "b": "2"},
                "managedFields": [
                    {"manager": "us", "operation": "Apply", "subresource": "status", "fieldsV1": {"f:status": {}}},
                    {"manager": "us", "operation": "Apply", "fieldsV1": fields},
                ],
            },
            "spec": {
                "atomic": [{"x": 1}],
                "finalizers": ["theirs", "mine"],
                "containers": [{"name": "sidecar"}, {"name": "worker", "image": "i", "added": true}],
                "added": 1,
            },
            "status": {},
        });
        let expected = json!({
            "apiVersion": "batch/v1",
            "kind": "CronJob",
            "metadata": {"name": "n", "namespace": "s", "labels": {"a": "1"}},
            "spec": {
                "atomic": [{"x": 1}],
                "finalizers": ["mine"],
                "containers": [{"name": "worker", "image": "i"}],
            },
        });
        assert_eq!(by("us", &object), Some(expected));
        assert_eq!(by("others", &object), None);
    }
}
