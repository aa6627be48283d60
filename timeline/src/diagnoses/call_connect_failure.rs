//! The host could not reach the callee, or the connection broke.

use abi::Host;

use super::failed_call::{self, Why};
use super::kinds;
use crate::diagnose::{Diagnosis, NearMiss};
use crate::finding::{Advice, Severity};
use crate::of_a_log;
use crate::story::span;

/// See the head of this file.
pub const DIAGNOSIS: Diagnosis = Diagnosis {
    code: "call-connect-failure",
    title: "A call failed on the way: no connection, no healthy host, or it broke off",
    title_zh: "调用在途中失败：没有连接、没有健康的主机，或中途断开",
    severity: Severity::Failed,
    is_fact: false,
    explanation: EXPLANATION,
    explanation_zh: include_str!("call-connect-failure.zh-CN.md"),
    known_from: &["proxy-wasm/proxy-wasm-rust-sdk#193", "proxy-wasm/proxy-wasm-rust-sdk#254"],
    example: EXAMPLE,
    near_misses: NEAR_MISSES,
    overlaps: &[],
    argues_from_absence: false,
    about_roots: true,
    unknown_in_log: Some(of_a_log::answers),
    triggers: kinds::RESPONSES,
    judge: |story| failed_call::judge(story, &RULE),
};

const RULE: failed_call::Rule = failed_call::Rule {
    code: DIAGNOSIS.code,
    told: |why, _, age| {
        let told = match why {
            Why::Timeout => return None,
            Why::Connect => {
                "found no connection, here or at a proxy before the callee, or it broke before an answer came"
            }
            Why::Reset => {
                "was answered with a response that broke off, or is larger than the host keeps"
            }
            Why::NoHealthyHost => "found no healthy host, here or at a proxy before the callee",
            Why::Redis => "failed in the host's Redis client",
        };
        Some(format!("{told} ({} after it)", span(age)))
    },
    advice: ADVICE,
};

const ADVICE: &[Advice] = &[
    Advice::any(
        "Look at the callee and at the way to it: health, port, TLS and HTTP/2 settings of the cluster; \
         a connection that the callee closed while idle fails once and works when tried again.",
        "检查被调方和通往它的路径：集群的健康状况、端口、TLS 和 HTTP/2 设置；如果是被调方关闭了空\
         闲的连接，会失败一次，重试就成功。",
    ),
    Advice::on(
        Host::Higress,
        "On Higress a Redis call also fails when another redis_init of the same worker replaced its \
         client.",
        "在 Higress 上，如果同一工作线程的另一次 redis_init 替换了它的客户端，Redis 调用也会失败。",
    ),
    Advice::on(
        Host::Envoy,
        "On stock Envoy admin /clusters shows the cluster's hosts and their health, and its counters \
         of connections that failed.",
        "在原版 Envoy 上，管理接口 /clusters 会显示集群的主机及其健康状况，以及失败连接的计数。",
    ),
];

const EXAMPLE: &str = r#"
0.000000 #11 create 2 root 1
0.000113 #13 request_headers 2 n=10 end -> pause
0.000120 #12   dispatch http "down" headers=60 pseudo=7 timeout=5s -> ok call 4
0.002377 #16 http_call_response root 1 call 4 headers=4 body=91 code=503 failure=2
0.002380 #14   set_effective_context context=2 -> ok
0.002390 #15   send_local_response status=503 -> ok
"#;

const NEAR_MISSES: &[NearMiss] = &[
    NearMiss {
        because: "the callee itself answered 503",
        script: r#"
0.000000 #11 create 2 root 1
0.000113 #13 request_headers 2 n=10 end -> pause
0.000120 #12   dispatch http "auth" headers=60 pseudo=7 timeout=5s -> ok call 4
0.002377 #16 http_call_response root 1 call 4 headers=4 body=12 code=503 failure=5
0.002380 #14   set_effective_context context=2 -> ok
0.002390 #15   send_local_response status=503 -> ok
"#,
    },
    NearMiss {
        because: "Redis answered well, only too late",
        script: r#"
module abi 0.2.100 host higress
0.000000 #11 create 2 root 1
0.000113 #13 request_headers 2 n=10 end -> continue
0.000120 #12   dispatch redis "cache" query=14 -> ok call 7
0.005114 #14 response_headers 2 n=5 end -> continue
0.006020 #15 log 2
0.006031 #16 done 2
0.006040 #17 delete 2
0.050000 #18 redis_call_response root 1 call 7 status=0 size=5
"#,
    },
    NearMiss {
        because: "its timeout struck",
        script: r#"
0.000000 #11 create 2 root 1
0.000113 #13 request_headers 2 n=10 end -> pause
0.000120 #12   dispatch http "slow" headers=60 pseudo=7 timeout=500ms -> ok call 4
0.500377 #16 http_call_response root 1 call 4 headers=4 body=24 code=504 failure=1
0.500380 #14   set_effective_context context=2 -> ok
0.500390 #15   send_local_response status=503 -> ok
"#,
    },
    NearMiss {
        because: "the plugin gave the gRPC call up itself",
        script: r#"
0.000000 #11 create 2 root 1
0.000113 #14 request_headers 2 n=10 end -> continue
0.000120 #12   dispatch grpc "limiter" timeout=5s -> ok call 5
0.000130 #13   grpc_cancel call 5 -> ok
"#,
    },
];

const EXPLANATION: &str = r#"## What you see

A call fails soon after it was made. The handler gets a 503, a callback without headers, a gRPC status 14, or
a Redis status that is not 0.

## Why it happens

The host accepted the dispatch and could not finish it: no connection, a connection that broke before an
answer, no healthy host in the cluster by then, or a response that broke off in the middle. On Envoy the first
two are a 503 with the body "upstream connect error or disconnect/reset before headers", no healthy host is a
503 with "no healthy upstream", and a response that broke off, or is larger than the buffer's limit, is a
callback without headers.

## How to be sure

The recorder recognised the host's own sentence in the body of the answer, or the callback came without
headers. A 503 that the callee sent is not taken for one; one that a proxy before the callee, such as a
waypoint, made up in the same words is, and then it was that proxy that found no connection. Where something
worse came of the call, such as a request that hangs because its callback did nothing, that is named instead,
and says why the call failed.

## What to do

Look at the callee and at the way to it. Then decide in the handler what a call that failed means, and try
again where that is safe. On Higress:

```go
err := config.client.Get("/check", nil, func(code int, _ http.Header, body []byte) {
	if code != 200 {
		proxywasm.SendHttpResponse(503, nil, []byte("check failed"), -1)
		return
	}
	proxywasm.ResumeHttpRequest()
}, 2000) // ms; the default of wasm-go is 500
```

On stock Envoy:

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

Why the connection failed; the host's log at debug level says more. A response over the buffer's limit looks
the same as one that was reset.
"#;
