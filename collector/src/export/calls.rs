//! Client spans: one per call, from its dispatch to its response callback, or to when it was clear that
//! none comes.

use std::collections::HashMap;

use abi::{CallFailure, CallKind, Callback, Kind, Status as HostStatus};
use timeline::calls::{Call, Outcome};
use timeline::event::Event;
use timeline::finding::Finding;
use timeline::ids::{Micros, Sequence};
use timeline::timeline::{State, Timeline};
use timeline::trace::SpanId;

use super::span::{DIAGNOSIS, wall_nanos};
use super::stream::{has_gap, is_error, known_until};
use super::{Attributes, Link, Span, SpanEvent, SpanKind, Status, ids};

/// The spans of all calls of a timeline, in the order of their dispatch, as parts of the stream's.
pub fn spans(timeline: &Timeline, stream: SpanId) -> Vec<Span> {
    // The first of a number counts, as everywhere.
    let events: Events<'_> = timeline.events.iter().rev().map(|e| (e.sequence, e)).collect();
    timeline.calls.iter().map(|call| span(timeline, &events, call, stream)).collect()
}

/// A timeline's events by their numbers.
type Events<'a> = HashMap<Sequence, &'a Event>;

fn span(timeline: &Timeline, events: &Events<'_>, call: &Call, stream: SpanId) -> Span {
    let findings: Vec<_> = timeline.findings.iter().filter(|f| is_about(f, call)).collect();
    let answer = call.outcome.answer().and_then(|a| events.get(&a.callback).copied());
    let mut attributes = attributes(timeline, call, answer);
    let status = match findings.iter().find(|finding| is_error(finding.severity)) {
        Some(finding) => {
            attributes.set("error.type", finding.code.as_str());
            attributes.set(DIAGNOSIS, finding.code.as_str());
            Status::Error(finding.headline.clone())
        }
        None => match error_type(call, answer) {
            Some((kind, sentence)) => {
                attributes.set("error.type", kind);
                Status::Error(sentence.to_owned())
            }
            None => Status::Unset,
        },
    };
    let end = wall_nanos(timeline, end(timeline, events, call));
    let mut events: Vec<_> = findings.iter().map(|f| SpanEvent::finding(timeline, f)).collect();
    events.extend(came_late_or_never(timeline, call, !findings.is_empty(), end));
    // What cancelled it is no invocation.
    let received = answer.filter(|event| matches!(event.kind, Kind::Callback(_)));
    let links = received.map(|event| Link {
        span: ids::of_event(timeline, event.sequence),
        attributes: Attributes::from([("proxy_wasm.link", "received by")]),
    });
    Span {
        id: ids::of_event(timeline, call.dispatch),
        parent: Some(stream),
        name: call.name(),
        kind: SpanKind::Client,
        begin_nanos: wall_nanos(timeline, call.dispatched_at),
        end_nanos: end.max(wall_nanos(timeline, call.dispatched_at)),
        attributes,
        events,
        links: links.into_iter().collect(),
        status,
    }
}

/// Is a finding about a call? A rejected one has no call id.
fn is_about(finding: &Finding, call: &Call) -> bool {
    match call.outcome {
        Outcome::Rejected(_) => finding.evidence.events.contains(&call.dispatch),
        _ => finding.is_about(call),
    }
}

/// When it ended: at its response callback, with its root, at its deadline, or, so far, at the end of what is known.
fn end(timeline: &Timeline, events: &Events<'_>, call: &Call) -> Micros {
    match call.outcome {
        Outcome::Rejected(_) => call.dispatched_at,
        Outcome::Answered(answer) | Outcome::Failed(answer) | Outcome::Late(answer) => answer.at,
        Outcome::Cancelled(end) => events.get(&end).map_or(call.dispatched_at, |end| end.at),
        Outcome::Pending => {
            let known = known_until(timeline);
            call.timeout.map_or(known, |timeout| known.min(call.dispatched_at.after(timeout)))
        }
    }
}

fn attributes(timeline: &Timeline, call: &Call, answer: Option<&Event>) -> Attributes {
    let mut attributes = Attributes::default();
    attributes.set("proxy_wasm.upstream.cluster", call.cluster.as_str());
    attributes.set("proxy_wasm.call.kind", call.kind.name());
    attributes.set("proxy_wasm.call.outcome", call.outcome.name());
    if call.id.0 != 0 {
        attributes.set("proxy_wasm.call.id", call.id.0);
    }
    if let Some(timeout) = call.timeout {
        attributes.set("proxy_wasm.call.timeout_ms", timeout.0 / 1_000);
    }
    attributes.set("proxy_wasm.sequence", call.dispatch.0);
    if let Outcome::Rejected(status) = call.outcome {
        attributes.set("proxy_wasm.status", status_name(status));
    }
    let (host, port) = address(&call.cluster);
    attributes.set_text("server.address", host);
    if let Some(port) = port {
        attributes.set("server.port", port);
    }
    let code = call.outcome.answer().filter(|_| answer.is_some()).map(|answer| answer.code);
    match call.kind {
        CallKind::Http => {
            if let Some(code) = code.filter(|code| *code != 0) {
                attributes.set("http.response.status_code", code);
            }
        }
        CallKind::GrpcCall | CallKind::GrpcStream => {
            attributes.set("rpc.system.name", "grpc");
            if let Some(code) = code {
                attributes.set("rpc.response.status_code", grpc_status(code));
            }
        }
        CallKind::Redis => attributes.set("db.system.name", "redis"),
    }
    if call.outcome == Outcome::Pending && has_gap(timeline) {
        attributes.set("proxy_wasm.data_gap", true);
    }
    attributes
}

/// Host and port in a cluster's name of Istio's form, `outbound|80||host`; else the name.
fn address(cluster: &str) -> (&str, Option<u32>) {
    let parts: Vec<&str> = cluster.split('|').collect();
    match parts[..] {
        ["outbound", port, _, host] => match port.parse::<u16>() {
            Ok(port) => (host, Some(port.into())),
            Err(_) => (host, None),
        },
        _ => (cluster, None),
    }
}

/// Why a call is an error of which no diagnosis speaks: a word of few, and a sentence.
fn error_type(call: &Call, answer: Option<&Event>) -> Option<(String, &'static str)> {
    match call.outcome {
        Outcome::Rejected(status) => Some((status_name(status), "the host refused the dispatch")),
        Outcome::Cancelled(_) => Some(("cancelled".to_owned(), "its root ended before the answer")),
        Outcome::Failed(came) => Some((failure(call, came.code, answer), "the call failed")),
        Outcome::Answered(came) if call.kind == CallKind::Http && came.code >= 400 => {
            Some((came.code.to_string(), "the callee answered with an error"))
        }
        Outcome::Answered(_) | Outcome::Late(_) | Outcome::Pending => None,
    }
}

fn failure(call: &Call, code: u32, answer: Option<&Event>) -> String {
    let Some(answer) = answer.filter(|event| matches!(event.kind, Kind::Callback(_))) else {
        return "cancelled".to_owned();
    };
    match call.kind {
        CallKind::GrpcCall | CallKind::GrpcStream => grpc_status(code),
        CallKind::Redis => format!("redis_{code}"),
        CallKind::Http => {
            let failure = match answer.kind {
                Kind::Callback(Callback::HttpCallResponse) => {
                    CallFailure::from_number(answer.arg(4))
                }
                _ => None,
            };
            match failure {
                Some(CallFailure::Timeout) => "timeout".to_owned(),
                Some(CallFailure::Connect) => "connect_failure".to_owned(),
                Some(CallFailure::NoHealthyHost) => "no_healthy_host".to_owned(),
                Some(CallFailure::Reset) => "reset".to_owned(),
                _ if code >= 400 => code.to_string(),
                _ => "no_answer".to_owned(),
            }
        }
    }
}

/// The word of a hostcall's status.
pub fn status_name(status: u32) -> String {
    HostStatus::from_number(status).name().map_or_else(|| status.to_string(), str::to_owned)
}

/// The word of a gRPC status.
fn grpc_status(code: u32) -> String {
    const NAMES: [&str; 17] = [
        "OK",
        "CANCELLED",
        "UNKNOWN",
        "INVALID_ARGUMENT",
        "DEADLINE_EXCEEDED",
        "NOT_FOUND",
        "ALREADY_EXISTS",
        "PERMISSION_DENIED",
        "RESOURCE_EXHAUSTED",
        "FAILED_PRECONDITION",
        "ABORTED",
        "OUT_OF_RANGE",
        "UNIMPLEMENTED",
        "INTERNAL",
        "UNAVAILABLE",
        "DATA_LOSS",
        "UNAUTHENTICATED",
    ];
    NAMES.get(code as usize).map_or_else(|| code.to_string(), |name| (*name).to_owned())
}

/// The event of a response callback that came after the stream's end, or, where a diagnosis proves it,
/// never.
fn came_late_or_never(
    timeline: &Timeline,
    call: &Call,
    is_found: bool,
    end_nanos: u64,
) -> Option<SpanEvent> {
    let is_closed = matches!(timeline.state, State::Closed(_));
    let name = match call.outcome {
        Outcome::Late(_) => "proxy_wasm.callback.late",
        Outcome::Pending if is_closed && is_found => "proxy_wasm.callback.missing",
        _ => return None,
    };
    let attributes = Attributes::from([("proxy_wasm.call.id", call.id.0)]);
    Some(SpanEvent { name, at_nanos: end_nanos, attributes })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clusters_of_istio_name_host_and_port() {
        assert_eq!(address("outbound|80||auth.default.svc"), ("auth.default.svc", Some(80)));
        assert_eq!(address("outbound|x|v1|auth"), ("auth", None));
        assert_eq!(address("inbound|80||"), ("inbound|80||", None));
        assert_eq!(address("slow"), ("slow", None));
    }
}
