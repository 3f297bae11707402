//! `/webhook-endpoints` on the admin listener: who is told of facts, how that goes, and what operators do about it.

use std::path::PathBuf;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, LOCATION};
use http::{HeaderValue, Method, Response, StatusCode};
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

use super::admin::AdminRequest;
use super::body;
use super::handler::Shared;
use super::problem::{Code, Problem};
use super::routes::{Reply, by_method, reply};
use crate::webhook::{ChangeRefused, EndpointChange, EndpointInvalid, EndpointStatus, NewEndpoint, Webhooks};

/// Where they are.
pub(super) const PATH: &str = "/webhook-endpoints";

/// Answers what is under [`PATH`].
pub(super) fn answer(shared: &Shared, request: &AdminRequest<'_>) -> Reply {
    let rest = request.path.strip_prefix(PATH).unwrap_or_default();
    let parts: Vec<&str> = rest.split('/').skip(1).collect();
    let is_path = rest.is_empty() || rest.starts_with('/') && parts.iter().all(|part| !part.is_empty());
    if !is_path {
        return Err(Problem::new(Code::NotFound));
    }
    match parts[..] {
        [] => all(shared, request),
        [name] => one(shared, request, name),
        [name, "disable"] => act(shared, request, |webhooks| webhooks.disable(name)),
        [name, "enable"] => act(shared, request, |webhooks| webhooks.enable(name)),
        [name, "redeliver"] => redeliver(shared, request, name),
        [name, "secrets"] => add_secret(shared, request, name),
        [name, "secrets", id] => {
            by_method(request.method, "DELETE", &[&Method::DELETE])?;
            reply(StatusCode::OK, &told(shared)?.remove_secret(name, id).map_err(refused)?)
        }
        _ => Err(Problem::new(Code::NotFound)),
    }
}

/// An endpoint that is to be made.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewBody {
    /// One is made if nothing is said.
    name: Option<String>,
    url: String,
    #[serde(default)]
    types: Vec<String>,
    /// One is made if there are none.
    #[serde(default)]
    secrets: Vec<String>,
    description: Option<String>,
    ca_file: Option<PathBuf>,
}

/// What is changed; `null` takes away what can be missing.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ChangeBody {
    url: Option<String>,
    types: Option<Vec<String>>,
    #[serde(default, deserialize_with = "said")]
    description: Option<Option<String>>,
    #[serde(default, deserialize_with = "said")]
    ca_file: Option<Option<PathBuf>>,
}

fn said<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SecretBody {
    /// One is made if nothing is said.
    secret: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RedeliverBody {
    after: Sequence,
}

/// Sequences are strings; a number is understood.
#[derive(Deserialize)]
#[serde(untagged)]
enum Sequence {
    Text(String),
    Number(u64),
}

fn all(shared: &Shared, request: &AdminRequest<'_>) -> Reply {
    by_method(request.method, "GET, POST", &[&Method::GET, &Method::POST])?;
    if request.method != Method::POST {
        let endpoints = shared.webhooks.as_ref().map_or_else(Vec::new, |webhooks| webhooks.status());
        return reply(StatusCode::OK, &json!({"items": endpoints}));
    }
    body::expect_media_type(request.headers, "application/json")?;
    let NewBody { name, url, types, secrets, description, ca_file } = body::parse(request.body)?;
    let new = NewEndpoint { name, url, types, secrets, description, ca_file };
    let (made, secret) = told(shared)?.create(new).map_err(refused)?;
    let location = format!("{PATH}/{}", made.name);
    let mut response = shown_once(&made, secret)?;
    if let Ok(location) = HeaderValue::from_str(&location) {
        response.headers_mut().insert(LOCATION, location);
    }
    Ok(response)
}

/// An endpoint, with a secret that was made for it.
fn shown_once(endpoint: &EndpointStatus, secret: Option<String>) -> Reply {
    let mut shown = serde_json::to_value(endpoint).unwrap_or_default();
    if let Some(secret) = secret {
        shown["secret"] = secret.into();
    }
    not_stored(StatusCode::CREATED, &shown)
}

/// What nobody may keep on the way.
fn not_stored(status: StatusCode, shown: &Value) -> Reply {
    let mut response: Response<Bytes> = reply(status, shown)?;
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

fn one(shared: &Shared, request: &AdminRequest<'_>, name: &str) -> Reply {
    by_method(request.method, "DELETE, GET, PATCH", &[&Method::DELETE, &Method::GET, &Method::PATCH])?;
    let webhooks = told(shared)?;
    let shown = match *request.method {
        Method::DELETE => webhooks.remove(name),
        Method::PATCH => {
            body::expect_media_type(request.headers, "application/json")?;
            let ChangeBody { url, types, description, ca_file } = body::parse(request.body)?;
            webhooks.change(name, EndpointChange { url, types, description, ca_file })
        }
        _ => webhooks.status_of(name).ok_or_else(|| ChangeRefused::Unknown(name.to_owned())),
    };
    reply(StatusCode::OK, &shown.map_err(refused)?)
}

fn act(
    shared: &Shared,
    request: &AdminRequest<'_>,
    act: impl FnOnce(&Webhooks) -> Result<EndpointStatus, ChangeRefused>,
) -> Reply {
    by_method(request.method, "POST", &[&Method::POST])?;
    reply(StatusCode::OK, &act(told(shared)?).map_err(refused)?)
}

fn redeliver(shared: &Shared, request: &AdminRequest<'_>, name: &str) -> Reply {
    by_method(request.method, "POST", &[&Method::POST])?;
    body::expect_media_type(request.headers, "application/json")?;
    let after = match body::parse::<RedeliverBody>(request.body)?.after {
        Sequence::Number(after) => after,
        Sequence::Text(text) => {
            text.parse().map_err(|_| Problem::invalid("after", "a sequence, as a fact's id begins with it"))?
        }
    };
    reply(StatusCode::OK, &told(shared)?.redeliver(name, after).map_err(refused)?)
}

fn add_secret(shared: &Shared, request: &AdminRequest<'_>, name: &str) -> Reply {
    by_method(request.method, "POST", &[&Method::POST])?;
    body::expect_media_type(request.headers, "application/json")?;
    let secret = body::parse_or_empty::<SecretBody>(request.body)?.secret;
    let made = told(shared)?.add_secret(name, secret.as_deref()).map_err(refused)?;
    let mut shown = json!({"id": made.id});
    if let Some(secret) = made.secret {
        shown["secret"] = secret.into();
    }
    not_stored(StatusCode::CREATED, &shown)
}

/// Whoever tells endpoints.
fn told(shared: &Shared) -> Result<&Webhooks, Problem> {
    let nobody = || Problem::new(Code::NotFound).detail("this process tells nobody of facts");
    shared.webhooks.as_deref().ok_or_else(nobody)
}

fn refused(refusal: ChangeRefused) -> Problem {
    let why = refusal.to_string();
    match refusal {
        ChangeRefused::Invalid(invalid) => Problem::invalid(field_of(&invalid), why),
        ChangeRefused::Description => Problem::invalid("description", why),
        ChangeRefused::NotYet { .. } => Problem::invalid("after", why),
        ChangeRefused::SecretTwice(_) => Problem::invalid("secret", why),
        ChangeRefused::Unknown(_) | ChangeRefused::SecretUnknown { .. } => Problem::new(Code::NotFound).detail(why),
        ChangeRefused::NameTaken(name) => Problem::new(Code::IdConflict).detail(why).with("name", name),
        ChangeRefused::Configured(name) => Problem::new(Code::EndpointConfigured).detail(why).with("name", name),
        ChangeRefused::LastSecret(name) => Problem::new(Code::LastSecret).detail(why).with("name", name),
        ChangeRefused::Gone { after } => Problem::new(Code::Gone).detail(why).with("after", after.to_string()),
        ChangeRefused::Stopped => Problem::new(Code::Draining).detail(why),
        ChangeRefused::Disk(error) => {
            tracing::error!(%error, "a change of webhook endpoints could not be written");
            let is_full = error.kind() == std::io::ErrorKind::StorageFull;
            Problem::new(if is_full { Code::StorageFull } else { Code::StorageUnavailable }).detail(why)
        }
    }
}

/// The field that the configuration has under the same name.
const fn field_of(invalid: &EndpointInvalid) -> &'static str {
    match invalid {
        EndpointInvalid::Name(_) => "name",
        EndpointInvalid::Address(address) => address.field(),
        EndpointInvalid::NoSecret(_) | EndpointInvalid::Secret(_) => "secrets",
    }
}
