//! One timer a root, two deadlines: the plugin's tick and ours.
//!
//! The plugin is ticked a period after its last tick returned (Envoy `Wasm::tickHandler` sets the timer anew
//! then), at most 2 ms later. Never more often than by the host alone, whose timers count from the last turn
//! of the event loop: seen on 1.40, with 20 ms of work and a period of 50, gaps of 50 and of 70 by turns.

use abi::{Callback, Hostcall};

use crate::Recorder;
use crate::host::Host;
use crate::hostcalls::Read;
use crate::ship::FORBIDDEN_WAIT;
use crate::skeleton;
use crate::warn::Cause;

/// Period of a timer that is to fire as soon as possible.
const SOON_MILLIS: u32 = 1;

impl Recorder {
    /// A tick comes: is it the plugin's?
    pub(crate) fn plugin_tick_is_due(&mut self, context: u32, absent: bool, now: u64) -> bool {
        self.roots.meet(context, now);
        let Some(root) = self.roots.get(context) else { return !absent };
        if absent || root.ended {
            return false;
        }
        let is_due = root.period != 0 && (now >= root.due || self.clockless);
        if is_due {
            (self.ticking, self.tick_began) = (context, now);
        }
        is_due || self.unsure_timers
    }

    /// In place of the plugin's `proxy_set_tick_period_milliseconds`. Answers its status.
    pub fn set_tick_period(&mut self, millis: u32, host: &mut impl Host) -> u32 {
        let now = self.clock(host);
        let frame = self.top().copied();
        let context = frame.map_or(0, |frame| frame.effective);
        // A root without a place keeps its own timer, and all its ticks.
        let is_roots_own = frame.is_some_and(|frame| {
            let callback = Callback::from_number(frame.kind);
            frame.effective == frame.context && callback.is_some_and(Callback::is_on_root)
        });
        let context = self.root_of(context);
        let wanted = self.our_due(now);
        let Some(root) = self.roots.get(context).filter(|_| !self.unsure_timers) else {
            // Whose timer it is is not known: from here on all timers are the plugin's own, and every tick
            // is. Ours come with them.
            self.unsure_timers |= !is_roots_own;
            return host.set_tick_period(millis);
        };
        let due = now.saturating_add(u64::from(millis) * 1000);
        let period = match self.clockless {
            true => millis,
            false => millis_until(wanted.min(plugin_due(millis, due)), now),
        };
        // The host is asked whenever the plugin asks, as without a recorder; what it answers settles
        // for ours too whether the timer is forbidden.
        let status = host.set_tick_period(period);
        if status == 0 {
            (root.period, root.due, root.armed) = (millis, due, period);
            self.shipping.timer_forbidden_until = 0;
            if self.ticking == context {
                // The host sets the timer anew when the tick returns.
                (root.due, self.tick_began) = (now, now);
            }
        } else {
            self.timer_refused(now, host);
        }
        self.counters.hostcall(Hostcall::SetTickPeriod.number(), status != 0);
        self.write_hostcall(
            Hostcall::SetTickPeriod.number(),
            status,
            &[millis],
            0,
            Read::default(),
            host,
        );
        status
    }

    /// Last in every tick: ships, and sets the timer to the nearer deadline.
    pub fn tick_end(&mut self, context: u32, host: &mut impl Host) {
        let now = self.clock(host);
        self.plan_next(context, now);
        if self.clockless || self.roots.look(context).is_some_and(|root| root.ended) {
            return;
        }
        let began = self.nanos;
        self.name_root(context, host);
        self.look_at_the_fuse(host);
        self.tell_of_forbidden(host);
        self.promote_held(skeleton::HELD, host);
        self.ship_if_due(context, now, host);
        let now = self.clock(host);
        self.tick_time(began);
        self.rearm(context, now, host);
    }

    /// After the plugin's on_tick: alone the host would have called it when it was due, and set the timer
    /// when it returned.
    fn plan_next(&mut self, context: u32, now: u64) {
        let took = now.saturating_sub(self.tick_began);
        if core::mem::take(&mut self.ticking) != context {
            return;
        }
        if let Some(root) = self.roots.get(context) {
            let period = u64::from(root.period) * 1000;
            root.due = root.due.saturating_add(took).saturating_add(period);
            if root.due <= now {
                root.due = now.saturating_add(period);
            }
        }
    }

    /// After an entry: starts a root's timer, and makes a tick come soon when the buffer fills.
    pub(crate) fn arm(&mut self, context: u32, now: u64, host: &mut impl Host) {
        let hurry = self.is_shipment_wanted(now);
        let Some(root) = self.roots.get(context) else { return };
        if root.armed == 0 {
            return self.rearm(context, now, host);
        }
        if hurry
            && !root.ended
            && !self.clockless
            && !self.unsure_timers
            && root.armed != SOON_MILLIS
            // The plugin's own tick comes within the millisecond: set anew it would come late.
            && plugin_due(root.period, root.due) >= now.saturating_add(u64::from(SOON_MILLIS) * 1000)
            && now >= self.shipping.timer_forbidden_until
            && host.set_tick_period(SOON_MILLIS) == 0
        {
            root.armed = SOON_MILLIS;
        }
    }

    fn rearm(&mut self, context: u32, now: u64, host: &mut impl Host) {
        let ours = self.our_due(now);
        let Some(root) = self.roots.get(context) else { return };
        // After set_effective_context it would be another root's timer.
        if root.ended || self.clockless || self.unsure_timers || self.timer_of != context {
            return;
        }
        let due = ours.min(plugin_due(root.period, root.due));
        let millis = if due == u64::MAX { 0 } else { millis_until(due, now) };
        if millis == root.armed || now < self.shipping.timer_forbidden_until {
            return;
        }
        if host.set_tick_period(millis) == 0 {
            root.armed = millis;
        } else {
            self.timer_refused(now, host);
        }
    }

    /// Ours are not tried for a while, else every entry would, and the host log an error for each.
    fn timer_refused(&mut self, now: u64, host: &mut impl Host) {
        self.shipping.timer_forbidden_until = now.saturating_add(FORBIDDEN_WAIT);
        self.warn(Cause::Capability, now, host);
    }

    /// When the recorder wants its next tick.
    fn our_due(&self, now: u64) -> u64 {
        if now < self.shipping.forbidden_until() {
            return self.shipping.forbidden_until();
        }
        if self.is_shipment_wanted(now) {
            return now.saturating_add(1000);
        }
        let period = u64::from(self.settings.flush_millis) * 1000;
        let next = self.shipping.last_round.saturating_add(period);
        if next <= now { now.saturating_add(period) } else { next }
    }
}

fn plugin_due(period: u32, due: u64) -> u64 {
    if period == 0 { u64::MAX } else { due }
}

/// Whole milliseconds, never too few, never 0 (which would stop the timer).
fn millis_until(due: u64, now: u64) -> u32 {
    let micros = due.saturating_sub(now).min(u64::from(u32::MAX / 2) * 1000);
    (micros.div_ceil(1000) as u32).max(1)
}
