//! Correlate and diagnose on one core, printed: bytes of an open timeline, events per second with few and
//! with many timelines open. `cargo run --release -p timeline --example speed`. Every request is the twelve
//! events of a plugin with one call; one in a hundred, then every second one, loses it (three findings with
//! all their sentences).

use std::collections::HashMap;
use std::time;

use timeline::delivery::{Clock, Delivery, Root, StreamInfo};
use timeline::event::Event;
use timeline::ids::{CallId, ContextId, Entry, InstanceId, Micros, Sequence};
use timeline::timeline::Update;
use timeline::{Instance, script};

const REQUESTS: u32 = 200_000;
const PER_BATCH: u32 = 64;
const INSTANCE: InstanceId = InstanceId([1; 16]);

const FIXED: &str = r#"
0.000000 #1 create 2 root 1
0.000113 #3 request_headers 2 n=10 end -> pause
0.000120 #2   dispatch http "slow" timeout=5s -> ok call 4
0.002377 #6 http_call_response root 1 call 4 headers=3 body=2 code=200
0.002380 #4   set_effective_context context=2 -> ok
0.002381 #5   continue_stream request -> ok
0.005114 #7 response_headers 2 n=5 -> continue
0.005200 #8 response_body 2 size=10 -> continue
0.005300 #9 response_body 2 end -> continue
0.006020 #10 log 2
0.006031 #11 done 2
0.006040 #12 delete 2
"#;

const LOST: &str = r#"
0.000000 #1 create 2 root 1
0.000113 #2 request_headers 2 n=10 -> continue
0.001800 #3 request_body 2 size=7 -> pause
0.001870 #5 request_body 2 size=14 end -> pause
0.001902 #4   dispatch http "slow" timeout=5s -> ok call 4
0.005114 #6 response_headers 2 n=5 -> continue
0.005200 #7 response_body 2 size=10 -> continue
0.005300 #8 response_body 2 end -> continue
0.006020 #9 log 2
0.006031 #10 done 2
0.006040 #11 delete 2
0.009000 #12 http_call_response root 1 call 4 headers=3 body=2 code=200
"#;

const WAITING: &str = r#"
0.000000 #1 create 2 root 1
0.000113 #3 request_headers 2 n=10 end -> pause
0.000120 #2   dispatch http "outbound|443||authz.example.com" timeout=3600s -> ok call 4
"#;

/// Requests one after another, in batches.
struct Traffic {
    patterns: [Vec<Event>; 2],
    lost_every: u32,
    number: u32,
    sequence: u64,
    at: Micros,
}

impl Traffic {
    fn new(patterns: [&str; 2], lost_every: u32) -> Traffic {
        let patterns = patterns.map(|text| {
            let mut events = script::parse(text).map(|t| t.events).unwrap_or_default();
            events.sort_by_key(|e| e.sequence);
            events
        });
        Traffic { patterns, lost_every, number: 0, sequence: 0, at: Micros(0) }
    }

    /// Goes on after what another one has sent.
    fn after(self, before: &Traffic) -> Traffic {
        let Traffic { number, sequence, at, .. } = *before;
        Traffic { number, sequence, at, ..self }
    }

    fn request(&mut self) -> (StreamInfo, Vec<Event>) {
        let (number, before) = (self.number, self.sequence);
        let pattern = &self.patterns[usize::from(number % self.lost_every == 1)];
        let context = ContextId(2 + number);
        let events = pattern.iter().map(|event| {
            let mut event = event.clone();
            event.sequence = Sequence(before + event.sequence.0);
            event.entry = Entry(before + event.entry.0);
            event.at = event.at.after(self.at);
            if event.context == ContextId(2) {
                event.context = context;
            }
            if matches!(event.kind, abi::Kind::Hostcall(abi::Hostcall::SetEffectiveContext)) {
                event.args = vec![context.0];
            }
            if event.call != CallId(0) {
                event.call = CallId(4 + number * 4);
            }
            event
        });
        let events: Vec<Event> = events.collect();
        self.number += 1;
        self.sequence += events.len() as u64;
        // So that no verdict falls due while events are counted.
        self.at = self.at.after(Micros(2));
        let stream = StreamInfo {
            context,
            root: ContextId(1),
            request_id: format!("7f3c1c7e-5d0b-4a8e-9c55-{number:012x}"),
            traceparent: format!("00-4bf92f3577b34da6a3ce929d{number:08x}-00f067aa0ba902b7-01"),
            method: "GET".to_owned(),
            path: format!("/api/v1/orders/{number}"),
            authority: "shop.example.com".to_owned(),
            protocol: "HTTP/1.1".to_owned(),
            ..StreamInfo::default()
        };
        (stream, events)
    }

    fn batch(&mut self, requests: u32, is_named: bool) -> Delivery {
        let first = self.sequence + 1;
        let (mut streams, mut events) = (Vec::new(), Vec::new());
        for _ in 0..requests {
            let (stream, more) = self.request();
            streams.extend(is_named.then_some(stream));
            events.extend(more);
        }
        let known_until = events.iter().map(|e| e.at).max().unwrap_or(self.at);
        Delivery {
            instance: INSTANCE,
            clock: Clock { wall_nanos: 1, monotonic: known_until, wall_only: false },
            first_sequence: Sequence(first),
            events,
            roots: vec![Root { context: ContextId(1), ..Root::default() }],
            streams,
            known_until,
            ..Delivery::default()
        }
    }
}

fn deliver(instance: &mut Instance, delivery: Delivery) -> Vec<Update> {
    let arrived = delivery.known_until;
    instance.deliver(delivery, arrived)
}

fn main() {
    // First, while nothing that was freed can be used again.
    size();
    for lost_every in [100, 2] {
        speed(lost_every, 0);
    }
    for open in [100, 1_000, 10_000, 100_000] {
        speed(100, open);
    }
}

/// Bytes that a timeline takes while its call is out, with what whoever shows it keeps.
fn size() {
    const OPEN: u32 = 100_000;
    let mut traffic = Traffic::new([WAITING, WAITING], 2);
    let mut instance = Instance::new(INSTANCE);
    let mut shown = HashMap::new();
    let before = resident();
    let mut found = 0;
    for _ in 0..OPEN / 50 {
        let updates = deliver(&mut instance, traffic.batch(50, true));
        shown.extend(updates.into_iter().map(|update| (update.id, update.kept)));
    }
    // Time passes, and each is found to wait.
    let cpu = on_cpu();
    for _ in 0..4_000 {
        traffic.at = traffic.at.after(Micros(500));
        for update in deliver(&mut instance, traffic.batch(0, false)) {
            found += update.snapshot.findings.len();
            shown.insert(update.id, update.kept);
        }
    }
    let took = on_cpu().zip(cpu).map(|(after, before)| (after - before).as_micros());
    let bytes = resident().zip(before).map(|(after, before)| after.saturating_sub(before));
    let each = |sum: Option<u128>| {
        sum.map_or("?".to_owned(), |sum| format!("{:.1}", sum as f64 / f64::from(OPEN)))
    };
    println!(
        "{} open timelines of three events, {found} findings told of {} in {} µs each: {} bytes each, all in",
        instance.status().open_timelines,
        shown.len(),
        each(took),
        each(bytes.map(u128::from)),
    );
}

/// Resident memory in bytes; None where the system does not tell.
fn resident() -> Option<u64> {
    let told = std::fs::read_to_string("/proc/self/statm").ok()?;
    told.split_whitespace().nth(1)?.parse::<u64>().ok().map(|pages| pages * 4_096)
}

/// Whole requests while others are open.
fn speed(lost_every: u32, open: u32) {
    let mut instance = Instance::new(INSTANCE);
    let mut waiting = Traffic::new([WAITING, WAITING], 2);
    while waiting.number < open {
        deliver(&mut instance, waiting.batch(PER_BATCH.min(open - waiting.number), true));
    }
    let mut traffic = Traffic::new([FIXED, LOST], lost_every).after(&waiting);
    let batches = REQUESTS / PER_BATCH;
    let batches: Vec<Delivery> = (0..batches).map(|_| traffic.batch(PER_BATCH, false)).collect();
    let events: usize = batches.iter().map(|delivery| delivery.events.len()).sum();
    let (mut timelines, mut findings) = (0, 0);
    let (begun, cpu) = (time::Instant::now(), on_cpu());
    for delivery in batches {
        for update in deliver(&mut instance, delivery) {
            timelines += 1;
            findings += update.snapshot.findings.len();
        }
    }
    // A busy machine takes the core away: count the time on it where the system tells.
    let took = match (cpu, on_cpu()) {
        (Some(before), Some(after)) => after - before,
        _ => begun.elapsed(),
    };
    println!(
        "one in {lost_every} lost, {open} others open: {:.2} M events/s ({:.0} ns per event; {timelines} timelines, {findings} findings)",
        events as f64 / took.as_secs_f64() / 1e6,
        took.as_nanos() as f64 / events as f64
    );
}

/// Time on the processor so far; None where the system does not tell.
fn on_cpu() -> Option<time::Duration> {
    let told = std::fs::read_to_string("/proc/self/schedstat").ok()?;
    told.split_whitespace().next()?.parse().ok().map(time::Duration::from_nanos)
}
