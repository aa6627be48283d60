//! Configurations that are pushed while streams are in flight.

use e2e::{Finding, Lives, Mode, Plugin, Request, Sdk, Settings, soon};

use crate::scene::{door, ended_and_silent, fixed, held_for, meanwhile, push, start, vms};
use crate::told::{instances, listed, nothing_else, root_of, roots, told, worker};

#[test]
fn a_push_adds_a_root_to_the_vm_while_the_old_one_drains_with_a_stream_in_flight() {
    let audit = ("audit", fixed().timeout_millis(4000));
    let lives = start(&[("gate", fixed().ticks_every(300)), audit.clone()]);
    let first = lives.send("door", &Request::get("/patient"));
    let before = told(&lives, &first, &["gate", "audit"]);
    let mut second = None;
    let held = meanwhile(&lives, &held_for(500), || {
        push(&lives, &[("gate", fixed().ticks_every(200)), audit.clone()]);
        second = Some(lives.send("door", &Request::post("/patient?callee=after-10", "text")));
    });
    assert_eq!(held.status, 200);
    let second = told(&lives, &second.expect("sent"), &["gate", "audit"]);
    let held = told(&lives, &held, &["gate", "audit"]);
    let root = |of: &[serde_json::Value]| (root_of(&of[0]), root_of(&of[1]));
    assert_eq!(root(&held), root(&before), "the stream stays on the root that it began on");
    assert_ne!(root(&second).0, root(&before).0, "the new stream is on the new root");
    assert_eq!(root(&second).1, root(&before).1, "what was not changed keeps its root");
    let vm = |of: &[serde_json::Value]| of[0]["instance"].clone();
    assert_eq!((vm(&held), vm(&second)), (vm(&before), vm(&before)), "all in the same VM");

    let (old, new) = (root(&before).0, root(&second).0);
    ended_and_silent(&lives, &[old]);
    soon("the collector has heard of it", || {
        let mut told = roots(&worker(&lives));
        told.sort();
        let expected = [
            (old, "gate".to_owned(), true),
            (root(&before).1, "audit".to_owned(), false),
            (new, "gate".to_owned(), false),
        ];
        (told == expected).then_some(())
    });
    assert_eq!(listed(&instances(&lives)).len(), 2, "the same two VMs");
    let known = || worker(&lives)["known_until_micros"].as_u64();
    let before = known();
    soon("more becomes known", || (known() > before).then_some(()));
    nothing_else(&lives, 6);
}

#[test]
fn a_plugin_that_is_removed_ends_and_when_all_are_their_vms_end() {
    let gate = ("gate", fixed().ticks_every(100));
    let lives = start(&[gate.clone(), ("audit", fixed().ticks_every(150).timeout_millis(4000))]);
    let both = lives.send("door", &Request::get("/patient"));
    told(&lives, &both, &["gate", "audit"]);
    push(&lives, &[gate]);
    let one = lives.send("door", &Request::post("/patient?callee=after-10", "text"));
    told(&lives, &one, &["gate"]);
    ended_and_silent(&lives, &[2]);
    soon("the collector tells that nobody runs it", || {
        let plugins = lives.collector().json("/api/v1/plugins").ok()?;
        let runs = |name: &str| {
            let mut all = listed(&plugins["plugins"]).iter();
            all.find(|plugin| plugin["plugin"] == name)?["instances"].as_u64()
        };
        (runs("audit") == Some(0) && runs("gate") == Some(2)).then_some(())
    });
    push(&lives, &[]);
    let plain = lives.send("door", &Request::get("/patient"));
    assert_eq!(plain.status, 200);
    let trace = soon("the last root has been deleted too", || {
        let trace = lives.trace(0);
        let gone = vms(&lives, &trace).iter().all(|thread| trace.deletion(*thread, 1).is_some());
        gone.then_some(trace)
    });
    for thread in vms(&lives, &trace) {
        let last = trace.entries.iter().rfind(|entry| entry.thread == thread).expect("entries");
        assert_eq!((&*last.callback, &*last.arguments), ("delete", &[1][..]), "thread {thread}");
        assert_eq!(last.periods, [0], "thread {thread}");
    }
    nothing_else(&lives, 3);
}

#[test]
fn a_push_that_the_plugin_refuses_changes_nothing() {
    let lives = start(&[("gate", fixed().ticks_every(100))]);
    let before = lives.send("door", &Request::get("/patient"));
    let before = told(&lives, &before, &["gate"]);
    let refused = Plugin::new(Sdk::Rust, Mode::Nonsense).traced();
    assert!(!lives.push(&[door(&[("gate", refused)])]).expect("Envoy answers"), "refused");
    let after = lives.send("door", &Request::post("/patient?callee=after-10", "text"));
    let after = told(&lives, &after, &["gate"]);
    assert_eq!(root_of(&before[0]), root_of(&after[0]));
    assert_eq!(before[0]["instance"], after[0]["instance"]);
    assert_eq!(listed(&instances(&lives)).len(), 2, "the canary that refused is never heard of");
    assert_eq!(roots(&worker(&lives)), [(1, "gate".to_owned(), false)]);
    nothing_else(&lives, 2);
}

#[test]
fn a_call_that_a_roots_end_cancels_is_not_waited_for_and_its_finding_stands() {
    let body = |timeout| Plugin::new(Sdk::Rust, Mode::Body).traced().timeout_millis(timeout);
    let lives = start(&[("gate", body(60_000).ticks_every(100))]);
    let early = lives.send("door", &Request::post("/early-200?callee=after-20000", "some text"));
    assert_eq!(early.status, 200);
    push(&lives, &[("gate", body(50_000).ticks_every(100))]);
    let after = lives.send("door", &Request::get("/patient"));
    ended_and_silent(&lives, &[1]);
    told(&lives, &after, &["gate"]);
    let closed = lives.collector().closed_timeline(&early.request_id);
    assert_eq!(closed["reason"], "root_ended", "{closed:#}");
    let codes: Vec<_> = Finding::all(&closed).into_iter().map(|found| found.code).collect();
    // The callback never came, so nothing is said of a late one.
    let wanted = ["headers-forwarded-before-body-call", "response-while-request-held"];
    assert_eq!(codes, wanted, "{closed:#}");
    nothing_else(&lives, 2);
}

#[test]
fn an_outage_of_the_collector_across_a_push_leaves_every_timeline_whole() {
    let settings = Settings { drain_seconds: 4, ..Settings::default() };
    let audit = ("audit", fixed().timeout_millis(4000));
    let plugins = [("gate", fixed().ticks_every(100)), audit.clone()];
    let mut lives = Lives::start(settings, &[door(&plugins)]).expect("Envoy serves");
    let before = lives.send("door", &Request::get("/patient"));
    told(&lives, &before, &["gate", "audit"]);
    lives.collector_mut().kill().expect("the collector is killed");
    // Long enough for its events to be in two batches, the first of which is kept meanwhile.
    let held = meanwhile(&lives, &held_for(1500), || {
        push(&lives, &[("gate", fixed().ticks_every(110)), audit.clone()]);
    });
    let after = lives.send("door", &Request::get("/patient"));
    ended_and_silent(&lives, &[1]);
    let collector = lives.collector_mut();
    collector.start_again().expect("the collector starts");
    collector.wait_until_ready().expect("the collector serves");
    for answer in [&held, &after] {
        told(&lives, answer, &["gate", "audit"]);
    }
}
