//! One recorded fact: an invocation (entry and return) or a hostcall.

use abi::{Hostcall, Kind};

use crate::ids::{CallId, ContextId, Entry, Micros, Sequence};

/// One invocation or one hostcall, as the recorder saw it.
///
/// Order within an instance is (entry, position): an invocation before the hostcalls made in it,
/// these by sequence ([`Event::order`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its number within the instance.
    pub sequence: Sequence,
    /// Number of its invocation.
    pub entry: Entry,
    /// When: entry of an invocation, return of a hostcall.
    pub at: Micros,
    /// Context argument of its invocation (for response callbacks the root's).
    pub context: ContextId,
    /// What it was.
    pub kind: Kind,
    /// From entry to return; 0 for hostcalls.
    pub took: Micros,
    /// Numbers that came with it, as `Event.args` of the wire says; zeros at the end are left out.
    pub args: Vec<u32>,
    /// Number returned: action, boolean, status.
    pub result: u32,
    /// Call id; 0 for none.
    pub call: CallId,
    /// Cluster, details, log line, …: as `Event.text` of the wire says. Need not be UTF-8.
    pub text: Vec<u8>,
    /// Bits, as `Mark` of the wire says.
    pub marks: Marks,
}

/// Bits of an event's `marks`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Marks(pub u32);

impl Marks {
    /// An address that the plugin passed was outside its memory.
    pub const BAD_POINTER: Marks = Marks(1);
    /// The text was cut.
    pub const TEXT_CUT: Marks = Marks(2);
    /// Made while another invocation of the same VM was open.
    pub const NESTED: Marks = Marks(4);
    /// Promoted from a skeleton.
    pub const PROMOTED: Marks = Marks(8);
    /// A tick that served only the recorder.
    pub const OWN: Marks = Marks(16);
    /// The invocation was open when its VM trapped.
    pub const UNFINISHED: Marks = Marks(32);

    /// A note of the plugin's own: `text` is `key=value`, not the function's name.
    pub const ANNOTATION: Marks = Marks(64);

    /// Are all bits of `other` set?
    pub const fn has(self, other: Marks) -> bool {
        self.0 & other.0 == other.0
    }

    /// With the bits of `other`.
    pub const fn with(self, other: Marks) -> Marks {
        Marks(self.0 | other.0)
    }
}

/// An event's numbers as it keeps them ([`Event::args`]).
pub fn without_last_zeros(mut args: Vec<u32>) -> Vec<u32> {
    while args.last() == Some(&0) {
        args.pop();
    }
    args
}

impl Event {
    /// Is it a note of the plugin's own, made by the foreign function `wasm_tracer.annotate`?
    pub fn is_annotation(&self) -> bool {
        self.kind == Kind::Hostcall(Hostcall::CallForeignFunction)
            && self.marks.has(Marks::ANNOTATION)
    }

    /// Was it measured how long it took? Not of what was kept aside and recorded after all.
    pub fn is_timed(&self) -> bool {
        !self.marks.has(Marks::PROMOTED)
    }

    /// Does it name a context for the hostcalls after it? Whether there is one, its result says.
    pub fn is_switch(&self) -> bool {
        self.kind == Kind::Hostcall(Hostcall::SetEffectiveContext)
    }

    /// Does it start a call?
    pub fn is_dispatch(&self) -> bool {
        matches!(self.kind, Kind::Hostcall(hostcall) if hostcall.is_dispatch())
    }

    /// Is it a resume, a local response or a close?
    pub fn decides(&self) -> bool {
        matches!(self.kind, Kind::Hostcall(hostcall) if hostcall.decides())
    }

    /// Is it a local response that the host accepted?
    pub fn is_reply(&self) -> bool {
        self.kind == Kind::Hostcall(Hostcall::SendLocalResponse) && self.result == 0
    }

    /// Does it say that its context has ended: log, done or delete?
    pub fn is_end(&self) -> bool {
        matches!(self.kind, Kind::Callback(callback) if crate::hold::is_ending(callback))
    }

    /// The argument at a position, 0 where it was left out.
    pub fn arg(&self, at: usize) -> u32 {
        self.args.get(at).copied().unwrap_or(0)
    }

    /// Sorts an instance's events as they happened.
    pub fn order(&self) -> (Entry, bool, Sequence) {
        (self.entry, matches!(self.kind, Kind::Hostcall(_)), self.sequence)
    }

    /// It had a text of which nothing was kept.
    pub fn lacks_text(&self) -> bool {
        self.text.is_empty() && self.marks.has(Marks::TEXT_CUT)
    }

    /// The text for people: what is not UTF-8 is replaced.
    pub fn text_lossy(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(&self.text)
    }
}
