//! `docker-compose.yml` as `docker compose` itself understands it.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{output, repository, texts, tool};

/// The file, read by `docker compose config`.
pub struct Compose {
    /// The services by name.
    pub services: BTreeMap<String, Service>,
}

/// A service.
pub struct Service {
    /// Its image, with the tag.
    pub image: String,
    /// The stage of our Dockerfile that it is built from, if it is.
    pub target: Option<String>,
    /// Its arguments, if not those of the image.
    pub command: Vec<String>,
    /// Its environment.
    pub environment: BTreeMap<String, String>,
    /// What is mounted: where it comes from, and where it is seen.
    pub volumes: Vec<(Volume, String)>,
    /// Published ports: address, port there.
    pub ports: Vec<(String, u16)>,
    /// Other names in the network.
    pub aliases: Vec<String>,
}

/// Where a mounted folder or file comes from.
#[derive(Clone)]
pub enum Volume {
    /// A path of the repository.
    Bind(std::path::PathBuf),
    /// A volume of that name.
    Named(String),
}

impl Compose {
    /// Reads the file.
    ///
    /// # Panics
    /// When `docker compose config` refuses it.
    pub fn read() -> Self {
        let mut config = tool("COMPOSE");
        config.env_remove("WASM_TRACER_TOKEN").args(["-f", "docker-compose.yml", "config"]);
        let text = output(config.args(["--format", "json"]));
        let model: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}"));
        let services = model["services"].as_object().cloned().unwrap_or_default();
        Self {
            services: services.iter().map(|(name, it)| (name.clone(), Service::of(it))).collect(),
        }
    }

    /// The service that answers to a name in the network.
    pub fn named(&self, name: &str) -> Option<&str> {
        let found = self
            .services
            .iter()
            .find(|(service, it)| *service == name || it.aliases.iter().any(|alias| alias == name));
        found.map(|(service, _)| service.as_str())
    }
}

impl Service {
    fn of(service: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let environment = service["environment"].as_object().cloned().unwrap_or_default();
        let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
        let volume = |volume: &Value| {
            let source = text(&volume["source"]);
            let from = match volume["type"].as_str() {
                Some("bind") => Volume::Bind(repository().join(source)),
                _ => Volume::Named(source),
            };
            (from, text(&volume["target"]))
        };
        let port = |port: &Value| {
            let published = port["published"].as_str().and_then(|text| text.parse().ok());
            (text(&port["host_ip"]), published.unwrap_or_default())
        };
        Self {
            image: text(&service["image"]),
            target: service["build"]["target"].as_str().map(str::to_owned),
            command: texts(&service["command"]),
            environment: environment.iter().map(|(name, it)| (name.clone(), text(it))).collect(),
            volumes: list(&service["volumes"]).iter().map(volume).collect(),
            ports: list(&service["ports"]).iter().map(port).collect(),
            aliases: texts(&service["networks"]["default"]["aliases"]),
        }
    }
}
