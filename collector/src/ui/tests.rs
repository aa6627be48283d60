//! The pages as wholes: nothing of a plugin's data becomes markup, nothing breaks the policy, and what
//! matters is on them.

mod chinese;

use ::timeline::delivery::{Module, OpenInvocation, Root};
use ::timeline::ids::{CallId, ContextId, Entry, InstanceId, Micros};
use ::timeline::request::Request;
use ::timeline::{Timeline, script};

use super::{CONTENT_SECURITY_POLICY, Filter, ListView, PluginLine, PluginView, Row, fixture};
use super::{
    Language, Speech, asset, diagnoses_page, diagnosis_page, instance_page, instances_page,
    list_page, request_page, timeline_page, token_form,
};
use super::{plugin_page, plugins_page, traffic_page};
use crate::config::Links;
use crate::pipeline::TrafficReport;

fn english() -> Speech {
    Speech::default()
}

fn rendered(timeline: &Timeline) -> String {
    timeline_page(&english(), &Links::default(), timeline, &script::print(timeline))
}

fn list_of(timelines: &[Timeline]) -> ListView {
    ListView { rows: timelines.iter().map(Row::of).collect(), ..ListView::default() }
}

/// No element and no attribute that the policy forbids, and no data as markup.
fn check_harmless(page: &str) {
    let lower = page.to_lowercase();
    let own = ["live.js", "copy.js"].map(|name| format!("src=\"/assets/{name}\""));
    let own: usize = own.iter().map(|own| lower.matches(own.as_str()).count()).sum();
    assert_eq!(lower.matches("<script").count(), own);
    for forbidden in [" style=", "<style", "<img src=x", " onerror=\"", "javascript:", "http-equiv"]
    {
        assert!(!lower.contains(forbidden), "{forbidden} in {page}");
    }
    assert!(!page.contains('\u{0}'));
    check_closed(page);
}

/// Every element is closed in its order, but for those that HTML has without an end.
fn check_closed(page: &str) {
    let mut open: Vec<&str> = Vec::new();
    for part in page.split('<').skip(2) {
        let (tag, _) = part.split_once('>').expect("every tag ends");
        match tag.strip_prefix('/') {
            Some(name) => assert_eq!(open.pop(), Some(name)),
            None if tag.ends_with('/') => {}
            None => open.push(tag.split(' ').next().expect("a tag has a name")),
        }
    }
    assert!(open.is_empty(), "{open:?} not closed");
}

#[test]
fn no_data_of_a_plugin_becomes_markup() {
    let hostile = fixture::hostile();
    check_harmless(&rendered(&hostile));
    let mut view = list_of(&[hostile]);
    let attack = "\"><script>alert(1)</script>".to_owned();
    view.filter = Filter {
        plugin: attack.clone(),
        finding: attack.clone(),
        severity: attack.clone(),
        since: attack.clone(),
        request_id: attack.clone(),
    };
    view.plugins = vec![attack.clone()];
    view.cursor = Some(attack);
    check_harmless(&list_page(&english(), &view));
}

#[test]
fn every_page_obeys_the_policy() {
    assert!(CONTENT_SECURITY_POLICY.starts_with("default-src 'self';"));
    for page in [
        rendered(&fixture::seed_bug()),
        rendered(&fixture::fixed_run()),
        rendered(&fixture::many_events(2_500)),
        list_page(&english(), &ListView::default()),
        list_page(&english(), &list_of(&[fixture::seed_bug(), fixture::waiting()])),
        token_form(&english(), false),
        token_form(&english(), true),
    ] {
        check_harmless(&page);
        for part in page.split("\"/assets/").skip(1) {
            let (name, _) = part.split_once('"').expect("a link ends");
            assert!(asset(name).is_some(), "no asset {name}");
        }
    }
}

#[test]
fn the_page_of_the_seed_bug_leads_from_the_finding_to_its_events() {
    let page = rendered(&fixture::seed_bug());
    for part in [
        "headers-forwarded-before-body-call",
        "<a href=\"#e15\">#15</a>",
        "id=\"e15\"",
        "<a href=\"#f1\"",
        "id=\"f1\"",
        "On stock Envoy",
        "On Higress",
        "via_upstream",
        "class=\"after proof\"",
        "<svg xmlns=",
        "2025-11-24 15:00:00.000 UTC",
    ] {
        assert!(page.contains(part), "{part} is missing in {page}");
    }
}

#[test]
fn what_cannot_be_said_is_said() {
    let page = rendered(&fixture::waiting());
    assert!(page.contains("What could not be said"));
    assert!(page.contains("cannot be answered before +5.00 s is known"));
    assert!(page.contains("Events #6 to #7 are missing: <span>buffer_full</span>"));
    assert!(!rendered(&fixture::fixed_run()).contains("What could not be said"));
}

#[test]
fn a_lost_callback_stands_out_by_word_too() {
    let page = list_page(&english(), &list_of(&[fixture::seed_bug(), fixture::fixed_run()]));
    assert!(page.contains("<tr class=\"lost\""));
    assert!(
        page.contains("<span class=\"badge lost\"><span aria-hidden=\"true\">✕</span>lost</span>")
    );
    assert!(page.contains("<tr class=\"clear\""));
}

#[test]
fn filters_are_a_form_that_keeps_what_was_asked() {
    let mut view = list_of(&[fixture::seed_bug()]);
    view.plugins = vec!["body-call".to_owned(), "other".to_owned()];
    view.filter.plugin = "other".to_owned();
    view.filter.since = "15m".to_owned();
    view.cursor = Some("17&x".to_owned());
    let page = list_page(&english(), &view);
    assert!(page.contains("<form method=\"get\" action=\"/\""));
    assert!(page.contains("<option value=\"other\" selected=\"\">other</option>"));
    assert!(page.contains("<option value=\"15m\" selected=\"\">the last 15 minutes</option>"));
    assert!(page.contains("href=\"/?plugin=other&amp;since=15m&amp;cursor=17%26x\""));
}

#[test]
fn an_empty_list_says_how_to_get_a_first_timeline() {
    let page =
        list_page(&english(), &ListView { ingest: "127.0.0.1:4000".into(), ..ListView::default() });
    assert!(page.contains("wasm-tracer instrument plugin.wasm"));
    assert!(page.contains("127.0.0.1:4000"));
    let filter = Filter { severity: "lost".into(), ..Filter::default() };
    let page = list_page(&english(), &ListView { filter, ..ListView::default() });
    assert!(page.contains("No timeline fits this filter"));
}

#[test]
fn a_row_says_what_the_timeline_says() {
    let row = Row::of(&fixture::seed_bug());
    assert_eq!(row.duration, Micros(6_049));
    assert_eq!((row.plugin.as_str(), row.code), ("body-call", Some(200)));
    assert_eq!(row.headline.map(|h| h.0).as_deref(), Some("headers-forwarded-before-body-call"));
}

#[test]
fn the_page_of_every_diagnosis_explains_draws_and_leads_to_its_cases() {
    let all = diagnoses_page(&english());
    check_harmless(&all);
    for diagnosis in ::timeline::registry::DIAGNOSES {
        assert!(all.contains(&format!("<a href=\"/diagnoses/{}\">", diagnosis.code)));
        for (language, heading) in
            [(Language::English, "What you see"), (Language::Chinese, "现象")]
        {
            let speech = Speech { language, ..english() };
            let page = diagnosis_page(&speech, diagnosis, &[]);
            check_harmless(&page);
            assert!(page.contains(&format!("<h2>{heading}</h2>")), "{}", diagnosis.code);
            assert!(page.contains("<svg xmlns="), "{} has no drawing", diagnosis.code);
            assert!(page.contains(&format!("href=\"/?finding={}\"", diagnosis.code)));
            assert!(
                page.contains(&format!("<html lang=\"{}\"", language.tag()))
                    && !page.contains("<tr class=")
            );
        }
    }
    let diagnosis = &::timeline::registry::DIAGNOSES[0];
    let case = Row::of(&fixture::hostile());
    let page = diagnosis_page(&english(), diagnosis, &[case]);
    check_harmless(&page);
    assert!(page.contains("&lt;script&gt;alert(1)"));
}

/// An instance whose every text is this.
fn hostile_instance(attack: &str) -> super::Instance {
    let attack = attack.to_owned();
    let status = |id| ::timeline::Instance::new(InstanceId([id; 16])).status();
    let mut status = status(1);
    status.node = attack.as_str().into();
    status.module = Module { sdk: attack.clone(), ..(*status.module).clone() }.into();
    let root = (*fixture::hostile().root).clone();
    status.roots = vec![Root { plugin: attack.clone(), root_id: attack.clone(), ..root }.into()];
    status.gaps = fixture::hostile().gaps;
    status.black_box = vec![OpenInvocation {
        entry: Entry(1),
        callback: None,
        context: ContextId(2),
        root: ContextId(1),
        args: Vec::new(),
        call: CallId(0),
        since: Micros(5),
        last_log: attack.clone(),
    }];
    super::Instance { status, troubles: vec![attack], at_source: None, original: None }
}

#[test]
fn pages_of_instances_keep_attacks_as_text_and_lists_short() {
    let attack = format!("\"><script>alert(1)</script>{}", "x".repeat(10_000));
    let one = hostile_instance(&attack);
    let page = instance_page(&english(), &one);
    check_harmless(&page);
    assert!(page.contains("&lt;script&gt;alert(1)"));
    let list = instances_page(&english(), &vec![one; 1_000]);
    check_harmless(&list);
    assert!(list.contains("700 more are not shown here.") && list.len() < 1_000_000);
    check_harmless(&instances_page(&english(), &[]));
}

#[test]
fn the_page_of_a_plugin_counts_draws_and_keeps_attacks_as_text() {
    let mut view = PluginView { plugin: "body-call".to_owned(), ..PluginView::default() };
    let page = plugin_page(&english(), &Links::default(), &view);
    check_harmless(&page);
    for none in ["Nothing was found", "has no timeline", "counted no call", "No instance"] {
        assert!(page.contains(none), "{none} is missing in {page}");
    }
    view.latest = vec![fixture::seed_bug().into(), fixture::fixed_run().into()];
    view.found = vec![fixture::seed_bug().into()];
    view.counted.phases.extend([
        ((12, 0), 5),
        ((12, 1), 2),
        ((12, 9), 1),
        ((20, 0), 4),
        ((0, 0), 3),
    ]);
    let mut times = crate::metrics::Buckets { sum_micros: 9_000, ..Default::default() };
    (times.counts[1], times.counts[3]) = (3, 1);
    view.counted.calls.insert(("slow".to_owned(), "answered"), (4, times));
    let page = plugin_page(&english(), &Links::default(), &view);
    check_harmless(&page);
    for part in [
        "Of its latest 1 timeline in which something was found",
        "From its latest 2 timelines, as recorded.",
        "<a href=\"/diagnoses/headers-forwarded-before-body-call\">",
        "<rect class=\"wt-lost\" x=\"0\" y=\"0\" width=\"4\" height=\"24\"/>",
        "<code>request_headers</code></td><td class=\"duration\">2</td>",
        "href=\"/?plugin=body-call\"",
        "<code>request_headers</code></td><td><code>continue</code></td><td class=\"duration\">5</td>",
        "<td><code>pause</code></td><td class=\"duration\">2</td>",
        "<td><code>9</code></td><td class=\"duration\">1</td>",
        "aria-label=\"by how long they took: ≤ 128 µs: 3, ≤ 256 µs: 0, ≤ 512 µs: 1\"",
        "<rect class=\"wt-call\" x=\"10\" y=\"16\" width=\"4\" height=\"8\"/>",
        "By version",
    ] {
        assert!(page.contains(part), "{part} is missing in {page}");
    }
    let attack = format!("\"><script>alert(1)</script>{}", "x".repeat(10_000));
    view.plugin = attack.clone();
    view.found = vec![fixture::hostile().into()];
    view.latest = view.found.clone();
    view.counted.calls.insert((attack.clone(), "late"), Default::default());
    view.counted.vms.push(crate::pipeline::PluginVm {
        instance: InstanceId([1; 16]),
        node: attack.clone(),
        original: Some([0xab; 32]),
        configurations: [(0, true), (7, false)].into(),
        streams_seen: 1,
        at_source: None,
    });
    let page = plugin_page(&english(), &Links::default(), &view);
    check_harmless(&page);
    assert!(
        page.contains("<code>abababababab</code>")
            && page.contains("<code>0000000000000007</code>")
    );
    let of_version = |configuration: &str, runs: u8| {
        let count = |count: u8| format!("<td class=\"duration\">{count}</td>");
        page.contains(&format!("{configuration}</td>{}{}", count(1), count(runs)))
    };
    assert!(of_version("–</span>", 1) && of_version("<code>0000000000000007</code>", 0));
    assert!(page.contains("&lt;script&gt;alert(1)"));
    check_harmless(&plugins_page(&english(), &[PluginLine { plugin: attack, instances: 1 }]));
    check_harmless(&plugins_page(&english(), &[]));
    assert!(!page.contains("more are not shown here."));
    let many = (0..500).map(|n| ((format!("cluster-{n}"), "answered"), Default::default()));
    view.counted.calls.extend(many);
    assert!(
        plugin_page(&english(), &Links::default(), &view).contains("202 more are not shown here.")
    );
}

#[test]
fn what_was_kept_aside_and_recorded_after_all_or_was_its_roots_pulls_no_time_of_a_plugin_down() {
    let events = "\
0.000000 #11 create 2 root 1 +promoted
0.000113 #12 request_headers 2 n=10 -> continue took=61us
0.000500 #14 tick root 1
0.000510 #13   continue_stream request -> ok
";
    let promoted = fixture::of(events, Vec::new());
    let page = |latest: &[&Timeline]| {
        let latest = latest.iter().map(|timeline| (*timeline).clone().into()).collect();
        let view = PluginView { latest, ..PluginView::default() };
        plugin_page(&english(), &Links::default(), &view)
    };
    let cells = |cells: &[&str]| {
        let cell = |text: &&str| format!("<td class=\"duration\">{text}</td>");
        cells.iter().map(cell).collect::<String>()
    };
    let both = page(&[&fixture::seed_bug(), &promoted]);
    check_harmless(&both);
    for (first, times) in [
        ("all of a timeline", cells(&["1", "298 µs", "298 µs", "298 µs"])),
        ("<code>create</code>", cells(&["1", "0 µs", "0 µs", "0 µs"])),
        ("<code>request_headers</code>", cells(&["2", "61 µs", "61 µs", "122 µs"])),
    ] {
        assert!(both.contains(&format!("{first}</td>{times}")), "{first} of {times} in {both}");
    }
    assert!(!both.contains("<code>tick</code>"), "its root has it, with its time: {both}");
    let alone = page(&[&promoted]);
    check_harmless(&alone);
    assert!(alone.contains(&format!("{}<td class=\"duration\"><span", cells(&["0"]))));
}

#[test]
fn plugins_whose_times_are_of_one_clock_are_drawn_on_one_axis() {
    let of = |instance: u8, timeline: Timeline| Timeline {
        instance: InstanceId([instance; 16]),
        node: "gateway-1".into(),
        ..timeline
    };
    let (first, second) = (of(1, fixture::waiting()), of(2, fixture::seed_bug()));
    let mut elsewhere = second.clone();
    elsewhere.clock.wall_nanos += 1_000_000_000;
    let page = |timelines: [&Timeline; 2]| {
        let timelines = timelines.map(|timeline| timeline.clone().into()).to_vec();
        let page = request_page(&english(), "6f1f-0a2c", &[Request { timelines }]);
        check_harmless(&page);
        assert_eq!(page.matches("<svg ").count(), 2);
        page
    };
    let lanes = "<figure class=\"lanes scroll\" tabindex=\"0\"><figcaption";
    let alone = "<figure class=\"drawing scroll\" tabindex=\"0\">";
    let together = page([&first, &second]);
    assert_eq!((together.matches(lanes).count(), together.matches(alone).count()), (1, 0));
    let apart = page([&first, &elsewhere]);
    assert_eq!((apart.matches(lanes).count(), apart.matches(alone).count()), (0, 2));
}

#[test]
fn the_page_of_live_traffic_tells_rates_and_keeps_attacks_as_text() {
    let mut report = TrafficReport { seconds: 60, ..TrafficReport::default() };
    let page = traffic_page(&english(), &report);
    check_harmless(&page);
    assert!(page.contains("Nothing came."));
    let attack = "\"><script>alert(1)</script>".to_owned();
    report.begun.extend([("auth".to_owned(), 90), (attack.clone(), 120)]);
    report.begun.insert("other".to_owned(), 7);
    report.found.insert(("auth".to_owned(), "late-callback".to_owned()), 3);
    report.found.insert((attack.clone(), attack), 1);
    let page = traffic_page(&english(), &report);
    check_harmless(&page);
    for part in [
        "in the last 60 seconds.",
        "<a href=\"/plugins/auth\">auth</a></td><td class=\"duration\">90</td>\
         <td class=\"duration\">1.50</td>",
        "<a href=\"/diagnoses/late-callback\">",
        "<td class=\"duration\">3</td><td class=\"duration\">0.05</td>",
        "&lt;script&gt;alert(1)",
        "<td class=\"path\">other</td><td class=\"duration\">7</td>",
    ] {
        assert!(page.contains(part), "{part} is missing in {page}");
    }
    assert!(page.find("120</td>") < page.find("90</td>"), "the most first");
}

#[test]
fn a_finding_leads_to_the_page_of_its_diagnosis_if_there_is_one() {
    let link = "<a href=\"/diagnoses/headers-forwarded-before-body-call\">";
    assert!(rendered(&fixture::seed_bug()).contains(link));
    assert!(!rendered(&fixture::hostile()).contains("<a href=\"/diagnoses/%"));
}

#[test]
fn the_last_words_of_a_plugin_stand_on_the_page_of_every_stream_it_took_along() {
    for timeline in [fixture::panicked(), fixture::taken_with_a_panic()] {
        let page = rendered(&timeline);
        check_harmless(&page);
        assert!(page.contains("Last words of the plugin") && page.contains("no such user ("));
        assert!(page.contains("vm-trap-collateral"));
        assert!(page.contains("-&gt; (unfinished)"));
    }
    assert!(!rendered(&fixture::seed_bug()).contains("Last words"));
}

#[test]
fn instances_to_look_at_stand_before_the_list() {
    let trouble = super::Trouble {
        instance: "0707".to_owned(),
        plugins: "body-call".to_owned(),
        what: "trapped in request_headers: <b>no such user</b>".to_owned(),
    };
    let page = list_page(&english(), &ListView { troubles: vec![trouble], ..ListView::default() });
    check_harmless(&page);
    assert!(page.contains("Instances to look at") && page.contains("&lt;b&gt;no such user"));
    assert!(!list_page(&english(), &ListView::default()).contains("Instances to look at"));
}
