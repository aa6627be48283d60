//! A running Envoy.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use serde_json::Value;

use crate::guarded::Guarded;
use crate::wait;

/// V8 compiles a Go plugin for seconds, more under load, and some stacks load a dozen.
const START_LIMIT: Duration = Duration::from_secs(300);
const BASE_ID: &str = "base-id";

/// How an Envoy is started.
pub(crate) struct Options<'a> {
    pub(crate) binary: PathBuf,
    pub(crate) bootstrap: &'a Value,
    /// How much it logs of its wasm subsystem.
    pub(crate) wasm_log: &'a str,
    pub(crate) workers: u32,
    pub(crate) hot_restart: Option<HotRestart>,
}

/// Of an Envoy that follows another, or that another may follow.
pub(crate) struct HotRestart {
    /// How long what was replaced may finish its streams.
    pub(crate) drain_seconds: u64,
    /// The number of hot restarts before it, and the base id of all of them; None for the first.
    pub(crate) epoch: Option<(u32, String)>,
}

/// An Envoy that takes requests; it ends when dropped.
pub(crate) struct Envoy {
    process: Guarded,
    admin: String,
    /// Port of each listener, by its name.
    pub(crate) ports: BTreeMap<String, u16>,
}

impl Envoy {
    /// Starts it and waits until it is ready.
    pub(crate) fn start(options: &Options<'_>) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("wasm-tracer-envoy").tempdir()?.keep();
        let (config, admin_file) = (folder.join("envoy.json"), folder.join("admin"));
        std::fs::write(&config, serde_json::to_vec_pretty(options.bootstrap)?)?;
        let mut arguments: Vec<OsString> = vec![options.binary.clone().into()];
        let mut add = |name: &str, value: OsString| arguments.extend([name.into(), value]);
        add("-c", config.into());
        add("--concurrency", options.workers.to_string().into());
        add("--log-level", "warning".into());
        add("--component-log-level", format!("wasm:{}", options.wasm_log).into());
        add("--admin-address-path", admin_file.clone().into());
        match &options.hot_restart {
            Some(hot_restart) => arguments.extend(hot_restart.arguments(&folder)),
            None => arguments.push("--disable-hot-restart".into()),
        }
        let arguments: Vec<_> = arguments.iter().map(OsString::as_os_str).collect();
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
    pub(crate) fn log_file(&self) -> PathBuf {
        self.process.log_file()
    }

    /// A counter or gauge, by its whole name; 0 when it does not exist.
    pub(crate) fn stat(&self, name: &str) -> anyhow::Result<u64> {
        let text = get(&format!("http://{}/stats?filter=^{name}$", self.admin))?;
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        Ok(value.and_then(|value| value.parse().ok()).unwrap_or(0))
    }

    /// Tells its admin interface to do something.
    pub(crate) fn order(&self, path: &str) -> anyhow::Result<()> {
        let url = format!("http://{}{path}", self.admin);
        ureq::post(&url).send_empty().with_context(|| format!("POST {path}"))?;
        Ok(())
    }

    /// Its exit code once it has ended.
    pub(crate) fn exit_code(&mut self) -> Option<i32> {
        self.process.exit_code()
    }

    /// Its main thread.
    pub(crate) fn pid(&self) -> anyhow::Result<u32> {
        Ok(std::fs::read_to_string(self.process.folder().join("pid"))?.trim().parse()?)
    }

    /// The base id that the first Envoy of hot restarts took.
    pub(crate) fn base_id(&self) -> anyhow::Result<String> {
        Ok(std::fs::read_to_string(self.process.folder().join(BASE_ID))?.trim().to_owned())
    }
}

impl HotRestart {
    fn arguments(&self, folder: &Path) -> Vec<OsString> {
        let Self { drain_seconds, epoch } = self;
        let mut arguments: Vec<OsString> = Vec::new();
        let mut add = |name: &str, value: OsString| arguments.extend([name.into(), value]);
        add("--drain-time-s", drain_seconds.to_string().into());
        add("--parent-shutdown-time-s", (drain_seconds + 1).to_string().into());
        match epoch {
            Some((epoch, base_id)) => {
                add("--restart-epoch", epoch.to_string().into());
                add("--base-id", base_id.into());
            }
            None => {
                add("--base-id-path", folder.join(BASE_ID).into());
                arguments.push("--use-dynamic-base-id".into());
            }
        }
        arguments
    }
}

/// Its admin address, and the port of each listener by its name.
type Started = (String, BTreeMap<String, u16>);

/// Where it listens, once it is ready; before that None.
fn ready(process: &mut Guarded, admin_file: &Path) -> anyhow::Result<Option<Started>> {
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
fn get(url: &str) -> anyhow::Result<String> {
    Ok(ureq::get(url).call()?.body_mut().read_to_string()?)
}
