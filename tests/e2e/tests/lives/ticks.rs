//! Several roots of one VM with periods of their own: the traced ones tick as the original ones do.

use std::time::{Duration, Instant};

use e2e::{Door, Lives, Mode, Plugin, Request, Sdk, Settings, Trace, soon};

use crate::told::{nothing_else, told};

/// Envoy's log tells whole milliseconds, and the period is set a moment before that is logged.
const ROUNDING: u64 = 2;

fn plugin() -> Plugin {
    Plugin::new(Sdk::Rust, Mode::Fixed)
}

/// Four roots in one VM; the requests of `-anew` set its period each time.
fn doors(kind: &str, of: impl Fn(Plugin) -> Plugin) -> [Door; 2] {
    let name = |what: &str| format!("{kind}-{what}");
    let ticking = Door::new(&name("door"))
        .plugin(&name("fast"), of(plugin().ticks_every(70)))
        .plugin(&name("slow"), of(plugin().ticks_every(700)))
        .plugin(&name("never"), of(plugin()));
    let anew =
        Door::new(&name("anew")).plugin(&name("anew"), of(plugin().ticks_every(250).ticks_anew()));
    [ticking, anew]
}

/// When a root ticked since its period was last set, and when that was; in the worker's VM.
struct Ticks {
    set: u64,
    at: Vec<u64>,
}

fn ticks(trace: &Trace, worker: u32, root: &str) -> Ticks {
    let set = trace.lines(worker, root, "ticks every ").last().map(|said| said.millis);
    let set = set.unwrap_or_else(|| panic!("{root} never set its period"));
    let at = trace.lines(worker, root, "tick").filter(|said| said.text == "tick");
    Ticks { set, at: at.map(|said| said.millis).filter(|at| *at >= set).collect() }
}

/// No tick comes before its time, counted from when the period was set.
fn never_early(root: &str, ticks: &Ticks, period: u64) {
    for (count, at) in ticks.at.iter().enumerate() {
        let due = ticks.set + (count as u64 + 1) * period;
        assert!(at + ROUNDING >= due, "{root}: tick {count} came at {at}, due {due}");
    }
}

#[test]
fn roots_of_one_vm_tick_by_their_own_periods_as_often_as_without_a_recorder() {
    let all = [doors("original", |plugin| plugin), doors("traced", Plugin::traced)].concat();
    let lives = Lives::start(Settings::default(), &all).expect("Envoy serves");
    let mut sent = Vec::new();
    // Requests that come more often than the period never let it pass.
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(2500) {
        for kind in ["original", "traced"] {
            lives.send(&format!("{kind}-door"), &Request::get("/patient"));
            let answer = lives.send(&format!("{kind}-anew"), &Request::get("/patient"));
            sent.push((kind, answer));
        }
        std::thread::sleep(Duration::from_millis(40));
    }
    let worker = |trace: &Trace| *trace.workers().first().expect("a worker");
    let quiet_since = lives.trace(0);
    let worker_thread = worker(&quiet_since);
    for kind in ["original", "traced"] {
        let root = format!("{kind}-anew-root");
        let set: Vec<_> = quiet_since.lines(worker_thread, &root, "ticks every ").collect();
        let longest = set.windows(2).map(|two| two[1].millis - two[0].millis).max();
        // A machine that was held up for longer gave it time to tick: then that is no measure.
        let all =
            quiet_since.lines(worker_thread, &root, "tick").filter(|said| said.text == "tick");
        let between = all
            .filter(|said| said.millis < set[set.len() - 1].millis && said.millis > set[1].millis);
        if longest.is_some_and(|longest| longest < 250) {
            assert_eq!(
                between.count(),
                0,
                "{root} ticked while its period was set again and again"
            );
        }
    }
    let trace =
        soon("those that tick anew have ticked at last, the slow ones often enough", || {
            let trace = lives.trace(0);
            let enough = ["original", "traced"].iter().all(|kind| {
                let count = |what: &str| {
                    ticks(&trace, worker_thread, &format!("{kind}-{what}-root")).at.len()
                };
                count("anew") >= 6 && count("slow") >= 6
            });
            enough.then_some(trace)
        });
    for (what, period) in [("fast", 70), ("slow", 700), ("anew", 250)] {
        let of = |kind: &str| ticks(&trace, worker_thread, &format!("{kind}-{what}-root"));
        let (original, traced) = (of("original"), of("traced"));
        never_early(&format!("original-{what}"), &original, period);
        never_early(&format!("traced-{what}"), &traced, period);
        // The original starts each period when the tick ends and so drifts; the recorder does not.
        let until = original.at.last().copied().unwrap_or_default();
        let count = traced.at.iter().filter(|at| **at <= until).count();
        let least = original.at.len() - 1;
        let most = usize::try_from((until - traced.set) / period).expect("few") + 1;
        assert!((least..=most).contains(&count), "{what}: {count} of {least}..={most}");
    }
    for kind in ["original", "traced"] {
        let root = format!("{kind}-never-root");
        assert_eq!(trace.lines(worker_thread, &root, "tick").count(), 0, "{root}");
    }
    for (_, answer) in sent.iter().filter(|(kind, _)| *kind == "traced") {
        told(&lives, answer, &["traced-anew"]);
    }
    let requests = sent.len() / 2;
    nothing_else(&lives, requests * 4);
}
