//! The VM trapped: one invocation did not return, and no stream that was open in it will see another
//! callback.

use abi::{Callback, Direction, Host, Kind};

use super::{kinds, phrases};
use crate::black_box::Panic;
use crate::calls::Call;
use crate::diagnose::{Diagnosis, NearMiss};
use crate::event::{Event, Marks};
use crate::finding::{Advice, Evidence, Finding, Severity, Subject, Verdict, Window};
use crate::ids::Sequence;
use crate::story::{StillHeld, Story, span};

/// See the head of this file.
pub const DIAGNOSIS: Diagnosis = Diagnosis {
    code: "vm-trap-collateral",
    title: "The plugin trapped, and its VM took all open streams with it",
    title_zh: "插件触发陷阱，它的虚拟机连同所有未结束的流一起失效",
    severity: Severity::Lost,
    is_fact: false,
    explanation: EXPLANATION,
    explanation_zh: include_str!("vm-trap-collateral.zh-CN.md"),
    known_from: &[
        "tetratelabs/proxy-wasm-go-sdk#217",
        "tetratelabs/proxy-wasm-go-sdk#261",
        "tetratelabs/proxy-wasm-go-sdk#372",
        "envoyproxy/envoy#26485",
        "envoyproxy/envoy#36456",
        "envoyproxy/envoy#38801",
        "envoyproxy/envoy#38865",
    ],
    example: EXAMPLE,
    near_misses: NEAR_MISSES,
    overlaps: &[],
    argues_from_absence: false,
    about_roots: false,
    unknown_in_log: None,
    triggers: TRIGGERS,
    judge: |story| judge(story).into_iter().collect(),
};

/// Whatever a stream may begin with: the trap itself can be any callback.
const TRIGGERS: &[Kind] = &[
    Kind::Callback(Callback::ContextCreate),
    Kind::Callback(Callback::NewConnection),
    Kind::Callback(Callback::DownstreamData),
    Kind::Callback(Callback::UpstreamData),
    Kind::Callback(Callback::RequestHeaders),
    Kind::Callback(Callback::RequestBody),
    Kind::Callback(Callback::RequestTrailers),
    Kind::Callback(Callback::ResponseHeaders),
    Kind::Callback(Callback::ResponseBody),
    Kind::Callback(Callback::ResponseTrailers),
    Kind::Callback(Callback::HttpCallResponse),
    Kind::Callback(Callback::Log),
    Kind::Callback(Callback::Done),
    Kind::Callback(Callback::Delete),
];

fn judge(story: &Story<'_>) -> Option<Verdict> {
    if let Some(silence) = story.timeline.silence {
        return Some(Verdict::Unknown {
            gap: format!(
                "This instance has been silent since {}, with {} of its timelines open: a trap that \
                 leaves no black box, a proxy that ended and a network that fails look alike from \
                 here.",
                crate::script::seconds(silence.since),
                silence.open
            ),
        });
    }
    let trap = trap(story)?;
    if is_own(story, trap) {
        return Some(culprit(story, trap));
    }
    // An end that came before the trap left nothing to lose.
    if story.ended().is_some_and(|end| end.order() < trap.order()) {
        return None;
    }
    Some(Stranded::of(story, trap)?.map_or_else(|gap| Verdict::Unknown { gap }, |s| s.found(story)))
}

/// The invocation that did not return; of nested ones the innermost.
pub fn trap<'a>(story: &Story<'a>) -> Option<&'a Event> {
    let unfinished = story.timeline.events.iter().filter(|e| e.marks.has(Marks::UNFINISHED));
    unfinished.max_by_key(|e| e.order())
}

/// Did the stream's own invocation trap, or the response callback of one of its calls?
pub fn is_own(story: &Story<'_>, trap: &Event) -> bool {
    trap.context == story.timeline.context || story.answered_by(trap).is_some()
}

fn culprit(story: &Story<'_>, trap: &Event) -> Verdict {
    let (wrote, panic) = last_words(trap);
    let headline = format!(
        "The plugin trapped in {}{wrote}: what it would have decided there was not decided, and its \
         VM is gone with all streams that were open in it.",
        phrases::name(trap)
    );
    let mut details =
        vec![format!("{} was entered and did not return.", phrases::capital(phrases::event(trap)))];
    details.extend(panic);
    verdict(story, Severity::Lost, headline, details, vec![trap.sequence], Vec::new())
}

/// A stream that was open when another invocation trapped.
struct Stranded<'a> {
    trap: &'a Event,
    /// The last thing the plugin saw of it.
    last: &'a Event,
    held: Option<StillHeld>,
    /// Calls that it waited for.
    out: Vec<&'a Call>,
}

impl<'a> Stranded<'a> {
    /// None: nothing is known of it from before the trap. The gap, a sentence, if its end may have
    /// been missed.
    fn of(story: &Story<'a>, trap: &'a Event) -> Option<Result<Stranded<'a>, String>> {
        let own = story.timeline.events.iter().filter(|e| {
            let invoked = matches!(e.kind, Kind::Callback(_)) && !e.marks.has(Marks::UNFINISHED);
            invoked && e.context == story.timeline.context && e.order() < trap.order()
        });
        let last = own.max_by_key(|e| e.order())?;
        let out: Vec<&Call> = story.out().filter(|call| story.is_awaited(call).is_some()).collect();
        let first = out.iter().map(|call| call.dispatch).fold(last.sequence, Sequence::min);
        if let Some(gap) = story.gap(first, Some(trap.sequence)) {
            return Some(Err(gap));
        }
        let held = [Direction::Request, Direction::Response]
            .into_iter()
            .find_map(|direction| story.still_held(direction, Some(trap)));
        let held = match held.transpose() {
            Ok(held) => held,
            Err(gap) => return Some(Err(gap)),
        };
        let out = if held.is_some() { out } else { Vec::new() };
        Some(Ok(Stranded { trap, last, held, out }))
    }

    fn found(&self, story: &Story<'_>) -> Verdict {
        let trap = self.trap;
        let (wrote, panic) = last_words(trap);
        let (severity, state) = match (&self.held, self.out.first()) {
            (Some(held), Some(call)) => (
                Severity::Lost,
                format!(
                    "{} was held and waited for {}, whose response callback will not come",
                    phrases::half(held.direction),
                    phrases::call(call)
                ),
            ),
            (Some(held), None) => (
                Severity::Hung,
                format!("{} was held, and nothing will resume it", phrases::half(held.direction)),
            ),
            (None, _) => (
                Severity::Failed,
                "this stream was open, and the plugin will see no more of it".to_owned(),
            ),
        };
        let of = match trap.context {
            root if root == story.timeline.root.context => "of its root context".to_owned(),
            context => format!("of context {context}"),
        };
        let name = phrases::name(trap);
        let headline = format!("The VM trapped in {name} {of}{wrote}: {state}.");
        let mut details = vec![
            format!(
                "{} was entered {of} and did not return.",
                phrases::capital(phrases::event(trap))
            ),
            format!(
                "The last that the plugin saw of this stream was {}, {} earlier.",
                phrases::event(self.last),
                span(trap.at.since(self.last.at))
            ),
        ];
        details.extend(panic);
        let mut events = vec![trap.sequence, self.last.sequence];
        let mut windows = vec![story.window(self.last.sequence, Some(trap.sequence), kinds::ENDS)];
        for call in &self.out {
            details.push(format!(
                "{} had been out for {} (#{}).",
                phrases::capital(phrases::call(call)),
                span(trap.at.since(call.dispatched_at)),
                call.dispatch
            ));
            events.push(call.dispatch);
            let kinds = kinds::responses_to(call.kind);
            windows.push(story.window(call.dispatch, Some(trap.sequence), kinds));
        }
        if let Some(held) = &self.held {
            events.extend(held.cited());
            windows.push(held.window.clone());
        }
        verdict(story, severity, headline, details, events, windows)
    }
}

/// What the plugin wrote at its end: for the headline, and as a sentence.
pub fn last_words(trap: &Event) -> (String, Option<String>) {
    match Panic::of(&trap.text_lossy()) {
        Some(panic) => {
            let said = panic.sentence();
            (format!(" ({said})"), Some(format!("The plugin wrote {said:?}.")))
        }
        None => (String::new(), None),
    }
}

fn verdict(
    story: &Story<'_>,
    severity: Severity,
    headline: String,
    details: Vec<String>,
    events: Vec<Sequence>,
    windows: Vec<Window>,
) -> Verdict {
    Verdict::Found(Box::new(Finding {
        details,
        evidence: Evidence { events: phrases::cited(events), windows },
        advice: phrases::advice(story.timeline.dialect.host, ADVICE),
        ..Finding::cause(DIAGNOSIS.code, severity, Subject::Timeline, headline)
    }))
}

const ADVICE: &[Advice] = &[
    Advice::any(
        "Mend what trapped; until then return an error where the code now panics. Plugins with a \
         vm_id of their own do not take each other's streams with them.",
        "修正触发陷阱的代码；在那之前，把现在会 panic 的地方改为返回错误。有自己的 vm_id 的插件不\
         会互相连累对方的流。",
    ),
    Advice::on(
        Host::Envoy,
        "On stock Envoy 1.33 or later failure_policy: FAIL_RELOAD gives new streams a new VM after \
         about a second. FAIL_CLOSED, the default, answers 503 on that worker for good, and FAIL_OPEN \
         lets every later request pass the plugin.",
        "在原版 Envoy 1.33 及以上，failure_policy: FAIL_RELOAD 会在大约一秒后为新的流提供新的虚拟\
         机。默认的 FAIL_CLOSED 会让那个工作线程从此一直应答 503，FAIL_OPEN 则让此后的每个请求都绕\
         过插件。",
    ),
    Advice::on(
        Host::Higress,
        "Higress gives new streams a new VM by itself. wasm-go turns a panic in a phase into Continue, \
         so the request passes unchecked; one in the callback of a call is not caught.",
        "Higress 会自动为新的流提供新的虚拟机。wasm-go 把阶段中的 panic 变成 Continue，于是请求未\
         经检查就通过；调用的回调中的 panic 不会被捕获。",
    ),
];

const EXAMPLE: &str = r#"
known_until 1.500000
0.000000 #11 create 2 root 1
0.000113 #13 request_headers 2 n=10 end -> pause
0.000120 #12   dispatch http "auth" timeout=5s -> ok call 4
1.500001 #16 request_headers 3 "thread '<unnamed>' panicked at src/lib.rs:31:9:\nno such user\n" -> (unfinished)
"#;

const NEAR_MISSES: &[NearMiss] = &[
    NearMiss {
        because: "the stream had ended before the trap",
        script: r#"
known_until 1.500000
0.000000 #11 create 2 root 1
0.000113 #13 request_headers 2 n=10 end -> pause
0.000120 #12   dispatch http "auth" timeout=5s -> ok call 4
0.800000 #14 log 2
0.800010 #15 done 2
0.800020 #16 delete 2
1.500001 #20 request_headers 3 "panic: no such user\n" -> (unfinished)
"#,
    },
    NearMiss {
        because: "the instance fell silent without a black box, which is no proof",
        script: r#"
silent since 1.500000 open 1
known_until 1.500000
0.000000 #11 create 2 root 1
0.000113 #13 request_headers 2 n=10 end -> pause
0.000120 #12   dispatch http "auth" timeout=5s -> ok call 4
"#,
    },
    NearMiss {
        because: "the delete may be among the events that were lost",
        script: r#"
gap 14-15 "the recorder's buffer was full"
known_until 1.500000
0.000000 #11 create 2 root 1
0.000113 #13 request_headers 2 n=10 end -> pause
0.000120 #12   dispatch http "auth" timeout=5s -> ok call 4
1.500001 #16 request_headers 3 "panic: no such user\n" -> (unfinished)
"#,
    },
    NearMiss {
        because: "the plugin wrote of a panic and went on",
        script: r#"
known_until 1.500000
0.000000 #11 create 2 root 1
0.000113 #13 request_headers 2 n=10 end -> continue
0.000120 #12   log_line "panicked at src/lib.rs:31:9: recovered" level=4 -> ok
"#,
    },
];

const EXPLANATION: &str = r#"## What you see

One request gets a 503, or passes although it should not have. At the same moment others hang that have
nothing to do with it: requests of the same worker that were waiting for a call. From then on every request
of that worker is answered with 503, or none is checked any more.

## Why it happens

A panic in Rust, a Go panic that nobody recovers, or `abort` in C++ ends in wasm's `unreachable`: a trap. The
host does not enter that VM again, and a VM serves all streams of a worker, of every plugin with the same
vm_id, code and VM configuration. A stream that is held there gets no callback any more, so nobody resumes
it: it hangs until the client gives up or an idle timeout of the host strikes, under every failure policy.

## How to be sure

The timeline of the request that trapped ends in an invocation `-> (unfinished)` with the plugin's last words,
sent just before the trap. The same line stands in the timelines of all streams that were open in the VM. It
is taken back if anything is heard of that VM afterwards. Of the request that trapped `callback-failure-unhandled`
is named instead where it is known that the plugin relied on an answer that was not there.

## What to do

Find the place that the text names, and return an error there instead. A header or body that is missing is
the usual cause. In Go:

```go
user, err := proxywasm.GetHttpRequestHeader("x-user")
if err != nil {
	proxywasm.SendHttpResponse(401, nil, []byte("who are you?"), -1)
	return types.ActionPause
}
```

In Rust:

```rust
let Some(user) = self.get_http_request_header("x-user") else {
    self.send_http_response(401, vec![], Some(b"who are you?"));
    return Action::Pause;
};
```

To limit the harm: on stock Envoy 1.33 or later `failure_policy: FAIL_RELOAD` gives new streams a new VM after
about a second; Higress does so by itself. A `vm_id` of its own keeps a plugin from taking others with it. On
Higress mind that wasm-go recovers panics in phases by answering Continue.

## What this cannot see

Traps that run no `unreachable` (out of bounds, division by zero, an exhausted stack) leave nothing behind: if
three heartbeats of an instance are missing (30 seconds, unless it is seen to send fewer) while streams are open
in it, this diagnosis says that it does not know. What the host answered the client with after the trap.
"#;
