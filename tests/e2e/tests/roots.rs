//! What roots do on a real Envoy: calls of their ticks, and resumes that name no stream. Beside each misuse what
//! looks like it and is none. The end of a root that has a call out, and memory, are in the soak.

use std::time::Duration;

use e2e::{Finding, Plugin, Request, Stack, is_closed, soon, until};
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
    collector.roots(plugin).unwrap_or_else(|error| panic!("{error:#}"))
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
    assert_eq!(Finding::told(&hung), [("wrong-context", "hung")], "{hung:#}");
    assert_eq!(of_roots(stack.collector(), "tick-resumes"), Vec::<Value>::new());
}
