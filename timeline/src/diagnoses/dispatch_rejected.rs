//! The host refused a dispatch because of its arguments, so no callback follows.

use abi::{Host, Hostcall, Kind, Status, pseudo};

use super::{kinds, refused};
use crate::diagnose::{Diagnosis, NearMiss};
use crate::event::{Event, Marks};
use crate::finding::{Advice, Severity};

/// See the head of this file.
pub const DIAGNOSIS: Diagnosis = Diagnosis {
    code: "dispatch-rejected",
    title: "The host refused a dispatch: no callback follows",
    title_zh: "宿主拒绝发起调用：不会有回调",
    severity: Severity::Failed,
    is_fact: false,
    explanation: EXPLANATION,
    explanation_zh: include_str!("dispatch-rejected.zh-CN.md"),
    known_from: &[
        "tetratelabs/proxy-wasm-go-sdk#345",
        "proxy-wasm/proxy-wasm-rust-sdk#8",
        "proxy-wasm/proxy-wasm-rust-sdk#172",
        "higress-group/higress#697",
        "higress-group/higress#1376",
        "higress-group/higress#1661",
        "istio/istio#53612",
        "envoyproxy/envoy-wasm#634",
        "apache/apisix#9887",
        "Kong/ngx_wasm_module#563",
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

fn is_rejected(event: &Event) -> bool {
    let status = Status::from_number(event.result);
    match event.kind {
        Kind::Hostcall(hostcall) if hostcall.is_dispatch() && is_unknown(event) => true,
        Kind::Hostcall(Hostcall::HttpCall | Hostcall::RedisCall) => status == Status::BadArgument,
        Kind::Hostcall(Hostcall::GrpcCall | Hostcall::GrpcStream) => {
            matches!(status, Status::BadArgument | Status::ParseFailure)
        }
        _ => false,
    }
}

/// Does the host have no such calls at all?
fn is_unknown(event: &Event) -> bool {
    Status::from_number(event.result) == Status::Unimplemented
}

/// Pseudo headers that an HTTP dispatch lacks.
fn missing_pseudo_headers(event: &Event) -> Vec<&'static str> {
    let is_http = event.kind == Kind::Hostcall(Hostcall::HttpCall);
    [(pseudo::METHOD, ":method"), (pseudo::PATH, ":path"), (pseudo::AUTHORITY, ":authority")]
        .into_iter()
        .filter(|(bit, _)| is_http && event.arg(1) & bit == 0)
        .map(|(_, name)| name)
        .collect()
}

/// Why the host refused it, a clause.
fn cause(event: &Event) -> String {
    if is_unknown(event) {
        return "this host has no calls of this kind".to_owned();
    }
    if event.marks.has(Marks::BAD_POINTER) {
        return "an argument lies outside the plugin's memory".to_owned();
    }
    let missing = missing_pseudo_headers(event);
    if !missing.is_empty() {
        return format!("its headers lack {}", missing.join(" and "));
    }
    if event.arg(4) > i32::MAX as u32 {
        return "its timeout is negative".to_owned();
    }
    match event.kind {
        _ if event.lacks_text() => {
            "the host knows no cluster of that name, or its headers lack what a call needs (neither was \
             recorded)"
                .to_owned()
        }
        Kind::Hostcall(Hostcall::GrpcCall | Hostcall::GrpcStream) => format!(
            "the host knows no cluster {:?}, or cannot read it as a gRPC service",
            event.text_lossy()
        ),
        _ => format!("the host knows no cluster {:?}", event.text_lossy()),
    }
}

/// Is there nothing wrong with it but the cluster?
fn only_the_cluster(event: &Event) -> bool {
    !event.marks.has(Marks::BAD_POINTER)
        && !is_unknown(event)
        && missing_pseudo_headers(event).is_empty()
        && event.arg(4) <= i32::MAX as u32
}

/// What is told of a dispatch whose arguments were refused.
const RULE: refused::Rule = refused::Rule {
    code: DIAGNOSIS.code,
    is_it: is_rejected,
    cause,
    heals: only_the_cluster,
    healed: "the cluster had not been delivered to this worker before",
    advice: ADVICE,
};

const ADVICE: &[Advice] = &[
    Advice::any(
        "Look at the status of every dispatch: when it is not 0 continue or answer in the same phase, \
         since no callback will.",
        "检查每次发起调用的返回状态：不为 0 时，要在同一阶段继续或应答，因为不会有回调来做这件事。",
    ),
    Advice::on(
        Host::Higress,
        "On Higress a cluster is named like outbound|80||name.static or outbound|443||host.dns, and \
         with onlyPushRouteCluster (the default) only services that some route uses are known to the \
         gateway.",
        "在 Higress 上，集群的名字形如 outbound|80||name.static 或 outbound|443||host.dns；\
         onlyPushRouteCluster 开启时（默认如此），网关只知道有路由使用的服务。",
    ),
    Advice::on(
        Host::Envoy,
        "On stock Envoy the name is that of a cluster in the configuration (admin /clusters lists \
         them), and the headers must hold :method, :path and :authority.",
        "在原版 Envoy 上，名字是配置中的集群名（管理接口 /clusters 会列出它们），并且头部必须包含 \
         :method、:path 和 :authority。",
    ),
];

const EXAMPLE: &str = r#"
0.000000 #11 create 2 root 1
0.000113 #13 request_headers 2 n=10 end -> continue
0.000120 #12   dispatch http "nowhere" headers=60 pseudo=7 timeout=5s -> bad_argument
0.005114 #14 response_headers 2 n=5 -> continue
0.006020 #15 log 2
0.006031 #16 done 2
0.006040 #17 delete 2
"#;

const NEAR_MISSES: &[NearMiss] = &[
    NearMiss {
        because: "the dispatch was accepted",
        script: r#"
0.000000 #11 create 2 root 1
0.000113 #13 request_headers 2 n=10 end -> pause
0.000120 #12   dispatch http "slow" headers=60 pseudo=7 timeout=5s -> ok call 4
"#,
    },
    NearMiss {
        because: "no healthy host is not a wrong argument (status 10)",
        script: r#"
0.000000 #11 create 2 root 1
0.000113 #13 request_headers 2 n=10 end -> continue
0.000120 #12   dispatch http "down" headers=60 pseudo=7 timeout=5s -> internal_failure
"#,
    },
    NearMiss {
        because: "redis is there (Higress)",
        script: r#"
module abi 0.2.100 host higress
0.000000 #11 create 2 root 1
0.000113 #13 request_headers 2 n=10 end -> 4
0.000120 #12   dispatch redis "cache" query=14 -> ok call 7
"#,
    },
    NearMiss {
        because: "another hostcall was refused, not a dispatch",
        script: r#"
0.000000 #11 create 2 root 1
0.000113 #13 request_headers 2 n=10 end -> continue
0.000120 #12   get_header_map_value "x-key" map=3 -> bad_argument
"#,
    },
];

const EXPLANATION: &str = r#"## What you see

A call never leaves. The SDK reports "bad argument" (gRPC: also "parse failure"), or the plugin ignores the
error, returns Pause and the request hangs.

## Why it happens

The host checks a dispatch before it makes the call. It answers status 2 when it knows no cluster of that
name on this worker, when `:method`, `:path` or `:authority` is missing, when the timeout is negative, or
when the headers cannot be read; gRPC dispatches answer 4 as well. Status 12 says that the host has no such
calls at all: redis on any host but Higress. There is no call id then and there will be no response callback.

In the first seconds after a start or a push the cluster may not have been delivered yet.

## How to be sure

The dispatch's status is not 0. The recorder keeps the cluster's name as it was passed, which pseudo
headers were there, and the timeout, so the wrong argument is named.

## What to do

Act on the status in the same phase: continue (fail open) or answer (fail closed). Then mend the argument.
On Higress the cluster is named after the service (`outbound|80||name.static`), and by default the gateway
only knows services that some route uses:

```go
if err := config.client.Get("/check", nil, onAnswer); err != nil {
	proxywasm.LogErrorf("dispatch failed: %v", err)
	return types.ActionContinue // no callback will come
}
return types.HeaderStopAllIterationAndWatermark
```

On stock Envoy the name is a cluster's in the configuration, and the pseudo headers must be there:

```rust
let headers = vec![(":method", "GET"), (":path", "/check"), (":authority", "check")];
match self.dispatch_http_call("check", headers, None, vec![], Duration::from_secs(2)) {
    Ok(_) => Action::Pause,
    Err(_) => Action::Continue, // no callback will come
}
```

## What this cannot see

Which clusters the host knows, and whether a header of another name was badly encoded.
"#;
