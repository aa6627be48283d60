//! One invocation, or all of a request together, held the worker for long: while plugin code runs, nothing
//! else does on that thread.

use abi::{Callback, Host, Kind};

use super::phrases;
use crate::diagnose::{Diagnosis, NearMiss};
use crate::event::{Event, Marks};
use crate::finding::{Advice, Evidence, Finding, Severity, Subject, Verdict};
use crate::ids::{Micros, Sequence};
use crate::story::{Story, span};

/// From here on it is told. Shorter ones a busy machine makes by itself: it takes the thread away for so
/// long and gives it back.
const SLOW: Micros = Micros::from_millis(50);
/// A worker that does not answer for so long is a mega miss to Envoy's watchdog, by default.
const BLOCKED: Micros = Micros::SECOND;
/// Invocations below this do not count towards a request's sum.
const WORTH_COUNTING: Micros = Micros::from_millis(1);
/// Recorded hostcalls that are named.
const MOST_NAMED: usize = 6;

/// See the head of this file.
pub const DIAGNOSIS: Diagnosis = Diagnosis {
    code: "slow-callback",
    title: "The plugin itself held the worker",
    title_zh: "插件自己占住了工作线程",
    severity: Severity::Failed,
    is_fact: false,
    explanation: EXPLANATION,
    explanation_zh: include_str!("slow-callback.zh-CN.md"),
    known_from: &["envoyproxy/envoy#14126", "envoyproxy/envoy-wasm#599"],
    example: EXAMPLE,
    near_misses: NEAR_MISSES,
    overlaps: &[],
    argues_from_absence: false,
    about_roots: false,
    unknown_in_log: None,
    triggers: &[
        Kind::Callback(Callback::ContextCreate),
        Kind::Callback(Callback::RequestHeaders),
        Kind::Callback(Callback::RequestBody),
        Kind::Callback(Callback::RequestTrailers),
        Kind::Callback(Callback::ResponseHeaders),
        Kind::Callback(Callback::ResponseBody),
        Kind::Callback(Callback::ResponseTrailers),
        Kind::Callback(Callback::HttpCallResponse),
        Kind::Callback(Callback::GrpcReceiveInitialMetadata),
        Kind::Callback(Callback::GrpcReceive),
        Kind::Callback(Callback::GrpcReceiveTrailingMetadata),
        Kind::Callback(Callback::GrpcClose),
        Kind::Callback(Callback::RedisCallResponse),
        Kind::Callback(Callback::Log),
        Kind::Callback(Callback::Done),
        Kind::Callback(Callback::Delete),
    ],
    judge: |story| judge(story).into_iter().collect(),
};

fn judge(story: &Story<'_>) -> Option<Verdict> {
    let counted = counted(story);
    let worst = counted.iter().copied().max_by_key(|e| (e.took, e.sequence))?;
    let life = Life::of(story);
    let is_alone = worst.took >= SLOW;
    let held = match is_alone {
        true => worst.took,
        false => life.as_ref().filter(|life| life.is_mostly_held(&counted))?.held(&counted),
    };
    if story.timeline.clock.wall_only {
        let gap = format!(
            "This host gave the VM no monotonic clock, so the {} between entry and return may be a step of its clock.",
            span(held)
        );
        return Some(Verdict::Unknown { gap });
    }
    let told = match is_alone {
        true => alone(story, worst, life.as_ref()),
        false => together(&counted, held, life.as_ref()?),
    };
    let severity = if worst.took >= BLOCKED { Severity::Failed } else { Severity::Note };
    let mut details = told.details;
    if severity == Severity::Failed {
        details.push(
            "A worker that does not answer for a second is what Envoy's watchdog counts as a mega \
             miss (watchdog_mega_miss) unless it is set otherwise."
                .to_owned(),
        );
    }
    details.push(
        "A machine or a container that takes the CPU away from the worker for so long looks the same."
            .to_owned(),
    );
    Some(Verdict::Found(Box::new(Finding {
        details,
        evidence: Evidence { events: phrases::cited(told.events), windows: Vec::new() },
        advice: phrases::advice(story.timeline.dialect.host, ADVICE),
        ..Finding::cause(DIAGNOSIS.code, severity, Subject::Timeline, told.headline)
    })))
}

/// The invocations whose time counts: not one inside another of them, which holds it already.
fn counted<'a>(story: &Story<'a>) -> Vec<&'a Event> {
    let is_measured = |e: &&Event| {
        let returned = !e.marks.has(Marks::UNFINISHED) && !e.marks.has(Marks::OWN);
        matches!(e.kind, Kind::Callback(_)) && returned && e.took >= WORTH_COUNTING
    };
    let all: Vec<&Event> = story.timeline.events.iter().filter(is_measured).collect();
    let is_inside = |inner: &Event| {
        let around = |e: &&Event| {
            let is_other = e.sequence != inner.sequence;
            is_other && e.at <= inner.at && inner.at.after(inner.took) <= e.at.after(e.took)
        };
        inner.marks.has(Marks::NESTED) && all.iter().copied().any(|e| around(&e))
    };
    all.iter().copied().filter(|e| !is_inside(e)).collect()
}

/// A stream that has ended: how long it was there.
struct Life<'a> {
    delete: &'a Event,
    span: Micros,
}

impl<'a> Life<'a> {
    fn of(story: &Story<'a>) -> Option<Life<'a>> {
        let delete = story.first(Callback::Delete)?;
        Some(Life { delete, span: story.timeline.duration() })
    }

    fn within<'e>(&self, counted: &[&'e Event]) -> impl Iterator<Item = &'e Event> {
        let end = self.delete.order();
        counted.iter().copied().filter(move |e| e.order() <= end)
    }

    fn held(&self, counted: &[&Event]) -> Micros {
        Micros(self.within(counted).map(|e| e.took.0).sum())
    }

    /// Was the worker held for as long as is told of one invocation, and for most of the stream's life?
    fn is_mostly_held(&self, counted: &[&Event]) -> bool {
        let held = self.held(counted);
        held >= SLOW && held.0 >= self.span.0 / 2
    }
}

struct Told {
    headline: String,
    details: Vec<String>,
    events: Vec<Sequence>,
}

fn alone(story: &Story<'_>, worst: &Event, life: Option<&Life<'_>>) -> Told {
    let held = span(worst.took);
    let mut events = vec![worst.sequence];
    let mut details = vec![did(story, worst, &mut events)];
    if let Some(life) = life.filter(|life| worst.order() <= life.delete.order()) {
        events.push(life.delete.sequence);
        details.push(format!("The request lived for {}.", span(life.span)));
    }
    Told {
        headline: format!(
            "{} held its worker for {held}: every other request on that worker waited as long.",
            phrases::capital(phrases::event(worst))
        ),
        details,
        events,
    }
}

fn together(counted: &[&Event], held: Micros, life: &Life<'_>) -> Told {
    let invocations: Vec<&Event> = life.within(counted).collect();
    let longest = invocations.iter().map(|e| e.took).max().unwrap_or_default();
    let events = invocations.iter().map(|e| e.sequence).chain([life.delete.sequence]).collect();
    Told {
        headline: format!(
            "In {} invocations the plugin held its worker for {} of the {} that the request lived: \
             every other request on that worker waited for each of them.",
            invocations.len(),
            span(held),
            span(life.span)
        ),
        details: vec![format!(
            "The longest of them took {}; those below a millisecond are not counted.",
            span(longest)
        )],
        events,
    }
}

/// What was done inside, as a sentence.
fn did(story: &Story<'_>, slow: &Event, events: &mut Vec<Sequence>) -> String {
    if story.gap_in(slow).is_some() {
        return "Events of it may be missing, so what it did is not known.".to_owned();
    }
    let hostcalls = story.hostcalls_in(slow);
    if hostcalls.is_empty() {
        return "No hostcall of it is recorded: it computed. No hostcall waits for the network, so \
                one that is not recorded explains it no better."
            .to_owned();
    }
    let named = hostcalls.iter().take(MOST_NAMED);
    events.extend(named.clone().map(|e| e.sequence));
    let mut names: Vec<String> = named
        .map(|e| format!("{} after {}", phrases::event(e), span(e.at.since(slow.at))))
        .collect();
    if hostcalls.len() > MOST_NAMED {
        names.push(format!("{} more", hostcalls.len() - MOST_NAMED));
    }
    format!(
        "In it the plugin called {}; no hostcall waits for the network, so the time between them is \
         its own.",
        names.join(", ")
    )
}

const ADVICE: &[Advice] = &[
    Advice::any(
        "Do less in one invocation: compile patterns and parse the configuration once in \
         on_configure, bound what is read of a body, and let a service do what takes long.",
        "在一次执行中少做一些：模式的编译和配置的解析只在 on_configure 中做一次，限制读取请求体\
         （或响应体）的量，费时的事交给服务去做。",
    ),
    Advice::on(
        Host::Higress,
        "On Higress look at what a Go plugin allocates: its garbage collector runs inside the \
         invocation too.",
        "在 Higress 上，检查 Go 插件分配了哪些内存：它的垃圾回收也在这次执行之内进行。",
    ),
    Advice::on(
        Host::Envoy,
        "On stock Envoy more workers (--concurrency) let fewer requests wait for one, and mend \
         nothing; server.worker_N.watchdog_miss counts how often a worker did not answer in 200 ms.",
        "在原版 Envoy 上，更多的工作线程（--concurrency）只会让等待同一个工作线程的请求变少，解决\
         不了问题；server.worker_N.watchdog_miss 统计工作线程有多少次在 200 ms 内没有回应。",
    ),
];

const EXAMPLE: &str = r#"
0.000000 #11 create 2 root 1
0.000113 #13 request_headers 2 n=10 end -> continue took=104000us
0.104100 #12   log_line "checked 10 rules" level=2 -> ok
0.125114 #14 response_headers 2 n=5 -> continue took=40us
0.126020 #15 log 2
0.126031 #16 done 2
0.126040 #17 delete 2
"#;

const NEAR_MISSES: &[NearMiss] = &[
    NearMiss {
        because: "it took a millisecond",
        script: r#"
0.000000 #11 create 2 root 1
0.000113 #12 request_headers 2 n=10 end -> continue took=1100us
0.021114 #13 response_headers 2 n=5 -> continue took=40us
0.022020 #14 log 2
0.022031 #15 done 2
0.022040 #16 delete 2
"#,
    },
    NearMiss {
        because: "the time passed between two invocations, while the worker served others",
        script: r#"
0.000000 #11 create 2 root 1
0.000113 #13 request_headers 2 n=10 end -> pause took=60us
0.000120 #12   dispatch http "auth" timeout=5s -> ok call 4
0.202377 #16 http_call_response root 1 call 4 headers=3 body=2 code=200 took=50us
0.202380 #14   set_effective_context context=2 -> ok
0.202390 #15   continue_stream request -> ok
0.225114 #17 response_headers 2 n=5 -> continue
"#,
    },
    NearMiss {
        because: "the clock may have stepped: there is no monotonic one",
        script: r#"
clock wall 1700000000000000000 at 0.000000 wall_only
0.000000 #11 create 2 root 1
0.000113 #12 request_headers 2 n=10 end -> continue took=60000000us
"#,
    },
    NearMiss {
        because: "many short invocations are a small part of a long request",
        script: r#"
0.000000 #11 create 2 root 1
0.000113 #12 request_headers 2 n=10 -> continue took=1000us
0.100000 #13 request_body 2 size=9000 -> continue took=30000us
0.200000 #14 request_body 2 size=9000 end -> continue took=30000us
0.325114 #15 response_headers 2 n=5 end -> continue took=40us
0.426020 #16 log 2
0.426031 #17 done 2
0.426040 #18 delete 2
"#,
    },
];

const EXPLANATION: &str = r#"## What you see

Latency jumps for requests that have nothing to do with the plugin, on some connections and not on others.
The CPU of one worker is busy; `server.worker_N.watchdog_miss` may count.

## Why it happens

A worker of the proxy is one thread, and a VM belongs to one worker. While a callback of the plugin runs, that
thread does nothing else: no other request of the worker is read, answered or timed out. Nothing in the ABI
waits inside a hostcall, so the time is the plugin's own: computing, allocating, collecting garbage.

## How to be sure

The invocation's `took` is the time from entry to return on the VM's monotonic clock, hostcalls included. It is
told from 50 ms on for one invocation. Shorter ones are told only together: when those of one request add up to
50 ms and to half of what the request lived. It is a note; from one second on it is a failure, since Envoy's
watchdog then counts a mega miss (by default), and every request on the worker stood still for that long.

## What to do

Move work to where it is done once, and bound what is done for each request. On Higress:

```go
func parseConfig(json gjson.Result, config *Config) error {
	pattern, err := regexp.Compile(json.Get("pattern").String()) // once, not for each request
	config.pattern = pattern
	return err
}
```

On stock Envoy:

```rust
fn on_http_request_body(&mut self, size: usize, _: bool) -> Action {
    // A part of it, not a gathered body of any size at the end.
    let part = self.get_http_request_body(0, size.min(64 * 1024));
    self.digest.update(part.as_deref().unwrap_or_default());
    Action::Continue
}
```

What takes long by nature belongs into a service that the plugin calls: a call holds one request, computing
holds all of the worker.

## What this cannot see

Whether the thread computed or was not running: a busy machine, a container at its CPU limit (which stands still
for up to 100 ms at a time) and a suspended VM look the same. If only one of many requests shows it, suspect the
machine. Where the host gives no monotonic clock nothing is said. Of requests that were not sampled the time
is not recorded, and what a root does (ticks, its configuration) is not told here.
"#;
