//! The pages in a real Chromium: a collector with traffic, and the flows of `flows/` through its pages.
//!
//! A flow is a script for Node that drives the browser by `playwright-core`, as a person would; what it
//! visits it finds by links. `flows/visit.mjs` holds every flow to what no page may do: a word in the
//! browser's console, a refusal by the policy, a request to another host.

pub mod traffic;

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use collector::{Running, Settings};
use serde_json::Value;
use tempfile::TempDir;
use timeline::delivery::Delivery;

/// How long the collector may take to show what it was sent.
const SHOWN_LIMIT: Duration = Duration::from_secs(60);

/// A running collector that a browser visits.
pub struct Site {
    running: Running,
    folder: TempDir,
}

impl Site {
    /// A collector that has heard of nothing.
    ///
    /// # Errors
    /// When it does not start.
    pub fn empty() -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let settings = Settings {
            listen: Some(SocketAddr::from(([127, 0, 0, 1], 0))),
            data: Some(folder.path().join("data")),
            // Nobody answers there: what counts is where the links lead.
            grafana_url: Some("http://grafana.invalid/".to_owned()),
            jaeger_url: Some("http://jaeger.invalid".to_owned()),
            ..Settings::default()
        };
        Ok(Self { running: collector::start(settings)?, folder })
    }

    /// One that shows this traffic.
    ///
    /// # Errors
    /// When it does not take it, or does not show it in time.
    pub fn with(deliveries: &[Delivery]) -> anyhow::Result<Self> {
        let site = Self::empty()?;
        for delivery in deliveries {
            site.send(delivery)?;
        }
        let streams: usize = deliveries.iter().map(|delivery| delivery.streams.len()).sum();
        e2e::until("the timelines are listed", SHOWN_LIMIT, || {
            let list = e2e::get_text(site.address(), "/api/v1/timelines?limit=500")?;
            let list: Value = serde_json::from_str(&list)?;
            let listed = list["timelines"].as_array().map_or(0, Vec::len);
            Ok((listed >= streams.min(500)).then_some(()))
        })?;
        Ok(site)
    }

    /// Where it is.
    pub fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    fn address(&self) -> SocketAddr {
        self.running.ingest_address
    }

    fn send(&self, delivery: &Delivery) -> anyhow::Result<()> {
        ureq::post(format!("{}/v1/batches", self.url()))
            .header("content-type", "application/x-protobuf")
            .send(collector::decode::encode(delivery))
            .with_context(|| format!("a batch of {} was not taken", delivery.instance))?;
        Ok(())
    }

    /// Runs `flows/NAME.mjs`, which may send `later` while a page is open.
    ///
    /// # Errors
    /// With what the flow said, when it failed.
    pub fn flow(&self, name: &str, later: &[Delivery]) -> anyhow::Result<()> {
        let mut files: Vec<PathBuf> = Vec::new();
        for (at, delivery) in later.iter().enumerate() {
            let file = self.folder.path().join(format!("later-{at}"));
            std::fs::write(&file, collector::decode::encode(delivery))?;
            files.push(file);
        }
        let flows = Path::new(env!("CARGO_MANIFEST_DIR")).join("flows");
        let mut node = Command::new(program("NODE")?);
        node.arg(flows.join(format!("{name}.mjs")));
        node.env("SITE", self.url());
        node.env("LATER", serde_json::to_string(&files)?);
        for variable in ["BROWSER_MODULES", "CHROMIUM"] {
            node.env(variable, program(variable)?);
        }
        let run = node.output().context("node could not be started: run `cargo xtask setup`")?;
        let said = [run.stdout, run.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        if !run.status.success() {
            bail!("the flow {name} failed ({}):\n{}", run.status, said.trim_end());
        }
        // What never looked cannot have seen that all is well.
        ensure!(said.lines().any(|line| line == "walked"), "the flow {name} broke off:\n{said}");
        Ok(())
    }
}

/// What `cargo xtask setup` has found or installed.
fn program(variable: &str) -> anyhow::Result<OsString> {
    std::env::var_os(variable)
        .with_context(|| format!("{variable} is not set: run `cargo xtask test`"))
}
