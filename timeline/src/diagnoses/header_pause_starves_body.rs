//! The headers phase stopped and waits for a body that the host then holds back.

use abi::{AbiVersion, Direction, Host};

use super::kinds;
use super::stuck::{self, Stuck, Told};
use crate::diagnose::{Diagnosis, NearMiss};
use crate::finding::{Advice, Severity, Verdict};
use crate::hold::Hold;
use crate::of_a_log;
use crate::story::Story;

/// See the head of this file.
pub const DIAGNOSIS: Diagnosis = Diagnosis {
    code: "header-pause-starves-body",
    title: "The headers are held in a way that keeps the body phase from being called",
    title_zh: "头部被扣住的方式，使请求体（或响应体）阶段不会被调用",
    severity: Severity::Hung,
    is_fact: false,
    explanation: EXPLANATION,
    explanation_zh: include_str!("header-pause-starves-body.zh-CN.md"),
    known_from: &[
        "istio/istio#30213",
        "proxy-wasm/proxy-wasm-cpp-host#143",
        "proxy-wasm/proxy-wasm-cpp-host#367",
        "proxy-wasm/proxy-wasm-cpp-host#417",
        "tetratelabs/proxy-wasm-go-sdk#138",
        "tetratelabs/proxy-wasm-go-sdk#367",
        "envoyproxy/envoy#30607",
    ],
    example: EXAMPLE,
    near_misses: NEAR_MISSES,
    overlaps: &[],
    argues_from_absence: true,
    about_roots: false,
    unknown_in_log: Some(of_a_log::exports),
    triggers: kinds::PHASES,
    judge,
};

fn judge(story: &Story<'_>) -> Vec<Verdict> {
    let starved = |stuck: &Stuck<'_>| {
        stuck.is_in_headers() && !stuck.half.ended && stuck.is_all_held() && !stuck.replied
    };
    let waits_for_body = |stuck: &Stuck<'_>| exports_body(story, stuck.direction);
    let stuck =
        stuck::all(story).into_iter().filter(|stuck| starved(stuck) && waits_for_body(stuck));
    let without_call = stuck.filter(|stuck| stuck.has_nothing_out(story));
    without_call
        .filter_map(|stuck| stuck.judge(story, kinds::DISPATCHES, told(story, &stuck)))
        .collect()
}

/// Has the plugin a phase for the body? A module that is not known has one.
fn exports_body(story: &Story<'_>, direction: Direction) -> bool {
    let module = &story.timeline.module;
    module.callbacks == 0 || module.exports(direction.body())
}

fn told(story: &Story<'_>, stuck: &Stuck<'_>) -> Told {
    let is_known = stuck.half.hold == Hold::All;
    // 1 may be returned in the hope of the body; who returns 3 or 4 asks for everything to be held.
    let is_asked = stuck.phase.result != 1;
    let why = match is_known {
        true if is_asked => {
            "that holds everything, and no call of the stream is out: a body that the plugin waits for \
             will not come"
        }
        true => {
            "the host calls no body phase meanwhile: the plugin waits for a body that will not come"
        }
        false => {
            "if this host holds everything on that answer, the plugin waits for a body that will not \
             come"
        }
    };
    let detail = match is_known {
        true => {
            "This host takes the answer as StopAllIteration: the body is kept back until a resume."
        }
        false => {
            "If the host was told allow_on_headers_stop_iteration, or is Higress with a module of ABI \
             0.2.100, the body phase is called as soon as a part of the body comes."
        }
    };
    let mut details = vec![
        "Nothing followed the headers (the end of the stream was not in them), and no call was \
         dispatched whose callback could resume."
            .to_owned(),
        detail.to_owned(),
    ];
    let is_for_another = story.timeline.module.abi == Some(AbiVersion::V0_2_100);
    if is_known && is_for_another && stuck.phase.result == 1 {
        details.push(
            "The module is built for ABI 0.2.100, where the same answer holds the headers alone: see \
             host-dialect-mismatch."
                .to_owned(),
        );
    }
    Told { code: DIAGNOSIS.code, why: why.to_owned(), details, events: Vec::new(), advice: ADVICE }
}

const ADVICE: &[Advice] = &[
    Advice::any(
        "Do not hold the headers with Pause in the hope of the body, unless the host is known to call the body phase all the same.",
        "不要为了等请求体（或响应体）而用 Pause 扣住头部，除非已知宿主仍会调用请求体（或响应体）阶\
         段。",
    ),
    Advice::on(
        Host::Higress,
        "On Higress return types.HeaderStopIteration from the headers phase, with a module of ABI 0.2.100: then the body phase is called while the headers are held.",
        "在 Higress 上，使用 ABI 0.2.100 的模块，并在头部阶段返回 types.HeaderStopIteration：这样\
         在头部被扣住期间，请求体（或响应体）阶段会被调用。",
    ),
    Advice::on(
        Host::Envoy,
        "On stock Envoy 1.35 or later set allow_on_headers_stop_iteration: true in the plugin configuration; on an older one decide in the headers phase.",
        "在原版 Envoy 1.35 及以上，在插件配置中设置 allow_on_headers_stop_iteration: true；在更旧\
         的版本上，请在头部阶段做决定。",
    ),
];

const EXAMPLE: &str = r#"
module abi 0.2.1 host higress
known_until 3.000000
0.000000 #11 create 2 root 1
0.000113 #12 request_headers 2 n=10 -> pause
"#;

const NEAR_MISSES: &[NearMiss] = &[
    NearMiss {
        because: "the host calls the body phase while the headers are held",
        script: r#"
module abi 0.2.100 host higress
known_until 3.000000
0.000000 #11 create 2 root 1
0.000113 #12 request_headers 2 n=10 -> pause
"#,
    },
    NearMiss {
        because: "the plugin waits for a call",
        script: r#"
module abi 0.2.1 host higress
known_until 0.500000
0.000000 #11 create 2 root 1
0.000113 #13 request_headers 2 n=10 -> pause
0.000120 #12   dispatch http "auth" timeout=5s -> ok call 4
"#,
    },
    NearMiss {
        because: "a tick resumed it",
        script: r#"
module abi 0.2.1 host higress
known_until 3.000000
0.000000 #11 create 2 root 1
0.000113 #12 request_headers 2 n=10 -> pause
0.900000 #15 tick root 1
0.900010 #13   set_effective_context context=2 -> ok
0.900020 #14   continue_stream request -> ok
"#,
    },
    NearMiss {
        because: "the request has no body to wait for",
        script: r#"
module abi 0.2.1 host higress
known_until 3.000000
0.000000 #11 create 2 root 1
0.000113 #12 request_headers 2 n=10 end -> pause
"#,
    },
];

const EXPLANATION: &str = r#"## What you see

Every request with a body hangs until the client gives up or an idle timeout of the host strikes. Requests
without a body work.

## Why it happens

The plugin wants to see the body before it decides, so its headers phase returns Pause. Number 1 from a
headers phase is StopIteration only for a host that takes it so (Higress with a module of ABI 0.2.100, or
Envoy with `allow_on_headers_stop_iteration: true`). For all others it is StopAllIteration: the host keeps the
body back too, no body phase is called, and the plugin waits for ever for what it holds back itself.

## How to be sure

The headers phase stopped, the end of the stream was not in the headers, no call was out, and for a
second neither a body phase nor a resume came. Where the host's rule is not known the finding says "if".

## What to do

On Higress:

```go
func onHttpRequestHeaders(ctx wrapper.HttpContext, config Config) types.Action {
	if !ctx.HasRequestBody() {
		return decide(ctx, config) // nothing else will be called
	}
	return types.HeaderStopIteration // held, and the body phase is called
}
```

On stock Envoy 1.35 or later, with `allow_on_headers_stop_iteration: true` in the plugin configuration:

```rust
fn on_http_request_headers(&mut self, _: usize, end_of_stream: bool) -> Action {
    if end_of_stream {
        return self.decide(); // nothing else will be called
    }
    Action::Pause // with allow_on_headers_stop_iteration: true the body phase is called
}
```

On an older Envoy the headers cannot be held for the sake of the body: decide by the headers, or use
ext_proc.

## What this cannot see

A resume that the plugin plans from a timer or a queue, and a client that is slow to send its body. If a
resume or the body comes, the finding is withdrawn.
"#;
