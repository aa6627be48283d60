//! The response callback of a call came after its stream had been deleted.

use abi::{CallKind, Callback, Direction, Kind};

use super::let_go::idle;
use super::resumed_with_calls_outstanding::resumed;
use super::{client_gone_while_waiting as gone, phrases};
use crate::calls::{Call, Outcome};
use crate::diagnose::{Diagnosis, NearMiss};
use crate::event::Event;
use crate::finding::{Advice, Evidence, Finding, Severity, Subject, Verdict};
use crate::hold::{hostcalls_on, resumes};
use crate::story::{Story, span};

/// See the head of this file.
pub const DIAGNOSIS: Diagnosis = Diagnosis {
    code: "late-callback",
    title: "A response callback came after its stream had been deleted",
    title_zh: "响应回调到来时，它的流已经被删除",
    severity: Severity::Lost,
    is_fact: true,
    explanation: EXPLANATION,
    explanation_zh: include_str!("late-callback.zh-CN.md"),
    known_from: &[
        "higress-group/higress#2189",
        "proxy-wasm/proxy-wasm-rust-sdk#54",
        "tetratelabs/proxy-wasm-go-sdk#261",
        "tetratelabs/proxy-wasm-go-sdk#390",
    ],
    example: EXAMPLE,
    near_misses: NEAR_MISSES,
    overlaps: &[],
    argues_from_absence: false,
    about_roots: false,
    unknown_in_log: None,
    triggers: &[Kind::Callback(Callback::Delete)],
    judge,
};

fn judge(story: &Story<'_>) -> Vec<Verdict> {
    story.calls().iter().filter_map(|call| of_call(story, call)).collect()
}

fn of_call(story: &Story<'_>, call: &Call) -> Option<Verdict> {
    let deleted = story.first(Callback::Delete)?;
    // What a gRPC stream was awaited for is its message: its close comes when it may.
    let is_message = |e: &Event| {
        let is_receive = e.kind == Kind::Callback(Callback::GrpcReceive);
        is_receive && e.call == call.id && e.order() < deleted.order()
    };
    let has_message =
        call.kind == CallKind::GrpcStream && story.timeline.events.iter().any(is_message);
    let awaited = story.is_awaited(call).filter(|_| !has_message);
    let Outcome::Late(answer) = call.outcome else {
        // It will be dropped when it comes; until then it may not come at all.
        let out = call.outcome == Outcome::Pending && awaited.is_some();
        let until = call.dispatched_at.after(call.timeout?).after(crate::ids::Micros::SECOND);
        return (out && until > story.instant.known_until).then_some(Verdict::Pending { until });
    };
    let callback = story.timeline.event(answer.callback)?;
    let dispatch = story.timeline.event(call.dispatch)?;
    let hostcalls = story.hostcalls_in(callback);
    let tried = phrases::tried(callback, hostcalls);
    // Nobody waited for it, and it touched nothing: fire and forget.
    if awaited.is_none() && tried.is_none() {
        return None;
    }
    let phase = story.dispatch_step(call).and_then(|s| story.invocation(s))?;
    let headline = format!(
        "The response callback of {} came {} after its stream had been deleted.",
        phrases::call(call),
        span(callback.at.since(deleted.at))
    );
    let mut details = vec![
        format!("It was dispatched in {} (#{}).", phrases::event(phase), dispatch.sequence),
        format!(
            "The stream was deleted {} after the dispatch ({}).",
            span(deleted.at.since(dispatch.at)),
            phrases::event(deleted)
        ),
        format!(
            "The host delivered the response callback on root context {} ({}).",
            callback.context,
            phrases::event(callback)
        ),
        phrases::too_late(callback, hostcalls),
    ];
    // The plugin answered the client by itself and so needed the call no more (host-semantics §2.5).
    let reply = story.reply();
    let reply = reply.filter(|reply| tried.is_none() && reply.order() < deleted.order());
    if let Some(reply) = reply {
        details.push(format!(
            "The plugin had answered the request itself before ({}), so the call was no longer needed.",
            phrases::event(reply)
        ));
    }
    let upgraded = gone::upgraded(story, call).filter(|_| tried.is_none());
    details.extend(upgraded.map(|response| {
        format!(
            "The connection had been upgraded ({}), and its client closed it: that is how such a \
             connection ends.",
            phrases::event(response)
        )
    }));
    let given_up = awaited.filter(|_| tried.is_none()).and_then(|d| given_up(story, call, d));
    details.extend(given_up.map(|resume| {
        format!(
            "The plugin itself had let the stream go before, from its root ({}): it waited for the call \
             no longer.",
            phrases::event(resume)
        )
    }));
    // Another answer had let the stream go, and the handler ran and tried nothing: it may have been enough.
    let spare = idle(story, callback).and_then(|did| Some([resumed(story, call)?.by, did]));
    let events = [phase, dispatch, deleted, callback].into_iter().chain(tried).chain(reply);
    let events = events
        .chain(upgraded)
        .chain(spare.into_iter().flatten())
        .chain(given_up)
        .map(|e| e.sequence);
    let severity = match (reply, upgraded, spare, given_up) {
        (None, None, None, None) => Severity::Lost,
        _ => Severity::Note,
    };
    Some(Verdict::Found(Box::new(Finding {
        details,
        evidence: Evidence { events: phrases::cited(events), windows: Vec::new() },
        advice: phrases::advice(None, ADVICE),
        ..Finding::fact(DIAGNOSIS.code, severity, Subject::Call(call.id), headline)
    })))
}

/// The resume of what was held for the call, made while that was out in an invocation of the root, which is no
/// callback of the stream: a deadline of the plugin's own.
fn given_up<'a>(story: &Story<'a>, call: &Call, of: Direction) -> Option<&'a Event> {
    let own = story.timeline.context;
    story.steps.iter().filter(|step| story.invocation(step).is_none()).find_map(|step| {
        let lets_go = step.before.of(of).hold.is_held() && !step.after.of(of).hold.is_held();
        let mut hostcalls = hostcalls_on(own, story.hostcalls(step)).filter(|e| e.context != own);
        let resume = hostcalls.find(|e| resumes(e) == Some(of)).filter(|_| lets_go)?;
        story.was_out(call, resume).then_some(resume)
    })
}

const ADVICE: &[Advice] = &[Advice::any(
    "Find what ended the stream before its call was answered; a call that the stream \
     need not wait for belongs to the root context and its tick.",
    "找出是什么在调用得到应答之前结束了流；流不需要等待的调用，应放在根上下文和它的 tick 中。",
)];

const EXAMPLE: &str = r#"
known_until 3.000000
0.000000 #11 create 2 root 1
0.000113 #13 request_headers 2 n=10 end -> pause
0.000120 #12   dispatch http "slow" timeout=5s -> ok call 4
1.006020 #14 log 2
1.006031 #15 done 2
1.006040 #16 delete 2
2.002377 #17 http_call_response root 1 call 4 headers=3 body=2 code=200
"#;

const NEAR_MISSES: &[NearMiss] = &[
    NearMiss {
        because: "the message of a gRPC stream came in time, and its close needs nobody",
        script: r#"
0.000000 #11 create 2 root 1
0.000113 #13 request_headers 2 n=10 end -> pause
0.000120 #12   dispatch grpc_stream "checks" -> ok call 6
0.010377 #16 grpc_receive root 1 call 6 size=3
0.010380 #14   set_effective_context context=2 -> ok
0.010381 #15   continue_stream request -> ok
0.015114 #18 response_headers 2 n=5 -> continue
0.016020 #19 log 2
0.016031 #20 done 2
0.016040 #21 delete 2
5.202377 #22 grpc_close root 1 call 6 status=0
"#,
    },
    NearMiss {
        because: "the callback came before the end",
        script: r#"
0.000000 #11 create 2 root 1
0.000113 #13 request_headers 2 n=10 end -> pause
0.000120 #12   dispatch http "slow" timeout=5s -> ok call 4
0.202377 #16 http_call_response root 1 call 4 headers=3 body=2 code=200
0.202380 #14   set_effective_context context=2 -> ok
0.202381 #15   continue_stream request -> ok
0.205114 #17 response_headers 2 n=5 -> continue
0.206020 #18 log 2
0.206031 #19 done 2
0.206040 #20 delete 2
"#,
    },
    NearMiss {
        because: "the phase went on without waiting: fire and forget",
        script: r#"
0.000000 #11 create 2 root 1
0.000113 #13 request_headers 2 n=10 end -> continue
0.000120 #12   dispatch http "audit" timeout=5s -> ok call 4
0.005114 #14 response_headers 2 n=5 -> continue
0.006020 #15 log 2
0.006031 #16 done 2
0.006040 #17 delete 2
0.202377 #18 http_call_response root 1 call 4 headers=3 body=2 code=200
"#,
    },
    NearMiss {
        because: "a body was gathered meanwhile, which had not ended: nobody waited",
        script: r#"
0.000000 #11 create 2 root 1
0.000113 #13 request_headers 2 n=10 -> continue
0.000120 #12   dispatch http "audit" timeout=5s -> ok call 4
0.000400 #14 request_body 2 size=7 -> pause
0.005114 #15 response_headers 2 n=5 -> continue
0.006020 #16 log 2
0.006031 #17 done 2
0.006040 #18 delete 2
0.202377 #19 http_call_response root 1 call 4 headers=3 body=2 code=200
"#,
    },
    NearMiss {
        because: "a call made in on_log cannot have been meant to change the stream",
        script: r#"
0.000000 #11 create 2 root 1
0.000113 #12 request_headers 2 n=10 end -> continue
0.005114 #13 response_headers 2 n=5 -> continue
0.006020 #15 log 2
0.006021 #14   dispatch http "audit" timeout=5s -> ok call 4
0.006031 #16 done 2
0.006040 #17 delete 2
0.202377 #18 http_call_response root 1 call 4 headers=3 body=2 code=200
"#,
    },
];

const EXPLANATION: &str = r#"## What you see

A call was dispatched, the callee answered it, and the handler of the answer never ran. Nothing is logged.

## Why it happens

A call belongs to the root context: the end of a stream cancels nothing. When the answer comes, the host
calls `proxy_on_http_call_response` on the root context, whatever has become of the stream. The SDKs keep
the handler with the stream; when the stream is gone they drop the callback without a word (Go and Rust),
or run it with a stream that is no longer there (C++). A resume or a local response made there is answered
with status 0 and does nothing.

This is a fact, not a cause. The cause is what ended the stream first; if it is known, it is named first.

## How to be sure

`delete` of the stream stands before `http_call_response` of its call. In the callback
`set_effective_context` answers 2 (bad argument): the stream is unknown to the host.

## What to do

Find what ended the stream: the response code details say whether the upstream answered, the client left
or a timeout of the host struck. Then, on stock Envoy as on Higress, either hold the stream until the call
is answered, or give the call a timeout below those of client and host, so that its callback comes in time:

```go
err := proxywasm.DispatchHttpCall("auth", headers, nil, nil, 500, onAnswer) // milliseconds
```

```rust
self.dispatch_http_call("auth", headers, None, vec![], Duration::from_millis(500))?;
```

On Higress the client of wasm-go takes the timeout as its last argument and has 500 ms by default. A call
that needs no answer is better made from the root context's tick.

## What this cannot see

Whether the answer mattered. A call from a phase that went on, or from the end of the stream, is taken for
fire and forget and gives no finding, unless its callback tries to resume or to answer. One that is still
out when the plugin has answered the request itself, or has let it go in a tick, is a note, and so is one of an
upgraded connection that its client closed.
"#;
