//! Whether a value has the shape that a schema describes; what is not described is a difference, too.

use serde_json::Value;

/// A schema, its reference followed.
pub fn resolved<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    match schema["$ref"].as_str() {
        Some(name) => {
            let pointer = name.strip_prefix('#').expect("references stay within the document");
            resolved(document, document.pointer(pointer).unwrap_or_else(|| panic!("{name} is nowhere")))
        }
        None => schema,
    }
}

fn is_of(kind: &str, value: &Value) -> bool {
    match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "null" => value.is_null(),
        other => panic!("nothing is of type {other}"),
    }
}

/// What differs, each with its place.
pub fn differences(document: &Value, schema: &Value, value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    compare(document, schema, value, "$", &mut found);
    found
}

fn compare(document: &Value, schema: &Value, value: &Value, at: &str, found: &mut Vec<String>) {
    let schema = resolved(document, schema);
    if let Some(either) = schema["oneOf"].as_array() {
        let tries = either.iter().map(|one| differences(document, one, value));
        if let Some(best) = tries.min_by_key(Vec::len).filter(|best| !best.is_empty()) {
            found.extend(best.into_iter().map(|wrong| format!("{at}: {wrong}")));
        }
        return;
    }
    let kinds: Vec<&str> = match &schema["type"] {
        Value::String(kind) => vec![kind],
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        // Anything.
        _ => return,
    };
    if !kinds.iter().any(|kind| is_of(kind, value)) {
        return found.push(format!("{at} is {value}, not {kinds:?}"));
    }
    if let Some(names) = schema["enum"].as_array()
        && !names.contains(value)
    {
        found.push(format!("{at} is {value}, none of {names:?}"));
    }
    if let Some(members) = value.as_object() {
        for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if !members.contains_key(name) {
                found.push(format!("{at}.{name} is missing"));
            }
        }
        for (name, member) in members {
            match (&schema["properties"][name], &schema["additionalProperties"]) {
                (known @ Value::Object(_), _) | (_, known @ Value::Object(_)) => {
                    compare(document, known, member, &format!("{at}.{name}"), found);
                }
                (_, Value::Bool(true)) => {}
                _ => found.push(format!("{at}.{name} is not documented: {member}")),
            }
        }
    }
    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
        compare(document, &schema["items"], item, &format!("{at}[{index}]"), found);
    }
}
