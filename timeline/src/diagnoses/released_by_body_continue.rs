//! A phase stopped for a call, and a later body phase that went on let go what was held before the call was
//! answered: the headers, or of a request whose headers had gone its body.

use abi::{Callback, Direction, Host, Kind};

use super::let_go::{self, LetGo, Rule};
use super::{kinds, phrases};
use crate::calls::Call;
use crate::diagnose::{Diagnosis, NearMiss};
use crate::finding::{Advice, Severity, Verdict};
use crate::hold::Hold;
use crate::story::Story;

/// See the head of this file.
pub const DIAGNOSIS: Diagnosis = Diagnosis {
    code: "released-by-body-continue",
    title: "What was held for a call was let go by a body phase that went on",
    title_zh: "为调用而扣住的内容，被没有停住的请求体（或响应体）阶段放行了",
    severity: Severity::Lost,
    is_fact: false,
    explanation: EXPLANATION,
    explanation_zh: include_str!("released-by-body-continue.zh-CN.md"),
    known_from: &[
        "proxy-wasm/proxy-wasm-rust-sdk#43",
        "proxy-wasm/proxy-wasm-rust-sdk#54",
        "higress-group/higress#1677",
        "higress-group/higress#2087",
        "higress-group/higress#2215",
        "higress-group/higress#2353",
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
    let of_call = |call| match released(story, call) {
        Some(case) => case.judge(story, &RULE),
        None => released_body(story, call)?.judge(story, &BODY_RULE),
    };
    story.calls().iter().filter_map(of_call).collect()
}

/// Was the call's direction held in its headers, and let go by a later phase while the call was out?
pub fn released<'a>(story: &Story<'a>, call: &'a Call) -> Option<LetGo<'a>> {
    let (dispatch, phase) = LetGo::dispatched(story, call)?;
    let direction = story.is_awaited(call)?;
    story.steps.iter().find_map(|step| {
        let within = story.invocation(step)?;
        let Kind::Callback(callback) = within.kind else { return None };
        let of = callback.phase()?;
        let (before, after) = (step.before.of(direction), step.after.of(direction));
        let lets_go = of.direction() == direction
            && !of.is_headers()
            && before.hold.is_held()
            && before.forwarded_by.is_none()
            && after.forwarded_by == Some(within.sequence);
        let held_by = before.held_by.filter(|_| lets_go)?;
        let is_out = step.entry != call.entry && story.was_out(call, within);
        is_out.then_some(LetGo {
            call,
            direction,
            by: within,
            within,
            held_by: Some(held_by),
            dispatch,
            phase,
        })
    })
}

/// Did a part of the request's body, whose headers had gone, stop for the call, and a later part let it go,
/// so that the end or the response came before the callback? A body may also be held to gather it: only
/// where the callback came too late, or decided something then, was the call needed.
fn released_body<'a>(story: &Story<'a>, call: &'a Call) -> Option<LetGo<'a>> {
    let direction = Direction::Request;
    let (dispatch, phase) = LetGo::dispatched(story, call)?;
    story.is_awaited(call).filter(|of| *of == direction)?;
    let own = story.dispatch_step(call)?;
    let Kind::Callback(Callback::RequestBody | Callback::RequestTrailers) = phase.kind else {
        return None;
    };
    own.before.request.forwarded_by?;
    let later = story.steps.iter().skip_while(|step| step.entry != own.entry).skip(1);
    let step = later.into_iter().find(|step| !step.after.request.hold.is_held())?;
    let within = story.invocation(step)?;
    let Kind::Callback(Callback::RequestBody | Callback::RequestTrailers) = within.kind else {
        return None;
    };
    let callback = story.answer(call)?;
    let end = story.end_of_stop(direction).filter(|end| end.order() < callback.order())?;
    let is_deleted = story.first(Callback::Delete).is_some_and(|d| d.order() < callback.order());
    // Held again by a part after that: it ended held, which another diagnosis tells.
    let is_held = story.state_before(Some(end))?.request.hold.is_held();
    let was_needed = is_deleted || let_go::touch(story, callback).is_some();
    let lets_go = step.after.request.hold == Hold::Open && within.order() < end.order();
    (lets_go && was_needed && !is_held && story.was_out(call, within)).then_some(LetGo {
        call,
        direction,
        by: within,
        within,
        held_by: step.before.request.held_by,
        dispatch,
        phase,
    })
}

const BODY_RULE: Rule = Rule {
    code: DIAGNOSIS.code,
    beginning: |case| {
        format!(
            "The request body was held for {}, and a later {} let it go when it answered Continue",
            phrases::call(case.call),
            phrases::name(case.by)
        )
    },
    how: |case| {
        format!(
            "The headers had gone before; {} answered Continue while the call was out, and that lets all \
             go that was held of the body.",
            phrases::event(case.by)
        )
    },
    needs_touch: false,
    may_be_spare: false,
    advice: BODY_ADVICE,
};

const BODY_ADVICE: &[Advice] = &[
    Advice::on(
        Host::Higress,
        "On Higress return types.HeaderStopIteration from the headers phase if there is a body, and \
         types.ActionPause from every part of the body until the response callback resumes.",
        "在 Higress 上，如果有请求体（或响应体），就在头部阶段返回 types.HeaderStopIteration，并对\
         它的每一段都返回 types.ActionPause，直到响应回调恢复。",
    ),
    Advice::on(
        Host::Envoy,
        "On stock Envoy return Pause from every part of the body until the response callback resumes, \
         and with allow_on_headers_stop_iteration from the headers phase too; without that setting make \
         the call in the headers phase.",
        "在原版 Envoy 上，对请求体（或响应体）的每一段都返回 Pause，直到响应回调恢复；设置了 \
         allow_on_headers_stop_iteration 时，头部阶段也要返回 Pause；没有这个设置时，在头部阶段发起\
         调用。",
    ),
];

const RULE: Rule = Rule {
    code: DIAGNOSIS.code,
    beginning: |case| {
        format!(
            "The {} headers were held while {} was out, and {} let them go when it answered Continue",
            case.direction.name(),
            phrases::call(case.call),
            phrases::name(case.by)
        )
    },
    how: |case| {
        format!(
            "{} answered Continue while the call was out, and that lets the held headers go with the \
             body.",
            phrases::capital(phrases::event(case.by))
        )
    },
    needs_touch: false,
    may_be_spare: false,
    advice: ADVICE,
};

const ADVICE: &[Advice] = &[
    Advice::on(
        Host::Higress,
        "On Higress return types.HeaderStopAllIterationAndWatermark from the headers phase if the body \
         is not needed, so that no body phase runs; else register a body handler that returns \
         types.ActionPause until the response callback resumes.",
        "在 Higress 上，如果不需要请求体（或响应体），就在头部阶段返回 \
         types.HeaderStopAllIterationAndWatermark，使请求体（或响应体）阶段不会执行；否则注册一个处\
         理函数，让它在响应回调恢复之前一直返回 types.ActionPause。",
    ),
    Advice::on(
        Host::Envoy,
        "On stock Envoy with allow_on_headers_stop_iteration return Pause from the body phase too, as \
         long as the call is out; without that setting a Pause in the headers phase holds the body as \
         well.",
        "在设置了 allow_on_headers_stop_iteration 的原版 Envoy 上，只要调用尚未得到应答，请求体\
         （或响应体）阶段也要返回 Pause；没有这个设置时，头部阶段的 Pause 会把请求体（或响应体）也\
         一并扣住。",
    ),
];

const EXAMPLE: &str = r#"
module abi 0.2.100 host higress
response code 400 details "via_upstream"
known_until 3.000000
0.000000 #11 create 2 root 1
0.000113 #13 request_headers 2 n=10 -> pause
0.000120 #12   dispatch http "slow" timeout=5s -> ok call 4
0.001870 #14 request_body 2 size=14 end -> continue
0.005114 #15 response_headers 2 n=5 -> continue
0.006020 #16 log 2
0.006031 #17 done 2
0.006040 #18 delete 2
2.002377 #19 http_call_response root 1 call 4 headers=3 body=2 code=200
"#;

const NEAR_MISSES: &[NearMiss] = &[
    NearMiss {
        because: "the body phase stops too until the callback resumes",
        script: r#"
module abi 0.2.100 host higress
0.000000 #11 create 2 root 1
0.000113 #13 request_headers 2 n=10 -> pause
0.000120 #12   dispatch http "slow" timeout=5s -> ok call 4
0.001870 #14 request_body 2 size=14 end -> pause
0.202377 #17 http_call_response root 1 call 4 headers=3 body=2 code=200
0.202380 #15   set_effective_context context=2 -> ok
0.202381 #16   continue_stream request -> ok
0.205114 #18 response_headers 2 n=5 -> continue
0.206020 #19 log 2
0.206031 #20 done 2
0.206040 #21 delete 2
"#,
    },
    NearMiss {
        because: "the headers had gone, and each part of the body stops until the callback resumes",
        script: r#"
0.000000 #11 create 2 root 1
0.000113 #12 request_headers 2 n=10 -> continue
0.001870 #14 request_body 2 size=14 -> pause
0.001902 #13   dispatch http "slow" timeout=5s -> ok call 4
0.002870 #15 request_body 2 size=28 end -> pause
0.202377 #18 http_call_response root 1 call 4 headers=3 body=2 code=200
0.202380 #16   set_effective_context context=2 -> ok
0.202381 #17   continue_stream request -> ok
0.205114 #19 response_headers 2 n=5 -> continue
"#,
    },
    NearMiss {
        because: "the body is gathered, and the answer to a call beside it decides nothing",
        script: r#"
0.000000 #11 create 2 root 1
0.000113 #12 request_headers 2 n=10 -> continue
0.001870 #14 request_body 2 size=14 -> pause
0.001902 #13   dispatch http "log" timeout=5s -> ok call 4
0.002870 #15 request_body 2 size=28 end -> continue
0.005114 #16 response_headers 2 n=5 -> continue
0.202377 #17 http_call_response root 1 call 4 headers=3 body=2 code=200
0.206020 #18 log 2
0.206031 #19 done 2
0.206040 #20 delete 2
"#,
    },
    NearMiss {
        because: "the headers are held for the body alone, without a call",
        script: r#"
module abi 0.2.100 host higress
0.000000 #11 create 2 root 1
0.000113 #12 request_headers 2 n=10 -> pause
0.001870 #13 request_body 2 size=14 end -> continue
0.005114 #14 response_headers 2 n=5 -> continue
"#,
    },
    NearMiss {
        because: "everything was held, and the body came after the resume",
        script: r#"
module abi 0.2.1 host envoy
0.000000 #11 create 2 root 1
0.000113 #13 request_headers 2 n=10 -> pause
0.000120 #12   dispatch http "slow" timeout=5s -> ok call 4
0.202377 #16 http_call_response root 1 call 4 headers=3 body=2 code=200
0.202380 #14   set_effective_context context=2 -> ok
0.202381 #15   continue_stream request -> ok
0.203114 #17 request_body 2 size=14 end -> continue
0.205114 #18 response_headers 2 n=5 -> continue
"#,
    },
    NearMiss {
        because: "the call came back before the body, whose phase may go on then",
        script: r#"
module abi 0.2.100 host higress
0.000000 #11 create 2 root 1
0.000113 #13 request_headers 2 n=10 -> pause
0.000120 #12   dispatch http "slow" timeout=5s -> ok call 4
0.001377 #14 http_call_response root 1 call 4 headers=3 body=2 code=200
0.001870 #15 request_body 2 size=14 end -> continue
"#,
    },
    NearMiss {
        because: "the headers are held for the body, and the callback of the call beside it leaves the stream alone",
        script: r#"
module abi 0.2.100 host higress
0.000000 #11 create 2 root 1
0.000113 #13 request_headers 2 n=10 -> pause
0.000120 #12   dispatch http "audit" timeout=5s -> ok call 4
0.001870 #14 request_body 2 size=14 end -> continue
0.002377 #16 http_call_response root 1 call 4 headers=3 body=2 code=200
0.002380 #15   set_effective_context context=2 -> ok
0.005114 #17 response_headers 2 n=5 -> continue
"#,
    },
    NearMiss {
        because: "the body phase answered by itself, so the call is needed no more",
        script: r#"
module abi 0.2.100 host higress
0.000000 #11 create 2 root 1
0.000113 #13 request_headers 2 n=10 -> pause
0.000120 #12   dispatch http "slow" timeout=5s -> ok call 4
0.001870 #15 request_body 2 size=14 end -> pause
0.001880 #14   send_local_response status=403 -> ok
"#,
    },
];

const EXPLANATION: &str = r#"## What you see

The plugin dispatches a call in the headers phase and stops there to wait for it. Requests without a body
wait; requests with one go to the upstream at once, and the handler of the answer never runs, or runs when
the response is there already.

## Why it happens

A stop in the headers phase that means StopIteration holds the headers only until the next phase: the body
phase is called, and if it answers Continue, the host lets the headers go together with the body. No resume
is needed for that. A body phase that was never written answers Continue too: the wrapper of wasm-go and the
SDKs do so by themselves.

So it is with a body that comes in parts: a part that stops holds what has come so far, and the first later
part that answers Continue lets all of it go.

## How to be sure

`request_headers … -> pause` with the dispatch in it, then `request_body … -> continue` (or trailers), and
only after that the `http_call_response` of the call; or two `request_body`, the dispatch in the first. How
late it came tells the severity: before the response headers it is a race, after them it failed if the plugin
decided something there, after `delete` it is lost.

## What to do

Keep stopping in every phase until the response callback resumes, or hold everything from the start. On
Higress, when the body is not needed:

```go
func onHttpRequestHeaders(ctx wrapper.HttpContext, config Config) types.Action {
	err := config.client.Get("/check", nil, func(code int, _ http.Header, _ []byte) {
		proxywasm.ResumeHttpRequest()
	}, 500)
	if err != nil {
		return types.ActionContinue
	}
	return types.HeaderStopAllIterationAndWatermark // no body phase before the resume
}
```

On stock Envoy with `allow_on_headers_stop_iteration: true`:

```rust
fn on_http_request_body(&mut self, _: usize, _: bool) -> Action {
    if self.call_is_out {
        return Action::Pause;
    }
    Action::Continue
}
```

## What this cannot see

Whether the call was meant to run beside the request. A plugin that stops in the headers phase for a call and
does not want to wait for it is told the same if the callback finds no stream any more; one that finds it and
leaves it alone is not told.
"#;
