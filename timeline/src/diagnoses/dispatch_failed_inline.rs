//! The host could not make a call at once, so no callback follows.

use abi::{Host, Status};

use super::{kinds, refused};
use crate::diagnose::{Diagnosis, NearMiss};
use crate::event::Event;
use crate::finding::{Advice, Severity};

/// See the head of this file.
pub const DIAGNOSIS: Diagnosis = Diagnosis {
    code: "dispatch-failed-inline",
    title: "The host could not make a call at once: no callback follows",
    title_zh: "宿主当场无法发起调用：不会有回调",
    severity: Severity::Failed,
    is_fact: false,
    explanation: EXPLANATION,
    explanation_zh: include_str!("dispatch-failed-inline.zh-CN.md"),
    known_from: &[
        "istio/istio#31194",
        "envoyproxy/envoy#14878",
        "envoyproxy/envoy#15311",
        "envoyproxy/envoy#22920",
    ],
    example: EXAMPLE,
    near_misses: NEAR_MISSES,
    overlaps: &[],
    argues_from_absence: false,
    about_roots: true,
    unknown_in_log: None,
    triggers: kinds::DISPATCHES,
    judge: |story| refused::judge(story, &RULE),
};

/// What is told of a dispatch that failed at once.
const RULE: refused::Rule = refused::Rule {
    code: DIAGNOSIS.code,
    is_it,
    cause: |event| {
        format!(
            "the cluster{} has no host that could be called now, or the host forbids the plugin \
             this hostcall",
            match event.lacks_text() {
                true => String::new(),
                false => format!(" {:?}", event.text_lossy()),
            }
        )
    },
    heals: |_| true,
    healed: "it had no host that could be called only for a time",
    advice: ADVICE,
};

fn is_it(event: &Event) -> bool {
    event.is_dispatch() && Status::from_number(event.result) == Status::InternalFailure
}

const ADVICE: &[Advice] = &[
    Advice::any(
        "Look at the status of every dispatch: when it is not 0 continue or answer in the same phase, \
         since no callback will.",
        "检查每次发起调用的返回状态：不为 0 时，要在同一阶段继续或应答，因为不会有回调来做这件事。",
    ),
    Advice::on(
        Host::Higress,
        "On Higress look at the service's endpoints (the console's service list, or the McpBridge it \
         comes from): none of them is healthy, or the service has none.",
        "在 Higress 上，检查服务的端点（控制台的服务列表，或它所来自的 McpBridge）：要么没有一个是\
         健康的，要么这个服务根本没有端点。",
    ),
    Advice::on(
        Host::Envoy,
        "On stock Envoy admin /clusters shows the cluster's hosts and their health flags, and its \
         circuit breakers; a capability restriction shows as an error in the log.",
        "在原版 Envoy 上，管理接口 /clusters 会显示集群的主机及其健康标志，以及熔断器；能力限制\
         （capability restriction）会在日志中显示为错误。",
    ),
];

const EXAMPLE: &str = r#"
0.000000 #11 create 2 root 1
0.000113 #13 request_headers 2 n=10 end -> continue
0.000120 #12   dispatch http "down" headers=60 pseudo=7 timeout=5s -> internal_failure
0.005114 #14 response_headers 2 n=5 -> continue
0.006020 #15 log 2
0.006031 #16 done 2
0.006040 #17 delete 2
"#;

const NEAR_MISSES: &[NearMiss] = &[
    NearMiss {
        because: "an unknown cluster is a wrong argument (status 2)",
        script: r#"
0.000000 #11 create 2 root 1
0.000113 #13 request_headers 2 n=10 end -> continue
0.000120 #12   dispatch http "nowhere" headers=60 pseudo=7 timeout=5s -> bad_argument
"#,
    },
    NearMiss {
        because: "the dispatch was accepted and failed later, with a callback",
        script: r#"
0.000000 #11 create 2 root 1
0.000113 #13 request_headers 2 n=10 end -> pause
0.000120 #12   dispatch http "down" headers=60 pseudo=7 timeout=5s -> ok call 4
0.002377 #16 http_call_response root 1 call 4 headers=3 body=91 code=503 failure=2
0.002380 #14   set_effective_context context=2 -> ok
0.002381 #15   continue_stream request -> ok
"#,
    },
    NearMiss {
        because: "another hostcall failed, not a dispatch",
        script: r#"
0.000000 #11 create 2 root 1
0.000113 #13 request_headers 2 n=10 end -> continue
0.000120 #12   set_shared_data "key" -> internal_failure
"#,
    },
];

const EXPLANATION: &str = r#"## What you see

A call never leaves. The SDK reports "internal failure", or the plugin ignores the error, returns Pause and
the request hangs.

## Why it happens

The host knows the cluster and the arguments are right, but there is no host in it that could be called now:
none is healthy, the circuit breaker is open, or the cluster is empty. The call fails inside the hostcall
with status 10, so there is no call id and no response callback. (A gRPC dispatch may be followed by a stray
`grpc_close` for a call id that was never given out.)

A host that restricts a plugin's capabilities answers the same status for a hostcall it forbids, and logs an
error each time.

## How to be sure

The dispatch's status is 10. A later dispatch to the same cluster that was accepted shows that it was only
for a time.

## What to do

Act on the status in the same phase: continue (fail open) or answer (fail closed). On Higress:

```go
if err := config.client.Get("/check", nil, onAnswer); err != nil {
	proxywasm.SendHttpResponse(503, nil, []byte("check unavailable"), -1)
	return types.ActionPause // answered; no callback will come
}
return types.HeaderStopAllIterationAndWatermark
```

On stock Envoy:

```rust
match self.dispatch_http_call("check", headers, None, vec![], Duration::from_secs(2)) {
    Ok(_) => Action::Pause,
    Err(_) => {
        self.send_http_response(503, vec![], Some(b"check unavailable"));
        Action::Pause
    }
}
```

Then look at the cluster: its health checks, its endpoints, its circuit breakers.

## What this cannot see

Which of these reasons it was: the host gives one status for all of them.
"#;
