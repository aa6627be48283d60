//! A resume or an answer went to the root context and not to the stream.

use abi::{Callback, Host, Kind};

use super::phrases;
use super::stuck::{self, Stuck, Told};
use crate::calls::Outcome;
use crate::diagnose::{Diagnosis, NearMiss};
use crate::event::Event;
use crate::finding::{Advice, Evidence, Finding, Severity, Subject, Verdict};
use crate::hold::{decided_for_no_stream, decisions_on, hostcalls_on, may_release};
use crate::story::{Step, Story};

/// See the head of this file.
pub const DIAGNOSIS: Diagnosis = Diagnosis {
    code: "wrong-context",
    title: "A resume or a local response went to the root context, not to the stream",
    title_zh: "恢复或本地应答作用于根上下文，而不是流",
    severity: Severity::Hung,
    is_fact: false,
    explanation: EXPLANATION,
    explanation_zh: include_str!("wrong-context.zh-CN.md"),
    known_from: &[
        "envoyproxy/envoy#39797",
        "envoyproxy/envoy-wasm#475",
        "proxy-wasm/proxy-wasm-cpp-sdk#156",
        "tetratelabs/proxy-wasm-go-sdk#110",
        "tetratelabs/proxy-wasm-go-sdk#201",
        "tetratelabs/proxy-wasm-go-sdk#228",
        "proxy-wasm/proxy-wasm-rust-sdk#385",
    ],
    example: EXAMPLE,
    near_misses: NEAR_MISSES,
    overlaps: &[],
    argues_from_absence: true,
    about_roots: true,
    unknown_in_log: None,
    triggers: TRIGGERS,
    judge,
};

/// The last callbacks of calls, and what else the host calls a root with.
const TRIGGERS: &[Kind] = &[
    Kind::Callback(Callback::HttpCallResponse),
    Kind::Callback(Callback::GrpcReceive),
    Kind::Callback(Callback::GrpcClose),
    Kind::Callback(Callback::RedisCallResponse),
    Kind::Callback(Callback::Tick),
    Kind::Callback(Callback::QueueReady),
    Kind::Callback(Callback::ForeignFunction),
];

fn judge(story: &Story<'_>) -> Vec<Verdict> {
    if story.timeline.is_root() {
        return story.steps.iter().filter_map(|step| of_root(story, step)).take(1).collect();
    }
    if let Some(verdict) = story.steps.iter().find_map(|step| of_step(story, step)) {
        return vec![verdict];
    }
    let waits = |stuck: &Stuck<'_>| !stuck.replied && story.out().next().is_none();
    let stuck = stuck::all(story).into_iter().filter(waits);
    stuck.filter_map(|stuck| of_stop(story, &stuck)).collect()
}

/// A response callback of a call of this stream, while it is held and alive.
fn of_step(story: &Story<'_>, step: &Step) -> Option<Verdict> {
    let callback = story.invocation(step)?;
    let answered = story.answered_by(callback);
    let call = answered.filter(|call| !matches!(call.outcome, Outcome::Late(_)))?;
    let direction = story.is_awaited(call)?;
    let is_held = step.before.of(direction).hold.is_held();
    let hostcalls = story.hostcalls(step);
    let missed = decisions_on(callback.context, hostcalls).next()?;
    // The same in the right context, before or after it: no harm was done.
    let mut own = hostcalls_on(story.timeline.context, hostcalls);
    if !is_held || callback.context == story.timeline.context || own.any(Event::decides) {
        return None;
    }
    if let Some(gap) = story.gap_in(callback) {
        return Some(Verdict::Unknown { gap });
    }
    // Of several the last one before it holds: SDKs name the stream first.
    let before = hostcalls.iter().take_while(|e| e.sequence != missed.sequence);
    let switch = before.filter(|e| e.is_switch()).last();
    let headline = format!(
        "In the response callback of {} the plugin called {} for root context {}, not for the stream: \
         {} stays held.",
        phrases::call(call),
        phrases::name(missed),
        callback.context,
        phrases::half(direction)
    );
    let details = vec![
        format!(
            "The response callback runs on the root context, and applies to it until \
             set_effective_context names another ({}).",
            phrases::event(callback)
        ),
        format!(
            "The hostcall {} (#{}) was accepted with status 0 and did nothing: a root has no stream.",
            phrases::name(missed),
            missed.sequence
        ),
        how(switch),
    ];
    let events = [Some(callback), Some(missed), switch, story.timeline.event(call.dispatch)];
    let events = events.into_iter().flatten().map(|e| e.sequence);
    Some(Verdict::Found(Box::new(Finding {
        details,
        evidence: Evidence { events: phrases::cited(events), windows: Vec::new() },
        advice: phrases::advice(story.timeline.dialect.host, ADVICE),
        ..Finding::cause(DIAGNOSIS.code, Severity::Hung, Subject::Call(call.id), headline)
    })))
}

/// A stop of this stream, and something that the root decided for no stream since then and since its calls
/// were answered.
fn of_stop(story: &Story<'_>, stuck: &Stuck<'_>) -> Option<Verdict> {
    let (within, missed) = story.acting().find_map(|step| {
        let within = story.invocation(step)?;
        let is_of_root = matches!(within.kind, Kind::Callback(callback) if callback.is_on_root());
        let mut answers = story.calls().iter().filter_map(|call| story.answer(call));
        let is_its = is_of_root
            && within.order() > stuck.phase.order()
            && answers.all(|answer| answer.order() < within.order());
        let mut missed = decided_for_no_stream(within.context, story.hostcalls(step));
        Some((within, missed.find(|e| is_its && may_release(e, stuck.direction))?))
    })?;
    let (root, name) = (within.context, phrases::name(missed));
    let told = Told {
        code: DIAGNOSIS.code,
        why: format!(
            "in {} the plugin called {name} for root context {root}, not for a stream",
            phrases::name(within)
        ),
        details: vec![
            format!(
                "A root's {} applies to the root until set_effective_context names a stream ({}).",
                phrases::name(within),
                phrases::event(within)
            ),
            format!(
                "The hostcall {name} (#{}) was accepted with status 0 and did nothing: a root has no stream.",
                missed.sequence
            ),
            "No call of this stream is out. Which stream was meant cannot be seen; this one is held.".to_owned(),
        ],
        events: vec![within.sequence, missed.sequence],
        advice: ADVICE,
    };
    stuck.judge(story, &[], told)
}

/// An invocation of a root that decided for the root, and for no stream.
fn of_root(story: &Story<'_>, step: &Step) -> Option<Verdict> {
    let invocation = story.invocation(step)?;
    let root = story.timeline.context;
    let missed = decided_for_no_stream(root, story.hostcalls(step)).next()?;
    if let Some(gap) = story.gap_in(invocation) {
        return Some(Verdict::Unknown { gap });
    }
    let name = phrases::name(missed);
    let headline = format!(
        "In {} the plugin called {name} for root context {root}, not for a stream: the host accepted it \
         and did nothing.",
        phrases::name(invocation),
    );
    let details = vec![
        format!(
            "A root's {} applies to the root until set_effective_context names a stream ({}).",
            phrases::name(invocation),
            phrases::event(invocation)
        ),
        format!("{} (#{}) was answered with status 0.", phrases::capital(name), missed.sequence),
        "The plugin named no stream in it; a stream that waits for this is held on.".to_owned(),
    ];
    let events = [invocation, missed].map(|event| event.sequence);
    Some(Verdict::Found(Box::new(Finding {
        details,
        evidence: Evidence { events: phrases::cited(events), windows: Vec::new() },
        advice: phrases::advice(story.timeline.dialect.host, ADVICE),
        ..Finding::cause(DIAGNOSIS.code, Severity::Failed, Subject::Timeline, headline)
    })))
}

fn how(switch: Option<&Event>) -> String {
    match switch {
        Some(switch) if switch.result != 0 => format!(
            "The host refused to apply hostcalls to context {} (#{}, status {}).",
            switch.arg(0),
            switch.sequence,
            switch.result
        ),
        Some(switch) => {
            format!("The plugin named context {} (#{}).", switch.arg(0), switch.sequence)
        }
        None => "The plugin named no context before it.".to_owned(),
    }
}

const ADVICE: &[Advice] = &[
    Advice::any(
        "Name the stream with set_effective_context in the same callback, before the resume or the answer.",
        "在同一个回调中，在恢复或应答之前，用 set_effective_context 指定流。",
    ),
    Advice::on(
        Host::Higress,
        "With wasm-go the callback of a call does it by itself; for work from a tick keep the stream's context id and call proxywasm.SetEffectiveContext.",
        "使用 wasm-go 时，调用的回调会自动这样做；在 tick 中工作时，保存流的上下文号并调用 \
         proxywasm.SetEffectiveContext。",
    ),
    Advice::on(
        Host::Envoy,
        "With the proxy-wasm crate dispatch from the stream context and not from the root: then the callback belongs to the stream.",
        "使用 proxy-wasm crate 时，从流上下文而不是从根发起调用：这样回调就属于这个流。",
    ),
];

const EXAMPLE: &str = r#"
known_until 3.000000
0.000000 #11 create 2 root 1
0.000113 #12 request_headers 2 n=10 end -> pause
0.700200 #14 tick root 1
0.700210 #13   continue_stream request -> ok
"#;

const NEAR_MISSES: &[NearMiss] = &[
    NearMiss {
        because: "the stream was named before the resume",
        script: r#"
0.000000 #11 create 2 root 1
0.000113 #13 request_headers 2 n=10 end -> pause
0.000120 #12   dispatch http "auth" timeout=5s -> ok call 4
0.002377 #16 http_call_response root 1 call 4 headers=3 body=2 code=200
0.002380 #14   set_effective_context context=2 -> ok
0.002381 #15   continue_stream request -> ok
"#,
    },
    NearMiss {
        because: "a tick named no stream, and the next one did",
        script: r#"
known_until 3.000000
0.000000 #11 create 2 root 1
0.000113 #12 request_headers 2 n=10 end -> pause
0.700200 #14 tick root 1
0.700210 #13   continue_stream request -> ok
0.900200 #17 tick root 1
0.900205 #15   set_effective_context context=2 -> ok
0.900210 #16   continue_stream request -> ok
"#,
    },
    NearMiss {
        because: "the stream that a tick named is gone: what is held was not meant",
        script: r#"
known_until 3.000000
0.000000 #11 create 2 root 1
0.000113 #12 request_headers 2 n=10 end -> pause
0.700200 #15 tick root 1
0.700205 #13   set_effective_context context=9 -> bad_argument
0.700210 #14   continue_stream request -> ok
"#,
    },
    NearMiss {
        because: "the handler that could have resumed ran later: that is a handler that did not resume",
        script: r#"
known_until 9.000000
0.000000 #11 create 2 root 1
0.000113 #13 request_headers 2 n=10 end -> pause
0.000120 #12   dispatch http "auth" timeout=9s -> ok call 4
0.700200 #15 tick root 1
0.700210 #14   continue_stream request -> ok
1.000377 #16 http_call_response root 1 call 4 headers=3 body=2 code=200
"#,
    },
    NearMiss {
        because: "a call is out that can let it go",
        script: r#"
known_until 3.000000
0.000000 #11 create 2 root 1
0.000113 #13 request_headers 2 n=10 end -> pause
0.000120 #12   dispatch http "auth" timeout=9s -> ok call 4
0.700200 #15 tick root 1
0.700210 #14   continue_stream request -> ok
"#,
    },
    NearMiss {
        because: "a tick names the stream before it resumes it",
        script: r#"
context 1 generation 3
1.000200 #14 tick root 1 entry=3
1.000210 #11   set_effective_context context=2 -> ok
1.000220 #12   continue_stream request -> ok
1.000300 #13   dispatch http "audit" pseudo=7 timeout=5s -> ok call 4
"#,
    },
    NearMiss {
        because: "the stream is gone: that is a late callback",
        script: r#"
0.000000 #11 create 2 root 1
0.000113 #13 request_headers 2 n=10 end -> pause
0.000120 #12   dispatch http "auth" timeout=5s -> ok call 4
0.001006 #14 log 2
0.001031 #15 done 2
0.001040 #16 delete 2
0.002377 #19 http_call_response root 1 call 4 headers=3 body=2 code=200
0.002380 #17   set_effective_context context=2 -> bad_argument
0.002381 #18   continue_stream request -> ok
"#,
    },
];

const EXPLANATION: &str = r#"## What you see

A call is answered, its handler runs and resumes, every hostcall succeeds, and the request hangs all the same.

## Why it happens

A response callback runs on the root context of the plugin. Resumes and local responses apply to the context
that is in effect, and that is the root until `set_effective_context` names the stream. On a root the host
accepts them with status 0 and does nothing. The SDKs name the stream for calls that were dispatched from it;
a plugin that dispatches from the root, works from a tick, or uses the ABI by hand must do it itself.

## How to be sure

In the response callback of the stream's call, `continue_stream` or `send_local_response` was made while the
root was in effect, nothing of the kind was made for the stream, and the stream was held.

## What to do

Name the stream first. On Higress:

```go
proxywasm.SetEffectiveContext(contextID) // kept from the phase that dispatched
proxywasm.ResumeHttpRequest()
```

On stock Envoy, in the `proxy-wasm` crate, dispatch from the stream, or:

```rust
hostcalls::set_effective_context(self.stream_id)?;
hostcalls::resume_http_request()?;
```

A tick, a queue item or the response callback of a root's own call has a timeline of the root; a resume or an
answer in it, with no stream named in the same invocation, is told there. It is told of the streams of that
root too that are held, have been for a second, and have no call out.

## What this cannot see

Which of several held streams was meant by a resume in a tick.
"#;
