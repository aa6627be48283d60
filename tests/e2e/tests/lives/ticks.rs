//! Several roots of one VM with periods of their own: the traced ones tick as the original ones do.

use std::time::{Duration, Instant};

use e2e::{Answer, Door, Lives, Mode, Plugin, Request, Sdk, Settings, Trace, soon};

use crate::told::{nothing_else, told};

/// Envoy's log tells whole milliseconds.
const ROUNDING: u64 = 2;
/// Period of those whose requests set it again.
const ANEW: u64 = 250;
/// What a plugin logs then.
const SET: &str = "ticks every ";

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

/// When a root ticked since its period was last set, and when that was at the earliest: when the callback
/// was entered in which it was set. In the VM of one thread.
struct Ticks {
    set: u64,
    at: Vec<u64>,
}

impl Ticks {
    fn of(trace: &Trace, thread: u32, root: &str) -> Self {
        let said = trace.lines(thread, root, SET).last().map(|said| said.millis);
        let said = said.unwrap_or_else(|| panic!("{root} never set its period on thread {thread}"));
        let set = entered(trace, thread, said);
        let at = ticks(trace, thread, root).into_iter().filter(|at| *at > said).collect();
        Self { set, at }
    }

    /// No tick came before its time, counted from when the period was set. Envoy's own may: it counts from
    /// the beginning of the turn of its loop in which it was set.
    fn never_early(&self, root: &str, period: u64) {
        for (count, at) in self.at.iter().enumerate() {
            let due = self.set + (count as u64 + 1) * period;
            assert!(at + ROUNDING >= due, "{root}: tick {count} came at {at}, due {due}");
        }
    }
}

/// When the callback was entered in which something was said; the line itself may come late.
fn entered(trace: &Trace, thread: u32, said: u64) -> u64 {
    let entry = trace.entries.iter().rfind(|entry| {
        let sets = ["configure", "request_headers"].contains(&&*entry.callback);
        sets && entry.thread == thread && entry.millis <= said
    });
    entry.expect("a callback in which it was said").millis
}

fn ticks(trace: &Trace, thread: u32, root: &str) -> Vec<u64> {
    let lines = trace.lines(thread, root, "tick").filter(|said| said.text == "tick");
    lines.map(|said| said.millis).collect()
}

/// Sends requests more often than the period that they set; answers those through the traced plugins.
fn set_anew_again_and_again(lives: &Lives) -> Vec<Answer> {
    let mut traced = Vec::new();
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(2000) {
        lives.send("original-anew", &Request::get("/patient"));
        traced.push(lives.send("traced-anew", &Request::get("/patient")));
        std::thread::sleep(Duration::from_millis(50));
    }
    traced
}

/// While its period was set again and again it could not tick.
fn never_between(trace: &Trace, thread: u32, root: &str) {
    let set: Vec<_> = trace.lines(thread, root, SET).map(|said| said.millis).collect();
    for two in set.windows(2) {
        // A machine that was held up for so long gave it time to tick.
        let due = entered(trace, thread, two[0]) + ANEW;
        let ticked = ticks(trace, thread, root).into_iter();
        let early = ticked.filter(|at| (two[0] + 1..two[1]).contains(at) && at + ROUNDING < due);
        assert_eq!(early.count(), 0, "{root} between {two:?}");
    }
}

/// The traced root has ticked as often as the original one. Both are on one thread, so that both were
/// held up alike. The original begins each period when a tick ends, and so drifts; the recorder does not.
fn as_often(trace: &Trace, thread: u32, what: &str, period: u64) {
    let of = |kind: &str| Ticks::of(trace, thread, &format!("{kind}-{what}-root"));
    let (original, traced) = (of("original"), of("traced"));
    traced.never_early(what, period);
    let until = original.at.last().copied().unwrap_or_default();
    let count = traced.at.iter().filter(|at| **at <= until).count();
    let later = traced.set.saturating_sub(original.set).div_ceil(period);
    let least = original.at.len().saturating_sub(1 + usize::try_from(later).expect("few"));
    let most =
        usize::try_from((until + ROUNDING).saturating_sub(traced.set) / period).expect("few");
    assert!((least..=most).contains(&count), "{what}: {count} of {least}..={most}");
}

#[test]
fn roots_of_one_vm_tick_by_their_own_periods_as_often_as_without_a_recorder() {
    let all = [doors("original", |plugin| plugin), doors("traced", Plugin::traced)].concat();
    let lives = Lives::start(Settings::default(), &all).expect("Envoy serves");
    let traced = set_anew_again_and_again(&lives);
    let threads = [lives.main_thread(0), *lives.trace(0).workers().first().expect("a worker")];
    never_between(&lives.trace(0), threads[1], "traced-anew-root");
    let trace = soon("all have ticked for a while", || {
        let trace = lives.trace(0);
        let enough = |thread: u32, kind: &str| {
            let count = |what| Ticks::of(&trace, thread, &format!("{kind}-{what}-root")).at.len();
            count("anew") >= 6 && count("slow") >= 6
        };
        let all = threads.iter().all(|t| enough(*t, "original") && enough(*t, "traced"));
        all.then_some(trace)
    });
    for thread in threads {
        for (what, period) in [("fast", 70), ("slow", 700), ("anew", ANEW)] {
            as_often(&trace, thread, what, period);
        }
        for root in ["original-never-root", "traced-never-root"] {
            assert_eq!(ticks(&trace, thread, root), [0u64; 0], "{root}");
        }
    }
    for answer in &traced {
        told(&lives, answer, &["traced-anew"]);
    }
    nothing_else(&lives, traced.len());
}
