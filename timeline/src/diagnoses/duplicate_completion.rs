//! The plugin completed a direction twice.

use abi::{Callback, Direction, Host, Hostcall, Kind};

use super::phrases;
use crate::diagnose::{Diagnosis, NearMiss};
use crate::event::Event;
use crate::finding::{Advice, Evidence, Finding, Severity, Subject, Verdict};
use crate::hold::{hostcalls_on, resumes};
use crate::story::{Step, Story, span};

/// See the head of this file.
pub const DIAGNOSIS: Diagnosis = Diagnosis {
    code: "duplicate-completion",
    title: "The plugin resumed or answered a stream that it had resumed or answered already",
    title_zh: "插件对已经恢复或应答过的流，又恢复或应答了一次",
    severity: Severity::Failed,
    is_fact: false,
    explanation: EXPLANATION,
    explanation_zh: include_str!("duplicate-completion.zh-CN.md"),
    known_from: &[
        "envoyproxy/envoy#23047",
        "envoyproxy/envoy#28826",
        "envoyproxy/envoy#36809",
        "proxy-wasm/proxy-wasm-cpp-host#423",
        "corazawaf/coraza-proxy-wasm#126",
    ],
    example: EXAMPLE,
    near_misses: NEAR_MISSES,
    overlaps: &[],
    argues_from_absence: false,
    about_roots: false,
    unknown_in_log: None,
    triggers: &[
        Kind::Hostcall(Hostcall::SendLocalResponse),
        Kind::Hostcall(Hostcall::ContinueStream),
        Kind::Hostcall(Hostcall::ContinueRequest),
        Kind::Hostcall(Hostcall::ContinueResponse),
    ],
    judge,
};

fn judge(story: &Story<'_>) -> Vec<Verdict> {
    match second(story) {
        Some(verdict) => vec![verdict],
        None => resumed_twice(story).into_iter().collect(),
    }
}

/// What completes the request: a resume of it, or a local response.
fn completions<'a>(story: &Story<'a>) -> impl Iterator<Item = &'a Event> {
    let own = story.timeline.context;
    let ended = story.ended();
    story.acting().flat_map(move |step| {
        hostcalls_on(own, story.hostcalls(step)).filter(move |e| {
            let is_over = ended.is_some_and(|end| end.order() < e.order());
            !is_over && (e.is_reply() || resumes(e) == Some(Direction::Request))
        })
    })
}

fn second(story: &Story<'_>) -> Option<Verdict> {
    let completions: Vec<&Event> = completions(story).collect();
    // What is answered once a response has come is in that one's place: another decision.
    let response = story.end_of_stop(Direction::Request);
    let is_of_response = |e: &Event| response.is_some_and(|response| response.entry <= e.entry);
    // Two resumes at two times are of two waits.
    let pair = completions.windows(2).find(|pair| match pair {
        [first, second] if second.is_reply() => first.is_reply() || !is_of_response(second),
        pair => pair.iter().any(|e| e.is_reply()),
    })?;
    let [first, second] = pair else { return None };
    // A request that was held again after its resume is another wait, and what its body is answered with
    // another decision.
    let step = story.step_of(second.sequence)?;
    let is_held_again = step.before.request.hold.is_held() || is_of_body(story, step);
    let is_anew = first.entry != second.entry && is_held_again;
    if is_anew && !first.is_reply() {
        return None;
    }
    // Of what phase it was is not known if that is missing.
    if story.invocation(step).is_none()
        && let Some(gap) = story.gap(second.sequence, None)
    {
        return Some(Verdict::Unknown { gap });
    }
    // Nor may another stream have been meant, or this one have been held again unseen.
    if let Some(gap) = story.gap(first.sequence, Some(second.sequence)) {
        return Some(Verdict::Unknown { gap });
    }
    let (severity, what, details) = match (first.is_reply(), second.is_reply()) {
        (false, _) => (
            Severity::Failed,
            "had let the request go to the upstream before it answered it: what was denied may be done"
                .to_owned(),
            "The host sends the request on as soon as it has a connection to the upstream, and the \
             client may see either answer."
                .to_owned(),
        ),
        (true, true) => (
            Severity::Failed,
            format!("answered twice{}", which(story, first, second)),
            "Which of two answers the client gets differs from phase to phase; Envoy 1.24 to 1.32, \
             and Higress, drop one given in a response phase and then hold the stream."
                .to_owned(),
        ),
        (true, false) => (
            Severity::Note,
            "resumed the request after it had answered it".to_owned(),
            "The resume has no effect.".to_owned(),
        ),
    };
    let headline = format!("The plugin {what}.");
    Some(found(story, [first, second], Direction::Request, severity, headline, details))
}

/// Is it a phase of the request's body or trailers?
fn is_of_body(story: &Story<'_>, step: &Step) -> bool {
    let later = [Callback::RequestBody, Callback::RequestTrailers].map(Kind::Callback);
    story
        .invocation(step)
        .is_some_and(|e| e.context == story.timeline.context && later.contains(&e.kind))
}

/// Which of two answers the client got, as far as the host said.
fn which(story: &Story<'_>, first: &Event, second: &Event) -> String {
    let status = |e: &Event| u64::from(e.arg(0));
    let (a, b) = (status(first), status(second));
    match story.timeline.stream.response_code.map(u64::from) {
        Some(code) if a != b && code == a => {
            format!(": the client got the first answer ({a}), not the second ({b})")
        }
        Some(code) if a != b && code == b => {
            format!(": the client got the second answer ({b}), not the first ({a})")
        }
        _ => ": the client gets one of the two answers, on some hosts none".to_owned(),
    }
}

/// Two resumes of one direction in one invocation: one is too many.
fn resumed_twice(story: &Story<'_>) -> Option<Verdict> {
    let own = story.timeline.context;
    let ended = story.ended();
    story.acting().find_map(|step| {
        [Direction::Request, Direction::Response].into_iter().find_map(|direction| {
            let hostcalls = hostcalls_on(own, story.hostcalls(step));
            let mut resumes = hostcalls.filter(|e| resumes(e) == Some(direction));
            let (first, second) = (resumes.next()?, resumes.next()?);
            if ended.is_some_and(|end| end.order() < second.order()) {
                return None;
            }
            if let Some(gap) = story.gap(first.sequence, Some(second.sequence)) {
                return Some(Verdict::Unknown { gap });
            }
            let half = phrases::half(direction);
            let headline = format!("The plugin resumed {half} twice in one callback.");
            let details =
                "The first resume lets it go. The second has nothing to end; a crash of an old \
                           host was reported for it on the way back."
                    .to_owned();
            Some(found(story, [first, second], direction, Severity::Note, headline, details))
        })
    })
}

fn found(
    story: &Story<'_>,
    [first, second]: [&Event; 2],
    direction: Direction,
    severity: Severity,
    headline: String,
    means: String,
) -> Verdict {
    let details = vec![
        format!("First it called {}.", phrases::event(first)),
        format!(
            "Then it called {}, {} later.",
            phrases::event(second),
            span(second.at.since(first.at))
        ),
        means,
    ];
    Verdict::Found(Box::new(Finding {
        details,
        evidence: Evidence {
            events: phrases::cited([first.sequence, second.sequence]),
            windows: Vec::new(),
        },
        advice: phrases::advice(story.timeline.dialect.host, ADVICE),
        ..Finding::cause(DIAGNOSIS.code, severity, Subject::Direction(direction), headline)
    }))
}

const ADVICE: &[Advice] = &[
    Advice::any(
        "Let one function of the plugin complete a request, and let it do so once, guarded by a flag of the stream.",
        "让插件中只有一个函数来完结请求，并用流的一个标志保证只做一次。",
    ),
    Advice::on(
        Host::Higress,
        "On Higress return right after proxywasm.SendHttpResponse: what follows in the handler still runs.",
        "在 Higress 上，调用 proxywasm.SendHttpResponse 之后立即返回：处理函数中后面的代码仍会执\
         行。",
    ),
    Advice::on(
        Host::Envoy,
        "On stock Envoy return right after send_http_response: what follows in the callback still runs.",
        "在原版 Envoy 上，调用 send_http_response 之后立即返回：回调中后面的代码仍会执行。",
    ),
];

const EXAMPLE: &str = r#"
0.000000 #11 create 2 root 1
0.000113 #13 request_headers 2 n=10 end -> pause
0.000120 #12   dispatch http "auth" timeout=5s -> ok call 4
0.002377 #17 http_call_response root 1 call 4 headers=3 body=2 code=403
0.002380 #14   set_effective_context context=2 -> ok
0.002381 #15   continue_stream request -> ok
0.002390 #16   send_local_response status=403 -> ok
"#;

const NEAR_MISSES: &[NearMiss] = &[
    NearMiss {
        because: "it answered once",
        script: r#"
0.000000 #11 create 2 root 1
0.000113 #13 request_headers 2 n=10 end -> pause
0.000120 #12   dispatch http "auth" timeout=5s -> ok call 4
0.002377 #16 http_call_response root 1 call 4 headers=3 body=2 code=403
0.002380 #14   set_effective_context context=2 -> ok
0.002390 #15   send_local_response status=403 -> ok
"#,
    },
    NearMiss {
        because: "the request was held again in between",
        script: r#"
module abi 0.2.100 host higress
0.000000 #11 create 2 root 1
0.000113 #13 request_headers 2 n=10 -> 4
0.000120 #12   dispatch http "auth" timeout=5s -> ok call 4
0.002377 #16 http_call_response root 1 call 4 headers=3 body=2 code=200
0.002380 #14   set_effective_context context=2 -> ok
0.002381 #15   continue_stream request -> ok
0.003000 #17 request_body 2 size=7 -> pause
0.004000 #19 request_body 2 size=9 end -> pause
0.004100 #18   send_local_response status=400 -> ok
"#,
    },
    NearMiss {
        because: "it let the headers go, and answered when it saw the body",
        script: r#"
module abi 0.2.100 host higress
0.000000 #11 create 2 root 1
0.000113 #13 request_headers 2 n=10 -> 4
0.000120 #12   dispatch http "auth" timeout=5s -> ok call 4
0.002377 #16 http_call_response root 1 call 4 headers=3 body=2 code=200
0.002380 #14   set_effective_context context=2 -> ok
0.002381 #15   continue_stream request -> ok
0.003000 #18 request_body 2 size=9 end -> pause
0.003010 #17   send_local_response status=400 -> ok
"#,
    },
    NearMiss {
        because: "it let the request go, and answered in place of the upstream's response: two decisions",
        script: r#"
0.000000 #11 create 2 root 1
0.000113 #13 request_headers 2 n=10 end -> pause
0.000120 #12   dispatch http "auth" timeout=5s -> ok call 4
0.002377 #16 http_call_response root 1 call 4 headers=3 body=2 code=200
0.002380 #14   set_effective_context context=2 -> ok
0.002381 #15   continue_stream request -> ok
0.203000 #18 response_headers 2 n=3 -> pause
0.203010 #17   send_local_response status=502 -> ok
"#,
    },
    NearMiss {
        because: "each direction was resumed once",
        script: r#"
0.000000 #11 create 2 root 1
0.000113 #13 request_headers 2 n=10 end -> pause
0.000120 #12   dispatch http "auth" timeout=5s -> ok call 4
0.002377 #17 http_call_response root 1 call 4 headers=3 body=2 code=200
0.002380 #14   set_effective_context context=2 -> ok
0.002381 #15   continue_stream request -> ok
0.002390 #16   continue_stream response -> ok
"#,
    },
];

const EXPLANATION: &str = r#"## What you see

A request that the plugin denied reached the upstream all the same, or the client gets no answer at all.

## Why it happens

Every stop is ended once: by a resume or by a local response. A plugin that does both, mostly because it goes
on after the first, gets what neither of them meant. A resume followed by an answer lets the request out to
the upstream before it is denied. Two answers are one too many: on newer hosts one of them is dropped (seen on
Envoy 1.40: the second one when both were given in the headers phase, the first one when both were given in a
response callback, or the second in a response phase), and some older ones hold the stream for ever. Two
resumes in one callback are a note: the second does nothing.

## How to be sure

Two of `continue_stream` and `send_local_response` were accepted for one stream, and it was not held again
between them. An answer in the place of a response that had come, after the request was let go, is not counted.

## What to do

Return after the first. On Higress:

```go
if code != 200 {
	proxywasm.SendHttpResponse(403, nil, []byte("denied"), -1)
	return // without it the next line lets the request go
}
proxywasm.ResumeHttpRequest()
```

On stock Envoy:

```rust
if status != Some("200") {
    self.send_http_response(403, vec![], Some(b"denied"));
    return;
}
self.resume_http_request();
```

## What this cannot see

Whether the upstream acted on the request that it should not have had.
"#;
