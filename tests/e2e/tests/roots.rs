//! What roots do on a real Envoy: calls of their ticks, resumes that name no stream, memory, and the end of
//! a root that has a call out. Beside each misuse what looks like it and is none.

use std::time::Duration;

use e2e::{Door, Finding, Lives, Plugin, Request, Settings, Stack, is_closed, soon, until};
use serde_json::Value;

const LIMIT: Duration = Duration::from_secs(20);

fn misuse(root: &'static str) -> Plugin {
    // Each in a VM of its own: of several that share one the memory is everybody's.
    Plugin::misuse().traced().root(root).in_vm(root)
}

fn start(roots: &[&'static str]) -> Stack {
    let add = |builder: e2e::Builder, root: &&'static str| builder.plugin(root, misuse(root));
    roots.iter().fold(Stack::builder(), add).start().unwrap_or_else(|error| panic!("{error:#}"))
}

/// The timelines of a plugin's roots.
fn of_roots(collector: &e2e::Collector, plugin: &str) -> Vec<Value> {
    let list = collector.json(&format!("/api/v1/timelines?plugin={plugin}&limit=200"));
    let list = list.unwrap_or_else(|error| panic!("{error:#}"))["timelines"].take();
    let all = list.as_array().cloned().unwrap_or_default();
    all.into_iter().filter(|timeline| timeline["kind"] == "root").collect()
}

/// Waits until so many timelines of the plugin's roots are closed.
fn closed(collector: &e2e::Collector, plugin: &str, count: usize) -> Vec<Value> {
    let wanted = format!("{plugin}: {count} timelines of roots are closed");
    let all = until(&wanted, LIMIT, || {
        let all = of_roots(collector, plugin);
        Ok((all.len() >= count && all.iter().all(is_closed)).then_some(all))
    });
    let all = all.unwrap_or_else(|e| panic!("{e:#}: {:#?}", of_roots(collector, plugin)));
    assert_eq!(all.len(), count, "{all:#?}");
    all
}

#[test]
fn what_becomes_of_a_call_of_a_tick_is_told_as_an_errand_of_the_root() {
    let stack = start(&["tick-calls-nowhere", "tick-calls-in-vain", "tick-calls"]);
    // The tick of the main thread's VM, and that of the worker's.
    for (plugin, expected) in [
        ("tick-calls-nowhere", &[("dispatch-rejected", "failed")][..]),
        ("tick-calls-in-vain", &[("call-timeout", "failed")]),
        ("tick-calls", &[]),
    ] {
        for root in closed(stack.collector(), plugin, 2) {
            assert_eq!(Finding::told(&root), expected, "{plugin}");
        }
        let first = of_roots(stack.collector(), plugin).remove(0);
        assert_eq!(first["subject"], format!("root of {plugin} (tick)"));
    }
}

#[test]
fn a_resume_in_a_tick_that_names_no_stream_is_told_and_one_that_does_is_not() {
    let stack = start(&["tick-resumes-root", "tick-resumes"]);
    let request = || Request::get("/patient?misuse=wait-for-tick").patience(Duration::from_secs(3));
    let resumed = stack.send("tick-resumes", &request());
    assert_eq!(resumed.status, 200);
    let hangs = stack.send("tick-resumes-root", &request());
    assert_ne!(hangs.status, 200, "nobody resumed it");
    let wrong = soon("the ticks are told", || {
        let all = of_roots(stack.collector(), "tick-resumes-root");
        (all.len() > 5).then_some(all)
    });
    assert!(wrong.iter().all(|t| Finding::told(t) == [("wrong-context", "failed")]), "{wrong:#?}");
    let resumed = stack.collector().closed_timeline(&resumed.request_id);
    assert_eq!(Finding::told(&resumed), []);
    let hung = stack.collector().closed_timeline(&hangs.request_id);
    let hung = Finding::told(&hung);
    assert!(hung.iter().any(|(_, severity)| *severity == "hung"), "{hung:?}");
    assert_eq!(of_roots(stack.collector(), "tick-resumes"), Vec::<Value>::new());
}

#[test]
fn a_vm_that_keeps_something_of_each_request_is_told_and_one_that_keeps_some_is_not() {
    let stack = start(&["keep", "keep-some"]);
    let grown = |plugin: &str| {
        let path = format!("/api/v1/timelines?plugin={plugin}&finding=memory-growth");
        let list = stack.collector().json(&path).unwrap_or_else(|error| panic!("{error:#}"));
        list["timelines"].as_array().cloned().unwrap_or_default()
    };
    let told = until("the growth is told", Duration::from_secs(60), || {
        for _ in 0..10 {
            for plugin in ["keep", "keep-some"] {
                assert_eq!(stack.send(plugin, &Request::get("/patient")).status, 200);
            }
        }
        std::thread::sleep(Duration::from_millis(150));
        Ok(grown("keep").pop())
    });
    let told = told.unwrap_or_else(|error| {
        let metrics = stack.collector().text("/metrics").unwrap_or_default();
        let memory: Vec<&str> = metrics.lines().filter(|l| l.contains("memory")).collect();
        panic!("{error:#}: {memory:#?}")
    });
    assert_eq!(Finding::told(&told), [("memory-growth", "race")]);
    assert_eq!(told["kind"], "root");
    let id = told["id"].as_str().unwrap_or_default();
    let detail = stack.collector().json(&format!("/api/v1/timelines/{id}")).expect("it is told");
    let samples = detail["memory"].as_array().map_or(&[][..], Vec::as_slice);
    let cited = &detail["findings"][0]["evidence"]["memory"];
    assert!(cited.as_array().is_some_and(|all| all.iter().all(|s| samples.contains(s))));
    assert_eq!(grown("keep-some"), Vec::<Value>::new());
}

#[test]
fn a_root_that_is_pushed_away_with_a_call_out_is_told_and_one_whose_call_was_answered_is_not() {
    let door = |does| [Door::new("door").plugin("gate", Plugin::misuse().traced().root(does))];
    let settings = Settings { drain_seconds: 1, ..Settings::default() };
    let lives = Lives::start(settings, &door("tick-calls")).expect("Envoy serves");
    let request = Request::get("/patient");
    let push = |does| assert!(lives.push(&door(does)).expect("Envoy answers"), "it takes the push");
    assert_eq!(lives.send("door", &request).status, 200);
    for root in closed(lives.collector(), "gate", 2) {
        assert_eq!(Finding::told(&root), []);
    }
    let before = lives.calls();
    push("tick-waits");
    assert_eq!(lives.send("door", &request).status, 200);
    soon("both VMs have called", || (lives.calls() >= before + 2).then_some(()));
    push("tick-resumes");
    let cancelled = until("the old roots have ended", LIMIT, || {
        let all = of_roots(lives.collector(), "gate");
        let ended = all.iter().filter(|t| t["reason"] == "root_ended").count();
        Ok((ended == 2).then_some(all))
    });
    let cancelled =
        cancelled.unwrap_or_else(|e| panic!("{e:#}: {:#?}", of_roots(lives.collector(), "gate")));
    let mut all: Vec<_> = cancelled.iter().map(Finding::told).collect();
    all.sort();
    let cancelled = |severity| vec![("root-shutdown-cancelled", severity)];
    // The main thread's VM has seen no stream.
    assert_eq!(all, [Vec::new(), Vec::new(), cancelled("lost"), cancelled("note")]);
}
