//! A body that a plugin gathers outgrew the buffer of the host.

use abi::{Callback, Direction, Host, Kind};

use super::phrases;
use crate::diagnose::{Diagnosis, NearMiss};
use crate::event::Event;
use crate::finding::{Advice, Evidence, Finding, Severity, Subject, Verdict};
use crate::of_a_log;
use crate::story::Story;

/// See the head of this file.
pub const DIAGNOSIS: Diagnosis = Diagnosis {
    code: "payload-too-large",
    title: "A body that the plugin gathers is larger than the buffer of the host",
    title_zh: "插件收集的请求体（或响应体）超过了宿主的缓冲区",
    severity: Severity::Failed,
    is_fact: false,
    explanation: EXPLANATION,
    explanation_zh: include_str!("payload-too-large.zh-CN.md"),
    known_from: &[
        "higress-group/higress#3782",
        "higress-group/higress#3986",
        "higress-group/higress#4267",
        "envoyproxy/envoy#36989",
        "tetratelabs/proxy-wasm-go-sdk#414",
    ],
    example: EXAMPLE,
    near_misses: NEAR_MISSES,
    overlaps: &[],
    argues_from_absence: false,
    about_roots: false,
    unknown_in_log: Some(of_a_log::end_of_gathering),
    triggers: &[
        Kind::Callback(Callback::RequestBody),
        Kind::Callback(Callback::ResponseBody),
        Kind::Callback(Callback::RequestHeaders),
        Kind::Callback(Callback::ResponseHeaders),
    ],
    judge,
};

fn judge(story: &Story<'_>) -> Vec<Verdict> {
    let direction = match story.timeline.stream.response_code_details.as_deref() {
        Some("request_payload_too_large") => Direction::Request,
        Some("response_payload_too_large") => Direction::Response,
        _ => return Vec::new(),
    };
    found(story, direction).into_iter().collect()
}

fn found(story: &Story<'_>, direction: Direction) -> Option<Verdict> {
    let is_gathered = |e: &&Event| {
        let phase = match e.kind {
            Kind::Callback(callback) => callback.phase(),
            _ => None,
        };
        e.context == story.timeline.context
            && e.result != 0
            && phase.is_some_and(|phase| phase.direction() == direction)
    };
    let phase = story.timeline.events.iter().filter(is_gathered).max_by_key(|e| e.order())?;
    // One that had let it go by then filled no buffer: another filter did.
    let end = story.end_of_stop(direction);
    if !story.state_before(end)?.of(direction).hold.is_held() {
        return None;
    }
    let code = story.timeline.stream.response_code.map(|code| format!(" with {code}"));
    let half = phrases::half(direction);
    let headline = format!(
        "The body of {half} outgrew the host's buffer while the plugin held it in {}: the host \
         answered{} by itself.",
        phrases::name(phase),
        code.unwrap_or_default()
    );
    let mut details = vec![
        format!("The last phase that stopped {half} is {}.", phrases::event(phase)),
        format!(
            "The host says {}_payload_too_large: what a plugin holds is buffered whole, and the buffer \
             has a limit.",
            direction.name()
        ),
    ];
    if matches!(phase.kind, Kind::Callback(Callback::RequestBody | Callback::ResponseBody)) {
        details.push(format!("By then {} bytes were held.", phase.arg(0)));
    }
    Some(Verdict::Found(Box::new(Finding {
        details,
        evidence: Evidence { events: vec![phase.sequence], windows: Vec::new() },
        advice: phrases::advice(story.timeline.dialect.host, ADVICE),
        ..Finding::cause(DIAGNOSIS.code, Severity::Failed, Subject::Direction(direction), headline)
    })))
}

const ADVICE: &[Advice] = &[
    Advice::any(
        "Look at the body as it streams by, or raise the limit above the largest body that the plugin must see whole.",
        "在请求体（或响应体）流过时逐段查看，或者把上限提高到插件必须完整查看的最大请求体（或响应\
         体）之上。",
    ),
    Advice::on(
        Host::Higress,
        "On Higress call ctx.SetRequestBodyBufferLimit or ctx.SetResponseBodyBufferLimit in the headers handler.",
        "在 Higress 上，在头部处理函数中调用 ctx.SetRequestBodyBufferLimit 或 \
         ctx.SetResponseBodyBufferLimit。",
    ),
    Advice::on(
        Host::Envoy,
        "On stock Envoy the limit is the listener's per_connection_buffer_limit_bytes, or a buffer filter's or route's own.",
        "在原版 Envoy 上，上限是监听器的 per_connection_buffer_limit_bytes，或者缓冲过滤器或路由自\
         己的上限。",
    ),
];

const EXAMPLE: &str = r#"
response code 413 details "request_payload_too_large"
0.000000 #11 create 2 root 1
0.000113 #12 request_headers 2 n=10 -> continue
0.001800 #13 request_body 2 size=65536 -> pause
0.002800 #14 request_body 2 size=1048576 -> pause
0.003006 #15 log 2
0.003031 #16 done 2
0.003040 #17 delete 2
"#;

const NEAR_MISSES: &[NearMiss] = &[
    NearMiss {
        because: "the upstream itself answered 413",
        script: r#"
response code 413 details "via_upstream"
0.000000 #11 create 2 root 1
0.000113 #12 request_headers 2 n=10 -> continue
0.001800 #13 request_body 2 size=65536 -> pause
0.002800 #14 request_body 2 size=1048576 end -> continue
0.003000 #15 response_headers 2 n=3 -> continue
0.003006 #16 log 2
0.003031 #17 done 2
0.003040 #18 delete 2
"#,
    },
    NearMiss {
        because: "this plugin had let the request go long before: another filter gathered the body",
        script: r#"
response code 413 details "request_payload_too_large"
0.000000 #11 create 2 root 1
0.000113 #13 request_headers 2 n=10 -> 4
0.000120 #12   dispatch http "auth" timeout=5s -> ok call 4
0.002377 #16 http_call_response root 1 call 4 headers=3 body=2 code=200
0.002380 #14   set_effective_context context=2 -> ok
0.002381 #15   continue_stream request -> ok
0.003000 #17 request_body 2 size=65536 -> continue
0.004000 #18 request_body 2 size=65536 -> continue
0.005000 #19 response_headers 2 n=3 -> continue
0.005006 #20 log 2
0.005031 #21 done 2
0.005040 #22 delete 2
"#,
    },
    NearMiss {
        because: "this plugin gathered nothing: another filter did",
        script: r#"
response code 413 details "request_payload_too_large"
0.000000 #11 create 2 root 1
0.000113 #12 request_headers 2 n=10 -> continue
0.001800 #13 request_body 2 size=65536 -> continue
0.003006 #14 log 2
0.003031 #15 done 2
0.003040 #16 delete 2
"#,
    },
];

const EXPLANATION: &str = r#"## What you see

Requests with a large body get a 413 (responses a 500) that neither the plugin nor the upstream sent.

## Why it happens

A phase that stops has the host keep what it holds. A body that is gathered so is buffered whole, and the
buffer has a limit: beyond it the host gives the request up and answers by itself. The sizes that the body
phase is told are those of all that is held, not of a part.

## How to be sure

The host's details for the response are `request_payload_too_large` or `response_payload_too_large`, and a
phase of this plugin had stopped in that direction and had not let it go by then.

## What to do

Look at parts as they come, or raise the limit. On Higress, in the headers handler:

```go
ctx.SetRequestBodyBufferLimit(10 << 20) // bytes
```

On stock Envoy `per_connection_buffer_limit_bytes` of the listener is the limit, or do not gather:

```rust
fn on_http_request_body(&mut self, size: usize, _: bool) -> Action {
    self.scan(self.get_http_request_body(0, size)); // a part
    Action::Continue
}
```

## What this cannot see

The limit itself, and how large the body would have been.
"#;
