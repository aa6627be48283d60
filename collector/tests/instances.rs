//! What is said of an instance that trapped, or whose recorder turned itself down.

mod support;

use proto::v1;
use serde_json::{Value, json};
use support::{Collector, Recorder, bytes};

/// The one instance, once it is as wanted.
fn instance(collector: &Collector, wanted: impl Fn(&Value) -> bool) -> Value {
    let all = collector.until("/api/v1/instances", |all| wanted(&all["instances"][0]));
    all["instances"][0].clone()
}

#[test]
fn a_black_box_stays_with_its_instance_also_over_a_restart() {
    let mut collector = Collector::start();
    let mut recorder = Recorder::named(1, "body-call");
    let context = recorder.next_context();
    let mut batch = recorder.beginning();
    let since = batch.known_until_micros + 10;
    batch.open = vec![v1::Open {
        entry: 900,
        kind: abi::Callback::RequestHeaders.number(),
        context,
        since_micros: since,
        last_log: b"panicked at src/lib.rs:31:9:\nno such user\n".to_vec(),
        root: 1,
        args: vec![10, 1],
        ..v1::Open::default()
    }];
    assert_eq!(collector.send(&bytes(&batch)).0, 200);
    for _ in 0..2 {
        let trapped = instance(&collector, |one| one["black_box"] != json!([]));
        let open = &trapped["black_box"][0];
        assert_eq!(open["callback"], "request_headers");
        assert_eq!(open["since_micros"], since);
        assert_eq!(open["message"], "no such user");
        assert_eq!(open["place"], "src/lib.rs:31:9");
        collector.until_metric("wasm_tracer_instances_trapped", |trapped| trapped == 1.0);
        let (_, page) = collector.get("/", &[]);
        assert!(page.contains("trapped in request_headers at "), "{page}");
        assert!(page.contains("no such user (src/lib.rs:31:9)"));
        collector.crash_and_restart();
    }
    let path = "/api/v1/timelines?finding=vm-trap-collateral";
    let told = collector.until(path, |list| list["timelines"][0].is_object());
    assert_eq!(told["timelines"][0]["severity"], "lost");
}

#[test]
fn a_recorder_that_turned_itself_down_says_why_and_the_log_lines_it_dropped_are_counted() {
    let collector = Collector::start();
    let mut recorder = Recorder::new(1);
    let mut batch = |counters| {
        let mut batch = recorder.requests(1);
        batch.counters = Some(counters);
        bytes(&batch)
    };
    let down = v1::Counters {
        fuse: v1::FuseReason::Loss.into(),
        fuse_trips: 1,
        fuse_since_micros: 5,
        fuse_until_micros: 60_000_005,
        log_lines_dropped: 3,
        ..v1::Counters::default()
    };
    assert_eq!(collector.send(&batch(down)).0, 200);
    let told = instance(&collector, |one| !one["fuse"].is_null());
    assert_eq!(told["fuse"]["reason"], "loss");
    assert_eq!(told["fuse"]["until_micros"], 60_000_005);
    assert_eq!((&told["fuse_trips"], &told["log_lines_dropped"]), (&json!(1), &json!(3)));
    let down = "wasm_tracer_recorders_turned_down{reason=\"loss\"}";
    collector.until_metric(down, |recorders| recorders == 1.0);
    collector.until_metric("wasm_tracer_log_lines_dropped_at_source_total", |lines| lines == 3.0);
    let (_, page) = collector.get("/", &[]);
    assert!(page.contains("it lost events for many seconds in a row"), "{page}");

    let up = v1::Counters { fuse_trips: 1, log_lines_dropped: 3, ..v1::Counters::default() };
    assert_eq!(collector.send(&batch(up)).0, 200);
    instance(&collector, |one| one["fuse"].is_null());
    collector.until_metric(down, |recorders| recorders == 0.0);
    collector.until_metric("wasm_tracer_fuse_trips_at_source_total", |trips| trips == 1.0);
}
