//! Spans of invocations, and what the plugin did in them as their events.

use std::collections::HashMap;

use abi::{Callback, Effect, Hostcall, Kind, LOG_LEVELS, Returns, StreamSide, effective_action};
use timeline::event::{Event, Marks};
use timeline::hold::hostcalls_on;
use timeline::ids::Entry;
use timeline::timeline::Timeline;
use timeline::trace::SpanId;

use super::calls::status_name;
use super::span::wall_nanos;
use super::{Attributes, Link, Span, SpanEvent, SpanKind, Status, ids, names};

/// The spans of a timeline's invocations, as parts of the stream's. Calls become parts of the invocation
/// that they were dispatched in; what was done in no recorded invocation stands at the stream.
pub fn spans(timeline: &Timeline, stream: &mut Span, calls: &mut [Span]) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    let mut of_entry: HashMap<Entry, usize> = HashMap::new();
    for group in timeline.events.chunk_by(|a, b| a.entry == b.entry) {
        let start = group.partition_point(|event| !matches!(event.kind, Kind::Hostcall(_)));
        let (heads, hostcalls) = group.split_at(start);
        for event in heads {
            if let Kind::Callback(callback) = event.kind
                && !event.marks.has(Marks::OWN)
            {
                of_entry.insert(event.entry, spans.len());
                spans.push(invocation(timeline, callback, event, hostcalls, stream.id));
            }
        }
    }
    let of_call = places(calls);
    for event in &timeline.events {
        let place = of_entry.get(&event.entry).copied();
        if let Some(at) = of_call.get(&ids::of_event(timeline, event.sequence)) {
            calls[*at].parent = Some(place.map_or(stream.id, |at| spans[at].id));
            continue;
        }
        if let Some(done) = done(timeline, event) {
            match place {
                Some(at) => spans[at].events.push(done),
                None => stream.events.push(done),
            }
        }
    }
    link_to_calls(calls, &mut spans);
    spans
}

/// Where the span of an id stands; the first, should two have the same.
fn places(spans: &[Span]) -> HashMap<SpanId, usize> {
    spans.iter().enumerate().rev().map(|(at, span)| (span.id, at)).collect()
}

/// What received the answer of a call names the call.
fn link_to_calls(calls: &[Span], spans: &mut [Span]) {
    let receivers = places(spans);
    for call in calls {
        for link in &call.links {
            if let Some(at) = receivers.get(&link.span) {
                spans[*at].links.push(Link {
                    span: call.id,
                    attributes: Attributes::from([("proxy_wasm.link", "answers")]),
                });
            }
        }
    }
}

fn invocation(
    timeline: &Timeline,
    callback: Callback,
    event: &Event,
    hostcalls: &[Event],
    stream: SpanId,
) -> Span {
    let mut attributes = Attributes::default();
    attributes.set("proxy_wasm.callback", callback.row().export);
    attributes.set("proxy_wasm.context.id", event.context.0);
    numbers(&mut attributes, event, callback.numbers());
    if event.call.0 != 0 {
        attributes.set("proxy_wasm.call.id", event.call.0);
    }
    attributes.set("proxy_wasm.sequence", event.sequence.0);
    let is_unfinished = event.marks.has(Marks::UNFINISHED);
    if let Some(phase) = callback.phase() {
        attributes.set("proxy_wasm.phase", callback.row().name);
        if !is_unfinished {
            let replied = hostcalls_on(timeline.context, hostcalls).any(Event::is_reply);
            let action = effective_action(phase, event.result, replied, timeline.dialect);
            attributes.set("proxy_wasm.action", action.name());
            attributes.set("proxy_wasm.action.number", event.result);
        }
    } else if callback.row().returns == Returns::Bool && !is_unfinished {
        attributes.set("proxy_wasm.returned", event.result != 0);
    }
    let mut status = Status::Unset;
    if is_unfinished {
        attributes.set("proxy_wasm.unfinished", true);
        attributes.set("error.type", "trap");
        status = Status::Error("the VM trapped in this invocation".to_owned());
    }
    Span {
        id: ids::of_event(timeline, event.sequence),
        parent: Some(stream),
        name: names::of_invocation(callback),
        kind: SpanKind::Internal,
        begin_nanos: wall_nanos(timeline, event.at),
        end_nanos: wall_nanos(timeline, event.at.after(event.took)),
        attributes,
        events: Vec::new(),
        links: Vec::new(),
        status,
    }
}

/// What a hostcall did, or an event that this version does not know.
fn done(timeline: &Timeline, event: &Event) -> Option<SpanEvent> {
    let mut attributes = Attributes::default();
    let name = match event.kind {
        Kind::Callback(_) => return None,
        Kind::Unknown(number) => {
            attributes.set("proxy_wasm.kind", number);
            "proxy_wasm.unknown"
        }
        Kind::Hostcall(hostcall) => {
            let row = hostcall.row();
            attributes.set("proxy_wasm.hostcall", row.import);
            match row.effect {
                _ if event.is_annotation() => "proxy_wasm.annotation",
                Effect::Replies => {
                    attributes.set("http.response.status_code", event.arg(0));
                    "proxy_wasm.local_response"
                }
                Effect::Resumes => {
                    attributes.set_text("proxy_wasm.side", side(hostcall, event));
                    "proxy_wasm.resume"
                }
                Effect::Closes => {
                    attributes.set_text("proxy_wasm.side", side(hostcall, event));
                    "proxy_wasm.close"
                }
                _ if hostcall == Hostcall::Log => {
                    attributes.set("proxy_wasm.log.level", log_level(event.arg(0)));
                    "proxy_wasm.log"
                }
                _ if hostcall == Hostcall::SetEffectiveContext => {
                    attributes.set("proxy_wasm.context.id", event.arg(0));
                    "proxy_wasm.context_switch"
                }
                _ => {
                    numbers(&mut attributes, event, row.numbers().map(|(name, _)| name));
                    "proxy_wasm.hostcall"
                }
            }
        }
    };
    attributes.set_text("proxy_wasm.text", &event.text_lossy());
    if event.call.0 != 0 {
        attributes.set("proxy_wasm.call.id", event.call.0);
    }
    if event.result != 0 {
        attributes.set("proxy_wasm.status", status_name(event.result));
    }
    attributes.set("proxy_wasm.sequence", event.sequence.0);
    Some(SpanEvent { name, at_nanos: wall_nanos(timeline, event.at), attributes })
}

fn numbers(attributes: &mut Attributes, event: &Event, names: impl Iterator<Item = &'static str>) {
    for (at, name) in names.enumerate() {
        match name {
            "end" => attributes.set("proxy_wasm.end_of_stream", event.arg(at) != 0),
            _ => attributes.set(format!("proxy_wasm.arg.{name}"), event.arg(at)),
        }
    }
}

fn side(hostcall: Hostcall, event: &Event) -> &'static str {
    match hostcall {
        Hostcall::ContinueRequest => StreamSide::Request.name(),
        Hostcall::ContinueResponse => StreamSide::Response.name(),
        _ => StreamSide::from_number(event.arg(0)).map_or("", StreamSide::name),
    }
}

fn log_level(level: u32) -> String {
    LOG_LEVELS.get(level as usize).map_or_else(|| level.to_string(), |name| (*name).to_owned())
}
