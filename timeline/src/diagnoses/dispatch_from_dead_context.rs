//! A call was dispatched for a stream that was gone already, or for a context that the SDK does not have
//! yet.

use abi::{Callback, Host, Kind};

use super::{kinds, phrases};
use crate::calls::Call;
use crate::diagnose::{Diagnosis, NearMiss};
use crate::event::{Event, Marks};
use crate::finding::{Advice, Evidence, Finding, Severity, Subject, Verdict};
use crate::story::{Story, span};

/// See the head of this file.
pub const DIAGNOSIS: Diagnosis = Diagnosis {
    code: "dispatch-from-dead-context",
    title: "A call was dispatched for a stream that was gone already",
    title_zh: "为已经不存在的流发出了调用",
    severity: Severity::Lost,
    is_fact: false,
    explanation: EXPLANATION,
    explanation_zh: include_str!("dispatch-from-dead-context.zh-CN.md"),
    known_from: &[
        "higress-group/higress#3268",
        "higress-group/higress#3552",
        "tetratelabs/proxy-wasm-go-sdk#159",
        "tetratelabs/proxy-wasm-go-sdk#255",
    ],
    example: EXAMPLE,
    near_misses: NEAR_MISSES,
    overlaps: &["late-callback"],
    argues_from_absence: false,
    about_roots: true,
    unknown_in_log: None,
    triggers: kinds::DISPATCHES,
    judge: |story| story.calls().iter().filter_map(|call| of_call(story, call)).collect(),
};

fn of_call(story: &Story<'_>, call: &Call) -> Option<Verdict> {
    let dispatch = story.timeline.event(call.dispatch).filter(|dispatch| dispatch.result == 0)?;
    let within = story.invocation(story.step_of(dispatch.sequence)?)?;
    match within.kind {
        Kind::Callback(Callback::VmStart) => at_start(story, call, dispatch, within),
        Kind::Callback(callback) if callback.is_response() => {
            after_the_end(story, call, dispatch, within)
        }
        _ => None,
    }
}

/// In the response callback of another call of a stream that had been deleted.
fn after_the_end(
    story: &Story<'_>,
    call: &Call,
    dispatch: &Event,
    within: &Event,
) -> Option<Verdict> {
    let deleted = story.first(Callback::Delete).filter(|d| d.order() < within.order())?;
    let before = story.answered_by(within).filter(|_| !story.timeline.is_root())?;
    let first = story.timeline.event(before.dispatch)?;
    let answer = story.answer(call);
    let tried = answer.and_then(|a| phrases::tried(a, story.hostcalls_in(a)));
    let is_wanted = story.is_awaited(before).is_some() || tried.is_some();
    let headline = format!(
        "{} was dispatched in the response callback of {}, {} after its stream had been deleted{}.",
        phrases::capital(phrases::call(call)),
        phrases::call(before),
        span(dispatch.at.since(deleted.at)),
        if is_wanted { ": what is decided with its answer is not enforced" } else { "" },
    );
    let mut details = vec![
        format!("The stream was deleted with {}.", phrases::event(deleted)),
        format!(
            "{} was dispatched before (#{}), and its response callback came after ({}).",
            phrases::capital(phrases::call(before)),
            first.sequence,
            phrases::event(within)
        ),
        format!("In it the plugin dispatched the next call (#{}).", dispatch.sequence),
    ];
    details.extend(answer.map(|answer| phrases::too_late(answer, story.hostcalls_in(answer))));
    if within.marks.has(Marks::UNFINISHED) {
        details.push("The callback did not return: the plugin trapped in it.".to_owned());
    }
    let severity = if is_wanted { Severity::Lost } else { Severity::Note };
    // What made the stream wait for the first call is part of the claim that something is lost.
    let phase = story.dispatch_step(before).and_then(|step| story.invocation(step));
    let cited =
        [deleted, first, within, dispatch].into_iter().chain(phase).chain(answer).chain(tried);
    Some(found(story, call, severity, headline, details, cited))
}

/// In vm_start of a Go plugin, which traps in it.
fn at_start(story: &Story<'_>, call: &Call, dispatch: &Event, within: &Event) -> Option<Verdict> {
    let sdk = &story.timeline.module.sdk;
    if !within.marks.has(Marks::UNFINISHED) || !sdk.ends_with("go") {
        return None;
    }
    let headline = format!(
        "{} was dispatched in vm_start, where the Go SDK has no plugin context yet: the plugin trapped.",
        phrases::capital(phrases::call(call)),
    );
    let details = vec![
        format!("The host accepted the call (#{}).", dispatch.sequence),
        format!("The callback around it did not return ({}).", phrases::event(within)),
        "The SDK keeps the handler of a call in the context that runs; in vm_start there is none, and it \
         panics."
            .to_owned(),
    ];
    Some(found(story, call, Severity::Lost, headline, details, [dispatch, within].into_iter()))
}

fn found<'a>(
    story: &Story<'_>,
    call: &Call,
    severity: Severity,
    headline: String,
    details: Vec<String>,
    cited: impl Iterator<Item = &'a Event>,
) -> Verdict {
    Verdict::Found(Box::new(Finding {
        details,
        evidence: Evidence {
            events: phrases::cited(cited.map(|event| event.sequence)),
            windows: Vec::new(),
        },
        advice: phrases::advice(story.timeline.dialect.host, ADVICE),
        ..Finding::cause(DIAGNOSIS.code, severity, Subject::Call(call.id), headline)
    }))
}

const ADVICE: &[Advice] = &[
    Advice::any(
        "Before the next call of a chain look whether the stream is still there, and stop if not; make \
         calls at the start in configure.",
        "在发起一连串调用中的下一个之前，先看流是否还在，不在就停止；启动时的调用放在 configure 中\
         发起。",
    ),
    Advice::on(
        Host::Higress,
        "Under wasm-go the callback of a stream that is gone is dropped; a handler that runs elsewhere (a \
         goroutine, a function of your own table) must remember the end of the stream from its log handler.",
        "使用 wasm-go 时，流不在了，它的回调会被丢弃；在别处执行的处理函数（goroutine，或您自己的\
         表中的函数）必须从流的日志处理函数中记住流已结束。",
    ),
    Advice::on(
        Host::Envoy,
        "With the C++ SDK the handler runs on the root even when the stream is gone: look whether \
         getContext(id) still answers, and call setEffectiveContext before anything else.",
        "使用 C++ SDK 时，即使流已不在，处理函数也会在根上执行：先看 getContext(id) 是否还有返回，\
         并在做任何其他事之前调用 setEffectiveContext。",
    ),
];

const EXAMPLE: &str = r#"
0.000000 #11 create 2 root 1
0.000113 #13 request_headers 2 n=10 end -> pause
0.000120 #12   dispatch http "auth" pseudo=7 timeout=5s -> ok call 4
0.501006 #14 log 2
0.501031 #15 done 2
0.501040 #16 delete 2
2.002377 #18 http_call_response root 1 call 4 headers=3 body=2 code=200
2.002381 #17   dispatch http "quota" pseudo=7 timeout=5s -> ok call 8
"#;

const NEAR_MISSES: &[NearMiss] = &[
    NearMiss {
        because: "the stream was there when the chain went on",
        script: r#"
0.000000 #11 create 2 root 1
0.000113 #13 request_headers 2 n=10 end -> pause
0.000120 #12   dispatch http "auth" pseudo=7 timeout=5s -> ok call 4
0.402377 #16 http_call_response root 1 call 4 headers=3 body=2 code=200
0.402380 #14   set_effective_context context=2 -> ok
0.402381 #15   dispatch http "quota" pseudo=7 timeout=5s -> ok call 8
0.501006 #17 log 2
0.501031 #18 done 2
0.501040 #19 delete 2
"#,
    },
    NearMiss {
        because: "the response callback of the stream that is gone dispatched nothing",
        script: r#"
0.000000 #11 create 2 root 1
0.000113 #13 request_headers 2 n=10 end -> pause
0.000120 #12   dispatch http "auth" pseudo=7 timeout=5s -> ok call 4
0.501006 #14 log 2
0.501031 #15 done 2
0.501040 #16 delete 2
2.002377 #18 http_call_response root 1 call 4 headers=3 body=2 code=200
2.002381 #17   set_effective_context context=2 -> bad_argument
"#,
    },
    NearMiss {
        because: "a call in vm_start is the root's own, and vm_start returned",
        script: r#"
context 1 generation 0
module sdk "rust"
0.000000 #1 create 1
0.000100 #3 vm_start root 1
0.000120 #2   dispatch http "keys" pseudo=7 timeout=5s -> ok call 4
"#,
    },
];

const EXPLANATION: &str = r#"## What you see

A chain of calls goes on after its request is over, and its last handler decides about nobody. Often the plugin
traps in it: it uses a stream that is gone. A Go plugin that makes a call in OnVMStart does not start at all.

## Why it happens

The host delivers the response callback of a call whether its stream is there or not. A handler that dispatches
the next call without looking makes a call that belongs to nobody: the host answers it on the root, and what is
decided then applies to nothing. The SDKs' own tables know no such stream; looking into them is a null pointer.

In vm_start the Go SDK has no plugin context yet. It makes the call, finds no place for the handler, and panics.

## How to be sure

The stream's on_delete came first, then the response callback of one of its calls, and in it a dispatch that the
host accepted. Or: a Go plugin dispatched in vm_start, and vm_start did not return. Where nobody had waited for
the first call, it is a note: a message that goes its way.

## What to do

Look before you go on. On Higress, where the handler is your own:

```go
if ctx.GetBoolContext("over", false) { // set in ProcessStreamDone
	return
}
config.client.Get("/quota", nil, onQuota)
```

On stock Envoy, with the `proxy-wasm` crate, dispatch from the stream's own context: its handler does not run once
the stream is gone.

```rust
fn on_http_call_response(&mut self, _: u32, _: usize, _: usize, _: usize) {
    // Runs only while this stream is there.
    let _ = self.dispatch_http_call("quota", headers(), None, vec![], TIMEOUT);
}
```

## What this cannot see

Whether the handler looked and went on deliberately, and calls that the plugin meant to make but trapped before.
"#;
