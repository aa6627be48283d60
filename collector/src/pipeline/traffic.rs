//! How much comes just now: timelines begun and findings made in the last minute, by plugin.

use std::collections::{BTreeMap, HashMap, VecDeque};

use timeline::finding::Finding;
use timeline::ids::Micros;

/// Seconds that are looked back.
const WINDOW: u64 = 60;

/// Counts of the last minute.
#[derive(Default)]
pub(super) struct Traffic {
    seconds: VecDeque<Second>,
    /// The first second that was counted.
    since: Option<u64>,
}

/// What came in one second.
struct Second {
    at: u64,
    begun: HashMap<String, u64>,
    found: HashMap<(String, String), u64>,
}

/// What came in the last minute.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrafficReport {
    /// How many seconds were counted: fewer than 60 after a start.
    pub seconds: u64,
    /// Streams begun, by plugin.
    pub begun: BTreeMap<String, u64>,
    /// Findings of timelines that were closed, by plugin and code.
    pub found: BTreeMap<(String, String), u64>,
}

impl TrafficReport {
    /// So many of them a second.
    pub fn per_second(&self, count: u64) -> f64 {
        count as f64 / self.seconds.max(1) as f64
    }
}

impl Traffic {
    /// A stream of a plugin began.
    pub fn began(&mut self, now: Micros, plugin: String) {
        *self.second(now).begun.entry(plugin).or_default() += 1;
    }

    /// A timeline of a plugin was closed with these findings.
    pub fn closed(&mut self, now: Micros, plugin: &str, findings: &[Finding]) {
        for finding in findings {
            let key = (plugin.to_owned(), finding.code.clone());
            *self.second(now).found.entry(key).or_default() += 1;
        }
    }

    fn second(&mut self, now: Micros) -> &mut Second {
        let at = now.0 / 1_000_000;
        self.since.get_or_insert(at);
        while self.seconds.front().is_some_and(|first| first.at + WINDOW <= at) {
            self.seconds.pop_front();
        }
        if self.seconds.back().is_none_or(|last| last.at < at) {
            let (begun, found) = Default::default();
            self.seconds.push_back(Second { at, begun, found });
        }
        let last = self.seconds.len() - 1;
        &mut self.seconds[last]
    }

    /// The last minute, this second in it.
    pub fn report(&self, now: Micros) -> TrafficReport {
        let at = now.0 / 1_000_000;
        let counted = self.since.map_or(0, |since| at.saturating_sub(since) + 1);
        let mut report = TrafficReport { seconds: counted.min(WINDOW), ..Default::default() };
        for second in self.seconds.iter().filter(|second| second.at + WINDOW > at) {
            for (plugin, count) in &second.begun {
                *report.begun.entry(plugin.clone()).or_default() += count;
            }
            for (key, count) in &second.found {
                *report.found.entry(key.clone()).or_default() += count;
            }
        }
        report
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use timeline::finding::{Severity, Subject};

    fn at(seconds: u64) -> Micros {
        Micros(seconds * 1_000_000 + 700_000)
    }

    fn late() -> Finding {
        Finding::cause("late-callback", Severity::Lost, Subject::Timeline, String::new())
    }

    #[test]
    fn a_minute_is_counted_and_what_is_older_is_not() {
        let mut traffic = Traffic::default();
        assert_eq!(traffic.report(at(99)), TrafficReport::default());
        for second in [100, 100, 130, 159] {
            traffic.began(at(second), "auth".to_owned());
            if second == 130 {
                traffic.closed(at(second), "auth", &[late()]);
            }
        }
        traffic.began(at(159), "quota".to_owned());
        let counts = |now| {
            let report = traffic.report(at(now));
            let begun = |plugin: &str| report.begun.get(plugin).copied().unwrap_or(0);
            (report.seconds, begun("auth"), begun("quota"), report.found.len())
        };
        assert_eq!(counts(159), (60, 4, 1, 1));
        assert_eq!(counts(130), (31, 4, 1, 1));
        assert_eq!(counts(160), (60, 2, 1, 1));
        assert_eq!(counts(190), (60, 1, 1, 0));
        assert_eq!(counts(219), (60, 0, 0, 0));
        traffic.began(at(400), "auth".to_owned());
        assert_eq!(traffic.seconds.len(), 1, "what is old takes no room");
    }
}
