//! A plugin traps on a real Envoy: in Rust, in Go and in C++, under each failure policy. The client sees
//! what it sees of the original; what was recorded arrives though the VM is gone, with the open callback
//! and the plugin's last words, and the streams that it took with it are told.

use std::sync::{LazyLock, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use e2e::corpus::traps::{CPP, Case, GO, PATIENCE, RUST};
use e2e::{Answer, FailurePolicy, Plugin, Request, Stack, soon, until};
use serde_json::Value;

/// While Envoy makes a new VM of a Go plugin its one worker does nothing else: no other client is to wait.
static WORKER: RwLock<()> = RwLock::new(());

/// One of them with its listeners.
trait Listeners {
    fn listener(&self, policy: FailurePolicy, kind: &str) -> String;
}

impl Listeners for Case {
    fn listener(&self, policy: FailurePolicy, kind: &str) -> String {
        format!("{}-{policy:?}-{kind}", self.name)
    }
}

static STACK: LazyLock<Stack> = LazyLock::new(|| {
    let mut builder = Stack::builder();
    for case in [RUST, GO, CPP] {
        for policy in FailurePolicy::ALL {
            let plugin = || (case.plugin)().in_its_own_vm().fails(policy);
            builder = builder
                .plugin(&case.listener(policy, "original"), plugin())
                .plugin(&case.listener(policy, "traced"), plugin().traced());
        }
    }
    builder = builder.plugin("unwraps", Plugin::misuse().in_its_own_vm().traced());
    for name in ["bounds", "exit"] {
        builder = builder
            .plugin(&format!("{name}-original"), Plugin::cpp().in_its_own_vm())
            .plugin(&format!("{name}-traced"), Plugin::cpp().in_its_own_vm().traced());
    }
    let stack = builder.start().unwrap_or_else(|error| panic!("{error:#}"));
    // The worker takes its first request when it has made all its VMs, the Go ones among them.
    let first = Request::get("/patient").patience(Duration::from_secs(120));
    assert_eq!(stack.send("exit-original", &first).status, 200);
    stack
});

/// What clients saw of a trap.
struct Seen {
    trapped: Answer,
    held: Answer,
    next: Answer,
}

/// One request is held when another one traps; when its client has given up, a third comes.
fn trap(listener: &str, held: Request, traps: &Request, next: &Request) -> Seen {
    std::thread::scope(|scope| {
        let held = scope.spawn(|| STACK.send(listener, &held.patience(PATIENCE)));
        let active = format!("http.{listener}.downstream_rq_active");
        let is_held = until("a request is held", PATIENCE, || {
            Ok((STACK.envoy_stat(&active)? == 1).then_some(()))
        });
        if let Err(error) = is_held {
            panic!("{listener}: {error:#}; it got {:?}", held.join());
        }
        let trapped = STACK.send(listener, &traps.clone().patience(PATIENCE));
        let held = held.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        Seen { trapped, held, next: STACK.send(listener, next) }
    })
}

/// The timelines of a plugin, once there are as many with a finding of that code.
fn found(plugin: &str, code: &str, count: usize) -> Vec<Value> {
    let path = format!("/api/v1/timelines?plugin={plugin}&finding={code}");
    soon(&format!("{count} timelines of {plugin} with {code}"), || {
        let list = STACK.collector().json(&path).ok()?;
        let timelines = list["timelines"].as_array()?.clone();
        (timelines.len() == count).then_some(timelines)
    })
}

/// The instance of a plugin that is as wanted.
fn instance(plugin: &str, limit: Duration, wanted: impl Fn(&Value) -> bool) -> Value {
    let found = until(&format!("an instance of {plugin} is as wanted"), limit, || {
        let all = STACK.collector().json("/api/v1/instances")?;
        let mut all = all["instances"].as_array().cloned().unwrap_or_default().into_iter();
        Ok(all.find(|instance| {
            let plugins = instance["plugins"].as_array().cloned().unwrap_or_default();
            plugins.iter().any(|name| name == plugin) && wanted(instance)
        }))
    });
    found.unwrap_or_else(|error| {
        panic!("{error:#}; they are {:#?}", STACK.collector().json("/api/v1/instances"))
    })
}

fn a_trap_is_told(case: Case, policy: FailurePolicy) {
    let seen = as_of_the_original(&case, policy);
    assert_eq!(seen.held.status, 0, "nobody resumes it");
    assert_eq!(seen.next.status, if policy == FailurePolicy::Closed { 503 } else { 200 });
    let traced = case.listener(policy, "traced");
    the_stream_that_trapped_is_told(&case, &traced);
    the_held_stream_is_told(&case, &seen.held);
    the_instance_is_told(&case, &traced);
    // Where nothing is filtered any more, or the VM is new, nothing is said of what comes.
    let after = STACK.collector().timelines(&seen.next.request_id).expect("an answer");
    assert!(after.iter().all(|timeline| timeline["findings"] == serde_json::json!([])));
}

/// Traps the original and the traced plugin: the clients see the same.
fn as_of_the_original(case: &Case, policy: FailurePolicy) -> Seen {
    LazyLock::force(&STACK);
    let alone = (policy == FailurePolicy::Reload)
        .then(|| WORKER.write().unwrap_or_else(PoisonError::into_inner));
    let shared = alone.is_none().then(others);
    let [original, traced] = ["original", "traced"].map(|kind| case.listener(policy, kind));
    let sent = |listener: &str| trap(listener, (case.held)(), &(case.traps)(), &(case.passes)());
    let (expected, seen) = std::thread::scope(|scope| {
        let expected = scope.spawn(|| sent(&original));
        let seen = sent(&traced);
        (expected.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)), seen)
    });
    for (what, expected, seen) in [
        ("the request that trapped", &expected.trapped, &seen.trapped),
        ("the held request", &expected.held, &seen.held),
        ("the next request", &expected.next, &seen.next),
    ] {
        assert_eq!(seen.comparable(), expected.comparable(), "{what} under {policy:?}");
    }
    drop((alone, shared));
    seen
}

/// Not while a VM is made anew.
fn others() -> RwLockReadGuard<'static, ()> {
    WORKER.read().unwrap_or_else(PoisonError::into_inner)
}

fn the_stream_that_trapped_is_told(case: &Case, plugin: &str) {
    let told = found(plugin, "vm-trap-collateral", 2);
    let culprit = |timeline: &&Value| {
        let headline = timeline["headline"].as_str().unwrap_or_default();
        headline.starts_with(&format!("The plugin trapped in {}", case.callback))
    };
    let culprit = told.iter().find(culprit).unwrap_or_else(|| panic!("no culprit in {told:#?}"));
    let headline = culprit["headline"].as_str().unwrap_or_default();
    assert!(headline.contains(case.says) && headline.contains(case.file), "{headline}");
    assert_eq!(culprit["severity"], "lost");
    assert_eq!(culprit["path"], "/patient", "it has a name");
    let id = culprit["id"].as_str().unwrap_or_default();
    let script = STACK.collector().script(id).expect("a timeline as text");
    let open = |line: &str| line.contains(case.callback) && line.ends_with("-> (unfinished)");
    assert!(script.lines().any(open), "{script}");
    let page = STACK.collector().text(&format!("/timelines/{id}")).expect("a page");
    assert!(page.contains("Last words of the plugin") && page.contains(case.file), "{page}");
}

fn the_held_stream_is_told(case: &Case, held: &Answer) {
    let timeline = STACK.collector().timeline_when(&held.request_id, "told of the trap", |one| {
        one["findings"][0]["code"] == "vm-trap-collateral"
    });
    assert_eq!(timeline["severity"], case.held_finds[0].1);
    let headline = timeline["headline"].as_str().unwrap_or_default();
    let begins = format!("The VM trapped in {} of ", case.callback);
    assert!(headline.starts_with(&begins) && headline.contains(case.says), "{headline}");
    assert!(headline.contains("the request was held"), "{headline}");
}

fn the_instance_is_told(case: &Case, plugin: &str) {
    let trapped =
        instance(plugin, Duration::from_secs(5), |one| one["black_box"] != serde_json::json!([]));
    let open = &trapped["black_box"][0];
    assert_eq!(open["callback"], case.callback);
    let words = format!("{} {}", open["message"], open["place"]);
    assert!(words.contains(case.says) && words.contains(case.file), "{open:#?}");
}

fn a_trap_is_told_under_each_failure_policy(case: Case) {
    std::thread::scope(|scope| {
        for policy in FailurePolicy::ALL {
            scope.spawn(move || a_trap_is_told(case, policy));
        }
    });
}

#[test]
fn a_rust_panic_is_told() {
    a_trap_is_told_under_each_failure_policy(RUST);
}

#[test]
fn a_go_panic_is_told() {
    a_trap_is_told_under_each_failure_policy(GO);
}

#[test]
fn a_failed_assertion_in_cpp_is_told() {
    a_trap_is_told_under_each_failure_policy(CPP);
}

#[test]
fn a_trap_out_of_bounds_ends_in_an_honest_unknown() {
    let traps = Request::get("/patient?trap=bounds");
    LazyLock::force(&STACK);
    let shared = others();
    // What had not been shipped when it trapped is gone: somebody must be known to be held.
    let known = || STACK.collector().json("/api/v1/timelines?plugin=bounds-traced").ok();
    let first =
        std::thread::spawn(|| STACK.send("bounds-traced", &(CPP.held)().patience(PATIENCE)));
    soon("a held stream is known", || {
        (!known()?["timelines"].as_array()?.is_empty()).then_some(())
    });
    let trapped = STACK.send("bounds-traced", &traps);
    assert_eq!(trapped.comparable(), STACK.send("bounds-original", &traps).comparable());
    let held = first.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    assert_eq!(held.status, 0, "nobody resumes it");
    drop(shared);
    let silent =
        instance("bounds-traced", Duration::from_secs(60), |one| !one["silence"].is_null());
    assert_eq!(silent["black_box"], serde_json::json!([]));
    let timeline = STACK.collector().timeline_when(&held.request_id, "unknown", |timeline| {
        timeline["unknown"][0]["code"] == "vm-trap-collateral"
    });
    let gap = timeline["unknown"][0]["gap"].as_str().unwrap_or_default();
    assert!(gap.starts_with("This instance has been silent since "), "{gap}");
    assert_eq!(timeline["findings"], serde_json::json!([]), "a silence proves nothing");
}

#[test]
fn a_callback_that_unwraps_an_answer_that_broke_off_is_told_and_nothing_beside_it() {
    LazyLock::force(&STACK);
    let shared = others();
    STACK.send("unwraps", &Request::get("/patient?misuse=unwrap-nothing").patience(PATIENCE));
    drop(shared);
    let told = found("unwraps", "callback-failure-unhandled", 1);
    let headline = told[0]["headline"].as_str().unwrap_or_default();
    let asked = "right after it had asked for header \":status\" and got status 2";
    assert!(headline.contains(asked) && headline.contains("unexpected status: 2"), "{headline}");
    assert_eq!(told[0]["severity"], "lost");
    assert_eq!(found("unwraps", "vm-trap-collateral", 0), Vec::<Value>::new());
}

#[test]
fn an_exit_from_which_the_proxy_returns_claims_nothing() {
    LazyLock::force(&STACK);
    let shared = others();
    let exits = Request::get("/patient?trap=exit");
    let [expected, seen] =
        ["exit-original", "exit-traced"].map(|listener| STACK.send(listener, &exits));
    drop(shared);
    assert_eq!(seen.comparable(), expected.comparable());
    assert_eq!(seen.status, 200);
    let timeline = STACK.collector().closed_timeline(&seen.request_id);
    assert_eq!(timeline["findings"], serde_json::json!([]));
    let events = timeline["events"].as_array().cloned().unwrap_or_default();
    assert!(events.iter().any(|event| event["kind"] == "proc_exit"), "{events:#?}");
    assert!(events.iter().all(|event| event["unfinished"] == false));
    let lives = instance("exit-traced", Duration::from_secs(5), |one| one["streams_seen"] != 0);
    assert_eq!(lives["black_box"], serde_json::json!([]));
}
