//! What was answered 2xx is there after a crash, once.

mod support;

use collector::{Settings, start};
use support::{Collector, Recorder, bytes};

#[test]
fn a_crash_loses_nothing_that_was_answered_and_doubles_nothing() {
    let mut collector = Collector::start();
    let mut recorder = Recorder::new(1);
    let mut sent = Vec::new();
    for _ in 0..5 {
        for _ in 0..4 {
            let batch = bytes(&recorder.requests(3));
            assert_eq!(collector.send(&batch).0, 200);
            sent.push(batch);
        }
        collector.crash_and_restart();
        let last = sent.last().expect("a batch");
        assert_eq!(collector.send(last).0, 200, "a resend after the crash");
    }
    let timelines = collector.closed(60);
    let mut ids: Vec<_> = timelines.iter().map(|t| t["id"].to_string()).collect();
    ids.sort();
    ids.dedup();
    assert_eq!((timelines.len(), ids.len()), (60, 60));
    assert!(timelines.iter().all(|t| t["event_count"] == 9), "{timelines:#?}");
}

#[test]
fn a_stream_goes_on_where_the_crash_cut_it() {
    let mut collector = Collector::start();
    let mut recorder = Recorder::new(1);
    let (whole, rest) = recorder.cut_short();
    assert_eq!(collector.send(&bytes(&whole)).0, 200);
    collector.until("/api/v1/timelines", |l| l["timelines"][0]["state"] == "open");
    collector.crash_and_restart();
    collector.until("/api/v1/timelines", |l| l["timelines"][0]["state"] == "open");
    assert_eq!(collector.send(&bytes(&rest)).0, 200);
    let timelines = collector.closed(1);
    let text = collector
        .get(
            &format!("/api/v1/timelines/{}?as=text", timelines[0]["id"].as_str().expect("an id")),
            &[],
        )
        .1;
    assert_eq!(timelines[0]["event_count"], 9, "{text}");
    assert_eq!(timelines[0]["request_id"], "request-2");
}

#[test]
fn a_stream_that_is_closed_for_want_of_room_goes_on_as_the_same_timeline() {
    let collector = Collector::with(|settings| settings.max_open_timelines = Some(1));
    let parts: Vec<_> = (1..=3).map(|number| Recorder::new(number).cut_short()).collect();
    for (begun, _) in &parts {
        assert_eq!(collector.send(&bytes(begun)).0, 200);
    }
    collector.until_metric("wasm_tracer_timelines_evicted_total", |n| n == 2.0);
    for (_, rest) in &parts {
        assert_eq!(collector.send(&bytes(rest)).0, 200);
    }
    let is_whole = |t: &&serde_json::Value| {
        t["event_count"] == 9 && t["request_id"] == "request-2" && t["severity"] == "lost"
    };
    let list = collector.until("/api/v1/timelines", |list| {
        list["timelines"].as_array().expect("a list").iter().filter(is_whole).count() == 3
    });
    assert_eq!(list["timelines"].as_array().map(Vec::len), Some(3), "{list:#}");
    collector.until_metric("wasm_tracer_timelines_closed_total", |n| n == 3.0);
}

#[test]
fn a_batch_leaves_the_journal_once_its_timelines_are_stored() {
    let mut collector = Collector::start();
    let mut recorder = Recorder::new(1);
    assert_eq!(collector.send(&bytes(&recorder.requests(5))).0, 200);
    collector.closed(5);
    until_the_journal_is_empty(&collector);
    collector.restart();
    assert_eq!(collector.send(&bytes(&recorder.requests(5))).0, 200);
    assert_eq!(collector.closed(10).len(), 10);
}

#[test]
fn a_second_process_does_not_open_the_store() {
    let collector = Collector::start();
    let second = start(Settings {
        listen: Some("127.0.0.1:0".parse().expect("an address")),
        data: Some(collector.folder.path().to_owned()),
        ..Settings::default()
    });
    let refusal = second.err().expect("it is refused").to_string();
    assert!(refusal.starts_with("another collector uses "), "{refusal}");
}

#[test]
fn a_store_of_another_version_is_set_aside_and_not_overwritten() {
    let mut collector = Collector::start();
    assert_eq!(collector.send(&bytes(&Recorder::new(1).requests(1))).0, 200);
    collector.closed(1);
    let journal = collector.folder.path().join("journal.db");
    let db = rusqlite::Connection::open(&journal).expect("the journal");
    db.pragma_update(None, "user_version", 99).expect("another version");
    drop(db);
    collector.restart();
    let names: Vec<_> = std::fs::read_dir(collector.folder.path())
        .expect("the folder")
        .map(|file| file.expect("a file").file_name().to_string_lossy().into_owned())
        .collect();
    assert!(names.iter().any(|name| name.starts_with("journal.db.aside-")), "{names:?}");
    assert_eq!(collector.send(&bytes(&Recorder::new(2).requests(1))).0, 200);
}

fn until_the_journal_is_empty(collector: &Collector) {
    let journal = collector.folder.path().join("journal.db");
    let db = rusqlite::Connection::open(journal).expect("the journal");
    let count = || {
        db.query_row("SELECT count(*) FROM batches", [], |row| row.get::<_, i64>(0))
            .expect("a count")
    };
    let begun = std::time::Instant::now();
    while count() > 0 {
        assert!(begun.elapsed().as_secs() < 10, "batches stay");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}

#[test]
fn a_context_id_used_again_is_another_timeline_also_after_a_restart_and_a_replay() {
    let mut collector = Collector::start();
    let mut recorder = Recorder::new(1);
    let ids = |collector: &Collector, count: usize| {
        let mut ids: Vec<_> = collector
            .closed(count)
            .iter()
            .map(|t| (t["generation"].as_u64().expect("a number"), t["id"].to_string()))
            .collect();
        ids.sort();
        ids
    };
    for uses in 1..=3 {
        recorder.use_context(2);
        assert_eq!(collector.send(&bytes(&recorder.requests(1))).0, 200);
        let before = ids(&collector, uses);
        assert_eq!(before.iter().map(|(generation, _)| *generation).collect::<Vec<_>>(), {
            (0..uses as u64).collect::<Vec<_>>()
        });
        if uses == 2 {
            // Stored or not: what the journal still has is folded again.
            collector.crash_and_restart();
        } else {
            until_the_journal_is_empty(&collector);
            collector.restart();
        }
        assert_eq!(ids(&collector, uses), before);
    }
}

#[test]
fn a_kept_batch_that_cannot_be_read_is_set_aside_once_and_counted() {
    let mut collector = Collector::start();
    assert_eq!(collector.send(&bytes(&Recorder::new(1).beginning())).0, 200);
    assert_eq!(collector.send(&bytes(&Recorder::new(2).beginning())).0, 200);
    let journal = collector.folder.path().join("journal.db");
    let db = rusqlite::Connection::open(journal).expect("the journal");
    db.execute("UPDATE batches SET bytes = x'ffff' WHERE id = 1", []).expect("damaged");
    drop(db);
    let set_aside = |collector: &Collector| {
        std::fs::read_dir(collector.folder.path())
            .expect("the folder")
            .map(|file| file.expect("a file").path())
            .filter(|path| path.to_string_lossy().contains("batch-1.aside-"))
            .collect::<Vec<_>>()
    };
    for counted in [1.0, 0.0] {
        collector.crash_and_restart();
        collector.until_metric("wasm_tracer_batches_set_aside_total", |n| n == counted);
        let files = set_aside(&collector);
        assert_eq!(files.len(), 1, "{files:?}");
        assert_eq!(std::fs::read(&files[0]).expect("its bytes"), [0xff, 0xff]);
        let list = collector.json("/api/v1/timelines");
        assert_eq!(list["timelines"].as_array().expect("a list").len(), 1, "the other is read");
    }
}
