//! Cumulative counts: phases by root and action, pauses, hostcalls, shipments.

use abi::Direction;
use proto::fields::{counters, hostcall_count, pause_times, phase_count};

use crate::histogram::Histogram;
use crate::hostcalls::{FIRST, KINDS};
use crate::wire::Writer;

/// Rows of phases; one more, of kind 0, counts all that do not fit.
const PHASES: usize = 96;
/// Rows of pauses: the last two are of the roots that do not fit, a row each direction.
const PAUSES: usize = 12;
const PAUSES_OF_ROOTS: usize = PAUSES - 2;

#[derive(Clone, Copy)]
struct Phase {
    root: u32,
    kind: u8,
    action: u8,
    /// Its root has ended: the row may be another's.
    gone: bool,
    count: u64,
}

#[derive(Clone, Copy)]
struct Pause {
    root: u32,
    direction: u8,
    used: bool,
    /// Its root has ended: the row may be another's.
    gone: bool,
    duration: Histogram,
}

/// All of them.
pub struct Counters {
    phases: [Phase; PHASES],
    other_phases: u64,
    pauses: [Pause; PAUSES],
    /// Count and failures of each hostcall.
    hostcalls: [(u32, u32); KINDS],
    pub sent: u64,
    pub accepted: u64,
    pub refused: u64,
    pub unanswered: u64,
    pub rejected: u64,
    pub headers_too_large: u64,
    pub bad_pointers: u64,
    pub log_lines_dropped: u64,
    pub plugin_micros: u64,
    /// Callbacks kept from the plugin.
    pub own_callbacks: u64,
}

impl Counters {
    pub const EMPTY: Counters = Counters {
        phases: [Phase { root: 0, kind: 0, action: 0, gone: false, count: 0 }; PHASES],
        other_phases: 0,
        pauses: [Pause {
            root: 0,
            direction: 0,
            used: false,
            gone: false,
            duration: Histogram::EMPTY,
        }; PAUSES],
        hostcalls: [(0, 0); KINDS],
        sent: 0,
        accepted: 0,
        refused: 0,
        unanswered: 0,
        rejected: 0,
        headers_too_large: 0,
        bad_pointers: 0,
        log_lines_dropped: 0,
        plugin_micros: 0,
        own_callbacks: 0,
    };

    /// A phase returned.
    pub fn phase(&mut self, root: u32, kind: u32, action: u32) {
        let (kind, action) = (kind as u8, action.min(255) as u8);
        for place in &mut self.phases {
            if place.count == 0 {
                (place.root, place.kind, place.action) = (root, kind, action);
            }
            if place.root == root && place.kind == kind && place.action == action {
                place.count = place.count.saturating_add(1);
                return;
            }
        }
        if let Some(place) = self.phases.iter_mut().find(|place| place.gone) {
            *place = Phase { root, kind, action, gone: false, count: 1 };
            return;
        }
        self.other_phases = self.other_phases.saturating_add(1);
    }

    /// A hold ended.
    pub fn pause(&mut self, root: u32, direction: Direction, micros: u64) {
        let direction = direction as u8;
        for place in self.pauses.iter_mut().take(PAUSES_OF_ROOTS) {
            if !place.used {
                (place.root, place.direction, place.used) = (root, direction, true);
            }
            if place.root == root && place.direction == direction {
                return place.duration.add(micros);
            }
        }
        if let Some(place) = self.pauses.iter_mut().take(PAUSES_OF_ROOTS).find(|p| p.gone) {
            *place = Pause { root, direction, used: true, gone: false, duration: Histogram::EMPTY };
            return place.duration.add(micros);
        }
        if let Some(place) = self.pauses.get_mut(PAUSES_OF_ROOTS + usize::from(direction)) {
            (place.root, place.direction, place.used) = (0, direction, true);
            place.duration.add(micros);
        }
    }

    /// A root has ended. Its rows stay as they are until another needs one: each push of a configuration
    /// brings a root, and a VM may live for months.
    pub fn root_is_gone(&mut self, root: u32) {
        for place in self.phases.iter_mut().filter(|p| p.root == root) {
            place.gone = true;
        }
        for place in self.pauses.iter_mut().filter(|p| p.root == root) {
            place.gone = true;
        }
    }

    /// A hostcall returned.
    pub fn hostcall(&mut self, kind: u32, failed: bool) {
        let at = (kind as usize).wrapping_sub(FIRST);
        if let Some((count, failures)) = self.hostcalls.get_mut(at) {
            *count = count.saturating_add(1);
            *failures = failures.saturating_add(u32::from(failed));
        }
    }

    /// Writes the plain ones.
    pub fn write(&self, to: &mut Writer<'_>) {
        for phase in self.phases.iter().filter(|p| p.count > 0) {
            let start = to.begin(counters::PHASES);
            to.number(phase_count::ROOT, u64::from(phase.root));
            to.number(phase_count::KIND, u64::from(phase.kind));
            to.number(phase_count::ACTION, u64::from(phase.action));
            to.number(phase_count::COUNT, phase.count);
            to.end(start);
        }
        if self.other_phases > 0 {
            let start = to.begin(counters::PHASES);
            to.number(phase_count::COUNT, self.other_phases);
            to.end(start);
        }
        for pause in self.pauses.iter().filter(|p| p.used) {
            let start = to.begin(counters::PAUSES);
            to.number(pause_times::ROOT, u64::from(pause.root));
            to.number(pause_times::DIRECTION, u64::from(pause.direction));
            pause.duration.write(pause_times::DURATION, to);
            to.end(start);
        }
        for (at, (count, failures)) in self.hostcalls.iter().enumerate() {
            if *count > 0 {
                let start = to.begin(counters::HOSTCALLS);
                to.number(hostcall_count::KIND, (FIRST + at) as u64);
                to.number(hostcall_count::COUNT, u64::from(*count));
                to.number(hostcall_count::FAILURES, u64::from(*failures));
                to.end(start);
            }
        }
        to.number(counters::BATCHES_SENT, self.sent);
        to.number(counters::BATCHES_ACCEPTED, self.accepted);
        to.number(counters::BATCHES_REFUSED, self.refused);
        to.number(counters::BATCHES_UNANSWERED, self.unanswered);
        to.number(counters::DISPATCHES_REJECTED, self.rejected);
        to.number(counters::HEADERS_TOO_LARGE, self.headers_too_large);
        to.number(counters::BAD_POINTERS, self.bad_pointers);
        to.number(counters::PLUGIN_MICROS, self.plugin_micros);
        to.number(counters::LOG_LINES_DROPPED, self.log_lines_dropped);
    }
}
