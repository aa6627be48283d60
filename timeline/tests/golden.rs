//! The golden traces of host-semantics §0, seen on a live Envoy 1.40, and what must be said of each.

use timeline::script;

/// `severity code` of every finding, headline first.
fn found(text: &str) -> Vec<String> {
    let timeline = script::parse(text).unwrap_or_else(|e| panic!("{e}"));
    timeline.findings.iter().map(|f| format!("{} {}", f.severity.name(), f.code)).collect()
}

fn headline(text: &str) -> String {
    let timeline = script::parse(text).unwrap_or_else(|e| panic!("{e}"));
    timeline.headline().map(|f| f.headline.clone()).unwrap_or_default()
}

const SEED: [&str; 3] = [
    "lost headers-forwarded-before-body-call",
    "lost late-callback",
    "lost response-while-request-held",
];

#[test]
fn the_upstream_answers_on_the_headers_alone() {
    let script = r#"
response code 200 details "via_upstream"
0.222000 #1 create 2 root 1
0.222100 #2 request_headers 2 n=10 -> continue
0.223000 #3 request_body 2 size=14 -> pause
0.223500 #5 request_body 2 size=14 end -> pause
0.223600 #4   dispatch http "slow" pseudo=7 timeout=5s -> ok call 4
0.226000 #6 response_headers 2 n=2 -> continue
0.226100 #7 response_body 2 size=6 -> continue
0.226200 #8 response_body 2 end -> continue
0.226300 #9 log 2
0.226400 #10 done 2
0.226500 #11 delete 2
2.226000 #15 http_call_response root 1 call 4 headers=3 body=2 code=200
2.226100 #12   set_effective_context context=2 -> bad_argument
2.226200 #13   get_header_map_pairs -> ok
2.226300 #14   send_local_response "denied" status=403 -> ok
"#;
    assert_eq!(found(script), SEED);
    let timeline = script::parse(script).expect("a script");
    let cause = timeline.headline().expect("a cause");
    assert_eq!(cause.supported_by, ["late-callback", "response-while-request-held"]);
    assert!(cause.headline.contains("the upstream answered on the headers alone with 200"));
    assert!(cause.headline.contains("came 2000 ms after the stream had been deleted"));
    let denied = cause.details.last().expect("details");
    assert!(denied.contains("send_local_response (#14)") && denied.contains("not enforced"));
    let hosts: Vec<_> = cause.advice.iter().map(|a| a.host).collect();
    assert_eq!(hosts, [Some(abi::Host::Higress), Some(abi::Host::Envoy)]);
}

#[test]
fn the_upstream_closes() {
    let script = r#"
response code 503 details "upstream_reset_before_response_started{connection_termination}"
0.222000 #1 create 2 root 1
0.222100 #2 request_headers 2 n=10 -> continue
0.223500 #4 request_body 2 size=14 end -> pause
0.223600 #3   dispatch http "slow" timeout=300s -> ok call 4
0.226000 #5 response_headers 2 n=3 -> continue
0.226100 #6 response_body 2 size=95 end -> continue
0.226300 #7 log 2
0.226400 #8 done 2
0.226500 #9 delete 2
2.226000 #10 http_call_response root 1 call 4 headers=3 body=2 code=200
"#;
    assert_eq!(found(script), SEED);
    assert!(headline(script).contains("the upstream closed the connection before it answered"));
}

#[test]
fn the_client_leaves() {
    let script = r#"
response code 0 flags 0x4000
0.222000 #1 create 2 root 1
0.222100 #2 request_headers 2 n=10 -> continue
0.223500 #4 request_body 2 size=14 end -> pause
0.223600 #3   dispatch http "slow" timeout=5s -> ok call 4
1.226300 #5 log 2
1.226400 #6 done 2
1.226500 #7 delete 2
2.226000 #8 http_call_response root 1 call 4 headers=3 body=2 code=200
"#;
    assert_eq!(found(script), ["lost headers-forwarded-before-body-call", "lost late-callback"]);
    assert!(headline(script).contains("the client left"));
}

#[test]
fn the_end_is_told_before_the_late_callback_comes() {
    let script = r#"
response code 400 details "via_upstream"
0.222000 #1 create 2 root 1
0.222100 #2 request_headers 2 n=10 -> continue
0.223500 #4 request_body 2 size=14 end -> pause
0.223600 #3   dispatch http "slow" timeout=5s -> ok call 4
0.226000 #5 response_headers 2 n=2 -> continue
0.226300 #6 log 2
0.226400 #7 done 2
0.226500 #8 delete 2
"#;
    assert_eq!(
        found(script),
        ["lost headers-forwarded-before-body-call", "lost response-while-request-held"]
    );
    assert!(headline(script).contains("its response callback had not come by then"));
    let with_gap = format!("gap 5-5 \"buffer full\"\n{script}");
    let timeline = script::parse(&with_gap).expect("a script");
    assert!(timeline.findings.iter().all(|f| f.is_fact));
    assert_eq!(timeline.unknown[0].code, "headers-forwarded-before-body-call");
}

#[test]
fn a_patient_upstream_makes_it_a_race_with_a_margin() {
    let script = r#"
response code 200 details "via_upstream"
0.222000 #1 create 2 root 1
0.222100 #2 request_headers 2 n=10 -> continue
0.223500 #4 request_body 2 size=14 end -> pause
0.223600 #3   dispatch http "slow" timeout=5s -> ok call 4
2.226000 #7 http_call_response root 1 call 4 headers=3 body=2 code=200
2.226100 #5   set_effective_context context=2 -> ok
2.226200 #6   continue_stream request -> ok
2.230000 #8 response_headers 2 n=2 -> continue
2.230300 #9 log 2
2.230400 #10 done 2
2.230500 #11 delete 2
"#;
    assert_eq!(found(script), ["race headers-forwarded-before-body-call"]);
    assert!(headline(script).contains("it worked this time, by 4.00 ms"), "{}", headline(script));
}

#[test]
fn a_denial_in_time_is_a_race_too() {
    let script = r#"
response code 403 details "denied"
0.222000 #1 create 2 root 1
0.222100 #2 request_headers 2 n=10 -> continue
0.223500 #4 request_body 2 size=14 end -> pause
0.223600 #3   dispatch http "slow" timeout=5s -> ok call 4
2.226000 #7 http_call_response root 1 call 4 headers=3 body=2 code=403
2.226100 #5   set_effective_context context=2 -> ok
2.226200 #6   send_local_response "denied" status=403 -> ok
2.226300 #8 response_headers 2 n=2 -> continue
2.226400 #9 response_body 2 size=3 end -> continue
2.230300 #10 log 2
2.230400 #11 done 2
2.230500 #12 delete 2
"#;
    assert_eq!(found(script), ["race headers-forwarded-before-body-call"]);
    assert!(headline(script).contains("the plugin's local response was the first"));
}

#[test]
fn a_response_before_the_callback_is_failed_while_the_stream_lives() {
    let script = r#"
response code 200 details "via_upstream"
0.222000 #1 create 2 root 1
0.222100 #2 request_headers 2 n=10 -> continue
0.223500 #4 request_body 2 size=14 end -> pause
0.223600 #3   dispatch http "slow" timeout=5s -> ok call 4
0.226000 #5 response_headers 2 n=2 -> continue
0.426000 #8 http_call_response root 1 call 4 headers=3 body=2 code=200
0.426100 #6   set_effective_context context=2 -> ok
0.426200 #7   continue_stream request -> ok
2.230000 #9 response_body 2 size=6 end -> continue
2.230300 #10 log 2
2.230400 #11 done 2
2.230500 #12 delete 2
"#;
    assert_eq!(
        found(script),
        ["failed headers-forwarded-before-body-call", "failed response-while-request-held"]
    );
}

#[test]
fn a_second_call_after_the_resume_is_the_same_race() {
    // tetratelabs/proxy-wasm-go-sdk#158: the first pause works, the second does not.
    let script = r#"
module abi 0.2.1 host envoy
0.222000 #1 create 2 root 1
0.222100 #3 request_headers 2 n=10 -> pause
0.222200 #2   dispatch http "one" timeout=5s -> ok call 4
0.322000 #6 http_call_response root 1 call 4 headers=3 body=2 code=200
0.322100 #4   set_effective_context context=2 -> ok
0.322200 #5   continue_stream request -> ok
0.323500 #8 request_body 2 size=14 end -> pause
0.323600 #7   dispatch http "two" timeout=5s -> ok call 8
0.326000 #9 response_headers 2 n=2 -> continue
0.326300 #10 log 2
0.326400 #11 done 2
0.326500 #12 delete 2
1.226000 #13 http_call_response root 1 call 8 headers=3 body=2 code=200
"#;
    assert_eq!(found(script), SEED);
    assert!(headline(script).contains("call 8 to \"two\""));
}

#[test]
fn a_call_in_the_response_body_is_noted() {
    let script = r#"
0.222000 #1 create 2 root 1
0.222100 #2 request_headers 2 n=10 end -> continue
0.223000 #3 response_headers 2 n=2 -> continue
0.223500 #5 response_body 2 size=14 end -> pause
0.223600 #4   dispatch http "slow" timeout=5s -> ok call 4
0.426000 #8 http_call_response root 1 call 4 headers=3 body=2 code=200
0.426100 #6   set_effective_context context=2 -> ok
0.426200 #7   continue_stream response -> ok
0.430300 #9 log 2
0.430400 #10 done 2
0.430500 #11 delete 2
"#;
    assert_eq!(found(script), ["note headers-forwarded-before-body-call"]);
    let denied = script.replace("continue_stream response", "send_local_response status=403");
    assert_eq!(found(&denied), ["failed headers-forwarded-before-body-call"]);
}

#[test]
fn held_headers_give_nothing() {
    let script = r#"
0.222000 #1 create 2 root 1
0.222100 #2 request_headers 2 n=10 -> pause
0.223500 #4 request_body 2 size=14 end -> pause
0.223600 #3   dispatch http "slow" timeout=5s -> ok call 4
2.226000 #7 http_call_response root 1 call 4 headers=3 body=2 code=200
2.226100 #5   set_effective_context context=2 -> ok
2.226200 #6   continue_stream request -> ok
2.230000 #8 response_headers 2 n=2 -> continue
2.230300 #9 log 2
2.230400 #10 done 2
2.230500 #11 delete 2
"#;
    for module in ["", "module abi 0.2.1 host envoy", "module abi 0.2.100 host higress"] {
        assert!(found(&format!("{module}\n{script}")).is_empty(), "{module}");
    }
}

#[test]
fn a_pause_in_the_headers_without_a_call_is_not_taken_for_a_call() {
    let script = r#"
known_until 10.500000
0.222000 #1 create 2 root 1
0.222100 #2 request_headers 2 n=10 -> pause
10.226300 #3 log 2
10.226400 #4 done 2
10.226500 #5 delete 2
"#;
    assert!(found(script).is_empty());
}

#[test]
fn an_unknown_cluster_is_a_rejected_dispatch() {
    let script = r#"
0.222000 #1 create 2 root 1
0.222100 #2 request_headers 2 n=10 -> continue
0.223500 #4 request_body 2 size=14 end -> pause
0.223600 #3   dispatch http "outbound|80||nowhere.static" pseudo=7 timeout=5s -> bad_argument
"#;
    assert_eq!(found(script), ["failed dispatch-rejected"]);
    let timeline = script::parse(script).expect("a script");
    let stopped = timeline.findings[0].details.last().expect("details");
    assert!(stopped.contains("The phase stopped all the same"), "{stopped}");
    let lacks = script.replace("pseudo=7", "pseudo=3");
    assert!(headline(&lacks).contains("its headers lack :authority"), "{}", headline(&lacks));
}

#[test]
fn an_unknown_dialect_says_if() {
    let script = r#"
module abi 0.2.1 host envoy
known_until 9.000000
0.000000 #11 create 2 root 1
0.000113 #13 request_headers 2 n=10 -> pause
0.000120 #12   dispatch http "auth" timeout=5s -> ok call 4
0.202377 #15 http_call_response root 1 call 4 headers=3 body=2 code=500
0.202380 #14   set_effective_context context=2 -> ok
"#;
    assert_eq!(found(script), ["hung callback-ran-no-resume"]);
    let timeline = script::parse(script).expect("a script");
    assert!(timeline.findings[0].details.iter().any(|d| d.starts_with("If this host")));
    let seen = format!("dialect envoy 0.2.1 headers_stop=all seen\n{script}");
    let timeline = script::parse(&seen).expect("a script");
    assert!(timeline.findings[0].details.iter().all(|d| !d.starts_with("If")));
    let iteration = format!("dialect envoy 0.2.1 headers_stop=iteration seen\n{script}");
    assert!(found(&iteration).is_empty(), "the body will still come");
}

#[test]
fn a_slow_call_is_told_and_withdrawn() {
    let asked = r#"
0.000000 #11 create 2 root 1
0.000113 #13 request_headers 2 n=10 end -> pause
0.000120 #12   dispatch http "slow" timeout=5s -> ok call 4
"#;
    assert!(found(&format!("known_until 3.900000\n{asked}")).is_empty());
    assert_eq!(found(&format!("known_until 4.100000\n{asked}")), ["hung waiting-on-call"]);
    let overdue = format!("known_until 6.500000\n{asked}");
    let timeline = script::parse(&overdue).expect("a script");
    assert!(timeline.findings[0].details[2].starts_with("Its timeout passed"));
    let answered =
        "5.001000 #16 http_call_response root 1 call 4 headers=3 body=24 code=504 failure=1
5.001100 #14   set_effective_context context=2 -> ok
5.001200 #15   continue_stream request -> ok
";
    assert!(found(&format!("known_until 6.500000\n{asked}{answered}")).is_empty());
}
