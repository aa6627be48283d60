//! The span of the stream itself: all others of a timeline are parts of it.

use abi::Host;
use timeline::finding::Severity;
use timeline::ids::Micros;
use timeline::timeline::{Reason, State, Timeline};
use timeline::trace::SpanId;

use super::span::{DIAGNOSIS, wall_nanos};
use super::{Attributes, Span, SpanEvent, SpanKind, Status, ids, names};

/// The stream's span. `parent`: the span that the request was in.
pub fn span(timeline: &Timeline, parent: Option<SpanId>) -> Span {
    let mut attributes = request(timeline);
    response(timeline, &mut attributes);
    known(timeline, &mut attributes);
    let mut status = Status::Unset;
    if let Some(headline) = timeline.headline() {
        attributes.set(DIAGNOSIS, headline.code.as_str());
        attributes.set("proxy_wasm.severity", headline.severity.name());
        if is_error(headline.severity) {
            attributes.set("error.type", headline.code.as_str());
            status = Status::Error(headline.headline.clone());
        }
    }
    Span {
        id: ids::of_stream(timeline),
        parent,
        name: names::of_stream(timeline),
        kind: SpanKind::Internal,
        begin_nanos: wall_nanos(timeline, timeline.started()),
        end_nanos: wall_nanos(timeline, end(timeline)),
        attributes,
        events: timeline.findings.iter().map(|f| SpanEvent::finding(timeline, f)).collect(),
        links: Vec::new(),
        status,
    }
}

/// Is a span with such a finding one that failed? What worked this time did not.
pub fn is_error(severity: Severity) -> bool {
    severity >= Severity::Failed
}

/// When the stream ended, or up to when it is known that it did not.
pub fn end(timeline: &Timeline) -> Micros {
    match (timeline.deleted(), timeline.state) {
        (Some(deleted), _) => deleted,
        (None, State::Closed(Reason::Ended)) => timeline.started().after(timeline.span()),
        (None, _) => known_until(timeline),
    }
}

/// Up to when anything is known of the timeline.
pub fn known_until(timeline: &Timeline) -> Micros {
    timeline.started().after(timeline.span()).max(timeline.known_until)
}

fn request(timeline: &Timeline) -> Attributes {
    let stream = &timeline.stream;
    let mut attributes = Attributes::default();
    attributes.set_text("http.request.method", &stream.method);
    attributes.set_text("url.path", &stream.path);
    if !stream.authority.is_empty() {
        let (host, port) = host_and_port(&stream.authority);
        attributes.set("server.address", host);
        if let Some(port) = port {
            attributes.set("server.port", port);
        }
    }
    if let Some(("HTTP", version)) = stream.protocol.split_once('/') {
        attributes.set("network.protocol.name", "http");
        attributes.set("network.protocol.version", version);
    }
    // Envoy's own spans have it under this name: one search finds both.
    attributes.set_text("guid:x-request-id", &stream.request_id);
    attributes
}

/// Host and port of an authority. An IPv6 address is in brackets.
fn host_and_port(authority: &str) -> (&str, Option<u32>) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => match port.parse::<u16>() {
            Ok(port) => (host, Some(port.into())),
            Err(_) => (authority, None),
        },
        _ => (authority, None),
    }
}

fn response(timeline: &Timeline, attributes: &mut Attributes) {
    let stream = &timeline.stream;
    if let Some(code) = stream.response_code.filter(|code| *code != 0) {
        attributes.set("http.response.status_code", code);
    }
    if let Some(flags) = stream.response_flags.filter(|flags| *flags != 0) {
        attributes.set("proxy_wasm.response.flags", flags);
    }
    for (name, text) in [
        ("proxy_wasm.response.code_details", &stream.response_code_details),
        ("proxy_wasm.upstream.address", &stream.upstream_address),
        ("proxy_wasm.connection.termination_details", &stream.connection_termination_details),
        ("proxy_wasm.upstream.failure_reason", &stream.upstream_transport_failure_reason),
    ] {
        attributes.set_text(name, text.as_deref().unwrap_or_default());
    }
    for (name, value) in &stream.more {
        attributes.set(format!("proxy_wasm.property.{name}"), value.as_str());
    }
}

fn known(timeline: &Timeline, attributes: &mut Attributes) {
    attributes.set("proxy_wasm.timeline.id", timeline.id.to_string());
    attributes.set("proxy_wasm.instance.id", timeline.instance.to_string());
    attributes.set("proxy_wasm.context.id", timeline.context.0);
    attributes.set_text("proxy_wasm.plugin.root_id", &timeline.root.root_id);
    attributes.set_text("proxy_wasm.plugin.vm_id", &timeline.root.vm_id);
    attributes.set_text("proxy_wasm.abi_version", timeline.module.abi.map_or("", |abi| abi.name()));
    attributes.set_text("proxy_wasm.host", timeline.dialect.host.map_or("", Host::name));
    attributes.set_text("proxy_wasm.sdk", &timeline.module.sdk);
    match timeline.state {
        State::Open => attributes.set("proxy_wasm.timeline.state", "open"),
        State::Closed(reason) => {
            attributes.set("proxy_wasm.timeline.state", "closed");
            attributes.set("proxy_wasm.timeline.reason", reason.name());
        }
    }
    if has_gap(timeline) {
        attributes.set("proxy_wasm.data_gap", true);
    }
}

/// Are events missing? Then what did not happen cannot be told.
pub fn has_gap(timeline: &Timeline) -> bool {
    !timeline.gaps.is_empty() || timeline.silence.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_told_from_an_address() {
        assert_eq!(host_and_port("shop"), ("shop", None));
        assert_eq!(host_and_port("shop:8080"), ("shop", Some(8080)));
        assert_eq!(host_and_port("[::1]:8080"), ("[::1]", Some(8080)));
        assert_eq!(host_and_port("[::1]"), ("[::1]", None));
        assert_eq!(host_and_port("shop:http"), ("shop:http", None));
    }
}
