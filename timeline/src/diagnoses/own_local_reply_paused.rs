//! The plugin answered the request and then stopped its own answer.

use abi::{Direction, Host};

use super::stuck::{self, Stuck, Told};
use super::{kinds, phrases};
use crate::calls::Outcome;
use crate::diagnose::{Diagnosis, NearMiss};
use crate::finding::{Advice, Severity, Verdict};
use crate::hold::hostcalls_on;
use crate::story::Story;

/// See the head of this file.
pub const DIAGNOSIS: Diagnosis = Diagnosis {
    code: "own-local-reply-paused",
    title: "The plugin stopped its own local response",
    title_zh: "插件停住了自己的本地应答",
    severity: Severity::Hung,
    is_fact: false,
    explanation: EXPLANATION,
    explanation_zh: include_str!("own-local-reply-paused.zh-CN.md"),
    known_from: &[
        "higress-group/higress#3240",
        "Kuadrant/wasm-shim#371",
        "corazawaf/coraza-proxy-wasm#172",
    ],
    example: EXAMPLE,
    near_misses: NEAR_MISSES,
    overlaps: &[],
    argues_from_absence: true,
    about_roots: false,
    unknown_in_log: None,
    triggers: kinds::REPLIES,
    judge,
};

fn judge(story: &Story<'_>) -> Vec<Verdict> {
    // A call that the response waits for will bring the plugin back.
    if story.calls().iter().any(|call| call.outcome == Outcome::Pending) {
        return Vec::new();
    }
    let own = |stuck: &Stuck<'_>| stuck.direction == Direction::Response && stuck.replied;
    let stuck = stuck::all(story).into_iter().filter(own);
    stuck.filter_map(|stuck| stuck.judge(story, &[], told(story, &stuck)?)).collect()
}

fn told(story: &Story<'_>, stuck: &Stuck<'_>) -> Option<Told> {
    let reply = story.reply()?;
    let mut details =
        vec![format!("The plugin had answered the request itself ({}).", phrases::event(reply))];
    let mut events = vec![reply.sequence];
    let own = hostcalls_on(story.timeline.context, story.hostcalls_in(stuck.phase));
    let mut again = own.filter(|e| e.is_reply() && e.sequence != reply.sequence);
    let why = if let Some(again) = again.next() {
        events.push(again.sequence);
        details.push(format!(
            "In the response phase that followed it answered once more ({}). The host drops that \
             answer with status 0, and stops the phase all the same, whatever the phase returned.",
            phrases::event(again)
        ));
        "a second answer, which the host dropped, stopped the first"
    } else {
        details.push(
            "A local response runs through the plugin's own response phases, and one of them stopped \
             it."
            .to_owned(),
        );
        "it is the plugin's own answer that it holds"
    };
    Some(Told { code: DIAGNOSIS.code, why: why.to_owned(), details, events, advice: ADVICE })
}

const ADVICE: &[Advice] = &[
    Advice::any(
        "Remember in the stream that it was answered, and return Continue from the response phases then, without another answer.",
        "在流中记住它已经被应答过，此后在响应的各阶段返回 Continue，不再应答一次。",
    ),
    Advice::on(
        Host::Higress,
        "With wasm-go set a value with ctx.SetContext when the plugin answers, and look at it first in the response handlers.",
        "使用 wasm-go 时，插件应答时用 ctx.SetContext 设置一个值，并在响应处理函数中首先检查它。",
    ),
    Advice::on(
        Host::Envoy,
        "With the proxy-wasm crate keep a flag in the stream context, and look at it first in on_http_response_headers and on_http_response_body.",
        "使用 proxy-wasm crate 时，在流上下文中保存一个标志，并在 on_http_response_headers 和 \
         on_http_response_body 中首先检查它。",
    ),
];

const EXAMPLE: &str = r#"
module abi 0.2.1 host envoy
known_until 3.000000
0.000000 #11 create 2 root 1
0.000113 #13 request_headers 2 n=10 end -> pause
0.000120 #12   send_local_response status=403 -> ok
0.000140 #14 response_headers 2 n=3 -> pause
"#;

const NEAR_MISSES: &[NearMiss] = &[
    NearMiss {
        because: "its response phases went on",
        script: r#"
module abi 0.2.1 host envoy
known_until 3.000000
0.000000 #11 create 2 root 1
0.000113 #13 request_headers 2 n=10 end -> pause
0.000120 #12   send_local_response status=403 -> ok
0.000140 #14 response_headers 2 n=3 -> continue
0.000150 #15 response_body 2 size=9 end -> continue
"#,
    },
    NearMiss {
        because: "the response is that of the upstream",
        script: r#"
module abi 0.2.1 host envoy
known_until 3.000000
0.000000 #11 create 2 root 1
0.000113 #12 request_headers 2 n=10 end -> continue
0.000140 #13 response_headers 2 n=3 -> pause
"#,
    },
    NearMiss {
        because: "a call of the response phase is under way",
        script: r#"
module abi 0.2.1 host envoy
known_until 3.000000
0.000000 #11 create 2 root 1
0.000113 #13 request_headers 2 n=10 end -> pause
0.000120 #12   send_local_response status=403 -> ok
0.000140 #15 response_headers 2 n=3 -> pause
0.000150 #14   dispatch http "audit" timeout=5s -> ok call 4
"#,
    },
];

const EXPLANATION: &str = r#"## What you see

The plugin denies a request with a local response, and instead of the answer the client gets nothing until it
gives up.

## Why it happens

A local response is a response like any other: it runs through the response phases of the plugins, the one
that sent it included. This plugin's response phase stops every response, for example to gather the body, and
so it stops its own. Nothing will resume it.

A response phase that answers once more does the same, whatever it returns: Envoy 1.24 to 1.32, and Higress
(by its source, not run on Higress), drop the second answer, say status 0, and stop the phase as after any
answer. Newer Envoys send one of the two.

## How to be sure

`send_local_response` was accepted, a response phase of the same stream stopped after it, no call is out, and
for a second no resume of the response came.

## What to do

Let the plugin's own answers pass. On Higress:

```go
func onHttpResponseHeaders(ctx wrapper.HttpContext, config Config) types.Action {
	if ctx.GetContext("answered") != nil {
		return types.ActionContinue
	}
	return types.HeaderStopIteration
}
```

On stock Envoy:

```rust
fn on_http_response_headers(&mut self, _: usize, _: bool) -> Action {
    if self.answered {
        return Action::Continue;
    }
    Action::Pause
}
```

## What this cannot see

A resume that the plugin plans from a timer or a queue. If one comes, the finding is withdrawn.
"#;

#[cfg(test)]
mod tests {
    use crate::script;

    /// Codes and headlines of an answer whose response phase did this.
    fn told(phase: &str) -> Vec<(String, String)> {
        let text = format!(
            "module abi 0.2.100 host higress
            known_until 3.0
            0.1 #1 create 2 root 1
            0.1 #3 request_headers 2 n=10 end -> continue
            0.1 #2   send_local_response status=403 -> ok
            {phase}"
        );
        let timeline = script::parse(&text).expect("a script");
        timeline.findings.into_iter().map(|f| (f.code, f.headline)).collect()
    }

    #[test]
    fn a_second_answer_in_a_response_phase_stops_the_first_whatever_the_phase_returned() {
        let found = told(
            "0.2 #5 response_headers 2 n=3 -> continue
            0.2 #4   send_local_response status=500 -> ok",
        );
        assert_eq!(found[0].0, "own-local-reply-paused");
        assert_eq!(
            found[0].1,
            "The response has been held in response_headers for 2800 ms, and a second answer, which the host \
             dropped, stopped the first."
        );
        assert_eq!(found[1].0, "duplicate-completion");
        assert!(told("0.2 #4 response_headers 2 n=3 -> continue").is_empty());
    }
}
