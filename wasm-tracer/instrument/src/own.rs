//! The section that we leave in every module we make: who made it, from what, with which options.
//! Lines `key=value`; no value holds a line's end, since `config` refuses such options. Never a token.

use std::str::FromStr;

use crate::customs::hex;
use crate::options::Options;
use crate::plan::Plan;

/// Name of the section.
pub(crate) const NAME: &str = "wasm-tracer";

/// What a section of ours says.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Own {
    /// Version of the instrumenter.
    pub version: String,
    /// SHA-256 of the module it was made from.
    pub original: String,
    /// SHA-256 of the recorder that was merged.
    pub recorder: String,
    /// The options, with the host that was settled on.
    pub options: Options,
}

/// Writes the section.
pub(crate) fn write(
    options: &Options,
    plan: &Plan,
    original: &[u8; 32],
    recorder: &[u8; 32],
) -> Vec<u8> {
    // Taken apart by name: an option that is not written here would not be verified.
    let Options {
        host: _, // as the plan settled it
        cluster,
        authority,
        rate: _, // in millionths
        buffer_bytes,
        flush_millis,
        heartbeat_seconds,
        headers,
        log_level,
        enabled,
        warn_seconds,
        name_early,
        record_all_hostcalls,
    } = options;
    let mut text = String::new();
    let mut line = |key: &str, value: Option<String>| {
        if let Some(value) = value {
            text.extend([key, "=", &value, "\n"]);
        }
    };
    let number = |number: Option<u32>| number.map(|number| number.to_string());
    let flag = |flag: bool| flag.then(|| "true".to_owned());
    line("version", Some(crate::VERSION.to_owned()));
    line("original_sha256", Some(hex(original)));
    line("recorder_sha256", Some(hex(recorder)));
    line("abi", Some(plan.abi.name().to_owned()));
    line("host", Some(plan.host.name().to_owned()));
    line("cluster", Some(cluster.clone()));
    line("authority", authority.clone());
    line("rate_millionths", number(options.rate_millionths()));
    line("buffer_bytes", number(*buffer_bytes));
    line("flush_millis", number(*flush_millis));
    line("heartbeat_seconds", number(*heartbeat_seconds));
    line("headers", (!headers.is_empty()).then(|| headers.join(",")));
    line("log_level", number(*log_level));
    line("enabled", enabled.map(|enabled| enabled.to_string()));
    line("warn_seconds", number(*warn_seconds));
    line("name_early", flag(*name_early));
    line("all_hostcalls", flag(*record_all_hostcalls));
    text.into_bytes()
}

/// Reads the section back, or says which line cannot be read. A line of an unknown key is an option
/// of another version: it is passed over, and the version tells.
pub(crate) fn read(data: &[u8]) -> Result<Own, String> {
    let text = std::str::from_utf8(data).map_err(|_| "it is not text".to_owned())?;
    let mut own = Own {
        version: String::new(),
        original: String::new(),
        recorder: String::new(),
        options: Options::default(),
    };
    for line in text.lines() {
        let (key, value) =
            line.split_once('=').ok_or_else(|| format!("the line {line:?} has no value"))?;
        let options = &mut own.options;
        match key {
            "version" => own.version = value.to_owned(),
            "original_sha256" => own.original = value.to_owned(),
            "recorder_sha256" => own.recorder = value.to_owned(),
            "host" => {
                let host = abi::Host::from_name(value);
                options.host = Some(host.ok_or_else(|| format!("there is no host {value:?}"))?);
            }
            "cluster" => options.cluster = value.to_owned(),
            "authority" => options.authority = Some(value.to_owned()),
            "rate_millionths" => options.rate = Some(f64::from(parsed::<u32>(key, value)?) / 1e6),
            "buffer_bytes" => options.buffer_bytes = Some(parsed(key, value)?),
            "flush_millis" => options.flush_millis = Some(parsed(key, value)?),
            "heartbeat_seconds" => options.heartbeat_seconds = Some(parsed(key, value)?),
            "headers" => options.headers = value.split(',').map(str::to_owned).collect(),
            "log_level" => options.log_level = Some(parsed(key, value)?),
            "enabled" => options.enabled = Some(parsed(key, value)?),
            "warn_seconds" => options.warn_seconds = Some(parsed(key, value)?),
            "name_early" => options.name_early = parsed(key, value)?,
            "all_hostcalls" => options.record_all_hostcalls = parsed(key, value)?,
            _ => {}
        }
    }
    Ok(own)
}

fn parsed<T: FromStr>(key: &str, value: &str) -> Result<T, String> {
    value.parse().map_err(|_| format!("{key} cannot be {value:?}"))
}

/// The version alone, also of a section that cannot be read.
pub(crate) fn version(data: &[u8]) -> String {
    let text = String::from_utf8_lossy(data);
    let version = text.lines().find_map(|line| line.strip_prefix("version="));
    version.unwrap_or("of an unknown version").to_owned()
}
