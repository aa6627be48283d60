//! What else might have become of a timeline: it stops at any event, its calls fail or come late, the client
//! leaves, the upstream answers, the VM traps.

use abi::{CallFailure, Callback, Kind};
use timeline::Instant;
use timeline::event::{Event, Marks};
use timeline::ids::{CallId, ContextId, Entry, Micros, Sequence};
use timeline::timeline::Timeline;

/// What becomes of the calls.
#[derive(Clone, Copy)]
enum Calls {
    /// What became of them.
    AsTheyWere,
    /// Each is answered without headers.
    Reset,
    /// The timeout of each strikes.
    TimedOut,
    /// No callback comes.
    Unanswered,
    /// The callbacks come after all else.
    Late,
    /// The same, and the last of them does not return.
    LateAndTraps,
    /// Those that are out at the end are answered well after all else.
    Answered,
}

/// How it ends.
#[derive(Clone, Copy)]
enum End {
    /// As it stands, seen until right after its last event.
    AsItStands,
    /// It goes on for two seconds, or two minutes, in which nothing comes.
    Quiet(u64),
    /// The client leaves after two seconds.
    ClientLeaves,
    /// An idle timeout of the host strikes.
    IdleTimeout,
    /// The upstream answers at once, and the stream is over.
    Answered,
    /// The upstream answers, and the stream lives on.
    Answers,
    /// The VM traps in another stream, two seconds later.
    AnotherTraps,
    /// The last callback does not return.
    Traps,
}

const CALLS: [Calls; 7] = [
    Calls::AsTheyWere,
    Calls::Reset,
    Calls::TimedOut,
    Calls::Unanswered,
    Calls::Late,
    Calls::LateAndTraps,
    Calls::Answered,
];

const ENDS: [End; 9] = [
    End::AsItStands,
    End::Quiet(2_000_000),
    End::Quiet(120_000_000),
    End::ClientLeaves,
    End::IdleTimeout,
    End::Answered,
    End::Answers,
    End::AnotherTraps,
    End::Traps,
];

/// Shows the timeline and all that might have become of it, each judged.
pub fn each(whole: &Timeline, mut show: impl FnMut(&Timeline)) {
    show(whole);
    let mut entries: Vec<Entry> = whole.events.iter().map(|e| e.entry).collect();
    entries.dedup();
    for last in entries {
        let mut cut = whole.clone();
        cut.events.retain(|e| e.entry <= last);
        for calls in CALLS {
            for end in ENDS {
                if let Some(mut timeline) = become_of(&cut, calls, end) {
                    timeline.assess(Instant::at(timeline.known_until));
                    show(&timeline);
                }
            }
        }
    }
}

fn become_of(cut: &Timeline, calls: Calls, end: End) -> Option<Timeline> {
    let mut timeline = cut.clone();
    timeline.assess(Instant::at(timeline.known_until));
    if timeline.calls.iter().all(|c| c.id == CallId(0)) && !matches!(calls, Calls::AsTheyWere) {
        return None;
    }
    let is_answer = |e: &Event| matches!(e.kind, Kind::Callback(c) if c.is_response());
    let mut late = Vec::new();
    match calls {
        Calls::AsTheyWere | Calls::Answered => {}
        Calls::Reset => fail(&mut timeline, CallFailure::Reset),
        Calls::TimedOut => fail(&mut timeline, CallFailure::Timeout),
        Calls::Unanswered | Calls::Late | Calls::LateAndTraps => {
            let entries: Vec<Entry> =
                timeline.events.iter().filter(|e| is_answer(e)).map(|e| e.entry).collect();
            late = timeline.events.clone();
            late.retain(|e| entries.contains(&e.entry));
            timeline.events.retain(|e| !entries.contains(&e.entry));
        }
    }
    finish(&mut timeline, end)?;
    match calls {
        Calls::Late => append(&mut timeline, &late),
        Calls::LateAndTraps => {
            append(&mut timeline, &late);
            trap(&mut timeline)?;
        }
        Calls::Answered => answer(&mut timeline),
        _ => {}
    }
    Some(timeline)
}

/// Every HTTP call that was answered fails so.
fn fail(timeline: &mut Timeline, failure: CallFailure) {
    for event in &mut timeline.events {
        if event.kind == Kind::Callback(Callback::HttpCallResponse) {
            event.args = match failure {
                CallFailure::Reset => vec![0, 0, 0, 0, failure.number()],
                _ => vec![4, 24, 0, 504, failure.number()],
            };
        }
    }
}

fn has_ended(timeline: &Timeline) -> bool {
    timeline.events.iter().any(|e| e.is_end() && e.context == timeline.context)
}

fn has_trapped(timeline: &Timeline) -> bool {
    timeline.events.iter().any(|e| e.marks.has(Marks::UNFINISHED))
}

/// None: it cannot end so.
fn finish(timeline: &mut Timeline, end: End) -> Option<()> {
    let last = timeline.events.iter().map(|e| e.at.after(e.took)).max()?;
    let on = |micros| last.after(Micros(micros));
    let over = has_ended(timeline) || has_trapped(timeline);
    timeline.known_until = on(1);
    match end {
        End::AsItStands => {}
        End::Quiet(micros) => timeline.known_until = on(micros),
        End::Traps => {
            if over {
                return None;
            }
            trap(timeline)?;
        }
        _ if over => return None,
        End::AnotherTraps => {
            let mut trap = invocation(timeline, Callback::RequestHeaders, on(2_000_000));
            trap.context = ContextId(timeline.context.0 + 1);
            trap.marks = Marks::UNFINISHED;
            timeline.events.push(trap);
            timeline.known_until = on(2_000_000);
        }
        End::ClientLeaves => {
            say(timeline, 0x4000, "downstream_remote_disconnect");
            delete(timeline, on(2_000_000));
        }
        End::IdleTimeout => {
            say(timeline, 0x1_0000, "stream_idle_timeout");
            respond(timeline, on(300_000_000));
            delete(timeline, on(300_000_100));
        }
        End::Answers | End::Answered => {
            say(timeline, 0, "via_upstream");
            respond(timeline, on(1_000));
            if matches!(end, End::Answered) {
                delete(timeline, on(1_100));
            }
        }
    }
    Some(())
}

/// The last callback does not return.
fn trap(timeline: &mut Timeline) -> Option<()> {
    let open = timeline.events.iter().map(|e| e.entry).max()?;
    let is_last = |e: &&mut Event| e.entry == open && matches!(e.kind, Kind::Callback(_));
    let event = timeline.events.iter_mut().find(is_last)?;
    event.marks = event.marks.with(Marks::UNFINISHED);
    (event.took, event.result) = (Micros(0), 0);
    Some(())
}

fn say(timeline: &mut Timeline, flags: u64, details: &str) {
    timeline.stream.response_flags = Some(flags);
    timeline.stream.response_code_details = Some(details.to_owned());
}

fn respond(timeline: &mut Timeline, at: Micros) {
    let headers = Kind::Callback(Callback::ResponseHeaders);
    if !timeline.events.iter().any(|e| e.kind == headers) {
        let event = invocation(timeline, Callback::ResponseHeaders, at);
        timeline.events.push(event);
    }
    timeline.known_until = at.after(Micros(1));
}

fn delete(timeline: &mut Timeline, at: Micros) {
    for callback in [Callback::Log, Callback::Done, Callback::Delete] {
        let event = invocation(timeline, callback, at);
        timeline.events.push(event);
    }
    timeline.known_until = at.after(Micros(10_000_000));
}

/// All calls that are out are answered well.
fn answer(timeline: &mut Timeline) {
    timeline.assess(Instant::at(timeline.known_until));
    let at = timeline.known_until.after(Micros(10_000));
    for call in timeline.calls.clone() {
        let is_out = call.outcome == timeline::calls::Outcome::Pending;
        if is_out && call.kind == abi::CallKind::Http && !has_trapped(timeline) {
            let mut event = invocation(timeline, Callback::HttpCallResponse, at);
            (event.context, event.call) = (timeline.root.context, call.id);
            event.args = vec![3, 2, 0, 200];
            timeline.events.push(event);
        }
    }
    timeline.known_until = at.after(Micros(5_000_000));
}

/// These invocations come last.
fn append(timeline: &mut Timeline, late: &[Event]) {
    if has_trapped(timeline) {
        return;
    }
    let numbers = timeline.events.iter().map(|e| (e.sequence.0, e.entry.0));
    let (sequence, entry) = numbers.fold((0, 0), |most, (s, e)| (most.0.max(s), most.1.max(e)));
    let at = timeline.known_until.after(Micros(10_000));
    for event in late {
        timeline.events.push(Event {
            sequence: Sequence(sequence + event.sequence.0 + 1),
            entry: Entry(entry + event.entry.0 + 1),
            at,
            ..event.clone()
        });
    }
    timeline.known_until = at.after(Micros(5_000_000));
}

/// An invocation of the stream after all others.
fn invocation(timeline: &Timeline, callback: Callback, at: Micros) -> Event {
    let most = |number: fn(&Event) -> u64| timeline.events.iter().map(number).max().unwrap_or(0);
    Event {
        sequence: Sequence(most(|e| e.sequence.0) + 1),
        entry: Entry(most(|e| e.entry.0) + 1),
        at,
        context: timeline.context,
        kind: Kind::Callback(callback),
        took: Micros(0),
        args: Vec::new(),
        result: 0,
        call: CallId(0),
        text: Vec::new(),
        marks: Marks::default(),
    }
}
