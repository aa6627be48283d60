//! A set of sequence numbers, kept as ranges: dense numbers make it one range.

/// Most ranges kept; beyond it the lowest holes are taken as seen.
const MOST: usize = 4096;

/// A set of numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ranges(Vec<(u64, u64)>);

impl Ranges {
    /// Are all numbers from `first` to `last`, inclusive, in it?
    pub fn covers(&self, first: u64, last: u64) -> bool {
        let at = self.0.partition_point(|(_, to)| *to < first);
        self.0.get(at).is_some_and(|(from, to)| *from <= first && last <= *to)
    }

    /// Adds the numbers from `first` to `last`, inclusive.
    pub fn add(&mut self, first: u64, last: u64) {
        let begin = self.0.partition_point(|(_, to)| to.saturating_add(1) < first);
        let end = self.0.partition_point(|(from, _)| *from <= last.saturating_add(1));
        let from = self.0.get(begin).map_or(first, |r| r.0.min(first));
        let to = if end > begin { self.0[end - 1].1.max(last) } else { last };
        let from = if end > begin { from } else { first };
        self.0.splice(begin..end, [(from, to)]);
        if self.0.len() > MOST {
            let next = self.0.remove(1);
            self.0[0].1 = next.1;
        }
    }

    /// The number after the first range, if that begins at 0 or 1: all below were seen.
    pub fn complete_until(&self) -> Option<u64> {
        self.0.first().filter(|(from, _)| *from <= 1).map(|(_, to)| to.saturating_add(1))
    }

    /// The highest number.
    pub fn highest(&self) -> Option<u64> {
        self.0.last().map(|(_, to)| *to)
    }

    /// As bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.iter().flat_map(|(a, b)| [a.to_le_bytes(), b.to_le_bytes()].concat()).collect()
    }

    /// From bytes; what is no whole range is dropped.
    pub fn from_bytes(bytes: &[u8]) -> Ranges {
        let mut ranges = Ranges::default();
        for pair in bytes.chunks_exact(16) {
            let number = |half: &[u8]| half.iter().rev().fold(0, |n, b| n << 8 | u64::from(*b));
            ranges.add(number(&pair[..8]), number(&pair[8..]));
        }
        ranges
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_set_of_ranges_is_a_set_of_numbers(adds in prop::collection::vec((0u64..60, 0u64..8), 0..30)) {
            let (mut ranges, mut numbers) = (Ranges::default(), BTreeSet::new());
            for (first, more) in adds {
                ranges.add(first, first + more);
                numbers.extend(first..=first + more);
            }
            for first in 0..70u64 {
                for last in first..first + 4 {
                    let all = (first..=last).all(|n| numbers.contains(&n));
                    prop_assert_eq!(ranges.covers(first, last), all);
                }
            }
            prop_assert_eq!(ranges.highest(), numbers.last().copied());
            prop_assert_eq!(Ranges::from_bytes(&ranges.to_bytes()), ranges);
        }
    }
}
