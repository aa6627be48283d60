//! The plugin answered after the response had gone on to the client.

use abi::{Direction, Host, Hostcall, Kind};

use super::phrases;
use crate::diagnose::{Diagnosis, NearMiss};
use crate::finding::{Advice, Evidence, Finding, Severity, Subject, Verdict};
use crate::hold::hostcalls_on;
use crate::story::{Story, span};

/// See the head of this file.
pub const DIAGNOSIS: Diagnosis = Diagnosis {
    code: "local-reply-too-late",
    title: "The plugin sent a local response after the response headers had gone",
    title_zh: "响应头已经发走之后，插件才发送本地应答",
    severity: Severity::Failed,
    is_fact: false,
    explanation: EXPLANATION,
    explanation_zh: include_str!("local-reply-too-late.zh-CN.md"),
    known_from: &[
        "tetratelabs/proxy-wasm-go-sdk#364",
        "tetratelabs/proxy-wasm-go-sdk#367",
        "tetratelabs/proxy-wasm-go-sdk#390",
        "corazawaf/coraza-proxy-wasm#26",
        "istio/istio#27725",
    ],
    example: EXAMPLE,
    near_misses: NEAR_MISSES,
    overlaps: &[],
    argues_from_absence: false,
    about_roots: false,
    unknown_in_log: None,
    triggers: &[Kind::Hostcall(Hostcall::SendLocalResponse)],
    judge,
};

fn judge(story: &Story<'_>) -> Vec<Verdict> {
    too_late(story).into_iter().collect()
}

fn too_late(story: &Story<'_>) -> Option<Verdict> {
    let own = story.timeline.context;
    let late = story.steps.iter().find_map(|step| {
        let reply = hostcalls_on(own, story.hostcalls(step)).find(|e| e.is_reply())?;
        // After the end the callback is late, another matter; its own first reply makes a response.
        let gone = step.before.response.forwarded_by.filter(|_| step.before.replied.is_none())?;
        let is_over = story.ended().is_some_and(|end| end.order() < reply.order());
        (!is_over).then_some((step, reply, gone))
    });
    let (step, reply, gone) = late?;
    let gone = story.timeline.event(gone)?;
    // An earlier reply would have made the response itself.
    let begun = story.timeline.events.first()?;
    if let Some(gap) = story.gap(begun.sequence, Some(reply.sequence)) {
        return Some(Verdict::Unknown { gap });
    }
    let within = story.invocation(step);
    let name = within.map_or("an invocation that was not recorded", phrases::name);
    let sent = reply.arg(0);
    let got = story.timeline.stream.response_code.filter(|code| *code != 0);
    let (severity, end) = match got {
        // A later filter may have held the headers, and the local response took their place; or both had
        // that status.
        Some(code) if code == sent => {
            (Severity::Note, "it comes too late where no later filter holds them".to_owned())
        }
        Some(code) => (Severity::Failed, format!("the client got {code}")),
        None => (
            Severity::Failed,
            "the client has another status already, if no later filter holds them".to_owned(),
        ),
    };
    let headline = format!(
        "The plugin sent a local response ({sent}) in {name}, {} after it had let the response headers go: \
         {end}.",
        span(reply.at.since(gone.at))
    );
    let mut details = vec![
        format!("The response headers went on with {}.", phrases::event(gone)),
        format!("The local response was accepted (status 0) all the same (#{}).", reply.sequence),
        match severity {
            Severity::Note => format!(
                "The host says that the client got {sent}: by whom that status was sent, the plugin or the \
                 upstream, is not known."
            ),
            _ => "Once the headers are on their way to the client the host can only reset the stream, or \
                  drop the local response: neither tells the client of the decision."
                .to_owned(),
        },
    ];
    if let Some(code) = got.filter(|code| *code != sent) {
        details.push(format!("The host says that the client got {code}."));
    }
    let events = [Some(gone.sequence), Some(reply.sequence), within.map(|e| e.sequence)];
    Some(Verdict::Found(Box::new(Finding {
        details,
        evidence: Evidence {
            events: phrases::cited(events.into_iter().flatten()),
            windows: Vec::new(),
        },
        advice: phrases::advice(story.timeline.dialect.host, ADVICE),
        ..Finding::cause(
            DIAGNOSIS.code,
            severity,
            Subject::Direction(Direction::Response),
            headline,
        )
    })))
}

const ADVICE: &[Advice] = &[
    Advice::any(
        "Decide before the response headers go on: in the headers phase, or hold them there until the decision is made.",
        "在响应头放行之前做决定：在响应头阶段决定，或者在那里扣住它们，直到做出决定。",
    ),
    Advice::on(
        Host::Higress,
        "On Higress return types.HeaderStopIteration from the response headers handler while the body is looked at.",
        "在 Higress 上，检查响应体期间，在响应头处理函数中返回 types.HeaderStopIteration。",
    ),
    Advice::on(
        Host::Envoy,
        "On stock Envoy return Pause from the response headers phase, and Continue or a local response later.",
        "在原版 Envoy 上，从响应头阶段返回 Pause，之后再返回 Continue 或发送本地应答。",
    ),
];

const EXAMPLE: &str = r#"
0.000000 #11 create 2 root 1
0.000113 #12 request_headers 2 n=10 end -> continue
0.005114 #13 response_headers 2 n=5 -> continue
0.005603 #15 response_body 2 size=6 end -> pause
0.005610 #14   send_local_response status=502 -> ok
"#;

const NEAR_MISSES: &[NearMiss] = &[
    NearMiss {
        because: "the response headers are held until then",
        script: r#"
module abi 0.2.100 host higress
0.000000 #11 create 2 root 1
0.000113 #12 request_headers 2 n=10 end -> continue
0.005114 #13 response_headers 2 n=5 -> pause
0.005603 #15 response_body 2 size=6 end -> pause
0.005610 #14   send_local_response status=502 -> ok
"#,
    },
    NearMiss {
        because: "it answers in the headers phase itself",
        script: r#"
0.000000 #11 create 2 root 1
0.000113 #12 request_headers 2 n=10 end -> continue
0.005114 #14 response_headers 2 n=5 -> pause
0.005120 #13   send_local_response status=502 -> ok
"#,
    },
    NearMiss {
        because: "there was no response before its own",
        script: r#"
0.000000 #11 create 2 root 1
0.000113 #13 request_headers 2 n=10 end -> pause
0.000120 #12   send_local_response status=403 -> ok
0.000140 #14 response_headers 2 n=3 -> continue
0.000150 #15 response_body 2 size=9 end -> continue
"#,
    },
];

const EXPLANATION: &str = r#"## What you see

The plugin denies or replaces a response, the hostcall succeeds, and the client gets the upstream's status
with a body that breaks off, or the upstream's response untouched.

## Why it happens

Status and headers go to the client when the response headers phase lets them go. A local response sent later,
in the body phase or in the callback of a call made there, comes when there is nothing left to replace. The
host accepts the hostcall with status 0 and then resets the stream, or drops the response.

## How to be sure

A response headers phase of the stream answered Continue (or was resumed), and `send_local_response` comes
after it, while the stream is alive. The code that the host logs is not the plugin's; where it is the same it
is a note only, since a later filter may have held the headers until then.

## What to do

Hold the response headers until the decision is made. On Higress:

```go
func onHttpResponseHeaders(ctx wrapper.HttpContext, config Config) types.Action {
	return types.HeaderStopIteration // the body phase decides
}
```

On stock Envoy:

```rust
fn on_http_response_headers(&mut self, _: usize, end_of_stream: bool) -> Action {
    if end_of_stream { Action::Continue } else { Action::Pause }
}
```

## What this cannot see

What the client made of the part that it got.
"#;
