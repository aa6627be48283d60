//! Correlate and diagnose on one core: events per second, printed. `cargo run --release -p timeline
//! --example speed`. Every request is the twelve events of a plugin with one call; one in a hundred, then
//! every second one, loses it (three findings with all their sentences).

use std::time;

use timeline::delivery::{Clock, Delivery, Module, Root};
use timeline::event::Event;
use timeline::ids::{CallId, ContextId, Entry, InstanceId, Micros, Sequence};
use timeline::{Instance, script};

const REQUESTS: u32 = 200_000;
const REQUESTS_PER_BATCH: usize = 64;

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

fn request(pattern: &[Event], number: u32) -> impl Iterator<Item = Event> + '_ {
    pattern.iter().map(move |event| {
        let mut event = event.clone();
        event.sequence = Sequence(event.sequence.0 + u64::from(number) * 12);
        event.entry = Entry(event.entry.0 + u64::from(number) * 12);
        event.at = Micros(event.at.0 + u64::from(number) * 20);
        if event.context == ContextId(2) {
            event.context = ContextId(2 + number);
        }
        if matches!(event.kind, abi::Kind::Hostcall(abi::Hostcall::SetEffectiveContext)) {
            event.args = vec![2 + number];
        }
        if event.call != CallId(0) {
            event.call = CallId(4 + number * 4);
        }
        event
    })
}

fn batch(numbers: std::ops::Range<u32>, lost_every: u32, patterns: &[Vec<Event>; 2]) -> Delivery {
    let first = u64::from(numbers.start) * 12 + 1;
    let events: Vec<Event> =
        numbers.flat_map(|n| request(&patterns[usize::from(n % lost_every == 1)], n)).collect();
    let known_until = events.iter().map(|e| e.at).max().unwrap_or_default();
    Delivery {
        instance: InstanceId([1; 16]),
        module: Module::default(),
        node: String::new(),
        clock: Clock { wall_nanos: 1, monotonic: known_until, wall_only: false },
        first_sequence: Sequence(first),
        events,
        roots: vec![Root { context: ContextId(1), ..Root::default() }],
        streams: Vec::new(),
        memory_pages: 0,
        lost: Vec::new(),
        open: Vec::new(),
        known_until,
        is_final: false,
        newer: false,
    }
}

fn main() {
    let patterns = [FIXED, LOST].map(|text| {
        let mut events = script::parse(text).map(|t| t.events).unwrap_or_default();
        events.sort_by_key(|e| e.sequence);
        events
    });
    // First, while nothing that was freed can be used again.
    open(&patterns[0]);
    for lost_every in [100, 2] {
        run(lost_every, &patterns);
    }
}

/// Bytes that a timeline takes while its call is out: three events each.
fn open(pattern: &[Event]) {
    const OPEN: u32 = 100_000;
    let mut instance = Instance::new(InstanceId([1; 16]));
    let before = resident();
    for number in 0..OPEN {
        let mut delivery =
            batch(number..number + 1, u32::MAX, &[pattern.to_vec(), pattern.to_vec()]);
        delivery.events.truncate(3);
        for (at, event) in delivery.events.iter_mut().enumerate() {
            event.sequence = Sequence(u64::from(number) * 3 + at as u64 + 1);
        }
        delivery.first_sequence = Sequence(u64::from(number) * 3 + 1);
        let arrived = delivery.known_until;
        instance.deliver(delivery, arrived);
    }
    let bytes = resident().zip(before).map(|(after, before)| after.saturating_sub(before));
    println!(
        "{} open timelines of three events: {} bytes each (an event is {} bytes before its arguments and text, a timeline {})",
        instance.status().open_timelines,
        bytes.map_or("?".to_owned(), |b| (b / u64::from(OPEN)).to_string()),
        size_of::<Event>(),
        size_of::<timeline::Timeline>()
    );
}

/// Resident memory in bytes; None where the system does not tell.
fn resident() -> Option<u64> {
    let told = std::fs::read_to_string("/proc/self/statm").ok()?;
    told.split_whitespace().nth(1)?.parse::<u64>().ok().map(|pages| pages * 4_096)
}

fn run(lost_every: u32, patterns: &[Vec<Event>; 2]) {
    let batches: Vec<Delivery> = (0..REQUESTS)
        .step_by(REQUESTS_PER_BATCH)
        .map(|start| {
            batch(start..(start + REQUESTS_PER_BATCH as u32).min(REQUESTS), lost_every, patterns)
        })
        .collect();
    let mut instance = Instance::new(InstanceId([1; 16]));
    let (mut timelines, mut findings) = (0, 0);
    let (begun, cpu) = (time::Instant::now(), on_cpu());
    for delivery in batches {
        let arrived = delivery.known_until;
        for update in instance.deliver(delivery, arrived) {
            timelines += 1;
            findings += update.snapshot.findings.len();
        }
    }
    // A busy machine takes the core away: count the time on it where the system tells.
    let took = match (cpu, on_cpu()) {
        (Some(before), Some(after)) => after - before,
        _ => begun.elapsed(),
    };
    let events = f64::from(REQUESTS) * 12.0;
    println!(
        "one in {lost_every} lost: {:.2} M events/s ({:.0} ns per event; {timelines} timelines, {findings} findings)",
        events / took.as_secs_f64() / 1e6,
        took.as_nanos() as f64 / events
    );
}

/// Time on the processor so far; None where the system does not tell.
fn on_cpu() -> Option<time::Duration> {
    let told = std::fs::read_to_string("/proc/self/schedstat").ok()?;
    told.split_whitespace().next()?.parse().ok().map(time::Duration::from_nanos)
}
