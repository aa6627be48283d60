//! Envoy's bootstrap configuration, as JSON: one listener a plugin, the clusters around them.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;

use serde_json::{Value, json};

use crate::plugin::Plugin;

/// The cluster that plugins call.
pub(crate) const CALLEE: &str = "callee";
/// The cluster that requests are routed to.
pub(crate) const UPSTREAM: &str = "upstream";
/// The cluster that recorders ship to.
pub(crate) const TRACER: &str = "wasm-tracer";
/// The trace backend that Envoy sends its own spans to.
pub(crate) const TRACES: &str = "traces";

/// Any free loopback port; the admin interface says which.
const ANY_PORT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// A module as Envoy loads it.
pub(crate) struct Module<'a> {
    pub(crate) name: &'a str,
    pub(crate) root: &'a str,
    pub(crate) vm: &'a str,
    pub(crate) configuration: &'a Value,
    pub(crate) file: &'a Path,
}

impl Module<'_> {
    /// It as a filter.
    pub(crate) fn filter(&self) -> Value {
        let text = self.configuration.to_string();
        json!({
            "name": "envoy.filters.http.wasm",
            "typed_config": {
                "@type": type_url("envoy.extensions.filters.http.wasm.v3.Wasm"),
                "config": {
                    "name": self.name,
                    "root_id": self.root,
                    "configuration": { "@type": type_url("google.protobuf.StringValue"), "value": text },
                    // As Higress has it: without it Envoy never calls the body phase while the headers
                    // are held.
                    "allow_on_headers_stop_iteration": true,
                    "vm_config": {
                        "vm_id": self.vm,
                        "runtime": "envoy.wasm.runtime.v8",
                        "code": { "local": { "filename": self.file } },
                    },
                },
            },
        })
    }
}

/// A plugin as a filter.
pub(crate) fn wasm_filter(name: &str, plugin: &Plugin, wasm: &Path) -> Value {
    let vm = match (&plugin.vm, plugin.own_vm, plugin.traced) {
        (Some(vm), ..) => vm,
        (None, true, _) => name,
        (None, false, true) => "traced",
        (None, false, false) => "original",
    };
    let configuration = &plugin.configuration();
    let mut filter = Module { name, root: name, vm, configuration, file: wasm }.filter();
    let config = &mut filter["typed_config"]["config"];
    config["allow_on_headers_stop_iteration"] = plugin.headers_stop_iteration.into();
    config["failure_policy"] = plugin.policy.name().into();
    config["vm_config"]["environment_variables"] = json!({ "key_values": plugin.environment() });
    filter
}

/// A route to a cluster.
pub(crate) fn to_cluster(name: &str) -> Value {
    json!({ "cluster": name })
}

/// A listener of its own for a chain of filters. `route`: where requests go that pass them all.
pub(crate) fn listener(name: &str, mut filters: Vec<Value>, route: Value) -> Value {
    filters.push(json!({
        "name": "envoy.filters.http.router",
        "typed_config": { "@type": type_url("envoy.extensions.filters.http.router.v3.Router") },
    }));
    let manager = json!({
        "@type": type_url(
            "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
        ),
        "stat_prefix": name,
        "preserve_external_request_id": true,
        "route_config": { "virtual_hosts": [{
            "name": "all",
            "domains": ["*"],
            "routes": [{ "match": { "prefix": "/" }, "route": route }],
        }] },
        "http_filters": filters,
    });
    json!({
        "name": name,
        "address": address(ANY_PORT),
        "filter_chains": [{ "filters": [{
            "name": "envoy.filters.network.http_connection_manager",
            "typed_config": manager,
        }] }],
    })
}

/// Has a listener trace all requests, whatever their ids look like.
pub(crate) fn trace(listener: &mut Value, backend: SocketAddr) {
    let manager = &mut listener["filter_chains"][0]["filters"][0]["typed_config"];
    manager["request_id_extension"] = json!({ "typed_config": {
        "@type": type_url("envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig"),
        "pack_trace_reason": false,
        "use_request_id_for_trace_sampling": false,
    } });
    manager["tracing"] = json!({
        "random_sampling": { "value": 100 },
        "provider": { "name": "envoy.tracers.opentelemetry", "typed_config": {
            "@type": type_url("envoy.config.trace.v3.OpenTelemetryConfig"),
            "service_name": "envoy",
            "http_service": { "http_uri": {
                "uri": format!("http://{backend}/v1/traces"),
                "cluster": TRACES,
                "timeout": "1s",
            } },
        } },
    });
}

/// A cluster without any endpoint.
pub(crate) fn empty_cluster(name: &str) -> Value {
    json!({
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": { "cluster_name": name },
    })
}

/// The file of clusters that come and go while Envoy runs.
pub(crate) fn discovered(clusters: Vec<Value>) -> Value {
    resources("envoy.config.cluster.v3.Cluster", clusters)
}

/// The file of listeners that come and go while Envoy runs.
pub(crate) fn discovered_listeners(listeners: Vec<Value>) -> Value {
    resources("envoy.config.listener.v3.Listener", listeners)
}

/// Puts such a file in place; Envoy reads it when it is moved there.
pub(crate) fn put(file: &Path, resources: &Value) -> anyhow::Result<()> {
    let draft = file.with_extension("draft");
    std::fs::write(&draft, serde_json::to_vec_pretty(resources)?)?;
    Ok(std::fs::rename(draft, file)?)
}

fn resources(message: &str, all: Vec<Value>) -> Value {
    let kind = type_url(message);
    let typed = all.into_iter().map(|mut resource| {
        resource["@type"] = kind.as_str().into();
        resource
    });
    json!({ "resources": typed.collect::<Vec<_>>() })
}

/// A cluster with one endpoint.
pub(crate) fn cluster(name: &str, endpoint: SocketAddr) -> Value {
    json!({
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{ "lb_endpoints": [{ "endpoint": { "address": address(endpoint) } }] }],
        },
    })
}

/// The whole bootstrap. `discovery`: the file of clusters that come and go.
pub(crate) fn bootstrap(
    listeners: Vec<Value>,
    clusters: Vec<Value>,
    discovery: Option<&Path>,
) -> Value {
    let mut bootstrap = json!({
        "node": { "id": "e2e", "cluster": "e2e" },
        "admin": { "address": address(ANY_PORT) },
        "static_resources": { "listeners": listeners, "clusters": clusters },
    });
    if let Some(path) = discovery {
        bootstrap["dynamic_resources"] = json!({ "cds_config": {
            "resource_api_version": "V3",
            "path_config_source": { "path": path },
        } });
    }
    bootstrap
}

pub(crate) fn address(address: SocketAddr) -> Value {
    json!({ "socket_address": { "address": address.ip().to_string(), "port_value": address.port() } })
}

fn type_url(message: &str) -> String {
    format!("type.googleapis.com/{message}")
}
