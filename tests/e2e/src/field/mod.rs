//! The plugins of the field, as they come compiled: each instrumented and driven beside its original
//! on one Envoy. What the client gets and what arrives at the servers must be alike, and the
//! collector must have a timeline of every request that passed a recorder.

mod case;
mod listeners;
mod servers;
mod stock;

pub use case::{Case, Exchange};

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::Context;
use serde_json::Value;

use crate::collector::{Collector, Finding, is_closed};
use crate::corpus::Seen;
use crate::envoy::{Envoy, Options};
use crate::{client, environment, envoy_config, wait};
use case::Transcript;
use listeners::{Variant, listener};
use servers::Servers;

/// Where the cases run.
pub struct Field {
    envoy: Envoy,
    collector: Collector,
    servers: Servers,
    cases: Vec<Case>,
    _modules: tempfile::TempDir,
}

impl Field {
    /// Starts the cases on the Envoy that a variable of the environment names, `ENVOY` by default.
    ///
    /// # Errors
    /// When something is missing or does not start; then with what it printed.
    pub fn start(envoy: &str, cases: Vec<Case>) -> anyhow::Result<Self> {
        let older = envoy != "ENVOY";
        let binary = match older {
            false => environment::envoy()?,
            true => environment::older_envoy(envoy)?,
        };
        let servers = Servers::start()?;
        let collector = Collector::start(0)?;
        let modules = tempfile::tempdir()?;
        let mut listeners = Vec::new();
        for case in &cases {
            for variant in [Variant::Original, Variant::Traced] {
                listeners.push(listener(case, variant, older, modules.path())?);
            }
        }
        let mut clusters: Vec<_> = servers
            .clusters
            .iter()
            .map(|(name, address)| envoy_config::cluster(name, *address))
            .collect();
        clusters.push(envoy_config::cluster(envoy_config::TRACER, collector.address()));
        let bootstrap = envoy_config::bootstrap(listeners, clusters, None);
        let envoy = Envoy::start(&Options {
            binary,
            bootstrap: &bootstrap,
            wasm_log: "info",
            workers: 1,
            hot_restart: None,
        })?;
        Ok(Self { envoy, collector, servers, cases, _modules: modules })
    }

    /// Drives all cases, and says of each what was not as it should be.
    ///
    /// # Errors
    /// When a request cannot be sent or a server or the collector fails.
    pub fn complaints(&self) -> anyhow::Result<Vec<String>> {
        let mut complaints = Vec::new();
        let mut traced = Vec::new();
        for (number, (case, exchange)) in self.exchanges().enumerate() {
            let title = format!("{}: {}", case.name, exchange.what);
            let driven = [Variant::Original, Variant::Traced].map(|variant| {
                let request = format!("field-{}-{number}-{variant:?}", std::process::id());
                let transcript = self.drive(case, exchange, variant, &request);
                if variant == Variant::Traced {
                    traced.push(request);
                }
                transcript.map_err(|error| {
                    complaints.push(format!("{title} ({variant:?}): {error:#}"));
                })
            });
            let [Ok(original), Ok(other)] = driven else { continue };
            let missing = exchange.shows.iter().filter(|line| !original.shows(line));
            let missing: Vec<_> = missing.map(String::as_str).collect();
            if !missing.is_empty() {
                complaints.push(format!("{title}\n  missing: {missing:#?}\n{}", original.text()));
            }
            if original.text() != other.text() {
                let (original, other) = (original.text(), other.text());
                complaints.push(format!("{title}: differs\n{original}\n--- traced\n{other}"));
            }
        }
        for ((case, exchange), request) in self.exchanges().zip(&traced) {
            if let Err(error) = self.timelines(case, request) {
                complaints.push(format!("{}: {}: {error:#}", case.name, exchange.what));
            }
        }
        Ok(complaints)
    }

    /// The last lines that Envoy printed, cut to a readable length: for the text of a failure.
    pub fn envoy_said_last(&self) -> String {
        self.envoy.said_last()
    }

    fn exchanges(&self) -> impl Iterator<Item = (&Case, &Exchange)> {
        self.cases.iter().flat_map(|case| case.exchanges.iter().map(move |one| (case, one)))
    }

    fn drive(
        &self,
        case: &Case,
        exchange: &Exchange,
        variant: Variant,
        request_id: &str,
    ) -> anyhow::Result<Transcript> {
        let listener = variant.listener(case);
        let port = self.envoy.ports.get(&listener).context("no such listener")?;
        self.servers.take();
        let answer = client::send(*port, &exchange.request, request_id)?;
        // A call that nobody waits for may arrive after the answer.
        let wanted = exchange.arrivals.len();
        let all = wait::until("all has arrived", Duration::from_secs(10), || {
            Ok((self.servers.waiting() >= wanted).then_some(()))
        });
        let arrivals = self.servers.take();
        let mut asked: Vec<_> =
            arrivals.iter().map(|one| format!("{}: {}", one.server, one.request.asked)).collect();
        let mut named = exchange.arrivals.clone();
        asked.sort();
        named.sort();
        let transcript = Transcript::of(&arrivals, &answer, &case.varying);
        anyhow::ensure!(
            all.is_ok() && asked == named,
            "arrived {asked:#?}, not {named:#?}\n{}",
            transcript.text()
        );
        Ok(transcript)
    }

    /// Waits for the timeline of each plugin of the chain. None deserves a finding: what these plugins
    /// call for is answered in time, and they wait as they should. That one which refuses a request keeps
    /// it from those behind it is noted, and so it should be.
    fn timelines(&self, case: &Case, request_id: &str) -> anyhow::Result<()> {
        let all = wait::until("every timeline is closed", Duration::from_secs(30), || {
            let all = self.collector.timelines(request_id)?;
            Ok((all.len() == case.chain.len() && all.iter().all(is_closed)).then_some(all))
        });
        let all = match all {
            Ok(all) => all,
            Err(error) => anyhow::bail!("{error}; {:#?}", self.collector.timelines(request_id)),
        };
        let is_refusal = |found: &Finding| found.code == "filter-order-expectation";
        // On a busy machine a callback takes long, and that is told truly.
        let is_slow = |found: &Finding| Seen::NOTHING.is_busy_machine(found, &[]);
        let found = all.iter().flat_map(Finding::all);
        let found = found.filter(|found| !is_refusal(found) && !is_slow(found));
        let found: Vec<_> = found.collect();
        anyhow::ensure!(found.is_empty(), "found {found:#?}\n{:#}", Value::Array(all));
        Ok(())
    }
}

/// The compiled plugins that no case drives, nor one of the same bytes.
///
/// # Errors
/// When the plugins are not there.
pub fn idle(cases: &[Case]) -> anyhow::Result<Vec<String>> {
    let (mut driven, mut idle) = (BTreeSet::new(), Vec::new());
    for (file, _) in cases.iter().flat_map(|case| &case.chain) {
        driven.insert(std::fs::read(environment::higress_plugin(file)?)?);
    }
    let any = environment::higress_plugin("0.2.0_ext-auth_2.0.0")?;
    for file in std::fs::read_dir(any.parent().context("the plugins lie in a folder")?)? {
        let file = file?.path();
        if !driven.contains(&std::fs::read(&file)?) {
            idle.push(file.display().to_string());
        }
    }
    Ok(idle)
}
