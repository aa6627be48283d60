//! Jaeger, all in one, its spans in memory.

use std::ffi::OsString;
use std::net::SocketAddr;

use e2e::Guarded;
use serde_json::Value;

use crate::{free_addresses, get, program, start};

/// A running Jaeger.
pub struct Jaeger {
    _process: Guarded,
    query: SocketAddr,
    http: SocketAddr,
    grpc: SocketAddr,
}

impl Jaeger {
    /// Starts it on free ports. It listens everywhere on each port that it is not told.
    ///
    /// # Errors
    /// When it does not start; then with what it printed.
    pub fn start() -> anyhow::Result<Jaeger> {
        let all = free_addresses::<11>()?;
        let [query, http, grpc, ..] = all;
        let flags = [
            "query.http-server",
            "collector.otlp.http",
            "collector.otlp.grpc",
            "query.grpc-server",
            "collector.http-server",
            "collector.grpc-server",
            "admin.http",
            "http-server",
        ];
        let mut command = vec![program("JAEGER")?.into_os_string()];
        for (flag, address) in flags.iter().zip(all) {
            command.push(format!("--{flag}.host-port={address}").into());
        }
        for (kind, address) in
            ["jaeger-binary", "jaeger-compact", "zipkin-compact"].iter().zip(&all[8..])
        {
            command.push(format!("--processor.{kind}.server-host-port={address}").into());
        }
        let folder = tempfile::Builder::new().prefix("wasm-tracer-jaeger").tempdir()?.keep();
        let command: Vec<_> = command.iter().map(OsString::as_os_str).collect();
        let is_ready = || {
            let serves = |address| std::net::TcpStream::connect(address).is_ok();
            get(query, "/api/services").is_ok() && serves(http) && serves(grpc)
        };
        let process = start("Jaeger", folder, &command, is_ready)?;
        Ok(Jaeger { _process: process, query, http, grpc })
    }

    /// Where it takes OTLP over HTTP.
    pub fn http(&self) -> String {
        format!("http://{}", self.http)
    }

    /// Where it takes OTLP over HTTP, as an address.
    pub fn http_address(&self) -> SocketAddr {
        self.http
    }

    /// Where it takes OTLP over gRPC.
    pub fn grpc(&self) -> String {
        format!("http://{}", self.grpc)
    }

    /// Status and JSON of its query API.
    ///
    /// # Panics
    /// When it does not answer.
    pub fn get(&self, path: &str) -> (u16, Value) {
        match get(self.query, path) {
            Ok(answer) => answer,
            Err(error) => panic!("{error:#}"),
        }
    }
}
