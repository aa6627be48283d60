//! What a recorder says of the answer to an HTTP call.

/// How the host says that an HTTP call failed: `CallFailure` of the wire, the fifth number of
/// `http_call_response`. Its own sentences in a 503 or 504 tell it from the callee's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum CallFailure {
    /// It did not.
    None = 0,
    /// Envoy's sentence for a timeout.
    Timeout = 1,
    /// Envoy's sentence for a connection that could not be made or broke before the headers.
    Connect = 2,
    /// No headers: reset after the response began, or over the buffer's limit.
    Reset = 3,
    /// Envoy's sentence for a cluster without a healthy host.
    NoHealthyHost = 4,
    /// Other words: the callee's own 503 or 504, which is an answer.
    Other = 5,
}

impl CallFailure {
    /// All of them, by number.
    pub const ALL: [CallFailure; 6] = [
        CallFailure::None,
        CallFailure::Timeout,
        CallFailure::Connect,
        CallFailure::Reset,
        CallFailure::NoHealthyHost,
        CallFailure::Other,
    ];

    /// Reads a wire number; None: of a newer recorder.
    pub fn from_number(number: u32) -> Option<CallFailure> {
        CallFailure::ALL.get(usize::try_from(number).ok()?).copied()
    }

    /// The wire number.
    pub const fn number(self) -> u32 {
        self as u32
    }
}
