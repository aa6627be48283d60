//! A timeline as a trace in Chrome's event format, which Perfetto (ui.perfetto.dev) and chrome://tracing
//! open: invocations as slices, hostcalls as instants, calls and holds as stretches of their own.

use abi::{Callback, Kind};
use serde_json::{Value, json};
use timeline::calls::{Call, Outcome};
use timeline::event::{Event, Marks};
use timeline::finding::Finding;
use timeline::ids::Micros;
use timeline::script;
use timeline::timeline::Timeline;

use crate::ui::svg::holds;

/// The one process of a trace: the plugin.
const PROCESS: u32 = 1;

/// The trace. Times are microseconds since 1970 where a clock was read, so that the traces of one
/// request's plugins lie beside each other when they are joined; else the instance's own.
pub fn trace(timeline: &Timeline) -> Value {
    let writer = Writer { timeline, thread: timeline.context.0 };
    let mut events = writer.names();
    events.extend(writer.invocations());
    events.extend(timeline.events.iter().filter_map(|e| writer.hostcall(e)));
    events.extend(timeline.calls.iter().flat_map(|call| writer.call(call)));
    events.extend(writer.holds());
    events.extend(timeline.findings.iter().map(|finding| writer.finding(finding)));
    json!({
        "traceEvents": events,
        "displayTimeUnit": "ms",
        "otherData": {
            "timeline": timeline.id.to_string(),
            "instance": timeline.instance.to_string(),
            "node": &*timeline.node,
            "plugin": timeline.root.plugin,
            "request_id": timeline.stream.request_id,
            "method": timeline.stream.method,
            "path": timeline.stream.path,
            "missing_events": timeline.gaps.iter()
                .map(|gap| format!("#{} to #{}: {}", gap.from, gap.to, gap.reason))
                .collect::<Vec<_>>(),
        },
    })
}

struct Writer<'a> {
    timeline: &'a Timeline,
    thread: u32,
}

impl Writer<'_> {
    fn at(&self, at: Micros) -> u64 {
        self.timeline.wall_nanos(at).map_or(at.0, |nanos| nanos / 1_000)
    }

    /// An event of the trace; `more` are the fields that its kind needs.
    fn event(&self, phase: &str, category: &str, name: &str, at: Micros, more: Value) -> Value {
        let mut event = json!({
            "ph": phase, "cat": category, "name": name, "ts": self.at(at),
            "pid": PROCESS, "tid": self.thread,
        });
        if let (Some(event), Value::Object(more)) = (event.as_object_mut(), more) {
            event.extend(more);
        }
        event
    }

    fn names(&self) -> Vec<Value> {
        let timeline = self.timeline;
        let stream = &timeline.stream;
        let thread = match timeline.root_phrase() {
            Some(root) => root,
            None => format!("context {} {} {}", timeline.context, stream.method, stream.path),
        };
        let name = |of: &str, name: &str| json!({"ph": "M", "name": of, "pid": PROCESS, "tid": self.thread, "args": {"name": name}});
        vec![name("process_name", &timeline.root.plugin), name("thread_name", thread.trim_end())]
    }

    /// One slice each. A nested one ends at the latest with the one around it: both spans are cut to
    /// whole microseconds, and a reader drops what overlaps.
    fn invocations(&self) -> Vec<Value> {
        let invocation = |event: &&Event| matches!(event.kind, Kind::Callback(_));
        let mut events: Vec<&Event> = self.timeline.events.iter().filter(invocation).collect();
        events.sort_by_key(|e| (e.at, e.entry));
        let mut around: Vec<Micros> = Vec::new();
        let mut slices = Vec::with_capacity(events.len());
        for event in events {
            while around.last().is_some_and(|end| *end <= event.at) {
                around.pop();
            }
            let end = event.at.after(event.took);
            let end = around.last().map_or(end, |outer| end.min(*outer));
            around.push(end);
            let Kind::Callback(callback) = event.kind else { continue };
            slices.push(self.slice(event, callback, end.since(event.at)));
        }
        slices
    }

    fn slice(&self, event: &Event, callback: Callback, took: Micros) -> Value {
        let mut more = json!({"dur": took.0, "args": self.told(event)});
        if event.marks.has(Marks::UNFINISHED) {
            // It never returned.
            more["cname"] = "terrible".into();
        }
        self.event("X", "callback", callback.row().name, event.at, more)
    }

    fn hostcall(&self, event: &Event) -> Option<Value> {
        let name = match event.kind {
            Kind::Callback(_) => return None,
            Kind::Hostcall(hostcall) => hostcall.row().name.to_owned(),
            Kind::Unknown(number) => format!("kind {number}"),
        };
        let more = json!({"s": "t", "args": self.told(event)});
        Some(self.event("i", "hostcall", &name, event.at, more))
    }

    /// The event as timelines are written, and its number.
    fn told(&self, event: &Event) -> Value {
        json!({"event": script::event_line(event), "sequence": event.sequence.0})
    }

    /// From dispatch to response callback. One that has none yet has no end; one that was refused never
    /// began, and its hostcall says so.
    fn call(&self, call: &Call) -> Vec<Value> {
        let end = match call.outcome {
            Outcome::Rejected(_) => return Vec::new(),
            Outcome::Pending => None,
            Outcome::Answered(answer) | Outcome::Failed(answer) | Outcome::Late(answer) => {
                Some((answer.at, answer.code))
            }
            Outcome::Cancelled(by) => self.timeline.event(by).map(|event| (event.at, 0)),
        };
        let name = format!("call {} to {}", call.id, call.cluster);
        let told = json!({
            "outcome": call.outcome.name(),
            "cluster": call.cluster,
            "timeout_micros": call.timeout.map(|timeout| timeout.0),
            "code": end.map(|(_, code)| code).filter(|code| *code > 0),
        });
        let id = format!("call-{}", call.dispatch);
        let until = end.map(|(at, _)| at.max(call.dispatched_at));
        self.stretch("call", &name, &id, call.dispatched_at, until, told)
    }

    fn holds(&self) -> Vec<Value> {
        let holds = holds::of(self.timeline).into_iter().enumerate();
        holds
            .flat_map(|(at, hold)| {
                let name = format!("{} held", hold.direction.name());
                let id = format!("hold-{at}");
                self.stretch("hold", &name, &id, hold.from, hold.to, json!({}))
            })
            .collect()
    }

    /// What lasts longer than an invocation; without an end it is still going on.
    fn stretch(
        &self,
        category: &str,
        name: &str,
        id: &str,
        from: Micros,
        to: Option<Micros>,
        told: Value,
    ) -> Vec<Value> {
        let begin = self.event("b", category, name, from, json!({"id": id, "args": told}));
        let end = to.map(|to| self.event("e", category, name, to, json!({"id": id})));
        [Some(begin), end].into_iter().flatten().collect()
    }

    /// Where the last event lies that proves it.
    fn finding(&self, finding: &Finding) -> Value {
        let cited = finding.evidence.events.iter().filter_map(|e| self.timeline.event(*e));
        let at = cited.map(|e| e.at).max().unwrap_or(self.timeline.started());
        let told = json!({
            "severity": finding.severity.name(),
            "headline": finding.headline,
            "details": finding.details,
        });
        self.event("i", "finding", &finding.code, at, json!({"s": "p", "args": told}))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use timeline::registry::DIAGNOSES;

    use super::*;

    fn read(text: &str) -> Timeline {
        script::parse(text).unwrap_or_else(|error| panic!("{error} in {text}"))
    }

    fn of<'a>(trace: &'a Value, category: &str) -> Vec<&'a Value> {
        let events = trace["traceEvents"].as_array().expect("events");
        events.iter().filter(|event| event["cat"] == category).collect()
    }

    /// What the format asks of every event: the fields of its phase, and stretches that end after they began.
    fn check_shape(trace: &Value) {
        let mut open: HashMap<String, u64> = HashMap::new();
        let mut slices: Vec<(u64, u64)> = Vec::new();
        for event in trace["traceEvents"].as_array().expect("events") {
            assert!(event["name"].is_string() && event["pid"].is_u64() && event["tid"].is_u64());
            let phase = event["ph"].as_str().expect("a phase");
            if phase == "M" {
                assert!(event["args"]["name"].is_string(), "{event}");
                continue;
            }
            let at = event["ts"].as_u64().expect("a time");
            let key = format!("{}/{}", event["cat"], event["id"]);
            match phase {
                "X" => slices.push((at, at + event["dur"].as_u64().expect("a span"))),
                "i" => assert!(event["s"] == "t" || event["s"] == "p", "{event}"),
                "b" => assert_eq!(open.insert(key, at), None, "{event} begins twice"),
                "e" => assert!(open.remove(&key).is_some_and(|from| from <= at), "{event}"),
                other => panic!("no phase {other}: {event}"),
            }
        }
        for (at, (from, to)) in slices.iter().enumerate() {
            for (other, end) in &slices[at + 1..] {
                assert!(other >= to || end <= to, "{from}..{to} and {other}..{end} overlap");
            }
        }
    }

    #[test]
    fn every_example_of_a_diagnosis_is_a_trace_with_its_finding() {
        for diagnosis in DIAGNOSES {
            let timeline = read(diagnosis.example);
            let trace = trace(&timeline);
            check_shape(&trace);
            assert_eq!(of(&trace, "finding")[0]["name"], diagnosis.code);
            let count = of(&trace, "callback").len() + of(&trace, "hostcall").len();
            assert_eq!(count, timeline.events.len(), "{}", diagnosis.code);
        }
    }

    const WAITING: &str = "\
root 1 plugin \"body-call\"
clock wall 1763996400000000000 at 0.000000
request \"one\" method \"POST\" path \"/pay\"
known_until 3.000000
0.000010 #1 create 2 root 1
0.000120 #2 request_headers 2 n=10 end -> pause took=900us
0.000300 #3   dispatch http \"auth\" timeout=5s -> ok call 4
0.000500 #4   dispatch http \"nowhere\" timeout=1s -> bad_argument
";

    #[test]
    fn a_call_that_is_out_and_a_hold_have_no_end_and_a_refused_call_is_an_instant() {
        let trace = trace(&read(WAITING));
        check_shape(&trace);
        let phases = |category| -> Vec<&Value> {
            of(&trace, category).iter().map(|event| &event["ph"]).collect()
        };
        assert_eq!(phases("call"), ["b"]);
        assert_eq!(phases("hold"), ["b"]);
        assert_eq!(of(&trace, "call")[0]["args"]["outcome"], "pending");
        assert_eq!(of(&trace, "call")[0]["ts"], 1_763_996_400_000_300_u64);
        assert_eq!(of(&trace, "hostcall").len(), 2);
        assert_eq!(trace["traceEvents"][0]["args"]["name"], "body-call");
    }

    #[test]
    fn a_nested_invocation_does_not_outlast_the_one_around_it() {
        let mut timeline = read(WAITING);
        let mut nested = timeline.events[1].clone();
        nested.entry.0 += 1;
        nested.at = Micros(1_000);
        nested.took = Micros(21);
        timeline.events.push(nested);
        let trace = trace(&timeline);
        check_shape(&trace);
        assert_eq!(of(&trace, "callback")[2]["dur"], 20);
    }
}
