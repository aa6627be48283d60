//! Kubernetes resources and what the tests look at in them: the cluster of an EnvoyFilter, the settings
//! of a collector's container.

use std::process::Command;

use serde_json::Value;

use crate::{texts, try_output, yaml};

/// The resources of that kind.
///
/// # Panics
/// When it is not YAML.
pub fn all_of_kind(resources: &str, kind: &str) -> Vec<Value> {
    yaml(resources).into_iter().filter(|resource| resource["kind"] == kind).collect()
}

/// The first resource of that kind.
///
/// # Panics
/// When there is none.
pub fn of_kind(resources: &str, kind: &str) -> Value {
    let found = all_of_kind(resources, kind).into_iter().next();
    found.unwrap_or_else(|| panic!("no {kind} in\n{resources}"))
}

/// The cluster that an EnvoyFilter adds.
pub fn cluster(filter: &mut Value) -> &mut Value {
    &mut filter["spec"]["configPatches"][0]["patch"]["value"]
}

/// Where a cluster leads.
///
/// # Panics
/// When it has no such address.
pub fn socket_address(cluster: &mut Value) -> &mut Value {
    let at = "/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/socket_address";
    match cluster.pointer_mut(at) {
        Some(address) => address,
        None => panic!("a cluster without {at}"),
    }
}

/// The settings of a container, judged by the collector itself.
///
/// # Panics
/// When there is no command, or the container has no environment.
pub fn judged(container: &Value) -> Result<String, String> {
    let tracer = e2e::tracer().unwrap_or_else(|error| panic!("{error:#}"));
    let mut collector = Command::new(tracer);
    collector.env_clear().args(texts(&container["args"])).arg("--check-config");
    let environment = container["env"].as_array();
    for variable in environment.unwrap_or_else(|| panic!("no environment in {container:#}")) {
        // A value from a Secret is some word.
        let value = variable["value"].as_str().unwrap_or("secret");
        let name = variable["name"].as_str();
        collector.env(name.unwrap_or_else(|| panic!("no name in {variable}")), value);
    }
    try_output(&mut collector)
}
