//! The collector is killed with SIGKILL in the middle of the scenarios and started again on the same
//! port and store: every request has its timeline, with the findings it is labelled with, no other.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use e2e::{Collector, Finding, Mode, Plugin, Request, Sdk, Stack, soon};

const KILLS: usize = 3;
/// How often each case is played in each life of the collector.
const TIMES: usize = 3;

const CAUSE: &str = "headers-forwarded-before-body-call";
const LOST: &[&str] = &[
    "headers-forwarded-before-body-call lost",
    "late-callback lost",
    "response-while-request-held lost",
];
const RACE: &[&str] = &["headers-forwarded-before-body-call race"];

/// A request and what must be found about it.
struct Case {
    plugin: &'static str,
    path: &'static str,
    status: u16,
    findings: &'static [&'static str],
}

const CASES: [Case; 5] = [
    Case { plugin: "", path: "/early-400?callee=after-300", status: 400, findings: LOST },
    Case {
        plugin: "",
        path: "/early-200?callee=after-600,status-403",
        status: 200,
        findings: LOST,
    },
    Case { plugin: "", path: "/patient?callee=after-200", status: 200, findings: RACE },
    Case { plugin: "-fixed", path: "/early-200?callee=after-100", status: 200, findings: &[] },
    Case { plugin: "-fixed", path: "/patient?callee=status-403", status: 403, findings: &[] },
];

#[test]
fn killed_in_the_middle_it_still_tells_every_request() {
    let mut stack = Stack::builder();
    for (sdk, name) in [(Sdk::Rust, "rust"), (Sdk::Go, "go")] {
        stack = stack
            .plugin(name, Plugin::new(sdk, Mode::Body).traced())
            .plugin(&format!("{name}-fixed"), Plugin::new(sdk, Mode::Fixed).traced());
    }
    let mut stack = stack.start().unwrap_or_else(|error| panic!("{error:#}"));
    let mut collector = stack.take_collector();
    let (stack, answered) = (&stack, &AtomicUsize::new(0));
    let ids: Vec<_> = std::thread::scope(|scope| {
        let played = ["rust", "go"].map(|name| scope.spawn(move || play(stack, name, answered)));
        let all = 2 * (KILLS + 1) * TIMES * CASES.len();
        for kill in 1..=KILLS {
            // Requests are on their way: the next ones are sent while it is dead or starts.
            soon("its share of the requests is answered", || {
                (answered.load(Ordering::Relaxed) >= kill * all / (KILLS + 1)).then_some(())
            });
            collector.kill_and_restart().unwrap_or_else(|error| panic!("{error:#}"));
        }
        played.into_iter().flat_map(|player| player.join().expect("all are answered")).collect()
    });
    assert_eq!(ids.len(), 2 * (KILLS + 1) * TIMES * CASES.len());
    for (case, request_id) in &ids {
        check(&collector, case, request_id);
    }
}

/// Plays all cases through the plugins of one SDK; answers the ids of the requests.
fn play(stack: &Stack, name: &str, answered: &AtomicUsize) -> Vec<(&'static Case, String)> {
    let mut ids = Vec::new();
    for _ in 0..(KILLS + 1) * TIMES {
        for case in &CASES {
            let plugin = format!("{name}{}", case.plugin);
            let answer = stack.send(&plugin, &Request::post(case.path, "some text"));
            assert_eq!(answer.status, case.status, "{plugin} {}", case.path);
            answered.fetch_add(1, Ordering::Relaxed);
            ids.push((case, answer.request_id));
        }
    }
    ids
}

fn check(collector: &Collector, case: &Case, request_id: &str) {
    let timeline = collector.closed_timeline(request_id);
    let all = collector.timelines(request_id).unwrap_or_else(|error| panic!("{error:#}"));
    assert_eq!(all.len(), 1, "one timeline of {request_id}");
    assert_eq!(timeline["gaps"].as_array().map(Vec::len), Some(0), "{timeline:#}");
    let findings = Finding::all(&timeline);
    let found: BTreeSet<_> =
        findings.iter().map(|found| format!("{} {}", found.code, found.severity)).collect();
    let wanted: BTreeSet<_> = case.findings.iter().map(|label| (*label).to_owned()).collect();
    // What else is told supports the cause, and is no finding of its own.
    let is_cause = |found: &&Finding| found.is_cause;
    let causes: Vec<_> = findings.iter().filter(is_cause).map(|found| &*found.code).collect();
    let causes_wanted: &[&str] = if case.findings.is_empty() { &[] } else { &[CAUSE] };
    assert_eq!(causes, causes_wanted, "{} {}: {timeline:#}", case.plugin, case.path);
    assert_eq!(found, wanted, "{} {}: {timeline:#}", case.plugin, case.path);
}
