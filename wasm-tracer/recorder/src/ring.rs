//! The buffer: a ring of immutable segments and the one that is still open.
//!
//! A segment is a run of fields of `Batch` (events and streams), so that a batch is one segment and the
//! frame around it. When there is no room, whole segments go, oldest first, and become ranges of lost
//! numbers.

use proto::fields::{batch, lost_reason};

use crate::event::{Before, Event, MOST_BYTES};
use crate::lost::Losses;
use crate::settings::BUFFER_BYTES;
use crate::skeleton::{MOST_TAKEN, Skeleton};
use crate::wire::{Writer, read_field};

/// Bytes of a segment at most: with the frame around it a batch stays below 20 KiB.
pub const SEGMENT_BYTES: u32 = 14 * 1024;
/// Segments that wait or are in flight, at most.
pub const SEGMENTS: usize = 32;

/// What becomes of a segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum State {
    /// Waits to be shipped.
    Sealed = 0,
    /// Shipped, not answered.
    Flying = 1,
    /// Shipped, not answered, and its bytes had to go: lost unless the answer is 2xx.
    Gone = 2,
}

/// One segment.
#[derive(Clone, Copy)]
pub struct Segment {
    pub offset: u32,
    pub length: u32,
    pub first_sequence: u64,
    pub events: u32,
    pub first_entry: u64,
    pub first_at: u64,
    pub first_context: u32,
    /// Up to here the events are complete if all numbers up to this segment's last have arrived.
    pub known_until: u64,
    /// Number of the shipment, from the first try on; 0 before.
    pub shipment: u64,
    pub state: State,
    /// Half of a segment that was too large; the second half's first event is written anew.
    pub halved: bool,
    pub rebased: bool,
    /// It has skeletons, whose events must not come apart: what is known already is later than they are.
    pub promoted: bool,
}

impl Segment {
    const EMPTY: Segment = Segment {
        offset: 0,
        length: 0,
        first_sequence: 0,
        events: 0,
        first_entry: 0,
        first_at: 0,
        first_context: 0,
        known_until: 0,
        shipment: 0,
        state: State::Sealed,
        halved: false,
        rebased: false,
        promoted: false,
    };

    fn end(&self) -> u32 {
        self.offset.saturating_add(self.length)
    }
}

/// The buffer.
pub struct Ring {
    bytes: [u8; BUFFER_BYTES as usize],
    capacity: u32,
    segment_limit: u32,
    segments: [Segment; SEGMENTS],
    count: usize,
    open: Segment,
    /// The open segment may grow up to here: known to be free. 0: look again.
    free_until: u32,
    before: Before,
    /// Events made so far; the next one gets this number + 1.
    pub events: u64,
    pub losses: Losses,
}

impl Ring {
    pub const EMPTY: Ring = Ring {
        bytes: [0; BUFFER_BYTES as usize],
        capacity: 0,
        segment_limit: 0,
        segments: [Segment::EMPTY; SEGMENTS],
        count: 0,
        open: Segment::EMPTY,
        free_until: 0,
        before: Before { context: 0, entry: 0, at: 0 },
        events: 0,
        losses: Losses::EMPTY,
    };

    /// Sets its size.
    pub fn start(&mut self, buffer_bytes: u32) {
        self.capacity = buffer_bytes.min(BUFFER_BYTES);
        self.segment_limit = (self.capacity / 4).min(SEGMENT_BYTES);
        self.open.first_sequence = 1;
    }

    /// Number of the next event.
    pub fn next_sequence(&self) -> u64 {
        self.events.saturating_add(1)
    }

    /// Bytes held.
    pub fn used(&self) -> u32 {
        let held = self.sealed().iter().filter(|s| s.state != State::Gone);
        held.map(|s| s.length).fold(self.open.length, u32::saturating_add)
    }

    /// Is it so full that no new stream should be recorded?
    pub fn is_nearly_full(&self) -> bool {
        self.used() > self.capacity / 4 * 3
    }

    /// Are so many segments waiting that places for more are scarce? A skeleton that is broken off ends one.
    pub fn is_fragmented(&self) -> bool {
        self.count > SEGMENTS / 4 * 3
    }

    /// Is at least half of it free?
    pub fn is_half_free(&self) -> bool {
        self.used() <= self.capacity / 2
    }

    /// All segments but the open one, oldest first.
    pub fn sealed(&self) -> &[Segment] {
        self.segments.get(..self.count).unwrap_or(&[])
    }

    /// A segment's bytes.
    pub fn bytes_of(&self, segment: &Segment) -> &[u8] {
        self.bytes.get(segment.offset as usize..segment.end() as usize).unwrap_or(&[])
    }

    /// Appends an event. `known_until`: up to where events are complete without it.
    pub fn append(&mut self, event: &Event<'_>, known_until: u64) {
        self.make_room(MOST_BYTES as u32, known_until);
        let before = (self.open.events > 0).then_some(self.before);
        let mut writer = Writer::new(Self::room(&mut self.bytes, &self.open));
        let start = writer.begin(batch::EVENTS);
        event.write(before, &mut writer);
        writer.end(start);
        let (length, full) = (writer.length(), writer.is_full());
        debug_assert!(!full && length <= MOST_BYTES);
        self.events = self.events.saturating_add(1);
        if full {
            // Cannot be: room for the longest event was made. Its number is used and must be accounted for.
            self.seal(known_until);
            self.losses.add(self.events, self.events, lost_reason::TOO_LARGE, 0);
            self.open.first_sequence = self.next_sequence();
            return;
        }
        let here = Before { context: event.context, entry: event.entry, at: event.at };
        if self.open.events == 0 {
            self.begin(here);
        }
        self.open.events += 1;
        self.open.length = self.open.length.saturating_add(length as u32);
        self.before = here;
    }

    /// The open segment's first event.
    fn begin(&mut self, first: Before) {
        self.open.first_sequence = self.events;
        self.open.first_entry = first.entry;
        self.open.first_at = first.at;
        self.open.first_context = first.context;
    }

    /// Appends the events of a skeleton as they are; only the first gets steps from the event before it
    /// here.
    pub fn adopt(&mut self, skeleton: &Skeleton, context: u32, known_until: u64) {
        self.make_room(MOST_TAKEN as u32, known_until);
        let bytes = skeleton.events();
        let Some((_, length, next)) = read_field(bytes, 0) else { return };
        let first = bytes.get(next.saturating_sub(length as usize)..next).unwrap_or(&[]);
        let mut writer = Writer::new(Self::room(&mut self.bytes, &self.open));
        let start = writer.begin(batch::EVENTS);
        writer.raw(first);
        let (entry, at) = (skeleton.first_entry, skeleton.first_at);
        if self.open.events > 0 {
            crate::event::write_steps(self.before, entry, at, &mut writer);
        }
        writer.end(start);
        writer.raw(bytes.get(next..).unwrap_or(&[]));
        let length = writer.length() as u32;
        self.events = self.next_sequence();
        if self.open.events == 0 {
            self.begin(Before { context, entry, at });
        }
        self.events = self.events.saturating_add(u64::from(skeleton.events).saturating_sub(1));
        self.open.events += u32::from(skeleton.events);
        self.open.length = self.open.length.saturating_add(length);
        self.open.promoted = true;
        self.before = skeleton.before;
    }

    /// Appends a message other than an event.
    pub fn append_message(&mut self, field: u32, message: &[u8], known_until: u64) {
        self.make_room(message.len() as u32 + 8, known_until);
        let mut writer = Writer::new(Self::room(&mut self.bytes, &self.open));
        writer.bytes(field, message);
        if !writer.is_full() {
            self.open.length = self.open.length.saturating_add(writer.length() as u32);
        }
    }

    fn room<'a>(bytes: &'a mut [u8], open: &Segment) -> &'a mut [u8] {
        bytes.get_mut(open.end() as usize..).unwrap_or(&mut [])
    }

    /// Room for `wanted` bytes at the end of the open segment: begins another, wraps, lets old ones go.
    fn make_room(&mut self, wanted: u32, known_until: u64) {
        let too_long = self.open.length.saturating_add(wanted) > self.segment_limit;
        if !too_long && self.open.end().saturating_add(wanted) <= self.free_until {
            return;
        }
        if too_long {
            self.seal(known_until);
        }
        if self.open.end().saturating_add(wanted) > self.capacity {
            self.seal(known_until);
            self.open.offset = 0;
        }
        let end = self.open.end().saturating_add(wanted);
        let from = self.open.offset;
        let behind = |s: &Segment| s.state != State::Gone && s.end() > from;
        for _ in 0..SEGMENTS {
            let in_the_way = self.sealed().iter().position(|s| behind(s) && s.offset < end);
            match in_the_way {
                Some(at) => self.let_go(at),
                None => break,
            }
        }
        let next = self.sealed().iter().filter(|s| behind(s)).map(|s| s.offset).min();
        self.free_until = next.unwrap_or(self.capacity).min(self.capacity);
    }

    /// Closes the open segment; the next one begins behind it.
    pub fn seal(&mut self, known_until: u64) {
        if self.open.length == 0 {
            return;
        }
        if self.count == SEGMENTS {
            self.let_go_for_good(0, lost_reason::BUFFER_FULL);
        }
        let mut sealed = self.open;
        sealed.known_until = known_until;
        if sealed.events == 0 {
            sealed.first_sequence = self.next_sequence();
        }
        self.insert(self.count, sealed);
        self.open = Segment { offset: sealed.end(), ..Segment::EMPTY };
        self.free_until = 0;
        self.open.first_sequence = self.next_sequence();
    }

    /// Uses one number for events that are not made, and tells it as lost.
    pub fn skip_one(&mut self, known_until: u64, reason: u32, context: u32) {
        self.seal(known_until);
        self.events = self.next_sequence();
        self.losses.add(self.events, self.events, reason, context);
        self.open.first_sequence = self.next_sequence();
    }

    fn insert(&mut self, at: usize, segment: Segment) {
        if self.count >= SEGMENTS {
            return;
        }
        let mut place = self.count;
        while place > at {
            let moved = self.segments.get(place.wrapping_sub(1)).copied();
            if let (Some(moved), Some(to)) = (moved, self.segments.get_mut(place)) {
                *to = moved;
            }
            place -= 1;
        }
        if let Some(to) = self.segments.get_mut(at) {
            *to = segment;
        }
        self.count += 1;
    }

    /// Forgets a segment that was accepted.
    pub fn remove(&mut self, at: usize) {
        if at >= self.count {
            return;
        }
        for place in at..self.count {
            let moved = self.segments.get(place + 1).copied().unwrap_or(Segment::EMPTY);
            if let Some(to) = self.segments.get_mut(place) {
                *to = moved;
            }
        }
        self.count -= 1;
    }

    /// Gives a segment's bytes away. One in flight may still arrive: only its answer decides.
    fn let_go(&mut self, at: usize) {
        match self.segments.get_mut(at) {
            Some(segment) if segment.state == State::Flying => segment.state = State::Gone,
            _ => self.let_go_for_good(at, lost_reason::BUFFER_FULL),
        }
    }

    /// Drops a segment and says which numbers are lost.
    pub fn let_go_for_good(&mut self, at: usize, reason: u32) {
        let Some(segment) = self.sealed().get(at).copied() else { return };
        self.remove(at);
        if segment.events > 0 {
            let last = segment.first_sequence.saturating_add(u64::from(segment.events) - 1);
            self.losses.add(segment.first_sequence, last, reason, 0);
        }
    }

    /// Position of a shipment's segment.
    pub fn find(&self, shipment: u64) -> Option<usize> {
        self.sealed().iter().position(|s| s.shipment == shipment)
    }

    /// The oldest segment that waits to be shipped.
    pub fn waiting(&self) -> Option<usize> {
        self.sealed().iter().position(|s| s.state == State::Sealed)
    }

    /// Changes one segment.
    pub fn get_mut(&mut self, at: usize) -> Option<&mut Segment> {
        self.segments.get_mut(..self.count)?.get_mut(at)
    }

    /// Replaces a segment by its two halves; false if it has no two events, there is no place, or events of
    /// a skeleton would come apart.
    pub fn halve(&mut self, at: usize) -> bool {
        let Some(whole) = self.sealed().get(at).copied() else { return false };
        if self.count >= SEGMENTS || whole.halved || whole.promoted {
            return false;
        }
        let Some((first, second)) = crate::halve::halves(&whole, self.bytes_of(&whole)) else {
            return false;
        };
        if let Some(place) = self.get_mut(at) {
            *place = first;
        }
        self.insert(at + 1, second);
        true
    }
}
