//! Timelines of every kind, to be written and read back: generated ones with hostile texts, all examples
//! of the diagnoses, all that were recorded on real hosts.

use std::path::Path;

use proptest::prelude::*;
use timeline::delivery::MemorySample;
use timeline::diagnose::Instant;
use timeline::event::{Event, Marks, without_last_zeros};
use timeline::ids::{CallId, ContextId, Entry, InstanceId, Micros, Sequence, TimelineId};
use timeline::timeline::{Gap, Reason, Silence, State, Timeline, Unreached};

/// Each with a name for the text of a failure.
pub fn corpus() -> Vec<(String, Timeline)> {
    let read = |name: String, script: &str| {
        let timeline = timeline::script::parse(script).unwrap_or_else(|e| panic!("{name}: {e}"));
        (name, timeline)
    };
    let mut all = Vec::new();
    for diagnosis in timeline::registry::DIAGNOSES {
        all.push(read(diagnosis.code.to_owned(), diagnosis.example));
        for miss in diagnosis.near_misses {
            all.push(read(format!("{}: {}", diagnosis.code, miss.because), miss.script));
        }
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../timeline/tests/recorded");
    for file in std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())) {
        let path = file.expect("a file").path();
        let script = std::fs::read_to_string(&path).expect("a text");
        all.push(read(path.display().to_string(), &script));
    }
    assert!(all.len() > 100, "only {} timelines", all.len());
    all
}

fn any_event() -> impl Strategy<Value = Event> {
    let kind = prop_oneof![4 => 1u32..=31, 4 => 64u32..=112, 1 => 160u32..=165, 1 => 200u32..260];
    let numbers = (any::<u64>(), any::<u64>(), any::<u64>(), any::<u64>());
    let args = prop::collection::vec(prop_oneof![Just(0u32), Just(1), any::<u32>()], 0..8);
    let words = (any::<u32>(), prop_oneof![0u32..15, any::<u32>()], any::<u32>(), any::<u32>());
    let text = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..12),
        any::<String>().prop_map(String::into_bytes)
    ];
    (kind, numbers, args, words, text).prop_map(|(kind, numbers, args, words, text)| Event {
        sequence: Sequence(numbers.0),
        entry: Entry(numbers.1),
        at: Micros(numbers.2 / 4),
        took: Micros(numbers.3 / 4),
        context: ContextId(words.0),
        kind: abi::Kind::from_number(kind),
        args: without_last_zeros(args),
        result: words.1,
        call: CallId(words.2),
        text,
        marks: Marks(words.3),
    })
}

pub fn any_timeline() -> impl Strategy<Value = Timeline> {
    let events = prop::collection::vec(any_event(), 0..8);
    let gaps = prop::collection::vec((any::<u64>(), any::<u64>(), any::<String>()), 0..3);
    let ids = (any::<[u8; 16]>(), any::<u32>(), any::<u32>(), any::<u32>());
    let texts = prop::collection::vec(any::<String>(), 20);
    let numbers = prop::collection::vec(prop::option::of(any::<u32>()), 20);
    (events, gaps, ids, texts, numbers).prop_map(|(mut events, gaps, ids, texts, numbers)| {
        events.sort_by_key(Event::order);
        let mut t = Timeline::new(InstanceId(ids.0), ContextId(ids.1), ids.2);
        t.revision = ids.3;
        t.events = events;
        t.gaps = gaps
            .into_iter()
            .map(|(from, to, reason)| Gap { from: Sequence(from), to: Sequence(to), reason })
            .collect();
        if let Some(n) = numbers[0] {
            t.state = State::Closed(Reason::ALL[n as usize % Reason::ALL.len()]);
        }
        t.unreached = numbers[3]
            .map(|n| Unreached { plugin: texts[18].clone(), timeline: TimelineId([n as u8; 16]) })
            .into_iter()
            .collect();
        let sample = |n: u32| MemorySample { at: Micros(n.into()), pages: n, streams: n.into() };
        t.memory = numbers[4..7].iter().flatten().copied().map(sample).collect();
        t.silence = numbers[17].map(|open| Silence { since: Micros(7), open });
        t.known_until = Micros(numbers[1].unwrap_or(7).into());
        t.node = texts[0].as_str().into();
        let root = std::sync::Arc::make_mut(&mut t.root);
        root.context = ContextId(numbers[2].unwrap_or(1));
        (root.plugin, root.root_id, root.vm_id) =
            (texts[1].clone(), texts[2].clone(), texts[3].clone());
        root.configuration_hash = numbers[3].unwrap_or(0).into();
        root.since = Micros(numbers[4].unwrap_or(0).into());
        root.ended = numbers[5].is_some();
        let module = std::sync::Arc::make_mut(&mut t.module);
        (module.tracer_version, module.sdk) = (texts[4].clone(), texts[5].clone());
        module.abi = numbers[6].map(|n| abi::AbiVersion::ALL[n as usize % 4]);
        module.host = numbers[7].map(|n| [abi::Host::Envoy, abi::Host::Higress][n as usize % 2]);
        module.callbacks = numbers[8].unwrap_or(0).into();
        module.hostcalls =
            numbers[9].map_or(Vec::new(), |n| abi::Hostcall::ALL[..n as usize % 9].to_vec());
        t.dialect = abi::Dialect::from_tables(module.host, module.abi);
        if numbers[10].is_some() {
            t.dialect = t.dialect.calibrate(abi::HeadersStop::All);
        }
        t.clock.wall_nanos = numbers[11].unwrap_or(0).into();
        t.clock.monotonic = Micros(numbers[12].unwrap_or(0).into());
        t.clock.wall_only = numbers[13].is_some();
        t.stream.context = numbers[14].map_or(t.context, ContextId);
        t.stream.root = numbers[15].map_or(t.root.context, ContextId);
        let s = &mut t.stream;
        (s.request_id, s.method, s.path) = (texts[6].clone(), texts[7].clone(), texts[8].clone());
        (s.authority, s.protocol) = (texts[9].clone(), texts[10].clone());
        s.traceparent = texts[11].clone();
        s.response_code = numbers[16];
        s.response_flags = numbers[17].map(u64::from);
        s.duration_nanos = numbers[18].map(u64::from);
        s.response_code_details = numbers[16].map(|_| texts[12].clone());
        s.upstream_address = numbers[17].map(|_| texts[13].clone());
        s.connection_termination_details = numbers[18].map(|_| texts[14].clone());
        s.upstream_transport_failure_reason = numbers[19].map(|_| texts[15].clone());
        s.headers_too_large = numbers[19].is_some();
        if numbers[18].is_some() {
            s.more = vec![(texts[16].clone(), texts[17].clone())];
        }
        t.id = TimelineId::of(t.instance, t.context, t.generation);
        t.assess(Instant::at(t.known_until));
        t
    })
}
