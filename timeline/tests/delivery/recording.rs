//! One recorder's events, cut to batches, and what a collector sees of them.

use std::collections::BTreeMap;

use abi::{Callback, Kind};
use timeline::delivery::{Clock, Delivery, Root, StreamInfo};
use timeline::event::{Event, Marks};
use timeline::finding::Finding;
use timeline::ids::{CallId, ContextId, Entry, InstanceId, Micros, Sequence, TimelineId};
use timeline::{Instance, Timeline, Update, script};

pub const INSTANCE: InstanceId = InstanceId([7; 16]);
/// The root context of every script.
const ROOT: ContextId = ContextId(1);
/// Nothing happens any more, and every timeout has passed.
pub const END: Micros = Micros(400_000_000);

/// One VM's events, in the order of their numbers.
///
/// Every script is a stream of its own: its context, its calls and its start are moved apart.
pub fn record(scripts: &[(&str, u64)]) -> Vec<Event> {
    let mut entries: Vec<(Micros, Vec<Event>)> = Vec::new();
    for (at, (text, start_millis)) in scripts.iter().enumerate() {
        let timeline = script::parse(text).expect("a script");
        let own = timeline.context;
        // A root of its own has its place beyond all streams.
        let is_root = own == ROOT && at > 0;
        let moved = ContextId(own.0 + at as u32 + if is_root { 1_000 } else { 0 });
        // A further stream in a script (one that trapped) would run into another script's own.
        // Nor does the end of one script's root end the others.
        let is_mine = |group: &&[Event]| {
            group[0].context == own || (group[0].context == ROOT && !group[0].is_end())
        };
        for group in timeline.events.chunk_by(|a, b| a.entry == b.entry).filter(is_mine) {
            let group: Vec<Event> = group
                .iter()
                .map(|e| {
                    let mut e = e.clone();
                    e.at = e.at.after(Micros::from_millis(*start_millis));
                    if e.context == own {
                        e.context = moved;
                    }
                    if e.is_switch() {
                        e.args[0] = moved.0;
                    }
                    if e.call != CallId(0) {
                        e.call = CallId(e.call.0 + 400 * at as u32);
                    }
                    e
                })
                .collect();
            entries.push((group[0].at, group));
        }
    }
    numbered(entries)
}

/// One script's events as they are, its root's among them.
pub fn record_whole(text: &str) -> Vec<Event> {
    let timeline = script::parse(text).expect("a script");
    let groups = timeline.events.chunk_by(|a, b| a.entry == b.entry);
    numbered(groups.map(|group| (group[0].at, group.to_vec())).collect())
}

fn numbered(mut entries: Vec<(Micros, Vec<Event>)>) -> Vec<Event> {
    entries.sort_by_key(|(at, _)| *at);
    let mut events = Vec::new();
    for (number, (_, mut group)) in entries.into_iter().enumerate() {
        // Hostcalls are written when they return, before the invocation around them.
        group.rotate_left(1);
        for mut event in group {
            event.entry = Entry(number as u64 + 1);
            event.sequence = Sequence(events.len() as u64 + 1);
            events.push(event);
        }
    }
    events
}

/// The same, where these streams were recorded after all: of what had been kept aside comes `late`, which was
/// before them, after the events up to `until`.
pub fn recorded_after_all(
    text: &str,
    is_kept_aside: impl Fn(&Event) -> bool,
    late: std::ops::Range<usize>,
    until: usize,
) -> Vec<Event> {
    let mut events = record_whole(text);
    for event in events.iter_mut().filter(|e| is_kept_aside(e)) {
        event.marks = event.marks.with(Marks::PROMOTED);
    }
    events[late.start..until].rotate_left(late.len());
    for (event, number) in events.iter_mut().zip(1..) {
        event.sequence = Sequence(number);
    }
    events
}

pub fn batch(events: &[Event], first: u64, known_until: Micros) -> Delivery {
    let streams = events
        .iter()
        .filter(|e| e.kind == Kind::Callback(Callback::RequestHeaders))
        .map(|e| StreamInfo {
            context: e.context,
            root: ContextId(1),
            request_id: format!("r-{}", e.context),
            ..StreamInfo::default()
        })
        .collect();
    Delivery {
        instance: INSTANCE,
        node: "node".to_owned(),
        clock: Clock { monotonic: known_until, ..Clock::default() },
        first_sequence: Sequence(first),
        events: events.to_vec(),
        roots: vec![Root {
            context: ContextId(1),
            plugin: "body-call".to_owned(),
            ..Root::default()
        }],
        streams,
        known_until,
        ..Delivery::default()
    }
}

/// The batches of a recording, cut after these events, and an empty one at the end.
pub fn batches(events: &[Event], cuts: &[usize]) -> Vec<Delivery> {
    let mut cuts: Vec<usize> = cuts.iter().map(|c| c % events.len()).collect();
    cuts.extend([0, events.len()]);
    cuts.sort_unstable();
    cuts.dedup();
    let mut batches: Vec<Delivery> = cuts
        .windows(2)
        .map(|cut| {
            let part = &events[cut[0]..cut[1]];
            // Complete up to the moment at which the first later event happened.
            let complete = events[cut[1]..].iter().map(|e| e.at).min();
            let last = events.iter().map(|e| e.at).max().unwrap_or_default();
            batch(part, cut[0] as u64 + 1, complete.unwrap_or(last))
        })
        .collect();
    batches.push(batch(&[], events.len() as u64 + 1, END));
    batches
}

/// What a collector sees: every update, and the last of each timeline.
#[derive(Default)]
pub struct Seen {
    pub last: BTreeMap<TimelineId, Timeline>,
    pub findings: Vec<(TimelineId, Finding)>,
}

impl Seen {
    pub fn take(&mut self, updates: Vec<Update>) {
        for update in updates {
            let before = self.last.get(&update.id).map_or(0, |t| t.revision);
            assert!(update.revision > before, "revisions count up");
            assert_eq!(
                (update.revision, update.state),
                (update.snapshot.revision, update.snapshot.state)
            );
            let findings = update.snapshot.findings.iter();
            self.findings.extend(findings.map(|f| (update.id, f.clone())));
            self.last.insert(update.id, std::sync::Arc::unwrap_or_clone(update.snapshot));
        }
    }

    pub fn of(deliveries: impl IntoIterator<Item = Delivery>) -> Seen {
        let mut seen = Seen::default();
        let mut instance = Instance::new(INSTANCE);
        let mut arrived = Micros(5_000_000);
        for delivery in deliveries {
            arrived = arrived.after(Micros(1_000));
            seen.take(instance.deliver(delivery, arrived));
        }
        // Longer than any batch waits for those before it, and until everything is idle.
        for seconds in [11, 700, 1_400] {
            seen.take(instance.advance(arrived.after(Micros(seconds * 1_000_000)).after(END)));
        }
        assert_eq!(instance.status().open_timelines, 0);
        seen
    }

    /// All but what a detour may change: revisions, the clock's reading, and what was known of the
    /// VM at the moment of closing.
    pub fn comparable(&self) -> Vec<Timeline> {
        self.last.values().map(plain).collect()
    }
}

pub fn plain(timeline: &Timeline) -> Timeline {
    let mut plain = Timeline {
        revision: 0,
        clock: Clock::default(),
        dialect: abi::Dialect::from_tables(None, None),
        known_until: END,
        ..timeline.clone()
    };
    plain.assess(timeline::Instant::at(END));
    plain
}
