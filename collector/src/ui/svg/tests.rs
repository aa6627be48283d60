//! The drawing: what must be seen of a bug and of a good run, and that odd timelines draw too.

use ::timeline::Timeline;
use ::timeline::ids::Micros;

use super::draw::drawing;
use super::layout::{Layout, RIGHT, WIDTH, shared_axis, width_of};
use crate::ui::fixture;
use crate::ui::language::Language;

fn draw(timeline: &Timeline) -> String {
    drawing(timeline, &shared_axis([timeline]), Language::English).finish()
}

/// The parts of a drawing that a claim about it needs.
fn has(svg: &str, what: &str) -> bool {
    svg.contains(what)
}

/// Elements are closed in the order in which they were opened, as XML demands.
fn check_well_formed(svg: &str) {
    let mut open = Vec::new();
    for part in svg.split('<').skip(1) {
        let (tag, _) = part.split_once('>').expect("every tag ends");
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name), "in {svg}");
        } else if !tag.ends_with('/') {
            open.push(tag.split(' ').next().expect("a tag has a name"));
        }
    }
    assert!(open.is_empty(), "{open:?} not closed");
}

fn check_places(timeline: &Timeline) {
    check_places_among(timeline, &[timeline]);
}

fn check_places_among(timeline: &Timeline, all: &[&Timeline]) {
    let axis = shared_axis(all.iter().copied());
    let layout = Layout::of(timeline, &axis);
    for lane in &layout.lanes {
        let mut spans: Vec<(f64, f64, f64)> = Vec::new();
        for mark in lane.marks.iter().filter(|m| m.label_x.is_some()) {
            let text = width_of(&mark.label.text);
            let label = mark.label_x.expect("just filtered");
            let (left, right) = (mark.x.min(label), (mark.x + mark.width).max(label + text));
            assert!(left > 0.0 && right <= WIDTH, "{:?} leaves the drawing", mark.label);
            for (y, l, r) in &spans {
                let apart = *y != mark.y || right <= *l || left >= *r;
                assert!(
                    apart,
                    "{:?} overlaps in lane {}",
                    mark.label,
                    lane.name.of(Language::English)
                );
            }
            spans.push((mark.y, left, right));
            assert!(mark.y < lane.y + lane.height, "{:?} leaves its lane", mark.label);
        }
    }
}

#[test]
fn the_seed_bug_shows_a_red_late_bar_behind_the_end_of_the_stream() {
    let svg = draw(&fixture::seed_bug());
    assert!(has(&svg, "class=\"wt-lost\"") && has(&svg, "1996 ms late"));
    assert!(has(&svg, "class=\"wt-end\"") && has(&svg, "end of stream"));
    assert!(has(&svg, "request held 4.") && has(&svg, "class=\"wt-break\""));
    assert!(has(&svg, "resume request (no effect)"));
}

#[test]
fn a_good_run_has_an_end_but_nothing_red() {
    let svg = draw(&fixture::fixed_run());
    assert!(has(&svg, "class=\"wt-end\"") && has(&svg, "answered after 200 ms with 200"));
    assert!(!has(&svg, "wt-lost") && !has(&svg, "wt-bad") && !has(&svg, " late"));
    assert!(has(&svg, "request held 201 ms"));
}

#[test]
fn calls_without_callback_are_dashed_and_a_hold_stays_open() {
    let svg = draw(&fixture::waiting());
    assert_eq!(svg.matches("class=\"wt-pending\"").count(), 2);
    assert!(has(&svg, "no callback yet, timeout 5.00 s") && has(&svg, "no timeout"));
    assert!(has(&svg, "rejected: bad_argument") && has(&svg, "failed after 1.20 s with 503"));
    assert!(has(&svg, "request held, not released"));
    assert!(!has(&svg, "end of stream"));
    assert!(has(&svg, "Events #6 to #7 are missing"));
}

#[test]
fn it_stands_alone_and_obeys_the_page_policy() {
    for timeline in [fixture::seed_bug(), fixture::waiting(), fixture::hostile()] {
        let svg = draw(&timeline);
        check_well_formed(&svg);
        assert!(svg.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\""));
        assert!(has(&svg, "role=\"img\"") && has(&svg, "<title>") && has(&svg, "<desc>"));
        assert!(!has(&svg, " style=") && !has(&svg, "<style") && !has(&svg, "<script"));
    }
}

#[test]
fn few_and_many_events_find_their_places() {
    for n in [1, 2, 200, 3_000] {
        let timeline = fixture::many_events(n);
        check_places(&timeline);
        check_well_formed(&draw(&timeline));
    }
    let none = fixture::of("", Vec::new());
    check_well_formed(&draw(&none));
    assert!(has(&draw(&fixture::many_events(3_000)), "2600 events are not drawn"));
}

#[test]
fn labels_do_not_overlap() {
    for timeline in [fixture::seed_bug(), fixture::fixed_run(), fixture::waiting()] {
        check_places(&timeline);
    }
}

#[test]
fn the_late_callback_is_at_the_right_edge_and_the_busy_part_is_readable() {
    let timeline = fixture::seed_bug();
    let axis = shared_axis([&timeline]);
    let layout = Layout::of(&timeline, &axis);
    let end = layout.axis.x(layout.end.expect("it ended"));
    assert!(end > WIDTH / 2.0, "six busy milliseconds have most of the room");
    assert!(layout.axis.x(timeline.calls[0].outcome.answer().expect("late").at) > RIGHT - 60.0);
}

#[test]
fn a_note_of_the_plugin_reads_as_it_was_made() {
    let script = "0.0 #1 create 2 root 1\n0.1 #2 request_headers 2 -> continue\n\
                  0.1 #3   annotation \"user=7\" -> not_found";
    let svg = draw(&fixture::of(script, Vec::new()));
    assert!(has(&svg, ">user=7<") && !has(&svg, "wt-bad"), "{svg}");
}

#[test]
fn a_panic_is_red_and_never_returns() {
    let svg = draw(&fixture::panicked());
    assert!(has(&svg, "request headers → trapped: no such user (/plugin/main.go:52)"), "{svg}");
    assert!(has(&svg, "class=\"wt-lost\""));
    check_well_formed(&svg);
    check_places(&fixture::panicked());
}

#[test]
fn anothers_panic_is_drawn_beside_the_stream_not_as_its_phase() {
    let timeline = fixture::taken_with_a_panic();
    let axis = shared_axis([&timeline]);
    let layout = Layout::of(&timeline, &axis);
    let lane = layout.lanes.iter().find(|lane| lane.marks.iter().any(|m| m.event.sequence.0 == 16));
    assert_eq!(lane.map(|lane| lane.name.of(Language::English)), Some("context"));
    assert_eq!(layout.end, None, "nothing ended");
    let svg = draw(&timeline);
    assert!(has(&svg, "request headers of context 3 → trapped: no such user (src/lib.rs:31:9)"));
    check_places(&timeline);
}

#[test]
fn on_one_axis_a_moment_is_at_one_place_and_what_is_open_ends_where_it_is_known_to() {
    let (first, second) = (fixture::waiting(), fixture::seed_bug());
    let all = [&first, &second];
    let axis = shared_axis(all);
    let places = |timeline| {
        let layout = Layout::of(timeline, &axis);
        let marks = layout.lanes.into_iter().flat_map(|lane| lane.marks);
        marks.map(|mark| (mark.event.at, mark.x)).collect::<Vec<_>>()
    };
    let mut together = [places(&first), places(&second)].concat();
    together.sort_by_key(|(at, _)| *at);
    assert!(together.windows(2).all(|pair| {
        let ((a, x), (b, y)) = (pair[0], pair[1]);
        if a == b { x == y } else { x < y }
    }));
    for timeline in all {
        check_places_among(timeline, &all);
        check_well_formed(&drawing(timeline, &axis, Language::English).finish());
    }
    let known = first.known_until;
    let known_at = |until| {
        let mut longer = second.clone();
        longer.events.last_mut().expect("it has events").at = until;
        let axis = shared_axis([&first, &longer]);
        (Layout::of(&first, &axis).known, axis.x(known))
    };
    let (open, place) = known_at(known.after(Micros(7_000_000)));
    assert!(open == place && open < RIGHT - 50.0, "{open} {place}");
    assert_eq!(known_at(known).0, RIGHT);
}
