//! Script notation and stored form: everything of a timeline comes back.

mod any;

use proptest::prelude::*;
use timeline::Folded;
use timeline::script::{ScriptError, parse, parse_all, print, print_all};

use any::{any_timeline, corpus};

#[test]
fn every_timeline_of_the_corpus_reads_back() {
    for (name, timeline) in corpus() {
        let script = print(&timeline);
        assert_eq!(parse(&script).unwrap_or_else(|e| panic!("{name}: {e}")), timeline, "{name}");
        let stored = timeline::codec::encode(&timeline);
        assert_eq!(timeline::codec::decode(&stored).as_ref(), Ok(&timeline), "{name}");
        assert_eq!(Folded::of(&timeline).unfold(), timeline, "{name}");
    }
    let all: Vec<_> = corpus().into_iter().map(|(_, timeline)| timeline).collect();
    assert_eq!(parse_all(&print_all(&all)).as_ref(), Ok(&all));
}

proptest! {
    #[test]
    fn what_is_printed_reads_back(timeline in any_timeline()) {
        let script = print(&timeline);
        prop_assert_eq!(parse(&script).unwrap_or_else(|e| panic!("{e}\n{script}")), timeline);
    }

    #[test]
    fn several_timelines_of_one_text_read_back(
        timelines in prop::collection::vec(any_timeline(), 1..4)
    ) {
        let script = print_all(&timelines);
        prop_assert_eq!(parse_all(&script).unwrap_or_else(|e| panic!("{e}\n{script}")), timelines);
    }

    #[test]
    fn what_is_encoded_reads_back(timeline in any_timeline()) {
        prop_assert_eq!(timeline::codec::decode(&timeline::codec::encode(&timeline)).unwrap(), timeline);
    }

    #[test]
    fn what_is_folded_unfolds(timeline in any_timeline()) {
        prop_assert_eq!(Folded::of(&timeline).unfold(), timeline);
    }

    #[test]
    fn damaged_bytes_are_refused_or_read_but_never_panic(
        timeline in any_timeline(), at in any::<usize>(), byte in any::<u8>(), cut in any::<usize>(),
    ) {
        let mut bytes = timeline::codec::encode(&timeline);
        prop_assert!(timeline::codec::decode(&bytes[..cut % bytes.len()]).is_err());
        let at = at % bytes.len();
        bytes[at] = byte;
        if let Ok(read) = timeline::codec::decode(&bytes) {
            prop_assert_eq!(timeline::codec::decode(&timeline::codec::encode(&read)).unwrap(), read);
        }
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in any::<String>()) {
        if let Err(ScriptError { line, what }) = parse(&text) {
            prop_assert!(line > 0 && !what.is_empty());
        }
    }
}
