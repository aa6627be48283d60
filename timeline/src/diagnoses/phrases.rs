//! Phrases that the findings share, so that one thing is always called the same.

use std::fmt::{Display, from_fn};

use abi::{Direction, Host, Kind};

use crate::calls::Call;
use crate::event::Event;
use crate::finding::Advice;
use crate::hold::hostcalls_on;
use crate::ids::Sequence;

/// `call 4 to "slow"`; `call 4` where the cluster is not known.
pub fn call(call: &Call) -> impl Display {
    from_fn(|f| match call.cluster.as_str() {
        "" => write!(f, "call {}", call.id),
        cluster => write!(f, "call {} to {cluster:?}", call.id),
    })
}

/// ` to "slow"`, or nothing where a dispatch's cluster was not kept.
pub fn to_cluster(dispatch: &Event) -> impl Display {
    from_fn(|f| match dispatch.lacks_text() {
        true => Ok(()),
        false => write!(f, " to {:?}", dispatch.text_lossy()),
    })
}

/// The name of an event's kind as in script notation.
pub fn name(event: &Event) -> &'static str {
    match event.kind {
        Kind::Callback(callback) => callback.row().name,
        Kind::Hostcall(hostcall) => hostcall.row().name,
        Kind::Unknown(_) => "an event of a newer recorder",
    }
}

/// `http_call_response #19`
pub fn event(event: &Event) -> impl Display {
    from_fn(|f| {
        f.write_str(name(event))?;
        f.write_str(" #")?;
        event.sequence.fmt(f)
    })
}

/// With a capital letter, to begin a sentence with: `Call 4 to "slow"`, `Request_headers #12`.
pub fn capital(text: impl Display) -> String {
    let mut text = text.to_string();
    // A phrase begins with a letter of ASCII.
    if let Some(first) = text.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    text
}

/// The first resume, reply or close in a late response callback that was meant for the stream that is
/// gone: not one on another stream, which set_effective_context named.
pub fn tried<'a>(callback: &Event, hostcalls: &'a [Event]) -> Option<&'a Event> {
    hostcalls_on(callback.context, hostcalls).find(|e| e.decides())
}

/// What the plugin did in a response callback, as a sentence about a decision that came too late.
pub fn too_late(callback: &Event, hostcalls: &[Event]) -> String {
    match tried(callback, hostcalls) {
        Some(first) => format!(
            "In it the plugin called {} (#{}), which the host answered with status {} and did not \
             act on: the stream was gone, so the decision was not enforced.",
            name(first),
            first.sequence,
            first.result
        ),
        None if hostcalls.is_empty() => {
            "In it the plugin made no recorded hostcall: the Go and Rust SDKs discard the callback \
             of a stream that is gone without a word, so whatever its handler would have decided \
             was not enforced."
                .to_owned()
        }
        None => {
            "In it the plugin decided nothing about this stream, which was gone already.".to_owned()
        }
    }
}

/// `the request`
pub fn half(direction: Direction) -> &'static str {
    match direction {
        Direction::Request => "the request",
        Direction::Response => "the response",
    }
}

/// Advice per host; that of the host in use first.
pub fn advice(in_use: Option<Host>, all: &'static [Advice]) -> Vec<Advice> {
    let mut advice = all.to_vec();
    advice.sort_by_key(|a| a.host.is_some() && a.host != in_use);
    advice
}

/// Sorted, each once.
pub fn cited(events: impl IntoIterator<Item = Sequence>) -> Vec<Sequence> {
    let mut events: Vec<Sequence> = events.into_iter().collect();
    events.sort_unstable();
    events.dedup();
    events
}
