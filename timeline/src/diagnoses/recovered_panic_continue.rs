//! A panic was caught by the SDK, and the phase let everything go.

use abi::{Host, Hostcall, Kind};

use super::phrases;
use crate::diagnose::{Diagnosis, NearMiss};
use crate::event::Event;
use crate::finding::{Advice, Evidence, Finding, Severity, Subject, Verdict};
use crate::of_a_log;
use crate::story::{Step, Story};

/// What wasm-go logs when it has caught a panic (`pkg/wrapper/plugin_wrapper.go: recoverFunc`).
const CAUGHT: &str = "recovered from panic";

/// See the head of this file.
pub const DIAGNOSIS: Diagnosis = Diagnosis {
    code: "recovered-panic-continue",
    title: "A panic was caught, and the phase answered Continue",
    title_zh: "panic 被捕获，该阶段返回了 Continue",
    severity: Severity::Failed,
    is_fact: false,
    explanation: EXPLANATION,
    explanation_zh: include_str!("recovered-panic-continue.zh-CN.md"),
    known_from: &["higress-group/higress#2084", "higress-group/higress#4599"],
    example: EXAMPLE,
    near_misses: NEAR_MISSES,
    overlaps: &[],
    argues_from_absence: false,
    about_roots: false,
    unknown_in_log: Some(of_a_log::log_lines),
    triggers: &[Kind::Hostcall(Hostcall::Log)],
    judge,
};

fn judge(story: &Story<'_>) -> Vec<Verdict> {
    story.steps.iter().filter_map(|step| of_step(story, step)).take(1).collect()
}

fn of_step(story: &Story<'_>, step: &Step) -> Option<Verdict> {
    let phase = story.invocation(step)?;
    let Kind::Callback(callback) = phase.kind else { return None };
    let direction = callback.phase()?.direction();
    let is_it =
        |e: &&Event| e.kind == Kind::Hostcall(Hostcall::Log) && e.text_lossy().contains(CAUGHT);
    let line = story.hostcalls(step).iter().find(is_it).filter(|_| phase.result == 0)?;
    let headline = format!(
        "The plugin panicked in {}; the SDK caught it and let {} go on.",
        phrases::name(phase),
        phrases::half(direction)
    );
    let text = line.text_lossy();
    let said = text.get(text.find(CAUGHT)?..)?.trim();
    let details = vec![
        format!("The phase answered Continue ({}).", phrases::event(phase)),
        format!("In it the SDK logged (#{}): {}.", line.sequence, said.trim_end_matches('.')),
    ];
    Some(Verdict::Found(Box::new(Finding {
        details,
        evidence: Evidence {
            events: phrases::cited([phase.sequence, line.sequence]),
            windows: Vec::new(),
        },
        advice: phrases::advice(story.timeline.dialect.host, ADVICE),
        ..Finding::cause(DIAGNOSIS.code, Severity::Failed, Subject::Direction(direction), headline)
    })))
}

const ADVICE: &[Advice] = &[
    Advice::any(
        "Mend what panicked; a plugin that guards something must deny when it fails.",
        "修正引起 panic 的代码；起保护作用的插件在失败时必须拒绝。",
    ),
    Advice::on(
        Host::Higress,
        "On Higress set WASM_DISABLE_PANIC_RECOVERY=true in vmConfig.env while testing: then a panic ends the VM and is seen.",
        "在 Higress 上，测试时在 vmConfig.env 中设置 WASM_DISABLE_PANIC_RECOVERY=true：这样 panic \
         会终结虚拟机，从而被发现。",
    ),
    Advice::on(
        Host::Envoy,
        "On stock Envoy the same variable stands in vm_config.environment_variables.",
        "在原版 Envoy 上，同一个变量写在 vm_config.environment_variables 中。",
    ),
];

const EXAMPLE: &str = r#"
0.000000 #11 create 2 root 1
0.000113 #13 request_headers 2 n=10 end -> continue
0.000120 #12   log_line "recovered from panic runtime error: index out of range [3] with length 3, stack: main.go:41" level=4 -> ok
0.005114 #14 response_headers 2 n=5 -> continue
"#;

const NEAR_MISSES: &[NearMiss] = &[
    NearMiss {
        because: "the phase denied after it",
        script: r#"
0.000000 #11 create 2 root 1
0.000113 #14 request_headers 2 n=10 end -> pause
0.000120 #12   log_line "recovered from panic runtime error" level=4 -> ok
0.000130 #13   send_local_response status=500 -> ok
"#,
    },
    NearMiss {
        because: "another error was logged",
        script: r#"
0.000000 #11 create 2 root 1
0.000113 #13 request_headers 2 n=10 end -> continue
0.000120 #12   log_line "cannot read the header" level=4 -> ok
"#,
    },
];

const EXPLANATION: &str = r#"## What you see

Some requests pass the plugin as if it were not there; the log has a line with "recovered from panic".

## Why it happens

wasm-go catches a panic in the handler of a phase, logs it, and the handler returns its zero value, which is
Continue. What the handler had not done by then is not done: an authorisation check that panics lets everybody
in. A panic in the callback of a call is not caught; it ends the VM.

## How to be sure

In one invocation the log line "recovered from panic" stands, and the number that the phase returned is 0.

## What to do

Mend what panicked, and make sure that what guards fails closed. On Higress:

```go
func onHttpRequestHeaders(ctx wrapper.HttpContext, config Config) (action types.Action) {
	defer func() {
		if recover() != nil {
			proxywasm.SendHttpResponse(500, nil, nil, -1)
			action = types.ActionPause
		}
	}()
	return check(ctx, config)
}
```

The `proxy-wasm` crate on stock Envoy catches nothing: a panic there ends the VM, so return errors instead:

```rust
fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
    self.check().unwrap_or_else(|error| self.deny(error))
}
```

## What this cannot see

Log lines below the level that is recorded, and those of a plugin whose SDK says it in other words.
"#;
