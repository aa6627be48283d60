//! A running Envoy.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use serde_json::Value;

use crate::guarded::Guarded;
use crate::{environment, wait};

/// V8 compiles a Go plugin for seconds, more under load, and some stacks load a dozen.
pub(crate) const START_LIMIT: Duration = Duration::from_secs(300);

/// An Envoy that takes requests; it ends when dropped.
pub(crate) struct Envoy {
    process: Guarded,
    admin: String,
    /// Port of each listener, by its name.
    pub(crate) ports: BTreeMap<String, u16>,
}

impl Envoy {
    /// Starts Envoy with this bootstrap and so many workers, and waits until it is ready.
    pub(crate) fn start(bootstrap: &Value, wasm_log: &str, workers: u32) -> anyhow::Result<Self> {
        Self::start_with(&environment::envoy()?, bootstrap, wasm_log, workers)
    }

    /// The same with a given Envoy, and one worker.
    pub(crate) fn start_binary(
        binary: &Path,
        bootstrap: &Value,
        wasm_log: &str,
    ) -> anyhow::Result<Self> {
        Self::start_with(binary, bootstrap, wasm_log, 1)
    }

    fn start_with(
        binary: &Path,
        bootstrap: &Value,
        wasm_log: &str,
        workers: u32,
    ) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("wasm-tracer-envoy").tempdir()?.keep();
        let (config, admin_file) = (folder.join("envoy.json"), folder.join("admin"));
        std::fs::write(&config, serde_json::to_vec_pretty(bootstrap)?)?;
        let (levels, workers) = (format!("wasm:{wasm_log}"), workers.to_string());
        let arguments: [&OsStr; 12] = [
            binary.as_os_str(),
            "-c".as_ref(),
            config.as_os_str(),
            "--concurrency".as_ref(),
            workers.as_ref(),
            "--disable-hot-restart".as_ref(),
            "--log-level".as_ref(),
            "warning".as_ref(),
            "--component-log-level".as_ref(),
            levels.as_ref(),
            "--admin-address-path".as_ref(),
            admin_file.as_os_str(),
        ];
        let mut process = Guarded::start(folder, &arguments)?;
        let started =
            wait::until("Envoy is ready", START_LIMIT, || ready(&mut process, &admin_file));
        let (admin, ports) =
            started.with_context(|| format!("Envoy did not start; it said:\n{}", process.log()))?;
        Ok(Self { process, admin, ports })
    }

    /// What Envoy has printed so far, plugins' log lines among it.
    pub(crate) fn log(&self) -> String {
        self.process.log()
    }

    /// The last lines that it printed, cut to a readable length: for the text of a failure.
    pub(crate) fn said_last(&self) -> String {
        let log = self.log();
        let lines: Vec<_> = log.lines().collect();
        let last = &lines[lines.len().saturating_sub(40)..];
        let cut = |line: &&str| line.chars().take(400).collect::<String>();
        last.iter().map(cut).collect::<Vec<_>>().join("\n")
    }

    /// Where it prints.
    pub(crate) fn log_file(&self) -> std::path::PathBuf {
        self.process.log_file()
    }

    /// A counter or gauge, by its whole name; 0 when it does not exist.
    pub(crate) fn stat(&self, name: &str) -> anyhow::Result<u64> {
        let text = get(&format!("http://{}/stats?filter=^{name}$", self.admin))?;
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        Ok(value.and_then(|value| value.parse().ok()).unwrap_or(0))
    }
}

/// Its admin address, and the port of each listener by its name.
pub(crate) type Started = (String, BTreeMap<String, u16>);

/// Where it listens, once it is ready; before that None.
pub(crate) fn ready(process: &mut Guarded, admin_file: &Path) -> anyhow::Result<Option<Started>> {
    if process.has_ended() {
        bail!("Envoy ended");
    }
    let Ok(admin) = std::fs::read_to_string(admin_file) else { return Ok(None) };
    let admin = admin.trim().to_owned();
    if admin.is_empty() || get(&format!("http://{admin}/ready")).is_err() {
        return Ok(None);
    }
    let listeners: Value =
        serde_json::from_str(&get(&format!("http://{admin}/listeners?format=json"))?)?;
    let statuses =
        listeners["listener_statuses"].as_array().context("Envoy lists its listeners")?;
    let port_of = |status: &Value| {
        let port = status["local_address"]["socket_address"]["port_value"].as_u64()?;
        Some((status["name"].as_str()?.to_owned(), u16::try_from(port).ok()?))
    };
    Ok(Some((admin, statuses.iter().filter_map(port_of).collect())))
}

/// A page of the admin interface.
pub(crate) fn get(url: &str) -> anyhow::Result<String> {
    Ok(ureq::get(url).call()?.body_mut().read_to_string()?)
}
