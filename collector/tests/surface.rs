//! What clients meet beyond lists: the live stream, the form, links between timelines, refusals
//! under load, markup in names.

mod support;

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::Duration;

use support::{Collector, Recorder, bytes};

/// A connection on which a request's head, and part of its body, was sent.
fn connection(collector: &Collector, head: &str) -> TcpStream {
    let url = collector.url("");
    let mut connection =
        TcpStream::connect(url.trim_start_matches("http://")).expect("a connection");
    connection.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
    connection.write_all(head.as_bytes()).expect("sent");
    connection
}

#[test]
fn a_finding_arrives_on_the_live_stream() {
    let collector = Collector::start();
    let live = connection(&collector, "GET /api/v1/live HTTP/1.1\r\nhost: here\r\n\r\n");
    collector.until_metric("wasm_tracer_live_clients", |clients| clients == 1.0);
    assert_eq!(collector.send(&bytes(&Recorder::new(1).requests(1))).0, 200);
    let mut lines = BufReader::new(live).lines().map(|line| line.expect("a line"));
    assert!(lines.by_ref().any(|line| line.ends_with("event: timeline")), "the stream ended");
    let data = lines.find_map(|line| line.strip_prefix("data: ").map(str::to_owned));
    let summary: serde_json::Value =
        serde_json::from_str(&data.expect("data")).expect("a summary as in lists");
    assert_eq!(summary["findings"][0]["code"], "headers-forwarded-before-body-call");
    assert_eq!(summary["severity"], "lost");
    drop(lines);
    collector.until_metric("wasm_tracer_live_clients", |clients| clients == 0.0);
}

#[test]
fn more_than_may_be_in_flight_is_told_to_come_again() {
    let collector = Collector::with(|settings| settings.max_in_flight_mib = Some(1));
    let head = "POST /v1/batches HTTP/1.1\r\nhost: here\r\ncontent-length: 1048576\r\n\r\nx";
    let mut slow = Vec::new();
    let batch = bytes(&Recorder::new(1).requests(1));
    let try_again = || {
        let request = ureq::post(collector.url("/v1/batches")).config().http_status_as_error(false);
        request.build().send(&batch[..]).expect("an answer")
    };
    // A slow one's head may still be on its way, or find the room taken by the batch and be refused.
    let begun = std::time::Instant::now();
    let refused = loop {
        slow.push(connection(&collector, head));
        let answer = try_again();
        if answer.status() == 429 {
            break answer;
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "{answer:?}");
    };
    assert_eq!(refused.headers()["retry-after"], "1");
    drop(slow);
    while try_again().status() != 200 {
        assert!(begun.elapsed() < Duration::from_secs(20), "the room is not given back");
        std::thread::sleep(Duration::from_millis(20));
    }
    collector.until_metric("wasm_tracer_batches_total{result=\"no_room\"}", |n| n >= 1.0);
}

#[test]
fn the_form_gives_a_cookie_that_reads_and_is_not_the_token() {
    let collector = Collector::with(|s| s.read_token = Some("open-sesame".to_owned()));
    let enter = |token: &str| {
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .build()
            .into();
        agent.post(collector.url("/token")).send_form([("token", token)]).expect("an answer")
    };
    let mut wrong = enter("open");
    assert_eq!(wrong.status(), 401);
    assert!(wrong.headers().get("set-cookie").is_none());
    assert!(wrong.body_mut().read_to_string().expect("a page").contains("<form"));
    let right = enter("open-sesame");
    assert_eq!((right.status().as_u16(), right.headers()["location"].as_bytes()), (303, &b"/"[..]));
    let cookie = right.headers()["set-cookie"].to_str().expect("text").to_owned();
    for part in ["; HttpOnly", "; SameSite=Strict"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert!(!cookie.contains("open-sesame"), "{cookie}");
    let cookie = cookie.split(';').next().expect("a cookie");
    for path in ["/", "/api/v1/timelines", "/metrics"] {
        assert_eq!(collector.get(path, &[("cookie", cookie)]).0, 200, "{path}");
        assert_eq!(collector.get(path, &[("cookie", "wasm_tracer_read=open-sesame")]).0, 401);
    }
}

#[test]
fn markup_in_names_stays_text_on_every_page() {
    let collector = Collector::start();
    let evil = "<script>alert(1)</script>\"onload='x'";
    let mut batch = Recorder::named(1, evil).requests(1);
    batch.node = evil.to_owned();
    batch.events[2].text = evil.as_bytes().to_vec();
    let stream = &mut batch.streams[0];
    stream.path = format!("/{evil}");
    stream.authority = evil.to_owned();
    stream.request_id = evil.to_owned();
    assert_eq!(collector.send(&bytes(&batch)).0, 200);
    let id = collector.closed(1)[0]["id"].as_str().expect("an id").to_owned();
    let escaped = "%3Cscript%3Ealert(1)%3C/script%3E%22onload='x'";
    for path in [
        "/".to_owned(),
        format!("/?plugin={escaped}"),
        format!("/?request_id={escaped}"),
        format!("/timelines/{id}"),
    ] {
        let (status, page) = collector.get(&path, &[]);
        assert_eq!(status, 200);
        assert!(page.contains("alert(1)"), "{path} does not show the name");
        assert!(
            !page.contains("<script>alert") && !page.contains("\"onload='x'"),
            "{path}: {page}"
        );
    }
}

#[test]
fn a_request_is_all_its_timelines_in_chain_order() {
    let collector = Collector::start();
    let begun_nanos = support::now_nanos() - 60_000_000_000;
    let send = |number, plugin, later_micros: u64, node: &str| {
        let mut batch = Recorder::named(number, plugin).requests(1);
        batch.node = node.to_owned();
        batch.streams[0].request_id = "one".to_owned();
        let clock = batch.clock.as_mut().expect("a clock");
        clock.wall_nanos = begun_nanos + later_micros * 1000;
        assert_eq!(collector.send(&bytes(&batch)).0, 200);
    };
    send(2, "second", 20, "a");
    send(1, "first", 0, "a");
    send(3, "elsewhere", 10, "b");
    send(4, "again", 30_000_000, "a");
    collector.closed(4);
    let view = collector.json("/api/v1/requests/one");
    let chain = |request: &serde_json::Value| -> Vec<String> {
        let timelines = request["timelines"].as_array().expect("timelines");
        timelines.iter().map(|t| t["plugin"].as_str().expect("a name").to_owned()).collect()
    };
    let chains: Vec<_> = view["requests"].as_array().expect("requests").iter().map(chain).collect();
    assert_eq!(chains, [vec!["again"], vec!["elsewhere"], vec!["first", "second"]]);
    assert_eq!(collector.get("/api/v1/requests/two", &[]).0, 404);
}

#[test]
fn parameters_that_cannot_be_read_are_answered_with_a_problem() {
    let collector = Collector::start();
    for path in [
        "/api/v1/findings?since_ms=x",
        "/api/v1/timelines?limit=x",
        "/api/v1/timelines?colour=red",
        "/api/v1/timelines/x?as=json&as=text",
        "/?colour=red",
    ] {
        let (status, body) = collector.get(path, &[]);
        assert_eq!(status, 400, "{path}: {body}");
        let problem: serde_json::Value = serde_json::from_str(&body).expect("JSON");
        assert!(problem["error"].as_str().is_some_and(|e| !e.is_empty()), "{path}: {problem}");
    }
}
