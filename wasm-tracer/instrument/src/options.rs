//! What the user may ask of the instrumenter. Everything but the host is baked into the recorder and
//! can be overridden by `WASM_TRACER_*` variables of the VM. What the recorder would cut, clamp, drop or
//! misread is refused here, where somebody reads the answer.

use std::ops::RangeInclusive;

use abi::Host;
use abi::graft::config::{SECRET_HEADERS, most, range};

use crate::Refusal;

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

    /// Refuses what the recorder would not take as it is meant.
    pub(crate) fn check(&self) -> Result<(), Refusal> {
        check_text("cluster's name", &self.cluster, most::CLUSTER)?;
        check_text("authority", self.authority.as_deref().unwrap_or(""), most::AUTHORITY)?;
        check_text("list of headers", &self.headers.join(","), most::HEADERS)?;
        for name in &self.headers {
            check_header(name)?;
        }
        if let Some(rate) = self.rate.filter(|rate| !(0.0..=1.0).contains(rate)) {
            return Err(Refusal::RateOutOfRange { rate });
        }
        check_number("buffer's bytes", self.buffer_bytes, range::BUFFER_BYTES)?;
        check_number("milliseconds between shipments", self.flush_millis, range::FLUSH_MILLIS)?;
        check_number(
            "seconds between heartbeats",
            self.heartbeat_seconds,
            range::HEARTBEAT_SECONDS,
        )?;
        check_number("log level", self.log_level, range::LOG_LEVEL)?;
        check_number("seconds between warnings", self.warn_seconds, range::WARN_SECONDS)
    }
}

/// No longer than the recorder keeps, and without control characters: no cluster or authority has one,
/// and a line's end would forge a line of the section that we leave in the module.
fn check_text(option: &'static str, text: &str, limit: usize) -> Result<(), Refusal> {
    match text.len() {
        size if size > limit => Err(Refusal::OptionTooLong { option, size, limit }),
        _ if text.chars().any(char::is_control) => {
            Err(Refusal::OptionNotText { option, text: text.escape_debug().to_string() })
        }
        _ => Ok(()),
    }
}

fn check_number(
    option: &'static str,
    number: Option<u32>,
    range: RangeInclusive<u32>,
) -> Result<(), Refusal> {
    match number {
        Some(value) if !range.contains(&value) => {
            let (least, most) = range.into_inner();
            Err(Refusal::OptionOutOfRange { option, value, least, most })
        }
        _ => Ok(()),
    }
}

/// A name that a header can have, and that is no secret.
fn check_header(listed: &str) -> Result<(), Refusal> {
    let name = listed.trim().to_lowercase();
    let fits = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    let without_colon = name.strip_prefix(':').unwrap_or(&name);
    if without_colon.is_empty() || !without_colon.chars().all(fits) {
        return Err(Refusal::NoHeaderName { name: listed.escape_debug().to_string() });
    }
    if SECRET_HEADERS.contains(&name.as_str()) {
        return Err(Refusal::SecretHeader { name });
    }
    Ok(())
}
