//! The document as a page: no script, nothing from elsewhere.

use std::fmt::Write;

use serde_json::Value;

use crate::http::problem::Code;

const STYLE: &str = "body{font:15px/1.45 sans-serif;max-width:62em;margin:2em auto;padding:0 1em;color:#222}code,b,pre{font-family:\
                     monospace}details{border:1px solid #ddd;border-radius:4px;margin:.3em 0;padding:.3em .8em}summary{cursor:pointer}\
                     td{padding:.1em 1em .1em 0;vertical-align:top}small{color:#666}";

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Text in which words between backticks are code.
fn prose(text: &str) -> String {
    let mut html = String::new();
    for (at, part) in escaped(text).split('`').enumerate() {
        let _ = if at % 2 == 1 { write!(html, "<code>{part}</code>") } else { write!(html, "{part}") };
    }
    html
}

fn text_of(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// A schema in a few words, named ones as links.
fn shape(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
        return format!("<a href=\"#{name}\">{name}</a>");
    }
    if let Some(either) = schema["oneOf"].as_array() {
        return either.iter().map(shape).collect::<Vec<_>>().join(" or ");
    }
    if let Some(names) = schema["enum"].as_array() {
        return names
            .iter()
            .map(|name| format!("<code>{}</code>", escaped(text_of(name))))
            .collect::<Vec<_>>()
            .join(" ");
    }
    match &schema["type"] {
        Value::String(kind) if kind == "array" => format!("list of {}", shape(&schema["items"])),
        Value::String(kind) => escaped(kind),
        Value::Array(kinds) => kinds.iter().map(|kind| escaped(text_of(kind))).collect::<Vec<_>>().join(" or "),
        _ => "anything".to_owned(),
    }
}

fn content(html: &mut String, title: &str, of: &Value) {
    for (media, inner) in of["content"].as_object().into_iter().flatten() {
        let _ = write!(html, "<p>{title}: {} <small>{}</small></p>", shape(&inner["schema"]), escaped(media));
    }
}

fn operation(html: &mut String, method: &str, path: &str, of: &Value) {
    let (method, summary) = (method.to_uppercase(), prose(text_of(&of["summary"])));
    let _ = write!(html, "<details><summary>{method} <b>{path}</b> {summary}</summary><table>");
    for parameter in of["parameters"].as_array().into_iter().flatten() {
        let (name, place) = (text_of(&parameter["name"]), text_of(&parameter["in"]));
        let about = prose(text_of(&parameter["description"]));
        let _ = write!(html, "<tr><td><code>{name}</code><td><small>{place}</small><td>{about}");
    }
    html.push_str("</table>");
    content(html, "Body", &of["requestBody"]);
    for (status, answer) in of["responses"].as_object().into_iter().flatten() {
        content(html, status, answer);
    }
    html.push_str("</details>\n");
}

fn schema(html: &mut String, name: &str, of: &Value) {
    let about = prose(text_of(&of["description"]));
    let _ = write!(html, "<details id=\"{name}\"><summary><b>{name}</b> {about}</summary>");
    if of["properties"].is_null() {
        let _ = write!(html, "<p>{}</p>", shape(of));
    }
    html.push_str("<table>");
    let is_required = |name: &str| of["required"].as_array().is_some_and(|all| all.iter().any(|one| one == name));
    for (member, inner) in of["properties"].as_object().into_iter().flatten() {
        let star = if is_required(member) { "*" } else { "" };
        let about = prose(text_of(&inner["description"]));
        let _ = write!(html, "<tr><td><code>{member}</code>{star}<td>{}<td>{about}", shape(inner));
    }
    html.push_str("</table></details>\n");
}

/// The page.
pub(super) fn of(document: &Value) -> String {
    let about = prose(text_of(&document["info"]["description"]));
    let mut html = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Stockade</title><style>{STYLE}</style><h1>Stockade {}</h1>\
         <p>{about} As a document: <a href=\"/openapi.json\">/openapi.json</a>.</p>\n",
        escaped(text_of(&document["info"]["version"]))
    );
    for tag in document["tags"].as_array().into_iter().flatten() {
        let _ = writeln!(html, "<h2>{}</h2><p>{}</p>", text_of(&tag["name"]), prose(text_of(&tag["description"])));
        for (path, item) in document["paths"].as_object().into_iter().flatten() {
            for (method, of) in item.as_object().into_iter().flatten().filter(|(_, of)| of["tags"][0] == tag["name"]) {
                operation(&mut html, method, path, of);
            }
        }
    }
    html.push_str("<h2>Shapes</h2><p>Members with a star are always there.</p>\n");
    for (name, of) in document["components"]["schemas"].as_object().into_iter().flatten() {
        schema(&mut html, name, of);
    }
    html.push_str("<h2>Problems</h2><table>");
    for code in Code::ALL {
        let (name, status) = (code.name(), code.status());
        let _ = write!(
            html,
            "<tr><td><code>{name}</code><td>{status}<td>{}<td>{}",
            escaped(code.title()),
            prose(code.advice())
        );
    }
    html.push_str("</table>\n");
    html
}
