//! How long an instance may say nothing before that means something: its recorder's setting is not on the
//! wire, but what it does while idle shows it.

use crate::ids::Micros;

/// A recorder with nothing to ship sends a sign of life so often, unless it is set otherwise.
const USUAL: Micros = Micros(10_000_000);
/// So many of them missed in a row are silence.
const MISSED: u64 = 3;

/// What was seen of the signs of life of one instance, by its own clock.
#[derive(Default)]
pub(crate) struct Heartbeat {
    /// When the latest batch was sent.
    last: Option<Micros>,
    /// How long before an empty batch the one before it was sent, if the latest is one.
    interval: Option<Micros>,
    /// The longest that came twice in a row: once may be a batch that was lost.
    longest: Micros,
}

impl Heartbeat {
    /// A batch was sent. Empty: there was nothing to say but that the instance lives.
    pub fn heard(&mut self, sent: Micros, is_empty: bool) {
        let last = self.last.unwrap_or(sent);
        // One that comes late, or again.
        if sent <= last && self.last.is_some() {
            return;
        }
        let interval = is_empty.then(|| sent.since(last));
        if let (Some(before), Some(interval)) = (self.interval, interval) {
            self.longest = self.longest.max(before.min(interval));
        }
        self.last = Some(sent);
        self.interval = interval;
    }

    /// Nothing heard for so long is silence.
    pub fn silent_after(&self) -> Micros {
        Micros(self.longest.max(USUAL).0.saturating_mul(MISSED))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;

    fn after(sent: &[(u64, bool)]) -> u64 {
        let mut heartbeat = Heartbeat::default();
        for (seconds, is_empty) in sent {
            heartbeat.heard(Micros(seconds * SECOND), *is_empty);
        }
        heartbeat.silent_after().0 / SECOND
    }

    #[test]
    fn the_longest_interval_that_comes_twice_in_a_row_is_that_of_the_setting() {
        assert_eq!(after(&[]), 30);
        assert_eq!(after(&[(1, true), (2, true), (3, true)]), 30, "something is held");
        assert_eq!(after(&[(0, false), (60, true), (120, true), (121, false)]), 180);
        let held = [(0, false), (60, true), (120, true), (121, true), (122, true)];
        assert_eq!(after(&held), 180, "it is remembered");
    }

    #[test]
    fn one_long_interval_says_nothing() {
        assert_eq!(after(&[(0, false), (60, true)]), 30, "it may have been cut off");
        assert_eq!(after(&[(0, true), (10, true), (310, true), (320, true)]), 30, "lost batches");
        assert_eq!(after(&[(0, true), (60, false), (120, false)]), 30, "it had something to say");
    }

    #[test]
    fn what_comes_late_or_again_says_nothing() {
        assert_eq!(after(&[(0, false), (10, true), (20, true), (10, true), (20, true)]), 30);
        assert_eq!(after(&[(100, false), (10, true), (70, true)]), 30);
    }
}
