//! Calls: a dispatch plus its response callback(s), or the lack of them.

use abi::{CallFailure, CallKind, Callback, Effect, Hostcall, Kind, Role};

use crate::event::{Event, Marks};
use crate::ids::{CallId, Entry, Micros, Sequence};
use crate::timeline::Timeline;

/// So many events of a root's life, or of an errand, and it is full: what a response callback dispatches
/// then begins an errand of its own.
pub(crate) const FULL: usize = 256;

/// A dispatch and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The dispatch.
    pub dispatch: Sequence,
    /// The invocation it was made in.
    pub entry: Entry,
    /// Number the host gave it; 0 if it was rejected.
    pub id: CallId,
    /// What kind of call.
    pub kind: CallKind,
    /// The cluster named, as it was.
    pub cluster: String,
    /// When it was dispatched.
    pub dispatched_at: Micros,
    /// None: no timeout.
    pub timeout: Option<Micros>,
    /// What became of it.
    pub outcome: Outcome,
}

/// What became of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// No response callback yet.
    Pending,
    /// The response callback came.
    Answered(Answer),
    /// The response callback came, but the call failed or timed out.
    Failed(Answer),
    /// The response callback came after the stream had been deleted.
    Late(Answer),
    /// The dispatch was refused with this status.
    Rejected(u32),
    /// Its root ended with this event before any response callback: none follows.
    Cancelled(Sequence),
}

/// The response callback of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The response callback.
    pub callback: Sequence,
    /// When it was entered.
    pub at: Micros,
    /// `:status` of an HTTP call, status of a gRPC or Redis call; 0 if there was none.
    pub code: u32,
}

impl Call {
    /// The hostcall that made it and its cluster, of which a plugin has few.
    pub fn name(&self) -> String {
        let kind = match self.kind {
            CallKind::Http => Hostcall::HttpCall,
            CallKind::GrpcCall => Hostcall::GrpcCall,
            CallKind::GrpcStream => Hostcall::GrpcStream,
            CallKind::Redis => Hostcall::RedisCall,
        };
        format!("{} {}", kind.row().name, self.cluster)
    }
}

impl Outcome {
    /// Its word in API and texts.
    pub fn name(&self) -> &'static str {
        match self {
            Outcome::Pending => "pending",
            Outcome::Answered(_) => "answered",
            Outcome::Failed(_) => "failed",
            Outcome::Late(_) => "late",
            Outcome::Rejected(_) => "rejected",
            Outcome::Cancelled(_) => "cancelled",
        }
    }

    /// The response callback, if it came.
    pub fn answer(&self) -> Option<Answer> {
        match *self {
            Outcome::Answered(answer) | Outcome::Failed(answer) | Outcome::Late(answer) => {
                Some(answer)
            }
            Outcome::Pending | Outcome::Rejected(_) | Outcome::Cancelled(_) => None,
        }
    }
}

/// The calls a timeline owns, in the order of their dispatch (host-semantics §4.0: owner).
///
/// A dispatch belongs to the stream whose phase it was made in; one made in a response callback to the
/// owner of the call answered there; one made on the root (tick, queue, configure) to the root, also
/// after set_effective_context, since that is how SDKs attribute it.
pub fn of(timeline: &Timeline) -> Vec<Call> {
    let mut calls: Vec<Call> = Vec::new();
    let last = timeline.events.get(FULL - 1).filter(|_| timeline.is_root()).map(|e| e.entry);
    let is_beyond = |entry: Entry| last.is_some_and(|last| entry > last);
    let mut owned_entry = None;
    let mut deleted = false;
    let mut root_ended = None;
    for event in &timeline.events {
        match event.kind {
            Kind::Callback(callback) => {
                let answered = calls
                    .iter_mut()
                    .find(|c| callback.is_response() && c.id == event.call && c.id != CallId(0));
                if event.context == timeline.context || answered.is_some() {
                    owned_entry = Some(event.entry);
                }
                deleted |= callback == Callback::Delete && event.context == timeline.context;
                if let Some(call) = answered
                    && is_out(call)
                    && let Some(outcome) = outcome(callback, event, call.kind, deleted)
                {
                    call.outcome = outcome;
                }
                if ends_root(event, timeline) {
                    root_ended.get_or_insert(event.sequence);
                    cancel(&mut calls, event.sequence);
                }
            }
            Kind::Hostcall(hostcall)
                if hostcall.is_dispatch()
                    && !is_beyond(event.entry)
                    && (event.context == timeline.context || owned_entry == Some(event.entry)) =>
            {
                calls.extend(dispatched(hostcall, event));
                // One that is made in the callback of its end is cancelled with the others.
                root_ended.into_iter().for_each(|end| cancel(&mut calls, end));
            }
            // The plugin gave the call up: no response callback follows. Closing a gRPC stream closes
            // only the plugin's half of it (Envoy `Context::grpcClose`).
            Kind::Hostcall(hostcall @ (Hostcall::GrpcCancel | Hostcall::GrpcClose))
                if event.result == 0 =>
            {
                let call = calls.iter_mut().find(|c| c.id == event.call);
                let ends = |c: &&mut Call| {
                    hostcall == Hostcall::GrpcCancel || c.kind == CallKind::GrpcCall
                };
                if let Some(call) = call.filter(ends).filter(|c| is_out(c)) {
                    let answer = Answer { callback: event.sequence, at: event.at, code: 1 };
                    call.outcome = Outcome::Failed(answer);
                }
            }
            _ => {}
        }
    }
    calls
}

fn is_out(call: &Call) -> bool {
    // A callback that comes after all proves that it was not cancelled.
    matches!(call.outcome, Outcome::Pending | Outcome::Cancelled(_))
}

/// Does the root end here, and with it all that it has called? A root whose on_done answers true is deleted
/// at once (proxy-wasm-cpp-host `WasmBase::startShutdown`).
pub(crate) fn ends_root(event: &Event, timeline: &Timeline) -> bool {
    let Kind::Callback(callback) = event.kind else { return false };
    let ends = match callback {
        Callback::Done => event.result == 1 && !event.marks.has(Marks::UNFINISHED),
        Callback::Delete => true,
        _ => false,
    };
    ends && event.context == timeline.root.context
}

fn cancel(calls: &mut [Call], end: Sequence) {
    for call in calls.iter_mut().filter(|call| call.outcome == Outcome::Pending) {
        call.outcome = Outcome::Cancelled(end);
    }
}

fn dispatched(hostcall: Hostcall, event: &Event) -> Option<Call> {
    let Effect::Starts(kind) = hostcall.effect() else { return None };
    let timeout = hostcall.row().position(Role::Timeout).map_or(0, |at| event.arg(at));
    Some(Call {
        dispatch: event.sequence,
        entry: event.entry,
        id: if event.result == 0 { event.call } else { CallId(0) },
        kind,
        cluster: event.text_lossy().into_owned(),
        dispatched_at: event.at,
        timeout: (timeout != 0).then(|| Micros::from_millis(timeout.into())),
        outcome: match event.result {
            0 => Outcome::Pending,
            status => Outcome::Rejected(status),
        },
    })
}

/// What a response callback makes of a call; None if it is not its last one.
fn outcome(callback: Callback, event: &Event, kind: CallKind, deleted: bool) -> Option<Outcome> {
    let (failed, code) = match callback {
        Callback::HttpCallResponse => {
            let failure = CallFailure::from_number(event.arg(4));
            let is_answer = matches!(failure, Some(CallFailure::None | CallFailure::Other));
            (!is_answer || event.arg(0) == 0, event.arg(3))
        }
        Callback::GrpcReceive if kind == CallKind::GrpcCall => (false, 0),
        Callback::GrpcClose | Callback::RedisCallResponse => (event.arg(0) != 0, event.arg(0)),
        _ => return None,
    };
    let answer = Answer { callback: event.sequence, at: event.at, code };
    Some(match (deleted, failed) {
        (true, _) => Outcome::Late(answer),
        (false, true) => Outcome::Failed(answer),
        (false, false) => Outcome::Answered(answer),
    })
}
