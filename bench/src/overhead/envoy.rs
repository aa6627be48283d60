//! One Envoy with one plugin in front of one upstream, pinned to a core.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde_json::{Value, json};
use tokio::net::TcpStream;

use super::http::Connection;

/// Time to be ready: V8 compiles a Go plugin three times over before it is.
const START_DEADLINE: Duration = Duration::from_secs(120);

/// What to run.
pub struct Setup<'a> {
    pub module: &'a Path,
    /// The plugin's configuration.
    pub configuration: &'a str,
    pub upstream: SocketAddr,
    pub callee: SocketAddr,
    pub collector: SocketAddr,
    pub core: u32,
    /// Empty folder for its files.
    pub folder: PathBuf,
}

/// A running Envoy. It is ended when dropped.
pub struct Envoy {
    process: Child,
    folder: PathBuf,
    /// Where it takes requests.
    pub listener: SocketAddr,
}

/// Envoy's binary: `$ENVOY`, else the one that `cargo xtask setup` keeps in the cache folder.
pub fn binary() -> anyhow::Result<PathBuf> {
    let folder = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    if let Some(path) = folder("ENVOY") {
        return Ok(path.into());
    }
    let cache = folder("WASM_TRACER_CACHE")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(folder("XDG_CACHE_HOME")?).join("wasm-tracer")))
        .or_else(|| Some(PathBuf::from(folder("HOME")?).join(".cache/wasm-tracer")));
    match cache.map(|cache| cache.join("envoy/1.40.0/envoy")) {
        Some(path) if path.is_file() => Ok(path),
        _ => bail!(
            "no Envoy: set ENVOY=/path/to/envoy, or run `cargo xtask bench overhead`, which fetches one"
        ),
    }
}

impl Envoy {
    /// Starts it; [`Envoy::ready`] waits for it.
    pub fn start(setup: &Setup<'_>) -> anyhow::Result<Starting> {
        std::fs::create_dir_all(&setup.folder)?;
        let config = setup.folder.join("envoy.json");
        std::fs::write(&config, configuration(setup).to_string())
            .context("cannot write Envoy's configuration")?;
        let process = Command::new("taskset")
            .args(["-c", &setup.core.to_string()])
            .arg(binary()?)
            .arg("-c")
            .arg(&config)
            .args([
                "--concurrency",
                "1",
                "--disable-hot-restart",
                "--log-level",
                "warn",
                "--log-path",
            ])
            .arg(setup.folder.join("log"))
            .arg("--admin-address-path")
            .arg(setup.folder.join("admin"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot run taskset: install util-linux")?;
        let unbound = SocketAddr::from(([127, 0, 0, 1], 0));
        Ok(Starting(Self { process, folder: setup.folder.clone(), listener: unbound }))
    }

    /// The process: `taskset` has become Envoy.
    pub fn process(&self) -> u32 {
        self.process.id()
    }

    /// The last lines of its log, for an error.
    pub fn last_words(&self) -> String {
        let log = std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(5)..].join("\n")
    }
}

/// An Envoy that may not be ready yet.
pub struct Starting(Envoy);

impl Starting {
    /// Waits until it takes requests.
    pub async fn ready(self) -> anyhow::Result<Envoy> {
        let mut envoy = self.0;
        let deadline = Instant::now() + START_DEADLINE;
        loop {
            if let Some(listener) = listener_if_ready(&envoy.folder).await {
                envoy.listener = listener;
                return Ok(envoy);
            }
            if let Some(status) = envoy.process.try_wait()? {
                bail!("an Envoy ended while starting ({status}):\n{}", envoy.last_words());
            }
            if Instant::now() > deadline {
                bail!("an Envoy was not ready in {START_DEADLINE:?}:\n{}", envoy.last_words());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

impl Drop for Envoy {
    fn drop(&mut self) {
        // It may have ended already, which is as well.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

async fn listener_if_ready(folder: &Path) -> Option<SocketAddr> {
    let admin = std::fs::read_to_string(folder.join("admin")).ok()?.trim().parse().ok()?;
    if !ask(admin, "/ready").await?.starts_with("HTTP/1.1 200") {
        return None;
    }
    let listeners = ask(admin, "/listeners").await?;
    let (_, address) = listeners.split_once("measured::")?;
    address.lines().next()?.trim().parse().ok()
}

async fn ask(admin: SocketAddr, path: &str) -> Option<String> {
    let mut connection = Connection::new(TcpStream::connect(admin).await.ok()?).ok()?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: admin\r\nconnection: close\r\n\r\n");
    connection.send(request.as_bytes()).await.ok()?;
    connection.rest().await.ok()
}

fn configuration(setup: &Setup<'_>) -> Value {
    let plugin = json!({
        "name": "measured",
        "configuration": {"@type": of("google.protobuf.StringValue"), "value": setup.configuration},
        "vm_config": {
            "runtime": "envoy.wasm.runtime.v8",
            "code": {"local": {"filename": setup.module}},
        },
    });
    let filters = json!([
        {"name": "measured", "typed_config": {
            "@type": of("envoy.extensions.filters.http.wasm.v3.Wasm"), "config": plugin}},
        {"name": "router", "typed_config": {
            "@type": of("envoy.extensions.filters.http.router.v3.Router")}},
    ]);
    let manager =
        "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
    let manager = json!({
        "@type": of(manager),
        "stat_prefix": "measured",
        "http_filters": filters,
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [
            {"match": {"prefix": "/"}, "route": {"cluster": "upstream"}}]}]},
    });
    let free_port: SocketAddr = ([127, 0, 0, 1], 0).into();
    json!({
        "admin": {"address": at(free_port)},
        "static_resources": {
            "clusters": [
                cluster("upstream", setup.upstream),
                cluster("callee", setup.callee),
                cluster("wasm-tracer", setup.collector),
            ],
            "listeners": [{"name": "measured", "address": at(free_port), "filter_chains": [{
                "filters": [{
                    "name": "envoy.filters.network.http_connection_manager",
                    "typed_config": manager,
                }]}]}],
        },
    })
}

fn of(message: &str) -> String {
    format!("type.googleapis.com/{message}")
}

fn at(address: SocketAddr) -> Value {
    json!({"socket_address": {"address": address.ip(), "port_value": address.port()}})
}

fn cluster(name: &str, address: SocketAddr) -> Value {
    json!({"name": name, "type": "STATIC", "connect_timeout": "1s", "load_assignment": {
        "cluster_name": name,
        "endpoints": [{"lb_endpoints": [{"endpoint": {"address": at(address)}}]}]}})
}
