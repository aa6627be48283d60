//! Response headers came while the plugin still held the request.

use abi::{Callback, Direction, Kind};

use super::{kinds, phrases};
use crate::calls::{Call, Outcome};
use crate::diagnose::{Diagnosis, NearMiss};
use crate::event::Event;
use crate::finding::{Advice, Evidence, Finding, Severity, Subject, Verdict, Window};
use crate::ids::Sequence;
use crate::story::{StillHeld, Story, span};

/// See the head of this file.
pub const DIAGNOSIS: Diagnosis = Diagnosis {
    code: "response-while-request-held",
    title: "A response came while the request was still held",
    title_zh: "请求还被扣住时，响应就来了",
    severity: Severity::Lost,
    is_fact: true,
    explanation: EXPLANATION,
    explanation_zh: include_str!("response-while-request-held.zh-CN.md"),
    known_from: &[
        "proxy-wasm/proxy-wasm-rust-sdk#66",
        "istio/istio#50135",
        "envoyproxy/envoy#36791",
    ],
    example: EXAMPLE,
    near_misses: NEAR_MISSES,
    overlaps: &[],
    argues_from_absence: false,
    about_roots: false,
    unknown_in_log: None,
    triggers: &[Kind::Callback(Callback::ResponseHeaders)],
    judge: |story| judge(story).into_iter().collect(),
};

fn judge(story: &Story<'_>) -> Option<Verdict> {
    let response = story.first(Callback::ResponseHeaders)?;
    let step = story.step_of(response.sequence)?;
    // After a local response of the plugin the request is not held but dead.
    let request = step.before.of(Direction::Request);
    if !request.hold.is_held() {
        return None;
    }
    let held_by = story.timeline.event(request.held_by?)?;
    let held = match story.still_held(Direction::Request, Some(response))? {
        Ok(held) => held,
        Err(gap) => return Some(Verdict::Unknown { gap }),
    };
    // Calls that the request waited for; others are fire and forget.
    let awaited = |c: &&Call| story.is_awaited(c) == Some(Direction::Request);
    let out: Vec<&Call> =
        story.calls().iter().filter(|c| story.was_out(c, response)).filter(awaited).collect();
    let waiting = match Waiting::of(story, response, out) {
        Ok(waiting) => waiting,
        Err(gap) => return Some(Verdict::Unknown { gap }),
    };
    Some(found(story, response, held_by, held, waiting))
}

/// The calls that the held request waited for when the response came, and what became of them.
struct Waiting<'a> {
    out: Vec<&'a Call>,
    severity: Severity,
    events: Vec<Sequence>,
    windows: Vec<Window>,
}

impl<'a> Waiting<'a> {
    /// The gap, a sentence, if it cannot be told that one was not answered.
    fn of(story: &Story<'_>, response: &Event, out: Vec<&'a Call>) -> Result<Waiting<'a>, String> {
        let deleted = story.first(Callback::Delete);
        let severity = if out.is_empty() { Severity::Note } else { Severity::Failed };
        let mut waiting = Waiting { out, severity, events: Vec::new(), windows: Vec::new() };
        for call in &waiting.out {
            waiting.events.push(call.dispatch);
            let answer = call.outcome.answer().map(|a| a.callback);
            waiting.events.extend(answer);
            if answer.is_none() {
                // Not answered: by the time of the response, or of the end.
                let to = deleted.map_or(response, |d| d).sequence;
                if let Some(gap) = story.gap(call.dispatch, Some(to)) {
                    return Err(gap);
                }
                let kinds = kinds::responses_to(call.kind);
                waiting.windows.push(story.window(call.dispatch, Some(to), kinds));
            }
            let is_lost =
                matches!(call.outcome, Outcome::Late(_) | Outcome::Pending | Outcome::Cancelled(_));
            if let Some(deleted) = deleted.filter(|_| is_lost) {
                waiting.severity = Severity::Lost;
                waiting.events.push(deleted.sequence);
            }
        }
        Ok(waiting)
    }
}

fn found(
    story: &Story<'_>,
    response: &Event,
    held_by: &Event,
    held: StillHeld,
    waiting: Waiting<'_>,
) -> Verdict {
    let Waiting { out, severity, mut events, mut windows } = waiting;
    let for_what = match out.first() {
        Some(call) => format!(", which was waiting for {}", phrases::call(call)),
        None => String::new(),
    };
    let headline = format!(
        "Response headers came while the request was held since {}{for_what}: {}.",
        phrases::name(held_by),
        story.ending().clause(story)
    );
    let mut details = vec![format!(
        "The request had been held for {} ({}) when the response headers came ({}).",
        span(response.at.since(held_by.at)),
        phrases::event(held_by),
        phrases::event(response)
    )];
    details.extend(out.iter().map(|call| {
        format!(
            "{} had been out for {} by then (#{}).",
            phrases::capital(phrases::call(call)),
            span(response.at.since(call.dispatched_at)),
            call.dispatch
        )
    }));
    events.extend(held.cited().chain([held_by.sequence, response.sequence]));
    windows.insert(0, held.window);
    Verdict::Found(Box::new(Finding {
        details,
        evidence: Evidence { events: phrases::cited(events), windows },
        advice: phrases::advice(None, ADVICE),
        ..Finding::fact(DIAGNOSIS.code, severity, Subject::Direction(Direction::Request), headline)
    }))
}

const ADVICE: &[Advice] = &[Advice::any(
    "A response can come only when the upstream has the headers, or when somebody else \
     answers: hold the headers too if the response must wait for the request.",
    "只有上游拿到了请求头，或由别的一方来应答时，才会有响应：如果响应必须等待请求，请把请求头\
     也扣住。",
)];

const EXAMPLE: &str = r#"
response code 503 details "no_healthy_upstream"
0.000000 #11 create 2 root 1
0.000113 #12 request_headers 2 n=10 -> continue
0.001870 #13 request_body 2 size=14 -> pause
0.005114 #14 response_headers 2 n=5 -> continue
0.005603 #15 response_body 2 size=19 end -> continue
0.006020 #16 log 2
0.006031 #17 done 2
0.006040 #18 delete 2
"#;

const NEAR_MISSES: &[NearMiss] = &[
    NearMiss {
        because: "the plugin answered itself",
        script: r#"
0.000000 #11 create 2 root 1
0.000113 #13 request_headers 2 n=10 end -> pause
0.000120 #12   send_local_response status=403 -> ok
0.000300 #14 response_headers 2 n=3 -> continue
0.006020 #15 log 2
0.006031 #16 done 2
0.006040 #17 delete 2
"#,
    },
    NearMiss {
        because: "the request had been resumed",
        script: r#"
0.000000 #11 create 2 root 1
0.000113 #13 request_headers 2 n=10 end -> pause
0.000120 #12   dispatch http "slow" timeout=5s -> ok call 4
0.202377 #16 http_call_response root 1 call 4 headers=3 body=2 code=200
0.202380 #14   set_effective_context context=2 -> ok
0.202381 #15   continue_stream request -> ok
0.205114 #17 response_headers 2 n=5 -> continue
"#,
    },
    NearMiss {
        because: "the response came after the body had been let go, with the call still out",
        script: r#"
0.000000 #11 create 2 root 1
0.000113 #13 request_headers 2 n=10 -> continue
0.000120 #12   dispatch http "audit" timeout=5s -> ok call 4
0.001870 #14 request_body 2 size=14 -> pause
0.001902 #15 request_body 2 size=28 end -> continue
0.005114 #16 response_headers 2 n=5 -> continue
"#,
    },
    NearMiss {
        because: "the plugin denied the request in the callback",
        script: r#"
0.000000 #11 create 2 root 1
0.000113 #13 request_headers 2 n=10 end -> pause
0.000120 #12   dispatch http "slow" timeout=5s -> ok call 4
0.202377 #16 http_call_response root 1 call 4 headers=3 body=2 code=403
0.202380 #14   set_effective_context context=2 -> ok
0.202381 #15   send_local_response status=403 -> ok
0.202514 #17 response_headers 2 n=2 -> continue
"#,
    },
];

const EXPLANATION: &str = r#"## What you see

The client gets a response although the plugin has not let the request go yet.

## Why it happens

Holding the body does not hold the headers: an upstream that has them may answer at once. And not every
response is the upstream's: the host answers itself when a route or a healthy host is missing or the body
is too large, and other filters answer too. The response then passes through the plugin's response phases
while its request phases are still held; what is decided afterwards about the request comes too late.

This is a fact, not a cause. If the headers were let go before a call, that is named first.

## How to be sure

`response_headers` stands after a request phase that stopped and before any resume. The response code
details say who answered: `via_upstream` the upstream; `upstream_reset_before_response_started` the host,
since the upstream closed; `no_healthy_upstream`, `route_not_found`, `request_payload_too_large`,
`direct_response` the host by itself; anything else another filter.

## What to do

If the response has to wait for the request, hold the headers as well. On Higress with ABI 0.2.100:

```go
return types.HeaderStopIteration
```

On stock Envoy 1.35 or later with `allow_on_headers_stop_iteration: true`:

```rust
fn on_http_request_headers(&mut self, _: usize, end_of_stream: bool) -> Action {
    if end_of_stream { Action::Continue } else { Action::Pause }
}
```

If the host answered by itself, the details name the part of its configuration to look at. In a response
phase a plugin should know that its request may not have been completed.

## What this cannot see

Which filter answered if the details do not say, and whether the upstream had read any of the body.
"#;
