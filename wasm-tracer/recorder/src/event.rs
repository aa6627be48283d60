//! One event, and how it is written.

use proto::fields::event;

use crate::wire::Writer;

/// Bytes of text that are kept of one event.
pub const TEXT: usize = 256;
/// Bytes that an event takes at most: fifteen numbers and the text.
pub const MOST_BYTES: usize = 480;

/// One invocation or one hostcall.
#[derive(Clone, Copy)]
pub struct Event<'a> {
    pub kind: u32,
    pub context: u32,
    pub entry: u64,
    /// Monotonic, µs.
    pub at: u64,
    pub took: u64,
    pub args: &'a [u32],
    pub result: u32,
    pub call: u32,
    pub text: &'a [u8],
    pub marks: u32,
}

/// What an event is written relative to: the one before it in its segment.
#[derive(Clone, Copy)]
pub struct Before {
    pub context: u32,
    pub entry: u64,
    pub at: u64,
}

impl Event<'_> {
    /// Writes the fields.
    #[inline(never)] // for the buffer and for skeletons
    pub fn write(&self, before: Option<Before>, to: &mut Writer<'_>) {
        to.number_quickly(event::KIND, u64::from(self.kind));
        if before.is_none_or(|b| b.context != self.context) {
            to.number_quickly(event::CONTEXT, u64::from(self.context));
        }
        if let Some(before) = before {
            write_steps(before, self.entry, self.at, to);
        }
        to.number_quickly(event::TOOK_MICROS, self.took);
        to.words(event::ARGS, self.args);
        to.number_quickly(event::RESULT, u64::from(self.result));
        to.number_quickly(event::CALL, u64::from(self.call));
        to.bytes(event::TEXT, self.text.get(..TEXT).unwrap_or(self.text));
        to.number_quickly(event::MARKS, u64::from(self.marks));
    }
}

/// Writes how far an event is from the one before it.
#[inline(never)]
pub fn write_steps(before: Before, entry: u64, at: u64, to: &mut Writer<'_>) {
    let step = entry.wrapping_sub(before.entry).wrapping_sub(1);
    to.signed(event::ENTRY_STEP, step as i64);
    to.signed(event::AT_STEP_MICROS, at.wrapping_sub(before.at) as i64);
}
