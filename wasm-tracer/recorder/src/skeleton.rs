//! What is kept of a stream that was not chosen: its events as the buffer would hold them, aside, until
//! something makes it worth having (it is promoted) or it ends and is forgotten.
//!
//! Events of a skeleton have no numbers. They get them when it is promoted, all of them at once and in one
//! batch: what has a number is complete, whenever it came (order is entry and position). Where
//! something was not kept, one number more is told as lost, of this stream alone.

use abi::graft::config::SKELETON_PAGES;
use proto::fields::{batch, lost_reason, mark};

use crate::Recorder;
use crate::event::{Before, Event, MOST_BYTES};
use crate::host::Host;
use crate::ring::Ring;
use crate::streams::{self, flag};
use crate::wire::Writer;

/// Bytes of events. With the rest a skeleton takes 1 KiB.
const BYTES: usize = 752;
/// Bytes of what names the stream.
const NAME_BYTES: usize = 224;
/// Bytes of a segment that one takes at most, with the invocation in which it is promoted: they must not come
/// apart, or a reader who knows more already would miss the rest.
pub const MOST_TAKEN: usize = BYTES + NAME_BYTES + 2 * MOST_BYTES;
/// Bytes of text that are kept of an event.
const TEXT: usize = 96;
/// A stream that is held this long is promoted in the next tick.
pub const HELD: u64 = 1_000_000;
/// In place of a skeleton: there is none.
pub const NONE: u16 = 0;

/// The events of one stream. All zero it is empty. It lies in memory that the recorder has only while it
/// does not record everything ([`Host::skeletons`]).
#[repr(C)]
pub struct Skeleton {
    pub(crate) first_entry: u64,
    pub(crate) first_at: u64,
    pub(crate) before: Before,
    length: u16,
    name_length: u16,
    pub(crate) events: u16,
    /// An event of it was not kept; none is any more.
    broken: bool,
    bytes: [u8; BYTES],
    name: [u8; NAME_BYTES],
}

const _: () = assert!(size_of::<Skeleton>() == 1024);
const _: () = assert!(streams::PLACES == SKELETON_PAGES as usize * Skeleton::IN_A_PAGE);

impl Skeleton {
    /// So many lie in a page.
    pub const IN_A_PAGE: usize = (1 << 16) / size_of::<Skeleton>();

    /// An empty one.
    pub const EMPTY: Skeleton = Skeleton {
        first_entry: 0,
        first_at: 0,
        before: Before { context: 0, entry: 0, at: 0 },
        length: 0,
        name_length: 0,
        events: 0,
        broken: false,
        bytes: [0; BYTES],
        name: [0; NAME_BYTES],
    };

    /// The events, each a field of `Batch`. The first is written as if the one before were another
    /// context's, right before it.
    pub fn events(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.length)).unwrap_or(&[])
    }

    /// A `Stream` that names it; empty if that is not known.
    fn name(&self) -> &[u8] {
        self.name.get(..usize::from(self.name_length)).unwrap_or(&[])
    }

    fn begin(&mut self) {
        (self.length, self.name_length, self.events, self.broken) = (0, 0, 0, false);
    }

    /// What follows is not kept.
    pub fn break_off(&mut self) {
        self.broken = true;
    }

    fn keep(&mut self, event: &Event<'_>) {
        if self.broken {
            return;
        }
        let mut event = *event;
        event.marks |= mark::PROMOTED;
        if event.text.len() > TEXT {
            event.text = event.text.get(..TEXT).unwrap_or(&[]);
            event.marks |= mark::TEXT_CUT;
        }
        if self.events == 0 {
            (self.first_entry, self.first_at) = (event.entry, event.at);
            self.before = Before { context: 0, entry: event.entry.wrapping_sub(1), at: event.at };
        }
        let place = self.bytes.get_mut(usize::from(self.length)..).unwrap_or(&mut []);
        let mut writer = Writer::new(place);
        let start = writer.begin(batch::EVENTS);
        event.write(Some(self.before), &mut writer);
        writer.end(start);
        if writer.is_full() {
            self.broken = true;
            return;
        }
        self.length += writer.length() as u16;
        self.events += 1;
        self.before = Before { context: event.context, entry: event.entry, at: event.at };
    }
}

/// Where an invocation's events are kept.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Keeper {
    /// In the buffer.
    pub recorded: bool,
    /// In this skeleton, of this stream.
    pub slot: u16,
    pub owner: u32,
}

impl Keeper {
    pub const NOBODY: Keeper = Keeper { recorded: false, slot: NONE, owner: 0 };
    pub const BUFFER: Keeper = Keeper { recorded: true, ..Keeper::NOBODY };

    /// Are they kept at all?
    pub fn keeps(&self) -> bool {
        self.recorded || self.slot != NONE
    }
}

fn skeleton(slot: u16, host: &mut impl Host) -> Option<&mut Skeleton> {
    host.skeletons(0).get_mut(usize::from(slot).checked_sub(1)?)
}

/// Keeps an event where it belongs.
pub fn keep_in(
    ring: &mut Ring,
    keeper: Keeper,
    event: &Event<'_>,
    known_until: u64,
    host: &mut impl Host,
) {
    if keeper.recorded {
        ring.append(event, known_until);
    } else if let Some(skeleton) = skeleton(keeper.slot, host) {
        skeleton.keep(event);
    }
}

/// Keeps what names a stream; false if there is no room for it.
pub fn name(slot: u16, message: &[u8], host: &mut impl Host) -> bool {
    let Some(skeleton) = skeleton(slot, host) else { return false };
    if message.len() > NAME_BYTES {
        return false;
    }
    skeleton.name_length = crate::bytes::copy(&mut skeleton.name, message) as u16;
    true
}

impl Recorder {
    /// A stream begins that was not chosen. False: there is no memory for its skeleton.
    pub(crate) fn begin_skeleton(slot: u16, host: &mut impl Host) -> bool {
        host.skeletons(usize::from(slot));
        skeleton(slot, host).map(Skeleton::begin).is_some()
    }

    /// Something is done to a stream where its skeleton does not hold it.
    pub(crate) fn break_skeleton(slot: u16, host: &mut impl Host) {
        if let Some(skeleton) = skeleton(slot, host) {
            skeleton.break_off();
        }
    }

    /// A stream has become worth having: what its skeleton holds goes to the buffer, and it is recorded
    /// from here on. No stream is admitted to a buffer that is nearly full: it stays what it is, and is
    /// counted, once.
    pub(crate) fn promote(&mut self, context: u32, host: &mut impl Host) {
        let enabled = self.is_recording();
        let Some(stream) = self.streams.get(context) else { return };
        if !enabled || !stream.has(flag::SKELETON) {
            return;
        }
        let (root, slot) = (stream.root, stream.slot);
        if self.ring.is_nearly_full() || self.ring.is_fragmented() {
            let again = stream.has(flag::REFUSED);
            stream.flags |= flag::REFUSED;
            if let Some(root) = self.roots.get(root) {
                root.refused = root.refused.saturating_add(u64::from(!again));
            }
            return;
        }
        let Some(skeleton) = skeleton(slot, host) else { return };
        // An invocation that promotes at its entry is not among the open ones yet: it begins now.
        let known_until = self.known_until().min(self.now.saturating_sub(1));
        self.ring.adopt(skeleton, context, known_until);
        if !skeleton.name().is_empty() {
            self.ring.append_message(batch::STREAMS, skeleton.name(), known_until);
        }
        if skeleton.broken {
            self.ring.skip_one(known_until, lost_reason::SKELETON, context);
        }
        if let Some(stream) = self.streams.get(context) {
            stream.flags = stream.flags & !flag::SKELETON | flag::RECORDED;
        }
        if let Some(root) = self.roots.get(root) {
            root.recorded = root.recorded.saturating_add(1);
        }
        for frame in &mut self.frames {
            if frame.keeper.owner == context {
                frame.keeper = Keeper::BUFFER;
            }
        }
        self.calls.promoted(context);
    }

    /// Promotes the stream whose skeleton an invocation is kept in; answers who keeps it now.
    pub(crate) fn promoted(&mut self, keeper: Keeper, host: &mut impl Host) -> Keeper {
        if keeper.owner == 0 {
            return keeper;
        }
        self.promote(keeper.owner, host);
        self.streams.keeper_of(keeper.owner)
    }

    /// Promotes what has been held for so many µs.
    pub(crate) fn promote_held(&mut self, micros: u64, host: &mut impl Host) {
        // A skeleton has the place of its stream.
        for at in 0..host.skeletons(0).len() {
            if let Some(context) = self.streams.held_since(at, self.now.saturating_sub(micros)) {
                self.promote(context, host);
            }
        }
    }
}
