//! The collector's clock: monotonic, and not counting the time while no collector ran.
//!
//! Silence of an instance is measured on it; a collector that was down must not take its own
//! absence for silence.

use std::time::Instant;

use timeline::ids::Micros;

/// Monotonic, going on where the last process's last batch arrived.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    begun: Instant,
    offset: Micros,
}

impl Clock {
    /// Goes on from a time.
    pub fn going_on_from(last: Micros) -> Clock {
        Clock { begun: Instant::now(), offset: last }
    }

    /// Now.
    pub fn now(&self) -> Micros {
        self.offset.after(Micros(self.begun.elapsed().as_micros() as u64))
    }

    /// When a time of this clock is, for timers.
    pub fn instant(&self, at: Micros) -> Instant {
        self.begun + std::time::Duration::from_micros(at.since(self.offset).0)
    }
}

/// Milliseconds since 1970.
pub fn wall_millis() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}
