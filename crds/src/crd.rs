//! The CRD made of the types.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, CustomResourceDefinitionVersion, JSON, JSONSchemaProps,
    JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use kube::CustomResourceExt;
use serde_json::{Value, json};

use crate::WikiIngest;

/// The command that writes the CRD's file anew.
pub const GENERATE: &str = "cargo run -p wikiingest-crds > crds/wikiingests.yaml";

/// The CRD, as it is installed.
#[must_use]
pub fn crd() -> CustomResourceDefinition {
    let mut crd = WikiIngest::crd();
    for schema in crd.spec.versions.iter_mut().filter_map(root_schema) {
        for_each_schema(schema, &mut flow_description);
        for_each_schema(schema, &mut known_format);
        for_each_schema(schema, &mut no_default_of_sets);
        default_status(schema);
    }
    crd
}

/// The CRD as YAML, with a line that says where it comes from.
///
/// # Errors
/// When the CRD cannot be written as YAML.
pub fn yaml() -> Result<String, serde_saphyr::SerializeError> {
    let mut crd = json!(crd());
    whole_numbers(&mut crd);
    let body = serde_saphyr::to_string(&crd)?;
    Ok(format!("# Made by: {GENERATE}\n{body}"))
}

/// Bounds are floats in the typed form, and `maximum: 19.0` would read back from the API server as 19.
fn whole_numbers(value: &mut Value) {
    match value {
        Value::Object(fields) => fields.values_mut().for_each(whole_numbers),
        Value::Array(items) => items.iter_mut().for_each(whole_numbers),
        Value::Number(number) => {
            // No bound is beyond what a float tells exactly.
            #[expect(
                clippy::cast_possible_truncation,
                reason = "only whole numbers come here"
            )]
            if let Some(whole) = number.as_f64().filter(|float| float.fract() == 0.0) {
                *value = json!(whole as i64);
            }
        }
        _ => {}
    }
}

fn root_schema(version: &mut CustomResourceDefinitionVersion) -> Option<&mut JSONSchemaProps> {
    version.schema.as_mut()?.open_api_v3_schema.as_mut()
}

fn for_each_schema(schema: &mut JSONSchemaProps, change: &mut impl FnMut(&mut JSONSchemaProps)) {
    change(schema);
    for property in schema
        .properties
        .iter_mut()
        .flat_map(|properties| properties.values_mut())
    {
        for_each_schema(property, change);
    }
    if let Some(JSONSchemaPropsOrArray::Schema(items)) = &mut schema.items {
        for_each_schema(items, change);
    }
    if let Some(JSONSchemaPropsOrBool::Schema(values)) = &mut schema.additional_properties {
        for_each_schema(values, change);
    }
}

/// Backticks are for readers of the source code, and lines end where its lines do; `kubectl explain` breaks them to the terminal's width by itself.
fn flow_description(schema: &mut JSONSchemaProps) {
    if let Some(description) = &mut schema.description {
        let paragraphs = description
            .split("\n\n")
            .map(|paragraph| paragraph.split_whitespace().collect::<Vec<_>>().join(" "));
        *description = paragraphs.collect::<Vec<_>>().join("\n\n").replace('`', "");
    }
}

/// The API server warns of formats that `OpenAPI` does not have, such as uint16; their bounds are written out anyway.
fn known_format(schema: &mut JSONSchemaProps) {
    if schema
        .format
        .as_deref()
        .is_some_and(|format| format.starts_with("uint"))
    {
        schema.format = Some("int64".to_owned());
    }
}

/// Server-side apply merges sets, and nobody owns what a default put into one: `"*"` would stay beside the wikis that are
/// named later. Left out, the operator and the workers take the default from the types.
fn no_default_of_sets(schema: &mut JSONSchemaProps) {
    if schema.x_kubernetes_list_type.as_deref() == Some("set") {
        schema.default = None;
    }
}

/// A resource that the operator has not seen yet must not look finished: without any status, tools that read
/// `observedGeneration` (Argo CD, Flux, kstatus) would take it for ready.
fn default_status(schema: &mut JSONSchemaProps) {
    if let Some(status) = schema
        .properties
        .as_mut()
        .and_then(|properties| properties.get_mut("status"))
    {
        status.nullable = None;
        status.default = Some(JSON(json!({ "observedGeneration": -1 })));
    }
}
