//! Configurations that are pushed while streams are in flight.

use e2e::{Answer, Door, Lives, Mode, Plugin, Request, Sdk, Settings, Trace, soon};

use crate::told::{instances, listed, nothing_else, root_of, roots, told, worker};

fn fixed() -> Plugin {
    Plugin::new(Sdk::Rust, Mode::Fixed).traced()
}

fn door(plugins: &[(&str, Plugin)]) -> Door {
    let add = |door: Door, (name, plugin): &(&str, Plugin)| door.plugin(name, plugin.clone());
    plugins.iter().fold(Door::new("door"), add)
}

fn start(plugins: &[(&str, Plugin)]) -> Lives {
    Lives::start(Settings::default(), &[door(plugins)]).expect("Envoy serves")
}

fn push(lives: &Lives, plugins: &[(&str, Plugin)]) {
    assert!(lives.push(&[door(plugins)]).expect("Envoy answers"), "Envoy takes the push");
}

/// Sends a request that is held for a while, and does something as soon as its call is out.
fn meanwhile(lives: &Lives, path: &str, doing: impl FnOnce()) -> Answer {
    let before = lives.calls();
    std::thread::scope(|scope| {
        let request = Request::post(path, "some text");
        let held = scope.spawn(move || lives.send("door", &request));
        soon("its call is out", || (lives.calls() > before).then_some(()));
        doing();
        held.join().expect("the client ends")
    })
}

/// Waits until these roots have been deleted in the VMs of the main thread and of the worker, and others
/// have ticked often since; holds no timer of theirs to be left. They are roots of the beginning: only
/// those have the same id in both.
fn ended_and_silent(lives: &Lives, roots: &[u32]) {
    let trace = soon("the roots have been deleted, and others ticked since", || {
        let trace = lives.trace(0);
        let quiet = |thread: &u32| {
            let deleted = roots.iter().map(|root| trace.deletion(*thread, *root));
            let all: Option<Vec<_>> = deleted.collect();
            let last = all.and_then(|all| all.into_iter().max());
            let since = |at| trace.entries.iter().skip(at).filter(|entry| entry.thread == *thread);
            last.is_some_and(|at| since(at).filter(|entry| entry.callback == "tick").count() >= 10)
        };
        vms(lives, &trace).iter().all(quiet).then_some(trace)
    });
    for thread in vms(lives, &trace) {
        for root in roots {
            let at = trace.deletion(thread, *root).expect("just seen");
            assert_eq!(trace.entries[at].periods, [0], "thread {thread}, root {root}");
            assert_eq!(trace.ticks(thread, *root, at), 0, "thread {thread}, root {root} ticks on");
        }
    }
}

/// The main thread and the worker.
fn vms(lives: &Lives, trace: &Trace) -> Vec<u32> {
    std::iter::once(lives.main_thread(0)).chain(trace.workers()).collect()
}

#[test]
fn a_push_adds_a_root_to_the_vm_while_the_old_one_drains_with_a_stream_in_flight() {
    let audit = ("audit", fixed().timeout_millis(4000));
    let lives = start(&[("gate", fixed().ticks_every(300)), audit.clone()]);
    let first = lives.send("door", &Request::get("/patient"));
    let before = told(&lives, &first, &["gate", "audit"]);
    let mut second = None;
    let held = meanwhile(&lives, "/patient?callee=after-900", || {
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

    let (old, new) = (root(&before).0 as u32, root(&second).0 as u32);
    ended_and_silent(&lives, &[old]);
    soon("the collector has heard of it", || {
        let mut told = roots(&worker(&lives));
        told.sort();
        let expected = [
            (u64::from(old), "gate".to_owned(), true),
            (root(&before).1, "audit".to_owned(), false),
            (u64::from(new), "gate".to_owned(), false),
        ];
        (told == expected).then_some(())
    });
    assert_eq!(listed(&instances(&lives)).len(), 2, "the same two VMs");
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
fn of_many_pushes_in_a_row_each_request_is_told_on_the_root_that_served_it() {
    let lives = start(&[("gate", fixed().timeout_millis(4000))]);
    let mut seen = Vec::new();
    // More than a VM had places for: all but the last drain side by side.
    for timeout in 4001..4016 {
        push(&lives, &[("gate", fixed().timeout_millis(timeout))]);
        seen.push(lives.send("door", &Request::post("/patient?callee=after-1", "text")));
    }
    let mut roots_seen = Vec::new();
    let mut vms_seen = std::collections::BTreeSet::new();
    for answer in &seen {
        let timeline = told(&lives, answer, &["gate"]).remove(0);
        roots_seen.push(root_of(&timeline));
        vms_seen.insert(timeline["instance"].to_string());
    }
    assert!(roots_seen.is_sorted_by(|before, after| before < after), "{roots_seen:?}");
    assert_eq!(vms_seen.len(), 1, "all in one VM");
    soon("all but the last have ended", || {
        let alive: Vec<_> = roots(&worker(&lives)).into_iter().filter(|root| !root.2).collect();
        let last = *roots_seen.last()?;
        (alive == [(last, "gate".to_owned(), false)]).then_some(())
    });
    nothing_else(&lives, seen.len());
}
