//! The domain's words out, onto the wire: for what was read from Envoy's own trace log and is sent to a
//! collector as a recorder would send it.

use abi::{AbiVersion, Host};
use prost::Message;
use proto::v1;
use proto::v1::PropertyName;
use proto::v1::property::Value;
use timeline::delivery::{Clock, Delivery, Lost, Module, OpenInvocation, Root, StreamInfo};
use timeline::event::Event;

use super::{LOST, WIRE_MINOR};

/// A batch that [`super::decode`] reads as this delivery. An event without a context stands before those
/// with one: the wire has no word for going back to none.
pub fn encode(delivery: &Delivery) -> Vec<u8> {
    let first = delivery.events.first();
    let batch = v1::Batch {
        instance: delivery.instance.0.to_vec(),
        wire_minor: WIRE_MINOR + u32::from(delivery.newer),
        node: delivery.node.clone(),
        module: Some(module(&delivery.module)),
        clock: Some(clock(delivery.clock)),
        first_sequence: delivery.first_sequence.0,
        first_entry: first.map_or(0, |event| event.entry.0),
        first_at_micros: first.map_or(0, |event| event.at.0),
        roots: delivery.roots.iter().map(root).collect(),
        events: events(&delivery.events),
        streams: delivery.streams.iter().map(stream).collect(),
        lost: delivery.lost.iter().map(lost).collect(),
        counters: (delivery.memory_pages > 0).then(|| v1::Counters {
            memory_pages: delivery.memory_pages,
            ..v1::Counters::default()
        }),
        open: delivery.open.iter().map(open).collect(),
        known_until_micros: delivery.known_until.0,
        r#final: delivery.is_final,
        ..v1::Batch::default()
    };
    batch.encode_to_vec()
}

fn events(events: &[Event]) -> Vec<v1::Event> {
    let mut before: Option<&Event> = None;
    let mut written = Vec::with_capacity(events.len());
    for event in events {
        let (entry, at) = before.map_or((event.entry.0, event.at.0), |before| {
            (before.entry.0.wrapping_add(1), before.at.0)
        });
        written.push(v1::Event {
            kind: event.kind.number(),
            context: event.context.0,
            entry_step: event.entry.0.wrapping_sub(entry).cast_signed(),
            at_step_micros: event.at.0.wrapping_sub(at).cast_signed(),
            took_micros: event.took.0,
            args: event.args.clone(),
            result: event.result,
            call: event.call.0,
            text: event.text.clone(),
            marks: event.marks.0,
        });
        before = Some(event);
    }
    written
}

fn clock(clock: Clock) -> v1::Clock {
    v1::Clock {
        wall_nanos: clock.wall_nanos,
        monotonic_micros: clock.monotonic.0,
        wall_only: clock.wall_only,
    }
}

fn module(module: &Module) -> v1::Module {
    v1::Module {
        tracer_version: module.tracer_version.clone(),
        abi: module.abi.map_or("", AbiVersion::name).to_owned(),
        sdk: module.sdk.clone(),
        host: module.host.map_or("", Host::name).to_owned(),
        original_sha256: Vec::new(),
        callbacks: module.callbacks,
        hostcalls: module.hostcalls.iter().map(|hostcall| hostcall.number()).collect(),
    }
}

fn root(root: &Root) -> v1::Root {
    v1::Root {
        context: root.context.0,
        plugin: root.plugin.clone(),
        root_id: root.root_id.clone(),
        vm_id: root.vm_id.clone(),
        configuration_hash: root.configuration_hash,
        since_micros: root.since.0,
        ended: root.ended,
        streams: root.streams,
        ..v1::Root::default()
    }
}

fn stream(info: &StreamInfo) -> v1::Stream {
    let numbers = [
        (PropertyName::ResponseCode, info.response_code.map(u64::from)),
        (PropertyName::ResponseFlags, info.response_flags),
        (PropertyName::RequestDuration, info.duration_nanos),
    ];
    let texts = [
        (PropertyName::ResponseCodeDetails, &info.response_code_details),
        (PropertyName::UpstreamAddress, &info.upstream_address),
        (PropertyName::UpstreamTransportFailureReason, &info.upstream_transport_failure_reason),
        (PropertyName::ConnectionTerminationDetails, &info.connection_termination_details),
    ];
    let numbers = numbers.into_iter().filter_map(|(name, n)| Some((name, Value::Number(n?))));
    let texts = texts
        .into_iter()
        .filter_map(|(name, text)| Some((name, Value::Text(text.as_ref()?.clone().into_bytes()))));
    let property = |(name, value)| v1::Property { name: name as i32, value: Some(value) };
    v1::Stream {
        context: info.context.0,
        request_id: info.request_id.clone(),
        traceparent: info.traceparent.clone(),
        method: info.method.clone(),
        path: info.path.clone(),
        authority: info.authority.clone(),
        protocol: info.protocol.clone(),
        properties: numbers.chain(texts).map(property).collect(),
        headers: info
            .more
            .iter()
            .map(|(name, value)| v1::Header {
                name: name.clone(),
                value: value.clone().into_bytes(),
            })
            .collect(),
        root: info.root.0,
        headers_too_large: info.headers_too_large,
    }
}

fn lost(lost: &Lost) -> v1::Lost {
    let named = LOST.iter().find(|(_, words)| *words == lost.reason);
    v1::Lost {
        from_sequence: lost.from.0,
        to_sequence: lost.to.0,
        reason: named.map_or(v1::LostReason::Unknown, |(reason, _)| *reason) as i32,
        contexts: lost.contexts.iter().map(|context| context.0).collect(),
    }
}

fn open(open: &OpenInvocation) -> v1::Open {
    v1::Open {
        entry: open.entry.0,
        kind: open.callback.map_or(0, abi::Callback::number),
        context: open.context.0,
        call: open.call.0,
        since_micros: open.since.0,
        last_log: open.last_log.clone().into_bytes(),
        root: open.root.0,
        args: open.args.clone(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use abi::{Callback, Hostcall, Kind};
    use proptest::collection::vec;
    use proptest::prelude::*;
    use timeline::event::Marks;
    use timeline::ids::{CallId, ContextId, Entry, InstanceId, Micros, Sequence};

    use super::*;
    use crate::config::Limits;
    use crate::decode::decode;

    const LIMITS: Limits = Limits {
        body_bytes: 1 << 20,
        in_flight_bytes: 1 << 20,
        batch_age: Duration::from_secs(3600),
        string_bytes: 4096,
        items: 1 << 16,
        open_timelines: 1,
    };
    /// Later than any clock of a delivery says.
    const NOW: u64 = 2_000_000_000_000_000_000;

    /// Below what a signed number holds.
    fn number() -> impl Strategy<Value = u64> {
        0..=u64::from(u32::MAX) << 20
    }

    prop_compose! {
        fn event()(
            (entry, at, took) in (number(), number(), number()),
            // No context is what the event before has.
            context in 1..=u32::MAX,
            kind in 0u32..200,
            args in vec(any::<u32>(), 0..16),
            (result, call, marks) in any::<(u32, u32, u32)>(),
            text in vec(any::<u8>(), 0..40),
        ) -> Event {
            Event {
                sequence: Sequence(0),
                entry: Entry(entry),
                at: Micros(at),
                context: ContextId(context),
                kind: Kind::from_number(kind),
                took: Micros(took),
                args,
                result,
                call: CallId(call),
                text,
                marks: Marks(marks),
            }
        }
    }

    prop_compose! {
        fn module()(
            tracer_version in "[a-z0-9.]{0,9}",
            abi in prop_oneof![Just(None), Just(AbiVersion::from_name("0.2.1"))],
            host in prop_oneof![Just(None), Just(Host::from_name("higress"))],
            sdk in "[a-z]{0,9}",
            callbacks: u64,
            numbers in vec(0u32..200, 0..5),
        ) -> Module {
            let hostcalls = numbers.into_iter().filter_map(Hostcall::from_number).collect();
            Module { tracer_version, abi, host, sdk, callbacks, hostcalls }
        }
    }

    prop_compose! {
        fn root()(
            (context, configuration_hash, since, streams) in any::<(u32, u64, u64, u64)>(),
            (plugin, root_id, vm_id) in (".{0,9}", ".{0,9}", ".{0,9}"),
            ended: bool,
        ) -> Root {
            let (context, since) = (ContextId(context), Micros(since));
            Root { context, plugin, root_id, vm_id, configuration_hash, since, ended, streams }
        }
    }

    prop_compose! {
        fn stream()(
            (context, root, headers_too_large) in any::<(u32, u32, bool)>(),
            (request_id, traceparent, method) in (".{0,9}", ".{0,9}", ".{0,9}"),
            (path, authority, protocol) in (".{0,9}", ".{0,9}", ".{0,9}"),
            (response_code, response_flags, duration_nanos) in any::<(Option<u32>, Option<u64>, Option<u64>)>(),
            (response_code_details, upstream_address) in any::<(Option<String>, Option<String>)>(),
            (connection_termination_details, upstream_transport_failure_reason) in any::<(Option<String>, Option<String>)>(),
            more in vec((".{0,9}", ".{0,9}"), 0..3),
        ) -> StreamInfo {
            StreamInfo {
                context: ContextId(context),
                root: ContextId(root),
                request_id,
                traceparent,
                method,
                path,
                authority,
                protocol,
                response_code,
                response_flags,
                response_code_details,
                upstream_address,
                connection_termination_details,
                upstream_transport_failure_reason,
                duration_nanos,
                more,
                headers_too_large,
            }
        }
    }

    prop_compose! {
        fn lost()(
            from: u32, more: u32, reason in 0..LOST.len(), contexts in vec(any::<u32>(), 0..3),
        ) -> Lost {
            Lost {
                from: Sequence(from.into()),
                to: Sequence(u64::from(from) + u64::from(more)),
                reason: LOST[reason].1.to_owned(),
                contexts: contexts.into_iter().map(ContextId).collect(),
            }
        }
    }

    prop_compose! {
        fn open()(
            (entry, since) in any::<(u64, u64)>(),
            callback in 0u32..40,
            (context, root, call) in any::<(u32, u32, u32)>(),
            args in vec(any::<u32>(), 0..16),
            last_log in ".{0,40}",
        ) -> OpenInvocation {
            OpenInvocation {
                entry: Entry(entry),
                callback: Callback::from_number(callback),
                context: ContextId(context),
                root: ContextId(root),
                args,
                call: CallId(call),
                since: Micros(since),
                last_log,
            }
        }
    }

    prop_compose! {
        fn delivery()(
            instance: [u8; 16],
            module in module(),
            node in ".{0,9}",
            (wall_nanos, monotonic, wall_only) in (NOW - 1_000_000_000..NOW, any::<u64>(), any::<bool>()),
            first in number(),
            mut events in vec(event(), 0..6),
            roots in vec(root(), 0..3),
            streams in vec(stream(), 0..3),
            memory_pages: u32,
            lost in vec(lost(), 0..3),
            open in vec(open(), 0..3),
            (known_until, is_final, newer) in any::<(u64, bool, bool)>(),
        ) -> Delivery {
            for (number, event) in (first..).zip(&mut events) {
                event.sequence = Sequence(number);
            }
            // A number that is not known is one of a newer recorder.
            let newer = newer || events.iter().any(|event| matches!(event.kind, Kind::Unknown(_)));
            Delivery {
                instance: InstanceId(instance),
                module,
                node,
                clock: Clock { wall_nanos, monotonic: Micros(monotonic), wall_only },
                first_sequence: Sequence(first),
                events,
                roots,
                streams,
                memory_pages,
                lost,
                open,
                known_until: Micros(known_until),
                is_final,
                newer,
            }
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(delivery in delivery()) {
            let read = decode(&encode(&delivery), &LIMITS, NOW).map(|decoded| decoded.delivery);
            prop_assert_eq!(read, Ok(delivery));
        }
    }

    #[test]
    fn every_reason_has_words_of_its_own() {
        for (at, (reason, words)) in LOST.iter().enumerate() {
            assert_eq!(*reason as usize, at);
            assert!(LOST[..at].iter().all(|(_, others)| others != words), "{words}");
        }
    }

    #[test]
    fn a_log_may_be_of_any_age_and_a_recorders_batch_may_not() {
        let clock = Clock { wall_nanos: 1, monotonic: Micros(0), wall_only: true };
        let mut delivery = Delivery {
            instance: InstanceId([1; 16]),
            module: Module { tracer_version: Module::OF_A_LOG.to_owned(), ..Module::default() },
            clock,
            first_sequence: Sequence(1),
            ..Delivery::default()
        };
        assert!(decode(&encode(&delivery), &LIMITS, NOW).is_ok());
        delivery.module.tracer_version = "0.1.0".to_owned();
        assert!(decode(&encode(&delivery), &LIMITS, NOW).is_err());
    }
}
