//! The open stream contexts: which root they are of, whether they are recorded, what is held.

use abi::Direction;

use crate::skeleton::Keeper;

const SETS: usize = 64;
const WAYS: usize = 8;
/// Streams that have a place.
pub const PLACES: usize = SETS * WAYS;
/// Sets of streams of which only the root is known.
const SETS_BEYOND: usize = 256;

/// Bits of a stream.
pub mod flag {
    /// Its events are kept.
    pub const RECORDED: u16 = 1;
    /// It started a call.
    pub const DISPATCHED: u16 = 2;
    /// A phase of it stopped.
    pub const PAUSED: u16 = 4;
    /// It sent a local response.
    pub const REPLIED: u16 = 8;
    /// Something is odd about it: what the host says of its end is wanted.
    pub const SUSPICION: u16 = 16;
    /// What names it was written.
    pub const NAMED: u16 = 32;
    /// It stopped or started a call elsewhere than in the request headers phase.
    pub const BEYOND_HEADERS: u16 = 64;
    /// Its events are kept aside ([`crate::skeleton`]).
    pub const SKELETON: u16 = 128;
    /// Its response headers went on to the client.
    pub const RESPONDED: u16 = 256;
    /// It was to be promoted while the buffer was nearly full.
    pub const REFUSED: u16 = 512;
    /// Any of these: who answered is wanted, however well it went.
    pub const WHO_ANSWERED: u16 = REPLIED | SUSPICION | BEYOND_HEADERS;
    /// Any of these: the host's properties are read in on_log.
    pub const TELLING: u16 = DISPATCHED | PAUSED | REPLIED | SUSPICION;
}

/// One open stream.
#[derive(Clone, Copy)]
pub struct Stream {
    /// 0: the place is free.
    pub context: u32,
    pub root: u32,
    pub flags: u16,
    /// Bytes of log lines kept of it.
    pub log_bytes: u16,
    /// Number of its place, from 1, and of its skeleton: low where few streams are open.
    pub slot: u16,
    /// Calls of it that are out, as long as it has a skeleton.
    pub calls_out: u8,
    /// Since when each direction is held, monotonic µs; 0: it is not.
    held_since: [u64; 2],
}

impl Stream {
    const EMPTY: Stream = Stream {
        context: 0,
        root: 0,
        flags: 0,
        log_bytes: 0,
        slot: 0,
        calls_out: 0,
        held_since: [0; 2],
    };

    /// Are any of these bits set?
    pub fn has(&self, flags: u16) -> bool {
        self.flags & flags != 0
    }

    /// Is a direction held?
    pub fn is_held(&self, direction: Direction) -> bool {
        self.held_since.get(direction as usize).is_some_and(|since| *since != 0)
    }

    /// It has a skeleton, and nothing of it is held or out.
    pub fn is_quiet(&self) -> bool {
        self.has(flag::SKELETON) && self.calls_out == 0 && self.held_since == [0, 0]
    }

    /// Who keeps its events.
    pub fn keeper(&self) -> Keeper {
        match self.flags & (flag::RECORDED | flag::SKELETON) {
            flag::SKELETON => Keeper { recorded: false, slot: self.slot, owner: self.context },
            flag::RECORDED => Keeper::BUFFER,
            _ => Keeper::NOBODY,
        }
    }

    /// A phase stopped.
    pub fn hold(&mut self, direction: Direction, now: u64) {
        self.flags |= flag::PAUSED;
        if let Some(since) = self.held_since.get_mut(direction as usize)
            && *since == 0
        {
            *since = now.max(1);
        }
    }

    /// A direction goes on: since when it was held, if it was.
    pub fn release(&mut self, direction: Direction) -> Option<u64> {
        let since = self.held_since.get_mut(direction as usize)?;
        let held = (*since != 0).then_some(*since);
        *since = 0;
        held
    }
}

/// A bounded table: 64 sets of 8. Context ids are consecutive, so they spread evenly.
pub struct Streams {
    places: [[Stream; WAYS]; SETS],
    /// Context and root of those that found no place above: a timer that is set in one is its root's.
    beyond: [[(u32, u32); WAYS]; SETS_BEYOND],
    /// How many these are.
    beyond_count: u32,
    /// Streams for which there was no place, since the start.
    pub not_watched: u64,
}

impl Streams {
    pub const EMPTY: Streams = Streams {
        places: [[Stream::EMPTY; WAYS]; SETS],
        beyond: [[(0, 0); WAYS]; SETS_BEYOND],
        beyond_count: 0,
        not_watched: 0,
    };

    fn set(&mut self, context: u32) -> Option<&mut [Stream; WAYS]> {
        self.places.get_mut(context as usize % SETS)
    }

    /// Adds a stream; without a place it is counted, and only its root is kept.
    pub fn create(&mut self, context: u32, root: u32, flags: u16) -> Option<&mut Stream> {
        let found = self.set(context).and_then(|set| {
            set.iter()
                .position(|s| s.context == context)
                .or_else(|| set.iter().position(|s| s.context == 0))
        });
        let Some(way) = found else {
            self.not_watched = self.not_watched.saturating_add(1);
            self.create_beyond(context, root);
            return None;
        };
        let slot = (way * SETS + context as usize % SETS + 1) as u16;
        let place = self.set(context)?.get_mut(way)?;
        *place = Stream { context, root, flags, slot, ..Stream::EMPTY };
        Some(place)
    }

    fn create_beyond(&mut self, context: u32, root: u32) {
        let Some(set) = self.beyond.get_mut(context as usize % SETS_BEYOND) else { return };
        if let Some(place) = set.iter_mut().find(|(known, _)| *known == 0 || *known == context) {
            self.beyond_count = self.beyond_count.saturating_add(u32::from(place.0 == 0));
            *place = (context, root);
        }
    }

    fn find_beyond(&mut self, context: u32) -> Option<&mut (u32, u32)> {
        if self.beyond_count == 0 || context == 0 {
            return None;
        }
        let set = self.beyond.get_mut(context as usize % SETS_BEYOND)?;
        set.iter_mut().find(|(known, _)| *known == context)
    }

    /// The root of an open stream that found no place.
    pub fn root_beyond(&mut self, context: u32) -> Option<u32> {
        self.find_beyond(context).map(|(_, root)| *root)
    }

    /// Is it an open stream, with a place or without?
    pub fn knows(&mut self, context: u32) -> bool {
        self.get(context).is_some() || self.find_beyond(context).is_some()
    }

    /// An open stream.
    #[inline(never)] // the recorder is to stay small
    pub fn get(&mut self, context: u32) -> Option<&mut Stream> {
        if context == 0 {
            return None;
        }
        self.set(context)?.iter_mut().find(|s| s.context == context)
    }

    /// Who keeps a stream's events.
    pub fn keeper_of(&mut self, context: u32) -> Keeper {
        self.get(context).map_or(Keeper::NOBODY, |stream| stream.keeper())
    }

    /// Forgets a stream that was deleted.
    pub fn delete(&mut self, context: u32) {
        if let Some(stream) = self.get(context) {
            *stream = Stream::EMPTY;
        } else if let Some(place) = self.find_beyond(context) {
            *place = (0, 0);
            self.beyond_count = self.beyond_count.saturating_sub(1);
        }
    }

    /// The stream with a skeleton in a place, if it is held since a time or longer.
    pub fn held_since(&self, place: usize, time: u64) -> Option<u32> {
        let stream = self.places.get(place % SETS)?.get(place / SETS)?;
        let is_held = stream.held_since.iter().any(|since| *since != 0 && *since <= time);
        (is_held && stream.has(flag::SKELETON)).then_some(stream.context)
    }

    /// Is any stream held?
    pub fn any_held(&self) -> bool {
        self.places.iter().flatten().any(|s| s.context != 0 && s.held_since != [0, 0])
    }
}
