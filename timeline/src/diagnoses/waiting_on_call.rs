//! A stream is held and waits for a call that is unbounded, long, or nearly out of time: the live view of a hung request.

use abi::CallKind;

use super::{kinds, phrases};
use crate::calls::{Call, Outcome};
use crate::diagnose::{Diagnosis, NearMiss};
use crate::event::Event;
use crate::finding::{Advice, Evidence, Finding, Severity, Subject, Verdict};
use crate::ids::Micros;
use crate::story::{StillHeld, Story, span, timeout};

/// A call with such a timeout outlasts most clients and the host's idle timeouts.
const LONG: Micros = Micros(60_000_000);
/// So long a wait for a long or unbounded call is no finding.
const NOTICE: Micros = Micros::SECOND;

/// See the head of this file.
pub const DIAGNOSIS: Diagnosis = Diagnosis {
    code: "waiting-on-call",
    title: "A stream is held and waits for a call",
    title_zh: "流被扣住，正在等待调用",
    severity: Severity::Hung,
    is_fact: false,
    explanation: EXPLANATION,
    explanation_zh: include_str!("waiting-on-call.zh-CN.md"),
    known_from: &[
        "higress-group/higress#2189",
        "higress-group/higress#3552",
        "Kuadrant/wasm-shim#425",
    ],
    example: EXAMPLE,
    near_misses: NEAR_MISSES,
    overlaps: &[],
    argues_from_absence: true,
    about_roots: false,
    unknown_in_log: None,
    triggers: kinds::DISPATCHES,
    judge,
};

fn judge(story: &Story<'_>) -> Vec<Verdict> {
    if story.ended().is_some() {
        return Vec::new();
    }
    story.out().filter_map(|call| of_call(story, call)).collect()
}

/// When waiting for a call becomes worth telling.
fn notice(call: &Call) -> Micros {
    match call.timeout {
        Some(timeout) if timeout < LONG => call.dispatched_at.after(Micros(timeout.0 / 5 * 4)),
        _ => call.dispatched_at.after(NOTICE),
    }
}

fn of_call(story: &Story<'_>, call: &Call) -> Option<Verdict> {
    debug_assert_eq!(call.outcome, Outcome::Pending);
    let direction = story.is_awaited(call)?;
    let now = story.now();
    let half = now.of(direction);
    // A response ends the wait of the request, however it is held: that is another matter.
    if !half.hold.is_held() || story.end_of_stop(direction).is_some() {
        return None;
    }
    let until = notice(call);
    let known_until = story.instant.known_until;
    if known_until <= until {
        return Some(Verdict::Pending { until });
    }
    if let Some(gap) = story.gap(call.dispatch, None) {
        return Some(Verdict::Unknown { gap });
    }
    let held = match story.still_held(direction, None)? {
        Ok(held) => held,
        Err(gap) => return Some(Verdict::Unknown { gap }),
    };
    let held_by = story.timeline.event(half.held_by?)?;
    Some(found(story, call, held_by, held))
}

fn found(story: &Story<'_>, call: &Call, held_by: &Event, held: StillHeld) -> Verdict {
    let known_until = story.instant.known_until;
    let age = known_until.since(call.dispatched_at);
    let headline = format!(
        "{} has been held in {} for {} and waits for {} ({}).",
        phrases::capital(phrases::half(held.direction)),
        phrases::name(held_by),
        span(known_until.since(held_by.at)),
        phrases::call(call),
        timeout(call),
    );
    let details = vec![
        format!("It is held since {}.", phrases::event(held_by)),
        format!(
            "{} was dispatched {} ago (#{}), and no response callback has come since.",
            phrases::capital(phrases::call(call)),
            span(age),
            call.dispatch
        ),
        how_it_ends(call, age),
    ];
    Verdict::Found(Box::new(Finding {
        details,
        evidence: Evidence {
            events: phrases::cited(
                [held_by.sequence, call.dispatch].into_iter().chain(held.cited()),
            ),
            windows: vec![
                story.window(call.dispatch, None, kinds::responses_to(call.kind)),
                held.window,
            ],
        },
        advice: phrases::advice(None, ADVICE),
        ..Finding::cause(DIAGNOSIS.code, Severity::Hung, Subject::Call(call.id), headline)
    }))
}

/// A sentence about the timeout of a call that has been out for so long.
fn how_it_ends(call: &Call, age: Micros) -> String {
    match call.timeout {
        None if call.kind == CallKind::Redis => {
            "A Redis call waits as long as its redis_init says, which the dispatch does not name."
                .to_owned()
        }
        None => {
            "The call has no timeout: it ends when the callee answers or its connection breaks."
                .to_owned()
        }
        Some(t) if age > t.after(Micros::SECOND) => format!(
            "Its timeout passed {} ago and the host has not called back, although this VM has been \
             heard of since: Envoy calls back when a timeout strikes.",
            span(age.since(t))
        ),
        Some(t) if t >= LONG => format!(
            "Its timeout is {} s: a client may well give up sooner, and so may an idle timeout of the \
             host.",
            t.0 / 1_000_000
        ),
        Some(t) => format!("Its timeout strikes {} after the dispatch.", span(t)),
    }
}

const ADVICE: &[Advice] = &[Advice::any(
    "Give the call a timeout below those of the client and of the host, and decide in \
     its callback what happens when it strikes; 0 means no timeout.",
    "给调用设置一个低于客户端和宿主的超时，并在它的回调中决定超时触发后怎么办；0 表示没有超\
     时。",
)];

const EXAMPLE: &str = r#"
known_until 12.300000
0.000000 #11 create 2 root 1
0.000113 #13 request_headers 2 n=10 end -> pause
0.000120 #12   dispatch http "guardrails" timeout=300s -> ok call 4
"#;

const NEAR_MISSES: &[NearMiss] = &[
    NearMiss {
        because: "it has waited for less than most of its timeout",
        script: r#"
known_until 2.000000
0.000000 #11 create 2 root 1
0.000113 #13 request_headers 2 n=10 end -> pause
0.000120 #12   dispatch http "slow" timeout=5s -> ok call 4
"#,
    },
    NearMiss {
        because: "the call is answered",
        script: r#"
known_until 12.300000
0.000000 #11 create 2 root 1
0.000113 #13 request_headers 2 n=10 end -> pause
0.000120 #12   dispatch http "guardrails" timeout=300s -> ok call 4
11.202377 #16 http_call_response root 1 call 4 headers=3 body=2 code=200
11.202380 #14   set_effective_context context=2 -> ok
11.202381 #15   continue_stream request -> ok
"#,
    },
    NearMiss {
        because: "nothing is held for it",
        script: r#"
known_until 12.300000
0.000000 #11 create 2 root 1
0.000113 #13 request_headers 2 n=10 end -> continue
0.000120 #12   dispatch http "audit" timeout=none -> ok call 4
"#,
    },
    NearMiss {
        because: "the stream has ended",
        script: r#"
known_until 12.300000
0.000000 #11 create 2 root 1
0.000113 #13 request_headers 2 n=10 end -> pause
0.000120 #12   dispatch http "guardrails" timeout=300s -> ok call 4
10.006020 #14 log 2
10.006031 #15 done 2
10.006040 #16 delete 2
"#,
    },
];

const EXPLANATION: &str = r#"## What you see

A request hangs. In the plugin's log a call was started and nothing followed.

## Why it happens

The plugin holds the stream until a call is answered, and the callee takes its time. As long as the plugin
holds the end of the request, the route's timeout does not run: the router starts it only when it has seen
the end of the request. What ends such a request is the call's own timeout, the client, or an idle timeout
of the host (five minutes by default). A timeout of 0 means none at all.

## How to be sure

The timeline's last phase stopped, its call has no response callback yet, and `known_until` lies behind.
The finding goes away when the call is answered.

It is told one second after the dispatch if the call has no timeout or one of a minute and more, otherwise
when four fifths of the timeout have passed. A short wait is what such a plugin is for.

## What to do

Give the call a timeout that is shorter than the client's patience, and decide what happens when it
strikes: on Envoy the callback then gets `:status 504`. On Higress, wasm-go's last argument, 500 ms if left out:

```go
config.client.Post("/check", nil, body, func(code int, _ http.Header, _ []byte) {
	if code == 504 {
		proxywasm.ResumeHttpRequest() // fail open, or answer
		return
	}
	// …
}, 2000)
```

On stock Envoy:

```rust
self.dispatch_http_call("check", headers, None, vec![], Duration::from_secs(2))?;
```

If the wait is legitimate, as with a language model, raise the idle timeouts of the route
(`idle_timeout`, `stream_idle_timeout`) above it, so that the request is not cut off.

## What this cannot see

Why the callee is slow, and how long the client and the host's idle timeouts will wait.
"#;
