//! Real trace backends, built from the Go module proxy by `cargo xtask setup`: what they make of the
//! timelines that are sent to them.

mod certificates;
mod jaeger;
mod otelcol;

use std::ffi::OsStr;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};
use e2e::Guarded;
use e2e::until;
use serde_json::Value;

pub use certificates::{Authority, Certified};
pub use jaeger::Jaeger;
pub use otelcol::OpenTelemetryCollector;

const START_LIMIT: Duration = Duration::from_secs(30);

/// Ports that are free now: these programs do not say which they took.
fn free_addresses<const N: usize>() -> anyhow::Result<[SocketAddr; N]> {
    let listeners = [(); N].map(|()| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)));
    let mut addresses = [SocketAddr::from((Ipv4Addr::LOCALHOST, 0)); N];
    for (address, listener) in addresses.iter_mut().zip(listeners) {
        *address = listener?.local_addr()?;
    }
    Ok(addresses)
}

/// A program that `cargo xtask setup` has built.
fn program(variable: &str) -> anyhow::Result<PathBuf> {
    let place = std::env::var_os(variable)
        .with_context(|| format!("{variable} is not set: run `cargo xtask test`"))?;
    Ok(place.into())
}

/// Starts a program and waits until it is ready.
fn start(
    name: &str,
    folder: PathBuf,
    command: &[&OsStr],
    is_ready: impl Fn() -> bool,
) -> anyhow::Result<Guarded> {
    let mut process = Guarded::start(folder, command)?;
    until(&format!("{name} is ready"), START_LIMIT, || {
        if process.has_ended() {
            bail!("{name} ended");
        }
        Ok(is_ready().then_some(()))
    })
    .with_context(|| format!("{name} did not start; it said:\n{}", process.log()))?;
    Ok(process)
}

/// Status and JSON of an answer.
///
/// # Errors
/// When there is none, or it is no JSON.
pub fn get(address: SocketAddr, path: &str) -> anyhow::Result<(u16, Value)> {
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(Duration::from_secs(20)));
    let agent: ureq::Agent = config.build().into();
    let mut answer = agent.get(format!("http://{address}{path}")).call()?;
    let text = answer.body_mut().read_to_string()?;
    let json = serde_json::from_str(&text).with_context(|| format!("{path} answers {text}"))?;
    Ok((answer.status().as_u16(), json))
}
