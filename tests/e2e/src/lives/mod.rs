//! Envoys whose listeners come and go while they run: pushed, drained, stopped, restarted hot. Around
//! them one collector and the servers, as in a [`crate::Stack`].

mod door;
mod proxy;
mod trace;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context;
use serde_json::{Value, json};
use server::{Callee, Upstream};

use crate::client::{self, Answer, Request};
use crate::collector::Collector;
use crate::envoy::{HotRestart, Options};
use crate::{environment, envoy_config, wait};

pub use door::Door;
use proxy::Proxy;
pub use trace::{Entry, Said, Trace};

const LISTENERS: &str = "listeners.json";

/// How the Envoys run.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Worker threads.
    pub workers: u32,
    /// How long what was replaced may finish its streams.
    pub drain_seconds: u64,
}

/// Running; all of it ends when dropped.
pub struct Lives {
    // Dropped in this order: first who talks, then who is talked to.
    proxies: Vec<Proxy>,
    collector: Collector,
    upstream: Upstream,
    callee: Callee,
    folder: tempfile::TempDir,
    _runtime: tokio::runtime::Runtime,
    settings: Settings,
    bootstrap: Value,
    requests: AtomicU64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { workers: 1, drain_seconds: 2 }
    }
}

impl Lives {
    /// Starts servers, collector and an Envoy with these listeners, and waits until they serve.
    ///
    /// # Errors
    /// When something is missing or does not start; then with what it printed.
    pub fn start(settings: Settings, doors: &[Door]) -> anyhow::Result<Self> {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let upstream = runtime.block_on(Upstream::start(any))?;
        let callee = runtime.block_on(Callee::start(any))?;
        let collector = Collector::start(0)?;
        let folder = tempfile::tempdir()?;
        write(folder.path(), doors)?;
        let clusters = vec![
            envoy_config::cluster(envoy_config::UPSTREAM, upstream.address()),
            envoy_config::cluster(envoy_config::CALLEE, callee.address()),
            envoy_config::cluster(envoy_config::TRACER, collector.address()),
        ];
        let mut bootstrap = envoy_config::bootstrap(Vec::new(), clusters, None);
        bootstrap["dynamic_resources"] = json!({ "lds_config": {
            "resource_api_version": "V3",
            "path_config_source": {
                "path": folder.path().join(LISTENERS),
                "watched_directory": { "path": folder.path() },
            },
        } });
        let mut lives = Self {
            proxies: Vec::new(),
            collector,
            upstream,
            callee,
            folder,
            _runtime: runtime,
            settings,
            bootstrap,
            requests: AtomicU64::new(0),
        };
        lives.start_proxy(None)?;
        Ok(lives)
    }

    fn start_proxy(&mut self, epoch: Option<(u32, String)>) -> anyhow::Result<()> {
        let Settings { workers, drain_seconds } = self.settings;
        self.proxies.push(Proxy::start(&Options {
            binary: environment::envoy()?,
            bootstrap: &self.bootstrap,
            wasm_log: "trace",
            workers,
            hot_restart: Some(HotRestart { drain_seconds, epoch }),
        })?);
        Ok(())
    }

    fn youngest(&self) -> &Proxy {
        self.proxies.last().unwrap_or_else(|| panic!("there is always one Envoy"))
    }

    /// Sends a request through a listener of the youngest Envoy. Its id is the answer's `request_id`.
    ///
    /// # Panics
    /// When there is no such listener, or the answer breaks off in its body.
    pub fn send(&self, door: &str, request: &Request) -> Answer {
        let port = self.port(door);
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        let request_id = format!("lives-{}-{number}", std::process::id());
        send_to(port, request, &request_id)
    }

    /// The port of a listener of the youngest Envoy.
    ///
    /// # Panics
    /// When there is no such listener.
    pub fn port(&self, door: &str) -> u16 {
        match self.youngest().envoy.ports.get(door) {
            Some(port) => *port,
            None => panic!("no listener {door:?}"),
        }
    }

    /// Pushes a configuration. True when Envoy took it, false when a plugin refused it.
    ///
    /// # Errors
    /// When Envoy does not say in time.
    pub fn push(&self, doors: &[Door]) -> anyhow::Result<bool> {
        let envoy = &self.youngest().envoy;
        let stat = |name: &str| envoy.stat(&format!("listener_manager.{name}"));
        let told = || anyhow::Ok((stat("lds.update_success")?, stat("lds.update_rejected")?));
        let (taken, refused) = told()?;
        write(self.folder.path(), doors)?;
        wait::until("Envoy takes or refuses the push", Duration::from_secs(20), || {
            let now = told()?;
            let answered = now.0 > taken || now.1 > refused;
            let settled = answered && stat("total_listeners_warming")? == 0;
            Ok(settled.then_some(now.0 > taken))
        })
    }

    /// Has the youngest Envoy do something by its admin interface: `/drain_listeners?graceful` …
    ///
    /// # Errors
    /// When it does not.
    pub fn order(&self, path: &str) -> anyhow::Result<()> {
        self.youngest().envoy.order(path)
    }

    /// Starts another Envoy that takes the sockets of the one so far, which drains and ends.
    ///
    /// # Errors
    /// When it does not start.
    pub fn restart_hot(&mut self) -> anyhow::Result<()> {
        let epoch = u32::try_from(self.proxies.len())?;
        let base_id = self.youngest().base_id.clone();
        self.start_proxy(Some((epoch, base_id)))
    }

    /// Waits for the end of the Envoy that was started as the `epoch`th, and answers its exit code.
    ///
    /// # Errors
    /// When it goes on.
    pub fn end_of(&mut self, epoch: usize) -> anyhow::Result<i32> {
        let proxy = self.proxies.get_mut(epoch).context("there is no such Envoy")?;
        wait::until("Envoy ends", Duration::from_secs(30), || Ok(proxy.envoy.exit_code()))
    }

    /// What the Envoy that was started as the `epoch`th said of its VMs.
    ///
    /// # Panics
    /// When there is none.
    pub fn trace(&self, epoch: usize) -> Trace {
        Trace::read(&self.log(epoch))
    }

    /// All that the Envoy that was started as the `epoch`th printed.
    ///
    /// # Panics
    /// When there is none.
    pub fn log(&self, epoch: usize) -> String {
        self.proxies[epoch].envoy.log()
    }

    /// The main thread of the Envoy that was started as the `epoch`th.
    ///
    /// # Panics
    /// When there is none.
    pub fn main_thread(&self, epoch: usize) -> u32 {
        self.proxies[epoch].pid
    }

    /// The collector.
    pub fn collector(&self) -> &Collector {
        &self.collector
    }

    /// The same, to be killed and started again.
    pub fn collector_mut(&mut self) -> &mut Collector {
        &mut self.collector
    }

    /// How many calls have reached the callee.
    pub fn calls(&self) -> u64 {
        self.callee.calls()
    }

    /// How many requests have reached the upstream.
    pub fn upstream_requests(&self) -> u64 {
        self.upstream.requests()
    }
}

impl Drop for Lives {
    fn drop(&mut self) {
        let shared: Vec<_> = self.proxies.iter().map(Proxy::shared_memory).collect();
        self.proxies.clear();
        for file in shared {
            // What Envoy leaves behind; elsewhere than on Linux there is none.
            let _ = std::fs::remove_file(file);
        }
    }
}

/// Sends a request with this id to a port, whichever Envoy takes it there.
///
/// # Panics
/// When the answer breaks off in its body.
pub fn send_to(port: u16, request: &Request, request_id: &str) -> Answer {
    client::send(port, request, request_id).unwrap_or_else(|error| panic!("{error:#}"))
}

/// Puts the file of listeners in place.
fn write(folder: &Path, doors: &[Door]) -> anyhow::Result<()> {
    let listeners =
        doors.iter().map(|door| door.listener(folder)).collect::<anyhow::Result<_>>()?;
    envoy_config::put(&folder.join(LISTENERS), &envoy_config::discovered_listeners(listeners))
}
