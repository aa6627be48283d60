//! The last call was answered, its callback ran, and nobody resumed the stream.

use abi::{CallKind, Direction, Hostcall, Kind};

use super::{callback_failure_unhandled as unhandled, failed_call, kinds, phrases};
use crate::calls::{Call, Outcome};
use crate::diagnose::{Diagnosis, NearMiss};
use crate::event::{Event, Marks};
use crate::finding::{Advice, Evidence, Finding, Severity, Subject, Verdict};
use crate::hold::{Half, Hold, hostcalls_on, resumes};
use crate::ids::{Micros, Sequence};
use crate::story::{StillHeld, Story, span};

/// A plugin may resume from its next tick or from the callback of another stream.
const GRACE: Micros = Micros::from_millis(100);
/// The same where the body phase may still be called, which is not known.
const GRACE_IF: Micros = Micros::SECOND;
/// What would end the pause, or show that something is still awaited.
const NONE_OF: &[Kind] = &[
    Kind::Hostcall(Hostcall::ContinueStream),
    Kind::Hostcall(Hostcall::ContinueRequest),
    Kind::Hostcall(Hostcall::ContinueResponse),
    Kind::Hostcall(Hostcall::SendLocalResponse),
    Kind::Hostcall(Hostcall::CloseStream),
    Kind::Hostcall(Hostcall::HttpCall),
    Kind::Hostcall(Hostcall::GrpcCall),
    Kind::Hostcall(Hostcall::GrpcStream),
    Kind::Hostcall(Hostcall::RedisCall),
];

/// See the head of this file.
pub const DIAGNOSIS: Diagnosis = Diagnosis {
    code: "callback-ran-no-resume",
    title: "The response callback ran and did not resume the stream",
    title_zh: "响应回调执行了，却没有恢复流",
    severity: Severity::Hung,
    is_fact: false,
    explanation: EXPLANATION,
    explanation_zh: include_str!("callback-ran-no-resume.zh-CN.md"),
    known_from: &[
        "Kuadrant/wasm-shim#366",
        "higress-group/higress#825",
        "higress-group/higress#3240",
    ],
    example: EXAMPLE,
    near_misses: NEAR_MISSES,
    overlaps: &[],
    argues_from_absence: true,
    about_roots: false,
    unknown_in_log: None,
    triggers: kinds::RESPONSES,
    judge: |story| judge(story).into_iter().collect(),
};

fn judge(story: &Story<'_>) -> Option<Verdict> {
    judge_as(story, |call, callback| {
        let told =
            Told { code: DIAGNOSIS.code, details: Vec::new(), events: Vec::new(), advice: ADVICE };
        unhandled::unread(story, call, callback).is_empty().then_some(told)
    })
}

/// What a diagnosis tells of a callback that ran and decided nothing.
pub struct Told {
    /// Code of the diagnosis.
    pub code: &'static str,
    /// Further sentences.
    pub details: Vec<String>,
    /// Further events to cite.
    pub events: Vec<Sequence>,
    /// What to do.
    pub advice: &'static [Advice],
}

/// The verdict about the response callback that came last, if the diagnosis tells anything of it.
pub fn judge_as(
    story: &Story<'_>,
    told: impl FnOnce(&Call, &Event) -> Option<Told>,
) -> Option<Verdict> {
    if story.out().next().is_some() {
        return None;
    }
    let (direction, call, callback) = last_answered(story)?;
    // The VM trapped in it: that is another cause.
    if callback.marks.has(Marks::UNFINISHED) {
        return None;
    }
    let told = told(call, callback)?;
    let end = story.end_of_stop(direction);
    let half = *story.state_before(end)?.of(direction);
    let grace = grace(&half)?;
    let tried = tried(story, callback, direction, end);
    let decided = tried.iter().any(|(_, in_vain)| !in_vain);
    let until = callback.at.after(callback.took).after(grace);
    if decided || end.is_some_and(|end| end.at <= until) {
        return None;
    }
    let seen_until = end.map_or(story.instant.known_until, |end| end.at);
    if seen_until <= until {
        return Some(Verdict::Pending { until });
    }
    // From the first dispatch on: one that was lost would mean a call that may still be out.
    let first = story.calls().iter().map(|c| c.dispatch).min().unwrap_or(callback.sequence);
    if let Some(gap) = story.gap(first, end.map(|e| e.sequence)) {
        return Some(Verdict::Unknown { gap });
    }
    match story.still_held(direction, end)? {
        Ok(held) => {
            let in_vain = tried.into_iter().map(|(event, _)| event).collect();
            found(story, Stuck { call, callback, direction, half, end, held, in_vain }, told)
        }
        Err(gap) => Some(Verdict::Unknown { gap }),
    }
}

/// What was tried from the callback on that could have ended the pause or told that it goes on, and
/// whether it was in vain: a refused dispatch, or a resume of the other direction.
fn tried<'a>(
    story: &Story<'a>,
    callback: &Event,
    direction: Direction,
    end: Option<&Event>,
) -> Vec<(&'a Event, bool)> {
    let events = story.timeline.events.iter().filter(|e| {
        let after = e.entry >= callback.entry && end.is_none_or(|end| e.order() < end.order());
        after && NONE_OF.contains(&e.kind)
    });
    let other_way = |e: &Event| {
        let step = story.step_of(e.sequence);
        let mut own = step
            .into_iter()
            .flat_map(|step| hostcalls_on(story.timeline.context, story.hostcalls(step)));
        resumes(e).is_some_and(|d| d != direction) && own.any(|own| own.sequence == e.sequence)
    };
    let refused = |e: &Event| e.is_dispatch() && e.result != 0;
    events.map(|e| (e, refused(e) || other_way(e))).collect()
}

/// The response callback of an awaited call that came last, if the stream was still there, and which direction
/// waited for it.
fn last_answered<'a>(story: &Story<'a>) -> Option<(Direction, &'a Call, &'a Event)> {
    let answered = story.calls().iter().filter_map(|call| {
        // One beside the request is no answer that the stream waits for.
        let direction = story.is_awaited(call)?;
        match call.outcome {
            Outcome::Answered(a) | Outcome::Failed(a) => {
                Some((direction, call, story.timeline.event(a.callback)?))
            }
            _ => None,
        }
    });
    let callbacks = answered.filter(|(.., e)| matches!(e.kind, Kind::Callback(_)));
    callbacks.max_by_key(|(.., e)| e.order())
}

/// How long to wait for a resume; None if the plugin is not stuck.
fn grace(half: &Half) -> Option<Micros> {
    match (half.hold, half.ended) {
        (Hold::All, _) | (Hold::Single | Hold::SingleOrAll, true) => Some(GRACE),
        (Hold::SingleOrAll, false) => Some(GRACE_IF),
        // More of the body will come, and with it the next phase.
        (Hold::Single, false) | (Hold::Open | Hold::Dead, _) => None,
    }
}

/// A direction that nobody let go.
struct Stuck<'a> {
    call: &'a Call,
    callback: &'a Event,
    direction: Direction,
    half: Half,
    end: Option<&'a Event>,
    held: StillHeld,
    /// What was done from the callback on, and let it not go.
    in_vain: Vec<&'a Event>,
}

fn found(story: &Story<'_>, stuck: Stuck<'_>, told: Told) -> Option<Verdict> {
    let Stuck { call, callback, direction, half, end, held, in_vain } = stuck;
    let held_by = story.timeline.event(half.held_by?)?;
    let seen_until = end.map_or(story.instant.known_until, |end| end.at);
    let failed = failed_call::failure(call, callback)
        .map(|why| format!(", which had failed ({why}),"))
        .unwrap_or_default();
    // A host that calls the body phase while the headers are held may only have a slow client.
    let is_if = half.hold == Hold::SingleOrAll && !half.ended;
    let (severity, unless) = match is_if {
        true => {
            (Severity::Note, "; nothing will, if this host keeps the body back with the headers")
        }
        false => (Severity::Hung, ""),
    };
    let headline = format!(
        "{} is held since {}; the response callback of {}{failed} ran {}, and nothing let it go in the {} \
         {}{unless}.",
        phrases::capital(phrases::half(direction)),
        phrases::name(held_by),
        phrases::call(call),
        in_vain.first().map_or_else(|| "and neither resumed nor answered".to_owned(), |e| why(e)),
        span(seen_until.since(callback.at)),
        if end.is_some() { "until the end" } else { "since" },
    );
    let did: Vec<String> = story
        .hostcalls_in(callback)
        .iter()
        .map(|e| format!("{} (#{}, status {})", phrases::name(e), e.sequence, e.result))
        .collect();
    let mut details = vec![
        format!(
            "{} is held since {}, and the call was dispatched (#{}).",
            phrases::capital(phrases::half(direction)),
            phrases::event(held_by),
            call.dispatch
        ),
        format!(
            "The response callback ran {} after the dispatch ({}), {}.",
            span(callback.at.since(call.dispatched_at)),
            phrases::event(callback),
            match call.outcome.answer().map_or(0, |a| a.code) {
                0 if call.kind == CallKind::Http => "without a status".to_owned(),
                code => format!("with code {code}"),
            }
        ),
        match did.is_empty() {
            true => "In it the plugin made no recorded hostcall.".to_owned(),
            false => format!("In it the plugin called {}.", did.join(", ")),
        },
        "Every call that the stream dispatched has been answered: none is out that could resume it."
            .to_owned(),
    ];
    details.extend(told.details);
    if let Some(end) = end {
        details.push(format!("The wait ended with {}.", phrases::event(end)));
    }
    if is_if {
        details.push(
            "If this host calls the body phase while the headers are held \
             (allow_on_headers_stop_iteration, or Higress with ABI 0.2.100), the plugin may be \
             waiting for a body that is slow to come."
                .to_owned(),
        );
    }
    let answered = story.calls().iter().filter_map(|c| Some((c.dispatch, c.outcome.answer()?)));
    let events = answered.flat_map(|(dispatch, answer)| [dispatch, answer.callback]);
    let events = events.chain([held_by.sequence]).chain(end.map(|e| e.sequence));
    let events = events.chain(in_vain.iter().map(|e| e.sequence));
    // A window tells of kinds: those of what was in vain are cited instead.
    let none_of: Vec<Kind> =
        NONE_OF.iter().copied().filter(|kind| in_vain.iter().all(|e| e.kind != *kind)).collect();
    let events = events.chain(told.events);
    Some(Verdict::Found(Box::new(Finding {
        details,
        evidence: Evidence {
            events: phrases::cited(events.chain(held.cited())),
            windows: vec![
                story.window(callback.sequence, end.map(|e| e.sequence), &none_of),
                held.window,
            ],
        },
        advice: phrases::advice(story.timeline.dialect.host, told.advice),
        ..Finding::cause(told.code, severity, Subject::Call(call.id), headline)
    })))
}

/// What was in vain, as the end of "the callback ran".
fn why(event: &Event) -> String {
    match resumes(event) {
        Some(other) => format!("and resumed {} instead", phrases::half(other)),
        None => format!(
            "and dispatched to {:?}, which the host refused (status {})",
            event.text_lossy(),
            event.result
        ),
    }
}

const ADVICE: &[Advice] = &[Advice::any(
    "End every path of the response callback with a resume or a local response, also those for a failed \
     call, an unexpected status and an unreadable body.",
    "让响应回调的每条路径都以恢复或本地应答结束，包括调用失败、状态码不符合预期和响应体无法读\
     取的路径。",
)];

const EXAMPLE: &str = r#"
known_until 9.000000
0.000000 #11 create 2 root 1
0.000113 #13 request_headers 2 n=10 end -> pause
0.000120 #12   dispatch http "auth" timeout=5s -> ok call 4
0.202377 #16 http_call_response root 1 call 4 headers=3 body=2 code=500
0.202380 #14   set_effective_context context=2 -> ok
0.202390 #15   log_line "unexpected status" level=4 -> ok
"#;

const NEAR_MISSES: &[NearMiss] = &[
    NearMiss {
        because: "the callback resumed",
        script: r#"
known_until 9.000000
0.000000 #11 create 2 root 1
0.000113 #13 request_headers 2 n=10 end -> pause
0.000120 #12   dispatch http "auth" timeout=5s -> ok call 4
0.202377 #16 http_call_response root 1 call 4 headers=3 body=2 code=200
0.202380 #14   set_effective_context context=2 -> ok
0.202390 #15   continue_stream request -> ok
"#,
    },
    NearMiss {
        because: "the callback answered",
        script: r#"
known_until 9.000000
0.000000 #11 create 2 root 1
0.000113 #13 request_headers 2 n=10 end -> pause
0.000120 #12   dispatch http "auth" timeout=5s -> ok call 4
0.202377 #16 http_call_response root 1 call 4 headers=3 body=2 code=403
0.202380 #14   set_effective_context context=2 -> ok
0.202390 #15   send_local_response status=403 -> ok
"#,
    },
    NearMiss {
        because: "the callback dispatched the next call",
        script: r#"
known_until 3.000000
0.000000 #11 create 2 root 1
0.000113 #13 request_headers 2 n=10 end -> pause
0.000120 #12   dispatch http "auth" timeout=5s -> ok call 4
0.202377 #16 http_call_response root 1 call 4 headers=3 body=2 code=200
0.202380 #14   set_effective_context context=2 -> ok
0.202390 #15   dispatch http "quota" timeout=5s -> ok call 8
"#,
    },
    NearMiss {
        because: "the plugin waits for the rest of the body",
        script: r#"
module abi 0.2.100 host higress
known_until 9.000000
0.000000 #11 create 2 root 1
0.000113 #13 request_headers 2 n=10 -> pause
0.000120 #12   dispatch http "auth" timeout=5s -> ok call 4
0.202377 #15 http_call_response root 1 call 4 headers=3 body=2 code=200
0.202380 #14   set_effective_context context=2 -> ok
"#,
    },
    NearMiss {
        because: "the plugin resumes from its next tick",
        script: r#"
known_until 9.000000
0.000000 #11 create 2 root 1
0.000113 #13 request_headers 2 n=10 end -> pause
0.000120 #12   dispatch http "auth" timeout=5s -> ok call 4
0.202377 #15 http_call_response root 1 call 4 headers=3 body=2 code=200
0.202380 #14   set_effective_context context=2 -> ok
0.262377 #18 tick root 1
0.262380 #16   set_effective_context context=2 -> ok
0.262390 #17   continue_stream request -> ok
"#,
    },
];

const EXPLANATION: &str = r#"## What you see

A call is answered, its handler runs, and the request hangs all the same until the client gives up or an
idle timeout of the host strikes.

## Why it happens

A held stream goes on only when the plugin resumes it or answers it. The handler returned without either:
mostly an early return on a path for errors, such as a failed call, an unexpected status or a body that
cannot be read. Or it dispatched a further call and did not see that the host refused it, or resumed the
request where the response is held. No other call of the stream is out, so nothing will bring the plugin back to it.

## How to be sure

`http_call_response` of the stream's last call ran, and after it there is no `continue_stream` of the held
direction, no `send_local_response` and no further dispatch that the host accepted. A resume from the next tick is allowed for:
the finding waits a moment. Where the host may still call the body phase, which is not known until the streams
of the plugin have shown it, it waits one second and is a note: the client may be slow.

## What to do

End every path of the callback with a resume or a local response. On Higress:

```go
func(code int, _ http.Header, body []byte) {
	if code != 200 {
		proxywasm.SendHttpResponse(503, nil, []byte("check failed"), -1)
		return
	}
	proxywasm.ResumeHttpRequest()
}
```

On stock Envoy:

```rust
fn on_http_call_response(&mut self, _: u32, headers: usize, _: usize, _: usize) {
    if headers == 0 || self.get_http_call_response_header(":status").as_deref() != Some("200") {
        self.send_http_response(503, vec![], Some(b"check failed"));
        return;
    }
    self.resume_http_request();
}
```

A callback without headers (`num_headers` 0) means that the call was reset; ask for the status first.

## What this cannot see

A resume that the plugin plans for later, from a timer or a queue. If one comes, the finding is withdrawn.
"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_decides_about_a_stream_or_starts_a_call_is_looked_for() {
        for hostcall in Hostcall::ALL {
            let looked_for = NONE_OF.contains(&Kind::Hostcall(*hostcall));
            assert_eq!(looked_for, hostcall.decides() || hostcall.is_dispatch(), "{hostcall:?}");
        }
    }
}
