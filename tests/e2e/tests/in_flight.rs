//! What hangs is told while it hangs, and confirmed or withdrawn at its end: how soon the API lists it after
//! its predicate holds, at every phase of the recorder's tick. The figures are printed.

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use e2e::{Finding, Mode, Plugin, Request, Sdk, Stack};
use serde_json::Value;

static STACK: LazyLock<Stack> = LazyLock::new(|| {
    let of = |mode| Plugin::new(Sdk::Rust, mode).traced();
    let misuse = || Plugin::misuse().traced().in_its_own_vm();
    let stack = Stack::builder()
        .plugin("waits", of(Mode::Fixed).timeout_millis(300_000).in_its_own_vm())
        .plugin("forgets", of(Mode::Forget).in_its_own_vm())
        .plugin("misuse", misuse())
        .plugin("stops-all", misuse().without_headers_stop_iteration())
        .start()
        .unwrap_or_else(|error| panic!("{error:#}"));
    // The worker takes its first request when it has made all its VMs.
    for plugin in ["waits", "forgets", "misuse", "stops-all"] {
        let first = Request::get("/patient").patience(Duration::from_secs(120));
        assert_eq!(stack.send(plugin, &first).status, 200, "{plugin}");
    }
    stack
});

/// One request that hangs.
struct Hang {
    code: &'static str,
    plugin: &'static str,
    request: Request,
    /// From the request to the moment from which on it can be said.
    holds_after: Duration,
}

/// Ships come a second apart, so a predicate that holds is told so long after it at the latest, on a machine
/// that has nothing else to do.
const PERIOD: Duration = Duration::from_millis(1000);
/// What a request, a shipment, a commit and an answer take there beside, as promised.
const ON_ITS_WAY: Duration = Duration::from_millis(200);
/// So much longer all that may take where others use the machine.
const LOADED: Duration = Duration::from_secs(3);
/// Requests of each kind, begun at different moments of the period.
const SAMPLES: u32 = 5;

fn post(query: &str) -> Request {
    Request::post(format!("/patient?{query}"), "some text")
}

/// Times from the predicate to the listed finding, shortest first; each request hangs meanwhile, and at its
/// end its findings are those.
fn measure(hang: &Hang, at_the_end: &[(&str, &str)]) -> Vec<Duration> {
    // Started before the first clock is read.
    let stack = &*STACK;
    let mut delays: Vec<Duration> = std::thread::scope(|scope| {
        let sent: Vec<_> = (0..SAMPLES)
            .map(|at| {
                scope.spawn(move || {
                    std::thread::sleep(PERIOD / SAMPLES * at);
                    (Instant::now(), stack.send(hang.plugin, &hang.request))
                })
            })
            .collect();
        let listed = listed_first(hang);
        let delay = |(begun, answer): (Instant, e2e::Answer)| {
            let timeline = stack.collector().closed_timeline(&answer.request_id);
            assert_eq!(Finding::told(&timeline), at_the_end, "{timeline:#}");
            let first = listed.get(timeline["id"].as_str().unwrap_or_default());
            let delay = first.expect("it was listed").duration_since(begun);
            assert!(delay < answer.took, "{}: listed when the request hung no more", hang.code);
            delay.saturating_sub(hang.holds_after)
        };
        sent.into_iter().map(|sent| delay(sent.join().expect("the client ends"))).collect()
    });
    delays.sort_unstable();
    let millis: Vec<u128> = delays.iter().map(Duration::as_millis).collect();
    println!("{}: listed {millis:?} ms after it could be said", hang.code);
    delays
}

/// When each timeline of these requests was first listed with it, while it was open.
fn listed_first(hang: &Hang) -> BTreeMap<String, Instant> {
    let mut first = BTreeMap::new();
    let all = e2e::until(hang.code, Duration::from_secs(20), || {
        let listed = STACK.collector().json("/api/v1/findings?since_ms=0")?;
        let now = Instant::now();
        let findings = listed["findings"].as_array().cloned().unwrap_or_default();
        let is_it = |f: &&Value| f["code"] == hang.code && f["plugin"] == hang.plugin;
        for finding in findings.iter().filter(is_it).filter(|f| f["state"] == "open") {
            let id = finding["timeline"].as_str().unwrap_or_default().to_owned();
            first.entry(id).or_insert(now);
        }
        Ok((first.len() == SAMPLES as usize).then_some(()))
    });
    all.unwrap_or_else(|error| panic!("{error:#}\n{}", STACK.collector().log()));
    first
}

/// In time, most of them as on a machine of its own, and all of them on a loaded one.
fn is_in_time(code: &str, delays: &[Duration]) {
    let (Some(median), Some(longest)) = (delays.get(delays.len() / 2), delays.last()) else {
        panic!("{code}: nothing was measured")
    };
    assert!(*median <= PERIOD + ON_ITS_WAY, "{code}: {delays:?}");
    assert!(*longest <= PERIOD + ON_ITS_WAY + LOADED, "{code}: {delays:?}");
}

#[test]
fn a_wait_for_a_call_is_told_while_it_lasts_and_withdrawn_with_the_answer() {
    let hang = Hang {
        code: "waiting-on-call",
        plugin: "waits",
        request: post("callee=after-6000"),
        holds_after: Duration::from_secs(1),
    };
    is_in_time(hang.code, &measure(&hang, &[]));
}

#[test]
fn a_callback_that_forgets_to_resume_is_told_while_the_request_hangs() {
    let hang = Hang {
        code: "callback-ran-no-resume",
        plugin: "forgets",
        request: post("callee=after-10").patience(Duration::from_secs(6)),
        holds_after: Duration::from_millis(110),
    };
    let found =
        [("callback-ran-no-resume", "hung"), ("headers-forwarded-before-body-call", "race")];
    is_in_time(hang.code, &measure(&hang, &found));
}

#[test]
fn a_body_that_is_held_back_is_told_while_the_request_hangs() {
    let hang = Hang {
        code: "header-pause-starves-body",
        plugin: "stops-all",
        request: post("misuse=wait-for-body").patience(Duration::from_secs(6)),
        holds_after: Duration::from_secs(1),
    };
    is_in_time(hang.code, &measure(&hang, &[("header-pause-starves-body", "hung")]));
}

#[test]
fn a_stop_that_nobody_ends_is_told_while_the_request_hangs() {
    let hang = Hang {
        code: "paused-without-pending-call",
        plugin: "misuse",
        request: post("misuse=stop-at-end").patience(Duration::from_secs(6)),
        holds_after: Duration::from_secs(1),
    };
    is_in_time(hang.code, &measure(&hang, &[("paused-without-pending-call", "hung")]));
}
