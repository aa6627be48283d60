//! A body that the plugin held was sent on, or taken away, by another filter.

use abi::{
    Callback, Direction, EffectiveAction, Host, Hostcall, Kind, Phase, Record, effective_action,
};

use super::phrases;
use crate::diagnose::{Diagnosis, NearMiss};
use crate::event::{Event, Marks};
use crate::finding::{Advice, Evidence, Finding, Severity, Subject, Verdict};
use crate::story::{Story, span};

/// See the head of this file.
pub const DIAGNOSIS: Diagnosis = Diagnosis {
    code: "body-released-by-other",
    title: "A body that the plugin held was sent on or taken away by another filter",
    title_zh: "插件扣住的请求体（或响应体）被另一个过滤器发走或取走",
    severity: Severity::Failed,
    is_fact: false,
    explanation: EXPLANATION,
    explanation_zh: include_str!("body-released-by-other.zh-CN.md"),
    known_from: &["envoyproxy/envoy#17514", "envoyproxy/envoy#46841", "higress-group/higress#4606"],
    example: EXAMPLE,
    near_misses: NEAR_MISSES,
    overlaps: &[],
    argues_from_absence: false,
    about_roots: false,
    unknown_in_log: None,
    triggers: &[Kind::Callback(Callback::RequestBody)],
    judge: |story| judge(story).into_iter().collect(),
};

fn judge(story: &Story<'_>) -> Option<Verdict> {
    let bodies: Vec<&Event> = story
        .timeline
        .events
        .iter()
        .filter(|e| {
            let is_body = e.kind == Kind::Callback(Callback::RequestBody);
            is_body && e.context == story.timeline.context && !e.marks.has(Marks::UNFINISHED)
        })
        .collect();
    let mut pairs = bodies.windows(2).filter_map(|pair| Some((*pair.first()?, *pair.get(1)?)));
    pairs.find_map(|(held, next)| of(story, held, next))
}

/// What of the body is held counts in the size that the next phase is told: it can only grow.
fn of(story: &Story<'_>, kept: &Event, next: &Event) -> Option<Verdict> {
    if next.arg(0) >= kept.arg(0) || !is_kept(story, kept) {
        return None;
    }
    let held = match story.still_held(Direction::Request, Some(next))? {
        Ok(held) => held,
        Err(gap) => return Some(Verdict::Unknown { gap }),
    };
    let witness = Witness::of(story, kept, next).filter(|_| held.phase == kept.sequence)?;
    let gone = kept.arg(0) - next.arg(0);
    let headline = format!(
        "While the plugin held the request's body, at least {gone} of its {} bytes left the host's buffer, \
         and the plugin had not let them go: another filter sent them on or took them away.",
        kept.arg(0)
    );
    let mut details = vec![
        format!(
            "{} stopped with {} bytes held.",
            phrases::capital(phrases::event(kept)),
            kept.arg(0)
        ),
        format!(
            "{} came {} later with {} bytes: what is held counts in that, so it can only grow.",
            phrases::capital(phrases::event(next)),
            span(next.at.since(kept.at)),
            next.arg(0)
        ),
        "Between them the plugin neither resumed nor answered nor closed the stream.".to_owned(),
        witness.sentence(),
    ];
    let waiting = story.calls().iter().find(|call| story.was_out(call, next));
    if let Some(call) = waiting {
        details.push(format!(
            "{} was out meanwhile (#{}).",
            phrases::capital(phrases::call(call)),
            call.dispatch
        ));
    }
    let events = [kept.sequence, next.sequence].into_iter().chain(held.cited());
    let events = events.chain(witness.cited()).chain(waiting.map(|call| call.dispatch));
    let mut windows = vec![held.window.clone()];
    if let Witness::Recorded(_) = witness {
        let none_of = [Kind::Hostcall(Hostcall::SetBufferBytes)];
        windows.push(story.window(kept.sequence, Some(next.sequence), &none_of));
    }
    Some(Verdict::Found(Box::new(Finding {
        details,
        evidence: Evidence { events: phrases::cited(events), windows },
        advice: phrases::advice(story.timeline.dialect.host, ADVICE),
        ..Finding::cause(
            DIAGNOSIS.code,
            Severity::Failed,
            Subject::Direction(Direction::Request),
            headline,
        )
    })))
}

/// Did the phase have the host keep what had come of the body, and tell the next one the size of all? Under
/// StopIterationAndWatermark it is told the size of its part alone (Envoy `Context::decodeData`).
fn is_kept(story: &Story<'_>, phase: &Event) -> bool {
    let action = effective_action(Phase::RequestBody, phase.result, false, story.timeline.dialect);
    action == EffectiveAction::StopIterationAndBuffer
}

/// How it is known that the plugin did not shorten the body itself: set_buffer_bytes is not recorded when
/// all goes well.
enum Witness<'a> {
    /// The plugin has no such hostcall.
    NotImported,
    /// This hostcall is recorded although nothing was wrong with it: all are.
    Recorded(&'a Event),
}

impl<'a> Witness<'a> {
    fn of(story: &Story<'a>, kept: &Event, next: &Event) -> Option<Witness<'a>> {
        let imported = &story.timeline.module.hostcalls;
        if !imported.is_empty() && !imported.contains(&Hostcall::SetBufferBytes) {
            return Some(Witness::NotImported);
        }
        let in_its_phases = story.steps.iter().filter(|step| {
            let of = story.invocation(step).map(|e| e.kind);
            matches!(of, Some(Kind::Callback(callback)) if callback.phase().is_some())
        });
        let all = || in_its_phases.clone().flat_map(|step| story.hostcalls(step));
        let tells_nothing = |e: &&Event| {
            let frequent = |h: Hostcall| matches!(h.record(), Record::WhenTelling);
            e.result == 0
                && !e.is_annotation()
                && matches!(e.kind, Kind::Hostcall(h) if frequent(h))
        };
        let is_set = |e: &&Event| {
            let inside = e.order() > kept.order() && e.order() < next.order();
            inside && e.kind == Kind::Hostcall(Hostcall::SetBufferBytes)
        };
        let was_set = story.timeline.events.iter().any(|e| is_set(&e));
        all().find(tells_nothing).filter(|_| !was_set).map(Witness::Recorded)
    }

    fn sentence(&self) -> String {
        match self {
            Witness::NotImported => {
                "The plugin does not import set_buffer_bytes, so it cannot have \
                                     shortened the body itself."
                    .to_owned()
            }
            Witness::Recorded(e) => format!(
                "All hostcalls of the plugin are recorded, as {} shows, and it did not call \
                 set_buffer_bytes.",
                phrases::event(e)
            ),
        }
    }

    fn cited(&self) -> Option<crate::ids::Sequence> {
        match self {
            Witness::NotImported => None,
            Witness::Recorded(e) => Some(e.sequence),
        }
    }
}

const ADVICE: &[Advice] = &[
    Advice::any(
        "What is held of a body lies in one buffer that all filters of the stream share: put filters that \
         stop and go on by themselves before the plugin, or hold the headers until it has decided, so \
         that no filter after it has begun.",
        "请求体（或响应体）中被扣住的部分放在同一个缓冲区里，由流的所有过滤器共享：把会停住又自行\
         继续的过滤器放在插件之前，或者扣住头部，直到插件做出决定，使它后面的过滤器都还没有开始。",
    ),
    Advice::on(
        Host::Higress,
        "On Higress give the plugin a phase and priority after those of ext_proc and the like, and return \
         types.HeaderStopIteration from its headers handler.",
        "在 Higress 上，让插件的 phase 和 priority 排在 ext_proc 之类的过滤器之后，并在头部处理函\
         数中返回 types.HeaderStopIteration。",
    ),
    Advice::on(
        Host::Envoy,
        "On stock Envoy dynamic_forward_proxy, ext_proc and ext_authz belong before the plugin in \
         http_filters; allow_on_headers_stop_iteration lets it hold the headers and still see the body.",
        "在原版 Envoy 上，dynamic_forward_proxy、ext_proc 和 ext_authz 在 http_filters 中应排在插\
         件之前；有了 allow_on_headers_stop_iteration，插件可以扣住头部，同时仍能看到请求体（或响应\
         体）。",
    ),
];

const EXAMPLE: &str = r#"
known_until 3.000000
0.000000 #11 create 2 root 1
0.000113 #12 request_headers 2 n=10 -> continue
0.001800 #14 request_body 2 size=65536 -> pause
0.001810 #13   get_buffer_bytes length=65536 -> ok
0.203100 #15 request_body 2 size=4096 end -> continue
"#;

const NEAR_MISSES: &[NearMiss] = &[
    NearMiss {
        because: "the plugin had let what it held go",
        script: r#"
known_until 3.000000
0.000000 #11 create 2 root 1
0.000113 #12 request_headers 2 n=10 -> continue
0.001800 #15 request_body 2 size=65536 -> pause
0.001810 #13   get_buffer_bytes length=65536 -> ok
0.001820 #14   dispatch http "scan" timeout=5s -> ok call 4
0.103100 #18 http_call_response root 1 call 4 headers=3 code=200
0.103200 #16   set_effective_context context=2 -> ok
0.103300 #17   continue_stream request -> ok
0.203100 #19 request_body 2 size=4096 end -> continue
"#,
    },
    NearMiss {
        because: "the plugin may have shortened the body itself, which is not recorded",
        script: r#"
known_until 3.000000
0.000000 #11 create 2 root 1
0.000113 #12 request_headers 2 n=10 -> continue
0.001800 #13 request_body 2 size=65536 -> pause
0.203100 #14 request_body 2 size=4096 end -> continue
"#,
    },
    NearMiss {
        because: "the plugin took what it had seen out of the buffer",
        script: r#"
known_until 3.000000
0.000000 #11 create 2 root 1
0.000113 #12 request_headers 2 n=10 -> continue
0.001800 #15 request_body 2 size=65536 -> pause
0.001810 #13   get_buffer_bytes length=65536 -> ok
0.001820 #14   set_buffer_bytes length=65536 -> ok
0.203100 #16 request_body 2 size=4096 end -> continue
"#,
    },
    NearMiss {
        because: "with this answer each phase is told the size of its part alone",
        script: r#"
module hostcalls 64,72
known_until 3.000000
0.000000 #11 create 2 root 1
0.000113 #12 request_headers 2 n=10 -> continue
0.001800 #13 request_body 2 size=65536 -> 2
0.203100 #14 request_body 2 size=4096 end -> continue
"#,
    },
    NearMiss {
        because: "with this answer the host keeps nothing of the body",
        script: r#"
module hostcalls 64,72
known_until 3.000000
0.000000 #11 create 2 root 1
0.000113 #12 request_headers 2 n=10 -> continue
0.001800 #13 request_body 2 size=65536 -> 3
0.203100 #14 request_body 2 size=4096 end -> continue
"#,
    },
    NearMiss {
        because: "a resume between them may be among the events that were lost",
        script: r#"
module hostcalls 64,72
gap 14-16 "the recorder's buffer was full"
known_until 3.000000
0.000000 #11 create 2 root 1
0.000113 #12 request_headers 2 n=10 -> continue
0.001800 #13 request_body 2 size=65536 -> pause
0.203100 #17 request_body 2 size=4096 end -> continue
"#,
    },
];

const EXPLANATION: &str = r#"## What you see

The upstream has (part of) a body that the plugin still holds and looks at, or gets it empty or without its
middle. A check of the body in a callback comes too late, although the body phase stopped.

## Why it happens

On Envoy what filters hold of a body lies in one buffer of the stream that they share. When another filter that
had stopped goes on, such as dynamic_forward_proxy, ext_proc or ext_authz, it takes that buffer along, and with
it what an earlier filter had put there. The earlier filter is not asked.

## How to be sure

A body phase answered Pause, which is StopIterationAndBuffer, with a size; what is held counts in the size of the
next one, so that one can only be larger. Here it is smaller, and the plugin did nothing in between that lets the
body go. That it did not shorten the body itself is known where it does not import `set_buffer_bytes`, or where
all hostcalls are recorded (`--record-all-hostcalls`, or a trace log of Envoy that was imported). Without one
of these nothing is said.

## What to do

Put filters that stop and go on by themselves before the plugin, and hold the headers until the plugin has
decided: then no filter after it has anything to go on with. On Higress:

```go
func onHttpRequestHeaders(ctx wrapper.HttpContext, config Config) types.Action {
	return types.HeaderStopIteration // module with ABI 0.2.100
}
```

On stock Envoy 1.35 or later with `allow_on_headers_stop_iteration: true`:

```rust
fn on_http_request_headers(&mut self, _: usize, end_of_stream: bool) -> Action {
    if end_of_stream { Action::Continue } else { Action::Pause }
}
```

## What this cannot see

Which filter it was, and whether the bytes went to the upstream or were dropped: the order of filters and the
bytes that the upstream got are not visible from here. A body that had come whole before it was taken along
shows nothing; then only a response comes while the request is held (`response-while-request-held`). Bodies
of responses are not looked at, since an answer of the host in their place is shorter too. Not run on Higress.
"#;
