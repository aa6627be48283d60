//! The services of `docker-compose.yml` run natively, with its own configuration files.
//!
//! Two things are not as in containers. Higress's Envoy cannot be had here, so that a stock one runs in
//! its place, with the plugin instrumented for it. And Grafana is not started.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, bail};
use e2e::Guarded;
use serde_json::Value;

use crate::compose::Compose;
use crate::native::Native;
use crate::{output, place};

/// All services but Grafana, with traffic.
pub struct Topology {
    /// Where the collector listens.
    pub collector: SocketAddr,
    /// Where Prometheus listens.
    pub prometheus: SocketAddr,
    running: Mutex<Vec<(&'static str, Guarded)>>,
    /// Their folders live as long.
    _files: (Native, tempfile::TempDir),
}

impl Topology {
    /// Instruments the plugin for each gateway, and starts everything.
    ///
    /// # Errors
    /// When a program is missing or does not start.
    pub fn start() -> anyhow::Result<Self> {
        let (tracer, envoy) = (e2e::tracer()?, e2e::envoy()?);
        let data = tempfile::tempdir()?;
        let mut native = Native::new(Compose::read())?;
        let collector = native.address("collector", 4000)?;
        let prometheus = native.address("prometheus", 9090)?;
        instrument(&mut native, &tracer)?;
        let mut running = Vec::new();
        let mut start = |name: &'static str, program: &Path, extra: &[String]| {
            let mut line = native.command(name, program, &[])?;
            line.extend(extra.iter().map(OsString::from));
            running.push((name, native.start(&line)?));
            anyhow::Ok(())
        };
        start("misbehave", &e2e::program("misbehave")?, &[])?;
        // The image says where its data is.
        let folder = data.path().to_str().context("the temporary folder is not UTF-8")?;
        start("collector", &tracer, &["--data".to_owned(), folder.to_owned()])?;
        // Two of them on one machine would share what only a hot restart needs.
        let alone = ["--disable-hot-restart".to_owned()];
        start("higress", &envoy, &alone)?;
        start("envoy", &envoy, &alone)?;
        start("traffic", &e2e::program("traffic")?, &[])?;
        // In a container it listens where the published port leads to.
        let own = [
            format!("--web.listen-address={prometheus}"),
            format!("--storage.tsdb.path={folder}/prometheus"),
        ];
        start("prometheus", &place("PROMETHEUS"), &own)?;
        let running = Mutex::new(running);
        let topology = Self { collector, prometheus, running, _files: (native, data) };
        for (what, address, path) in
            [("the collector", collector, "/readyz"), ("prometheus", prometheus, "/-/ready")]
        {
            topology
                .until(&format!("{what} is ready"), 60, || Ok(e2e::get_text(address, path).ok()));
        }
        Ok(topology)
    }

    /// Waits for a condition while everything runs.
    ///
    /// # Panics
    /// When it does not come, or something ends before; with what was said last.
    pub fn until<T>(
        &self,
        what: &str,
        seconds: u64,
        mut condition: impl FnMut() -> anyhow::Result<Option<T>>,
    ) -> T {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let found = e2e::until(what, Duration::from_secs(seconds), || {
            for (name, process) in &mut *running {
                if process.has_ended() {
                    bail!("{name} ended");
                }
            }
            condition()
        });
        found.unwrap_or_else(|error| {
            let said = |(name, process): &(&str, Guarded)| {
                let log = process.log();
                let lines: Vec<_> = log.lines().collect();
                let last = lines[lines.len().saturating_sub(20)..].join("\n");
                format!("{name} said last:\n{last}\n")
            };
            panic!("{error:#}\n{}", running.iter().map(said).collect::<String>())
        })
    }

    /// What the collector answers.
    ///
    /// # Errors
    /// When it does not, or not with JSON.
    pub fn ask(&self, path: &str) -> anyhow::Result<Value> {
        Ok(serde_json::from_str(&e2e::get_text(self.collector, path)?)?)
    }

    /// The `data` of what Prometheus answers to a GET with parameters.
    ///
    /// # Errors
    /// When it does not, or refuses the question.
    pub fn ask_prometheus(&self, path: &str, parameters: &[(&str, &str)]) -> anyhow::Result<Value> {
        let pairs: Vec<String> =
            parameters.iter().map(|(name, value)| format!("{name}={}", escaped(value))).collect();
        let path = format!("{path}?{}", pairs.join("&"));
        let answer: Value = serde_json::from_str(&e2e::get_text(self.prometheus, &path)?)?;
        if answer["status"] != "success" {
            bail!("prometheus answers {path} with {answer}");
        }
        Ok(answer["data"].clone())
    }
}

/// Both plugins, as the compose file does it.
fn instrument(native: &mut Native, tracer: &Path) -> anyhow::Result<()> {
    let plugin = e2e::artifact("body-call-go.wasm")?;
    for name in ["instrument-higress", "instrument-envoy"] {
        let mut line = native.command(name, tracer, &[("/plugin.wasm", plugin.clone())])?;
        // What Higress would load a stock Envoy refuses.
        for word in &mut line {
            if word == "higress" {
                *word = "envoy".into();
            }
        }
        let (program, arguments) = line.split_first().context("a program")?;
        let said = output(std::process::Command::new(program).args(arguments));
        if !said.contains("written to") {
            bail!("{name} says {said}");
        }
    }
    Ok(())
}

/// A value in a query.
fn escaped(value: &str) -> String {
    value.bytes().fold(String::new(), |text, byte| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => text + &char::from(byte).to_string(),
        _ => format!("{text}%{byte:02X}"),
    })
}
