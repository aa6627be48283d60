//! The client went away, or a timeout of the host struck, while the stream was held for a call.

use abi::{Callback, Direction, Host, Kind};

use super::resumed_with_calls_outstanding as resumed;
use super::{
    headers_forwarded_before_body_call as forwarded, released_by_body_continue as released,
};
use super::{kinds, phrases};
use crate::calls::{Call, Outcome};
use crate::diagnose::{Diagnosis, NearMiss};
use crate::event::Event;
use crate::finding::{Advice, Evidence, Finding, Severity, Subject, Verdict};
use crate::of_a_log;
use crate::story::{Ending, Story, span, timeout};

/// See the head of this file.
pub const DIAGNOSIS: Diagnosis = Diagnosis {
    code: "client-gone-while-waiting",
    title: "The client left, or a timeout of the host struck, while the stream waited for a call",
    title_zh: "流还在等待调用时，客户端离开了，或宿主的超时触发了",
    severity: Severity::Lost,
    is_fact: false,
    explanation: EXPLANATION,
    explanation_zh: include_str!("client-gone-while-waiting.zh-CN.md"),
    known_from: &["higress-group/higress#3552", "Kuadrant/wasm-shim#425"],
    example: EXAMPLE,
    near_misses: NEAR_MISSES,
    overlaps: &["late-callback"],
    argues_from_absence: false,
    about_roots: false,
    unknown_in_log: Some(of_a_log::end_of_wait),
    triggers: &[Kind::Callback(Callback::Log), Kind::Callback(Callback::Delete)],
    judge,
};

fn judge(story: &Story<'_>) -> Vec<Verdict> {
    let Some(ended) = story.ended().filter(|_| story.ending().is_given_up()) else {
        return Vec::new();
    };
    story.calls().iter().filter_map(|call| waited(story, call, ended)).collect()
}

/// Another diagnosis names what kept the stream from waiting for the call in the first place.
fn is_explained(story: &Story<'_>, call: &Call) -> bool {
    forwarded::claims(story, call)
        || forwarded::left_with_all(story, call)
        || released::released(story, call).is_some()
        || resumed::resumed(story, call).is_some()
}

fn waited(story: &Story<'_>, call: &Call, ended: &Event) -> Option<Verdict> {
    let direction = story.is_awaited(call)?;
    let is_held = story.step_of(ended.sequence)?.before.of(direction).hold.is_held();
    if !is_held || !story.was_out(call, ended) || is_explained(story, call) {
        return None;
    }
    let held = match story.still_held(direction, Some(ended))? {
        Ok(held) => held,
        Err(gap) => return Some(Verdict::Unknown { gap }),
    };
    let dispatch = story.timeline.event(call.dispatch)?;
    let mut windows = vec![held.window.clone()];
    let callback = story.answer(call);
    if callback.is_none() {
        if let Some(gap) = story.gap(dispatch.sequence, Some(ended.sequence)) {
            return Some(Verdict::Unknown { gap });
        }
        let none = kinds::responses_to(call.kind);
        windows.push(story.window(dispatch.sequence, Some(ended.sequence), none));
    }
    let upgraded = upgraded(story, call);
    let clause = story.ending().clause(story);
    let waited = span(ended.at.since(dispatch.at));
    let headline = format!(
        "{} {waited} after {} had been dispatched, while the {} was held for it{}.",
        phrases::capital(&clause),
        phrases::call(call),
        direction.name(),
        match call.outcome {
            _ if upgraded.is_some() => ": so ends every upgraded connection that its client closes",
            Outcome::Late(_) => ": its response callback came when the stream was gone",
            _ => "",
        }
    );
    let mut details = vec![
        format!("The call was dispatched as #{} ({}).", dispatch.sequence, timeout(call)),
        format!("The stream ended with {}: {clause}.", phrases::event(ended)),
        match (direction, upgraded) {
            (_, Some(response)) => format!(
                "The connection had been upgraded ({}), and what was held is a part of what came over it \
                 since: whether the client still wanted it is not known.",
                phrases::event(response)
            ),
            (Direction::Request, None) => {
                "The end of a request that is held has not reached the upstream, so \
                                   the timeout of its route does not run."
                    .to_owned()
            }
            (Direction::Response, None) => "The response was held all that time.".to_owned(),
        },
    ];
    let late = callback.filter(|_| matches!(call.outcome, Outcome::Late(_)));
    if let Some(callback) = callback {
        details.push(format!(
            "The response callback came {} after the end ({}).",
            span(callback.at.since(ended.at)),
            phrases::event(callback)
        ));
    }
    let deleted = story.first(Callback::Delete).filter(|_| late.is_some());
    let severity = match (upgraded, late) {
        (Some(_), _) => Severity::Note,
        (None, Some(_)) => Severity::Lost,
        (None, None) => Severity::Failed,
    };
    let events = [Some(dispatch), Some(ended), deleted, callback, upgraded].into_iter().flatten();
    let events = events.map(|e| e.sequence).chain(held.cited());
    Some(Verdict::Found(Box::new(Finding {
        details,
        evidence: Evidence { events: phrases::cited(events), windows },
        advice: phrases::advice(story.timeline.dialect.host, ADVICE),
        ..Finding::cause(DIAGNOSIS.code, severity, Subject::Call(call.id), headline)
    })))
}

/// The response headers that had made a tunnel of the stream when a call was dispatched, if the client then
/// left it.
pub fn upgraded<'a>(story: &Story<'a>, call: &Call) -> Option<&'a Event> {
    let stream = &story.timeline.stream;
    let is_upgrade = match stream.response_code? {
        101 => true,
        200..=299 => stream.method == "CONNECT",
        _ => false,
    };
    let is_left = is_upgrade && story.ending() == Ending::ClientLeft;
    story.dispatch_step(call)?.before.response.forwarded_by.filter(|_| is_left)?;
    story.first(Callback::ResponseHeaders)
}

const ADVICE: &[Advice] = &[
    Advice::any(
        "Give the call a timeout well below the client's and the host's, and decide in its callback what \
         happens when it strikes.",
        "给调用设置一个远低于客户端和宿主的超时，并在它的回调中决定超时触发后怎么办。",
    ),
    Advice::on(
        Host::Higress,
        "On Higress the last argument of wasm-go's client is the timeout in milliseconds, 500 without it.",
        "在 Higress 上，wasm-go 客户端的最后一个参数是以毫秒为单位的超时，省略时为 500。",
    ),
    Advice::on(
        Host::Envoy,
        "On stock Envoy stream_idle_timeout (5 minutes unless set) and request_timeout of the connection \
         manager run while a plugin holds a request; the route's timeout does not.",
        "在原版 Envoy 上，插件扣住请求期间，连接管理器的 stream_idle_timeout（未设置时为 5 分钟）\
         和 request_timeout 都在计时；路由的超时不计时。",
    ),
];

const EXAMPLE: &str = r#"
response code 0 flags 0x4000 details "downstream_remote_disconnect"
known_until 3.000000
0.000000 #11 create 2 root 1
0.000113 #13 request_headers 2 n=10 end -> pause
0.000120 #12   dispatch http "slow" timeout=5s -> ok call 4
1.006020 #14 log 2
1.006031 #15 done 2
1.006040 #16 delete 2
2.002377 #17 http_call_response root 1 call 4 headers=3 body=2 code=200
"#;

const NEAR_MISSES: &[NearMiss] = &[
    NearMiss {
        because: "the call had been answered and the request resumed before the client left",
        script: r#"
response code 0 flags 0x4000 details "downstream_remote_disconnect"
0.000000 #11 create 2 root 1
0.000113 #13 request_headers 2 n=10 end -> pause
0.000120 #12   dispatch http "slow" timeout=5s -> ok call 4
0.202377 #16 http_call_response root 1 call 4 headers=3 body=2 code=200
0.202380 #14   set_effective_context context=2 -> ok
0.202381 #15   continue_stream request -> ok
1.006020 #17 log 2
1.006031 #18 done 2
1.006040 #19 delete 2
"#,
    },
    NearMiss {
        because: "nothing was held for the call when the client left",
        script: r#"
response code 0 flags 0x4000 details "downstream_remote_disconnect"
0.000000 #11 create 2 root 1
0.000113 #13 request_headers 2 n=10 end -> continue
0.000120 #12   dispatch http "audit" timeout=5s -> ok call 4
1.006020 #14 log 2
1.006031 #15 done 2
1.006040 #16 delete 2
2.002377 #17 http_call_response root 1 call 4 headers=3 body=2 code=200
"#,
    },
    NearMiss {
        because: "the host's answer to the timeout of a route was held, and over HTTP/2 it is not told who ended that",
        script: r#"
request "6f1f-0a2c" method "GET" path "/pay" protocol "HTTP/2"
response code 504 flags 0x4 details "response_timeout"
0.000000 #11 create 2 root 1
0.000113 #12 request_headers 2 n=10 end -> continue
0.500020 #14 response_headers 2 n=3 -> pause
0.500031 #13   dispatch http "page" timeout=5s -> ok call 4
1.006020 #15 log 2
1.006031 #16 done 2
1.006040 #17 delete 2
2.002377 #18 http_call_response root 1 call 4 headers=3 body=2 code=200
"#,
    },
    NearMiss {
        because: "a body phase had let the request go: that is the cause",
        script: r#"
module abi 0.2.100 host higress
response code 0 flags 0x4000 details "downstream_remote_disconnect"
0.000000 #11 create 2 root 1
0.000113 #13 request_headers 2 n=10 -> pause
0.000120 #12   dispatch http "slow" timeout=5s -> ok call 4
0.001870 #14 request_body 2 size=14 end -> continue
1.006020 #15 log 2
1.006031 #16 done 2
1.006040 #17 delete 2
2.002377 #18 http_call_response root 1 call 4 headers=3 body=2 code=200
"#,
    },
];

const EXPLANATION: &str = r#"## What you see

Requests end with code 0 and flag DC, or with 408 or 504 of the host, and the plugin's callback never runs.
The callee is slow, or answers at last when nobody asks any more.

## Why it happens

The plugin holds the stream for a call that takes longer than somebody else is willing to wait. A held
request has not reached the upstream, so the route's timeout does not run: only the client's patience, the
idle timeout and the request's overall timeout do. The end of the stream cancels no call; its callback comes
later, on the root context, and finds no stream.

## How to be sure

A phase stopped, its call had no response callback when `log` came, and the response code details say
`downstream_remote_disconnect`, `stream_idle_timeout`, `request_overall_timeout` or the like. It is lost if the
callback came after `delete`. A client that closes a WebSocket or a CONNECT tunnel ends it in just this way, so
there it is a note.

## What to do

Let the call's own timeout be the first that strikes, and decide in its callback. On Higress:

```go
config.client.Get("/auth", nil, func(code int, _ http.Header, _ []byte) {
	if code != 200 {
		proxywasm.SendHttpResponse(503, nil, nil, -1)
		return
	}
	proxywasm.ResumeHttpRequest()
}, 500) // milliseconds
```

On stock Envoy:

```rust
self.dispatch_http_call("auth", headers, None, vec![], Duration::from_millis(500))?;
```

## What this cannot see

Why the client left: it may have had a timeout of a few milliseconds. Compare the time that it waited with
what it allows itself.
"#;
