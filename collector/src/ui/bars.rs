//! Small bar charts in tables: how a count went over time, how long something took.

use super::escape::Html;
use super::{phrases as said, words};
use crate::metrics::Buckets;

/// A bar for each count, the tallest one full. `class` colours them; `label` says it all to those who do not see.
pub fn bars(html: &mut Html, class: &str, counts: &[u64], label: &str) {
    let most = u128::from(counts.iter().max().copied().unwrap_or(0).max(1));
    let width = (counts.len() * 5).to_string();
    let view = format!("0 0 {width} 24");
    let shape: [(&'static str, &str); 5] = [
        ("viewBox", &view),
        ("width", &width),
        ("height", "24"),
        ("role", "img"),
        ("aria-label", label),
    ];
    html.element("svg", &shape, |html| {
        for (at, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            let height = (24 * u128::from(*count)).div_ceil(most);
            let (x, y) = ((at * 5).to_string(), (24 - height).to_string());
            let height = height.to_string();
            let bar: [(&'static str, &str); 5] =
                [("class", class), ("x", &x), ("y", &y), ("width", "4"), ("height", &height)];
            html.void("rect", &bar);
        }
    });
}

/// How many were in each stretch of time, which is twice as long as the one before it.
pub fn histogram(html: &mut Html, times: &Buckets) {
    let is_some = |count: &u64| *count > 0;
    let first = times.counts.iter().position(is_some).unwrap_or(0);
    let Some(last) = times.counts.iter().rposition(is_some) else { return };
    let named = |at: usize| match times.bound(at) {
        Some(bound) => format!("≤ {}: {}", words::span(bound), times.counts[at]),
        None => {
            let longest = times.bound(at - 1).unwrap_or_default();
            format!("> {}: {}", words::span(longest), times.counts[at])
        }
    };
    let all: Vec<String> = (first..=last).map(named).collect();
    let label = html.filled(&said::TIMES_BY_LENGTH, &[&all.join(", ")]);
    bars(html, "wt-call", &times.counts[first..=last], &label);
}
