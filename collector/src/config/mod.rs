//! Settings: flag before environment before file before default, checked once at the start.

mod address;
mod check;
mod file;
mod links;
mod otlp;
mod tls;
mod token;

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Deserialize;

pub use check::{BadSettings, Config, Limits, Retention};
pub use file::refuse_unknown_environment;
pub use links::Links;
pub use otlp::{Otlp, Protocol, Sample};
pub use token::Token;

/// Everything that can be set. A field is a flag `--name-like-this`, a variable
/// `WASM_TRACER_COLLECTOR_NAME_LIKE_THIS` and a key `name_like_this` of the file.
#[derive(Clone, Debug, Default, clap::Args, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// TOML file with these settings, keys written like_this
    #[arg(long, value_name = "FILE", env = "WASM_TRACER_COLLECTOR_CONFIG")]
    #[serde(skip)]
    pub config: Option<PathBuf>,
    /// Check the settings, say what is wrong or that they are fine, and exit
    #[arg(long)]
    #[serde(skip)]
    pub check_config: bool,
    /// Address to serve everything on [default: 127.0.0.1:4000]
    #[arg(
        long,
        value_name = "ADDRESS",
        env = "WASM_TRACER_COLLECTOR_LISTEN",
        value_parser = address::parse
    )]
    #[serde(deserialize_with = "address::read")]
    pub listen: Option<SocketAddr>,
    /// Second address, serving everything but ingest
    #[arg(
        long,
        value_name = "ADDRESS",
        env = "WASM_TRACER_COLLECTOR_PUBLIC_LISTEN",
        value_parser = address::parse
    )]
    #[serde(deserialize_with = "address::read")]
    pub public_listen: Option<SocketAddr>,
    /// Folder of the store [default: $XDG_DATA_HOME/wasm-tracer or ~/.local/share/wasm-tracer]
    #[arg(long, value_name = "DIR", env = "WASM_TRACER_COLLECTOR_DATA")]
    pub data: Option<PathBuf>,
    /// Token that recorders must send; needed where ingest is reachable from beyond this machine
    #[arg(
        long,
        value_name = "TOKEN",
        env = "WASM_TRACER_COLLECTOR_INGEST_TOKEN",
        hide_env_values = true
    )]
    pub ingest_token: Option<String>,
    /// Token for reading; needed where pages and API are reachable from beyond this machine
    #[arg(
        long,
        value_name = "TOKEN",
        env = "WASM_TRACER_COLLECTOR_READ_TOKEN",
        hide_env_values = true
    )]
    pub read_token: Option<String>,
    /// Let anyone read who can reach the address
    #[arg(
        long,
        num_args = 0..=1,
        default_missing_value = "true",
        value_name = "BOOL",
        env = "WASM_TRACER_COLLECTOR_PUBLIC_READ"
    )]
    pub public_read: Option<bool>,
    /// Largest body of a batch, in KiB [default: 1024]
    #[arg(long, value_name = "KIB", env = "WASM_TRACER_COLLECTOR_MAX_BODY_KIB")]
    pub max_body_kib: Option<u32>,
    /// Bytes of batches being worked on, in MiB; more is answered 429 [default: 32]
    #[arg(long, value_name = "MIB", env = "WASM_TRACER_COLLECTOR_MAX_IN_FLIGHT_MIB")]
    pub max_in_flight_mib: Option<u32>,
    /// Oldest batch taken, in hours by the host's clock [default: 24]
    #[arg(long, value_name = "HOURS", env = "WASM_TRACER_COLLECTOR_MAX_BATCH_AGE_HOURS")]
    pub max_batch_age_hours: Option<u32>,
    /// Open timelines kept in memory; beyond it the quietest are closed [default: 200000]
    #[arg(long, value_name = "COUNT", env = "WASM_TRACER_COLLECTOR_MAX_OPEN_TIMELINES")]
    pub max_open_timelines: Option<u32>,
    /// Largest journal, in MiB; full, ingest answers 503 [default: 1024]
    #[arg(long, value_name = "MIB", env = "WASM_TRACER_COLLECTOR_JOURNAL_MIB")]
    pub journal_mib: Option<u32>,
    /// Hours that timelines are kept [default: 24]
    #[arg(long, value_name = "HOURS", env = "WASM_TRACER_COLLECTOR_RETENTION_HOURS")]
    pub retention_hours: Option<u32>,
    /// Bytes of timelines kept, in MiB [default: 2048]
    #[arg(long, value_name = "MIB", env = "WASM_TRACER_COLLECTOR_RETENTION_MIB")]
    pub retention_mib: Option<u32>,
    /// Base URL of Grafana with the dashboards of this project, for links of the pages
    #[arg(long, value_name = "URL", env = "WASM_TRACER_COLLECTOR_GRAFANA_URL")]
    pub grafana_url: Option<String>,
    /// Base URL of a Jaeger UI that shows the timelines, for links of the pages
    #[arg(long, value_name = "URL", env = "WASM_TRACER_COLLECTOR_JAEGER_URL")]
    pub jaeger_url: Option<String>,
    /// Base URL of a trace backend to send timelines to by OTLP [default: OTEL_EXPORTER_OTLP_ENDPOINT, else none]
    #[arg(long, value_name = "URL", env = "WASM_TRACER_COLLECTOR_OTLP_ENDPOINT")]
    pub otlp_endpoint: Option<String>,
    /// How it is spoken to [default: OTEL_EXPORTER_OTLP_PROTOCOL, else http/protobuf]
    #[arg(long, value_name = "PROTOCOL", env = "WASM_TRACER_COLLECTOR_OTLP_PROTOCOL")]
    pub otlp_protocol: Option<Protocol>,
    /// Which closed timelines are sent [default: all if there is an endpoint, else off]
    #[arg(long, value_name = "WHICH", env = "WASM_TRACER_COLLECTOR_OTLP_SAMPLE")]
    pub otlp_sample: Option<Sample>,
    /// Send the collector's own spans there too, one for each stage of a batch
    #[arg(
        long,
        num_args = 0..=1,
        default_missing_value = "true",
        value_name = "BOOL",
        env = "WASM_TRACER_COLLECTOR_OTLP_OWN_SPANS"
    )]
    pub otlp_own_spans: Option<bool>,
    /// Authorities that an https endpoint must have its certificate from, PEM [default: OTEL_EXPORTER_OTLP_CERTIFICATE, else those that the machine trusts, else Mozilla's]
    #[arg(long, value_name = "FILE", env = "WASM_TRACER_COLLECTOR_OTLP_CERTIFICATE")]
    pub otlp_certificate: Option<PathBuf>,
    /// Our own certificate for such an endpoint, PEM [default: OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE, else none]
    #[arg(long, value_name = "FILE", env = "WASM_TRACER_COLLECTOR_OTLP_CLIENT_CERTIFICATE")]
    pub otlp_client_certificate: Option<PathBuf>,
    /// The key to it, PEM [default: OTEL_EXPORTER_OTLP_CLIENT_KEY]
    #[arg(long, value_name = "FILE", env = "WASM_TRACER_COLLECTOR_OTLP_CLIENT_KEY")]
    pub otlp_client_key: Option<PathBuf>,
}
