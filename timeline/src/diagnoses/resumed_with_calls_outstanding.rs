//! The callback of one call resumed the stream while another was out that it had been held for as well.

use abi::{Direction, Host, Kind};

use super::let_go::{LetGo, Rule};
use super::{kinds, phrases};
use crate::calls::Call;
use crate::diagnose::{Diagnosis, NearMiss};
use crate::finding::{Advice, Severity, Verdict};
use crate::hold::{hostcalls_on, resumes};
use crate::story::{Step, Story};

/// See the head of this file.
pub const DIAGNOSIS: Diagnosis = Diagnosis {
    code: "resumed-with-calls-outstanding",
    title: "The callback of one call resumed the stream while another call was out",
    title_zh: "一个调用的回调恢复了流，而另一个调用尚未得到应答",
    severity: Severity::Lost,
    is_fact: false,
    explanation: EXPLANATION,
    explanation_zh: include_str!("resumed-with-calls-outstanding.zh-CN.md"),
    known_from: &[
        "tetratelabs/proxy-wasm-go-sdk#158",
        "tetratelabs/proxy-wasm-go-sdk#304",
        "higress-group/higress#1810",
        "higress-group/higress#2172",
    ],
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
    story.calls().iter().filter_map(|call| resumed(story, call)?.judge(story, &RULE)).collect()
}

/// Was the stream held for the call, and resumed in the callback of another one while it was out?
pub fn resumed<'a>(story: &Story<'a>, call: &'a Call) -> Option<LetGo<'a>> {
    let (dispatch, phase) = LetGo::dispatched(story, call)?;
    let direction = story.is_awaited(call)?;
    story.steps.iter().find_map(|step| {
        let within = story.invocation(step)?;
        if step.entry <= call.entry || !answers_another(story, step, call) {
            return None;
        }
        let hostcalls = hostcalls_on(story.timeline.context, story.hostcalls(step));
        let by = hostcalls.into_iter().find(|e| resumes(e) == Some(direction))?;
        let held_by = held_by(step, direction)?;
        let held_by = Some(held_by);
        let is_out = story.was_out(call, by);
        is_out.then_some(LetGo { call, direction, by, within, held_by, dispatch, phase })
    })
}

/// What held the direction before an invocation that let it go.
fn held_by(step: &Step, direction: Direction) -> Option<crate::ids::Sequence> {
    let (before, after) = (step.before.of(direction), step.after.of(direction));
    let lets_go = before.hold.is_held() && !after.hold.is_held();
    before.held_by.filter(|_| lets_go)
}

/// Is the invocation the response callback of another call of the stream?
fn answers_another(story: &Story<'_>, step: &Step, call: &Call) -> bool {
    let Some(within) = story.invocation(step) else { return false };
    matches!(within.kind, Kind::Callback(callback) if callback.is_response())
        && within.call != call.id
        && story.calls().iter().any(|other| other.id == within.call)
}

const RULE: Rule = Rule {
    code: DIAGNOSIS.code,
    beginning: |case| {
        format!(
            "{}, dispatched in {}, was out when the response callback of call {} resumed the {}",
            phrases::capital(phrases::call(case.call)),
            phrases::name(case.phase),
            case.within.call,
            case.direction.name(),
        )
    },
    how: |case| {
        format!(
            "The response callback of call {} ({}) resumed the {} (#{}) while this call was out.",
            case.within.call,
            phrases::event(case.within),
            case.direction.name(),
            case.by.sequence
        )
    },
    needs_touch: false,
    may_be_spare: true,
    advice: ADVICE,
};

const ADVICE: &[Advice] = &[
    Advice::any(
        "Count the calls that are out and resume when the last is answered, or dispatch the next call \
         in the callback of the one before; give them all one timeout.",
        "给尚未得到应答的调用计数，最后一个得到应答时再恢复；或者在前一个调用的回调中发出下一个；\
         给它们设置同一个超时。",
    ),
    Advice::on(
        Host::Higress,
        "With wasm-go keep the count in the stream's context (ctx.SetContext), not in a variable of the \
         plugin: all streams of the VM share that.",
        "使用 wasm-go 时，把计数保存在流的上下文中（ctx.SetContext），不要放在插件的变量里：那是虚\
         拟机中所有的流共用的。",
    ),
    Advice::on(
        Host::Envoy,
        "With the proxy-wasm crate keep the count in the stream context's struct.",
        "使用 proxy-wasm crate 时，把计数保存在流上下文的结构体中。",
    ),
];

const EXAMPLE: &str = r#"
response code 200 details "via_upstream"
known_until 3.000000
0.000000 #11 create 2 root 1
0.000113 #14 request_headers 2 n=10 end -> pause
0.000120 #12   dispatch http "quota" timeout=5s -> ok call 4
0.000131 #13   dispatch http "auth" timeout=5s -> ok call 5
0.010377 #17 http_call_response root 1 call 4 headers=3 body=2 code=200
0.010380 #15   set_effective_context context=2 -> ok
0.010381 #16   continue_stream request -> ok
0.015114 #18 response_headers 2 n=5 -> continue
0.016020 #19 log 2
0.016031 #20 done 2
0.016040 #21 delete 2
2.002377 #22 http_call_response root 1 call 5 headers=3 body=2 code=403
"#;

const NEAR_MISSES: &[NearMiss] = &[
    NearMiss {
        because: "the last callback resumes",
        script: r#"
0.000000 #11 create 2 root 1
0.000113 #14 request_headers 2 n=10 end -> pause
0.000120 #12   dispatch http "quota" timeout=5s -> ok call 4
0.000131 #13   dispatch http "auth" timeout=5s -> ok call 5
0.010377 #15 http_call_response root 1 call 4 headers=3 body=2 code=200
0.202377 #18 http_call_response root 1 call 5 headers=3 body=2 code=200
0.202380 #16   set_effective_context context=2 -> ok
0.202381 #17   continue_stream request -> ok
0.205114 #19 response_headers 2 n=5 -> continue
0.206020 #20 log 2
0.206031 #21 done 2
0.206040 #22 delete 2
"#,
    },
    NearMiss {
        because: "one call comes after the other: a chain",
        script: r#"
0.000000 #11 create 2 root 1
0.000113 #13 request_headers 2 n=10 end -> pause
0.000120 #12   dispatch http "quota" timeout=5s -> ok call 4
0.010377 #16 http_call_response root 1 call 4 headers=3 body=2 code=200
0.010380 #14   set_effective_context context=2 -> ok
0.010381 #15   dispatch http "auth" timeout=5s -> ok call 5
0.202377 #19 http_call_response root 1 call 5 headers=3 body=2 code=200
0.202380 #17   set_effective_context context=2 -> ok
0.202381 #18   continue_stream request -> ok
0.205114 #20 response_headers 2 n=5 -> continue
"#,
    },
    NearMiss {
        because: "the one call answers the request, so the other is needed no more",
        script: r#"
0.000000 #11 create 2 root 1
0.000113 #14 request_headers 2 n=10 end -> pause
0.000120 #12   dispatch http "quota" timeout=5s -> ok call 4
0.000131 #13   dispatch http "auth" timeout=5s -> ok call 5
0.010377 #17 http_call_response root 1 call 4 headers=3 body=2 code=429
0.010380 #15   set_effective_context context=2 -> ok
0.010381 #16   send_local_response status=429 -> ok
0.010390 #18 log 2
0.010400 #19 done 2
0.010410 #20 delete 2
"#,
    },
    NearMiss {
        because: "the callback of the other call had its stream, and left it alone: a record beside the request",
        script: r#"
0.000000 #11 create 2 root 1
0.000113 #14 request_headers 2 n=10 end -> pause
0.000120 #12   dispatch http "audit" timeout=5s -> ok call 4
0.000131 #13   dispatch http "auth" timeout=5s -> ok call 5
0.010377 #17 http_call_response root 1 call 5 headers=3 body=2 code=200
0.010380 #15   set_effective_context context=2 -> ok
0.010381 #16   continue_stream request -> ok
0.012377 #19 http_call_response root 1 call 4 headers=3 body=2 code=200
0.012380 #18   set_effective_context context=2 -> ok
0.015114 #20 response_headers 2 n=5 -> continue
0.016020 #21 log 2
0.016031 #22 done 2
0.016040 #23 delete 2
"#,
    },
    NearMiss {
        because: "the callback resumed and then sent a record of it: nothing was held for that",
        script: r#"
0.000000 #11 create 2 root 1
0.000113 #13 request_headers 2 n=10 end -> pause
0.000120 #12   dispatch http "auth" timeout=5s -> ok call 4
0.010377 #17 http_call_response root 1 call 4 headers=3 body=2 code=200
0.010380 #14   set_effective_context context=2 -> ok
0.010381 #15   continue_stream request -> ok
0.010390 #16   dispatch http "audit" timeout=5s -> ok call 5
0.015114 #18 response_headers 2 n=5 -> continue
"#,
    },
];

const EXPLANATION: &str = r#"## What you see

A plugin asks two services at once, for example quota and authorization. The faster answer decides; what the
other one says has no effect, or only sometimes.

## Why it happens

A resume is for the stream, not for a call: the first one lets the request go, whatever else is out. The
calls know nothing of each other. After that the upstream answers, the stream ends, and the second callback
finds no stream any more, or one whose response has gone.

## How to be sure

Two dispatches under one stop, the response callback of the one with a resume in it, and the
`http_call_response` of the other one later. Before the response headers it is a race, after them it failed if
the plugin decided something there, after `delete` it is lost. A handler that ran after `delete` and tried
nothing is a note: the first answer may have been enough.

## What to do

Count, and resume at zero. On Higress:

```go
func answered(ctx wrapper.HttpContext) {
	out := ctx.GetContext("out").(int) - 1
	ctx.SetContext("out", out)
	if out == 0 {
		proxywasm.ResumeHttpRequest()
	}
}
```

On stock Envoy:

```rust
fn on_http_call_response(&mut self, _: u32, _: usize, _: usize, _: usize) {
    self.calls_out -= 1;
    if self.calls_out == 0 {
        self.resume_http_request();
    }
}
```

Or dispatch the second call in the callback of the first. A call that the request need not wait for is better
dispatched in a phase that goes on.

## What this cannot see

Whether the first answer was meant to be enough. A plugin that asks two callees for the same thing and takes
what comes first, or sends a record beside the call that it waits for, is told the same if its SDK discards the
callback, as the Go and Rust SDKs of today do where the stream is gone; one whose handler finds the stream and
leaves it alone is not told.
"#;
