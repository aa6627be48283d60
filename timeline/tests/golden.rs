//! The golden traces of host-semantics §0, seen on a live Envoy 1.40, and what must be said of each.

mod traces;

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
    let script = traces::THE_UPSTREAM_ANSWERS_ON_THE_HEADERS_ALONE;
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
    let script = traces::THE_UPSTREAM_CLOSES;
    assert_eq!(found(script), SEED);
    assert!(headline(script).contains("the upstream closed the connection before it answered"));
}

#[test]
fn the_client_leaves() {
    let script = traces::THE_CLIENT_LEAVES;
    assert_eq!(found(script), ["lost headers-forwarded-before-body-call", "lost late-callback"]);
    assert!(headline(script).contains("the client left"));
}

#[test]
fn the_end_is_told_before_the_late_callback_comes() {
    let script = traces::THE_END_IS_TOLD_BEFORE_THE_LATE_CALLBACK_COMES;
    assert_eq!(
        found(script),
        ["lost headers-forwarded-before-body-call", "lost response-while-request-held"]
    );
    assert!(headline(script).contains("the call's response callback had not come by then"));
    let with_gap = format!("gap 5-5 \"buffer full\"\n{script}");
    let timeline = script::parse(&with_gap).expect("a script");
    assert!(timeline.findings.iter().all(|f| f.is_fact));
    assert_eq!(timeline.unknown[0].code, "headers-forwarded-before-body-call");
}

#[test]
fn a_patient_upstream_makes_it_a_race_with_a_margin() {
    let script = traces::A_PATIENT_UPSTREAM_MAKES_IT_A_RACE_WITH_A_MARGIN;
    assert_eq!(found(script), ["race headers-forwarded-before-body-call"]);
    assert!(headline(script).contains("it worked this time, by 4.00 ms"), "{}", headline(script));
}

#[test]
fn a_denial_in_time_is_a_race_too() {
    let script = traces::A_DENIAL_IN_TIME_IS_A_RACE_TOO;
    assert_eq!(found(script), ["race headers-forwarded-before-body-call"]);
    assert!(headline(script).contains("the plugin's local response was the first"));
}

#[test]
fn a_response_before_the_callback_is_failed_while_the_stream_lives() {
    let script = traces::A_RESPONSE_BEFORE_THE_CALLBACK_IS_FAILED_WHILE_THE_STREAM_LIVES;
    assert_eq!(
        found(script),
        ["failed headers-forwarded-before-body-call", "failed response-while-request-held"]
    );
}

#[test]
fn a_second_call_after_the_resume_is_the_same_race() {
    // tetratelabs/proxy-wasm-go-sdk#158: the first pause works, the second does not.
    let script = traces::A_SECOND_CALL_AFTER_THE_RESUME_IS_THE_SAME_RACE;
    assert_eq!(found(script), SEED);
    assert!(headline(script).contains("call 8 to \"two\""));
}

#[test]
fn a_call_in_the_response_body_is_noted() {
    let script = traces::A_CALL_IN_THE_RESPONSE_BODY_IS_NOTED;
    assert_eq!(found(script), ["note headers-forwarded-before-body-call"]);
    let denied = script.replace("continue_stream response", "send_local_response status=403");
    let causes = ["failed headers-forwarded-before-body-call", "failed local-reply-too-late"];
    assert_eq!(found(&denied), causes);
}

#[test]
fn held_headers_give_nothing() {
    let script = traces::HELD_HEADERS_GIVE_NOTHING;
    for module in ["", "module abi 0.2.1 host envoy", "module abi 0.2.100 host higress"] {
        assert!(found(&format!("{module}\n{script}")).is_empty(), "{module}");
    }
}

#[test]
fn a_pause_in_the_headers_starves_the_body() {
    let script = traces::A_PAUSE_IN_THE_HEADERS_STARVES_THE_BODY;
    assert_eq!(found(script), ["hung header-pause-starves-body"]);
    assert!(headline(script).contains("if this host"), "{}", headline(script));
    let known = format!("dialect envoy 0.2.1 headers_stop=all seen\n{script}");
    assert!(!headline(&known).contains("if"), "{}", headline(&known));
    let called = format!("dialect envoy 0.2.1 headers_stop=iteration seen\n{script}");
    assert!(found(&called).is_empty(), "the body is awaited, and will come");
}

#[test]
fn an_unknown_cluster_is_a_rejected_dispatch() {
    let script = traces::AN_UNKNOWN_CLUSTER_IS_A_REJECTED_DISPATCH;
    assert_eq!(found(script), ["failed dispatch-rejected"]);
    let timeline = script::parse(script).expect("a script");
    let stopped = timeline.findings[0].details.last().expect("details");
    assert!(stopped.contains("The phase stopped all the same"), "{stopped}");
    let lacks = script.replace("pseudo=7", "pseudo=3");
    assert!(headline(&lacks).contains("its headers lack :authority"), "{}", headline(&lacks));
}

#[test]
fn an_unknown_dialect_says_if() {
    let script = traces::AN_UNKNOWN_DIALECT_SAYS_IF;
    assert_eq!(found(script), ["note callback-ran-no-resume"], "the client may be slow");
    assert!(headline(script).contains("nothing will, if this host"), "{}", headline(script));
    let timeline = script::parse(script).expect("a script");
    assert!(timeline.findings[0].details.iter().any(|d| d.starts_with("If this host")));
    let seen = format!("dialect envoy 0.2.1 headers_stop=all seen\n{script}");
    assert_eq!(found(&seen), ["hung callback-ran-no-resume"]);
    assert!(!headline(&seen).contains(" if "), "{}", headline(&seen));
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
    let answered = format!("known_until 6.500000\n{asked}{answered}");
    assert_eq!(found(&answered), ["failed call-timeout"]);
}

#[test]
fn who_answered_is_said_as_far_as_the_host_says_it() {
    for (details, clause) in [
        ("internal_redirect", "the upstream answered with a redirect, which the host followed"),
        ("direct_response", "the host or another filter answered in the upstream's place"),
    ] {
        let script = traces::THE_UPSTREAM_ANSWERS_ON_THE_HEADERS_ALONE;
        let script = script.replace("via_upstream", details);
        assert!(headline(&script).contains(clause), "{}", headline(&script));
    }
}

#[test]
fn another_calls_resume_takes_the_forwarded_headers_blame_away() {
    let script = traces::ONE_OF_TWO_CALLS_RESUMES;
    assert_eq!(
        found(script),
        [
            "lost resumed-with-calls-outstanding",
            "race headers-forwarded-before-body-call",
            "lost late-callback"
        ],
        "the second call was lost by the first one's resume"
    );
    let timeline = script::parse(script).expect("a script");
    assert!(timeline.findings[1].supported_by.is_empty(), "another call's fact supports nothing");
    assert_eq!(found(traces::ONE_OF_TWO_CALLS_DENIES), ["note late-callback"]);
}

#[test]
fn a_response_that_the_plugin_holds_is_not_too_late() {
    assert_eq!(
        found(traces::THE_RESPONSE_IS_HELD_UNTIL_THE_CALLBACK),
        ["failed response-while-request-held", "note headers-forwarded-before-body-call"]
    );
}

#[test]
fn the_upstream_is_not_said_to_have_answered_on_headers_alone_when_part_of_the_body_had_gone() {
    let headline = headline(traces::PART_OF_THE_BODY_HAD_GONE);
    assert!(headline.contains("; the upstream answered with 413 (via_upstream)"), "{headline}");
}

#[test]
fn a_client_that_leaves_during_the_response_loses_the_callback_by_itself() {
    assert_eq!(
        found(traces::THE_CLIENT_LEAVES_DURING_THE_RESPONSE),
        ["lost late-callback", "note headers-forwarded-before-body-call"]
    );
}

#[test]
fn a_redis_call_is_not_said_to_have_no_timeout() {
    let headline = headline(traces::A_REDIS_CALL);
    assert!(headline.ends_with("(the timeout of its redis_init)."), "{headline}");
}

#[test]
fn every_end_is_named_by_what_the_host_said_of_it() {
    for (details, clause) in [
        ("upstream_reset_before_response_started{connection_termination}", "the upstream closed"),
        ("upstream_reset_before_response_started{remote_connection_failure}", "could not connect"),
        ("upstream_reset_before_response_started{remote_reset}", "the upstream reset the stream"),
        ("upstream_reset_before_response_started{overflow}", "a circuit breaker of the host"),
        (
            "upstream_reset_after_response_started{connection_termination}",
            "broke off in the middle",
        ),
        ("http2.remote_reset", "the client left"),
        ("stream_idle_timeout", "a timeout of the host"),
        ("my_filter_timeout_policy", "the host or another filter answered"),
        ("wasm_close_stream", "a plugin closed the stream"),
    ] {
        let script =
            traces::THE_UPSTREAM_ANSWERS_ON_THE_HEADERS_ALONE.replace("via_upstream", details);
        let headline = headline(&script);
        assert!(headline.contains(clause), "{details}: {headline}");
    }
}

#[test]
fn every_trace_is_a_script_of_one_stream() {
    for trace in traces::ALL {
        let timeline = script::parse(trace).unwrap_or_else(|e| panic!("{e} in {trace}"));
        assert!(timeline.events.len() > 2, "{trace}");
    }
}
