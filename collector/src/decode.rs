//! The wire in, the domain's words out, and back. Nothing else in the collector names a generated type.

mod counters;
mod encode;
mod fuse;

use abi::{AbiVersion, Callback, Host, Hostcall, Kind};
use prost::Message;
use proto::v1;
use proto::v1::property::Value;
use timeline::delivery::{Clock, Delivery, Lost, Module, OpenInvocation, Root, StreamInfo};
use timeline::event::{Event, Marks};
use timeline::ids::{CallId, ContextId, Entry, InstanceId, Micros, Sequence};

pub use counters::{CallKey, SourceCounters, SourceTotals};
pub use encode::encode;
pub use fuse::{Fuse, REASONS};

use crate::config::Limits;

/// Revision of the wire that this version knows completely.
const WIRE_MINOR: u32 = 1;

/// A batch, read.
#[derive(Debug)]
pub struct Decoded {
    /// What it says to the domain.
    pub delivery: Delivery,
    /// SHA-256 of the module that was instrumented, as its recorder says.
    pub original: Option<[u8; 32]>,
    /// What the recorder counted since the instance began.
    pub counters: Option<SourceCounters>,
    /// Why and since when it records nothing; None: it does.
    pub fuse: Option<Fuse>,
}

/// Why a batch is not taken. The sentence goes to the recorder and to its log.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum BadBatch {
    /// No protobuf of this shape.
    #[error("the body is not a whole batch: {0}; it was cut on its way, or it is no batch")]
    Malformed(String),
    /// Well formed, but not sensible.
    #[error("the batch is wrong: {0}")]
    Wrong(String),
}

/// Reads a batch of version 1, and checks it against the limits.
///
/// `wall_nanos`: now, for the age of the batch.
pub fn decode(body: &[u8], limits: &Limits, wall_nanos: u64) -> Result<Decoded, BadBatch> {
    let mut batch = v1::Batch::decode(body).map_err(|e| BadBatch::Malformed(e.to_string()))?;
    let instance = <[u8; 16]>::try_from(batch.instance.as_slice()).map_err(|_| {
        wrong(format!("`instance` has {} bytes and must have 16", batch.instance.len()))
    })?;
    check_counts(&batch, limits)?;
    check_strings(&batch, limits.string_bytes)?;
    check_age(&batch, limits, wall_nanos)?;

    let newer = batch.wire_minor > WIRE_MINOR;
    let (events, unknown_kind) = events(&mut batch)?;
    let counters = SourceCounters::of(&batch);
    let original = batch.module.as_ref().and_then(|m| m.original_sha256.as_slice().try_into().ok());
    let fuse = Fuse::of(&batch);
    let delivery = Delivery {
        instance: InstanceId(instance),
        clock: batch.clock.map_or_else(Clock::default, clock),
        first_sequence: Sequence(batch.first_sequence),
        known_until: Micros(batch.known_until_micros),
        is_final: batch.r#final,
        newer: newer || unknown_kind,
        events,
        module: module(batch.module.unwrap_or_default()),
        node: batch.node,
        roots: batch.roots.into_iter().map(root).collect(),
        streams: batch.streams.into_iter().map(stream).collect(),
        memory_pages: counters.as_ref().map_or(0, |counters| counters.memory_pages),
        lost: batch.lost.into_iter().map(lost).collect(),
        open: batch.open.into_iter().map(open).collect(),
    };
    Ok(Decoded { delivery, original, counters, fuse })
}

/// The body of a 2xx. There are no orders yet.
pub fn answer() -> Vec<u8> {
    v1::Answer { order: None }.encode_to_vec()
}

fn wrong(what: String) -> BadBatch {
    BadBatch::Wrong(what)
}

fn check_counts(batch: &v1::Batch, limits: &Limits) -> Result<(), BadBatch> {
    let counts = [
        ("events", batch.events.len()),
        ("streams", batch.streams.len()),
        ("roots", batch.roots.len()),
        ("lost", batch.lost.len()),
        ("open", batch.open.len()),
        ("counters.calls", batch.counters.as_ref().map_or(0, |counters| counters.calls.len())),
        ("counters.phases", batch.counters.as_ref().map_or(0, |counters| counters.phases.len())),
    ];
    for (name, count) in counts {
        if count > limits.items {
            return Err(wrong(format!(
                "`{name}` has {count} entries; at most {} are taken",
                limits.items
            )));
        }
    }
    if batch
        .first_sequence
        .checked_add(batch.events.len() as u64)
        .is_none_or(|n| n > i64::MAX as u64)
    {
        return Err(wrong("`first_sequence` is out of range".to_owned()));
    }
    match batch.lost.iter().find(|lost| lost.from_sequence > lost.to_sequence) {
        Some(lost) => Err(wrong(format!(
            "`lost` runs backwards, from {} to {}",
            lost.from_sequence, lost.to_sequence
        ))),
        None => Ok(()),
    }
}

fn check_strings(batch: &v1::Batch, most: usize) -> Result<(), BadBatch> {
    let check = |name: &str, length: usize| {
        if length > most {
            Err(wrong(format!("`{name}` is {length} bytes long; at most {most} are taken")))
        } else {
            Ok(())
        }
    };
    check("node", batch.node.len())?;
    if let Some(module) = &batch.module {
        check("module.sdk", module.sdk.len())?;
        check("module.tracer_version", module.tracer_version.len())?;
    }
    for call in batch.counters.iter().flat_map(|counters| &counters.calls) {
        check("counters.calls.cluster", call.cluster.len())?;
    }
    for root in &batch.roots {
        check("roots.plugin", root.plugin.len())?;
        check("roots.root_id", root.root_id.len())?;
        check("roots.vm_id", root.vm_id.len())?;
    }
    for event in &batch.events {
        check("events.text", event.text.len())?;
        check_args("an event", &event.args)?;
    }
    for stream in &batch.streams {
        check("streams.request_id", stream.request_id.len())?;
        check("streams.traceparent", stream.traceparent.len())?;
        check("streams.method", stream.method.len())?;
        check("streams.path", stream.path.len())?;
        check("streams.authority", stream.authority.len())?;
        check("streams.protocol", stream.protocol.len())?;
        for header in &stream.headers {
            check("streams.headers.name", header.name.len())?;
            check("streams.headers.value", header.value.len())?;
        }
        for property in &stream.properties {
            if let Some(Value::Text(text)) = &property.value {
                check("streams.properties.text", text.len())?;
            }
        }
    }
    for open in &batch.open {
        check("open.last_log", open.last_log.len())?;
        check_args("an open invocation", &open.args)?;
    }
    Ok(())
}

fn check_args(whose: &str, args: &[u32]) -> Result<(), BadBatch> {
    if args.len() > 16 {
        return Err(wrong(format!("{whose} has {} args; at most 16 are taken", args.len())));
    }
    Ok(())
}

/// Numbers of events are remembered for a day only: an older batch could be a second copy. What was read
/// from a log may be of any age: what is stored of it is looked for.
fn check_age(batch: &v1::Batch, limits: &Limits, wall_nanos: u64) -> Result<(), BadBatch> {
    let said = batch.clock.as_ref().map_or(0, |clock| clock.wall_nanos);
    let age = std::time::Duration::from_nanos(wall_nanos.saturating_sub(said));
    let is_of_a_log = batch.module.as_ref().is_some_and(|m| m.tracer_version == Module::OF_A_LOG);
    if said != 0 && age > limits.batch_age && !is_of_a_log {
        return Err(wrong(format!(
            "it is {} hours old by the host's clock; at most {} are taken; set the host's clock if it is wrong",
            age.as_secs() / 3600,
            limits.batch_age.as_secs() / 3600
        )));
    }
    Ok(())
}

fn events(batch: &mut v1::Batch) -> Result<(Vec<Event>, bool), BadBatch> {
    let first = batch.first_sequence;
    let mut events = Vec::with_capacity(batch.events.len());
    let mut unknown_kind = false;
    let (mut entry, mut at, mut context) = (batch.first_entry, batch.first_at_micros, 0);
    for (index, event) in std::mem::take(&mut batch.events).into_iter().enumerate() {
        let sequence = first + index as u64;
        let step = event.entry_step.checked_add((index > 0).into());
        entry = step
            .and_then(|step| entry.checked_add_signed(step))
            .ok_or_else(|| wrong(format!("the entry of event {sequence} is out of range")))?;
        at = at
            .checked_add_signed(event.at_step_micros)
            .ok_or_else(|| wrong(format!("the time of event {sequence} is out of range")))?;
        if event.context != 0 {
            context = event.context;
        }
        let kind = Kind::from_number(event.kind);
        unknown_kind |= matches!(kind, Kind::Unknown(_));
        events.push(Event {
            sequence: Sequence(sequence),
            entry: Entry(entry),
            at: Micros(at),
            context: ContextId(context),
            kind,
            took: Micros(event.took_micros),
            args: event.args,
            result: event.result,
            call: CallId(event.call),
            text: event.text,
            marks: Marks(event.marks),
        });
    }
    Ok((events, unknown_kind))
}

fn clock(clock: v1::Clock) -> Clock {
    Clock {
        wall_nanos: clock.wall_nanos,
        monotonic: Micros(clock.monotonic_micros),
        wall_only: clock.wall_only,
    }
}

fn module(module: v1::Module) -> Module {
    Module {
        tracer_version: module.tracer_version,
        abi: AbiVersion::from_name(&module.abi),
        host: Host::from_name(&module.host),
        sdk: module.sdk,
        callbacks: module.callbacks,
        hostcalls: module.hostcalls.into_iter().filter_map(Hostcall::from_number).collect(),
    }
}

fn root(root: v1::Root) -> Root {
    Root {
        context: ContextId(root.context),
        plugin: root.plugin,
        root_id: root.root_id,
        vm_id: root.vm_id,
        configuration_hash: root.configuration_hash,
        since: Micros(root.since_micros),
        ended: root.ended,
        streams: root.streams,
    }
}

fn stream(stream: v1::Stream) -> StreamInfo {
    let mut info = StreamInfo {
        context: ContextId(stream.context),
        root: ContextId(stream.root),
        request_id: stream.request_id,
        traceparent: stream.traceparent,
        method: stream.method,
        path: stream.path,
        authority: stream.authority,
        protocol: stream.protocol,
        headers_too_large: stream.headers_too_large,
        ..StreamInfo::default()
    };
    for property in stream.properties {
        note_property(&mut info, property);
    }
    let lossy = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    info.more.extend(stream.headers.into_iter().map(|h| (h.name, lossy(h.value))));
    info
}

fn note_property(info: &mut StreamInfo, property: v1::Property) {
    use v1::PropertyName as Name;
    let Some(value) = property.value else { return };
    let number = match &value {
        Value::Number(number) => Some(*number),
        Value::Text(_) => None,
    };
    let text = || match &value {
        Value::Number(number) => number.to_string(),
        Value::Text(text) => String::from_utf8_lossy(text).into_owned(),
    };
    match Name::try_from(property.name).unwrap_or(Name::Unknown) {
        Name::ResponseCode => info.response_code = number.and_then(|n| u32::try_from(n).ok()),
        Name::ResponseFlags => info.response_flags = number,
        Name::ResponseCodeDetails => info.response_code_details = Some(text()),
        Name::UpstreamAddress => info.upstream_address = Some(text()),
        Name::RequestDuration => info.duration_nanos = number,
        Name::UpstreamTransportFailureReason => {
            info.upstream_transport_failure_reason = Some(text());
        }
        Name::ConnectionTerminationDetails => info.connection_termination_details = Some(text()),
        Name::Unknown => info.more.push((format!("property {}", property.name), text())),
        other => info.more.push((other_name(other).to_owned(), text())),
    }
}

fn other_name(name: v1::PropertyName) -> &'static str {
    use v1::PropertyName as Name;
    match name {
        Name::RequestSize => "request.size",
        Name::RequestTotalSize => "request.total_size",
        Name::ResponseSize => "response.size",
        Name::ResponseTotalSize => "response.total_size",
        Name::ResponseGrpcStatus => "response.grpc_status",
        Name::ConnectionId => "connection_id",
        Name::RouteName => "route_name",
        Name::ClusterName => "cluster_name",
        _ => name.as_str_name(),
    }
}

/// The reasons of lost events in words.
const LOST: [(v1::LostReason, &str); 11] = [
    (v1::LostReason::Unknown, "the recorder lost them"),
    (v1::LostReason::BufferFull, "the recorder's buffer was full"),
    (v1::LostReason::Refused, "the collector refused the batch"),
    (v1::LostReason::TooLarge, "the event was too large"),
    (v1::LostReason::TurnedDown, "the recorder had turned itself down"),
    (v1::LostReason::LogBegins, Lost::LOG_BEGINS),
    (v1::LostReason::LogUnread, Lost::LOG_UNREAD),
    (v1::LostReason::LogEnds, Lost::LOG_ENDS),
    (v1::LostReason::LogUnsure, Lost::LOG_UNSURE),
    (v1::LostReason::LogUnnumbered, Lost::LOG_UNNUMBERED),
    (
        v1::LostReason::Skeleton,
        "not all that was done to the stream was kept: it or the invocation was not recorded at the time",
    ),
];

fn lost(lost: v1::Lost) -> Lost {
    let named = LOST.iter().find(|(reason, _)| *reason as i32 == lost.reason);
    let (_, reason) = named.unwrap_or(&LOST[0]);
    Lost {
        from: Sequence(lost.from_sequence),
        to: Sequence(lost.to_sequence),
        reason: (*reason).to_owned(),
        contexts: lost.contexts.into_iter().map(ContextId).collect(),
    }
}

fn open(open: v1::Open) -> OpenInvocation {
    OpenInvocation {
        entry: Entry(open.entry),
        callback: Callback::from_number(open.kind),
        context: ContextId(open.context),
        root: ContextId(open.root),
        args: open.args,
        call: CallId(open.call),
        since: Micros(open.since_micros),
        last_log: String::from_utf8_lossy(&open.last_log).into_owned(),
    }
}
