//! The timeout of a call struck.

use abi::Host;

use super::failed_call::{self, Why};
use super::kinds;
use crate::diagnose::{Diagnosis, NearMiss};
use crate::finding::{Advice, Severity};
use crate::of_a_log;
use crate::story::{span, timeout};

/// See the head of this file.
pub const DIAGNOSIS: Diagnosis = Diagnosis {
    code: "call-timeout",
    title: "The timeout of a call struck before it was answered",
    title_zh: "调用在得到应答之前超时",
    severity: Severity::Failed,
    is_fact: false,
    explanation: EXPLANATION,
    explanation_zh: include_str!("call-timeout.zh-CN.md"),
    known_from: &["higress-group/higress#3942", "Kong/ngx_wasm_module#622"],
    example: EXAMPLE,
    near_misses: NEAR_MISSES,
    overlaps: &[],
    argues_from_absence: false,
    about_roots: true,
    unknown_in_log: Some(of_a_log::answers_at_timeout),
    triggers: kinds::RESPONSES,
    judge: |story| failed_call::judge(story, &RULE),
};

const RULE: failed_call::Rule = failed_call::Rule {
    code: DIAGNOSIS.code,
    told: |why, call, age| {
        let told = format!(
            "was not answered in time: {} after it, its {} struck",
            span(age),
            timeout(call)
        );
        (why == Why::Timeout).then_some(told)
    },
    advice: ADVICE,
};

const ADVICE: &[Advice] = &[
    Advice::any(
        "Look at how long the callee takes, and give the call a timeout above that and below those of \
         the client and of the host.",
        "查看被调方的耗时，给调用设置的超时要高于它，并低于客户端和宿主的超时。",
    ),
    Advice::on(
        Host::Higress,
        "The HTTP client of wasm-go waits 500 ms when no timeout is said: give one as the last \
         argument of the call.",
        "不指定超时时，wasm-go 的 HTTP 客户端等待 500 ms：请在调用的最后一个参数中给出。",
    ),
    Advice::on(
        Host::Envoy,
        "On stock Envoy the timeout is the one that the plugin passes to the dispatch; the timeout of \
         a route has no part in it.",
        "在原版 Envoy 上，起作用的是插件发起调用时传入的超时；路由的超时与此无关。",
    ),
];

const EXAMPLE: &str = r#"
0.000000 #11 create 2 root 1
0.000113 #13 request_headers 2 n=10 end -> pause
0.000120 #12   dispatch http "slow" headers=60 pseudo=7 timeout=500ms -> ok call 4
0.500377 #16 http_call_response root 1 call 4 headers=4 body=24 code=504 failure=1
0.500380 #14   set_effective_context context=2 -> ok
0.500390 #15   send_local_response status=503 -> ok
"#;

const NEAR_MISSES: &[NearMiss] = &[
    NearMiss {
        because: "the callee itself answered 504",
        script: r#"
0.000000 #11 create 2 root 1
0.000113 #13 request_headers 2 n=10 end -> pause
0.000120 #12   dispatch http "slow" headers=60 pseudo=7 timeout=5s -> ok call 4
0.500377 #16 http_call_response root 1 call 4 headers=4 body=12 code=504 failure=5
0.500380 #14   set_effective_context context=2 -> ok
0.500390 #15   send_local_response status=503 -> ok
"#,
    },
    NearMiss {
        because: "a proxy in front of the callee gave up, with the same sentence, long before the timeout",
        script: r#"
0.000000 #11 create 2 root 1
0.000113 #13 request_headers 2 n=10 end -> pause
0.000120 #12   dispatch http "slow" headers=60 pseudo=7 timeout=5s -> ok call 4
0.512377 #16 http_call_response root 1 call 4 headers=4 body=24 code=504 failure=1
0.512380 #14   set_effective_context context=2 -> ok
0.512390 #15   send_local_response status=503 -> ok
"#,
    },
    NearMiss {
        because: "a proxy in front of the callee gave up a little earlier: its answer has its date and name",
        script: r#"
0.000000 #11 create 2 root 1
0.000113 #13 request_headers 2 n=10 end -> pause
0.000120 #12   dispatch http "slow" headers=60 pseudo=7 timeout=500ms -> ok call 4
0.382377 #16 http_call_response root 1 call 4 headers=5 body=24 code=504 failure=1
0.382380 #14   set_effective_context context=2 -> ok
0.382390 #15   send_local_response status=503 -> ok
"#,
    },
    NearMiss {
        because: "it was answered just in time",
        script: r#"
0.000000 #11 create 2 root 1
0.000113 #13 request_headers 2 n=10 end -> pause
0.000120 #12   dispatch http "slow" headers=60 pseudo=7 timeout=500ms -> ok call 4
0.499377 #16 http_call_response root 1 call 4 headers=4 body=24 code=200
0.499380 #14   set_effective_context context=2 -> ok
0.499390 #15   continue_stream request -> ok
"#,
    },
    NearMiss {
        because: "a gRPC call became unavailable long before its timeout",
        script: r#"
0.000000 #11 create 2 root 1
0.000113 #13 request_headers 2 n=10 end -> pause
0.000120 #12   dispatch grpc "limiter" timeout=5s -> ok call 5
0.100377 #16 grpc_close root 1 call 5 status=14
0.100380 #14   set_effective_context context=2 -> ok
0.100390 #15   continue_stream request -> ok
"#,
    },
];

const EXPLANATION: &str = r#"## What you see

A call fails after exactly its timeout. The handler gets a 504, or a gRPC status 4 or 14.

## Why it happens

The host gives a call up when the timeout passed with the dispatch is over, and calls back with an answer of
its own: on Envoy a 504 with headers and the body "upstream request timeout", not a callback without headers.
The callee may have received the call, may still be working on it, and its answer is thrown away.

## How to be sure

The response callback came at the timeout's age, and of its body the recorder recognised the host's own
sentence. A 504 that the callee sent is not taken for one, nor the same sentence long before the timeout: that is
of another proxy in front of the callee. Where something worse came of the call, such as a
request that hangs because its callback did nothing, that is named instead, and says why the call failed.

## What to do

Look at the callee's times and choose the timeout by them: above its slowest, below the client's and the
host's. Then decide in the handler what a call that failed means. On Higress:

```go
err := config.client.Get("/check", nil, func(code int, _ http.Header, body []byte) {
	if code != 200 {
		proxywasm.SendHttpResponse(503, nil, []byte("check failed"), -1)
		return
	}
	proxywasm.ResumeHttpRequest()
}, 2000) // ms; the default of wasm-go is 500
```

On stock Envoy the handler sees `:status` 504:

```rust
fn on_http_call_response(&mut self, _: u32, headers: usize, _: usize, _: usize) {
    if headers == 0 || self.get_http_call_response_header(":status").as_deref() != Some("200") {
        self.send_http_response(503, vec![], Some(b"check failed"));
        return;
    }
    self.resume_http_request();
}
```

## What this cannot see

Whether the callee got the call and what it did with it.
"#;
