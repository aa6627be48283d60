//! The plugin speaks another dialect than its host: it returned a number that this host takes for another, it
//! asked for what only Higress has, or its module is built for a host that does something else with number 1.

use abi::{
    AbiVersion, Callback, EffectiveAction, HeadersStop, Host, Hostcall, Kind, Phase, Status,
    effective_action,
};

use super::phrases;
use crate::diagnose::{Diagnosis, NearMiss};
use crate::event::Event;
use crate::finding::{Advice, Evidence, Finding, Severity, Subject, Verdict};
use crate::hold::ends_stream;
use crate::story::Story;

/// See the head of this file.
pub const DIAGNOSIS: Diagnosis = Diagnosis {
    code: "host-dialect-mismatch",
    title: "The plugin is built for another host's rules",
    title_zh: "插件是按另一种宿主的规则构建的",
    severity: Severity::Failed,
    is_fact: false,
    explanation: EXPLANATION,
    explanation_zh: include_str!("host-dialect-mismatch.zh-CN.md"),
    known_from: &[
        "higress-group/higress#1677",
        "higress-group/higress#2215",
        "higress-group/higress#3071",
        "Kuadrant/kuadrant-operator#1993",
    ],
    example: EXAMPLE,
    near_misses: NEAR_MISSES,
    overlaps: &[],
    argues_from_absence: false,
    about_roots: true,
    unknown_in_log: None,
    triggers: &[
        Kind::Callback(Callback::ContextCreate),
        Kind::Callback(Callback::RequestHeaders),
        Kind::Callback(Callback::RequestBody),
        Kind::Callback(Callback::RequestTrailers),
        Kind::Callback(Callback::ResponseHeaders),
        Kind::Callback(Callback::ResponseBody),
        Kind::Callback(Callback::ResponseTrailers),
        Kind::Hostcall(Hostcall::RedisInit),
        Kind::Hostcall(Hostcall::InjectEncodedData),
        Kind::Hostcall(Hostcall::GetUpstreamHosts),
        Kind::Hostcall(Hostcall::SetUpstreamOverrideHost),
    ],
    judge: |story| judge(story).into_iter().collect(),
};

/// The hostcalls that only Higress has. A dispatch among them is told by `dispatch-rejected`.
const ONLY_HIGRESS: [Hostcall; 4] = [
    Hostcall::RedisInit,
    Hostcall::InjectEncodedData,
    Hostcall::GetUpstreamHosts,
    Hostcall::SetUpstreamOverrideHost,
];

fn judge(story: &Story<'_>) -> Option<Verdict> {
    if let Some(finding) = unimplemented(story).or_else(|| misunderstood(story)) {
        return Some(Verdict::Found(Box::new(finding)));
    }
    let timeline = story.timeline;
    if timeline.is_root() && !timeline.is_errand() { built_for_another(story) } else { None }
}

/// A hostcall of Higress's that this host has not.
fn unimplemented(story: &Story<'_>) -> Option<Finding> {
    let is_it = |e: &&Event| {
        let is_higress = matches!(e.kind, Kind::Hostcall(h) if ONLY_HIGRESS.contains(&h));
        is_higress && Status::from_number(e.result) == Status::Unimplemented
    };
    let mut all = story.timeline.events.iter().filter(is_it);
    let (first, more) = (all.next()?, all.count());
    let mut details = vec![format!(
        "{} was answered with status 12 (Unimplemented). Only Higress has this hostcall; for a stock \
         Envoy wasm-tracer instrument --host envoy puts a stub in its place that answers so.",
        phrases::capital(phrases::event(first))
    )];
    if more > 0 {
        details.push(format!("{more} more such hostcalls were answered so."));
    }
    let headline = format!(
        "This host has no {}, which the plugin needs: only Higress has it.",
        phrases::name(first)
    );
    Some(finding(story, Severity::Failed, headline, details, &[first]))
}

/// A phase that returned a number which means to this host what its writer cannot have meant.
fn misunderstood(story: &Story<'_>) -> Option<Finding> {
    let own = |e: &&Event| e.context == story.timeline.context;
    let mut phases = story.timeline.events.iter().filter(own).filter_map(|event| {
        let Kind::Callback(callback) = event.kind else { return None };
        Some((event, callback.phase()?))
    });
    let (event, phase, word) =
        phases.find_map(|(event, phase)| Some((event, phase, word(phase, event)?)))?;
    // An answer of its own stops everything, whatever the phase returns.
    let replied = story.step_of(event.sequence)?.after.replied.is_some();
    if replied || story.gap_in(event).is_some() {
        return None;
    }
    let effective = effective_action(phase, event.result, false, story.timeline.dialect);
    let taken = taken_for(effective);
    let headline = format!(
        "{} returned {} ({word}), and this host takes that for {taken}.",
        phrases::capital(phrases::event(event)),
        event.result
    );
    let half = phase.direction().name();
    // What the rules of the host say is one thing, what was seen of it another.
    let next = story.timeline.events.iter().filter(own).find(|e| {
        let is_more = |c: Callback| {
            c.phase().is_some_and(|p| p.direction() == phase.direction() && !p.is_headers())
        };
        e.order() > event.order() && matches!(e.kind, Kind::Callback(c) if is_more(c))
    });
    let next = next.filter(|_| effective == EffectiveAction::Continue);
    let details = vec![match (effective, next) {
        (EffectiveAction::Continue, Some(next)) => {
            format!("The rest of the {half} came behind the headers ({}).", phrases::event(next))
        }
        (EffectiveAction::Continue, None) => {
            format!("By this host's rules that lets the {half} go on.")
        }
        _ => format!("By this host's rules that stops the {half} until a resume."),
    }];
    let cited: Vec<&Event> = [event].into_iter().chain(next).collect();
    Some(finding(story, Severity::Failed, headline, details, &cited))
}

/// What a returned number is called where it means something else than the host makes of it; None where the
/// host does what it says.
fn word(phase: Phase, event: &Event) -> Option<&'static str> {
    const NOTHING: &str = "no action of this phase";
    match (phase, event.result) {
        // Nothing follows headers that end the stream, so there it is the same.
        (Phase::RequestHeaders | Phase::ResponseHeaders, 2) => {
            (!ends_stream(event)).then_some("ContinueAndEndStream in the Higress and C++ SDKs")
        }
        (Phase::RequestHeaders | Phase::ResponseHeaders, 5..)
        | (Phase::RequestBody | Phase::ResponseBody, 4..)
        | (Phase::RequestTrailers | Phase::ResponseTrailers, 2..) => Some(NOTHING),
        _ => None,
    }
}

fn taken_for(action: EffectiveAction) -> &'static str {
    match action {
        EffectiveAction::Continue => "Continue",
        EffectiveAction::StopAllIterationAndWatermark => "StopAllIterationAndWatermark",
        EffectiveAction::StopIterationNoBuffer => "StopIterationNoBuffer",
        _ => "a stop",
    }
}

/// A module for a host that holds the headers alone, where all is seen to be held: said of the root, once,
/// when its streams have shown it.
fn built_for_another(story: &Story<'_>) -> Option<Verdict> {
    let dialect = story.timeline.dialect;
    if story.timeline.module.abi != Some(AbiVersion::V0_2_100) {
        return None;
    }
    match (dialect.headers_stop, dialect.calibrated) {
        (HeadersStop::Unknown, _) => {
            let gap = "What this host makes of number 1 from a headers phase has not been seen yet: for \
                       that, streams must return it and have a body.";
            return Some(Verdict::Unknown { gap: gap.to_owned() });
        }
        (HeadersStop::All, true) => {}
        _ => return None,
    }
    let created = story.first(Callback::ContextCreate)?;
    let headline = "This module is built for ABI 0.2.100, where number 1 from a headers phase holds the \
                    headers alone, and this host holds everything on it: what waits for the body behind it \
                    hangs.";
    let details = vec![
        "In several streams of this plugin number 1 from the headers phase kept the body back, and it came \
         in the same turn as the resume."
            .to_owned(),
        "What waits for a call there works all the same.".to_owned(),
    ];
    let found = finding(story, Severity::Race, headline.to_owned(), details, &[created]);
    Some(Verdict::Found(Box::new(found)))
}

fn finding(
    story: &Story<'_>,
    severity: Severity,
    headline: String,
    details: Vec<String>,
    events: &[&Event],
) -> Finding {
    Finding {
        details,
        evidence: Evidence {
            events: phrases::cited(events.iter().map(|e| e.sequence)),
            windows: Vec::new(),
        },
        advice: phrases::advice(story.timeline.dialect.host, ADVICE),
        ..Finding::cause(DIAGNOSIS.code, severity, Subject::Timeline, headline)
    }
}

const ADVICE: &[Advice] = &[
    Advice::any(
        "Build the plugin for the host that runs it, and return from each phase only what the \
         host knows there.",
        "按实际运行插件的宿主来构建插件，每个阶段只返回宿主在那里认识的值。",
    ),
    Advice::on(
        Host::Higress,
        "On Higress build Go plugins with its SDK and the build tag proxy_wasm_version_0_2_100: a \
         module of ABI 0.2.1 gets StopAllIteration for HeaderStopIteration.",
        "在 Higress 上，用它的 SDK 和构建标签 proxy_wasm_version_0_2_100 构建 Go 插件：ABI 0.2.1 \
         的模块返回 HeaderStopIteration，得到的是 StopAllIteration。",
    ),
    Advice::on(
        Host::Envoy,
        "On stock Envoy 1.35 or later set allow_on_headers_stop_iteration: true in the plugin \
         configuration for such a module; its Redis calls and the other hostcalls of Higress \
         alone are not there.",
        "在原版 Envoy 1.35 及以上，为这样的模块在插件配置中设置 allow_on_headers_stop_iteration: \
         true；它的 Redis 调用和 Higress 独有的其他宿主调用在那里不存在。",
    ),
];

const EXAMPLE: &str = r#"
module abi 0.2.1 host envoy
0.000000 #11 create 2 root 1
0.000113 #12 request_headers 2 n=10 -> 2
0.001800 #13 request_body 2 size=7 end -> continue
0.005114 #14 response_headers 2 n=5 end -> continue
0.006020 #15 log 2
0.006031 #16 done 2
0.006040 #17 delete 2
"#;

const NEAR_MISSES: &[NearMiss] = &[
    NearMiss {
        because: "nothing follows the headers, so Continue and ContinueAndEndStream are the same",
        script: r#"
module abi 0.2.1 host envoy
0.000000 #11 create 2 root 1
0.000113 #12 request_headers 2 n=10 end -> 2
0.005114 #14 response_headers 2 n=5 end -> continue
"#,
    },
    NearMiss {
        because: "every host knows 4 in the headers phase",
        script: r#"
module abi 0.2.1 host envoy
known_until 0.500000
0.000000 #11 create 2 root 1
0.000113 #13 request_headers 2 n=10 -> 4
0.000120 #12   dispatch http "auth" timeout=5s -> ok call 4
"#,
    },
    NearMiss {
        because: "the phase answered the request itself: what it returns does not count",
        script: r#"
module abi 0.2.1 host envoy
0.000000 #11 create 2 root 1
0.000113 #13 request_headers 2 n=10 -> 5
0.000120 #12   send_local_response status=403 -> ok
"#,
    },
    NearMiss {
        because: "this host has the hostcall and refused it for another reason",
        script: r#"
module abi 0.2.100 host higress
0.000000 #11 create 2 root 1
0.000113 #13 request_headers 2 n=10 end -> continue
0.000120 #12   get_upstream_hosts -> bad_argument
"#,
    },
];

const EXPLANATION: &str = r#"## What you see

The plugin works on one proxy and not on another: requests with a body hang, a stop stops nothing, a hostcall
fails at once.

## Why it happens

Hosts differ. Number 1 from a headers phase is StopIteration on Higress for a module of ABI 0.2.100, and on
Envoy with `allow_on_headers_stop_iteration: true`; everywhere else it is StopAllIteration, and the body phase
is not called until a resume. `HeaderContinueAndEndStream` (2) is Continue for Envoy. Numbers that a phase does
not know are taken for a stop. Redis calls and some hostcalls on the response exist on Higress alone; in a module
that was instrumented for stock Envoy they are stubs that answer 12.

## How to be sure

For a number: the phase's event shows what was returned. For a hostcall: its status is 12, Unimplemented. For the
module: its ABI version is 0.2.100, and this plugin's streams have shown that the host holds everything: several
times number 1 was returned, and the body came only with the resume. It is said once, of the life of the root.
As long as the streams have shown nothing it is unknown. A request that hangs for this reason is told by
`header-pause-starves-body`.

## What to do

On Higress build with the SDK's tag for the ABI, and stop in a way that the host knows:

```go
// go build -tags proxy_wasm_version_0_2_100
func onHttpRequestHeaders(ctx wrapper.HttpContext, config Config) types.Action {
	if !ctx.HasRequestBody() {
		return types.HeaderContinue
	}
	return types.HeaderStopIteration // held, and the body phase is called
}
```

On stock Envoy 1.35 or later set the flag beside the plugin's code; the standard SDKs know two actions only:

```rust
// allow_on_headers_stop_iteration: true
fn on_http_request_headers(&mut self, _: usize, end_of_stream: bool) -> Action {
    if end_of_stream { Action::Continue } else { Action::Pause }
}
```

## What this cannot see

The flag itself: only what the host makes of number 1. Where no stream returned it, or none had a body, nothing
is said. Whether a plugin can do without what it asked for in vain. What a Higress
newer than its 1.27-based Envoy does was not run.
"#;
