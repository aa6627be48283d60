//! A listener and the plugins behind it, in the order in which they see a request.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use serde_json::Value;

use crate::envoy_config;
use crate::plugin::Plugin;
use crate::stack;

/// A listener whose requests pass a chain of plugins.
#[derive(Clone, Debug)]
pub struct Door {
    name: String,
    port: u16,
    plugins: Vec<(String, Plugin)>,
}

impl Door {
    /// A listener without plugins, on any port.
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), port: 0, plugins: Vec::new() }
    }

    /// On this port.
    pub fn at(self, port: u16) -> Self {
        Self { port, ..self }
    }

    /// Behind those so far, this plugin; its root id is the name with `-root`.
    pub fn plugin(mut self, name: &str, plugin: Plugin) -> Self {
        self.plugins.push((name.to_owned(), plugin));
        self
    }

    /// The listener as Envoy reads it; modules are made below `folder`.
    pub(super) fn listener(&self, folder: &Path) -> anyhow::Result<Value> {
        let filters = self.plugins.iter().map(|(name, plugin)| {
            let wasm = stack::module(plugin, folder)?;
            let mut filter = envoy_config::wasm_filter(name, plugin, &wasm);
            filter["typed_config"]["config"]["root_id"] = format!("{name}-root").into();
            Ok(filter)
        });
        let filters = filters.collect::<anyhow::Result<Vec<_>>>()?;
        let route = envoy_config::to_cluster(envoy_config::UPSTREAM);
        let mut listener = envoy_config::listener(&self.name, filters, route);
        let at = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        listener["address"] = envoy_config::address(at);
        Ok(listener)
    }
}
