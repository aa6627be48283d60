//! The settings file, and names in the environment that are no settings.

use std::ffi::OsString;
use std::path::Path;

use clap::Args;

use super::{BadSettings, Settings};
use crate::logging::VARIABLE;

const PREFIX: &str = "WASM_TRACER_COLLECTOR_";

/// Reads a settings file; unknown keys are refused.
pub(super) fn read(path: &Path) -> Result<Settings, BadSettings> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| BadSettings::Unreadable { path: path.to_owned(), source })?;
    toml::from_str(&text).map_err(|source| BadSettings::File {
        path: path.to_owned(),
        what: source.to_string().trim_end().to_owned(),
    })
}

/// Refuses names that begin like a setting and are none: most likely one was misspelled.
pub fn refuse_unknown_environment(
    names: impl IntoIterator<Item = OsString>,
) -> Result<(), BadSettings> {
    let command = Settings::augment_args(clap::Command::new("collector"));
    let known: Vec<_> = command.get_arguments().filter_map(|arg| arg.get_env()).collect();
    for name in names {
        let is_ours = name.to_string_lossy().starts_with(PREFIX);
        if is_ours && name != VARIABLE && !known.contains(&name.as_os_str()) {
            return Err(BadSettings::Variable(name.to_string_lossy().into_owned()));
        }
    }
    Ok(())
}

impl Settings {
    /// What is not set here is taken from `other`.
    pub(super) fn or(self, other: Settings) -> Settings {
        Settings {
            config: self.config,
            check_config: self.check_config,
            listen: self.listen.or(other.listen),
            public_listen: self.public_listen.or(other.public_listen),
            data: self.data.or(other.data),
            ingest_token: self.ingest_token.or(other.ingest_token),
            read_token: self.read_token.or(other.read_token),
            public_read: self.public_read.or(other.public_read),
            max_body_kib: self.max_body_kib.or(other.max_body_kib),
            max_in_flight_mib: self.max_in_flight_mib.or(other.max_in_flight_mib),
            max_batch_age_hours: self.max_batch_age_hours.or(other.max_batch_age_hours),
            max_open_timelines: self.max_open_timelines.or(other.max_open_timelines),
            journal_mib: self.journal_mib.or(other.journal_mib),
            retention_hours: self.retention_hours.or(other.retention_hours),
            retention_mib: self.retention_mib.or(other.retention_mib),
            grafana_url: self.grafana_url.or(other.grafana_url),
            jaeger_url: self.jaeger_url.or(other.jaeger_url),
            otlp_endpoint: self.otlp_endpoint.or(other.otlp_endpoint),
            otlp_protocol: self.otlp_protocol.or(other.otlp_protocol),
            otlp_sample: self.otlp_sample.or(other.otlp_sample),
            otlp_own_spans: self.otlp_own_spans.or(other.otlp_own_spans),
            otlp_certificate: self.otlp_certificate.or(other.otlp_certificate),
            otlp_client_certificate: self.otlp_client_certificate.or(other.otlp_client_certificate),
            otlp_client_key: self.otlp_client_key.or(other.otlp_client_key),
        }
    }
}
