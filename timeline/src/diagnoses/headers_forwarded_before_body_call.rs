//! The headers had gone on before a call was dispatched in the body phase, so the stream may end
//! before the response callback.

mod told;

use abi::{Callback, Direction, Kind};

use super::kinds;
use crate::calls::{Call, Outcome};
use crate::diagnose::{Diagnosis, NearMiss};
use crate::event::Event;
use crate::finding::{Severity, Verdict};
use crate::hold::{Hold, ends_stream};
use crate::story::{Ending, Story};

/// See the head of this file.
pub const DIAGNOSIS: Diagnosis = Diagnosis {
    code: "headers-forwarded-before-body-call",
    title: "The headers were forwarded before a call was dispatched in the body phase",
    title_zh: "头部在请求体（或响应体）阶段发出调用之前就已转发",
    severity: Severity::Lost,
    is_fact: false,
    explanation: EXPLANATION,
    explanation_zh: include_str!("headers-forwarded-before-body-call.zh-CN.md"),
    known_from: &[
        "higress-group/higress#2189",
        "proxy-wasm/proxy-wasm-rust-sdk#66",
        "proxy-wasm/proxy-wasm-rust-sdk#163",
        "tetratelabs/proxy-wasm-go-sdk#158",
        "tetratelabs/proxy-wasm-go-sdk#278",
        "tetratelabs/proxy-wasm-go-sdk#362",
        "tetratelabs/proxy-wasm-go-sdk#363",
        "tetratelabs/proxy-wasm-go-sdk#367",
        "tetratelabs/proxy-wasm-go-sdk#390",
    ],
    example: EXAMPLE,
    near_misses: NEAR_MISSES,
    overlaps: &["late-callback", "response-while-request-held"],
    argues_from_absence: false,
    about_roots: false,
    unknown_in_log: None,
    triggers: kinds::DISPATCHES,
    judge,
};

fn judge(story: &Story<'_>) -> Vec<Verdict> {
    story.calls().iter().filter_map(|call| Case::of(story, call)?.judge()).collect()
}

/// Is the call one whose request's headers had gone before it was dispatched?
pub fn claims(story: &Story<'_>, call: &Call) -> bool {
    Case::of(story, call).is_some_and(|case| case.direction == Direction::Request)
}

/// Did the client leave with all of the response, of which the call held nothing but the end?
pub fn left_with_all(story: &Story<'_>, call: &Call) -> bool {
    Case::of(story, call).is_some_and(|case| case.left_with_all())
}

/// One call dispatched in a body or trailers phase that then stopped, after the headers had gone.
struct Case<'a> {
    story: &'a Story<'a>,
    call: &'a Call,
    direction: Direction,
    forwarded: &'a Event,
    phase: &'a Event,
    dispatch: &'a Event,
    response: Option<&'a Event>,
    deleted: Option<&'a Event>,
    callback: Option<&'a Event>,
}

impl<'a> Case<'a> {
    fn of(story: &'a Story<'a>, call: &'a Call) -> Option<Case<'a>> {
        if matches!(call.outcome, Outcome::Rejected(_)) {
            return None;
        }
        let step = story.dispatch_step(call)?;
        let phase = story.invocation(step)?;
        let direction = match phase.kind {
            Kind::Callback(Callback::RequestBody | Callback::RequestTrailers) => Direction::Request,
            Kind::Callback(Callback::ResponseBody | Callback::ResponseTrailers) => {
                Direction::Response
            }
            _ => return None,
        };
        // A phase that went on was not waiting: fire and forget.
        if !step.after.of(direction).hold.is_held() {
            return None;
        }
        let event = |sequence| story.timeline.event(sequence);
        let forwarded = event(step.before.of(direction).forwarded_by?)?;
        // Headers that a body phase let go are another diagnosis' business.
        let by_headers = matches!(forwarded.kind, Kind::Callback(c) if c.phase().is_some_and(|p| p.is_headers()));
        if !by_headers && !matches!(forwarded.kind, Kind::Hostcall(_)) {
            return None;
        }
        Some(Case {
            story,
            call,
            direction,
            forwarded,
            phase,
            dispatch: event(call.dispatch)?,
            response: story.first(Callback::ResponseHeaders),
            deleted: story.first(Callback::Delete),
            callback: story.answer(call),
        })
    }

    fn left_with_all(&self) -> bool {
        let is_end = self.phase.kind == Kind::Callback(Callback::ResponseBody)
            && self.phase.arg(0) == 0
            && ends_stream(self.phase);
        let before = self.story.step_of(self.phase.sequence).map(|step| step.before.response.hold);
        is_end && before == Some(Hold::Open) && self.story.ending() == Ending::ClientLeft
    }

    fn judge(&self) -> Option<Verdict> {
        if let Kind::Hostcall(_) = self.forwarded.kind
            && let Some(gap) = self.story.gap_in(self.forwarded)
        {
            return Some(Verdict::Unknown { gap });
        }
        if self.direction == Direction::Response {
            return Some(self.on_response());
        }
        let before = |a: &Event, b: &Event| a.order() < b.order();
        let end = self.story.end_of_stop(self.direction);
        let Some(end) = end.filter(|end| self.callback.is_none_or(|c| before(end, c))) else {
            return Some(self.callback.map_or_else(|| self.open(), |c| self.in_time(c)));
        };
        // Another callback's resume or reply came first: not these headers' doing.
        let held = match self.story.still_held(self.direction, Some(end))? {
            Ok(held) => held,
            Err(gap) => return Some(Verdict::Unknown { gap }),
        };
        let deleted = self.deleted.filter(|d| self.callback.is_none_or(|c| before(d, c)));
        Some(match (deleted, self.response) {
            (Some(deleted), _) => self.lost(end, held, deleted),
            (None, Some(response)) => self.failed(response, held),
            (None, None) => self.open(),
        })
    }
}

const EXAMPLE: &str = r#"
module abi 0.2.100 host higress
request "r-1" method "POST" path "/chat"
response code 400 details "via_upstream"
known_until 3.000000
0.000000 #11 create 2 root 1
0.000113 #12 request_headers 2 n=10 -> continue
0.001870 #14 request_body 2 size=14 end -> pause
0.001902 #13   dispatch http "slow" timeout=5s -> ok call 4
0.005114 #15 response_headers 2 n=5 -> continue
0.005603 #16 response_body 2 size=6 end -> continue
0.006020 #17 log 2
0.006031 #18 done 2
0.006040 #19 delete 2
2.002377 #20 http_call_response root 1 call 4 headers=3 body=2 code=200
"#;

const NEAR_MISSES: &[NearMiss] = &[
    NearMiss {
        because: "the headers are held until the body phase has its answer (Higress, 0.2.100)",
        script: r#"
module abi 0.2.100 host higress
0.000000 #11 create 2 root 1
0.000113 #12 request_headers 2 n=10 -> pause
0.001870 #14 request_body 2 size=14 end -> pause
0.001902 #13   dispatch http "slow" timeout=5s -> ok call 4
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
        because: "the call is made in the headers phase, which stops",
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
0.206020 #19 log 2
0.206031 #20 done 2
0.206040 #21 delete 2
"#,
    },
    NearMiss {
        because: "the body phase goes on, so nobody waits for the call: fire and forget",
        script: r#"
0.000000 #11 create 2 root 1
0.000113 #12 request_headers 2 n=10 -> continue
0.001870 #14 request_body 2 size=14 end -> continue
0.001902 #13   dispatch http "audit" timeout=5s -> ok call 4
0.005114 #15 response_headers 2 n=5 -> continue
0.006020 #16 log 2
0.006031 #17 done 2
0.006040 #18 delete 2
0.052377 #19 http_call_response root 1 call 4 headers=3 body=2 code=200
"#,
    },
    NearMiss {
        because: "the body is only buffered, without a call",
        script: r#"
0.000000 #11 create 2 root 1
0.000113 #12 request_headers 2 n=10 -> continue
0.001870 #13 request_body 2 size=14 -> pause
0.001902 #14 request_body 2 size=28 end -> continue
0.005114 #15 response_headers 2 n=5 -> continue
0.006020 #16 log 2
0.006031 #17 done 2
0.006040 #18 delete 2
"#,
    },
    NearMiss {
        because: "the request has no body: the call in the headers phase holds it",
        script: r#"
0.000000 #11 create 2 root 1
0.000113 #13 request_headers 2 n=10 end -> pause
0.000120 #12   dispatch http "slow" timeout=5s -> ok call 4
0.052377 #16 http_call_response root 1 call 4 headers=3 body=2 code=200
0.052380 #14   set_effective_context context=2 -> ok
0.052381 #15   continue_stream request -> ok
0.055114 #17 response_headers 2 n=5 -> continue
0.056020 #18 log 2
0.056031 #19 done 2
0.056040 #20 delete 2
"#,
    },
];

const EXPLANATION: &str = r#"## What you see

A plugin reads the request body, dispatches a call there and returns Pause to wait for it. The call goes
out and is answered, but the handler of the answer never runs, or runs only sometimes. If it was to
decide whether the request may pass, the request passed without it. With a slow upstream everything works.

## Why it happens

A phase holds only what it is given. The headers phase answered Continue (a headers handler that is absent
does the same), so the host opened the request to the upstream at once. Pause in the body phase holds the
body only. The upstream may answer, close, or be timed out on the headers alone; the response goes to the
client and the stream ends: log, done, delete. The call belongs to the root context, so it is not
cancelled. When it is answered, the host does call `proxy_on_http_call_response` on the root context, and
the SDK, which finds no stream for it any more, drops it without a word.

If the response callback comes before the response headers, all is well: by luck. That is the severity
"race", with the margin.

## How to be sure

The timeline shows `request_headers … -> continue`, then the dispatch inside `request_body … -> pause`,
then `response_headers` or the end of the stream, and only after `delete` the `http_call_response` on the
root. `response_code_details` names who ended the stream: `via_upstream` is the upstream's own answer,
`upstream_reset_before_response_started` a closed connection, `downstream_remote_disconnect` the client.

## What to do

Hold the headers until the call is answered.

On Higress, with a module of ABI 0.2.100, stop in the headers phase if there is a body, and keep stopping
in the body phase until the callback resumes (a Continue from the body phase releases the headers too):

```go
func onHttpRequestHeaders(ctx wrapper.HttpContext, config Config) types.Action {
	if !ctx.HasRequestBody() {
		return types.ActionContinue
	}
	return types.HeaderStopIteration
}

func onHttpRequestBody(ctx wrapper.HttpContext, config Config, body []byte) types.Action {
	err := config.client.Post("/check", nil, body, func(code int, _ http.Header, _ []byte) {
		if code != 200 {
			proxywasm.SendHttpResponse(403, nil, nil, -1)
			return
		}
		proxywasm.ResumeHttpRequest()
	}, 5000)
	if err != nil {
		return types.ActionContinue // or answer: no callback will come
	}
	return types.ActionPause
}
```

On stock Envoy 1.35 or later set `allow_on_headers_stop_iteration: true` beside `vm_config`; then Pause
from the headers phase means the same. Without it Pause there stops the body phase as well and the request
hangs, so make the call in the headers phase, which then has no body:

```rust
fn on_http_request_headers(&mut self, _: usize, end_of_stream: bool) -> Action {
    if end_of_stream { Action::Continue } else { Action::Pause } // with the setting
}

fn on_http_request_body(&mut self, _: usize, end_of_stream: bool) -> Action {
    if !end_of_stream || self.waiting {
        return Action::Pause;
    }
    match self.dispatch_http_call("check", headers, None, vec![], Duration::from_secs(5)) {
        Ok(_) => { self.waiting = true; Action::Pause }
        Err(_) => Action::Continue, // or answer: no callback will come
    }
}
```

On the way back the same holds for the response's headers and body: there the held body keeps the stream
until the callback, but status and headers can no longer be changed. That is a note; where nothing but the end
of the body was held, a client that knows the length has all of it, may leave, and then the callback is lost.

## What this cannot see

Whether the call mattered: a body handler that only mirrors the body is as safe as before. Whether the
upstream reads the whole body before it answers, which makes the race rare but not impossible. And
`allow_on_headers_stop_iteration` itself, which no property shows: it is told from what the host is seen to do.
"#;
