//! The interface as an OpenAPI document, and as a page for people.
//!
//! ```text
//!   operations.rs (a row each) ─┐
//!   schemas.yaml  (shapes)  ────┼─▶ document ─▶ /openapi.json, `stockade openapi`
//!   problem.rs    (codes)   ────┘      └──────▶ /docs
//! ```
//!
//! `tests/openapi.rs` calls every operation and compares: answers, the fields of bodies, the methods of paths.

mod operations;
mod page;

use std::sync::LazyLock;

use serde_json::{Map, Value, json};

use super::problem::Code;
use operations::{ALL, Operation, PARAMETERS, TAGS};

const SCHEMAS: &str = include_str!("schemas.yaml");
/// Schemas that are not JSON, by their media type.
const OTHER_MEDIA: &[(&str, &str)] = &[
    ("NewOrderLines", "application/x-ndjson"),
    ("BatchLines", "application/x-ndjson"),
    ("Events", "text/event-stream"),
    ("Page", "text/html"),
];

static DOCUMENT: LazyLock<Value> = LazyLock::new(document);
static JSON: LazyLock<String> = LazyLock::new(|| DOCUMENT.to_string());
static PAGE: LazyLock<String> = LazyLock::new(|| page::of(&DOCUMENT));

/// The document.
pub fn value() -> &'static Value {
    &DOCUMENT
}

/// The document as JSON.
pub fn json() -> &'static str {
    &JSON
}

/// The document as a page that needs nothing from elsewhere.
pub fn page() -> &'static str {
    &PAGE
}

fn document() -> Value {
    let schemas: Value = serde_saphyr::from_str(SCHEMAS).expect("the file is tested");
    let mut schemas = schemas.as_object().cloned().unwrap_or_default();
    let codes: Vec<&str> = Code::ALL.iter().map(|code| code.name()).collect();
    schemas["Problem"]["properties"]["code"]["enum"] = json!(codes);
    let mut paths = Map::new();
    for operation in ALL {
        let item = paths.entry(operation.path).or_insert_with(|| json!({}));
        item[operation.method.to_lowercase()] = described(operation);
    }
    let tags: Vec<Value> = TAGS.iter().map(|(name, about)| json!({"name": name, "description": about})).collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Stockade",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Who gets which unit, paid for, durable before it is answered. Every answer of 4xx and 5xx is a \
                            problem (RFC 9457) with a stable `code`.",
            "license": {"name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": tags,
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer", "description": "If the server has keys."}},
        },
        "security": [{"key": []}, {}],
    })
}

fn described(operation: &Operation) -> Value {
    let in_path = operation.path.split(['{', '}']).skip(1).step_by(2);
    let parameters = in_path.chain(operation.parameters.iter().copied()).map(parameter);
    let mut described = json!({
        "operationId": operation_id(operation),
        "summary": operation.about,
        "tags": [operation.tag],
        "parameters": parameters.collect::<Vec<_>>(),
        "responses": {"default": {
            "description": "It was refused.",
            "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }},
    });
    if let Some(body) = operation.body.first() {
        let is_needed = !matches!(*body, "Nothing" | "Capture" | "Cancel" | "Ship");
        described["requestBody"] = json!({"required": is_needed, "content": content(body)});
    }
    for (status, schema) in operation.answers {
        let about = if *status == 201 { "It was made." } else { "As it is now." };
        described["responses"][status.to_string()] = json!({"description": about, "content": content(schema)});
    }
    described
}

fn content(schema: &str) -> Value {
    let media = OTHER_MEDIA.iter().find(|(name, _)| *name == schema).map_or("application/json", |(_, media)| media);
    json!({media: {"schema": {"$ref": format!("#/components/schemas/{schema}")}}})
}

fn parameter(name: &str) -> Value {
    let (_, place, kind, about) =
        PARAMETERS.iter().find(|(known, ..)| *known == name).expect("every parameter is in the table");
    // Two parameters may have one name, in a path and in a query.
    let name = match name {
        "skus" => "sku",
        "of_customer" => "customer",
        "of_seller" => "seller",
        name => name,
    };
    json!({"name": name, "in": place, "required": *place == "path", "description": about, "schema": {"type": kind}})
}

/// `post_orders_order_pay`: unique, and the same for ever.
fn operation_id(operation: &Operation) -> String {
    let path = operation.path.trim_start_matches("/api/v1");
    let words: Vec<&str> = path.split(['/', '{', '}', '-', '.']).filter(|word| !word.is_empty()).collect();
    format!("{}_{}", operation.method.to_lowercase(), words.join("_"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// All names that the document refers to.
    fn references(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(members) => {
                let name = members.get("$ref").and_then(Value::as_str);
                found.extend(name.map(|name| name.trim_start_matches("#/components/schemas/").to_owned()));
                members.values().for_each(|member| references(member, found));
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }

    #[test]
    fn every_schema_is_there_and_is_used() {
        let mut used = BTreeSet::new();
        references(value(), &mut used);
        let there: BTreeSet<String> = value()["components"]["schemas"].as_object().unwrap().keys().cloned().collect();
        assert_eq!(used, there);
    }

    #[test]
    fn operations_have_a_known_tag_and_an_id_of_their_own() {
        let ids: BTreeSet<String> = ALL.iter().map(operation_id).collect();
        assert_eq!(ids.len(), ALL.len());
        for operation in ALL {
            assert!(TAGS.iter().any(|(tag, _)| *tag == operation.tag), "{}", operation.tag);
            assert!(operation.about.ends_with('.') && operation.about.len() > 10);
        }
    }

    #[test]
    fn what_is_counted_by_path_is_every_path_without_its_parameters() {
        let words = |path: &str| {
            let words = path.split('/').filter(|word| !word.is_empty() && !word.starts_with('{'));
            words.collect::<Vec<_>>().join("/")
        };
        let of_api = ALL.iter().filter_map(|operation| operation.path.strip_prefix("/api/v1/"));
        let documented: BTreeSet<String> = of_api.map(words).collect();
        let counted: BTreeSet<String> = crate::http::RESOURCES.iter().map(|known| (*known).to_owned()).collect();
        assert_eq!(documented, counted);
    }
}
