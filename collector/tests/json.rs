//! A timeline's JSON: everything comes back, and what is none is refused by line.

#[path = "../../timeline/tests/any/mod.rs"]
mod any;

use collector::json::{print, read};
use proptest::prelude::*;

use any::{any_timeline, corpus};

proptest! {
    #[test]
    fn what_is_printed_reads_back(timelines in prop::collection::vec(any_timeline(), 1..3)) {
        let lines: Vec<String> = timelines.iter().map(print).collect();
        prop_assert_eq!(&read(&lines.join("\n")).expect("timelines"), &timelines);
        prop_assert_eq!(&read(&format!("[{}]", lines.join(","))).expect("a list"), &timelines);
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in any::<String>(), timeline in any_timeline(), cut in any::<usize>()) {
        let _ = read(&text);
        let json = print(&timeline);
        let cut = cut % json.len();
        prop_assert!(read(json.get(..cut).unwrap_or_default()).is_err());
    }
}

#[test]
fn every_timeline_of_the_corpus_reads_back() {
    for (name, timeline) in corpus() {
        let read = read(&print(&timeline)).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(read, [timeline], "{name}");
    }
}

#[test]
fn what_is_no_timeline_is_told_with_its_place() {
    let (_, timeline) = corpus().swap_remove(0);
    let json = print(&timeline);
    for (text, said) in [
        (String::new(), "no timeline stands here"),
        ("{\n\"timelines\": []}".to_owned(), "missing field `instance` at line 2"),
        (
            json.replace("request_headers", "request_heads"),
            "\"request_heads\" is no callback or hostcall",
        ),
        (json.replace("\"recording\"", "\"else\""), "missing field `recording`"),
        (format!("{json}\nlost"), "expected value at line 2"),
    ] {
        let refused = read(&text).expect_err("no timeline");
        let cause = std::error::Error::source(&refused).map(ToString::to_string);
        let refused = format!("{refused}: {}", cause.unwrap_or_default());
        assert!(refused.contains(said), "{refused}");
        assert!(refused.contains("as the API and `show --json` give it"), "{refused}");
    }
}
