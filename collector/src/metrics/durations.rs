//! A histogram of durations that somebody else counted: recorders send theirs in buckets.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::encoding::{EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::{MetricType, TypedMetric};
use timeline::ids::Micros;

/// Bounds of a recorder's buckets (`Histogram` of the wire): 2^i × 64 µs, and one for all others.
const BOUNDS: usize = 24;

/// Durations by bucket, and their sum.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Buckets {
    /// How many were in each; the last one is for those beyond every bound.
    pub counts: [u64; BOUNDS + 1],
    /// Microseconds.
    pub sum_micros: u64,
}

impl Buckets {
    /// What came on top of what was counted before.
    pub fn since(&self, before: &Buckets) -> Buckets {
        let mut more = self.clone();
        for (count, before) in more.counts.iter_mut().zip(before.counts) {
            *count = count.saturating_sub(before);
        }
        more.sum_micros = self.sum_micros.saturating_sub(before.sum_micros);
        more
    }

    /// Takes over what is higher.
    pub fn raise_to(&mut self, other: &Buckets) {
        for (count, other) in self.counts.iter_mut().zip(other.counts) {
            *count = other.max(*count);
        }
        self.sum_micros = self.sum_micros.max(other.sum_micros);
    }

    /// How many.
    pub fn count(&self) -> u64 {
        self.counts.iter().fold(0, |all, count| all.saturating_add(*count))
    }

    /// How long on average; None: there are none.
    pub fn mean(&self) -> Option<Micros> {
        self.sum_micros.checked_div(self.count()).map(Micros)
    }

    /// Within what time so many in a hundred were, a bound of a bucket; None: there are none, or it is
    /// beyond every bound.
    pub fn within(&self, percent: u64) -> Option<Micros> {
        let all = u128::from(self.count());
        let mut so_far: u128 = 0;
        let at = self.counts.iter().position(|count| {
            so_far += u128::from(*count);
            all > 0 && so_far * 100 >= all * u128::from(percent)
        })?;
        self.bound(at)
    }

    /// The bound of a bucket; None: of the one beyond every bound.
    pub fn bound(&self, at: usize) -> Option<Micros> {
        (at < BOUNDS).then(|| Micros(64 << at))
    }

    /// Adds another's.
    pub fn add(&mut self, more: &Buckets) {
        for (count, more) in self.counts.iter_mut().zip(more.counts) {
            *count = count.saturating_add(more);
        }
        self.sum_micros = self.sum_micros.saturating_add(more.sum_micros);
    }
}

/// The metric.
#[derive(Clone, Debug, Default)]
pub struct Durations(Arc<Mutex<Buckets>>);

impl Durations {
    /// Adds what was counted elsewhere.
    pub fn add(&self, more: &Buckets) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).add(more);
    }
}

impl TypedMetric for Durations {
    const TYPE: MetricType = MetricType::Histogram;
}

impl EncodeMetric for Durations {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        let buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let bound = |at: usize| match at {
            BOUNDS => f64::INFINITY,
            at => 64e-6 * 2f64.powi(i32::try_from(at).unwrap_or(i32::MAX)),
        };
        // The encoder adds them up; what recorders claim must not overflow it.
        let most = u64::MAX / (BOUNDS as u64 + 1);
        let counts: Vec<(f64, u64)> = buckets
            .counts
            .iter()
            .enumerate()
            .map(|(at, count)| (bound(at), (*count).min(most)))
            .collect();
        let count = counts.iter().map(|(_, count)| count).sum();
        let seconds = buckets.sum_micros as f64 / 1e6;
        encoder.encode_histogram::<NoLabelSet>(seconds, count, &counts, None)
    }

    fn metric_type(&self) -> MetricType {
        Self::TYPE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_within_the_bound_of_their_bucket() {
        let mut times = Buckets { sum_micros: 1_000, ..Buckets::default() };
        assert_eq!((times.count(), times.mean(), times.within(50)), (0, None, None));
        times.counts[0] = 98;
        times.counts[3] = 1;
        times.counts[BOUNDS] = 1;
        assert_eq!((times.count(), times.mean()), (100, Some(Micros(10))));
        assert_eq!(times.within(50), Some(Micros(64)));
        assert_eq!(times.within(99), Some(Micros(512)));
        assert_eq!(times.within(100), None);
    }
}
