//! A phase stopped and nothing is under way that could resume it.

use abi::Host;

use super::stuck::{self, Stuck, Told};
use super::{kinds, phrases};
use crate::calls::{Call, Outcome};
use crate::diagnose::{Diagnosis, NearMiss};
use crate::event::Event;
use crate::finding::{Advice, Severity, Verdict};
use crate::of_a_log;
use crate::story::Story;

/// See the head of this file.
pub const DIAGNOSIS: Diagnosis = Diagnosis {
    code: "paused-without-pending-call",
    title: "A phase stopped, and nothing is under way that could resume it",
    title_zh: "某个阶段停止了，而没有任何正在进行的事能让它恢复",
    severity: Severity::Hung,
    is_fact: false,
    explanation: EXPLANATION,
    explanation_zh: include_str!("paused-without-pending-call.zh-CN.md"),
    known_from: &["higress-group/higress#825", "Kuadrant/wasm-shim#425"],
    example: EXAMPLE,
    near_misses: NEAR_MISSES,
    overlaps: &[],
    argues_from_absence: true,
    about_roots: false,
    unknown_in_log: Some(of_a_log::exports),
    triggers: kinds::PHASES,
    judge,
};

fn judge(story: &Story<'_>) -> Vec<Verdict> {
    let stuck = stuck::all(story).into_iter().filter(|stuck| !stuck.replied);
    stuck.filter_map(|stuck| of(story, &stuck)).collect()
}

fn of(story: &Story<'_>, stuck: &Stuck<'_>) -> Option<Verdict> {
    let before = stuck.answered_before(story)?;
    // After calls that went well only what the phase itself tried is what it stopped for.
    let is_its = |call: &&Call| before.is_empty() || call.entry == stuck.phase.entry;
    let refused = story.calls().iter().filter(|call| matches!(call.outcome, Outcome::Rejected(_)));
    let refused: Vec<&Event> =
        refused.filter(is_its).filter_map(|call| story.timeline.event(call.dispatch)).collect();
    match refused.first() {
        Some(first) => {
            // A body that is still to come brings the next phase, and with it another chance.
            let is_last = stuck.half.ended || stuck.is_all_held();
            let told = told_of_refused(first, refused.iter().map(|e| e.sequence).collect());
            stuck.judge(story, &[], told).filter(|_| is_last)
        }
        None if is_at_its_end(story, stuck) => {
            stuck.judge(story, kinds::DISPATCHES, told_of_nothing())
        }
        _ => None,
    }
}

/// Will no further phase come, and is that not the case of a diagnosis of its own?
fn is_at_its_end(story: &Story<'_>, stuck: &Stuck<'_>) -> bool {
    if stuck.is_in_headers() {
        let module = &story.timeline.module;
        let is_known = module.callbacks != 0 && !module.is_of_a_log();
        return !stuck.half.ended && is_known && !module.exports(stuck.direction.body());
    }
    stuck.half.ended || stuck.is_all_held()
}

fn told_of_refused(first: &Event, events: Vec<crate::ids::Sequence>) -> Told {
    Told {
        code: DIAGNOSIS.code,
        why: format!(
            "the dispatch{} that it would wait for was refused (status {})",
            phrases::to_cluster(first),
            first.result
        ),
        details: vec![format!(
            "The host refused the dispatch ({}), so no callback will come, and no other call of the \
             stream is out.",
            phrases::event(first)
        )],
        events,
        advice: ADVICE,
    }
}

fn told_of_nothing() -> Told {
    Told {
        code: DIAGNOSIS.code,
        why:
            "no call of the stream is under way and no further phase will come that could let it go"
                .to_owned(),
        details: vec!["No call is out whose callback could resume.".to_owned()],
        events: Vec::new(),
        advice: ADVICE,
    }
}

const ADVICE: &[Advice] = &[
    Advice::any(
        "Stop only where something is under way that will resume: when a dispatch fails answer Continue (fail open) or send a local response (fail closed) in the same phase.",
        "只有确实有某件正在进行的事会来恢复时才停止：发起调用失败时，在同一阶段返回 Continue（放\
         行）或发送本地应答（拒绝）。",
    ),
    Advice::on(
        Host::Higress,
        "With wasm-go every call answers an error: when it is not nil no callback comes.",
        "使用 wasm-go 时，每次调用都会返回一个 error：它不为 nil 时，就不会有回调。",
    ),
    Advice::on(
        Host::Envoy,
        "With the proxy-wasm crate dispatch_http_call answers Err when no callback will come.",
        "使用 proxy-wasm crate 时，如果不会有回调，dispatch_http_call 返回 Err。",
    ),
];

const EXAMPLE: &str = r#"
module abi 0.2.1 host envoy
known_until 3.000000
0.000000 #11 create 2 root 1
0.000113 #12 request_headers 2 n=10 -> continue
0.001800 #13 request_body 2 size=7 end -> pause
"#;

const NEAR_MISSES: &[NearMiss] = &[
    NearMiss {
        because: "the body has not ended: it is being gathered",
        script: r#"
module abi 0.2.1 host envoy
known_until 3.000000
0.000000 #11 create 2 root 1
0.000113 #12 request_headers 2 n=10 -> continue
0.001800 #13 request_body 2 size=7 -> pause
"#,
    },
    NearMiss {
        because: "a call is under way",
        script: r#"
module abi 0.2.1 host envoy
known_until 0.500000
0.000000 #11 create 2 root 1
0.000113 #12 request_headers 2 n=10 -> continue
0.001800 #14 request_body 2 size=7 end -> pause
0.001810 #13   dispatch http "auth" timeout=5s -> ok call 4
"#,
    },
    NearMiss {
        because: "the call was made in the headers phase, and the body waits for it",
        script: r#"
module abi 0.2.1 host envoy
known_until 3.000000
0.000000 #11 create 2 root 1
0.000113 #13 request_headers 2 n=10 -> continue
0.000120 #12   dispatch http "auth" timeout=5s -> ok call 4
0.001800 #14 request_body 2 size=7 end -> pause
"#,
    },
    NearMiss {
        because: "the phase went on although the dispatch was refused",
        script: r#"
module abi 0.2.1 host envoy
known_until 3.000000
0.000000 #11 create 2 root 1
0.000113 #13 request_headers 2 n=10 end -> continue
0.000120 #12   dispatch http "nowhere" headers=60 pseudo=7 timeout=5s -> bad_argument
"#,
    },
];

const EXPLANATION: &str = r#"## What you see

A request hangs until the client gives up or an idle timeout of the host strikes, often only when something
else failed: a service that is down, a body that could not be read.

## Why it happens

A phase returned Pause, but nothing will bring the plugin back to the stream: the dispatch it meant to wait
for was refused, or it dispatched nothing, and the host has no further phase to call. A stop is a promise to
resume; here nobody is left who could keep it.

## How to be sure

The phase stopped. Every call of the stream had been answered before it or was refused, or there was none.
The end of the stream was seen, or the host holds everything. For a second no resume and no local response
came.

## What to do

Look at what each dispatch answers, and stop only when it was accepted. On Higress:

```go
if err := config.client.Post("/check", nil, body, onAnswer); err != nil {
	proxywasm.LogErrorf("no check: %v", err)
	proxywasm.SendHttpResponse(503, nil, []byte("no check"), -1) // Continue would let it pass unchecked
	return types.ActionPause
}
return types.ActionPause
```

On stock Envoy:

```rust
match self.dispatch_http_call("auth", headers, Some(&body), vec![], Duration::from_secs(2)) {
    Ok(_) => Action::Pause,
    Err(_) => {
        self.send_http_response(503, vec![], Some(b"no check"));
        Action::Pause
    }
}
```

## What this cannot see

A resume that the plugin plans from a timer or a queue. If one comes, the finding is withdrawn.
"#;
