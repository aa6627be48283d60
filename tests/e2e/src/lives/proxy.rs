//! One Envoy process of several that follow each other: epochs of a hot restart share a base id.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::Context;
use serde_json::Value;

use crate::envoy::{self, START_LIMIT, get};
use crate::guarded::Guarded;
use crate::{environment, wait};

/// How it is started.
pub(super) struct Start<'a> {
    pub bootstrap: &'a Value,
    pub workers: u32,
    pub drain_seconds: u64,
    /// The number of hot restarts before it, and the base id of all of them.
    pub epoch: Option<(u32, String)>,
}

/// A running Envoy.
pub(super) struct Proxy {
    process: Guarded,
    admin: String,
    pub ports: BTreeMap<String, u16>,
    pub base_id: String,
    /// Its main thread.
    pub pid: u32,
}

impl Proxy {
    pub fn start(start: &Start<'_>) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("wasm-tracer-envoy").tempdir()?.keep();
        let place = |name: &str| folder.join(name);
        let (config, admin_file, base_id) = (place("envoy.json"), place("admin"), place("base-id"));
        std::fs::write(&config, serde_json::to_vec_pretty(start.bootstrap)?)?;
        let mut arguments: Vec<OsString> = vec![environment::envoy()?.into()];
        let mut add = |name: &str, value: OsString| arguments.extend([name.into(), value]);
        add("-c", config.into());
        add("--concurrency", start.workers.to_string().into());
        add("--log-level", "warning".into());
        add("--component-log-level", "wasm:trace".into());
        add("--admin-address-path", admin_file.clone().into());
        add("--drain-time-s", start.drain_seconds.to_string().into());
        add("--parent-shutdown-time-s", (start.drain_seconds + 1).to_string().into());
        match &start.epoch {
            Some((epoch, id)) => {
                add("--restart-epoch", epoch.to_string().into());
                add("--base-id", id.into());
            }
            None => {
                add("--base-id-path", base_id.clone().into());
                arguments.push("--use-dynamic-base-id".into());
            }
        }
        let arguments: Vec<_> = arguments.iter().map(OsString::as_os_str).collect();
        let mut process = Guarded::start(folder.clone(), &arguments)?;
        let started =
            wait::until("Envoy is ready", START_LIMIT, || envoy::ready(&mut process, &admin_file));
        let (admin, ports) =
            started.with_context(|| format!("Envoy did not start; it said:\n{}", process.log()))?;
        let base_id = match &start.epoch {
            Some((_, id)) => id.clone(),
            None => std::fs::read_to_string(base_id)?.trim().to_owned(),
        };
        let pid = std::fs::read_to_string(folder.join("pid"))?.trim().parse()?;
        Ok(Self { process, admin, ports, base_id, pid })
    }

    /// What it has printed so far.
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// A counter or gauge by its whole name; 0 when it does not exist.
    pub fn stat(&self, name: &str) -> anyhow::Result<u64> {
        let text = get(&format!("http://{}/stats?filter=^{name}$", self.admin))?;
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        Ok(value.and_then(|value| value.parse().ok()).unwrap_or(0))
    }

    /// Tells its admin interface to do something.
    pub fn order(&self, path: &str) -> anyhow::Result<()> {
        let url = format!("http://{}{path}", self.admin);
        ureq::post(&url).send_empty().with_context(|| format!("POST {path}"))?;
        Ok(())
    }

    /// Its exit code once it has ended.
    pub fn exit_code(&mut self) -> Option<i32> {
        self.process.exit_code()
    }

    /// What it shares with its successors; Envoy leaves that behind.
    pub fn shared_memory(&self) -> PathBuf {
        PathBuf::from(format!("/dev/shm/envoy_shared_memory_{}0", self.base_id))
    }
}
