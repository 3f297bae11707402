//! Configuration in layers: defaults < `--config FILE` < `STOCKADE_*` in the environment < arguments.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use figment::Figment;
use figment::providers::{Env, Format, Serialized, Toml};
use serde::{Deserialize, Serialize};

use stockade_domain::order::LatePayment;
use stockade_domain::promotion::Lane;

use super::output::Failure;
use crate::Config;
use crate::gateway::{BreakerRules, GuardedGateway, HttpGateway, HttpGatewayOptions};
use crate::webhook::Endpoint;

/// Names of the environment that are not configuration of the engine.
const NOT_SETTINGS: &[&str] = &["log"];

/// What is shown in place of a secret.
const REDACTED: &str = "(redacted)";

/// Smaller segments would be more files than they are worth.
const SEGMENT_BYTES_MIN: u64 = 1 << 20;

/// What a cluster tells every container about a service named `stockade`.
fn is_of_a_cluster(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name == "port" || name.starts_with("port_") || name.starts_with("service_")
}

/// Everything that can be configured. A name in the file is one in the environment, with `STOCKADE_` before it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Settings {
    /// The only state.
    pub(super) data: PathBuf,
    /// Where the public listener is.
    pub(super) listen: SocketAddr,
    /// Where the admin listener is.
    pub(super) admin: SocketAddr,
    /// Answer without keys on any address.
    pub(super) anonymous: bool,
    /// Keys that callers may use.
    pub(super) api_keys: Vec<String>,
    /// How long requests in flight have to end when the server stops.
    pub(super) drain_seconds: u64,
    /// Whether faults may be armed on the admin listener (`stockade chaos run`).
    #[serde(default)]
    pub(super) chaos: bool,
    /// Partitions; none: by the number of cores.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) partitions: Option<usize>,
    /// Requests inside at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) credits: Option<u32>,
    /// Bytes of a journal segment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) segment_bytes: Option<u64>,
    /// Records between two checkpoints.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) checkpoint_records: Option<u64>,
    /// Orders kept in memory although they could be loaded again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) orders_in_memory_max: Option<usize>,
    /// Cache for derived records.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cache_bytes: Option<u64>,
    /// What becomes of money that comes when its charge was being undone: `refund`, `reacquire` or `backorder`.
    pub(super) late_payment: LatePayment,
    /// How much more than is set aside a card gateway may take, in ten-thousandths of it.
    pub(super) overcapture_basis_points: u16,
    /// The lanes of promotions, in their order; none: goods, order, coupon, shipping, gift.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) lanes: Option<Vec<Lane>>,
    /// A file of promotions that are put at the start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) promotions: Option<PathBuf>,
    /// The card gateway; none: a simulated one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) gateway: Option<GatewaySettings>,
    /// Who is told of facts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) webhooks: Vec<WebhookSettings>,
}

/// Somebody who is told of facts, as `docs/webhooks.md` says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WebhookSettings {
    /// By which operators know it; what it was told is remembered under it.
    pub(super) name: String,
    /// Where it is.
    pub(super) url: String,
    /// Kinds and types of facts, such as `order` or `sku.held`; none: all.
    #[serde(default)]
    pub(super) types: Vec<String>,
    /// Secrets that sign; several while they are being changed.
    pub(super) secrets: Vec<String>,
    /// Certificates (PEM) of authorities that are trusted beside those that browsers trust.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) ca_file: Option<PathBuf>,
}

impl WebhookSettings {
    fn redacted(&self) -> Self {
        Self { secrets: vec![REDACTED.to_owned(); self.secrets.len()], ..self.clone() }
    }
}

/// A card gateway that speaks the protocol of `docs/gateway-protocol.md`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GatewaySettings {
    /// Its name in `/webhooks/{name}`.
    pub(super) name: String,
    /// Where it is.
    pub(super) url: String,
    /// What it knows us by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) api_key: Option<String>,
    /// Secrets with which it may sign its webhooks; several while they are being changed.
    #[serde(default)]
    pub(super) webhook_secrets: Vec<String>,
    /// Certificates (PEM) of authorities that are trusted beside those that browsers trust.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) ca_file: Option<PathBuf>,
}

impl GatewaySettings {
    fn redacted(&self) -> Self {
        Self {
            api_key: self.api_key.as_ref().map(|_| REDACTED.to_owned()),
            webhook_secrets: vec![REDACTED.to_owned(); self.webhook_secrets.len()],
            ..self.clone()
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            data: PathBuf::from("./stockade-data"),
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            admin: SocketAddr::from(([127, 0, 0, 1], 9090)),
            anonymous: false,
            api_keys: Vec::new(),
            drain_seconds: 10,
            chaos: false,
            partitions: None,
            credits: None,
            segment_bytes: None,
            checkpoint_records: None,
            orders_in_memory_max: None,
            cache_bytes: None,
            late_payment: LatePayment::default(),
            overcapture_basis_points: 0,
            lanes: None,
            promotions: None,
            gateway: None,
            webhooks: Vec::new(),
        }
    }
}

/// What the arguments say; whatever they do not say is left to the other layers.
#[derive(Debug, Default, Serialize)]
pub(super) struct Overrides {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) data: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) listen: Option<SocketAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) admin: Option<SocketAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) anonymous: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) promotions: Option<PathBuf>,
}

impl Settings {
    /// Puts the layers together.
    pub(super) fn load(file: Option<&Path>, overrides: &Overrides) -> Result<Self, Failure> {
        let mut layers = Figment::from(Serialized::defaults(Self::default()));
        if let Some(file) = file {
            if !file.is_file() {
                let message = format!("configuration file {} not found: check --config", file.display());
                return Err(Failure::usage("config_not_found", message));
            }
            layers = layers.merge(Toml::file_exact(file));
        }
        layers
            .merge(Env::prefixed("STOCKADE_").ignore(NOT_SETTINGS).filter(|name| !is_of_a_cluster(name.as_str())))
            .merge(Serialized::defaults(overrides))
            .extract()
            .map_err(|error| Failure::usage("config_invalid", format!("configuration: {error}")))
    }

    /// Everything in force, defaults filled in, for people to see: no secret is in it.
    pub(super) fn shown(&self) -> serde_json::Value {
        let engine = self.engine();
        let filled = Self {
            partitions: Some(engine.partitions),
            credits: Some(engine.credits),
            checkpoint_records: Some(engine.checkpoint_records),
            orders_in_memory_max: Some(engine.orders_in_memory_max),
            cache_bytes: Some(engine.cache_bytes),
            api_keys: vec![REDACTED.to_owned(); self.api_keys.len()],
            gateway: self.gateway.as_ref().map(GatewaySettings::redacted),
            webhooks: self.webhooks.iter().map(WebhookSettings::redacted).collect(),
            ..self.clone()
        };
        // Paths that are not UTF-8 cannot be shown; nothing else can fail.
        serde_json::to_value(filled).unwrap_or_default()
    }

    /// The engine's part.
    pub(super) fn engine(&self) -> Config {
        let mut config = Config::at(&self.data);
        if let Some(partitions) = self.partitions {
            config = config.partitions(partitions);
        }
        config.credits = self.credits.unwrap_or(config.credits).max(1);
        config.segment_bytes = self.segment_bytes.unwrap_or(config.segment_bytes).max(SEGMENT_BYTES_MIN);
        config.checkpoint_records = self.checkpoint_records.unwrap_or(config.checkpoint_records).max(1);
        config.orders_in_memory_max = self.orders_in_memory_max.unwrap_or(config.orders_in_memory_max);
        config.cache_bytes = self.cache_bytes.unwrap_or(config.cache_bytes);
        config.late_payment = self.late_payment;
        config.overcapture_basis_points = self.overcapture_basis_points;
        config.lanes = self.lanes.clone().unwrap_or(config.lanes);
        config
    }

    /// Who is told of facts.
    pub(super) fn endpoints(&self) -> Result<Vec<Endpoint>, Failure> {
        let endpoint = |of: &WebhookSettings| {
            Endpoint::trusting(&of.name, &of.url, of.types.clone(), &of.secrets, of.ca_file.as_deref())
        };
        let invalid = |why| Failure::usage("config_invalid", format!("configuration: webhooks: {why}"));
        self.webhooks.iter().map(|of| endpoint(of).map_err(invalid)).collect()
    }

    /// The engine's part with the gateway that is configured.
    pub(super) fn engine_with_gateway(&self) -> Result<Config, Failure> {
        let names: Vec<&str> = self.lanes.iter().flatten().map(|lane| lane.name.as_str()).collect();
        let is_twice = names.iter().enumerate().any(|(at, name)| names[..at].contains(name));
        if is_twice || self.lanes.as_ref().is_some_and(Vec::is_empty) {
            let message = "configuration: lanes: at least one, and each with a name of its own";
            return Err(Failure::usage("config_invalid", message));
        }
        let Some(settings) = &self.gateway else { return Ok(self.engine()) };
        let invalid = |why: String| Failure::usage("config_invalid", format!("configuration: gateway: {why}"));
        if settings.webhook_secrets.iter().any(String::is_empty) {
            return Err(invalid("a webhook secret is empty".into()));
        }
        let (api_key, ca_file) = (settings.api_key.clone(), settings.ca_file.clone());
        let options = HttpGatewayOptions { api_key, ca_file, ..HttpGatewayOptions::at(&settings.url) };
        let gateway = HttpGateway::new(options).map_err(|error| invalid(error.to_string()))?;
        Ok(self.engine().gateway(GuardedGateway::new(gateway, BreakerRules::default())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        file
    }

    #[test]
    fn what_a_cluster_says_of_a_service_of_this_name_is_no_setting() {
        for name in ["PORT", "port", "PORT_8080_TCP_ADDR", "SERVICE_HOST", "SERVICE_PORT_HTTP"] {
            assert!(is_of_a_cluster(name), "{name}");
        }
        for name in ["PARTITIONS", "LISTEN", "PORTS", "API_KEYS"] {
            assert!(!is_of_a_cluster(name), "{name}");
        }
    }

    #[test]
    fn lanes_and_late_payments_are_the_shops_to_set() {
        let text = "late_payment = \"backorder\"\novercapture_basis_points = 150\nlanes = [{ name = \"member\", pick = \"first\" }, { name = \"goods\", pick = \"best\" }]\n";
        let settings = Settings::load(Some(file(text).path()), &Overrides::default()).unwrap();
        let config = settings.engine_with_gateway().unwrap();
        assert_eq!((config.late_payment, config.overcapture_basis_points), (LatePayment::Backorder, 150));
        assert_eq!(config.lanes.iter().map(|lane| lane.name.as_str()).collect::<Vec<_>>(), ["member", "goods"]);
        for wrong in [text.replace("member", "goods"), "lanes = []\n".into()] {
            let settings = Settings::load(Some(file(&wrong).path()), &Overrides::default()).unwrap();
            assert!(settings.engine_with_gateway().is_err(), "{wrong}");
        }
        let wrong = text.replace("backorder", "keep");
        assert!(Settings::load(Some(file(&wrong).path()), &Overrides::default()).is_err());
    }

    #[test]
    fn arguments_override_the_file_and_the_file_overrides_the_defaults() {
        let file = file("data = \"/srv/shop\"\nlisten = \"127.0.0.1:1\"\ndrain_seconds = 3\n");
        let overrides = Overrides { listen: Some("127.0.0.1:2".parse().unwrap()), ..Overrides::default() };
        let settings = Settings::load(Some(file.path()), &overrides).unwrap();
        assert_eq!(settings.data, PathBuf::from("/srv/shop"));
        assert_eq!(settings.listen.port(), 2);
        assert_eq!(settings.drain_seconds, 3);
        assert_eq!(settings.admin, Settings::default().admin);
    }

    #[test]
    fn what_is_shown_has_every_setting_and_no_secret() {
        let gateway = GatewaySettings {
            name: "acme".into(),
            url: "http://localhost:1".into(),
            api_key: Some("hunter4".into()),
            webhook_secrets: vec!["hunter5".into()],
            ca_file: None,
        };
        let api_keys = vec!["hunter2".into(), "hunter3".into()];
        let settings = Settings { api_keys, gateway: Some(gateway), ..Settings::default() };
        let shown = settings.shown();
        assert!(!shown.to_string().contains("hunter"), "{shown}");
        assert_eq!(shown["api_keys"], serde_json::json!([REDACTED, REDACTED]));
        for name in ["data", "listen", "admin", "anonymous", "drain_seconds", "partitions", "credits", "cache_bytes"] {
            assert!(!shown[name].is_null(), "{name} is missing: {shown}");
        }
    }

    #[test]
    fn a_misspelt_name_in_the_file_is_refused_by_name() {
        let file = file("lisden = \"127.0.0.1:1\"\n");
        let failure = Settings::load(Some(file.path()), &Overrides::default()).unwrap_err();
        assert_eq!(failure.code, "config_invalid");
        assert!(failure.to_string().contains("lisden"), "{failure}");
    }

    #[test]
    fn a_gateway_is_configured_in_a_table_and_a_wrong_address_is_refused_by_name() {
        let text = "[gateway]\nname = \"acme\"\nurl = \"http://localhost:9\"\nwebhook_secrets = [\"new\", \"old\"]\n";
        let settings = Settings::load(Some(file(text).path()), &Overrides::default()).unwrap();
        assert_eq!(settings.gateway.as_ref().unwrap().webhook_secrets, ["new", "old"]);
        assert!(settings.engine_with_gateway().is_ok());
        let wrong = file(&text.replace("http:", "gopher:"));
        let settings = Settings::load(Some(wrong.path()), &Overrides::default()).unwrap();
        let failure = settings.engine_with_gateway().err().expect("it cannot be called");
        assert!(failure.to_string().contains("gopher"), "{failure}");
    }

    #[test]
    fn webhook_endpoints_are_tables_of_which_no_secret_is_shown_and_a_wrong_one_is_refused_by_name() {
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let text = format!("[[webhooks]]\nname = \"shop\"\nurl = \"http://localhost:9/x\"\nsecrets = [\"{secret}\"]\n");
        let settings = Settings::load(Some(file(&text).path()), &Overrides::default()).unwrap();
        assert_eq!(settings.endpoints().unwrap().len(), 1);
        assert!(!settings.shown().to_string().contains(secret));
        let wrong = file(&text.replace("whsec_", "wrong_"));
        let settings = Settings::load(Some(wrong.path()), &Overrides::default()).unwrap();
        let failure = settings.endpoints().err().expect("nobody could verify it");
        assert!(failure.to_string().contains("whsec_") && !failure.to_string().contains("wrong_"), "{failure}");
    }

    #[test]
    fn a_file_that_is_not_there_is_bad_usage() {
        let failure = Settings::load(Some(Path::new("/nowhere/stockade.toml")), &Overrides::default()).unwrap_err();
        assert_eq!(failure.code, "config_not_found");
    }
}
