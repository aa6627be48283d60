//! A call was still out when its root ended, and the host cancelled it.

use abi::{Callback, Host, Kind};

use super::{kinds, phrases};
use crate::calls::{Call, Outcome};
use crate::diagnose::{Diagnosis, NearMiss};
use crate::event::Event;
use crate::finding::{Advice, Evidence, Finding, Severity, Subject, Verdict};
use crate::story::{Story, span, timeout};

/// See the head of this file.
pub const DIAGNOSIS: Diagnosis = Diagnosis {
    code: "root-shutdown-cancelled",
    title: "A call was out when its root ended: the host cancelled it without a callback",
    title_zh: "根结束时调用尚未得到应答：宿主取消了它，没有回调",
    severity: Severity::Lost,
    is_fact: false,
    explanation: EXPLANATION,
    explanation_zh: include_str!("root-shutdown-cancelled.zh-CN.md"),
    known_from: &[
        "proxy-wasm/proxy-wasm-rust-sdk#203",
        "istio/istio#26548",
        "istio/istio#54490",
        "envoyproxy/envoy#27311",
        "envoyproxy/envoy#43751",
    ],
    example: EXAMPLE,
    near_misses: NEAR_MISSES,
    overlaps: &[],
    argues_from_absence: false,
    about_roots: true,
    unknown_in_log: None,
    triggers: kinds::DISPATCHES,
    judge: |story| story.calls().iter().filter_map(|call| of_call(story, call)).collect(),
};

fn of_call(story: &Story<'_>, call: &Call) -> Option<Verdict> {
    let Outcome::Cancelled(end) = call.outcome else { return None };
    // A stream that waited for it had ended before, and lost it then: that has causes of its own.
    if story.is_awaited(call).is_some() {
        return None;
    }
    let end = story.timeline.event(end)?;
    let dispatch = story.timeline.event(call.dispatch)?;
    if let Some(gap) = story.gap(dispatch.sequence, Some(end.sequence)) {
        return Some(Verdict::Unknown { gap });
    }
    let step = story.step_of(dispatch.sequence)?;
    let within = story.invocation(step);
    let is_unused = story.timeline.is_root() && story.timeline.root.streams == 0;
    let place = within.map(|event| format!(" in {}", phrases::name(event))).unwrap_or_default();
    let headline = format!(
        "{}, dispatched{place}, was out for {} when its root ended ({}): the host cancelled it, and no \
         response callback follows.",
        phrases::capital(phrases::call(call)),
        span(end.at.since(dispatch.at)),
        phrases::event(end),
    );
    let mut details = vec![
        format!("It was dispatched{place} (#{}, {}).", dispatch.sequence, timeout(call)),
        format!(
            "Root {} ended {} later ({}), and no response callback of the call had come by then.",
            end.context,
            span(end.at.since(dispatch.at)),
            how(end)
        ),
        "Calls belong to the root, and with it the host drops them: the request on the wire is reset."
            .to_owned(),
    ];
    if is_unused {
        details.push(
            "The root has seen no stream: the main thread has such a VM, and a host makes one to try a \
             configuration, so this call may have been in vain from the beginning."
                .to_owned(),
        );
    }
    // A gRPC stream is meant to be out all the time, and to end with its root.
    let is_stream = call.kind == abi::CallKind::GrpcStream;
    let severity = if is_unused || is_stream { Severity::Note } else { Severity::Lost };
    let window =
        story.window(dispatch.sequence, Some(end.sequence), kinds::responses_to(call.kind));
    Some(Verdict::Found(Box::new(Finding {
        details,
        evidence: Evidence {
            events: phrases::cited([dispatch.sequence, end.sequence]),
            windows: vec![window],
        },
        advice: phrases::advice(story.timeline.dialect.host, ADVICE),
        ..Finding::cause(DIAGNOSIS.code, severity, Subject::Call(call.id), headline)
    })))
}

fn how(end: &Event) -> String {
    match end.kind {
        Kind::Callback(Callback::Done) => format!("done #{} answered true", end.sequence),
        _ => phrases::event(end).to_string(),
    }
}

const ADVICE: &[Advice] = &[
    Advice::any(
        "Start no call that matters at the end of a root, and expect that one made in configure or tick \
         is dropped by the next push: the new root has to make it again.",
        "不要在根结束时发起重要的调用，并要预料到：在 configure 或 tick 中发起的调用会被下一次推送\
         丢弃，新的根必须重新发起。",
    ),
    Advice::on(
        Host::Higress,
        "With wasm-go every change of the plugin's configuration ends its root: fetch anew in the function \
         that parses it, and keep nothing that only the old root knew.",
        "使用 wasm-go 时，插件配置的每次变更都会结束它的根：在解析配置的函数中重新获取，不要让任何\
         东西只有旧的根知道。",
    ),
    Advice::on(
        Host::Envoy,
        "With the proxy-wasm crate answer false from on_done while calls are out and call done() after \
         the last callback: that saves them as long as another root keeps the VM.",
        "使用 proxy-wasm crate 时，只要还有调用尚未得到应答，on_done 就返回 false，并在最后一个回\
         调之后调用 done()：只要还有另一个根保住虚拟机，这样就能保住这些调用。",
    ),
];

const EXAMPLE: &str = r#"
context 1 generation 0
root 1 plugin "keys" streams 42
0.000000 #1 create 1
0.000100 #2 vm_start root 1
0.000200 #4 configure root 1
0.000300 #3   dispatch http "keys" pseudo=7 timeout=300s -> ok call 4
9.000000 #5 done 1
9.000010 #6 delete 1
"#;

const NEAR_MISSES: &[NearMiss] = &[
    NearMiss {
        because: "the call was answered before the root ended",
        script: r#"
context 1 generation 0
root 1 plugin "keys" streams 42
0.000000 #1 create 1
0.000200 #3 configure root 1
0.000300 #2   dispatch http "keys" pseudo=7 timeout=300s -> ok call 4
0.200000 #4 http_call_response root 1 call 4 headers=3 body=9 code=200
9.000000 #5 done 1
9.000010 #6 delete 1
"#,
    },
    NearMiss {
        because: "the root said that it is not done yet, and its call is answered then",
        script: r#"
context 1 generation 0
root 1 plugin "keys" streams 42
0.000000 #1 create 1
0.000200 #3 configure root 1
0.000300 #2   dispatch http "keys" pseudo=7 timeout=300s -> ok call 4
9.000000 #4 done 1 -> false
9.200000 #5 http_call_response root 1 call 4 headers=3 body=9 code=200
9.200010 #6 delete 1
"#,
    },
    NearMiss {
        because: "the call is out, and the root lives",
        script: r#"
context 1 generation 3
root 1 plugin "keys" streams 42
known_until 8.000000
1.000200 #4 tick root 1 entry=3
1.000300 #3   dispatch http "keys" pseudo=7 timeout=300s -> ok call 4
"#,
    },
    NearMiss {
        because: "the dispatch was refused: there was no call",
        script: r#"
context 1 generation 3
root 1 plugin "keys" streams 42
1.000200 #4 tick root 1 entry=3
1.000300 #3   dispatch http "nowhere" pseudo=7 timeout=300s -> bad_argument
9.000000 #5 done 1
9.000010 #6 delete 1
"#,
    },
    NearMiss {
        because: "a stream waited for it and had ended long before: it was lost then",
        script: r#"
0.000000 #11 create 2 root 1
0.000113 #13 request_headers 2 n=10 end -> pause
0.000120 #12   dispatch http "auth" timeout=300s -> ok call 4
0.001006 #14 log 2
0.001031 #15 done 2
0.001040 #16 delete 2
9.000000 #17 done 1
9.000010 #18 delete 1
"#,
    },
];

const EXPLANATION: &str = r#"## What you see

After a change of the configuration, or when the proxy stops, a call that was under way is never answered: no
callback, no error. Keys that were being fetched are not there, a report that was on its way did not arrive.

## Why it happens

A call belongs to the root context of the plugin. A push of a new configuration makes a new root beside the
old one; the old one lives until its last stream has ended. Then the host calls on_done and on_delete, and
drops what the root has called and not heard of, without a callback. Streams that are held keep their root,
so their calls are safe; those of a tick, of configure, of a queue, and those of streams that are gone are not.

A configuration also runs in VMs that never serve: one that only tries it, and that of the main thread. So a
call made in configure goes out two times more than there are workers, and some of these end at once. Where
the root saw no stream, the finding is only a note; so it is of a gRPC stream, which is out as long as its root
lives.

## How to be sure

The dispatch was accepted, no response callback came, and then on_done of the root answered true, or its
on_delete came. On Envoy and Higress the first is followed by the second at once.

## What to do

Have the new root make the call again, and keep nothing in the old one. On Higress the function that parses the
configuration runs for each new root:

```go
func parseConfig(json gjson.Result, config *Config) error {
	config.client = wrapper.NewClusterClient(wrapper.FQDNCluster{FQDN: json.Get("keys").String(), Port: 443})
	wrapper.RegisterTickFunc(60_000, func() { fetchKeys(config) })
	return fetchKeys(config)
}
```

On stock Envoy a root can ask for time while another root keeps the VM alive:

```rust
fn on_done(&mut self) -> bool {
    self.calls_out == 0 // if not, call self.done() in the callback of the last one
}
```

## What this cannot see

Roots that end with their VM and leave no word: a host that is killed, or a canary. And whether the callee got
the request before it was reset.
"#;

#[cfg(test)]
mod tests {
    use crate::finding::Severity;
    use crate::script;

    #[test]
    fn a_grpc_stream_that_is_out_as_long_as_its_root_lives_is_a_note() {
        for (kind, expected) in [("grpc_stream", Severity::Note), ("http", Severity::Lost)] {
            let script = format!(
                "context 1 generation 0\nroot 1 plugin \"keys\" streams 42\n0.0 #1 create 1\n\
                 0.1 #3 configure root 1\n0.1 #2   dispatch {kind} \"keys\" -> ok call 6\n\
                 7200.0 #4 done 1\n7200.0 #5 delete 1"
            );
            let timeline = script::parse(&script).expect("a script");
            let of = timeline.findings.iter().filter(|f| f.code == super::DIAGNOSIS.code);
            assert_eq!(of.map(|f| f.severity).collect::<Vec<_>>(), [expected], "{kind}");
        }
    }
}
