//! Halves a segment that the collector found too large.

use proto::fields::{batch, event};

use crate::event::Before;
use crate::ring::{Segment, State};
use crate::wire::{Writer, read_field, unzigzag};

/// Both halves, split between two events; None if there are no two.
pub fn halves(whole: &Segment, bytes: &[u8]) -> Option<(Segment, Segment)> {
    if whole.events < 2 {
        return None;
    }
    let half = whole.events / 2;
    let mut before =
        Before { context: whole.first_context, entry: whole.first_entry, at: whole.first_at };
    let mut seen = 0;
    let mut at = 0;
    loop {
        let (field, length, next) = read_field(bytes, at)?;
        if field == batch::EVENTS {
            let message = bytes.get(next.checked_sub(length as usize)?..next)?;
            let first = seen == 0;
            let here = advance(before, message, first)?;
            if seen == half {
                return Some(split(whole, at as u32, half, here));
            }
            before = here;
            seen += 1;
        }
        at = next;
    }
}

fn split(whole: &Segment, at: u32, half: u32, here: Before) -> (Segment, Segment) {
    let mut first = *whole;
    first.state = State::Sealed;
    first.shipment = 0;
    first.halved = true;
    first.length = at;
    first.events = half;
    // The other half may hold an invocation that began before all of this: nothing is complete yet.
    first.known_until = 0;
    let mut second = *whole;
    second.state = State::Sealed;
    second.shipment = 0;
    second.halved = true;
    second.rebased = true;
    second.offset = whole.offset.saturating_add(at);
    second.length = whole.length.saturating_sub(at);
    second.events = whole.events.saturating_sub(half);
    second.first_sequence = whole.first_sequence.saturating_add(u64::from(half));
    second.first_entry = here.entry;
    second.first_at = here.at;
    second.first_context = here.context;
    (first, second)
}

/// Context, entry and time of an event, from those of the one before.
fn advance(before: Before, message: &[u8], first: bool) -> Option<Before> {
    let mut here = before;
    if !first {
        here.entry = here.entry.wrapping_add(1);
    }
    let mut at = 0;
    while at < message.len() {
        let (field, value, next) = read_field(message, at)?;
        match field {
            event::CONTEXT => here.context = value as u32,
            event::ENTRY_STEP => here.entry = here.entry.wrapping_add(unzigzag(value) as u64),
            event::AT_STEP_MICROS => here.at = here.at.wrapping_add(unzigzag(value) as u64),
            _ => {}
        }
        at = next;
    }
    Some(here)
}

/// Writes a second half: its first event gets its context and loses its steps, the rest stays.
pub fn write_rebased(segment: &Segment, bytes: &[u8], to: &mut Writer<'_>) -> Option<()> {
    let (_, length, next) = read_field(bytes, 0)?;
    let message = bytes.get(next.checked_sub(length as usize)?..next)?;
    let start = to.begin(batch::EVENTS);
    to.number(event::CONTEXT, u64::from(segment.first_context));
    let mut at = 0;
    while at < message.len() {
        let (field, _, next) = read_field(message, at)?;
        if !matches!(field, event::CONTEXT | event::ENTRY_STEP | event::AT_STEP_MICROS) {
            to.raw(message.get(at..next)?);
        }
        at = next;
    }
    to.end(start);
    to.raw(bytes.get(next..)?);
    Some(())
}
