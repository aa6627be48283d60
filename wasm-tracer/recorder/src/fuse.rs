//! The fuse: the recorder turns itself down to heartbeats, says why, and turns itself up again.
//!
//! Down, no event is made and no stream is admitted; counters, the plugin's ticks, the saved status and
//! the black box go on, and what was recorded before is still shipped. One number, told as lost, stands
//! for all events that were not made, so that no absence is argued from the silence.
//!
//! It blows for three reasons, looked at about once a second, in a tick:
//! - time: the recorder's own time was more than half of the plugin's and more than a fifth of the whole,
//!   for five seconds. The second part keeps plugins that do next to nothing recorded, where any recorder
//!   takes longer than the plugin and yet hardly anything.
//! - loss: events were lost again and again for ten seconds (whole segments go at once, so seconds
//!   may pass between two losses): the buffer is full, or the collector refuses them.
//! - memory: another growth as large as the largest one seen does not fit under the memory's maximum.
//!
//! It comes back by itself after a minute, or after twice the last wait (an hour at most) if it blew again
//! within ten minutes; after a loss only once half of the buffer is free; and near the memory's maximum
//! not at all, since a wasm memory never shrinks: then with the next VM.

use abi::graft::config::SKELETON_PAGES;
use proto::fields::{counters, fuse_reason, lost_reason};

use crate::Recorder;
use crate::host::Host;
use crate::skeleton::Skeleton;
use crate::wire::Writer;

/// One entry in so many is measured. A prime, so that it meets all callbacks of a request in turn.
const ONE_IN: u32 = 61;
/// What counts of one measurement at most, ns: a worker that lost its core meanwhile is not our cost.
const MOST_NANOS: u64 = 1_000_000;
const SECOND: u64 = 1_000_000;
/// How long it has to cost too much, and to lose events.
const COSTLY_FOR: u64 = 5 * SECOND;
const LOSING_FOR: u64 = 10 * SECOND;
/// Losses no further apart than this are one.
const LOSSES_APART: u64 = 5 * SECOND;
/// The recorder's share of the plugin's time, and of all time: one in so many.
const SHARE_OF_PLUGIN: u64 = 2;
const SHARE_OF_ALL: u64 = 5;
const FIRST_WAIT: u64 = 60 * SECOND;
const LONGEST_WAIT: u64 = 3600 * SECOND;
/// A fuse that held this long counts as mended.
const MENDED_AFTER: u64 = 600 * SECOND;
const WARN: u32 = 3;

/// What was measured and what came of it.
pub struct Fuse {
    /// Why recording is turned down; 0: it is not.
    reason: u32,
    /// While it is down.
    since: u64,
    until: u64,
    trips: u64,
    wait: u64,
    restored: u64,
    /// Entries since the last one that was measured.
    entries: u32,
    /// Time of the recorder and of the plugin in measured entries, and of the recorder in ticks: since the
    /// last look, ns.
    own: u64,
    plugin: u64,
    ticks: u64,
    /// The recorder's time since the start, µs.
    own_micros: u64,
    /// When it was last looked at, and since when it costs too much or loses (0: it does not).
    looked: u64,
    costly_since: u64,
    losing_since: u64,
    /// Events lost when it was last looked at, and when they last were more than before.
    lost: u64,
    lost_at: u64,
    /// The plugin's pages, and the largest growth seen.
    pages: u32,
    growth: u32,
}

impl Fuse {
    pub const EMPTY: Fuse = Fuse {
        reason: 0,
        since: 0,
        until: 0,
        trips: 0,
        wait: 0,
        restored: 0,
        entries: 0,
        own: 0,
        plugin: 0,
        ticks: 0,
        own_micros: 0,
        looked: 0,
        costly_since: 0,
        losing_since: 0,
        lost: 0,
        lost_at: 0,
        pages: 0,
        growth: 0,
    };

    /// Is everything recorded that is to be?
    pub fn holds(&self) -> bool {
        self.reason == fuse_reason::NONE
    }

    /// Is this entry measured?
    pub fn is_measured(&mut self) -> bool {
        self.entries = self.entries.wrapping_add(1);
        let measured = self.entries == ONE_IN;
        if measured {
            self.entries = 0;
        }
        measured
    }

    /// Writes what counters say of it.
    pub fn write(&self, to: &mut Writer<'_>) {
        to.number(counters::RECORDER_MICROS, self.own_micros);
        to.number(counters::FUSE, u64::from(self.reason));
        to.number(counters::FUSE_TRIPS, self.trips);
        if !self.holds() {
            to.number(counters::FUSE_SINCE_MICROS, self.since);
            to.number(counters::FUSE_UNTIL_MICROS, self.until);
        }
    }
}

impl Recorder {
    /// Are events made?
    pub(crate) fn is_recording(&self) -> bool {
        self.settings.enabled && self.fuse.holds() && !self.clockless
    }

    /// A piece of the recorder's own work in a measured entry ends; it began at the reading `since`, ns.
    pub(crate) fn own_time(&mut self, since: u64, host: &mut impl Host) {
        self.clock(host);
        self.fuse.own += self.nanos.saturating_sub(since).min(MOST_NANOS);
    }

    /// The plugin ran in a measured entry until now, from the reading `since` on, ns.
    pub(crate) fn plugin_time(&mut self, since: u64) {
        self.fuse.plugin += self.nanos.saturating_sub(since);
    }

    /// The recorder worked in a tick until now, from the reading `since` on, ns.
    pub(crate) fn tick_time(&mut self, since: u64) {
        self.fuse.ticks += self.nanos.saturating_sub(since);
    }

    /// In a tick, before it ships: blows, or comes back.
    pub(crate) fn look_at_the_fuse(&mut self, host: &mut impl Host) {
        let now = self.now;
        let passed = now.saturating_sub(self.fuse.looked);
        if passed < SECOND {
            return;
        }
        let first = self.fuse.looked == 0;
        self.fuse.looked = now;
        let costly = self.is_costly(passed) && !first;
        let lost = self.ring.losses.events;
        if lost > self.fuse.lost {
            (self.fuse.lost, self.fuse.lost_at) = (lost, now);
        }
        let losing = self.fuse.lost_at != 0 && now.saturating_sub(self.fuse.lost_at) < LOSSES_APART;
        since(&mut self.fuse.costly_since, costly, now.saturating_sub(passed));
        since(&mut self.fuse.losing_since, losing, now.saturating_sub(passed));
        let too_long = |since: u64, long: u64| since != 0 && now.saturating_sub(since) >= long;
        let cramped = self.is_memory_nearly_full(host);
        if !self.fuse.holds() {
            return self.come_back(cramped, host);
        }
        if too_long(self.fuse.costly_since, COSTLY_FOR) {
            self.blow(fuse_reason::TIME_SHARE, host);
        } else if too_long(self.fuse.losing_since, LOSING_FOR) {
            self.blow(fuse_reason::LOSS, host);
        } else if cramped {
            self.blow(fuse_reason::MEMORY, host);
        }
    }

    /// Sums up what was measured since the last look.
    fn is_costly(&mut self, passed: u64) -> bool {
        let fuse = &mut self.fuse;
        let own = (fuse.own.saturating_mul(u64::from(ONE_IN)) + fuse.ticks) / 1000;
        let plugin = fuse.plugin.saturating_mul(u64::from(ONE_IN)) / 1000;
        (fuse.own, fuse.plugin, fuse.ticks) = (0, 0, 0);
        fuse.own_micros = fuse.own_micros.saturating_add(own);
        own > plugin / SHARE_OF_PLUGIN && own > passed / SHARE_OF_ALL
    }

    fn is_memory_nearly_full(&mut self, host: &mut impl Host) -> bool {
        let pages = host.plugin_pages();
        let fuse = &mut self.fuse;
        if fuse.pages != 0 {
            fuse.growth = fuse.growth.max(pages.saturating_sub(fuse.pages));
        }
        fuse.pages = pages;
        let taken = host.skeletons(0).len() / Skeleton::IN_A_PAGE;
        let own = host.pages().saturating_add(SKELETON_PAGES).saturating_sub(taken as u32);
        let next = pages.saturating_add(fuse.growth).saturating_add(own);
        // A memory that never grew needs no room to grow.
        fuse.growth > 0 && next > self.settings.memory_maximum
    }

    fn blow(&mut self, reason: u32, host: &mut impl Host) {
        let now = self.now;
        let again = self.fuse.trips > 0 && now.saturating_sub(self.fuse.restored) < MENDED_AFTER;
        let fuse = &mut self.fuse;
        fuse.wait = if again { (fuse.wait * 2).min(LONGEST_WAIT) } else { FIRST_WAIT };
        (fuse.reason, fuse.since, fuse.until) = (reason, now, now.saturating_add(fuse.wait));
        fuse.trips = fuse.trips.saturating_add(1);
        (fuse.costly_since, fuse.losing_since) = (0, 0);
        self.ring.skip_one(self.known_until(), lost_reason::TURNED_DOWN, 0);
        for skeleton in host.skeletons(0) {
            skeleton.break_off();
        }
        self.fuse.lost = self.ring.losses.events;
        host.log(WARN, sentence(reason));
    }

    fn come_back(&mut self, cramped: bool, host: &mut impl Host) {
        let stays = match self.fuse.reason {
            fuse_reason::LOSS => !self.ring.is_half_free(),
            fuse_reason::MEMORY => cramped,
            _ => false,
        };
        if stays || self.now < self.fuse.until {
            return;
        }
        self.fuse.reason = fuse_reason::NONE;
        self.fuse.restored = self.now;
        host.log(WARN, b"wasm-tracer records again");
    }
}

/// Notes since when something holds.
fn since(place: &mut u64, holds: bool, begin: u64) {
    if !holds {
        *place = 0;
    } else if *place == 0 {
        *place = begin.max(1);
    }
}

fn sentence(reason: u32) -> &'static [u8] {
    match reason {
        fuse_reason::TIME_SHARE => {
            b"wasm-tracer turns itself down to heartbeats: recording took more than half of the plugin's time and a fifth of all; lower WASM_TRACER_RATE"
        }
        fuse_reason::LOSS => {
            b"wasm-tracer turns itself down to heartbeats: it lost events for ten seconds in a row; is the collector fast enough?"
        }
        _ => {
            b"wasm-tracer turns itself down to heartbeats: the memory is nearly as large as it may become. It records again in the next VM"
        }
    }
}
