//! The OpenTelemetry Collector: what it takes it writes into a file.

use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;

use e2e::Guarded;
use serde_json::{Value, json};

use crate::{Authority, Certified, free_addresses, program, start};

/// A running OpenTelemetry Collector.
pub struct OpenTelemetryCollector {
    _process: Guarded,
    http: SocketAddr,
    grpc: SocketAddr,
    file: PathBuf,
    scheme: &'static str,
}

impl OpenTelemetryCollector {
    /// Starts it on free ports.
    ///
    /// # Errors
    /// When it does not start; then with what it printed.
    pub fn start() -> anyhow::Result<OpenTelemetryCollector> {
        OpenTelemetryCollector::with(None)
    }

    /// Starts it with this certificate, for clients that this authority vouches for and nobody else.
    ///
    /// # Errors
    /// When it does not start; then with what it printed.
    pub fn start_with_tls(
        certified: &Certified,
        clients: &Authority,
    ) -> anyhow::Result<OpenTelemetryCollector> {
        OpenTelemetryCollector::with(Some(json!({
            "cert_file": certified.certificate,
            "key_file": certified.key,
            "client_ca_file": clients.certificate(),
        })))
    }

    fn with(tls: Option<Value>) -> anyhow::Result<OpenTelemetryCollector> {
        let [http, grpc] = free_addresses()?;
        let folder = tempfile::Builder::new().prefix("wasm-tracer-otelcol").tempdir()?.keep();
        let file = folder.join("spans.json");
        let scheme = if tls.is_some() { "https" } else { "http" };
        let configuration = json!({
            "receivers": { "otlp": { "protocols": {
                "http": { "endpoint": http.to_string(), "tls": tls },
                "grpc": { "endpoint": grpc.to_string(), "tls": tls },
            } } },
            "exporters": { "file": { "path": file, "flush_interval": "100ms" } },
            "service": {
                "telemetry": { "metrics": { "level": "none" } },
                "pipelines": { "traces": { "receivers": ["otlp"], "exporters": ["file"] } },
            },
        });
        // JSON is YAML.
        let place = folder.join("configuration.yaml");
        std::fs::write(&place, configuration.to_string())?;
        let binary = program("OTELCOL")?;
        let command = [binary.as_os_str(), "--config".as_ref(), place.as_os_str()];
        let is_ready = || [http, grpc].iter().all(|at| TcpStream::connect(at).is_ok());
        let process = start("the OpenTelemetry Collector", folder.clone(), &command, is_ready)?;
        Ok(OpenTelemetryCollector { _process: process, http, grpc, file, scheme })
    }

    /// Where it takes OTLP over HTTP.
    pub fn http(&self) -> String {
        format!("{}://{}", self.scheme, self.http)
    }

    /// Where it takes OTLP over gRPC.
    pub fn grpc(&self) -> String {
        format!("{}://{}", self.scheme, self.grpc)
    }

    /// What it has written so far: resources with their spans.
    pub fn taken(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(&self.file).unwrap_or_default();
        let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.flat_map(|l| l["resourceSpans"].as_array().cloned().unwrap_or_default()).collect()
    }
}
