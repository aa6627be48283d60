//! The plugins of the field, as they come compiled: each instrumented and driven beside its original
//! on one Envoy. What the client gets and what arrives at the servers must be alike, and the
//! collector must have a timeline of every request that passed a recorder.

mod case;
mod servers;
mod stock;

pub use case::{Case, Exchange};

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use serde_json::{Value, json};

use crate::collector::{Collector, Finding};
use crate::envoy::Envoy;
use crate::envoy_config::{self, type_url};
use crate::{client, environment, stack, wait};
use case::Transcript;
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
        let binary = match envoy {
            "ENVOY" => environment::envoy()?,
            older => environment::older_envoy(older)?,
        };
        let servers = Servers::start()?;
        let collector = Collector::start(0)?;
        let modules = tempfile::tempdir()?;
        let mut listeners = Vec::new();
        for case in &cases {
            for variant in [Variant::Original, Variant::Traced] {
                listeners.push(listener(case, variant, modules.path())?);
            }
        }
        let mut clusters: Vec<_> = servers
            .clusters
            .iter()
            .map(|(name, address)| envoy_config::cluster(name, *address))
            .collect();
        clusters.push(envoy_config::cluster(envoy_config::TRACER, collector.address()));
        let bootstrap = envoy_config::bootstrap(listeners, clusters, None);
        let envoy = Envoy::start_binary(&binary, &bootstrap, "info")?;
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
            let id = |variant: Variant| {
                let request = format!("field-{}-{number}-{variant:?}", std::process::id());
                (variant, request)
            };
            traced.push(id(Variant::Traced).1);
            let title = format!("{}: {}", case.name, exchange.what);
            let driven = [id(Variant::Original), id(Variant::Traced)].map(|(variant, request)| {
                self.drive(case, exchange, variant, &request).map_err(|error| {
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
            if let Err(error) = self.timelines(case, exchange, request) {
                complaints.push(format!("{}: {}: {error:#}", case.name, exchange.what));
            }
        }
        Ok(complaints)
    }

    /// The last lines that Envoy printed.
    pub fn envoy_log(&self) -> String {
        let log = self.envoy.log();
        let lines: Vec<_> = log.lines().collect();
        let last = &lines[lines.len().saturating_sub(40)..];
        let cut = |line: &&str| line.chars().take(400).collect::<String>();
        last.iter().map(cut).collect::<Vec<_>>().join("\n")
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
        let all = wait::until("all has arrived", Duration::from_secs(3), || {
            Ok((self.servers.waiting() >= wanted).then_some(()))
        });
        let arrivals = self.servers.take();
        let mut asked: Vec<_> =
            arrivals.iter().map(|one| format!("{}: {}", one.server, one.asked)).collect();
        let mut named = exchange.arrivals.clone();
        (asked.sort(), named.sort());
        let transcript = Transcript::of(&arrivals, &answer, &case.varying);
        anyhow::ensure!(
            all.is_ok() && asked == named,
            "arrived {asked:#?}, not {named:#?}\n{}",
            transcript.text()
        );
        Ok(transcript)
    }

    /// Waits for the timeline of each plugin of the chain, and compares what is found.
    fn timelines(&self, case: &Case, exchange: &Exchange, request_id: &str) -> anyhow::Result<()> {
        let all = wait::until("every timeline is closed", Duration::from_secs(10), || {
            let all = self.collector.timelines(request_id)?;
            Ok((all.len() == case.chain.len() && all.iter().all(is_closed)).then_some(all))
        });
        let all = match all {
            Ok(all) => all,
            Err(error) => anyhow::bail!("{error}; {:#?}", self.collector.timelines(request_id)),
        };
        let mut found: Vec<_> = all.iter().flat_map(Finding::all).collect();
        found.retain(|finding| {
            let line = format!("{} {}", finding.code, finding.severity);
            !exchange.findings.contains(&line)
        });
        anyhow::ensure!(found.is_empty(), "found {found:#?}\n{:#}", Value::Array(all));
        Ok(())
    }
}

fn is_closed(timeline: &Value) -> bool {
    timeline["state"].to_string().contains("closed")
}

/// A case runs twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Variant {
    Original,
    Traced,
}

impl Variant {
    fn listener(self, case: &Case) -> String {
        format!("{} ({self:?})", case.name)
    }
}

fn listener(case: &Case, variant: Variant, folder: &Path) -> anyhow::Result<Value> {
    let mut filters = vec![filter("properties", &properties(folder)?, &Value::Null, variant)];
    for (position, (file, configuration)) in case.chain.iter().enumerate() {
        let wasm = module(file, variant, folder)?;
        filters.push(filter(&format!("{}.{position}", case.name), &wasm, configuration, variant));
    }
    filters.push(json!({
        "name": "envoy.filters.http.router",
        "typed_config": { "@type": type_url("envoy.extensions.filters.http.router.v3.Router") },
    }));
    let route = match case.routed_by_header {
        true => json!({ "cluster_header": "x-higress-target-cluster" }),
        false => json!({ "cluster": "outbound|80||model-1-2.static" }),
    };
    let routes = json!([{
        "match": { "prefix": "/" },
        "route": route,
    }]);
    let manager = json!({
        "@type": type_url(
            "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
        ),
        "stat_prefix": "field",
        "preserve_external_request_id": true,
        "route_config": { "virtual_hosts": [{ "name": "all", "domains": ["*"], "routes": routes }] },
        "http_filters": filters,
    });
    Ok(json!({
        "name": variant.listener(case),
        "address": envoy_config::address(envoy_config::ANY_PORT),
        "filter_chains": [{ "filters": [{
            "name": "envoy.filters.network.http_connection_manager",
            "typed_config": manager,
        }] }],
    }))
}

fn filter(name: &str, wasm: &Path, configuration: &Value, variant: Variant) -> Value {
    let text = configuration.to_string();
    json!({
        "name": "envoy.filters.http.wasm",
        "typed_config": {
            "@type": type_url("envoy.extensions.filters.http.wasm.v3.Wasm"),
            "config": {
                "name": name,
                // The C++ SDK looks the plugin up by it; those of Higress are registered without one.
                "root_id": "",
                "configuration": { "@type": type_url("google.protobuf.StringValue"), "value": text },
                // As Higress does it: the body phase is called while the headers are held.
                "allow_on_headers_stop_iteration": true,
                "vm_config": {
                    // Cases of one module share its VM: it is compiled once. Shared data is by this id,
                    // so the two variants see nothing of each other.
                    "vm_id": format!("field-{variant:?}"),
                    "runtime": "envoy.wasm.runtime.v8",
                    "code": { "local": { "filename": wasm } },
                },
            },
        },
    })
}

/// The filter that knows what only Higress tells.
fn properties(folder: &Path) -> anyhow::Result<PathBuf> {
    let place = folder.join("properties.wasm");
    std::fs::write(&place, wat::parse_str(include_str!("properties.wat"))?)?;
    Ok(place)
}

/// The module as Envoy shall load it, made when it is not there yet.
fn module(file: &str, variant: Variant, folder: &Path) -> anyhow::Result<PathBuf> {
    let original = environment::higress_plugin(file)?;
    let place = folder.join(format!("{variant:?}.{file}.wasm"));
    if place.exists() {
        return Ok(place);
    }
    match variant {
        Variant::Traced => stack::instrument(&original, &place)?,
        Variant::Original => {
            let wasm = stock::for_stock_envoy(&std::fs::read(&original)?)
                .with_context(|| format!("{file} cannot be made fit for a stock Envoy"))?;
            std::fs::write(&place, wasm)?;
        }
    }
    Ok(place)
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
