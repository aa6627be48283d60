//! The pages beside the list and the timeline: of plugins, instances and diagnoses; and traces.

mod support;

use proto::v1;
use serde_json::Value;
use support::{Collector, Recorder, bytes};
use timeline::registry::{KNOWN_FROM, KNOWN_FROM_ZH};

const PAGE: (&str, &str) = ("accept", "text/html");

fn page(collector: &Collector, path: &str) -> String {
    let (status, page) = collector.get(path, &[PAGE]);
    assert_eq!(status, 200, "{path}: {page}");
    page
}

#[test]
fn the_page_of_a_diagnosis_shows_its_recent_cases_and_speaks_two_languages() {
    let collector = Collector::start();
    let path = "/diagnoses/headers-forwarded-before-body-call";
    assert!(page(&collector, path).contains("No stored or open timeline has this finding."));
    assert_eq!(collector.send(&bytes(&Recorder::new(1).requests(2))).0, 200);
    let closed = collector.closed(2);
    let english = page(&collector, path);
    for timeline in &closed {
        let link = format!("/timelines/{}", timeline["id"].as_str().expect("an id"));
        assert!(english.contains(&link), "{link} is missing");
    }
    assert!(english.contains("<h2>What you see</h2>"));
    assert!(page(&collector, &format!("{path}?lang=zh")).contains("<h2>现象</h2>"));
    let preferring = [PAGE, ("accept-language", "zh-CN,zh;q=0.9,en;q=0.8")];
    assert!(collector.get(path, &preferring).1.contains("<h2>现象</h2>"));
    let (_, asked) = collector.get(&format!("{path}?lang=en"), &preferring);
    assert!(asked.contains("<h2>What you see</h2>"));
    // Another diagnosis does not show them.
    assert!(!page(&collector, "/diagnoses/memory-growth").contains("/timelines/"));
    assert!(page(&collector, "/diagnoses").contains(&format!("href=\"{path}\"")));
}

#[test]
fn the_threads_that_a_diagnosis_is_known_from_are_links_on_its_page_and_in_the_api() {
    let collector = Collector::start();
    let (status, all) = collector.get("/api/v1/diagnoses", &[]);
    assert_eq!(status, 200, "{all}");
    let all: Value = serde_json::from_str(&all).expect("JSON");
    let all = all["diagnoses"].as_array().expect("a list");
    for diagnosis in all {
        let path = format!("/diagnoses/{}", diagnosis["code"].as_str().expect("a code"));
        let threads = diagnosis["known_from"].as_array().expect("a list");
        let pages = [(path.clone(), KNOWN_FROM), (format!("{path}?lang=zh"), KNOWN_FROM_ZH)];
        for (path, [heading, none]) in pages {
            let page = page(&collector, &path);
            assert!(page.contains(&format!("<h2>{heading}</h2>")), "{page}");
            assert_eq!(page.contains(none), threads.is_empty(), "{page}");
            for thread in threads {
                let [name, url] = ["name", "url"].map(|field| thread[field].as_str());
                let link = format!("<a href=\"{}\">{}</a>", url.expect("it"), name.expect("it"));
                assert!(page.contains(&link), "{link}: {page}");
            }
        }
    }
    assert!(all.iter().any(|diagnosis| diagnosis["known_from"][0]["name"].is_string()));
}

#[test]
fn a_timeline_is_offered_as_a_trace_and_answered_as_one() {
    let collector = Collector::start();
    let evil = "<script>alert(1)</script>";
    assert_eq!(collector.send(&bytes(&Recorder::named(1, evil).requests(1))).0, 200);
    let id = collector.closed(1)[0]["id"].as_str().expect("an id").to_owned();
    let path = format!("/api/v1/timelines/{id}?as=chrome");
    assert!(page(&collector, &format!("/timelines/{id}")).contains(&format!("href=\"{path}\"")));
    let trace = collector.json(&path);
    let events = trace["traceEvents"].as_array().expect("events");
    assert_eq!(events[0]["args"]["name"], evil);
    let call: Vec<_> = events.iter().filter(|event| event["cat"] == "call").collect();
    assert_eq!((&call[0]["ph"], &call[1]["ph"]), (&"b".into(), &"e".into()));
    assert_eq!(call[0]["args"]["outcome"], "late");
    let took = call[1]["ts"].as_u64().zip(call[0]["ts"].as_u64()).map(|(to, from)| to - from);
    assert!(took > Some(1_999_000), "{took:?}");
    let finding = events.iter().find(|event| event["cat"] == "finding").expect("a finding");
    assert_eq!(finding["name"], "headers-forwarded-before-body-call");
}

#[test]
fn the_page_of_an_instance_says_what_it_is_and_what_was_lost() {
    let collector = Collector::start();
    assert!(page(&collector, "/instances").contains("No instance has been heard of yet."));
    let mut recorder = Recorder::new(7);
    let mut batch = recorder.requests(1);
    batch.counters = Some(v1::Counters {
        events: 4_711,
        events_lost: 42,
        dispatches_rejected: 3,
        memory_pages: 2,
        fuse: v1::FuseReason::Loss.into(),
        fuse_trips: 1,
        fuse_until_micros: 60_000_005,
        ..v1::Counters::default()
    });
    assert_eq!(collector.send(&bytes(&batch)).0, 200);
    let closed = collector.closed(1);
    let id = "07".repeat(16);
    let link = format!("href=\"/instances/{id}\"");
    for path in ["/", "/instances"] {
        assert!(page(&collector, path).contains(&link), "{path} does not lead to it");
    }
    let timeline = format!("/timelines/{}", closed[0]["id"].as_str().expect("an id"));
    assert!(page(&collector, &timeline).contains(&link));
    let shown = page(&collector, &format!("/instances/{id}"));
    for part in [
        "body-call",
        "turned down",
        "it lost events for many seconds in a row",
        "the host refused 3 shipments of its recorder",
        "<td class=\"duration\">42</td>",
        "<td class=\"duration\">131072</td>",
    ] {
        assert!(shown.contains(part), "{part} is missing in {shown}");
    }
    assert!(!shown.contains("Gaps"), "{shown}");
    let told = &collector.json("/api/v1/instances")["instances"][0]["at_source"];
    assert_eq!((&told["events"], &told["events_lost"]), (&4_711.into(), &42.into()));
    // Thirty numbers are skipped: the gap stands there once it is certain.
    recorder.skip(30);
    assert_eq!(collector.send(&bytes(&recorder.requests(1))).0, 200);
    collector.until("/api/v1/instances", |all| all["instances"][0]["gaps"][0].is_object());
    assert!(page(&collector, &format!("/instances/{id}")).contains("#10 to #39"));
}

#[test]
fn an_instance_that_is_unknown_or_none_is_told() {
    let collector = Collector::start();
    let unknown = collector.get(&format!("/instances/{}", "ab".repeat(16)), &[PAGE]);
    assert_eq!(unknown.0, 404);
    assert!(unknown.1.contains("has been heard of lately"), "{}", unknown.1);
    assert_eq!(collector.get("/instances/%3Cscript%3E", &[PAGE]).0, 400);
}

#[test]
fn names_that_are_attacks_stay_text_on_the_pages_of_instances() {
    let collector = Collector::start();
    let evil = format!("<script>alert(1)</script>\"onload='x'{}", "y".repeat(3_000));
    let mut recorder = Recorder::named(9, &evil);
    let mut batch = recorder.beginning();
    batch.node = evil.clone();
    batch.open = vec![v1::Open {
        kind: abi::Callback::RequestHeaders.number(),
        context: 2,
        last_log: evil.clone().into_bytes(),
        root: 1,
        ..v1::Open::default()
    }];
    assert_eq!(collector.send(&bytes(&batch)).0, 200);
    collector.until("/api/v1/instances", |all| all["instances"][0]["black_box"][0].is_object());
    for path in
        ["/plugins".to_owned(), "/instances".to_owned(), format!("/instances/{}", "09".repeat(16))]
    {
        let page = page(&collector, &path);
        assert!(page.contains("&lt;script&gt;alert(1)"), "{path}: {page}");
        assert!(!page.contains("<script") && !page.contains("\"onload='x'"), "{path}: {page}");
    }
}

#[test]
fn the_page_of_a_plugin_tells_its_calls_by_the_recorders_counts() {
    let collector = Collector::start();
    assert!(page(&collector, "/plugins").contains("No plugin has been heard of yet."));
    let call = |root, count, bucket: usize| v1::CallCount {
        root,
        cluster: b"slow".to_vec(),
        count,
        duration: Some(v1::Histogram {
            buckets: (0..=bucket).map(|at| if at == bucket { count } else { 0 }).collect(),
            sum_micros: 5_000 * count,
        }),
        ..v1::CallCount::default()
    };
    for number in [1, 2] {
        let mut batch = Recorder::named(number, "auth/one").requests(2);
        // Root 9 is of another plugin, or of none that was told.
        let calls = vec![call(1, 21, 7), call(9, 1_000, 3)];
        let phase = |root, action, count| v1::PhaseCount { root, kind: 12, action, count };
        let phases = vec![phase(1, 0, 17), phase(1, 1, 4), phase(9, 0, 1_000)];
        let counters =
            v1::Counters { events: 18, memory_pages: 32, calls, phases, ..Default::default() };
        batch.counters = Some(counters);
        batch.module.as_mut().expect("a module").original_sha256 = vec![0xc0 + number; 32];
        assert_eq!(collector.send(&bytes(&batch)).0, 200);
    }
    assert_eq!(collector.send(&bytes(&Recorder::named(3, "other").requests(1))).0, 200);
    let closed = collector.closed(5);
    let link = "href=\"/plugins/auth%2Fone\"";
    assert!(page(&collector, "/plugins").contains(link));
    assert!(page(&collector, &format!("/instances/{}", "01".repeat(16))).contains(link));
    let instances = collector.json("/api/v1/instances");
    assert_eq!(instances["instances"][0]["original_sha256"], "c1".repeat(32).as_str());
    let its = closed.iter().find(|timeline| timeline["plugin"] == "auth/one").expect("its");
    let timeline = format!("/timelines/{}", its["id"].as_str().expect("an id"));
    assert!(page(&collector, &timeline).contains(link));
    let shown = page(&collector, "/plugins/auth%2Fone");
    for part in [
        "<td class=\"duration\">42</td><td class=\"duration\">5.00 ms</td>\
         <td class=\"duration\">8.19 ms</td>",
        "<td class=\"duration\">2.0 MiB</td>",
        "<td><code>continue</code></td><td class=\"duration\">34</td>",
        "<td><code>pause</code></td><td class=\"duration\">8</td>",
        "<code>c1c1c1c1c1c1</code>",
        "<code>c2c2c2c2c2c2</code>",
        "Of its latest 4 timelines in which something was found",
        "/diagnoses/headers-forwarded-before-body-call",
        timeline.as_str(),
    ] {
        assert!(shown.contains(part), "{part} is missing in {shown}");
    }
    assert!(!shown.contains(&"03".repeat(16)) && !shown.contains(">1000<"), "{shown}");
    let (status, none) = collector.get("/plugins/%3Cscript%3E", &[PAGE]);
    assert_eq!(status, 404);
    assert!(none.contains("has been heard of") && !none.contains("<script"), "{none}");
}

#[test]
fn live_traffic_is_told_by_plugin_and_finding() {
    let collector = Collector::start();
    assert!(page(&collector, "/traffic").contains("Nothing came."));
    assert_eq!(collector.send(&bytes(&Recorder::named(1, "auth").requests(3))).0, 200);
    assert_eq!(collector.send(&bytes(&Recorder::named(2, "quota").requests(1))).0, 200);
    collector.closed(4);
    let traffic = collector.json("/api/v1/traffic");
    let streams =
        |at: usize| (&traffic["plugins"][at]["plugin"], &traffic["plugins"][at]["streams"]);
    assert_eq!(streams(0), (&"auth".into(), &3.into()), "{traffic}");
    assert_eq!(streams(1), (&"quota".into(), &1.into()), "{traffic}");
    let is_lost =
        |f: &&Value| f["plugin"] == "auth" && f["code"] == "headers-forwarded-before-body-call";
    let findings = traffic["findings"].as_array().expect("a list");
    let lost = findings.iter().find(is_lost).expect("it is found");
    assert_eq!(lost["findings"], 3);
    let seconds = traffic["seconds"].as_f64().expect("seconds");
    let rate = lost["findings_per_second"].as_f64().expect("a rate");
    assert!(seconds >= 1.0 && (rate * seconds - 3.0).abs() < 1e-6, "{traffic}");
    let shown = page(&collector, "/traffic");
    for link in ["/plugins/auth", "/diagnoses/headers-forwarded-before-body-call"] {
        assert!(shown.contains(&format!("href=\"{link}\"")), "{link} is missing in {shown}");
    }
}

#[test]
fn a_page_of_something_unknown_is_a_page_that_says_so() {
    let collector = Collector::start();
    let long = "x".repeat(4_000);
    for path in [
        "/diagnoses/no-such-thing".to_owned(),
        "/diagnoses/%3Cscript%3Ealert(1)%3C%2Fscript%3E".to_owned(),
        format!("/diagnoses/{long}"),
    ] {
        let (status, page) = collector.get(&path, &[PAGE]);
        assert_eq!(status, 404, "{path}");
        assert!(page.contains("there is no diagnosis"), "{page}");
        // Its address stands in it once, for the other language.
        assert!(!page.contains("<script") && page.len() < 7_000, "{page}");
    }
}

#[test]
fn every_page_asks_for_the_token_with_its_form() {
    let collector = Collector::with(|s| s.read_token = Some("open-sesame".to_owned()));
    for path in ["/", "/diagnoses", "/diagnoses/late-callback", "/instances", "/plugins"] {
        let (status, page) = collector.get(path, &[PAGE]);
        assert_eq!(status, 401, "{path}");
        assert!(page.contains("<form") && !page.contains("<h2>"), "{path}: {page}");
        let (status, _) = collector.get(path, &[("authorization", "Bearer open-sesame")]);
        assert_eq!(status, 200, "{path}");
    }
}
