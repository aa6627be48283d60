//! Two parts of one timeline made one: what is stored, and what a replay or a late event gives.

use std::collections::BTreeMap;

use timeline::Instant;
use timeline::event::{Event, Marks};
use timeline::timeline::{Timeline, Unreached};

/// The whole; None if the stored one is it.
pub(super) fn merge(stored: Timeline, new: &Timeline) -> Option<Timeline> {
    let (had, is_withdrawn) = (stored.events.len(), is_withdrawn(&stored, new));
    let stands = stored.events.iter().filter(|e| !is_withdrawn || !e.marks.has(Marks::UNFINISHED));
    let mut events: BTreeMap<_, _> = stands.map(|e| (e.order(), e)).collect();
    let is_less = events.len() < had;
    events.extend(new.events.iter().map(|e| (e.order(), e)));
    let whole = events.len();
    let memory = timeline::memory::merged(&stored.memory, &new.memory);
    // What was told of others of its request stays: they may be stored and not come again.
    let unreached = united(new.unreached.clone(), &stored.unreached);
    if whole == new.events.len() {
        let revision =
            new.revision.max(stored.revision.saturating_add(u32::from(whole > had || is_less)));
        let mut merged = Timeline { revision, memory, unreached, ..new.clone() };
        if merged.memory != new.memory || merged.unreached != new.unreached {
            merged.assess(Instant::at(merged.known_until));
        }
        return Some(merged);
    }
    if whole == had && !is_less && memory == stored.memory {
        return None;
    }
    let events = events.into_values().cloned().collect();
    let mut merged = Timeline { events, memory, unreached, ..new.clone() };
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

/// Was the end of a VM that trapped stored, and does it live after all? Then what had not returned is not
/// among the new events, or others follow it.
fn is_withdrawn(stored: &Timeline, new: &Timeline) -> bool {
    let is_unfinished = |e: &&Event| e.marks.has(Marks::UNFINISHED);
    let Some(trap) = stored.events.iter().filter(is_unfinished).map(|e| e.sequence).min() else {
        return false;
    };
    let follows = |e: &Event| e.sequence >= trap && !e.marks.has(Marks::UNFINISHED);
    !new.events.iter().any(|e| is_unfinished(&e))
        && (new.revision > stored.revision || new.events.iter().any(follows))
}

/// Each of two lists once, in order.
pub(crate) fn united(mut some: Vec<Unreached>, more: &[Unreached]) -> Vec<Unreached> {
    some.extend_from_slice(more);
    some.sort_unstable();
    some.dedup();
    some
}
