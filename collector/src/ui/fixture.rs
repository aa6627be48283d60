//! Timelines for the tests of pages and drawing. Calls and findings are written by hand, so that what
//! is tested here is how they look, not how they are found.

use ::timeline::calls::{Answer, Call, Outcome};
use ::timeline::finding::{Advice, Evidence, Finding, Severity, Subject, Window};
use ::timeline::ids::{CallId, Entry, Micros, Sequence};
use ::timeline::timeline::PendingVerdict;
use ::timeline::{Timeline, script};
use abi::{CallKind, Callback, Host, Kind};

/// Reads a script and gives it these calls and nothing found.
pub fn of(text: &str, calls: Vec<Call>) -> Timeline {
    let mut timeline = script::parse(text).unwrap_or_else(|error| panic!("{error} in {text}"));
    timeline.calls = calls;
    timeline.findings = Vec::new();
    timeline.pending = Vec::new();
    timeline.unknown = Vec::new();
    timeline
}

/// An HTTP call to "auth" with a timeout of 5 s.
pub fn call(id: u32, dispatch: u64, at: u64, outcome: Outcome) -> Call {
    Call {
        dispatch: Sequence(dispatch),
        entry: Entry(0),
        id: CallId(id),
        kind: CallKind::Http,
        cluster: "auth".to_owned(),
        dispatched_at: Micros(at),
        timeout: Some(Micros::from_millis(5_000)),
        outcome,
    }
}

/// A response callback with 200.
pub fn answer(callback: u64, at: u64) -> Answer {
    Answer { callback: Sequence(callback), at: Micros(at), code: 200 }
}

const HEAD: &str = "\
root 1 plugin \"body-call\"
clock wall 1763996400000000000 at 0.000000
request \"6f1f-0a2c\" method \"POST\" path \"/pay\" authority \"shop.example\"
";

/// The reported bug: the upstream answers on headers alone, the response callback comes 2 s later.
pub fn seed_bug() -> Timeline {
    let events = "\
response code 200 details \"via_upstream\" upstream \"10.0.0.7:8080\"
0.000000 #11 create 2 root 1
0.000113 #12 request_headers 2 n=10 -> continue took=61us
0.001702 #13 request_body 2 size=14 -> pause took=22us
0.001870 #14 request_body 2 size=14 end -> pause took=96us
0.001902 #15   dispatch http \"auth\" headers=84 timeout=5s -> ok call 4
0.005114 #16 response_headers 2 n=5 -> continue took=12us
0.005390 #17 response_body 2 size=6 end -> continue took=9us
0.006020 #18 log 2 took=14us
0.006041 #19 done 2
0.006049 #20 delete 2
2.002377 #21 http_call_response root 1 call 4 headers=3 body=2 took=84us
2.002398 #22   set_effective_context context=2 -> bad_argument
2.002420 #23   continue_stream request -> ok
";
    let late = Outcome::Late(answer(21, 2_002_377));
    let mut timeline = of(&format!("{HEAD}closed ended\n{events}"), vec![call(4, 15, 1_902, late)]);
    timeline.findings = vec![finding()];
    timeline
}

fn finding() -> Finding {
    Finding {
        code: "headers-forwarded-before-body-call".to_owned(),
        severity: Severity::Lost,
        is_fact: false,
        subject: Subject::Call(CallId(4)),
        headline: "the request's headers had gone upstream when call 4 to \"auth\" was dispatched \
                   from the body phase; the upstream answered and the stream ended before the \
                   response callback came, 2.00 s late"
            .to_owned(),
        details: vec![
            "request_headers returned Continue, so the upstream had the headers at once.".into(),
            "The upstream answered 3.21 ms after the dispatch, without waiting for the body."
                .into(),
        ],
        evidence: Evidence {
            events: [12, 15, 16, 20, 21].map(Sequence).to_vec(),
            windows: vec![Window {
                from: Sequence(15),
                to: Some(Sequence(20)),
                known_until: Micros(2_002_461),
                complete: true,
                none_of: vec![Kind::Callback(Callback::HttpCallResponse)],
            }],
        },
        advice: vec![
            Advice {
                host: Some(Host::Envoy),
                text: "Set allow_on_headers_stop_iteration: true and return Pause from \
                       request_headers while the body is still to come.",
                text_zh: "设置 allow_on_headers_stop_iteration: true，并在请求体到来之前从 \
                          request_headers 返回 Pause。",
            },
            Advice {
                host: Some(Host::Higress),
                text: "Return types.HeaderStopIteration from onHttpRequestHeaders.",
                text_zh: "从 onHttpRequestHeaders 返回 types.HeaderStopIteration。",
            },
        ],
        supported_by: vec!["late-callback".to_owned()],
        timelines: Vec::new(),
        memory: Vec::new(),
    }
}

/// The same plugin mended: headers are held, the callback resumes in time.
pub fn fixed_run() -> Timeline {
    let events = "\
response code 200 details \"via_upstream\"
0.000000 #1 create 2 root 1
0.000120 #2 request_headers 2 n=10 -> pause took=70us
0.000840 #3 request_body 2 size=14 end -> pause took=90us
0.000900 #4   dispatch http \"auth\" timeout=5s -> ok call 4
0.201150 #5 http_call_response root 1 call 4 headers=3 body=2 took=140us
0.201205 #6   set_effective_context context=2 -> ok
0.201220 #7   continue_stream request -> ok
0.204410 #8 response_headers 2 n=5 -> continue took=15us
0.204730 #9 response_body 2 size=6 end -> continue took=9us
0.205100 #10 log 2
0.205120 #11 done 2
0.205131 #12 delete 2
";
    let answered = Outcome::Answered(answer(5, 201_150));
    of(&format!("{HEAD}closed ended\n{events}"), vec![call(4, 4, 900, answered)])
}

/// A request that is held while two calls are out, a third was rejected, a fourth failed.
pub fn waiting() -> Timeline {
    let events = "\
known_until 3.000000
gap 6-7 \"buffer_full\"
0.000000 #1 create 2 root 1
0.000120 #2 request_headers 2 n=10 end -> pause took=900us
0.000300 #3   dispatch http \"auth\" timeout=5s -> ok call 4
0.000420 #4   dispatch http \"quota\" timeout=none -> ok call 8
0.000500 #5   dispatch http \"nowhere\" timeout=1s -> bad_argument
1.200000 #8 http_call_response root 1 call 12 headers=3 body=2 took=140us
1.200090 #9   log_line \"call 12 failed: <503>\" level=3 -> ok
";
    let mut calls = vec![
        call(4, 3, 300, Outcome::Pending),
        call(8, 4, 420, Outcome::Pending),
        call(0, 5, 500, Outcome::Rejected(2)),
        call(12, 6, 700, Outcome::Failed(Answer { code: 503, ..answer(8, 1_200_000) })),
    ];
    calls[1].timeout = None;
    calls[1].cluster = "quota".to_owned();
    calls[2].cluster = "nowhere".to_owned();
    let mut timeline = of(&format!("{HEAD}{events}"), calls);
    timeline.pending =
        vec![PendingVerdict { code: "waiting-on-call", until: Micros::from_millis(5_000) }];
    timeline
}

/// As many body phases as one likes.
pub fn many_events(n: u64) -> Timeline {
    let mut text = HEAD.to_owned();
    text.push_str("0.000000 #1 create 2 root 1\n");
    for at in 2..=n {
        text.push_str(&format!(
            "0.{:06} #{at} request_body 2 size=4096 -> pause took=9us\n",
            at * 37
        ));
    }
    of(&text, Vec::new())
}

/// Everything that can be text is an attack.
pub fn hostile() -> Timeline {
    let mut timeline = waiting();
    let attack = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>";
    let mut root = (*timeline.root).clone();
    root.plugin = attack.to_owned();
    timeline.root = root.into();
    timeline.node = attack.into();
    timeline.stream.path = attack.to_owned();
    timeline.stream.request_id = attack.to_owned();
    timeline.stream.response_code_details = Some(attack.to_owned());
    timeline.stream.more = vec![(attack.to_owned(), attack.to_owned())];
    timeline.gaps[0].reason = attack.to_owned();
    for call in &mut timeline.calls {
        call.cluster = attack.to_owned();
    }
    for event in &mut timeline.events {
        event.text = [attack.as_bytes(), b"\xff\xfe\x00"].concat();
    }
    let mut finding = finding();
    finding.code = attack.to_owned();
    finding.headline = attack.to_owned();
    finding.details = vec![attack.to_owned()];
    finding.advice[0].text = attack;
    finding.advice[0].text_zh = attack;
    timeline.findings = vec![finding];
    timeline
}

/// A request waits for its call when another one panics.
pub fn taken_with_a_panic() -> Timeline {
    let text = "\
0.000000 #11 create 2 root 1
0.000113 #13 request_headers 2 n=10 end -> pause took=61us
0.000120 #12   dispatch http \"auth\" headers=84 timeout=5s -> ok call 4
1.500001 #16 request_headers 3 n=10 end \"thread '<unnamed>' panicked at src/lib.rs:31:9:\\nno such user\\n\" -> (unfinished)
";
    script::parse(&format!("{HEAD}{text}")).expect("a script")
}

/// A request whose own headers phase panics.
pub fn panicked() -> Timeline {
    let text = "\
0.000000 #11 create 2 root 1
0.000113 #12 request_headers 2 n=10 end \"panic: no such user\\n\\ngoroutine 1 [running]:\\nmain.check()\\n\\t/plugin/main.go:52 +0x20\\n\" -> (unfinished)
";
    script::parse(&format!("{HEAD}{text}")).expect("a script")
}
