//! The OpenAPI document against the server itself: every operation is called, every answer has the shape that is documented,
//! every body takes the fields that are documented and no others, and no path takes a method that is not.

#[path = "support/ask.rs"]
mod ask;
#[path = "openapi/schema.rs"]
mod schema;
#[path = "openapi/walk.rs"]
mod walk;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use walk::Shop;

fn document() -> Value {
    serde_json::from_str(stockade::http::openapi::json()).unwrap()
}

/// Method and path template of every operation, with its description.
fn operations(document: &Value) -> BTreeMap<(String, String), Value> {
    let mut all = BTreeMap::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            all.insert((method.to_uppercase(), path.clone()), operation.clone());
        }
    }
    all
}

#[test]
fn every_operation_is_called_and_answers_as_it_is_documented() {
    let document = document();
    let operations = operations(&document);
    let shop = Shop::open();
    let mut called = BTreeSet::new();
    walk::walk(&shop, &mut |method, template, told| {
        let operation = (method.to_owned(), template.to_owned());
        let described = operations.get(&operation).unwrap_or_else(|| panic!("{operation:?} is not documented"));
        let answer = &described["responses"][told.status.to_string()];
        assert!(answer.is_object(), "{operation:?} does not document {}", told.status);
        let media = told.header("content-type").unwrap_or_default().split(';').next().unwrap().to_owned();
        let shape = &answer["content"][&media]["schema"];
        assert!(shape.is_object() || told.text.is_empty(), "{operation:?} does not document {media}");
        if media == "application/json" {
            let wrong = schema::differences(&document, shape, &told.json());
            assert!(wrong.is_empty(), "{method} {template}: {wrong:#?}\n{}", told.text);
        }
        called.insert(operation);
    });
    let documented: BTreeSet<_> = operations.into_keys().collect();
    // The feed of events never ends by itself: `tests/feed.rs` reads it.
    let feed = ("GET".to_owned(), "/api/v1/events".to_owned());
    assert_eq!(documented.difference(&called).collect::<Vec<_>>(), [&feed]);
    shop.close();
}

/// A body with a field that nobody knows is refused, and the refusal tells all fields that are known.
#[test]
fn bodies_take_the_fields_that_are_documented() {
    let document = document();
    let shop = Shop::open();
    let mut compared = 0;
    for ((method, template), operation) in operations(&document) {
        let shape = &operation["requestBody"]["content"]["application/json"]["schema"];
        // A gateway's notice is only read once its signature is right.
        if !shape.is_object() || template.contains("{gateway}") {
            continue;
        }
        let path = walk::filled(&template);
        let told = shop.send(&method, &path, &[], &json!({"surprise": 1}).to_string());
        assert_eq!(told.status, 400, "{method} {path}: {}", told.text);
        let known: BTreeSet<String> = told.text.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        let properties = schema::resolved(&document, shape)["properties"].as_object().cloned().unwrap_or_default();
        let documented: BTreeSet<String> = properties.keys().cloned().collect();
        let known: BTreeSet<String> = known.difference(&BTreeSet::from(["surprise".to_owned()])).cloned().collect();
        assert_eq!(known, documented, "{method} {path}: {}", told.text);
        compared += 1;
    }
    assert!(compared > 30, "{compared}");
    shop.close();
}

#[test]
fn a_path_takes_the_methods_that_are_documented() {
    let shop = Shop::open();
    let mut by_path: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (method, template) in operations(&document()).into_keys() {
        by_path.entry(template).or_default().insert(method);
    }
    for (template, methods) in by_path {
        let path = walk::filled(&template);
        let told = shop.send("TRACE", &path, &[], "");
        assert_eq!((told.status, told.problem().as_str()), (405, "method_not_allowed"), "{path}");
        let allowed = told.header("allow").unwrap_or_default().to_owned();
        let allowed: BTreeSet<String> = allowed.split(", ").map(str::to_owned).collect();
        assert_eq!(allowed, methods, "{path}");
    }
    shop.close();
}

#[test]
fn the_page_for_people_names_every_operation_and_loads_nothing_from_elsewhere() {
    let shop = Shop::open();
    let page = shop.send("GET", "/docs", &[], "");
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    for (method, path) in operations(&document()).into_keys() {
        assert!(page.text.contains(&format!("{method} <b>{path}</b>")), "{method} {path}");
    }
    assert!(!page.text.contains("src=") && !page.text.contains("<link"), "it must work without a network");
    let served = shop.send("GET", "/openapi.json", &[], "");
    assert_eq!(served.json(), document());
    assert_eq!(served.json()["openapi"], "3.1.0");
    shop.close();
}
