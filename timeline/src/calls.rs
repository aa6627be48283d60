//! Calls: a dispatch plus its response callback(s), or the lack of them.

use abi::CallKind;

use crate::ids::{CallId, Entry, Micros, Sequence};
use crate::timeline::Timeline;

/// A dispatch of a stream and what became of it.
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

impl Outcome {
    /// Its word in API and texts.
    pub fn name(&self) -> &'static str {
        match self {
            Outcome::Pending => "pending",
            Outcome::Answered(_) => "answered",
            Outcome::Failed(_) => "failed",
            Outcome::Late(_) => "late",
            Outcome::Rejected(_) => "rejected",
        }
    }

    /// The response callback, if it came.
    pub fn answer(&self) -> Option<Answer> {
        match *self {
            Outcome::Answered(answer) | Outcome::Failed(answer) | Outcome::Late(answer) => {
                Some(answer)
            }
            Outcome::Pending | Outcome::Rejected(_) => None,
        }
    }
}

/// The calls a timeline owns, in the order of their dispatch.
pub fn of(_timeline: &Timeline) -> Vec<Call> {
    Vec::new()
}
