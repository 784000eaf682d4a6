//! The CRD's schema turned into a plain JSON Schema, which says the same to a validator that knows no Kubernetes.

use serde_json::{Map, Value, json};

/// The schema of the whole resource, as the API server checks it when unknown fields are errors.
pub(super) fn plain(crd_schema: &Value, api_version: &str, kind: &str) -> Value {
    let mut schema = crd_schema.clone();
    close(&mut schema);
    // Every resource has these, and a CRD does not list them.
    schema["properties"]["apiVersion"] =
        json!({ "const": api_version, "description": format!("Write {api_version}.") });
    schema["properties"]["kind"] =
        json!({ "const": kind, "description": format!("Write {kind}.") });
    schema["properties"]["metadata"] = metadata();
    schema["required"] = json!(["apiVersion", "kind", "metadata", "spec"]);
    schema
}

fn metadata() -> Value {
    let texts = json!({ "type": ["object", "null"], "additionalProperties": { "type": "string" } });
    json!({
        "type": "object",
        "required": ["name"],
        "properties": {
            "name": {
                "type": "string", "minLength": 1, "maxLength": 253, "pattern": r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$",
                "description": "Name of the resource: lower-case letters, digits, hyphens and dots. Example: wikimedia.",
            },
            "namespace": { "type": "string", "maxLength": 63, "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", "description": "Namespace of the resource. Example: default." },
            "labels": texts,
            "annotations": texts,
        },
    })
}

/// `nullable` becomes a type, and objects take no more than their own properties.
fn close(schema: &mut Value) {
    let Some(object) = schema.as_object_mut() else {
        return;
    };
    if object.remove("nullable") == Some(Value::Bool(true)) {
        allow_null(object);
    }
    if object.contains_key("properties") && !object.contains_key("additionalProperties") {
        object.insert("additionalProperties".to_owned(), Value::Bool(false));
    }
    if object.get("type") == Some(&json!("object")) && !object.contains_key("additionalProperties")
    {
        object.insert("additionalProperties".to_owned(), Value::Bool(false));
    }
    if object.remove("x-kubernetes-int-or-string") == Some(Value::Bool(true)) {
        object.insert("type".to_owned(), json!(["integer", "string"]));
    }
    children(object).for_each(close);
}

fn allow_null(object: &mut Map<String, Value>) {
    if let Some(kind) = object.get_mut("type") {
        *kind = json!([kind.take(), "null"]);
    }
    if let Some(Value::Array(options)) = object.get_mut("enum")
        && !options.contains(&Value::Null)
    {
        options.push(Value::Null);
    }
}

fn children(object: &mut Map<String, Value>) -> impl Iterator<Item = &mut Value> {
    object
        .iter_mut()
        .flat_map(|(keyword, value)| -> Box<dyn Iterator<Item = &mut Value>> {
            match (keyword.as_str(), value) {
                ("properties", Value::Object(properties)) => Box::new(properties.values_mut()),
                ("items" | "additionalProperties", schema @ Value::Object(_)) => {
                    Box::new(std::iter::once(schema))
                }
                _ => Box::new(std::iter::empty()),
            }
        })
}

/// A place in a resource: how it is written, and the schema that holds there.
pub(super) struct Place<'a> {
    pub(super) path: String,
    pub(super) schema: &'a Value,
}

/// The place of a JSON pointer.
pub(super) fn place<'a>(schema: &'a Value, root: &Value, pointer: &str) -> Place<'a> {
    let mut here = Place {
        path: String::new(),
        schema,
    };
    let mut value = root;
    for segment in pointer.split('/').skip(1) {
        let segment = segment.replace("~1", "/").replace("~0", "~");
        here = if value.is_array() {
            here.item(&segment)
        } else {
            here.field(&segment)
        };
        value = value
            .pointer(&format!(
                "/{}",
                segment.replace('~', "~0").replace('/', "~1")
            ))
            .unwrap_or(&Value::Null);
    }
    here
}

impl<'a> Place<'a> {
    pub(super) fn field(&self, name: &str) -> Self {
        let dot = if self.path.is_empty() { "" } else { "." };
        let property = self.schema["properties"].get(name);
        Self {
            path: format!("{}{dot}{name}", self.path),
            schema: property.unwrap_or(&self.schema["additionalProperties"]),
        }
    }

    pub(super) fn item(&self, index: impl std::fmt::Display) -> Self {
        Self {
            path: format!("{}[{index}]", self.path),
            schema: &self.schema["items"],
        }
    }

    pub(super) fn description(&self) -> &'a str {
        self.schema["description"].as_str().unwrap_or_default()
    }

    pub(super) fn fields(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.schema["properties"]
            .as_object()
            .into_iter()
            .flat_map(|properties| properties.keys().map(String::as_str))
    }
}
