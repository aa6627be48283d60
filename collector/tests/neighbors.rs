//! Batches of older and of newer recorders: each gives its timeline.

mod support;

use std::path::Path;

use serde_json::Value;
use support::Collector;

/// The golden batches are from 2023.
const DECADES_IN_HOURS: u32 = 300_000;

fn golden(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../proto/golden");
    std::fs::read(folder.join(format!("{name}.bin"))).expect("the golden batch")
}

/// What a collector makes of the stream in a golden batch, as a script.
fn told(name: &str) -> String {
    let collector = Collector::with(|settings| {
        settings.max_batch_age_hours = Some(DECADES_IN_HOURS);
    });
    let (status, said) = collector.send(&golden(name));
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
    let (newer, now) = (told("v1-newer"), told("v1-minor-1"));
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
