//! What timelines become as spans: the truth of each is in its script.

use timeline::trace::SpanId;
use timeline::{Instant, Timeline, script};

use super::*;

const HEAD: &str = "\
instance 000102030405060708090a0b0c0d0e0f
root 1 plugin \"body-call\" root_id \"main\"
node \"router~10.0.0.1~gateway-1.higress-system~higress-system.svc.cluster.local\"
module tracer \"0.1.0\" abi 0.2.1 host envoy callbacks 0x7fffffff
clock wall 1763996400000000000 at 0.000000
";

/// The reported bug: the upstream answers on headers alone, the response callback comes 2 s later.
const SEED: &str = "\
request \"6f1f-0a2c\" method \"POST\" path \"/pay\" authority \"shop.example:8443\" protocol \"HTTP/2\"
response code 200 flags 0x4 details \"via_upstream\" upstream \"10.0.0.7:8080\"
closed ended
0.000000 #11 create 2 root 1
0.000113 #12 request_headers 2 n=10 -> continue took=61us
0.001870 #13 request_body 2 size=14 end -> pause took=96us
0.001902 #14   dispatch http \"outbound|80||auth.svc\" timeout=5s -> ok call 4
0.005114 #15 response_headers 2 n=5 -> continue took=12us
0.006020 #16 log 2 took=14us
0.006041 #17 done 2
0.006049 #18 delete 2
2.002377 #19 http_call_response root 1 call 4 headers=3 body=2 took=84us
2.002400 #20   log_line \"too late\" level=3 -> ok
";

fn timeline(text: &str) -> Timeline {
    let text = format!("{HEAD}{text}");
    let mut timeline = script::parse(&text).unwrap_or_else(|error| panic!("{error} in {text}"));
    timeline.assess(Instant::at(timeline.known_until));
    timeline
}

fn spans(text: &str) -> Spans {
    Spans::of(&timeline(text), &Naming::default())
}

fn span<'a>(spans: &'a Spans, name: &str) -> &'a Span {
    spans.spans.iter().find(|span| span.name == name).unwrap_or_else(|| panic!("no {name}"))
}

fn text(attributes: &Attributes, name: &str) -> String {
    attributes.get(name).map(ToString::to_string).unwrap_or_default()
}

fn events(span: &Span) -> Vec<&str> {
    span.events.iter().map(|event| event.name).collect()
}

#[test]
fn a_lost_call_is_a_client_span_with_the_diagnosis_as_its_error() {
    let spans = spans(SEED);
    let call = span(&spans, "http_call outbound|80||auth.svc");
    assert_eq!(call.kind, SpanKind::Client);
    assert!(matches!(&call.status, Status::Error(sentence) if !sentence.is_empty()));
    let code = "headers-forwarded-before-body-call";
    assert_eq!(text(&call.attributes, "error.type"), code);
    assert_eq!(text(&call.attributes, "proxy_wasm.call.outcome"), "late");
    assert_eq!(text(&call.attributes, "server.address"), "auth.svc");
    assert_eq!(text(&call.attributes, "server.port"), "80");
    assert_eq!(text(&call.attributes, "proxy_wasm.call.timeout_ms"), "5000");
    assert_eq!((call.end_nanos - call.begin_nanos) / 1_000, 2_002_377 - 1_902);
    assert!(events(call).contains(&"proxy_wasm.callback.late"));
    assert!(!events(call).contains(&"proxy_wasm.callback.missing"));

    let stream = &spans.spans[0];
    assert_eq!(stream.name, "body-call stream");
    assert_eq!(text(&stream.attributes, "proxy_wasm.diagnosis"), code);
    assert_eq!(
        stream.end_nanos - stream.begin_nanos,
        6_049_000,
        "a late callback is not the stream"
    );
    let warnings: Vec<_> = stream.events.iter().filter_map(SpanEvent::warning).collect();
    assert!(warnings.iter().any(|w| w.starts_with(&format!("{code}: "))), "{warnings:?}");
}

#[test]
fn every_span_is_a_part_of_the_stream_and_begins_no_earlier() {
    let spans = spans(SEED);
    let stream = &spans.spans[0];
    let names: Vec<_> = spans.spans.iter().map(|span| span.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "body-call stream",
            "on_create",
            "on_request_headers",
            "on_request_body",
            "http_call outbound|80||auth.svc",
            "on_response_headers",
            "on_log",
            "on_done",
            "on_delete",
            "on_http_call_response"
        ]
    );
    assert_eq!(stream.parent, None);
    let ids: Vec<SpanId> = spans.spans.iter().map(|span| span.id).collect();
    for (at, span) in spans.spans.iter().enumerate() {
        assert!(span.begin_nanos >= stream.begin_nanos && span.end_nanos >= span.begin_nanos);
        assert_eq!(ids.iter().filter(|id| **id == span.id).count(), 1, "{}", span.name);
        assert!(at == 0 || span.parent.is_some_and(|parent| ids.contains(&parent)));
        assert!(span.links.iter().all(|link| ids.contains(&link.span)));
    }
    let call = span(&spans, "http_call outbound|80||auth.svc");
    assert_eq!(call.parent, Some(span(&spans, "on_request_body").id));
    let received = span(&spans, "on_http_call_response");
    assert_eq!(received.parent, Some(stream.id));
    assert_eq!(call.links[0].span, received.id, "across contexts");
    assert_eq!(received.links[0].span, call.id);
    assert_eq!(text(&received.attributes, "proxy_wasm.context.id"), "1");
    assert_eq!(events(received), ["proxy_wasm.log"]);
    assert_eq!(text(&received.events[0].attributes, "proxy_wasm.log.level"), "warn");
    assert_eq!(text(&received.events[0].attributes, "proxy_wasm.text"), "too late");
    assert_eq!(spans, self::spans(SEED), "the same timeline gives the same spans");
}

#[test]
fn a_stream_says_what_it_was_in_the_words_of_the_conventions() {
    let spans = spans(SEED);
    let stream = &spans.spans[0].attributes;
    for (name, value) in [
        ("http.request.method", "POST"),
        ("url.path", "/pay"),
        ("server.address", "shop.example"),
        ("server.port", "8443"),
        ("network.protocol.version", "2"),
        ("http.response.status_code", "200"),
        ("guid:x-request-id", "6f1f-0a2c"),
        ("proxy_wasm.response.flags", "4"),
        ("proxy_wasm.upstream.address", "10.0.0.7:8080"),
        ("proxy_wasm.plugin.root_id", "main"),
        ("proxy_wasm.host", "envoy"),
        ("proxy_wasm.abi_version", "0.2.1"),
        ("proxy_wasm.timeline.reason", "ended"),
    ] {
        assert_eq!(text(stream, name), value, "{name}");
    }
    assert_eq!(stream.get("proxy_wasm.data_gap"), None);
    let body = &span(&spans, "on_request_body").attributes;
    assert_eq!(text(body, "proxy_wasm.action"), "StopIterationAndBuffer");
    assert_eq!(text(body, "proxy_wasm.action.number"), "1");
    assert_eq!(text(body, "proxy_wasm.arg.size"), "14");
    assert_eq!(text(body, "proxy_wasm.end_of_stream"), "true");
    assert_eq!(spans.resource.service, "body-call");
    assert_eq!(text(&spans.resource.attributes, "k8s.pod.name"), "gateway-1");
    assert_eq!(text(&spans.resource.attributes, "k8s.namespace.name"), "higress-system");
    assert!(text(&spans.resource.attributes, "service.instance.id").starts_with("router~"));
}

#[test]
fn the_trace_is_the_requests_or_one_of_its_own() {
    let own = spans(SEED);
    assert_eq!(own.trace.0, timeline(SEED).id.0);
    assert!(!own.is_sampled);
    let traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let mut joined = timeline(SEED);
    joined.stream.traceparent = traceparent.to_owned();
    let joined = Spans::of(&joined, &Naming::default());
    assert_eq!(joined.trace.to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(
        joined.spans[0].parent.map(|id| id.to_string()).as_deref(),
        Some("00f067aa0ba902b7")
    );
    assert!(joined.is_sampled);
    assert_eq!(joined.spans[0].id, own.spans[0].id, "spans keep their ids");
}

/// A call that nobody answers while the request waits for it.
const HUNG: &str = "\
request \"r\" method \"GET\" path \"/\"
0.000000 #1 create 2 root 1
0.000100 #2 request_headers 2 n=3 end -> 4
0.000200 #3   dispatch http \"slow\" timeout=10s -> ok call 4
";

#[test]
fn what_is_still_out_is_neither_failed_nor_missing() {
    let spans = spans(&format!("known_until 3.000000\n{HUNG}"));
    let call = span(&spans, "http_call slow");
    assert_eq!(text(&call.attributes, "proxy_wasm.call.outcome"), "pending");
    assert!(!events(call).contains(&"proxy_wasm.callback.missing"));
    assert_eq!(call.end_nanos - call.begin_nanos, 2_999_800_000, "so far");
    assert_eq!(text(&spans.spans[0].attributes, "proxy_wasm.timeline.state"), "open");
    assert_eq!(spans.spans[0].end_nanos - spans.spans[0].begin_nanos, 3_000_000_000);
}

#[test]
fn a_gap_is_said_and_nothing_is_called_missing() {
    let gap = "gap 4-9 \"buffer full\"\nknown_until 60.000000\nclosed timed_out\n";
    let spans = spans(&format!("{gap}{HUNG}"));
    let call = span(&spans, "http_call slow");
    assert_eq!(call.status, Status::Unset);
    assert_eq!(text(&call.attributes, "proxy_wasm.data_gap"), "true");
    assert_eq!(text(&spans.spans[0].attributes, "proxy_wasm.data_gap"), "true");
    assert!(!events(call).contains(&"proxy_wasm.callback.missing"));
    assert_eq!(call.end_nanos - call.begin_nanos, 10_000_000_000, "its deadline");
}

#[test]
fn a_refused_dispatch_a_resume_and_a_reply_are_told() {
    let spans = spans(
        "request \"r\" method \"GET\" path \"/\"
0.000000 #1 create 2 root 1
0.000100 #2 request_headers 2 n=3 end -> continue
0.000200 #3   dispatch http \"nowhere\" timeout=1s -> bad_argument
0.000300 #4   send_local_response \"no\" status=503 -> ok
0.000500 #5 response_headers 2 n=3 end -> pause
0.000600 #6   continue_stream response -> ok
0.000700 #7   set_property \"x\" -> not_found
0.000800 #8 log 2
0.000801 #9 delete 2
",
    );
    let call = span(&spans, "http_call nowhere");
    assert_eq!(call.end_nanos, call.begin_nanos);
    assert_eq!(text(&call.attributes, "proxy_wasm.status"), "bad_argument");
    assert_eq!(text(&call.attributes, "error.type"), "dispatch-rejected");
    assert_eq!(call.attributes.get("proxy_wasm.call.id"), None);
    let headers = span(&spans, "on_request_headers");
    assert_eq!(events(headers), ["proxy_wasm.local_response"]);
    assert_eq!(text(&headers.events[0].attributes, "http.response.status_code"), "503");
    assert_eq!(text(&headers.attributes, "proxy_wasm.action"), "StopAllIterationAndWatermark");
    let response = span(&spans, "on_response_headers");
    assert_eq!(events(response), ["proxy_wasm.resume", "proxy_wasm.hostcall"]);
    assert_eq!(text(&response.events[0].attributes, "proxy_wasm.side"), "response");
    assert_eq!(text(&response.events[1].attributes, "proxy_wasm.status"), "not_found");
}

#[test]
fn an_error_of_the_callee_is_an_error_of_the_call() {
    let answered = |code: u32| {
        let text = format!(
            "{HUNG}0.500000 #4 http_call_response root 1 call 4 headers=3 code={code}
0.500005 #5   set_effective_context context=2 -> ok
0.500010 #8   continue_stream request -> ok
0.600000 #6 log 2
0.600010 #7 delete 2
"
        );
        let spans = spans(&text);
        let call = span(&spans, "http_call slow").clone();
        (text_of(&call, "http.response.status_code"), text_of(&call, "error.type"), call.status)
    };
    assert_eq!(answered(200), ("200".to_owned(), String::new(), Status::Unset));
    let (code, kind, status) = answered(403);
    assert_eq!((code.as_str(), kind.as_str()), ("403", "403"));
    assert_ne!(status, Status::Unset);
}

fn text_of(span: &Span, name: &str) -> String {
    text(&span.attributes, name)
}

#[test]
fn without_a_clock_of_the_host_times_are_its_own() {
    let mut timeline = timeline(SEED);
    timeline.clock.wall_nanos = 0;
    let spans = Spans::of(&timeline, &Naming::default());
    assert_eq!(spans.spans[0].begin_nanos, 0);
    assert_eq!(spans.spans[0].end_nanos, 6_049_000);
}

#[test]
fn nothing_recorded_is_a_span_all_the_same() {
    let empty = Spans::of(&timeline(""), &Naming::default());
    assert_eq!(empty.spans.len(), 1, "Grafana's data source panics on a trace without spans");
}

#[test]
fn the_name_of_each_span_says_what_its_timeline_has() {
    for diagnosis in timeline::registry::DIAGNOSES {
        let timeline = script::parse(diagnosis.example).expect("a script");
        let has_deed = |deed: &str| {
            let of_event = |e: &timeline::event::Event| matches!(e.kind, abi::Kind::Callback(c) if c.row().name == deed);
            timeline.events.iter().any(of_event) || timeline.calls.iter().any(|c| c.name() == deed)
        };
        for span in Spans::of(&timeline, &Naming::default()).spans {
            let named = Named::read(&span.name).unwrap_or_else(|| panic!("{} is none", span.name));
            assert!(named.plugin.is_none_or(|plugin| plugin == timeline.root.plugin));
            assert!(named.deed.is_none_or(has_deed), "{} in {}", span.name, diagnosis.code);
            assert!(named != Named::default() || timeline.root.plugin.is_empty(), "{}", span.name);
        }
    }
}
