//! This plugin kept the request, and a recorded plugin behind it never ran: that is how a chain works.

use abi::{Callback, Direction, Host, Hostcall, Kind};

use super::phrases;
use crate::diagnose::{Diagnosis, NearMiss};
use crate::event::Event;
use crate::finding::{Advice, Evidence, Finding, Severity, Subject, Verdict};
use crate::story::Story;

/// See the head of this file.
pub const DIAGNOSIS: Diagnosis = Diagnosis {
    code: "filter-order-expectation",
    title: "A plugin behind this one never ran, because this one kept the request",
    title_zh: "排在这个插件之后的插件从未执行，因为请求被这个插件留住了",
    severity: Severity::Note,
    is_fact: false,
    explanation: EXPLANATION,
    explanation_zh: include_str!("filter-order-expectation.zh-CN.md"),
    known_from: &["higress-group/higress#3256", "tetratelabs/proxy-wasm-go-sdk#425"],
    example: EXAMPLE,
    near_misses: NEAR_MISSES,
    overlaps: &[],
    argues_from_absence: false,
    about_roots: false,
    unknown_in_log: None,
    triggers: &[Kind::Callback(Callback::RequestHeaders)],
    judge: |story| judge(story).into_iter().collect(),
};

fn judge(story: &Story<'_>) -> Option<Verdict> {
    let unreached = &story.timeline.unreached;
    if unreached.is_empty() {
        return None;
    }
    let end = story.ended()?;
    let state = story.state_before(Some(end))?;
    if state.request.forwarded_by.is_some() {
        return None;
    }
    let first = story.timeline.events.first()?;
    if let Some(gap) = story.gap(first.sequence, Some(end.sequence)) {
        return Some(Verdict::Unknown { gap });
    }
    let mut windows = Vec::new();
    let mut events = vec![end.sequence];
    let reply = state.replied.and_then(|reply| story.timeline.event(reply));
    let by = match reply {
        Some(reply) => reply,
        None => {
            let held = story.still_held(Direction::Request, Some(end))?.ok()?;
            events.extend(held.cited());
            windows.push(held.window);
            story.timeline.event(state.request.held_by?)?
        }
    };
    let names: Vec<String> = unreached.iter().map(|u| format!("{:?}", u.plugin)).collect();
    let names = names.join(" and ");
    let mut details = vec![how(reply, by, end)];
    details.extend(unreached.iter().map(|u| {
        format!(
            "Of {:?} the host told nothing but the request's end (timeline {}): it has no phase of it.",
            u.plugin, u.timeline
        )
    }));
    details.push(
        "A plugin that runs before this one in the chain would have had the request headers first."
            .to_owned(),
    );
    let what =
        if reply.is_some() { "answered the request itself" } else { "held the request to its end" };
    Some(Verdict::Found(Box::new(Finding {
        details,
        evidence: Evidence {
            events: phrases::cited(events.into_iter().chain([by.sequence])),
            windows,
        },
        advice: phrases::advice(story.timeline.dialect.host, ADVICE),
        timelines: unreached.iter().map(|u| u.timeline).collect(),
        ..Finding::cause(
            DIAGNOSIS.code,
            Severity::Note,
            Subject::Timeline,
            format!(
                "This plugin {what}, so {names} behind it in the chain never ran: that is to be expected."
            ),
        )
    })))
}

fn how(reply: Option<&Event>, by: &Event, end: &Event) -> String {
    match reply {
        Some(reply) => {
            debug_assert_eq!(reply.kind, Kind::Hostcall(Hostcall::SendLocalResponse));
            format!(
                "It sent a local response (#{}), which ends the way of a request.",
                reply.sequence
            )
        }
        None => format!(
            "It has held the request since {} and had not let it go when the stream ended with {}.",
            phrases::event(by),
            phrases::event(end)
        ),
    }
}

const ADVICE: &[Advice] = &[
    Advice::any(
        "Put a plugin that must see every request, as one that counts or logs, before those that \
         may answer, or let it work in on_log, which is called for all.",
        "必须看到每个请求的插件（例如做计数或日志的），要放在可能作答的插件之前，或者让它在 \
         on_log 中工作：on_log 对每个请求都会被调用。",
    ),
    Advice::on(
        Host::Higress,
        "On Higress phase and priority of the WasmPlugin decide: the higher priority runs first \
         within a phase.",
        "在 Higress 上，由 WasmPlugin 的 phase 和 priority 决定：同一 phase 中，priority 高的先执\
         行。",
    ),
    Advice::on(
        Host::Envoy,
        "On stock Envoy the order of http_filters is the order of the request phases; the \
         response phases run backwards.",
        "在原版 Envoy 上，http_filters 的顺序就是请求各阶段的顺序；响应的各阶段按相反的顺序执行。",
    ),
];

const EXAMPLE: &str = r#"
unreached 00000000000000000000000000000002 "counts"
0.000000 #11 create 2 root 1
0.000113 #13 request_headers 2 n=10 end -> pause
0.000120 #12   send_local_response status=403 -> ok
0.000500 #14 response_headers 2 n=3 -> continue
0.001020 #15 log 2
0.001031 #16 done 2
0.001040 #17 delete 2
"#;

const NEAR_MISSES: &[NearMiss] = &[
    NearMiss {
        because: "no recorded plugin behind it is known",
        script: r#"
0.000000 #11 create 2 root 1
0.000113 #13 request_headers 2 n=10 end -> pause
0.000120 #12   send_local_response status=403 -> ok
0.000500 #14 response_headers 2 n=3 -> continue
0.001020 #15 log 2
0.001031 #16 done 2
0.001040 #17 delete 2
"#,
    },
    NearMiss {
        because: "the headers had gone on, so it was not this plugin that kept them from the next",
        script: r#"
unreached 00000000000000000000000000000002 "counts"
0.000000 #11 create 2 root 1
0.000113 #12 request_headers 2 n=10 -> continue
0.001800 #14 request_body 2 size=7 end -> pause
0.001820 #13   send_local_response status=403 -> ok
0.002500 #15 response_headers 2 n=3 -> continue
0.003020 #16 log 2
0.003031 #17 done 2
0.003040 #18 delete 2
"#,
    },
    NearMiss {
        because: "the request has not ended: it may still be let go",
        script: r#"
unreached 00000000000000000000000000000002 "counts"
known_until 0.500000
0.000000 #11 create 2 root 1
0.000113 #13 request_headers 2 n=10 end -> pause
0.000120 #12   dispatch http "auth" timeout=5s -> ok call 4
"#,
    },
];

const EXPLANATION: &str = r#"## What you see

A plugin does nothing for some requests: no log line, no header, no count. Its timeline has a beginning and an
end and no phase. Another plugin answered those requests, or they hung in it.

## Why it happens

The phases of a request run through the chain of filters in order. A plugin that answers with a local response,
or returns a stop that holds everything, keeps the request: filters behind it are not called. They hear of it
only when it has ended, in on_log. Filters before it have had the headers already, and those that it did not
stop, as the body phases of the ones before, still run: that is no leak.

## How to be sure

Two timelines of the same request are recorded. In one the local response stands, or the phase that held the
request to its end, and the headers had not gone on before. The other was created when the request ended, on
the same node and in the same turn, and has none of the phases that its plugin exports.

## What to do

Nothing, if the order is meant so. Otherwise change the order: on Higress by `phase` and `priority` of the
WasmPlugin, on stock Envoy by the order of `http_filters`. What must see every request can do its work at the
end. On Higress:

```go
wrapper.ProcessStreamDone(func(ctx wrapper.HttpContext, config Config) {
	config.requests.Increment(1) // called for each request, whoever answered it
})
```

On stock Envoy:

```rust
fn on_log(&mut self) {
    self.requests.increment(1); // called for each request, whoever answered it
}
```

## What this cannot see

Plugins that are not instrumented or not sampled, filters of the host between the two, and timelines that went
to another collector or came more than a minute later.
"#;
