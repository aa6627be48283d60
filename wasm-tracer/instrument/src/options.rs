//! What the user may ask of the instrumenter. Everything but the host is baked into the recorder and
//! can be overridden by `WASM_TRACER_*` variables of the VM.

use abi::Host;

/// Options of [`crate::instrument`]. A field left `None` keeps the recorder's own default.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Options {
    /// The host that will run the plugin; `None` follows the ABI marker and the imports.
    pub host: Option<Host>,
    /// Name of the cluster that leads to the collector.
    pub cluster: String,
    /// `:authority` of shipments.
    pub authority: Option<String>,
    /// Share of streams to record, 0.0 to 1.0.
    pub rate: Option<f64>,
    /// Bytes of the recorder's buffer.
    pub buffer_bytes: Option<u32>,
    /// Milliseconds between two shipments.
    pub flush_millis: Option<u32>,
    /// Seconds between two heartbeats.
    pub heartbeat_seconds: Option<u32>,
    /// Names of headers to record. Authorisation and cookies are never recorded.
    pub headers: Vec<String>,
    /// Least level of the log lines to record, 0 trace to 5 critical.
    pub log_level: Option<u32>,
    /// Whether to record from the start; else heartbeats only, until the collector says otherwise.
    pub enabled: Option<bool>,
    /// Seconds between two warnings of one cause in the host's log.
    pub warn_seconds: Option<u32>,
    /// Read the names of every stream when its headers come, not only at its end.
    pub name_early: bool,
    /// Make every hostcall an event; for tests against the host's own log.
    pub record_all_hostcalls: bool,
}

impl Options {
    /// The rate in millionths, as it is baked; a rate that is no share was refused before.
    pub(crate) fn rate_millionths(&self) -> Option<u32> {
        self.rate.map(|rate| (rate * 1e6).round() as u32)
    }
}
