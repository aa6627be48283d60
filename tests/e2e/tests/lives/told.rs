//! What the collector must tell of a request, of the VMs, and of nothing else.

use std::time::Duration;

use e2e::{Answer, Lives, is_closed, until};
use serde_json::Value;

const LIMIT: Duration = Duration::from_secs(20);

/// Waits until the request has one closed timeline for each of these plugins and no other, and holds
/// each to be whole and without findings. In the order of `plugins`.
pub fn told(lives: &Lives, answer: &Answer, plugins: &[&str]) -> Vec<Value> {
    let id = &answer.request_id;
    let wanted = format!("{id} has its timelines, of {plugins:?}");
    let found = until(&wanted, LIMIT, || {
        let timelines = lives.collector().timelines(id)?;
        let closed = timelines.iter().filter(|timeline| is_closed(timeline)).count();
        Ok((closed >= plugins.len()).then_some(timelines))
    });
    let found = found.unwrap_or_else(|error| {
        let now = lives.collector().timelines(id);
        panic!("{error:#}; they are {now:#?}\n{:#}", instances(lives))
    });
    assert_eq!(found.len(), plugins.len(), "{id}: {found:#?}");
    let of = |plugin: &&str| {
        let mut all = found.iter().filter(|timeline| timeline["plugin"] == **plugin);
        let timeline = all.next().unwrap_or_else(|| panic!("{id}: none of {plugin}: {found:#?}"));
        is_whole(timeline);
        assert_eq!(timeline["root"], format!("{plugin}-root"), "{timeline:#}");
        timeline.clone()
    };
    plugins.iter().map(of).collect()
}

/// From its creation to its deletion, and nothing is wrong or missing.
fn is_whole(timeline: &Value) {
    assert_eq!(timeline["reason"], "ended", "{timeline:#}");
    for empty in ["findings", "unknown", "pending", "gaps"] {
        assert_eq!(timeline[empty].as_array().map(Vec::len), Some(0), "{empty}: {timeline:#}");
    }
    let kinds: Vec<&str> =
        listed(&timeline["events"]).iter().map(|event| text(event, "kind")).collect();
    assert_eq!(kinds.first(), Some(&"create"), "{timeline:#}");
    let ends = kinds.iter().filter(|kind| ["log", "done", "delete"].contains(kind));
    assert_eq!(ends.collect::<Vec<_>>(), [&"log", &"done", &"delete"], "{timeline:#}");
}

/// The root context that a timeline's stream was created for.
pub fn root_of(timeline: &Value) -> u64 {
    timeline["events"][0]["args"][0].as_u64().unwrap_or_else(|| panic!("{timeline:#}"))
}

/// The VMs, as the collector tells them.
pub fn instances(lives: &Lives) -> Value {
    let told = lives.collector().json("/api/v1/instances");
    told.unwrap_or_else(|error| panic!("{error:#}"))["instances"].take()
}

/// The one VM that has seen streams, of an Envoy with one worker.
pub fn worker(lives: &Lives) -> Value {
    let all = instances(lives);
    let mut serving = listed(&all).iter().filter(|vm| vm["streams_seen"] != 0);
    let found = serving.next().unwrap_or_else(|| panic!("none has seen a stream: {all:#}"));
    assert!(serving.next().is_none(), "more than one has seen streams: {all:#}");
    found.clone()
}

/// Roots of a VM: context, plugin, whether it has ended.
pub fn roots(vm: &Value) -> Vec<(u64, String, bool)> {
    let read = |root: &Value| {
        let context = root["context"].as_u64().unwrap_or_default();
        (context, text(root, "plugin").to_owned(), root["ended"] == true)
    };
    listed(&vm["roots"]).iter().map(read).collect()
}

/// As [`nothing_missing`], and no recorder complains.
pub fn nothing_else(lives: &Lives, timelines: usize) {
    nothing_missing(lives, timelines);
    let said = lives.log(0);
    let complaints: Vec<_> = said.lines().filter(|line| line.contains(": wasm-tracer ")).collect();
    assert!(complaints.is_empty(), "{complaints:#?}");
}

/// Nothing was told but `timelines` timelines, each of a plugin and a request, and nothing is lost.
pub fn nothing_missing(lives: &Lives, timelines: usize) {
    let list = lives.collector().json("/api/v1/timelines?limit=1000");
    let list = list.unwrap_or_else(|error| panic!("{error:#}"));
    for timeline in listed(&list["timelines"]) {
        for name in ["plugin", "request_id"] {
            assert_ne!(text(timeline, name), "", "{name}: {timeline:#}");
        }
    }
    let all = instances(lives);
    let seen = listed(&all).iter().filter_map(|vm| vm["streams_seen"].as_u64()).sum::<u64>();
    assert_eq!(seen, timelines as u64, "{all:#}");
    for vm in listed(&all) {
        assert_eq!(vm["gaps"].as_array().map(Vec::len), Some(0), "{all:#}");
    }
    for lost in ["events_lost", "streams_not_watched", "streams_refused"] {
        assert_eq!(metric(lives, &format!("{lost}_at_source_total")), [0], "{lost}");
    }
}

/// Values of a metric of the collector, one for each set of labels.
pub fn metric(lives: &Lives, name: &str) -> Vec<u64> {
    let metrics = lives.collector().text("/metrics").unwrap_or_else(|error| panic!("{error:#}"));
    e2e::metric(&metrics, &format!("wasm_tracer_{name}"))
}

pub fn listed(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

pub fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}
