//! What is taken, what is refused, and in which words.

mod support;

use proto::v1;
use support::{Collector, Recorder, bytes, now_nanos};

#[test]
fn a_batch_becomes_timelines_with_their_findings() {
    let collector = Collector::start();
    let (status, answer) = collector.send(&bytes(&Recorder::new(1).requests(3)));
    assert_eq!((status, answer.as_str()), (200, ""));
    let timelines = collector.closed(3);
    assert_eq!(timelines.len(), 3);
    for timeline in &timelines {
        assert_eq!(timeline["plugin"], "body-call");
        assert_eq!(timeline["findings"][0]["code"], "headers-forwarded-before-body-call");
        assert_eq!(timeline["severity"], "lost");
    }
    let id = timelines[0]["id"].as_str().expect("an id");
    let whole = collector.json(&format!("/api/v1/timelines/{id}"));
    assert_eq!(whole["events"].as_array().expect("events").len(), 9);
    assert_eq!(whole["calls"][0]["outcome"], "late");
    let (_, text) = collector.get(&format!("/api/v1/timelines/{id}?as=text"), &[]);
    assert!(text.contains("dispatch http \"slow\""), "{text}");
    let one = collector.json("/api/v1/timelines?request_id=request-3");
    assert_eq!(one["timelines"].as_array().expect("a list").len(), 1);
    let lost = collector.json("/api/v1/timelines?severity=lost&plugin=body-call");
    assert_eq!(lost["timelines"].as_array().expect("a list").len(), 3);
    let none = collector.json("/api/v1/timelines?plugin=other");
    assert_eq!(none["timelines"].as_array().expect("a list").len(), 0);
    let found = collector.json("/api/v1/findings?since_ms=0");
    assert!(found["findings"].as_array().expect("a list").len() >= 3);
}

#[test]
fn a_batch_sent_twice_is_answered_twice_and_kept_once() {
    let collector = Collector::start();
    let batch = bytes(&Recorder::new(1).requests(2));
    assert_eq!(collector.send(&batch).0, 200);
    assert_eq!(collector.send(&batch).0, 200);
    assert_eq!(collector.closed(2).len(), 2);
    collector.until_metric("wasm_tracer_events_total", |n| n == 18.0);
    collector.until_metric("wasm_tracer_events_duplicate_total", |n| n == 18.0);
}

#[test]
fn what_is_wrong_is_said_with_its_status() {
    let collector = Collector::start();
    let whole = bytes(&Recorder::new(1).requests(1));
    let wrong = |change: fn(&mut v1::Batch)| {
        let mut batch = Recorder::new(1).requests(1);
        change(&mut batch);
        collector.send(&bytes(&batch))
    };
    let (status, said) = collector.send(&whole[..whole.len() - 3]);
    assert_eq!(status, 400);
    assert!(said.starts_with("the body is not a whole batch: "), "{said}");
    assert_eq!(
        wrong(|b| b.instance = vec![1; 3]),
        (422, "the batch is wrong: `instance` has 3 bytes and must have 16\n".to_owned())
    );
    assert_eq!(
        wrong(|b| b.node = "n".repeat(5000)),
        (422, "the batch is wrong: `node` is 5000 bytes long; at most 4096 are taken\n".to_owned())
    );
    assert_eq!(
        wrong(|b| b.clock = Some(v1::Clock {
            wall_nanos: now_nanos() - 30 * 3_600_000_000_000,
            ..v1::Clock::default()
        })),
        (
            422,
            "the batch is wrong: it is 30 hours old by the host's clock; at most 24 are taken; set the host's clock if it is wrong\n"
                .to_owned()
        )
    );
    assert_eq!(
        wrong(|b| b.events[0].at_step_micros = i64::MIN),
        (422, "the batch is wrong: the time of event 1 is out of range\n".to_owned())
    );
    assert_eq!(
        collector.send_to("/v2/batches", &whole, &[]),
        (
            422,
            "this collector speaks version v1 of the wire, not v2; use a collector as new as the recorder\n"
                .to_owned()
        )
    );
    assert_eq!(
        collector.send(&vec![0; (1 << 20) + 1]),
        (
            413,
            "the batch is larger than 1048576 bytes; send fewer events at once, or raise --max-body-kib\n"
                .to_owned()
        )
    );
    assert_eq!(
        collector.send_to("/v1/batches", &whole, &[("content-encoding", "gzip")]),
        (415, "a batch must be sent without content-encoding\n".to_owned())
    );
    assert_eq!(collector.json("/api/v1/timelines")["timelines"], serde_json::json!([]));
}

#[test]
fn an_unknown_kind_of_event_is_kept() {
    let collector = Collector::start();
    let mut batch = Recorder::new(1).requests(1);
    batch.events[4].kind = 250;
    assert_eq!(collector.send(&bytes(&batch)).0, 200);
    let timelines = collector.until("/api/v1/timelines", |l| l["timelines"][0].is_object());
    let id = timelines["timelines"][0]["id"].as_str().expect("an id");
    let whole = collector.json(&format!("/api/v1/timelines/{id}"));
    assert_eq!(whole["events"][4]["kind"], "kind_250");
}

#[test]
fn a_full_journal_is_answered_503_and_the_pages_stay_up() {
    let collector = Collector::with(|settings| settings.journal_mib = Some(1));
    let mut recorder = Recorder::new(1);
    let refused = (0..400).find_map(|_| {
        let mut batch = recorder.beginning();
        batch.events[0].text = vec![b'x'; 4000];
        let (status, said) = collector.send(&bytes(&batch));
        (status != 200).then_some((status, said))
    });
    let (status, said) = refused.expect("the journal is full at last");
    assert_eq!(status, 503);
    assert!(said.starts_with("the journal has no room left; free space on the disk of "), "{said}");
    let (status, wrong) = collector.get("/healthz", &[]);
    assert_eq!((status, wrong), (503, said));
    assert_eq!(collector.get("/", &[]).0, 200);
    assert_eq!(collector.get("/readyz", &[]).0, 200);
}
