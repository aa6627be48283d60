//! The plugin gathers a body in a way that lets the host stop reading it, and waits for its end.

use abi::{Callback, Direction, EffectiveAction, Host, Kind, effective_action};

use super::kinds;
use super::stuck::{self, Stuck, Told};
use crate::diagnose::{Diagnosis, NearMiss};
use crate::event::Event;
use crate::finding::{Advice, Severity, Verdict};
use crate::ids::Sequence;
use crate::story::Story;

/// What Envoy buffers of a connection unless told otherwise.
const USUAL_LIMIT: u32 = 1 << 20;
/// What proxies at the edge are advised to buffer, and Higress does unless told otherwise.
const LOW_LIMIT: u32 = 32 << 10;

/// See the head of this file.
pub const DIAGNOSIS: Diagnosis = Diagnosis {
    code: "watermark-deadlock",
    title: "The plugin waits for the end of a body that the host may have stopped reading",
    title_zh: "插件等待请求体（或响应体）的结尾，而宿主可能已经停止读取",
    severity: Severity::Hung,
    is_fact: false,
    explanation: EXPLANATION,
    explanation_zh: include_str!("watermark-deadlock.zh-CN.md"),
    known_from: &[],
    example: EXAMPLE,
    near_misses: NEAR_MISSES,
    overlaps: &[],
    argues_from_absence: true,
    about_roots: false,
    unknown_in_log: None,
    triggers: &[Kind::Callback(Callback::RequestBody), Kind::Callback(Callback::ResponseBody)],
    judge,
};

fn judge(story: &Story<'_>) -> Vec<Verdict> {
    // A plugin that calls may have stopped for that.
    if !story.calls().is_empty() {
        return Vec::new();
    }
    let stuck = stuck::all(story).into_iter().filter(|stuck| waits_for_the_end(story, stuck));
    stuck.filter_map(|stuck| of(story, &stuck)).collect()
}

/// Did the last body phase hold what came, so that the host may stop reading, with more to come?
fn waits_for_the_end(story: &Story<'_>, stuck: &Stuck<'_>) -> bool {
    let is_bounded = action(story, stuck.phase) == Some(EffectiveAction::StopIterationAndWatermark);
    is_bounded && !stuck.half.ended && !stuck.replied
}

/// What the host made of a body phase; None if it is none.
fn action(story: &Story<'_>, phase: &Event) -> Option<EffectiveAction> {
    let Kind::Callback(callback @ (Callback::RequestBody | Callback::ResponseBody)) = phase.kind
    else {
        return None;
    };
    Some(effective_action(callback.phase()?, phase.result, false, story.timeline.dialect))
}

/// What is held of a body.
#[derive(Default)]
struct Held {
    bytes: u32,
    /// The phases whose sizes make it up.
    parts: Vec<Sequence>,
}

impl Held {
    /// A phase is told the size of its part, or of all that is held if the one before it answered
    /// StopIterationAndBuffer (Envoy `Context::decodeData`).
    fn of(story: &Story<'_>, stuck: &Stuck<'_>) -> Held {
        let mut held = Held::default();
        let mut tells_all = false;
        for step in &story.steps {
            let own = story.invocation(step).filter(|e| e.context == story.timeline.context);
            let Some(phase) = own.filter(|e| e.kind == stuck.phase.kind) else { continue };
            let Some(action) = action(story, phase) else { continue };
            if tells_all || !step.before.of(stuck.direction).hold.is_held() {
                held = Held::default();
            }
            // Under this answer nothing of the part is kept.
            if action != EffectiveAction::StopIterationNoBuffer {
                held.bytes = held.bytes.saturating_add(phase.arg(0));
                held.parts.push(phase.sequence);
            }
            tells_all = action == EffectiveAction::StopIterationAndBuffer;
            if phase.sequence == stuck.phase.sequence {
                break;
            }
        }
        held
    }
}

fn of(story: &Story<'_>, stuck: &Stuck<'_>) -> Option<Verdict> {
    let held = Held::of(story, stuck);
    let ended = story.end_of_stop(stuck.direction).is_some();
    let in_vain = story.ending().is_given_up();
    let severity = match ended {
        true if in_vain && held.bytes >= USUAL_LIMIT => Severity::Hung,
        true if in_vain && held.bytes >= LOW_LIMIT => Severity::Note,
        false if held.bytes >= USUAL_LIMIT => Severity::Note,
        _ => return None,
    };
    let verdict = stuck.judge(story, kinds::DISPATCHES, told(story, stuck, held, ended))?;
    Some(match verdict {
        Verdict::Found(mut finding) => {
            finding.severity = severity;
            Verdict::Found(finding)
        }
        other => other,
    })
}

fn told(story: &Story<'_>, stuck: &Stuck<'_>, held: Held, ended: bool) -> Told {
    let Held { bytes, parts } = held;
    let why = format!(
        "if the host's buffer holds no more than the {bytes} bytes that had come, it reads no further: \
         the end of the body, which the plugin waits for, cannot come"
    );
    let other = match stuck.direction {
        Direction::Request => "client",
        Direction::Response => "upstream",
    };
    let limit = match bytes >= USUAL_LIMIT {
        true => "That is as much as Envoy buffers unless told otherwise, 1 MiB, or more.",
        false => "Envoy buffers 1 MiB unless told otherwise; many proxies are told 32 KiB.",
    };
    let mut details = vec![
        format!(
            "It answered StopIterationAndWatermark with {bytes} bytes held and the end not seen: over its \
             limit the host then stops reading, and answers no 413."
        ),
        limit.to_owned(),
        "No call was dispatched whose callback could resume.".to_owned(),
        format!("A {other} that is slow, or has stopped, looks the same."),
    ];
    if ended {
        details.push(format!("In the end {}.", story.ending().clause(story)));
    }
    Told { code: DIAGNOSIS.code, why, details, events: parts, advice: ADVICE }
}

const ADVICE: &[Advice] = &[
    Advice::any(
        "Do not wait for the end of a body with an answer under which the host stops reading: gather it \
         with StopIterationAndBuffer, so that one that is too large is answered 413, or look at it as it \
         streams by.",
        "不要返回会使宿主停止读取的值，同时又等待请求体（或响应体）的结尾：用 \
         StopIterationAndBuffer 收集它，这样过大的会得到 413；或者在它流过时逐段查看。",
    ),
    Advice::on(
        Host::Higress,
        "On Higress return types.ActionPause (DataStopIterationAndBuffer) from the body handler, and raise \
         the limit with ctx.SetRequestBodyBufferLimit or ctx.SetResponseBodyBufferLimit in the headers \
         handler.",
        "在 Higress 上，从请求体（或响应体）处理函数返回 types.ActionPause\
         （DataStopIterationAndBuffer），并在头部处理函数中用 ctx.SetRequestBodyBufferLimit 或 \
         ctx.SetResponseBodyBufferLimit 提高上限。",
    ),
    Advice::on(
        Host::Envoy,
        "On stock Envoy Pause from a body phase is StopIterationAndBuffer; the limit is the listener's or \
         cluster's per_connection_buffer_limit_bytes.",
        "在原版 Envoy 上，请求体（或响应体）阶段的 Pause 就是 StopIterationAndBuffer；上限是监听器\
         或集群的 per_connection_buffer_limit_bytes。",
    ),
];

const EXAMPLE: &str = r#"
known_until 9.000000
0.000000 #11 create 2 root 1
0.000113 #12 request_headers 2 n=10 -> continue
0.001800 #13 request_body 2 size=524288 -> 2
0.003100 #14 request_body 2 size=540672 -> 2
"#;

const NEAR_MISSES: &[NearMiss] = &[
    NearMiss {
        because: "the rest of the body came",
        script: r#"
known_until 9.000000
0.000000 #11 create 2 root 1
0.000113 #12 request_headers 2 n=10 -> continue
0.001800 #13 request_body 2 size=524288 -> 2
0.003100 #14 request_body 2 size=540672 -> 2
0.004100 #15 request_body 2 size=30 end -> continue
"#,
    },
    NearMiss {
        because: "little is held: the client is slow",
        script: r#"
response code 0 flags 0x4000 details "downstream_remote_disconnect"
known_until 9.000000
0.000000 #11 create 2 root 1
0.000113 #12 request_headers 2 n=10 -> continue
0.001800 #13 request_body 2 size=1400 -> 2
7.006020 #14 log 2
7.006031 #15 done 2
7.006040 #16 delete 2
"#,
    },
    NearMiss {
        because: "the first part was let go: little is held",
        script: r#"
known_until 9.000000
0.000000 #11 create 2 root 1
0.000113 #12 request_headers 2 n=10 -> continue
0.001800 #13 request_body 2 size=524288 -> continue
0.003100 #14 request_body 2 size=540672 -> 2
"#,
    },
    NearMiss {
        because: "less is held than hosts buffer, and the stream may still go on",
        script: r#"
known_until 9.000000
0.000000 #11 create 2 root 1
0.000113 #12 request_headers 2 n=10 -> continue
0.001800 #13 request_body 2 size=65536 -> 2
"#,
    },
    NearMiss {
        because: "the client left within the moment in which its next part might have come",
        script: r#"
response code 0 flags 0x4000 details "downstream_remote_disconnect"
known_until 9.000000
0.000000 #11 create 2 root 1
0.000113 #12 request_headers 2 n=10 -> continue
0.001800 #13 request_body 2 size=1064960 -> 2
0.306020 #14 log 2
0.306031 #15 done 2
0.306040 #16 delete 2
"#,
    },
    NearMiss {
        because: "with this answer the host keeps reading, and answers 413 over its limit",
        script: r#"
known_until 9.000000
0.000000 #11 create 2 root 1
0.000113 #12 request_headers 2 n=10 -> continue
0.001800 #13 request_body 2 size=1064960 -> pause
"#,
    },
    NearMiss {
        because: "the plugin waits for a call",
        script: r#"
known_until 3.000000
0.000000 #11 create 2 root 1
0.000113 #12 request_headers 2 n=10 -> continue
0.001800 #14 request_body 2 size=540672 -> 2
0.001900 #13   dispatch http "scan" timeout=5s -> ok call 4
"#,
    },
];

const EXPLANATION: &str = r#"## What you see

Small uploads work. Large ones stop in the middle and hang until the client gives up or an idle timeout of the
host strikes; there is no 413, and nothing in the plugin's log after the part of the body that came last.

## Why it happens

A body phase that answers StopIterationAndWatermark (2) has the host keep what came and stop reading once its
buffer is full, until the plugin resumes. The plugin resumes at the end of the body. So each waits for the
other: the host does not read the end, and without the end the plugin does not resume. (Under this answer each
phase is told the size of its own part; with StopIterationAndBuffer that of all that is held.)

## How to be sure

The last body phase answered 2 without having seen the end, the plugin made no call, and nothing came for a second or
more. While the stream is open that is a note, and said only from 1 MiB on, which Envoy buffers unless told
otherwise. It counts as hung once the stream has ended by a client that left or a timeout of the host, with
that much held; with less, from 32 KiB on, it stays a note. Compare the bytes with the limit of the listener
(`per_connection_buffer_limit_bytes`; for responses that of the upstream's cluster).

## What to do

Gather the body with StopIterationAndBuffer, and raise the limit to what must be seen whole. On Higress:

```go
ctx.SetRequestBodyBufferLimit(10 << 20) // in the headers handler
return types.ActionPause                // from the body handler, until the end
```

On stock Envoy with the proxy-wasm crate `Pause` is StopIterationAndBuffer. Or do not gather:

```rust
fn on_http_request_body(&mut self, size: usize, _end: bool) -> Action {
    self.scan(self.get_http_request_body(0, size)); // a part of it
    Action::Continue
}
```

## What this cannot see

The limit, and how much of the body was still to come. Hence the "if": a peer that is slow, or stopped sending
for a reason of its own, looks the same. Headers held with everything behind them show no body at all; that is
`header-pause-starves-body`. Not run on Higress.
"#;

#[cfg(test)]
mod tests {
    use super::*;
    use abi::Dialect;

    #[test]
    fn only_one_answer_of_a_body_phase_lets_the_host_stop_reading() {
        let dialect = Dialect::from_tables(None, None);
        let bounded = |raw| {
            let phase = abi::Phase::RequestBody;
            effective_action(phase, raw, false, dialect)
                == EffectiveAction::StopIterationAndWatermark
        };
        assert_eq!((0..5).filter(|raw| bounded(*raw)).collect::<Vec<u32>>(), [2]);
    }
}
