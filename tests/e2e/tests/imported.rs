//! A plugin that nobody instrumented: Envoy's trace log alone tells the lost callback.

use std::collections::BTreeMap;

use e2e::{Mode, Plugin, Request, Sdk, Stack, soon};
use import::Importer;
use timeline::ids::{InstanceId, Micros};
use timeline::{Instance, Timeline};

#[test]
fn the_log_of_a_plugin_without_a_recorder_tells_the_lost_callback() {
    let plugin = Plugin::new(Sdk::Rust, Mode::Body);
    let stack = Stack::builder().wasm_log("trace").plugin("plain", plugin).start();
    let stack = stack.unwrap_or_else(|error| panic!("{error:#}"));
    stack.send("plain", &Request::post("/early-200?callee=after-300,status-403", "some text"));
    let timeline = soon("the late callback stands in the log", || {
        let timelines = imported(&stack.envoy_log());
        timelines.into_iter().find(|timeline| codes(timeline).contains(&"late-callback"))
    });
    let script = timeline::script::print(&timeline);
    assert_eq!(
        codes(&timeline),
        ["headers-forwarded-before-body-call", "late-callback", "response-while-request-held"],
        "{script}"
    );
    assert_eq!(timeline.findings[0].severity.name(), "lost", "{script}");
}

fn codes(timeline: &Timeline) -> Vec<&str> {
    timeline.findings.iter().map(|finding| finding.code.as_str()).collect()
}

/// The timelines of a log, as they are at its end.
fn imported(log: &str) -> Vec<Timeline> {
    let mut importer = Importer::new();
    log.lines().for_each(|line| importer.push(line));
    let mut instances: BTreeMap<InstanceId, Instance> = BTreeMap::new();
    let mut timelines = BTreeMap::new();
    for delivery in importer.finish() {
        let arrived = delivery.known_until.after(Micros::from_millis(1));
        let id = delivery.instance;
        let instance = instances.entry(id).or_insert_with(|| Instance::new(id));
        for update in instance.deliver(delivery, arrived) {
            timelines.insert(update.id, (*update.snapshot).clone());
        }
    }
    timelines.into_values().collect()
}
