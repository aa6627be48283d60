//! Batches of older and of newer recorders: each gives its timeline.

mod support;

use std::path::{Path, PathBuf};

use prost::Message;
use proto::v1::Batch;
use serde_json::Value;
use support::Collector;

/// The golden batches are from 2023.
const DECADES_IN_HOURS: u32 = 300_000;

/// Made, not written by a recorder.
const NEWER: &str = "v1-newer";

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../proto/golden")
}

/// What a collector makes of the stream in a golden batch, as a script.
fn told(name: &str) -> String {
    let batch = std::fs::read(golden().join(format!("{name}.bin"))).expect("the golden batch");
    told_of(&batch, name)
}

fn told_of(batch: &[u8], name: &str) -> String {
    let collector = Collector::with(|settings| {
        settings.max_batch_age_hours = Some(DECADES_IN_HOURS);
    });
    let (status, said) = collector.send(batch);
    assert_eq!((status, said.as_str()), (200, ""), "{name}");
    let of_the_call = |listed: &Value| {
        let timelines = listed["timelines"].as_array().cloned().unwrap_or_default();
        let stream = timelines.into_iter().find(|timeline| timeline["context"] == 2)?;
        Some(stream["id"].as_str()?.to_owned())
    };
    let listed = collector.until("/api/v1/timelines", |listed| of_the_call(listed).is_some());
    let id = of_the_call(&listed).expect("it was there");
    let (status, script) = collector.get(&format!("/api/v1/timelines/{id}?as=text"), &[]);
    assert_eq!(status, 200, "{script}");
    script
}

#[test]
fn a_recorder_of_any_release_before_tells_the_same_of_the_same_run() {
    let (old, now) = (told("v1-0.1.0"), told("v1-minor-1"));
    assert!(now.contains(r#"#6   dispatch http "slow" "#), "{now}");
    assert!(now.contains("#15 http_call_response root 1 call 4 "), "{now}");
    assert_eq!(old, now);
}

#[test]
fn of_a_newer_recorder_all_that_is_known_is_told_and_nothing_is_taken_for_complete() {
    let (newer, now) = (told(NEWER), told("v1-minor-1"));
    let is_new = |line: &&str| {
        line.starts_with("gap ") || line.contains("property 9999") || line.contains("kind_9999")
    };
    let known: Vec<_> = newer.lines().filter(|line| !is_new(line)).collect();
    assert_eq!(known, now.lines().collect::<Vec<_>>());
    let new: Vec<_> = newer.lines().filter(is_new).collect();
    assert_eq!(
        new,
        [
            r#"property "property 9999" "new""#,
            r#"gap 1-16 "a newer recorder said more than this version understands""#,
            r#"gap 17-17 "the recorder lost them""#,
            r#"5.002500 #16 kind_9999 2 arg0=7 "new""#,
        ]
    );
}

/// Of the revision that the recorder of today sends (its own test compares its newest golden batch).
#[test]
fn the_collector_knows_the_revision_that_the_recorder_sends_and_none_after_it() {
    let files = std::fs::read_dir(golden()).expect("the folder of golden batches");
    let paths = files.map(|file| file.expect("a file").path());
    let recorded = paths.filter(|path| {
        path.extension().is_some_and(|end| end == "bin") && !path.ends_with(format!("{NEWER}.bin"))
    });
    let batches = recorded.map(|path| {
        let bytes = std::fs::read(path).expect("readable");
        Batch::decode(bytes.as_slice()).expect("a batch")
    });
    let mut newest = batches.max_by_key(|batch| batch.wire_minor).expect("a golden batch");
    let is_newer = |batch: &Batch| {
        let told = told_of(&batch.encode_to_vec(), "the newest");
        told.contains("a newer recorder said more than this version understands")
    };
    assert!(!is_newer(&newest), "raise WIRE_MINOR in collector/src/decode.rs");
    newest.wire_minor += 1;
    assert!(is_newer(&newest), "raise WIRE_MINOR in wasm-tracer/recorder/src/batch.rs");
}
