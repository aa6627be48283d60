//! The headers phase stopped although nothing follows the headers.

use abi::Host;

use super::kinds;
use super::stuck::{self, Stuck, Told};
use crate::diagnose::{Diagnosis, NearMiss};
use crate::finding::{Advice, Severity, Verdict};
use crate::story::Story;

/// See the head of this file.
pub const DIAGNOSIS: Diagnosis = Diagnosis {
    code: "waiting-for-body-that-cannot-come",
    title: "The plugin waits for a body, and the headers were all there is",
    title_zh: "插件在等待请求体（或响应体），而头部就是全部内容",
    severity: Severity::Hung,
    is_fact: false,
    explanation: EXPLANATION,
    explanation_zh: include_str!("waiting-for-body-that-cannot-come.zh-CN.md"),
    known_from: &["higress-group/higress#1428", "higress-group/higress#4024"],
    example: EXAMPLE,
    near_misses: NEAR_MISSES,
    overlaps: &[],
    argues_from_absence: true,
    about_roots: false,
    unknown_in_log: None,
    triggers: kinds::PHASES,
    judge,
};

fn judge(story: &Story<'_>) -> Vec<Verdict> {
    let waits = |stuck: &Stuck<'_>| stuck.is_in_headers() && stuck.half.ended && !stuck.replied;
    let stuck = stuck::all(story).into_iter().filter(waits);
    let without_call = stuck.filter(|stuck| stuck.has_nothing_out(story));
    without_call.filter_map(|stuck| stuck.judge(story, kinds::DISPATCHES, told())).collect()
}

fn told() -> Told {
    Told {
        code: DIAGNOSIS.code,
        why: "nothing follows the headers, so no phase will be called that could let it go"
            .to_owned(),
        details: vec![
            "The end of the stream was in the headers: there is no body and there are no trailers."
                .to_owned(),
            "No call is out whose callback could resume.".to_owned(),
        ],
        events: Vec::new(),
        advice: ADVICE,
    }
}

const ADVICE: &[Advice] = &[
    Advice::any(
        "Look at end_of_stream in the headers phase, and decide there when it is set.",
        "在头部阶段检查 end_of_stream，如果已设置，就在那里做决定。",
    ),
    Advice::on(
        Host::Higress,
        "With wasm-go ask ctx.HasRequestBody() in the headers handler: the body handler is not called for a request without a body.",
        "使用 wasm-go 时，在头部处理函数中询问 ctx.HasRequestBody()：没有请求体的请求，不会调用请\
         求体处理函数。",
    ),
    Advice::on(
        Host::Envoy,
        "With the proxy-wasm crate the second argument of on_http_request_headers is end_of_stream.",
        "使用 proxy-wasm crate 时，on_http_request_headers 的第二个参数就是 end_of_stream。",
    ),
];

const EXAMPLE: &str = r#"
known_until 3.000000
0.000000 #11 create 2 root 1
0.000113 #12 request_headers 2 n=10 end -> pause
"#;

const NEAR_MISSES: &[NearMiss] = &[
    NearMiss {
        because: "the plugin waits for a call",
        script: r#"
known_until 0.500000
0.000000 #11 create 2 root 1
0.000113 #13 request_headers 2 n=10 end -> pause
0.000120 #12   dispatch http "auth" timeout=5s -> ok call 4
"#,
    },
    NearMiss {
        because: "the plugin answered",
        script: r#"
known_until 3.000000
0.000000 #11 create 2 root 1
0.000113 #13 request_headers 2 n=10 end -> pause
0.000120 #12   send_local_response status=403 -> ok
"#,
    },
    NearMiss {
        because: "the stream ended within the second",
        script: r#"
known_until 3.000000
0.000000 #11 create 2 root 1
0.000113 #12 request_headers 2 n=10 end -> pause
0.500000 #13 log 2
0.500010 #14 done 2
0.500020 #15 delete 2
"#,
    },
];

const EXPLANATION: &str = r#"## What you see

Requests without a body (GET, or a response to HEAD) hang; those with a body work.

## Why it happens

The headers phase returned Pause to wait for the body, and the body phase decides. A stream whose headers
carry the end of the stream has no body: neither the body phase nor the trailers phase is called, so nothing
will ever decide.

## How to be sure

The headers phase was called with `end_of_stream`, it stopped, no call was out, and for a second
nothing let it go.

## What to do

Decide in the headers phase when it is the last one. On Higress:

```go
func onHttpRequestHeaders(ctx wrapper.HttpContext, config Config) types.Action {
	if !ctx.HasRequestBody() {
		return decide(ctx, config) // nothing else will be called
	}
	return types.HeaderStopIteration // held, and the body phase is called
}
```

On stock Envoy:

```rust
fn on_http_request_headers(&mut self, _: usize, end_of_stream: bool) -> Action {
    if end_of_stream {
        return self.decide(); // nothing else will be called
    }
    Action::Pause // with allow_on_headers_stop_iteration: true the body phase is called
}
```

## What this cannot see

A resume that the plugin plans from a timer or a queue. If one comes, the finding is withdrawn.
"#;
