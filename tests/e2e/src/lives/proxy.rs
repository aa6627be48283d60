//! One Envoy of several that follow each other: epochs of a hot restart share a base id.

use std::path::PathBuf;

use crate::envoy::{Envoy, Options};

/// A running Envoy.
pub(super) struct Proxy {
    pub envoy: Envoy,
    pub base_id: String,
    /// Its main thread.
    pub pid: u32,
}

impl Proxy {
    /// The first of them, or the next one.
    pub fn start(options: &Options<'_>) -> anyhow::Result<Self> {
        let envoy = Envoy::start(options)?;
        let epoch = options.hot_restart.as_ref().and_then(|restart| restart.epoch.as_ref());
        let base_id = match epoch {
            Some((_, base_id)) => base_id.clone(),
            None => envoy.base_id()?,
        };
        let pid = envoy.pid()?;
        Ok(Self { envoy, base_id, pid })
    }

    /// What it shares with its successors; Envoy leaves that behind.
    pub fn shared_memory(&self) -> PathBuf {
        PathBuf::from(format!("/dev/shm/envoy_shared_memory_{}0", self.base_id))
    }
}
