//! Lists in pages: open and stored timelines in one order, each on one page.

mod support;

use support::{Collector, Recorder, bytes};

/// Ids on the pages of a list, page by page; something new comes between each two.
fn pages(collector: &Collector, limit: usize, newcomer: &mut Recorder) -> Vec<Vec<String>> {
    let mut pages = Vec::new();
    let mut path = format!("/api/v1/timelines?plugin=body-call&limit={limit}");
    loop {
        let page = collector.json(&path);
        let timelines = page["timelines"].as_array().expect("a list");
        pages.push(timelines.iter().map(|t| t["id"].as_str().expect("an id").to_owned()).collect());
        let Some(cursor) = page["cursor"].as_str() else { return pages };
        path = format!("/api/v1/timelines?plugin=body-call&limit={limit}&cursor={cursor}");
        assert_eq!(collector.send(&bytes(&newcomer.requests(1))).0, 200);
        assert!(pages.len() < 100, "it has no end");
    }
}

#[test]
fn open_and_stored_timelines_share_pages_and_none_is_skipped_or_repeated() {
    let collector = Collector::start();
    let mut recorder = Recorder::new(1);
    for _ in 0..5 {
        // The two requests after it took two seconds each: it began between them.
        let mut beginning = recorder.beginning();
        beginning.clock.as_mut().expect("a clock").wall_nanos -= 3_000_000_000;
        assert_eq!(collector.send(&bytes(&beginning)).0, 200);
        assert_eq!(collector.send(&bytes(&recorder.requests(2))).0, 200);
    }
    let all = collector.closed(10);
    let is_open = |t: &serde_json::Value| t["state"] == "open";
    assert_eq!((all.len(), all.iter().filter(|t| is_open(t)).count()), (15, 5));
    let before: Vec<_> = all.iter().map(is_open).collect();
    assert_eq!(before, [[false; 5], [true; 5], [false; 5]].concat(), "by their beginnings");
    let ids: Vec<_> = all.iter().map(|t| t["id"].as_str().expect("an id").to_owned()).collect();
    collector.until_metric("wasm_tracer_slices_size_bytes", |bytes| bytes > 0.0);
    for (limit, number) in [(1, 2), (2, 3), (4, 4), (6, 5)] {
        let mut newcomer = Recorder::new(number);
        let pages = pages(&collector, limit, &mut newcomer);
        assert!(pages.len() > 2, "{pages:?}");
        assert!(pages.iter().all(|page| page.len() <= limit), "{pages:?}");
        let listed: Vec<_> = pages.concat().into_iter().filter(|id| ids.contains(id)).collect();
        assert_eq!(listed, ids, "{limit} a page");
    }
}

#[test]
fn a_list_since_a_time_has_what_is_open_and_what_was_closed_then_or_later() {
    let collector = Collector::start();
    let mut recorder = Recorder::new(1);
    assert_eq!(collector.send(&bytes(&recorder.requests(2))).0, 200);
    assert_eq!(collector.send(&bytes(&recorder.beginning())).0, 200);
    collector.closed(2);
    let count = |list: &serde_json::Value| list["timelines"].as_array().expect("a list").len();
    let list = |since: &str| collector.json(&format!("/api/v1/timelines?since={since}"));
    for since in ["1m", "2d", "0", "2023-11-14T22:13:20Z"] {
        assert_eq!(count(&list(since)), 3, "{since}");
    }
    // What was closed just now is told apart once it is stored.
    collector.until("/api/v1/timelines?since=2100-01-01T00:00:00Z", |list| count(list) == 1);
    let (status, page) = collector.get("/?since=15m", &[]);
    assert_eq!((status, page.matches("data-id=").count()), (200, 3));
    assert!(page.contains("<option value=\"15m\" selected=\"\">"), "{page}");
    let (status, problem) = collector.get("/api/v1/timelines?since=lately", &[]);
    assert_eq!(status, 400, "{problem}");
    assert!(problem.contains("15m"), "{problem}");
}
