//! Everything of one configuration, running: servers, collector, Envoy with a listener a plugin.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, bail};
use server::{Callee, Upstream};

use crate::client::{self, Answer, Request};
use crate::collector::Collector;
use crate::envoy::{Envoy, Options};
use crate::plugin::Plugin;
use crate::{environment, envoy_config, marker};

/// A running configuration; all of it ends when dropped, or with the process.
pub struct Stack {
    // Dropped in this order: first who talks, then who is talked to.
    envoy: Envoy,
    collector: Option<Collector>,
    /// How many requests have reached the upstream, and calls the callee.
    upstream: Upstream,
    callee: Callee,
    /// Modules, and the file of clusters that come and go.
    folder: tempfile::TempDir,
    _runtime: tokio::runtime::Runtime,
    requests: AtomicU64,
}

/// What is to be started.
#[derive(Default)]
pub struct Builder {
    listeners: Vec<(String, Vec<Filter>)>,
    wasm_log: Option<&'static str>,
    collector_port: u16,
    discovered: Vec<Cluster>,
    ships_to: Option<SocketAddr>,
    traces_to: Option<SocketAddr>,
    instrument_with: &'static [&'static str],
    workers: Option<u32>,
    older_envoy: Option<&'static str>,
}

/// A filter of a chain.
pub enum Filter {
    /// A plugin under a name.
    Plugin(String, Plugin),
    /// One of Envoy's own: an entry of `http_filters`.
    Native(serde_json::Value),
}

/// A cluster that comes and goes: its name and its endpoint, if it has one.
pub type Cluster = (String, Option<SocketAddr>);

const DISCOVERY: &str = "clusters.json";

impl Stack {
    /// An empty configuration.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Sends a request through the plugin of that name. Its id is the answer's `request_id`.
    ///
    /// # Panics
    /// When there is no such plugin, or the answer breaks off in its body.
    pub fn send(&self, plugin: &str, request: &Request) -> Answer {
        self.send_when(plugin, request, || {})
    }

    /// The same, and what the request holds back of its body ([`Request::holds_back`]) comes when `then` has
    /// returned.
    ///
    /// # Panics
    /// As [`Stack::send`].
    pub fn send_when(&self, plugin: &str, request: &Request, then: impl FnOnce()) -> Answer {
        let Some(&port) = self.envoy.ports.get(plugin) else { panic!("no plugin {plugin:?}") };
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        let request_id = format!("e2e-{}-{number}", std::process::id());
        match client::send_when(port, request, &request_id, then) {
            Ok(answer) => answer,
            Err(error) => panic!("{error:#}; Envoy said last:\n{}", self.envoy_said_last()),
        }
    }

    /// What Envoy printed, plugins' log lines among it.
    pub fn envoy_log(&self) -> String {
        self.envoy.log()
    }

    /// The file into which Envoy prints, for what is too long to be read at once.
    pub fn envoy_log_file(&self) -> PathBuf {
        self.envoy.log_file()
    }

    /// The last lines that Envoy printed, cut to a readable length: for the text of a failure.
    pub fn envoy_said_last(&self) -> String {
        self.envoy.said_last()
    }

    /// A counter or gauge of Envoy.
    ///
    /// # Errors
    /// When Envoy does not answer.
    pub fn envoy_stat(&self, name: &str) -> anyhow::Result<u64> {
        self.envoy.stat(name)
    }

    /// How many requests have reached the upstream.
    pub fn upstream_requests(&self) -> u64 {
        self.upstream.requests()
    }

    /// Where the callee listens, for a cluster of another name.
    pub fn callee_address(&self) -> SocketAddr {
        self.callee.address()
    }

    /// How many calls have reached the callee.
    pub fn calls(&self) -> u64 {
        self.callee.calls()
    }

    /// Has Envoy know these clusters from now on, beside those of the configuration.
    ///
    /// # Errors
    /// When the file cannot be written.
    ///
    /// # Panics
    /// When the configuration was started without such clusters.
    pub fn discover(&self, clusters: &[Cluster]) -> anyhow::Result<()> {
        assert!(self.folder.path().join(DISCOVERY).exists(), "no clusters are discovered here");
        discover(self.folder.path(), clusters)
    }

    /// Takes the collector away, to do with it what one wants while requests go on.
    ///
    /// # Panics
    /// As [`Stack::collector`].
    pub fn take_collector(&mut self) -> Collector {
        match self.collector.take() {
            Some(collector) => collector,
            None => panic!("this stack has no collector (any more)"),
        }
    }

    /// The collector.
    ///
    /// # Panics
    /// When no plugin is traced: then there is none.
    pub fn collector(&self) -> &Collector {
        match &self.collector {
            Some(collector) => collector,
            None => panic!("no plugin of this stack is traced, so there is no collector"),
        }
    }
}

impl Builder {
    /// Adds a plugin on a listener of its own.
    pub fn plugin(mut self, name: &str, plugin: Plugin) -> Self {
        self.listeners.push((name.to_owned(), vec![Filter::Plugin(name.to_owned(), plugin)]));
        self
    }

    /// Adds a chain of filters on a listener of its own, in the order in which a request passes them.
    pub fn chain(mut self, name: &str, filters: Vec<Filter>) -> Self {
        self.listeners.push((name.to_owned(), filters));
        self
    }

    /// Has Envoy log this much of its wasm subsystem; `info` when not said.
    pub fn wasm_log(self, level: &'static str) -> Self {
        Self { wasm_log: Some(level), ..self }
    }

    /// The collector's port; any free one when not said.
    pub fn collector_port(self, collector_port: u16) -> Self {
        Self { collector_port, ..self }
    }

    /// Has recorders ship to this address; no collector is started.
    pub fn ships_to(self, address: SocketAddr) -> Self {
        Self { ships_to: Some(address), ..self }
    }

    /// Has Envoy work on so many threads, each with VMs of its own; one when not said.
    pub fn workers(self, workers: u32) -> Self {
        Self { workers: Some(workers), ..self }
    }

    /// Runs the older Envoy that this variable of the environment names.
    pub fn on_older_envoy(self, variable: &'static str) -> Self {
        Self { older_envoy: Some(variable), ..self }
    }

    /// Flags for `wasm-tracer instrument`, for every traced plugin.
    pub fn instrument_with(self, instrument_with: &'static [&'static str]) -> Self {
        Self { instrument_with, ..self }
    }

    /// Has Envoy trace all requests itself, and send its spans by OTLP over HTTP to this address.
    pub fn traces_to(self, address: SocketAddr) -> Self {
        Self { traces_to: Some(address), ..self }
    }

    /// Adds a cluster that may come and go ([`Stack::discover`]); it may begin without an endpoint.
    pub fn discovers(mut self, name: &str, endpoint: Option<SocketAddr>) -> Self {
        self.discovered.push((name.to_owned(), endpoint));
        self
    }

    /// Starts servers, collector (when a plugin is traced) and Envoy, and waits until they serve.
    ///
    /// # Errors
    /// When something is missing or does not start; then with what it printed.
    pub fn start(self) -> anyhow::Result<Stack> {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let upstream = runtime.block_on(Upstream::start(any))?;
        let callee = runtime.block_on(Callee::start(any))?;
        let mut clusters = vec![
            envoy_config::cluster(envoy_config::UPSTREAM, upstream.address()),
            envoy_config::cluster(envoy_config::CALLEE, callee.address()),
        ];
        let filters = self.listeners.iter().flat_map(|(_, filters)| filters);
        let traced = filters
            .filter_map(|filter| match filter {
                Filter::Plugin(_, plugin) => Some(plugin),
                Filter::Native(_) => None,
            })
            .any(|plugin| plugin.traced);
        let own = traced && self.ships_to.is_none();
        let collector = own.then(|| Collector::start(self.collector_port)).transpose()?;
        if let Some(tracer) = self.ships_to.or(collector.as_ref().map(Collector::address)) {
            clusters.push(envoy_config::cluster(envoy_config::TRACER, tracer));
        }
        let folder = tempfile::tempdir()?;
        let mut listeners = Vec::new();
        for (name, filters) in &self.listeners {
            let mut chain = Vec::new();
            for filter in filters {
                chain.push(match filter {
                    Filter::Plugin(name, plugin) => {
                        let wasm = module_with(plugin, self.instrument_with, folder.path())?;
                        envoy_config::wasm_filter(name, plugin, &wasm)
                    }
                    Filter::Native(filter) => filter.clone(),
                });
            }
            let route = envoy_config::to_cluster(envoy_config::UPSTREAM);
            let mut listener = envoy_config::listener(name, chain, route);
            if let Some(backend) = self.traces_to {
                envoy_config::trace(&mut listener, backend);
            }
            listeners.push(listener);
        }
        clusters.extend(self.traces_to.map(|to| envoy_config::cluster(envoy_config::TRACES, to)));
        let discovery = folder.path().join(DISCOVERY);
        let discovery = (!self.discovered.is_empty()).then_some(discovery);
        if discovery.is_some() {
            discover(folder.path(), &self.discovered)?;
        }
        let bootstrap = envoy_config::bootstrap(listeners, clusters, discovery.as_deref());
        let envoy = Envoy::start(&Options {
            binary: self.older_envoy.map_or_else(environment::envoy, environment::older_envoy)?,
            bootstrap: &bootstrap,
            wasm_log: self.wasm_log.unwrap_or("info"),
            workers: self.workers.unwrap_or(1),
            hot_restart: None,
        })?;
        let requests = AtomicU64::new(0);
        Ok(Stack { envoy, collector, upstream, callee, folder, _runtime: runtime, requests })
    }
}

/// Puts the file of clusters in place.
fn discover(folder: &Path, clusters: &[Cluster]) -> anyhow::Result<()> {
    let clusters = clusters.iter().map(|(name, endpoint)| match endpoint {
        Some(endpoint) => envoy_config::cluster(name, *endpoint),
        None => envoy_config::empty_cluster(name),
    });
    envoy_config::put(&folder.join(DISCOVERY), &envoy_config::discovered(clusters.collect()))
}

/// The file of a plugin as Envoy shall load it, made when it is not there yet.
pub(crate) fn module(plugin: &Plugin, folder: &Path) -> anyhow::Result<PathBuf> {
    module_with(plugin, &[], folder)
}

fn module_with(plugin: &Plugin, flags: &[&str], folder: &Path) -> anyhow::Result<PathBuf> {
    let original = environment::artifact(plugin.file_name())?;
    let kind = if plugin.traced { "traced" } else { "original" };
    let place = folder.join(format!("{kind}.{}", plugin.file_name()));
    if place.exists() {
        return Ok(place);
    }
    if plugin.traced {
        instrument_with(flags, &original, &place)?;
    } else if plugin.is_for_higress() {
        std::fs::write(&place, marker::for_stock_envoy(&std::fs::read(&original)?)?)?;
    } else {
        std::fs::copy(&original, &place)?;
    }
    Ok(place)
}

pub(crate) fn instrument(original: &Path, place: &Path) -> anyhow::Result<()> {
    instrument_with(&[], original, place)
}

fn instrument_with(flags: &[&str], original: &Path, place: &Path) -> anyhow::Result<()> {
    let tracer = environment::tracer()?;
    let mut command = Command::new(&tracer);
    command.arg("instrument").arg(original).arg("-o").arg(place);
    command.args(["--host", "envoy", "--collector-cluster", envoy_config::TRACER]).args(flags);
    let done = command.output().with_context(|| format!("{} does not start", tracer.display()))?;
    if !done.status.success() {
        bail!(
            "{} was not instrumented: {}",
            original.display(),
            String::from_utf8_lossy(&done.stderr).trim_end()
        );
    }
    Ok(())
}
