//! The printer of script notation. What has its default value is left out.

use std::fmt::Write;

use abi::{Callback, Dialect, Kind, Returns, Status, StreamSide};

use super::{names, parse, seconds, tokens};
use crate::delivery::{Clock, MemorySample, Module, Root, StreamInfo};
use crate::event::{Event, Marks};
use crate::ids::{CallId, ContextId, Entry, InstanceId, Micros};
use crate::timeline::{State, Timeline};

/// `write!` into a string cannot fail.
macro_rules! put {
    ($out:expr, $($arg:tt)*) => { let _ = write!($out, $($arg)*); };
}

pub fn header(out: &mut String, timeline: &Timeline) {
    if timeline.instance != InstanceId([0; 16]) {
        put!(out, "instance {}\n", timeline.instance);
    }
    if timeline.context != parse::DEFAULT_CONTEXT || timeline.generation != 0 {
        put!(out, "context {} generation {}\n", timeline.context, timeline.generation);
    }
    root(out, &timeline.root);
    if !timeline.node.is_empty() {
        text_line(out, "node", &timeline.node);
    }
    module(out, &timeline.module);
    dialect(out, timeline.dialect, &timeline.module);
    clock(out, timeline.clock);
    stream(out, &timeline.stream, timeline);
    for MemorySample { at, pages, streams } in &timeline.memory {
        put!(out, "memory {} pages={pages} streams={streams}\n", seconds(*at));
    }
    for gap in &timeline.gaps {
        put!(out, "gap {}-{}", gap.from, gap.to);
        word(out, "", &gap.reason);
        out.push('\n');
    }
    if timeline.known_until != last_end(&timeline.events) {
        put!(out, "known_until {}\n", seconds(timeline.known_until));
    }
    for unreached in &timeline.unreached {
        put!(out, "unreached {}", unreached.timeline);
        word(out, "", &unreached.plugin);
        out.push('\n');
    }
    if let Some(silence) = timeline.silence {
        put!(out, "silent since {} open {}\n", seconds(silence.since), silence.open);
    }
    if timeline.revision != 0 {
        put!(out, "revision {}\n", timeline.revision);
    }
    if let State::Closed(reason) = timeline.state {
        put!(out, "closed {}\n", reason.name());
    }
}

/// The end of the last event: the default of `known_until`.
pub fn last_end(events: &[Event]) -> Micros {
    events.iter().map(|e| e.at.after(e.took)).max().unwrap_or_default()
}

fn text_line(out: &mut String, name: &str, text: &str) {
    out.push_str(name);
    word(out, "", text);
    out.push('\n');
}

/// ` NAME "TEXT"`
fn word(out: &mut String, name: &str, text: &str) {
    if !name.is_empty() {
        put!(out, " {name}");
    }
    out.push(' ');
    tokens::quote(out, text.as_bytes());
}

fn word_unless_empty(out: &mut String, name: &str, text: &str) {
    if !text.is_empty() {
        word(out, name, text);
    }
}

fn root(out: &mut String, root: &Root) {
    if *root == parse::default_root() {
        return;
    }
    put!(out, "root {}", root.context);
    word_unless_empty(out, "plugin", &root.plugin);
    word_unless_empty(out, "root_id", &root.root_id);
    word_unless_empty(out, "vm_id", &root.vm_id);
    if root.configuration_hash != 0 {
        put!(out, " configuration 0x{:x}", root.configuration_hash);
    }
    if root.since != Micros(0) {
        put!(out, " since {}", seconds(root.since));
    }
    if root.streams != 0 {
        put!(out, " streams {}", root.streams);
    }
    if root.ended {
        out.push_str(" ended");
    }
    out.push('\n');
}

fn module(out: &mut String, module: &Module) {
    if *module == Module::default() {
        return;
    }
    out.push_str("module");
    word_unless_empty(out, "tracer", &module.tracer_version);
    if let Some(abi) = module.abi {
        put!(out, " abi {}", abi.name());
    }
    if let Some(host) = module.host {
        put!(out, " host {}", host.name());
    }
    word_unless_empty(out, "sdk", &module.sdk);
    if module.callbacks != 0 {
        put!(out, " callbacks 0x{:x}", module.callbacks);
    }
    if !module.hostcalls.is_empty() {
        let numbers: Vec<String> =
            module.hostcalls.iter().map(|h| h.number().to_string()).collect();
        put!(out, " hostcalls {}", numbers.join(","));
    }
    out.push('\n');
}

fn dialect(out: &mut String, dialect: Dialect, module: &Module) {
    if dialect == Dialect::from_tables(module.host, module.abi) {
        return;
    }
    put!(
        out,
        "dialect {} {} headers_stop={}{}\n",
        dialect.host.map_or("-", |h| h.name()),
        dialect.abi.map_or("-", |a| a.name()),
        dialect.headers_stop.name(),
        if dialect.calibrated { " seen" } else { "" }
    );
}

fn clock(out: &mut String, clock: Clock) {
    if clock == Clock::default() {
        return;
    }
    put!(out, "clock wall {} at {}", clock.wall_nanos, seconds(clock.monotonic));
    out.push_str(if clock.wall_only { " wall_only\n" } else { "\n" });
}

fn stream(out: &mut String, stream: &StreamInfo, timeline: &Timeline) {
    if stream.context != timeline.context || stream.root != timeline.root.context {
        put!(out, "stream {} root {}\n", stream.context, stream.root);
    }
    let mut request = String::new();
    word_unless_empty(&mut request, "method", &stream.method);
    word_unless_empty(&mut request, "path", &stream.path);
    word_unless_empty(&mut request, "authority", &stream.authority);
    word_unless_empty(&mut request, "protocol", &stream.protocol);
    word_unless_empty(&mut request, "traceparent", &stream.traceparent);
    if stream.headers_too_large {
        request.push_str(" headers_too_large");
    }
    if !request.is_empty() || !stream.request_id.is_empty() {
        out.push_str("request");
        word(out, "", &stream.request_id);
        put!(out, "{request}\n");
    }
    let mut response = String::new();
    if let Some(code) = stream.response_code {
        put!(response, " code {code}");
    }
    if let Some(flags) = stream.response_flags {
        put!(response, " flags 0x{flags:x}");
    }
    for (name, text) in [
        ("details", &stream.response_code_details),
        ("upstream", &stream.upstream_address),
        ("termination", &stream.connection_termination_details),
        ("transport_failure", &stream.upstream_transport_failure_reason),
    ] {
        if let Some(text) = text {
            word(&mut response, name, text);
        }
    }
    if let Some(nanos) = stream.duration_nanos {
        put!(response, " duration {nanos}");
    }
    if !response.is_empty() {
        put!(out, "response{response}\n");
    }
    for (name, value) in &stream.more {
        out.push_str("property");
        word(out, "", name);
        word(out, "", value);
        out.push('\n');
    }
}

pub fn events(out: &mut String, events: &[Event]) {
    let mut before = (Entry(0), ContextId(0));
    for one in events {
        event(out, one, Some(before));
        out.push('\n');
        before = (one.entry, one.context);
    }
}

/// One event. `before`: entry and context of the line above; None leaves out what depends on it.
pub fn event(out: &mut String, event: &Event, before: Option<(Entry, ContextId)>) {
    let inside = matches!(event.kind, Kind::Hostcall(_));
    put!(out, "{} #{} ", seconds(event.at), event.sequence);
    out.push_str(if inside { "  " } else { "" });
    match event.is_annotation() {
        true => out.push_str(names::ANNOTATION),
        false => out.push_str(&names::of_kind(event.kind)),
    }
    match event.kind {
        Kind::Callback(callback) if callback.is_on_root() => {
            put!(out, " root {}", event.context);
        }
        Kind::Hostcall(_) => {}
        _ => {
            put!(out, " {}", event.context);
        }
    }
    if !inside && event.call != CallId(0) {
        put!(out, " call {}", event.call);
    }
    if inside && !event.text.is_empty() {
        out.push(' ');
        tokens::quote(out, &event.text);
    }
    arguments(out, event);
    if !inside && !event.text.is_empty() {
        out.push(' ');
        tokens::quote(out, &event.text);
    }
    result(out, event);
    if inside && event.call != CallId(0) {
        put!(out, " call {}", event.call);
    }
    if event.took != Micros(0) {
        put!(out, " took={}us", event.took);
    }
    if let Some((entry, context)) = before {
        let expected = if inside { entry.0 } else { entry.0.wrapping_add(1) };
        if event.entry.0 != expected {
            put!(out, " entry={}", event.entry);
        }
        if inside && event.context != context {
            put!(out, " ctx={}", event.context);
        }
    }
    marks(out, event);
}

fn arguments(out: &mut String, event: &Event) {
    let side = names::side_position(event.kind);
    for (position, value) in event.args.iter().enumerate() {
        if *value == 0 {
            continue;
        }
        let name = names::argument(event.kind, position);
        match name.as_str() {
            "end" if *value == 1 => out.push_str(" end"),
            "parent" if event.kind == Kind::Callback(Callback::ContextCreate) => {
                put!(out, " root {value}");
            }
            _ if side == Some(position) && StreamSide::from_number(*value).is_some() => {}
            _ if names::is_timeout(event.kind, position) && value % 1_000 == 0 => {
                put!(out, " {name}={}s", value / 1_000);
            }
            _ if names::is_timeout(event.kind, position) => {
                put!(out, " {name}={value}ms");
            }
            _ => {
                put!(out, " {name}={value}");
            }
        }
    }
    if let Some(at) = side
        && let Some(side) = StreamSide::from_number(event.arg(at))
    {
        put!(out, " {}", side.name());
    }
    if let Some(at) = names::timeout_position(event.kind)
        && event.arg(at) == 0
    {
        out.push_str(" timeout=none");
    }
}

fn result(out: &mut String, event: &Event) {
    let value = event.result;
    if is_unfinished(event) {
        out.push_str(" -> (unfinished)");
        return;
    }
    match event.kind {
        Kind::Callback(callback) => match (callback.row().returns, value) {
            (Returns::Action, 0) => out.push_str(" -> continue"),
            (Returns::Action, 1) => out.push_str(" -> pause"),
            (Returns::Bool, 1) | (Returns::Nothing, 0) => {}
            (Returns::Bool, 0) => out.push_str(" -> false"),
            _ => {
                put!(out, " -> {value}");
            }
        },
        Kind::Hostcall(hostcall) if hostcall.row().result => {
            match Status::from_number(value).name() {
                Some(name) => {
                    put!(out, " -> {name}");
                }
                None => {
                    put!(out, " -> {value}");
                }
            }
        }
        _ if value != 0 => {
            put!(out, " -> {value}");
        }
        _ => {}
    }
}

/// Was it open at a trap? Such an invocation returned nothing.
fn is_unfinished(event: &Event) -> bool {
    event.marks.has(Marks::UNFINISHED) && event.result == 0
}

fn marks(out: &mut String, event: &Event) {
    let mut rest = event.marks.0;
    for (name, mark) in names::MARKS {
        let said = (mark == Marks::UNFINISHED && is_unfinished(event))
            || (mark == Marks::ANNOTATION && event.is_annotation());
        if said {
            rest &= !mark.0;
        } else if event.marks.has(mark) {
            put!(out, " +{name}");
            rest &= !mark.0;
        }
    }
    if rest != 0 {
        put!(out, " +0x{rest:x}");
    }
}
