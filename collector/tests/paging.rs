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
