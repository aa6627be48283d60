//! A phase dispatched a call and went on without waiting, and the callback then tried to decide about the
//! stream.

use abi::{Direction, Host, Kind};

use super::let_go::{LetGo, Rule};
use super::{kinds, phrases};
use crate::calls::Call;
use crate::diagnose::{Diagnosis, NearMiss};
use crate::finding::{Advice, Severity, Verdict};
use crate::story::Story;

/// See the head of this file.
pub const DIAGNOSIS: Diagnosis = Diagnosis {
    code: "continue-with-call-outstanding",
    title: "A phase went on without waiting for the call that was to decide",
    title_zh: "阶段没有等待本应起决定作用的调用，就继续了",
    severity: Severity::Lost,
    is_fact: false,
    explanation: EXPLANATION,
    explanation_zh: include_str!("continue-with-call-outstanding.zh-CN.md"),
    known_from: &["tetratelabs/proxy-wasm-go-sdk#304"],
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
    story.calls().iter().filter_map(|call| went_on(story, call)?.judge(story, &RULE)).collect()
}

/// Did the phase in which the call was dispatched go on, with nothing held?
fn went_on<'a>(story: &Story<'a>, call: &'a Call) -> Option<LetGo<'a>> {
    let (dispatch, phase) = LetGo::dispatched(story, call)?;
    let Kind::Callback(callback) = phase.kind else { return None };
    let direction = callback.phase()?.direction();
    let step = story.dispatch_step(call)?;
    let is_open = |direction| step.after.of(direction).hold == crate::hold::Hold::Open;
    let went = is_open(Direction::Request) && is_open(Direction::Response) && phase.result == 0;
    // What something else let go again, as a tick does, was not held for the call to the end.
    let is_held = |of| {
        let before = story.state_before(story.end_of_stop(of));
        before.is_some_and(|halves| halves.of(of).hold.is_held())
    };
    let later = story.awaited_later(call).filter(|(of, _)| is_held(*of));
    let later = later.map(|(_, phase)| phase.sequence);
    went.then_some(LetGo {
        call,
        direction,
        by: phase,
        within: phase,
        held_by: later,
        dispatch,
        phase,
    })
}

const RULE: Rule = Rule {
    code: DIAGNOSIS.code,
    beginning: |case| {
        format!(
            "{} was dispatched in {}, which answered Continue and did not wait for it",
            phrases::capital(phrases::call(case.call)),
            phrases::name(case.phase)
        )
    },
    how: |case| {
        let later = match case.held_by {
            Some(phase) => format!(", until a later phase stopped for it (#{phase})"),
            None => String::new(),
        };
        format!(
            "The phase answered Continue ({}), so nothing was held for the call{later}.",
            phrases::event(case.by)
        )
    },
    needs_touch: true,
    may_be_spare: false,
    advice: ADVICE,
};

const ADVICE: &[Advice] = &[
    Advice::any(
        "Stop in the phase that dispatches a call whose answer decides, and resume in its callback; a \
         callback of a call that decides nothing leaves the stream alone.",
        "如果调用的应答起决定作用，就在发出它的阶段停止，并在它的回调中恢复；不决定任何事的调用，\
         它的回调不要去动流。",
    ),
    Advice::on(
        Host::Higress,
        "On Higress return types.HeaderStopAllIterationAndWatermark from the headers handler after the \
         dispatch.",
        "在 Higress 上，发出调用之后在头部处理函数中返回 \
         types.HeaderStopAllIterationAndWatermark。",
    ),
    Advice::on(
        Host::Envoy,
        "On stock Envoy return Pause from the phase after the dispatch.",
        "在原版 Envoy 上，发出调用之后从该阶段返回 Pause。",
    ),
];

const EXAMPLE: &str = r#"
response code 200 details "via_upstream"
known_until 3.000000
0.000000 #11 create 2 root 1
0.000113 #13 request_headers 2 n=10 end -> continue
0.000120 #12   dispatch http "auth" timeout=5s -> ok call 4
0.005114 #14 response_headers 2 n=5 -> continue
0.006020 #15 log 2
0.006031 #16 done 2
0.006040 #17 delete 2
2.002377 #20 http_call_response root 1 call 4 headers=3 body=2 code=403
2.002380 #18   set_effective_context context=2 -> bad_argument
2.002381 #19   send_local_response status=403 -> ok
"#;

const NEAR_MISSES: &[NearMiss] = &[
    NearMiss {
        because: "the callback leaves the stream alone: fire and forget",
        script: r#"
0.000000 #11 create 2 root 1
0.000113 #13 request_headers 2 n=10 end -> continue
0.000120 #12   dispatch http "audit" timeout=5s -> ok call 4
0.002377 #15 http_call_response root 1 call 4 headers=3 body=2 code=200
0.002380 #14   set_effective_context context=2 -> ok
0.005114 #16 response_headers 2 n=5 -> continue
0.006020 #17 log 2
0.006031 #18 done 2
0.006040 #19 delete 2
"#,
    },
    NearMiss {
        because: "the callback came late, and tried nothing",
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
        because: "the callback came late, and its SDK asked for the stream before the handler, which tried nothing",
        script: r#"
0.000000 #11 create 2 root 1
0.000113 #13 request_headers 2 n=10 end -> continue
0.000120 #12   dispatch http "audit" timeout=5s -> ok call 4
0.005114 #14 response_headers 2 n=5 -> continue
0.006020 #15 log 2
0.006031 #16 done 2
0.006040 #17 delete 2
0.202377 #20 http_call_response root 1 call 4 headers=3 body=2 code=200
0.202380 #18   set_effective_context context=2 -> bad_argument
0.202381 #19   get_buffer_bytes buffer=4 length=2 -> ok
"#,
    },
    NearMiss {
        because: "a later phase waited for it, and it came while the stream was there and left that alone",
        script: r#"
0.000000 #11 create 2 root 1
0.000113 #13 request_headers 2 n=10 -> continue
0.000120 #12   dispatch http "count" timeout=5s -> ok call 4
0.000900 #14 request_body 2 size=7 end -> pause
0.002377 #16 http_call_response root 1 call 4 headers=3 body=2 code=200
0.002380 #15   set_effective_context context=2 -> ok
"#,
    },
    NearMiss {
        because: "the phase waited",
        script: r#"
0.000000 #11 create 2 root 1
0.000113 #13 request_headers 2 n=10 end -> pause
0.000120 #12   dispatch http "auth" timeout=5s -> ok call 4
0.202377 #16 http_call_response root 1 call 4 headers=3 body=2 code=403
0.202380 #14   set_effective_context context=2 -> ok
0.202381 #15   send_local_response status=403 -> ok
0.202390 #17 log 2
0.202400 #18 done 2
0.202410 #19 delete 2
"#,
    },
];

const EXPLANATION: &str = r#"## What you see

The plugin denies a request after asking a service, and the request goes through all the same. With a fast
callee and a slow upstream the denial arrives sometimes.

## Why it happens

A dispatch only begins a call. The phase goes on when it answers Continue, and the request with it: nobody
waits for the answer. When the callback comes, the upstream has the request, and often the client has the
response. A resume there has nothing to resume; a local response comes too late, or finds no stream.

## How to be sure

The phase with the dispatch in it answered `continue`, nothing else of the stream was held, and in the
response callback the plugin resumed, answered or closed the stream, or tried to change its headers or its
body and was refused (`replace_header_map_value … -> bad_argument`): they had gone on. Or a later phase stopped
for the call, with nothing else to wait for, and the stream ended first. Some SDKs ask for the context before
every handler, so that alone is no try.

## What to do

Stop in the phase that dispatched. On Higress:

```go
func onHttpRequestHeaders(ctx wrapper.HttpContext, config Config) types.Action {
	err := config.client.Get("/auth", nil, func(code int, _ http.Header, _ []byte) {
		if code != 200 {
			proxywasm.SendHttpResponse(403, nil, nil, -1)
			return
		}
		proxywasm.ResumeHttpRequest()
	}, 500)
	if err != nil {
		return types.ActionContinue
	}
	return types.HeaderStopAllIterationAndWatermark // not ActionContinue
}
```

On stock Envoy:

```rust
match self.dispatch_http_call("auth", headers, None, vec![], Duration::from_millis(500)) {
    Ok(_) => Action::Pause,
    Err(_) => Action::Continue,
}
```

## What this cannot see

What a callback would have done that the SDK dropped. A call beside the request (a metric, a copy, a record)
is the commonest reason to go on, so without a try to decide there is no finding.
"#;
