//! What is counted, under which names, and that nothing is counted twice.

mod support;

use proto::v1;
use support::{Collector, Recorder, bytes};

#[test]
fn what_a_recorder_lost_is_counted_once_also_from_before_it_was_first_heard() {
    let mut collector = Collector::start();
    let mut recorder = Recorder::new(1);
    let mut batch = |events_lost, streams_refused| {
        let mut batch = recorder.requests(1);
        batch.roots[0].streams_refused = streams_refused;
        let events = batch.first_sequence + batch.events.len() as u64;
        batch.counters = Some(v1::Counters { events, events_lost, ..v1::Counters::default() });
        bytes(&batch)
    };
    assert_eq!(collector.send(&batch(7, 3)).0, 200);
    collector.until_metric("wasm_tracer_events_lost_at_source_total", |lost| lost == 7.0);
    collector.until_metric("wasm_tracer_streams_refused_at_source_total", |n| n == 3.0);
    collector.crash_and_restart();
    assert_eq!(collector.send(&batch(9, 4)).0, 200);
    collector.until_metric("wasm_tracer_events_lost_at_source_total", |lost| lost == 2.0);
    collector.until_metric("wasm_tracer_streams_refused_at_source_total", |n| n == 1.0);
}

#[test]
fn calls_are_counted_from_what_recorders_counted_and_nothing_twice() {
    let mut collector = Collector::start();
    let mut recorder = Recorder::new(1);
    let mut batch = |answered, late| {
        let mut batch = recorder.requests(1);
        let call = |outcome: v1::CallOutcome, count| v1::CallCount {
            root: 1,
            cluster: b"auth".to_vec(),
            outcome: outcome.into(),
            count,
            ..v1::CallCount::default()
        };
        let mut calls = vec![call(v1::CallOutcome::Answered, answered)];
        // What did not fit is left out.
        calls.extend((late > 0).then(|| call(v1::CallOutcome::Late, late)));
        batch.counters = Some(v1::Counters { calls, ..v1::Counters::default() });
        bytes(&batch)
    };
    let line = |outcome: &str| {
        format!(
            "wasm_tracer_calls_total{{plugin=\"body-call\",cluster=\"auth\",outcome=\"{outcome}\"}}"
        )
    };
    let first = batch(10, 2);
    let (second, third) = (batch(15, 0), batch(20, 3));
    // Out of order, and sent again.
    for bytes in [&first, &third, &second, &first] {
        assert_eq!(collector.send(bytes).0, 200);
    }
    collector.until_metric("wasm_tracer_events_duplicate_total", |events| events == 9.0);
    collector.until_metric(&line("answered"), |n| n == 20.0);
    collector.until_metric(&line("late"), |n| n == 3.0);
    collector.crash_and_restart();
    assert_eq!(collector.send(&first).0, 200);
    assert_eq!(collector.send(&batch(26, 4)).0, 200);
    collector.until_metric(&line("answered"), |n| n == 6.0);
    collector.until_metric(&line("late"), |n| n == 1.0);
}

#[test]
fn durations_and_memory_come_from_what_recorders_counted() {
    let collector = Collector::start();
    let mut recorder = Recorder::new(1);
    let mut batch = |calls: &[u64], pauses: &[u64], memory_pages| {
        let mut batch = recorder.requests(1);
        let histogram = |buckets: &[u64]| v1::Histogram {
            buckets: buckets.to_vec(),
            sum_micros: buckets.iter().sum::<u64>() * 50,
        };
        let call = v1::CallCount {
            root: 1,
            cluster: b"auth".to_vec(),
            outcome: v1::CallOutcome::Answered.into(),
            count: calls.iter().sum(),
            duration: Some(histogram(calls)),
        };
        let pause = v1::PauseTimes { root: 1, direction: 1, duration: Some(histogram(pauses)) };
        batch.counters = Some(v1::Counters {
            calls: vec![call],
            pauses: vec![pause],
            memory_pages,
            ..v1::Counters::default()
        });
        bytes(&batch)
    };
    let (first, second) = (batch(&[2, 1], &[1], 16), batch(&[3, 1, 4], &[1], 20));
    for bytes in [&second, &first, &first] {
        assert_eq!(collector.send(bytes).0, 200);
    }
    let call = |ending: &str| {
        let labels = "plugin=\"body-call\",cluster=\"auth\"}";
        format!("wasm_tracer_call_duration_seconds_{ending}{labels}")
    };
    collector.until_metric(&call("count{"), |n| n == 8.0);
    collector.until_metric(&call("bucket{le=\"0.000128\","), |n| n == 4.0);
    collector.until_metric(&call("bucket{le=\"+Inf\","), |n| n == 8.0);
    let pause =
        "wasm_tracer_pause_duration_seconds_count{plugin=\"body-call\",direction=\"response\"}";
    collector.until_metric(pause, |n| n == 1.0);
    for memory in ["vm_memory", "vm_memory_largest"] {
        let line = format!("wasm_tracer_{memory}_bytes{{plugin=\"body-call\"}}");
        collector.until_metric(&line, |bytes| bytes == 20.0 * 65_536.0);
    }
}

#[test]
fn a_finding_is_counted_with_its_cluster_and_the_timeline_that_shows_it() {
    let collector = Collector::start();
    assert_eq!(collector.send(&bytes(&Recorder::new(1).requests(1))).0, 200);
    let timeline = collector.closed(1)[0]["id"].as_str().expect("an id").to_owned();
    let code = "headers-forwarded-before-body-call";
    let line = format!(
        "wasm_tracer_findings_total{{plugin=\"body-call\",cluster=\"slow\",code=\"{code}\",severity=\"lost\"}}"
    );
    collector.until_metric(&line, |n| n == 1.0);
    let count = "wasm_tracer_plugin_time_seconds_count{plugin=\"body-call\"}";
    collector.until_metric(count, |n| n == 1.0);
    let (_, text) = collector.get("/metrics", &[]);
    let exemplar = format!("# {{trace_id=\"{timeline}\"}}");
    for name in [&line, "wasm_tracer_plugin_time_seconds_bucket{"] {
        let is_named = text.lines().any(|l| l.starts_with(name) && l.contains(&exemplar));
        assert!(is_named, "{name} in {text}");
    }
}

#[test]
fn a_flood_of_names_does_not_flood_the_metrics() {
    let collector = Collector::start();
    let mut batch = Recorder::new(1).requests(1);
    let names = 1..=10_000u32;
    batch.roots = names
        .clone()
        .map(|root| v1::Root {
            context: root,
            plugin: format!("plugin-{root}"),
            ..v1::Root::default()
        })
        .collect();
    let calls = names
        .map(|root| v1::CallCount {
            root,
            cluster: format!("cluster-{root}").into_bytes(),
            outcome: v1::CallOutcome::Answered.into(),
            count: 1,
            ..v1::CallCount::default()
        })
        .collect();
    batch.counters = Some(v1::Counters { calls, ..v1::Counters::default() });
    assert_eq!(collector.send(&bytes(&batch)).0, 200);
    let folded = "wasm_tracer_stage_seconds_count{stage=\"correlate\"}";
    collector.until_metric(folded, |batches| batches >= 1.0);
    let (_, text) = collector.get("/metrics", &[]);
    let series: Vec<_> =
        text.lines().filter_map(|line| line.strip_prefix("wasm_tracer_calls_total{")).collect();
    assert!(series.len() <= 1101, "{} series", series.len());
    let counted: f64 =
        series.iter().filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum();
    assert_eq!(counted, 10_000.0, "none is lost");
}
