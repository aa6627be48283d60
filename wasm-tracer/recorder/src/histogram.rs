//! Durations in fixed buckets: bucket i holds those of at most 2^i × 64 µs, the last one all others.

use proto::fields::histogram;

use crate::wire::Writer;

const BUCKETS: usize = 25;

/// One histogram.
#[derive(Clone, Copy)]
pub struct Histogram {
    buckets: [u32; BUCKETS],
    sum_micros: u64,
}

impl Histogram {
    pub const EMPTY: Histogram = Histogram { buckets: [0; BUCKETS], sum_micros: 0 };

    /// Counts one duration.
    pub fn add(&mut self, micros: u64) {
        let units = micros.div_ceil(64).max(1);
        let bucket = (64 - (units - 1).leading_zeros()) as usize;
        if let Some(count) = self.buckets.get_mut(bucket.min(BUCKETS - 1)) {
            *count = count.saturating_add(1);
        }
        self.sum_micros = self.sum_micros.saturating_add(micros);
    }

    /// Writes it as a field; left out if empty.
    pub fn write(&self, field: u32, to: &mut Writer<'_>) {
        if self.buckets.iter().all(|count| *count == 0) {
            return;
        }
        let start = to.begin(field);
        to.numbers(histogram::BUCKETS, self.buckets.iter().map(|count| u64::from(*count)));
        to.number(histogram::SUM_MICROS, self.sum_micros);
        to.end(start);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_falls_into_the_first_bucket_that_holds_it() {
        for (micros, bucket) in [(0, 0), (64, 0), (65, 1), (128, 1), (129, 2), (u64::MAX, 24)] {
            let mut histogram = Histogram::EMPTY;
            histogram.add(micros);
            assert_eq!(histogram.buckets[bucket], 1, "{micros} µs");
        }
    }
}
