//! The host called the plugin in an order that no SDK is made for.

use abi::{Callback, Host, Kind};

use super::{kinds, phrases};
use crate::diagnose::{Diagnosis, NearMiss};
use crate::event::{Event, Marks};
use crate::finding::{Advice, Evidence, Finding, Severity, Subject, Verdict};
use crate::hold::ends_stream;
use crate::story::{Step, Story};

/// So often in a row the same phase with the same numbers is a loop. Another filter may drive a body that
/// is held once more.
const LOOP: usize = 8;

/// See the head of this file.
pub const DIAGNOSIS: Diagnosis = Diagnosis {
    code: "impossible-sequence",
    title: "The host called the plugin in an order that should not be possible",
    title_zh: "宿主以本不应出现的顺序调用了插件",
    severity: Severity::Failed,
    is_fact: false,
    explanation: EXPLANATION,
    explanation_zh: include_str!("impossible-sequence.zh-CN.md"),
    known_from: &[
        "proxy-wasm/proxy-wasm-rust-sdk#43",
        "proxy-wasm/proxy-wasm-rust-sdk#304",
        "proxy-wasm/proxy-wasm-cpp-host#326",
        "higress-group/higress#546",
        "higress-group/higress#4034",
        "higress-group/higress#4061",
        "higress-group/higress#4064",
    ],
    example: EXAMPLE,
    near_misses: NEAR_MISSES,
    overlaps: &[],
    argues_from_absence: false,
    about_roots: false,
    unknown_in_log: None,
    triggers: kinds::PHASES,
    judge: |story| judge(story).into_iter().collect(),
};

fn judge(story: &Story<'_>) -> Option<Verdict> {
    let phases = phases(story);
    let odd = repeated(story, &phases).or_else(|| looped(story, &phases));
    let odd = odd.or_else(|| after_delete(story, &phases));
    odd.or_else(|| nested(story)).map(|odd| odd.judge(story))
}

/// Two events that cannot both be.
struct Odd<'a> {
    first: &'a Event,
    second: &'a Event,
    /// The headline without its full stop.
    headline: String,
    detail: String,
    /// Might events that are missing between them explain it?
    needs_all: bool,
}

impl Odd<'_> {
    fn judge(&self, story: &Story<'_>) -> Verdict {
        let gap = story.gap(self.first.sequence, Some(self.second.sequence));
        if let Some(gap) = gap.filter(|_| self.needs_all) {
            return Verdict::Unknown { gap };
        }
        let details = vec![
            format!("{} came first.", phrases::capital(phrases::event(self.first))),
            format!("Then {} came.", phrases::event(self.second)),
            self.detail.clone(),
        ];
        let events = [self.first.sequence, self.second.sequence];
        let none_of = [Kind::Callback(Callback::ContextCreate)];
        let window = story.window(self.first.sequence, Some(self.second.sequence), &none_of);
        let windows = if self.needs_all { vec![window] } else { Vec::new() };
        Verdict::Found(Box::new(Finding {
            details,
            evidence: Evidence { events: phrases::cited(events), windows },
            advice: phrases::advice(story.timeline.dialect.host, ADVICE),
            ..Finding::cause(
                DIAGNOSIS.code,
                Severity::Failed,
                Subject::Timeline,
                format!("{}.", self.headline),
            )
        }))
    }
}

/// The phases of the stream, in order.
fn phases<'a>(story: &Story<'a>) -> Vec<&'a Event> {
    let own = story.timeline.context;
    let mut phases = Vec::with_capacity(story.steps.len());
    phases.extend(story.timeline.events.iter().filter(|e| {
        let is_phase = matches!(e.kind, Kind::Callback(c) if c.phase().is_some());
        is_phase && e.context == own
    }));
    phases
}

/// Was the context created anew between two events?
fn is_created_between(story: &Story<'_>, first: &Event, second: &Event) -> bool {
    story.timeline.events.iter().any(|e| {
        let inside = first.order() < e.order() && e.order() < second.order();
        inside && e.kind == Kind::Callback(Callback::ContextCreate)
    })
}

/// Request headers come once in a stream's life, and so do its trailers.
fn repeated<'a>(story: &Story<'_>, phases: &[&'a Event]) -> Option<Odd<'a>> {
    [Callback::RequestHeaders, Callback::RequestTrailers].into_iter().find_map(|callback| {
        let mut all = phases.iter().filter(|e| e.kind == Kind::Callback(callback));
        let (first, second) = (*all.next()?, *all.next()?);
        let is_anew = || is_trailers_anew(story, phases, first, second);
        if is_created_between(story, first, second) || is_anew() {
            return None;
        }
        let times = 2 + all.count();
        Some(Odd {
            first,
            second,
            headline: format!(
                "The host called {} {times} times for one stream, which has one such phase",
                phrases::name(first)
            ),
            detail: "The context was not created anew in between.".to_owned(),
            needs_all: true,
        })
    })
}

/// Trailers that let a held body go bring Envoy to call them once more, if it resumed the stream at this filter
/// before (host-semantics §1.4): a host's habit, and no fault.
fn is_trailers_anew(story: &Story<'_>, phases: &[&Event], first: &Event, second: &Event) -> bool {
    let is_trailers = first.kind == Kind::Callback(Callback::RequestTrailers);
    let lets_go = |step: &Step| step.before.request.hold.is_held() && first.result == 0;
    let resumed = |step: &Step| step.before.request.forwarded_by.is_some();
    let is_between = |e: &&Event| first.order() < e.order() && e.order() < second.order();
    let is_next = !phases.iter().any(is_between);
    let step = story.step_of(first.sequence);
    is_trailers && is_next && step.is_some_and(|step| lets_go(step) && resumed(step))
}

/// The same phase with the same numbers over and over, where each would have to bring more.
fn looped<'a>(story: &Story<'_>, phases: &[&'a Event]) -> Option<Odd<'a>> {
    let mut runs = phases.chunk_by(|a, b| a.kind == b.kind && a.args == b.args);
    let run = runs.find(|run| {
        let at_its_end = run.first().is_some_and(|e| ends_stream(e));
        run.len() >= LOOP && at_its_end
    })?;
    let (first, last) = (*run.first()?, *run.last()?);
    if is_created_between(story, first, last) {
        return None;
    }
    Some(Odd {
        first,
        second: last,
        headline: format!(
            "The host called {} {} times in a row with the same end of the stream",
            phrases::name(first),
            run.len()
        ),
        detail: "Each of them was told that nothing follows it.".to_owned(),
        needs_all: true,
    })
}

/// A context that was deleted is not to be called any more.
fn after_delete<'a>(story: &Story<'a>, phases: &[&'a Event]) -> Option<Odd<'a>> {
    let deleted = story.first(Callback::Delete)?;
    let second = *phases.iter().find(|e| e.order() > deleted.order())?;
    if is_created_between(story, deleted, second) {
        return None;
    }
    Some(Odd {
        first: deleted,
        second,
        headline: format!(
            "The host called {} for a stream that it had deleted",
            phrases::name(second)
        ),
        detail: "The context was not created anew in between; an SDK knows nothing of it any more."
            .to_owned(),
        needs_all: true,
    })
}

/// An invocation within another one of the same stream. One within another stream's is no news: Higress
/// runs the filters after it when a plugin injects data.
fn nested<'a>(story: &Story<'a>) -> Option<Odd<'a>> {
    let invocations = || {
        let is_invocation = |e: &&Event| matches!(e.kind, Kind::Callback(_));
        story.timeline.events.iter().filter(is_invocation)
    };
    let own = story.timeline.context;
    let inner = invocations().filter(|e| e.marks.has(Marks::NESTED) && e.context == own);
    inner.into_iter().find_map(|inner| {
        let around = |outer: &&Event| {
            let ends = outer.at.after(outer.took);
            let holds = inner.at.after(inner.took) <= ends || outer.marks.has(Marks::UNFINISHED);
            // How long it took was not measured: it may be over.
            let is_timed = outer.took.0 > 0 || !outer.marks.has(Marks::PROMOTED);
            outer.entry < inner.entry && outer.at <= inner.at && holds && is_timed
        };
        let outer = invocations().filter(around).max_by_key(|outer| outer.entry)?;
        Some(Odd {
            first: outer,
            second: inner,
            headline: format!(
                "The host called {} while the plugin was still in {} of the same stream",
                phrases::name(inner),
                phrases::name(outer)
            ),
            detail:
                "Hosts put what a hostcall sets off aside until the invocation has returned; SDKs \
                     rely on that."
                    .to_owned(),
            needs_all: false,
        })
    })
}

const ADVICE: &[Advice] = &[
    Advice::any(
        "This is the host's doing, or that of a filter beside the plugin: bring the host up to date, and \
         report it with this timeline if it stays.",
        "这是宿主造成的，或者是插件旁边的某个过滤器造成的：把宿主升级到最新版本，如果仍然存在，请\
         带上这条时间线报告它。",
    ),
    Advice::on(
        Host::Higress,
        "On Higress look at plugins that inject response data from a callback, and at calls that fail at \
         once while they do.",
        "在 Higress 上，检查在回调中注入响应数据的插件，以及它们这样做时当场失败的调用。",
    ),
    Advice::on(
        Host::Envoy,
        "On stock Envoy look at the filters before and after the plugin: which of them goes on by itself, \
         such as ext_proc.",
        "在原版 Envoy 上，检查插件前后的过滤器：其中哪一个会自行继续，例如 ext_proc。",
    ),
];

const EXAMPLE: &str = r#"
known_until 3.000000
0.000000 #11 create 2 root 1
0.000113 #12 request_headers 2 n=10 -> continue
0.000170 #13 request_headers 2 n=10 -> continue
0.000220 #14 request_headers 2 n=10 -> continue
"#;

const NEAR_MISSES: &[NearMiss] = &[
    NearMiss {
        because: "the context may have been deleted and created anew among the events that were lost",
        script: r#"
gap 13-20 "the recorder's buffer was full"
known_until 3.000000
0.000000 #11 create 2 root 1
0.000113 #12 request_headers 2 n=10 -> continue
0.000170 #21 request_headers 2 n=10 -> continue
"#,
    },
    NearMiss {
        because: "a body comes in many parts, which may be of one size",
        script: r#"
0.000000 #11 create 2 root 1
0.000113 #12 request_headers 2 n=10 -> continue
0.001000 #13 request_body 2 size=16384 -> continue
0.001001 #14 request_body 2 size=16384 -> continue
0.001002 #15 request_body 2 size=16384 -> continue
0.001003 #16 request_body 2 size=16384 -> continue
0.001004 #17 request_body 2 size=16384 -> continue
0.001005 #18 request_body 2 size=16384 -> continue
0.001006 #19 request_body 2 size=16384 -> continue
0.001007 #20 request_body 2 size=16384 -> continue
0.001008 #21 request_body 2 size=16384 end -> continue
"#,
    },
    NearMiss {
        because: "trailers that let a held body go, in a stream that was resumed before, are called once more",
        script: r#"
module abi 0.2.100 host higress
0.000000 #11 create 2 root 1
0.000113 #13 request_headers 2 n=10 -> 4
0.000120 #12   dispatch http "auth" timeout=5s -> ok call 4
0.021506 #16 http_call_response root 1 call 4 headers=3 body=5 code=200
0.021510 #14   set_effective_context context=2 -> ok
0.021520 #15   continue_stream request -> ok
0.021623 #17 request_body 2 size=3 -> pause
0.021633 #18 request_trailers 2 n=1 -> continue
0.021636 #19 request_trailers 2 n=1 -> continue
"#,
    },
    NearMiss {
        because: "a response callback after the delete is called for the root",
        script: r#"
known_until 3.000000
0.000000 #11 create 2 root 1
0.000113 #13 request_headers 2 n=10 end -> pause
0.000120 #12   dispatch http "slow" timeout=5s -> ok call 4
1.006020 #14 log 2
1.006031 #15 done 2
1.006040 #16 delete 2
2.002377 #17 http_call_response root 1 call 4 headers=3 body=2 code=200
"#,
    },
    NearMiss {
        because: "it was called within the invocation of another stream, in which data was injected",
        script: r#"
0.000000 #11 create 2 root 1
0.000113 #12 request_headers 2 n=10 end -> continue
0.001000 #13 response_headers 2 n=3 -> continue took=20us +nested
"#,
    },
];

const EXPLANATION: &str = r#"## What you see

A panic like "already borrowed" or "invalid context_id" in a plugin that looks right; a worker at 100 % CPU
with one request in it; a request that is counted or changed twice.

## Why it happens

SDKs rely on an order: a context is created, its phases come one after the other, then its end, and no
invocation begins before the one before has returned. Hosts before 2021 ran the following phases within the
hostcall that resumed them; some versions call a context that is deleted, or never was created, with ext_proc
before the plugin; and there are loops in which a filter drives a body on that drives the filter.

## How to be sure

One of: request headers or trailers twice for one context that was not created anew; the same end of a stream
eight times in a row; a phase after the delete of its context; an invocation that began while another one of the
same stream had not returned (`+nested`). Where events between the two are missing, nothing is said but that it
is not known.

## What to do

Bring the host up to date, then look at the filters beside the plugin. Until then let the plugin survive it. On
Higress (Go):

```go
if ctx.GetContext("call out") != nil {
	return types.ActionPause // a second time: Continue would let go what is still to be decided
}
```

On stock Envoy (Rust), hold no borrow across a hostcall that resumes or answers:

```rust
let user = self.users.borrow().get(&id).cloned(); // the borrow ends here
self.resume_http_request();
```

## What this cannot see

The recorder keeps events only of contexts that it saw created and not yet deleted: phases of others show only
in a trace log of Envoy that was imported, and one without a create is not reported there, since the log may
begin after it. A loop in which nothing returns sends nothing. An invocation within that of another stream of
the VM is not reported: Higress does that when a plugin injects data. Not run on Higress.
"#;

#[cfg(test)]
mod tests {
    use crate::script;

    fn headlines(lines: &str) -> Vec<String> {
        let text = format!(
            "0.0 #1 create 2 root 1\n0.1 #2 request_headers 2 n=3 -> continue took=100us\n{lines}"
        );
        let timeline = script::parse(&text).expect("a script");
        let odd = timeline.findings.iter().filter(|f| f.code == super::DIAGNOSIS.code);
        odd.map(|f| f.headline.clone()).collect()
    }

    #[test]
    fn a_phase_within_another_of_the_stream_and_one_after_its_delete_are_found() {
        assert_eq!(
            headlines("0.10005 #3 request_body 2 size=3 end -> continue took=10us +nested"),
            [
                "The host called request_body while the plugin was still in request_headers of the same stream."
            ]
        );
        assert_eq!(
            headlines(
                "0.2 #3 log 2\n0.2 #4 done 2\n0.2 #5 delete 2\n0.3 #6 response_headers 2 n=3 -> continue"
            ),
            ["The host called response_headers for a stream that it had deleted."]
        );
    }

    #[test]
    fn the_same_end_over_and_over_is_a_loop() {
        let ends = |times: u64| -> String {
            let line = |n| format!("0.2 #{} request_body 2 size=9 end -> pause\n", n + 3);
            (0..times).map(line).collect()
        };
        assert_eq!(headlines(&ends(7)), Vec::<String>::new());
        assert_eq!(
            headlines(&ends(8)),
            ["The host called request_body 8 times in a row with the same end of the stream."]
        );
    }
}
