//! Two parts of one timeline made one: what is stored, and what a replay or a late event gives.

use std::collections::BTreeMap;

use timeline::Instant;
use timeline::timeline::Timeline;

/// The whole; None if the stored one is it.
pub(super) fn merge(stored: Timeline, new: &Timeline) -> Option<Timeline> {
    let mut events: BTreeMap<_, _> = stored.events.iter().map(|e| (e.order(), e)).collect();
    let had = events.len();
    events.extend(new.events.iter().map(|e| (e.order(), e)));
    let whole = events.len();
    if whole == new.events.len() {
        let revision = new.revision.max(stored.revision.saturating_add(u32::from(whole > had)));
        return Some(Timeline { revision, ..new.clone() });
    }
    if whole == had {
        return None;
    }
    let events = events.into_values().cloned().collect();
    let mut merged = Timeline { events, ..new.clone() };
    merged.revision = new.revision.max(stored.revision.saturating_add(1));
    merged.known_until = new.known_until.max(stored.known_until);
    if merged.stream.request_id.is_empty() {
        merged.stream = stored.stream;
    }
    if merged.root.plugin.is_empty() {
        merged.root = stored.root;
    }
    for gap in stored.gaps {
        if !merged.gaps.contains(&gap) {
            merged.gaps.push(gap);
        }
    }
    merged.assess(Instant::at(merged.known_until));
    Some(merged)
}
