//! Timelines: stored once, replaced by later revisions, found by filters, listed in pages.

use collector::store::{Cursor, Query};
use timeline::event::Marks;
use timeline::finding::Severity;
use timeline::timeline::Timeline;

use crate::place::{HOUR_MILLIS, LOST, Place, beginning_of, fine, lost, now_millis, of_plugin};

#[test]
fn what_is_stored_twice_is_there_once() {
    let mut place = Place::new();
    let timelines = [lost(2), fine(3)];
    place.put(&timelines);
    place.put(&timelines);
    assert_eq!(place.listed(&Query::default()), [3, 2]);
    for timeline in &timelines {
        assert_eq!(place.store().get(timeline.id).expect("readable").as_ref(), Some(timeline));
    }
    place.reopen();
    place.put(&timelines);
    assert_eq!(place.listed(&Query::default()), [3, 2]);
    assert_eq!(place.store().get(lost(9).id).expect("readable"), None);
}

#[test]
fn a_later_revision_replaces_and_an_earlier_one_undoes_nothing() {
    let place = Place::new();
    let whole = Timeline { revision: 2, ..lost(2) };
    let part = beginning_of(&lost(2), 2);
    place.put(std::slice::from_ref(&part));
    assert!(place.listed(&Query { found: true, ..Query::default() }).is_empty());
    place.put(std::slice::from_ref(&whole));
    place.put(std::slice::from_ref(&part));
    let stored = place.store().get(whole.id).expect("readable").expect("it is there");
    assert_eq!((stored.events.len(), stored.revision), (whole.events.len(), 2));
    assert_eq!(place.listed(&Query { found: true, ..Query::default() }), [2]);
}

#[test]
fn two_parts_of_a_timeline_become_one_in_the_slice_of_the_first() {
    let place = Place::new();
    let whole = lost(2);
    let begun = now_millis();
    place.put_at(&[beginning_of(&whole, 5)], begun);
    place.put_at(&[fine(3)], begun + HOUR_MILLIS);
    assert_eq!(place.slices().len(), 2);
    let mut rest = Timeline { revision: 1, ..whole.clone() };
    rest.events.drain(..3);
    place.put_at(&[rest], begun + HOUR_MILLIS);
    let stored = place.store().get(whole.id).expect("readable").expect("it is there");
    assert_eq!(stored.events, whole.events);
    assert_eq!(stored.findings, whole.findings);
    assert_eq!(place.listed(&Query::default()), [3, 2]);
}

#[test]
fn parts_that_are_stored_at_once_become_one() {
    let place = Place::new();
    let whole = lost(2);
    let mut rest = Timeline { revision: 3, ..whole.clone() };
    rest.events.drain(..3);
    place.put(&[Timeline { revision: 1, ..beginning_of(&whole, 5) }, fine(3), rest]);
    let stored = place.store().get(whole.id).expect("readable").expect("it is there");
    assert_eq!((&stored.events, &stored.findings), (&whole.events, &whole.findings));
    assert_eq!(place.listed(&Query::default()), [3, 2]);
}

#[test]
fn a_trap_that_was_withdrawn_is_in_the_store_no_longer() {
    let place = Place::new();
    let whole = lost(2);
    let mut trapped = beginning_of(&whole, 5);
    let trap = trapped.events.last_mut().expect("it has events");
    trap.marks = trap.marks.with(Marks::UNFINISHED);
    trap.sequence.0 += 1;
    place.put(&[Timeline { revision: 3, ..trapped.clone() }]);
    let stored = || place.store().get(whole.id).expect("readable").expect("it is there");
    assert_eq!(stored().events, trapped.events);
    // A replay that has not come so far proves nothing.
    place.put(&[Timeline { revision: 1, ..beginning_of(&whole, 3) }]);
    assert_eq!(stored().events, trapped.events);
    // Another stream's event proved it: this one has nothing new.
    let before = beginning_of(&whole, 4);
    place.put(&[Timeline { revision: 4, ..before.clone() }]);
    assert_eq!(stored().events, before.events);
    place.put(&[Timeline { revision: 3, ..trapped }]);
    let mut rest = Timeline { revision: 1, ..whole.clone() };
    rest.events.drain(..4);
    place.put(&[rest]);
    assert_eq!(stored().events, whole.events);
}

#[test]
fn filters_choose_and_combine() {
    let place = Place::new();
    let begun = now_millis();
    place.put_at(&[of_plugin("auth", lost(2)), of_plugin("auth", fine(3))], begun);
    place.put_at(&[of_plugin("quota", lost(4)), of_plugin("quota", fine(5))], begun + 5000);
    let all = Query::default();
    let text = |text: &str| Some(text.to_owned());
    let cases = [
        (Query { plugin: text("auth"), ..all.clone() }, vec![3, 2]),
        (Query { plugin: text("aut"), ..all.clone() }, vec![]),
        (Query { finding: text(LOST), ..all.clone() }, vec![4, 2]),
        (Query { finding: text("headers-forwarded"), ..all.clone() }, vec![]),
        (Query { severity: Some(Severity::Lost), ..all.clone() }, vec![4, 2]),
        (Query { severity: Some(Severity::Hung), ..all.clone() }, vec![]),
        (Query { found: true, ..all.clone() }, vec![4, 2]),
        (Query { since_millis: Some(begun + 1), ..all.clone() }, vec![5, 4]),
        (Query { request_id: text("request-3"), ..all.clone() }, vec![3]),
        (Query { longest_micros: Some(1_500_000), ..all.clone() }, vec![5, 4, 3, 2]),
        (
            Query { longest_micros: Some(1_500_000), plugin: text("auth"), ..all.clone() },
            vec![3, 2],
        ),
        (Query { longest_micros: Some(3_600_000_000), ..all.clone() }, vec![]),
        (Query { since_millis: Some(begun + 1), found: true, ..all.clone() }, vec![4]),
        (Query { request_id: text(""), ..all.clone() }, vec![]),
        (Query { plugin: text("quota"), found: true, ..all.clone() }, vec![4]),
        (Query { plugin: text("auth"), since_millis: Some(begun + 1), ..all.clone() }, vec![]),
        (all, vec![5, 4, 3, 2]),
    ];
    for (query, expected) in cases {
        assert_eq!(place.listed(&query), expected, "{query:?}");
    }
}

#[test]
fn a_list_since_a_time_is_the_same_whether_few_or_many_are_left() {
    let place = Place::new();
    let begun = now_millis();
    let many: Vec<_> = (10..5_210).map(fine).collect();
    place.put_at(&many[..100], begun);
    place.put_at(&many[100..], begun + 1);
    place.put_at(&[fine(2), of_plugin("auth", fine(3)), lost(4)], begun + 5_000);
    let since = |at: i64| Query { since_millis: Some(at), ..Query::default() };
    let first = |query: &Query| {
        let page = place.store().list(query, None, 4).expect("a list");
        page.found.iter().map(|found| found.timeline.context.0).collect::<Vec<_>>()
    };
    assert_eq!(first(&since(begun + 2)), [4, 3, 2]);
    assert_eq!(first(&since(begun + 1)), [4, 3, 2, 5_209]);
    assert!(first(&since(begun + 5_001)).is_empty());
    for at in [begun, begun + 2] {
        let of = |query: Query| first(&Query { since_millis: Some(at), ..query });
        assert_eq!(of(Query { plugin: Some("auth".to_owned()), ..Query::default() }), [3]);
        assert_eq!(of(Query { found: true, ..Query::default() }), [4]);
    }
}

#[test]
fn the_timelines_of_a_trace_are_found_in_all_slices() {
    let place = Place::new();
    let begun = now_millis();
    let of = |trace: u32, mut timeline: Timeline| {
        timeline.stream.traceparent = format!("00-{trace:032x}-00f067aa0ba902b7-01");
        timeline
    };
    place.put_at(&[of(7, lost(2)), of(8, fine(3)), fine(4)], begun);
    // The end that lists keep is the same as of 7.
    let similar = "00-00000000000000000000000100000007-00f067aa0ba902b7-01";
    let mut other = fine(6);
    other.stream.traceparent = similar.to_owned();
    place.put_at(&[of(7, fine(5)), other], begun + HOUR_MILLIS);
    assert_eq!(place.slices().len(), 2);
    let query =
        |trace: &str| Query { trace: Some(trace.parse().expect("a trace id")), ..Query::default() };
    assert_eq!(place.listed(&query("7")), [5, 2]);
    assert_eq!(place.listed(&query("8")), [3]);
    assert_eq!(place.listed(&query("100000007")), [6]);
    assert!(place.listed(&query("9")).is_empty());
    let both = Query { found: true, ..query("7") };
    assert_eq!(place.listed(&both), [2]);
    let later = Query { begun_nanos: Some((begun + 1) * 1_000_000), ..query("7") };
    assert_eq!(place.listed(&later), [5]);
    // A part that is made whole is found once.
    place.put_at(&[of(8, lost(3))], begun + HOUR_MILLIS);
    assert_eq!(place.listed(&query("8")), [3]);
    let names = place.store().plugins(10).expect("names");
    assert_eq!(names.into_iter().collect::<Vec<_>>(), [lost(2).root.plugin.clone()]);
}

#[test]
fn a_slice_is_passed_by_where_no_plugin_did_what_is_asked_for() {
    let mut place = Place::new();
    let begun = now_millis();
    place.put_at(&[of_plugin("auth", lost(2)), of_plugin("auth", fine(3))], begun);
    let later = [of_plugin("auth", fine(4)), of_plugin("quota", lost(5))];
    place.put_at(&later, begun + HOUR_MILLIS);
    assert_eq!(place.slices().len(), 2);
    let of_any = |deed: &str| Query { deed: Some(deed.to_owned()), ..Query::default() };
    let of_auth = |deed: &str| Query { plugin: Some("auth".to_owned()), ..of_any(deed) };
    let check = |place: &Place| {
        assert_eq!(place.listed(&of_any("http_call slow")), [5, 4, 3, 2]);
        assert_eq!(place.listed(&of_auth("http_call slow")), [3, 2]);
        assert_eq!(place.listed(&of_auth("request_headers")), [4, 3, 2]);
        for none in ["http_call slo", "http_call", "tick", ""] {
            assert!(place.listed(&of_any(none)).is_empty(), "{none:?}");
        }
    };
    check(&place);
    place.reopen();
    check(&place);
    // What is made whole in its slice did it there.
    place.put_at(&[of_plugin("auth", lost(4))], begun + HOUR_MILLIS);
    assert_eq!(place.listed(&of_auth("http_call slow")), [4, 3, 2]);
}

#[test]
fn pages_follow_each_other_without_gap_or_repeat() {
    let place = Place::new();
    let begun = now_millis();
    for hour in 0..4 {
        let timelines: Vec<_> = (0..6u32)
            .map(|n| if n % 2 == 0 { lost(hour * 6 + n) } else { fine(hour * 6 + n) })
            .collect();
        place.put_at(&timelines, begun + i64::from(hour) * HOUR_MILLIS);
    }
    assert_eq!(place.slices().len(), 4);
    let found = Query { found: true, ..Query::default() };
    for (query, expected) in [
        (Query::default(), (0..24u32).rev().collect::<Vec<_>>()),
        (found, (0..24u32).rev().filter(|n| n % 2 == 0).collect()),
    ] {
        for limit in [1, 3, 5, 6, 24] {
            let (mut seen, mut pages, mut after) = (Vec::new(), 0, None);
            loop {
                let page = place.store().list(&query, after, limit).expect("a page");
                assert!(page.found.len() <= limit);
                seen.extend(page.found.iter().map(|found| found.timeline.context.0));
                pages += 1;
                // Cursors travel as text. What comes meanwhile is not on later pages.
                after = page.next.map(|next| {
                    next.to_string().parse::<Cursor>().expect("a cursor reads its own text")
                });
                if after.is_none() {
                    break;
                }
                place.put_at(&[fine(1000 + pages)], begun + 3 * HOUR_MILLIS);
            }
            seen.retain(|context| *context < 1000);
            assert_eq!(seen, expected, "{limit} a page");
            assert!(pages > 2 || limit > 10);
        }
    }
}
