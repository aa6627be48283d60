//! A call was dispatched when the stream had ended already, so its callback can decide nothing.

use abi::Host;

use super::let_go::touch;
use super::{kinds, phrases};
use crate::calls::{Call, Outcome};
use crate::diagnose::{Diagnosis, NearMiss};
use crate::event::Event;
use crate::finding::{Advice, Evidence, Finding, Severity, Subject, Verdict};
use crate::story::{Story, span, timeout};

/// See the head of this file.
pub const DIAGNOSIS: Diagnosis = Diagnosis {
    code: "dispatch-at-end",
    title: "A call was dispatched when the stream had ended",
    title_zh: "发出调用时，流已经结束",
    severity: Severity::Lost,
    is_fact: false,
    explanation: EXPLANATION,
    explanation_zh: include_str!("dispatch-at-end.zh-CN.md"),
    known_from: &["tetratelabs/proxy-wasm-go-sdk#437"],
    example: EXAMPLE,
    near_misses: NEAR_MISSES,
    overlaps: &["late-callback"],
    argues_from_absence: false,
    about_roots: false,
    unknown_in_log: None,
    triggers: kinds::DISPATCHES,
    judge,
};

fn judge(story: &Story<'_>) -> Vec<Verdict> {
    story.calls().iter().filter_map(|call| of_call(story, call)).collect()
}

fn of_call(story: &Story<'_>, call: &Call) -> Option<Verdict> {
    let dispatch = story.timeline.event(call.dispatch)?;
    let phase = story.dispatch_step(call).and_then(|step| story.invocation(step))?;
    let at_end = phase.is_end() && phase.context == story.timeline.context;
    if !at_end || matches!(call.outcome, Outcome::Rejected(_)) {
        return None;
    }
    // A message that needs no answer may well be sent so: only a callback that tries something proves
    // that it was meant to decide.
    let callback = story.answer(call)?;
    let touch = touch(story, callback)?;
    if let Some(gap) = story.gap_in(callback) {
        return Some(Verdict::Unknown { gap });
    }
    let details = vec![
        format!(
            "It was dispatched in {} (#{}, {}).",
            phrases::event(phase),
            dispatch.sequence,
            timeout(call)
        ),
        said(dispatch, callback, touch),
    ];
    let headline = format!(
        "{} was dispatched in {}, when the stream had ended: what its response callback tried to decide \
         about it was not enforced.",
        phrases::capital(phrases::call(call)),
        phrases::name(phase)
    );
    let events = [phase, dispatch, callback, touch].map(|event| event.sequence);
    Some(Verdict::Found(Box::new(Finding {
        details,
        evidence: Evidence { events: phrases::cited(events), windows: Vec::new() },
        advice: phrases::advice(story.timeline.dialect.host, ADVICE),
        ..Finding::cause(DIAGNOSIS.code, Severity::Lost, Subject::Call(call.id), headline)
    })))
}

fn said(dispatch: &Event, callback: &Event, touch: &Event) -> String {
    format!(
        "The response callback came {} after the dispatch ({}), and in it the plugin called {}.",
        span(callback.at.since(dispatch.at)),
        phrases::event(callback),
        phrases::event(touch)
    )
}

const ADVICE: &[Advice] = &[
    Advice::any(
        "Decide in a phase, while there is a stream. What only tells of the stream is better gathered in \
         the root context and sent from its tick.",
        "趁流还在时，在某个阶段里做决定。只是报告流的情况的内容，更适合收集到根上下文，由它的 \
         tick 发送。",
    ),
    Advice::on(
        Host::Higress,
        "With wasm-go put the message into the plugin's own queue in the log handler, and send it from a \
         function registered with wrapper.RegisterTickFunc.",
        "使用 wasm-go 时，在日志处理函数中把消息放进插件自己的队列，再由用 \
         wrapper.RegisterTickFunc 注册的函数发送。",
    ),
    Advice::on(
        Host::Envoy,
        "With the proxy-wasm crate enqueue it to a shared queue in on_log, and dispatch in on_queue_ready \
         or on_tick of the root context.",
        "使用 proxy-wasm crate 时，在 on_log 中把它放入共享队列，在根上下文的 on_queue_ready 或 \
         on_tick 中发出调用。",
    ),
];

const EXAMPLE: &str = r#"
response code 200 details "via_upstream"
known_until 3.000000
0.000000 #11 create 2 root 1
0.000113 #12 request_headers 2 n=10 end -> continue
0.005114 #13 response_headers 2 n=5 -> continue
0.006020 #15 log 2
0.006021 #14   dispatch http "audit" timeout=5s -> ok call 4
0.006031 #16 done 2
0.006040 #17 delete 2
0.202377 #20 http_call_response root 1 call 4 headers=3 body=2 code=403
0.202380 #18   set_effective_context context=2 -> bad_argument
0.202381 #19   send_local_response status=403 -> ok
"#;

const NEAR_MISSES: &[NearMiss] = &[
    NearMiss {
        because: "nothing is done in its callback: a message that needs no answer",
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
    NearMiss {
        because: "the callback came late, and its SDK asked for the stream before the handler, which tried nothing",
        script: r#"
0.000000 #11 create 2 root 1
0.000113 #12 request_headers 2 n=10 end -> continue
0.005114 #13 response_headers 2 n=5 -> continue
0.006020 #15 log 2
0.006021 #14   dispatch http "audit" timeout=5s -> ok call 4
0.006031 #16 done 2
0.006040 #17 delete 2
0.202377 #20 http_call_response root 1 call 4 headers=3 body=2 code=200
0.202380 #18   set_effective_context context=2 -> bad_argument
0.202381 #19   get_buffer_bytes buffer=4 length=2 -> ok
"#,
    },
    NearMiss {
        because: "the call was dispatched in a phase",
        script: r#"
0.000000 #11 create 2 root 1
0.000113 #13 request_headers 2 n=10 end -> continue
0.000120 #12   dispatch http "audit" timeout=5s -> ok call 4
0.005114 #14 response_headers 2 n=5 -> continue
0.006020 #15 log 2
0.006031 #16 done 2
0.006040 #17 delete 2
"#,
    },
    NearMiss {
        because: "the host refused it: no callback will come",
        script: r#"
0.000000 #11 create 2 root 1
0.000113 #12 request_headers 2 n=10 end -> continue
0.005114 #13 response_headers 2 n=5 -> continue
0.006020 #15 log 2
0.006021 #14   dispatch http "no-such" timeout=5s -> bad_argument
0.006031 #16 done 2
0.006040 #17 delete 2
"#,
    },
];

const EXPLANATION: &str = r#"## What you see

A call from the log handler goes out, and the handler of its answer never runs.

## Why it happens

`log`, `done` and `delete` come when the stream is over, within a millisecond of each other. The answer of a
call dispatched there comes after `delete` in any case: the host delivers it on the root context, and the Go
and Rust SDKs find no stream for it and drop it.

## How to be sure

The dispatch stands inside `log`, `done` or `delete` of the stream, and its callback resumes, answers or
changes the stream all the same. A message that needs no answer may well be sent so, and is no finding; nor is
a context that was asked for in vain, as some SDKs do before every handler.

## What to do

Gather what is to be told in the root context, and send it from the tick. On Higress:

```go
func onHttpStreamDone(ctx wrapper.HttpContext, config Config) {
	config.records.Add(record(ctx))
}

func parseConfig(json gjson.Result, config *Config) error {
	wrapper.RegisterTickFunc(1000, config.records.Send)
	return nil
}
```

On stock Envoy:

```rust
fn on_log(&mut self) {
    let _ = self.enqueue_shared_queue(self.records, Some(&self.record()));
}
```

## What this cannot see

Whether the plugin wanted an answer: what a dropped handler would have done leaves no trace.
"#;
