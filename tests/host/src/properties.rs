//! Properties that the host answers; all others are NotFound.

use crate::State;
use crate::headers::Headers;

/// Looks a path up; its segments are joined by NUL.
pub(crate) fn get(state: &State, path: &[u8]) -> Option<Vec<u8>> {
    if let Some(value) = state.properties.get(path) {
        return Some(value.clone());
    }
    let path = String::from_utf8_lossy(path).trim_end_matches('\0').replace('\0', ".");
    let root_id = state.root_id();
    let root = state.roots.get(&root_id);
    match path.as_str() {
        "plugin_name" => return root.map(|r| r.plugin.clone().into_bytes()),
        "plugin_root_id" => return root.map(|r| format!("{}-root", r.plugin).into_bytes()),
        "plugin_vm_id" => return Some(b"vm".to_vec()),
        "node.id" | "xds.node.id" => return Some(b"node-1".to_vec()),
        "cluster_name" | "route_name" | "listener_direction" if state.stream().is_none() => {
            return None;
        }
        _ => {}
    }
    let stream = state.stream()?;
    let request = (stream.request.map_open || stream.logging).then_some(&stream.request.headers);
    let response = stream.response.begun.then_some(&stream.response.headers);
    let number = |number: u64| Some(number.to_le_bytes().to_vec());
    let of = |headers: Option<&Headers>, name: &str| headers.and_then(|h| h.get(name));
    match path.as_str() {
        "request.id" => of(request, "x-request-id"),
        "request.path" => of(request, ":path"),
        "request.url_path" => {
            of(request, ":path").map(|p| p.split(|b| *b == b'?').next().unwrap_or(&[]).to_vec())
        }
        "request.method" => of(request, ":method"),
        "request.host" => of(request, ":authority"),
        "request.scheme" => of(request, ":scheme"),
        "request.protocol" => Some(b"HTTP/1.1".to_vec()),
        "request.time" => number(stream.started),
        "request.duration" if stream.logging => number(state.clock.now() - stream.started),
        "request.size" => number(stream.request.forwarded_body.len() as u64),
        "request.total_size" => number(
            (stream.request.forwarded_body.len() + stream.request.headers.byte_size()) as u64,
        ),
        "response.code" => of(response, ":status")
            .and_then(|s| String::from_utf8(s).ok()?.parse().ok())
            .and_then(number),
        "response.code_details" => stream.details.clone().map(String::into_bytes),
        "response.flags" => number(stream.flags),
        "response.size" => number(stream.response.forwarded_body.len() as u64),
        "response.total_size" => number(
            (stream.response.forwarded_body.len() + stream.response.headers.byte_size()) as u64,
        ),
        "upstream.address" if stream.details.as_deref() == Some("via_upstream") => {
            Some(b"127.0.0.1:8080".to_vec())
        }
        "connection_id" | "connection.id" => number(7),
        "source.address" => Some(b"127.0.0.1:50000".to_vec()),
        "destination.address" => Some(b"127.0.0.1:10000".to_vec()),
        "route_name" => Some(b"route".to_vec()),
        "cluster_name" => Some(b"upstream".to_vec()),
        "listener_direction" => number(1),
        other => {
            let (map, name) = other
                .strip_prefix("request.headers.")
                .map(|name| (request, name))
                .or_else(|| other.strip_prefix("response.headers.").map(|name| (response, name)))?;
            of(map, name)
        }
    }
}
