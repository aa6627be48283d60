//! Parameters of hostcalls: how they look on the level of wasm, and what becomes of each in an event.

/// One parameter in the language of the ABI. It may be two on the level of wasm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Param {
    /// Name, also that of its number in script notation.
    pub name: &'static str,
    /// Shape.
    pub kind: ParamKind,
    /// What becomes of it.
    pub role: Role,
}

/// The shape of a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParamKind {
    /// `i32`, a number.
    Int,
    /// `i64`, a number.
    Long,
    /// `i32, i32`: address and size of bytes that the host reads.
    Bytes,
    /// `i32`: address where the host writes one value (a word, or 8 bytes for a time).
    Out,
    /// `i32, i32`: addresses where the host writes address and size of bytes that it allocated.
    OutBytes,
    /// `i32`: any other address (WASI's vectors and buffers).
    Address,
}

/// What becomes of a parameter in the event of its hostcall.
///
/// An event has a text, a call id and numbers; the numbers stand in the order of the parameters that
/// give one (`Event.args` on the wire).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A number gives itself, bytes give their size, an address gives nothing.
    Plain,
    /// Bytes: the event's text, cut where the recorder cuts. They give no number.
    Text,
    /// Bytes, header pairs of a call: two numbers, their size and which pseudo headers they have, as
    /// the bits of [`pseudo`](crate::pseudo). The names are read, no value is kept.
    Headers,
    /// A number: how many milliseconds the host waits for an answer; 0: no limit.
    Timeout,
    /// A number: which side of the stream ([`crate::StreamSide`]).
    Side,
    /// The event's call id, passed or written back. It gives no number.
    CallId,
}

/// Name of the second number that [`Role::Headers`] gives.
const PSEUDO_HEADERS: &str = "pseudo";

impl ParamKind {
    /// Number of wasm parameters.
    pub const fn width(self) -> usize {
        match self {
            ParamKind::Bytes | ParamKind::OutBytes => 2,
            _ => 1,
        }
    }

    /// Which of its wasm parameters are addresses.
    pub const fn pointers(self) -> &'static [bool] {
        match self {
            ParamKind::Int | ParamKind::Long => &[false],
            ParamKind::Bytes => &[true, false],
            ParamKind::Out | ParamKind::Address => &[true],
            ParamKind::OutBytes => &[true, true],
        }
    }
}

impl Param {
    /// Names of the numbers that it gives to an event, in their order.
    pub const fn numbers(&self) -> (Option<&'static str>, Option<&'static str>) {
        match (self.role, self.kind) {
            (Role::Text | Role::CallId, _) => (None, None),
            (_, ParamKind::Out | ParamKind::OutBytes | ParamKind::Address) => (None, None),
            (Role::Headers, _) => (Some(self.name), Some(PSEUDO_HEADERS)),
            _ => (Some(self.name), None),
        }
    }

    /// Which of its wasm parameters, if any, is the number that it gives.
    pub const fn number_at(&self) -> Option<usize> {
        match (self.numbers().0, self.kind) {
            (None, _) => None,
            (Some(_), ParamKind::Bytes) => Some(1),
            (Some(_), _) => Some(0),
        }
    }
}
