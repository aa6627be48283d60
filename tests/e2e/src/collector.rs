//! A running collector, as a process of its own, and what it answers.

use std::ffi::OsStr;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::Duration;

use anyhow::{Context, bail};
use serde_json::Value;

use crate::guarded::Guarded;
use crate::{environment, wait};

const START_LIMIT: Duration = Duration::from_secs(20);

/// `wasm-tracer collector` with a store in a temporary folder; it ends when dropped.
pub struct Collector {
    process: Guarded,
    address: SocketAddr,
    variables: Vec<(String, String)>,
}

/// A finding, as the API tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// `headers-forwarded-before-body-call` …
    pub code: String,
    /// `lost`, `hung`, `failed`, `race`, `note`.
    pub severity: String,
    /// The one line that says it.
    pub headline: String,
    /// Whether it is a cause, not a mere fact that supports one.
    pub is_cause: bool,
}

impl Collector {
    /// Starts a collector on `port` (0: any free one) and waits until it serves.
    ///
    /// # Errors
    /// When it does not start; then with what it printed.
    pub fn start(port: u16) -> anyhow::Result<Self> {
        Self::start_with(port, &[])
    }

    /// As [`Collector::start`], with these variables in its environment.
    ///
    /// # Errors
    /// As [`Collector::start`].
    pub fn start_with(port: u16, variables: &[(&str, &str)]) -> anyhow::Result<Self> {
        let address = free_address(port)?;
        let folder = tempfile::Builder::new().prefix("wasm-tracer-collector").tempdir()?.keep();
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let variables: Vec<_> = variables.iter().map(owned).collect();
        let process = Self::spawn(folder, address, &variables)?;
        let mut collector = Self { process, address, variables };
        collector.wait_until_ready()?;
        Ok(collector)
    }

    fn spawn(
        folder: std::path::PathBuf,
        address: SocketAddr,
        variables: &[(String, String)],
    ) -> anyhow::Result<Guarded> {
        let tracer = environment::tracer()?;
        let (listen, data) = (address.to_string(), folder.join("data"));
        let set: Vec<_> = variables.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut command: Vec<&OsStr> = vec!["env".as_ref()];
        command.extend(set.iter().map(OsStr::new));
        let arguments: [&OsStr; 6] = [
            tracer.as_os_str(),
            "collector".as_ref(),
            "--listen".as_ref(),
            listen.as_ref(),
            "--data".as_ref(),
            data.as_os_str(),
        ];
        command.extend(arguments);
        Guarded::start(folder, &command)
    }

    /// Kills it (SIGKILL) and starts it anew on the same address and store.
    ///
    /// # Errors
    /// When it does not start again.
    pub fn kill_and_restart(&mut self) -> anyhow::Result<()> {
        self.kill()?;
        self.start_again()?;
        self.wait_until_ready()
    }

    /// Kills it (SIGKILL) and waits for its end, whatever it is doing.
    ///
    /// # Errors
    /// When there is nothing to kill.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.process.kill()
    }

    /// Starts a killed one anew on the same address and store, and does not wait for it.
    ///
    /// # Errors
    /// When no process can be started.
    pub fn start_again(&mut self) -> anyhow::Result<()> {
        let folder = tempfile::Builder::new().prefix("wasm-tracer-collector").tempdir()?.keep();
        let data = self.process.folder().join("data");
        // Killed at once, it has no store yet.
        if data.exists() {
            std::fs::rename(data, folder.join("data"))?;
        }
        self.process = Self::spawn(folder, self.address, &self.variables)?;
        Ok(())
    }

    /// Waits until it takes batches.
    ///
    /// # Errors
    /// When it ended, or is not ready in time; then with what it printed.
    pub fn wait_until_ready(&mut self) -> anyhow::Result<()> {
        wait::until("the collector is ready", START_LIMIT, || {
            if self.process.has_ended() {
                bail!("the collector ended");
            }
            Ok(get(self.address, "/readyz").ok())
        })
        .with_context(|| {
            format!("the collector did not start; it said:\n{}", self.process.log())
        })?;
        Ok(())
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it printed.
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// A path of its API, as JSON.
    ///
    /// # Errors
    /// When it does not answer with a 200 and JSON.
    pub fn json(&self, path: &str) -> anyhow::Result<Value> {
        let text = self.text(path)?;
        serde_json::from_str(&text).with_context(|| format!("{path} answered {text:?}"))
    }

    /// A path, as text.
    ///
    /// # Errors
    /// When it does not answer with a 200.
    pub fn text(&self, path: &str) -> anyhow::Result<String> {
        get(self.address, path)
    }

    /// A timeline in script notation.
    ///
    /// # Errors
    /// When the collector does not answer, or has no such timeline.
    pub fn script(&self, timeline: &str) -> anyhow::Result<String> {
        self.text(&format!("/api/v1/timelines/{timeline}?as=text"))
    }

    /// The timelines of a request, each with its findings, as they are now.
    ///
    /// # Errors
    /// When the collector does not answer.
    pub fn timelines(&self, request_id: &str) -> anyhow::Result<Vec<Value>> {
        let list = self.json(&format!("/api/v1/timelines?request_id={request_id}"))?;
        let summaries = list["timelines"].as_array().cloned().unwrap_or_default();
        let id_of = |summary: &Value| summary["id"].as_str().map(str::to_owned);
        let ids = summaries.iter().filter_map(id_of);
        ids.map(|id| self.json(&format!("/api/v1/timelines/{id}"))).collect()
    }

    /// The timelines of what a plugin's roots do, as they stand in the list.
    ///
    /// # Errors
    /// When the collector does not answer.
    pub fn roots(&self, plugin: &str) -> anyhow::Result<Vec<Value>> {
        let mut list = self.json(&format!("/api/v1/timelines?plugin={plugin}&limit=200"))?;
        let all = list["timelines"].as_array_mut().map(std::mem::take).unwrap_or_default();
        Ok(all.into_iter().filter(|timeline| timeline["kind"] == "root").collect())
    }

    /// Waits for the one timeline of a request to be closed, and answers it.
    ///
    /// # Panics
    /// When it is not there within 30 s.
    pub fn closed_timeline(&self, request_id: &str) -> Value {
        self.timeline_when(request_id, "closed", is_closed)
    }

    /// Waits until the timeline of a request is as `condition` wants it.
    ///
    /// # Panics
    /// When it is not so within 30 s.
    pub fn timeline_when(
        &self,
        request_id: &str,
        what: &str,
        condition: impl Fn(&Value) -> bool,
    ) -> Value {
        let wanted = format!("the timeline of {request_id} is {what}");
        let found = wait::until(&wanted, Duration::from_secs(30), || {
            Ok(self.timelines(request_id)?.into_iter().find(&condition))
        });
        found.unwrap_or_else(|error| {
            let now = self.timelines(request_id);
            panic!("{error:#}; it is {now:#?}\nthe collector said:\n{}", self.log())
        })
    }
}

impl Finding {
    /// The findings of a timeline, headline first.
    pub fn all(timeline: &Value) -> Vec<Self> {
        let owned = |finding: &Value, name: &str| text(finding, name).to_owned();
        let findings = timeline["findings"].as_array().map_or(&[][..], Vec::as_slice);
        let read = |finding: &Value| Self {
            code: owned(finding, "code"),
            severity: owned(finding, "severity"),
            headline: owned(finding, "headline"),
            is_cause: finding["kind"] == "cause",
        };
        findings.iter().map(read).collect()
    }

    /// Their codes and severities alone, in the same order.
    pub fn told(timeline: &Value) -> Vec<(&str, &str)> {
        let findings = timeline["findings"].as_array().map_or(&[][..], Vec::as_slice);
        let read = |finding| (text(finding, "code"), text(finding, "severity"));
        findings.iter().map(read).collect()
    }
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

/// The values of a metric in what `/metrics` answers, one for each set of labels.
pub fn metric(metrics: &str, name: &str) -> Vec<u64> {
    let value = |line: &str| {
        let (labelled, value) = line.rsplit_once(' ')?;
        (labelled.split('{').next() == Some(name)).then(|| value.parse().ok())?
    };
    metrics.lines().filter_map(value).collect()
}

/// Whether a timeline, or a line of a list of them, is closed: nothing is added to it any more.
pub fn is_closed(timeline: &Value) -> bool {
    timeline["state"] == "closed"
}

/// An address that is free now. The wanted port, or the next free one after it; 0: any.
fn free_address(port: u16) -> anyhow::Result<SocketAddr> {
    let last = if port == 0 { 0 } else { port.saturating_add(50) };
    for port in port..=last {
        if let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            return Ok(listener.local_addr()?);
        }
    }
    bail!("no free port from {port} to {last}")
}

/// A path of a collector, as text.
///
/// # Errors
/// When it does not answer with a 200.
pub fn get(address: SocketAddr, path: &str) -> anyhow::Result<String> {
    let mut response = ureq::get(format!("http://{address}{path}"))
        .config()
        .timeout_global(Some(Duration::from_secs(10)))
        .build()
        .call()
        .with_context(|| format!("GET {path}"))?;
    Ok(response.body_mut().read_to_string()?)
}
