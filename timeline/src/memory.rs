//! The memory of a VM as it goes: a few samples of it, and whether it grows with every stream.

use crate::delivery::MemorySample;

/// Samples kept of a root's life, however long it is.
const MOST: usize = 64;
/// With fewer streams, or fewer samples, nothing is said: a heap grows to its working set.
const STREAMS: u64 = 300;
const SAMPLES: usize = WINDOWS + 1;
/// Windows of equally many streams; the first one is for the heap to find its size.
const WINDOWS: usize = 5;
/// Growth over all windows but the first, at least: 4 MiB, as much as a Go heap grows at once.
const PAGES: u32 = 64;

/// Adds a sample. Those between are given up in such a way that as many streams lie between any two.
pub fn add(series: &mut Vec<MemorySample>, sample: MemorySample) {
    let (Some(first), Some(last)) = (series.first().copied(), series.last_mut()) else {
        return series.push(sample);
    };
    if sample.streams < last.streams || sample.at < last.at {
        return;
    }
    if sample.streams == last.streams {
        if sample.pages > last.pages {
            *last = sample;
        }
        return;
    }
    let apart = (last.streams - first.streams) / MOST as u64;
    let before = series.len().checked_sub(2).and_then(|at| series.get(at)).map(|s| s.streams);
    if before.is_some_and(|before| sample.streams - before <= apart) {
        series.pop();
    }
    series.push(sample);
    if series.len() > MOST {
        let end = series.len() - 1;
        let mut at = 0..;
        series.retain(|_| at.next().is_some_and(|at| at % 2 == 0 || at == end));
    }
}

/// Two parts of one series as one.
pub fn merged(one: &[MemorySample], other: &[MemorySample]) -> Vec<MemorySample> {
    if one.is_empty() || other.is_empty() {
        return [one, other].concat();
    }
    let mut all = [one, other].concat();
    all.sort_by_key(|sample| sample.at);
    let mut series = Vec::new();
    for sample in all {
        add(&mut series, sample);
    }
    series
}

/// The ends of the windows, if the memory grew in each but the first, and as fast in the end as before: what
/// fills a cache or grows to a working set slows down and stops.
pub fn growth(series: &[MemorySample]) -> Option<[MemorySample; WINDOWS]> {
    let (first, last) = (series.first()?, series.last()?);
    // Read from a file it may be anything.
    let goes_up = |a: &MemorySample, b: &MemorySample| a.streams <= b.streams && a.pages <= b.pages;
    if !series.is_sorted_by(goes_up) || last.streams > u64::MAX / WINDOWS as u64 {
        return None;
    }
    let streams = last.streams - first.streams;
    if streams < STREAMS || series.len() < SAMPLES {
        return None;
    }
    let mut ends = [*last; WINDOWS];
    for (at, end) in ends.iter_mut().enumerate() {
        let bound = first.streams + streams * (at as u64 + 1) / WINDOWS as u64;
        *end = *series.iter().find(|sample| sample.streams >= bound)?;
    }
    let grows = |pair: &[MemorySample]| matches!(pair, [a, b] if a.pages < b.pages);
    let [begin, _, middle, _, end] = ends;
    let early = u128::from(middle.pages - begin.pages) * u128::from(end.streams - middle.streams);
    let late = u128::from(end.pages - middle.pages) * u128::from(middle.streams - begin.streams);
    let goes_on = late * 6 >= early * 5;
    let much = end.pages - begin.pages >= PAGES;
    (ends.windows(2).all(grows) && goes_on && much).then_some(ends)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Micros;

    /// A sample a second, with so many streams in each; how many pages after so many streams.
    fn series(seconds: u64, rate: u64, pages: impl Fn(u64) -> u64) -> Vec<MemorySample> {
        let mut series = Vec::new();
        for second in 0..=seconds {
            let streams = second * rate;
            let at = Micros(second * 1_000_000);
            add(&mut series, MemorySample { at, pages: pages(streams) as u32, streams });
        }
        series
    }

    fn is_found(seconds: u64, rate: u64, pages: impl Fn(u64) -> u64) -> bool {
        growth(&series(seconds, rate, pages)).is_some()
    }

    #[test]
    fn what_is_kept_of_each_request_is_growth_however_long_it_goes_on() {
        for seconds in [12, 30, 100, 3_600, 20_000] {
            assert!(is_found(seconds, 50, |streams| 20 + streams), "{seconds} s, a page each");
        }
        assert!(is_found(100, 50, |streams| 60 + streams / 64 * 4), "four pages at a time");
        assert!(is_found(600, 50, |streams| 120 + streams / 4_000 * 64), "a Go heap, slowly");
        assert!(is_found(2_000, 50, |streams| 90 + streams.saturating_sub(9_000) / 50), "later");
    }

    #[test]
    fn what_levels_out_is_none() {
        for seconds in 1..300 {
            let silent = |pages: &dyn Fn(u64) -> u64| !is_found(seconds, 50, pages);
            assert!(silent(&|_| 400), "constant");
            assert!(silent(&|streams| 120 + streams.min(200) * 2), "a cache of 200 entries");
            let slower = |streams: u64| 20 + 400 * streams / (streams + 300);
            assert!(silent(&slower), "slower and slower: {seconds} s");
            let square = |streams: u64| 20 + (streams * 900).isqrt();
            assert!(silent(&square), "with the root of the streams: {seconds} s");
            let in_steps = |streams: u64| 128 + 64 * u64::from((streams + 1).ilog2());
            assert!(silent(&in_steps), "doubled again and again: {seconds} s");
        }
        assert!(!is_found(200, 50, |streams| 90 + streams.min(8_000) / 4), "a cache of 8000");
    }

    #[test]
    fn little_is_said_of_little() {
        assert!(!is_found(5, 50, |streams| 20 + streams), "250 streams");
        assert!(!is_found(4, 400, |streams| 20 + streams), "five samples");
        assert!(!is_found(100, 50, |streams| 20 + streams / 100), "50 pages");
        assert!(!is_found(1_000, 0, |_| 20), "no streams");
        assert!(growth(&[]).is_none());
    }

    #[test]
    fn of_a_long_life_a_few_samples_are_kept_the_first_and_the_latest_among_them() {
        let series = series(100_000, 7, |streams| 20 + streams / 500);
        assert!((MOST / 4..=MOST).contains(&series.len()), "{}", series.len());
        let ends = series.first().zip(series.last()).map(|(a, b)| (a.streams, b.streams));
        assert_eq!(ends, Some((0, 700_000)));
        let apart = series.windows(2).map(|pair| pair[1].streams - pair[0].streams);
        assert!(apart.max() <= Some(700_000 / 8));
    }

    #[test]
    fn two_parts_of_a_series_are_one_whatever_came_first() {
        let whole = series(40, 50, |streams| 20 + streams);
        let (early, late) = whole.split_at(20);
        assert_eq!(merged(early, late), whole);
        assert_eq!(merged(&whole, late), whole);
        assert_eq!(merged(&[], late), late);
    }
}
