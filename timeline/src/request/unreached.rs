//! Which plugins a request never reached, because one before them answered it or kept it.

use abi::{Callback, Direction, Kind};

use super::{Pass, Request, own_events};
use crate::diagnose::Instant;
use crate::story::Story;
use crate::timeline::{Timeline, Unreached};

/// The end of one stream is told to all plugins of its chain in one turn of the worker. So far apart on two
/// VMs' clocks it may be written down all the same; further apart it is another request of the same id.
const ONE_TURN_NANOS: u64 = 1_000_000_000;

impl Request {
    /// The plugins behind one of the timelines that the request never reached. None, unless that one kept
    /// it: answered it itself or held it to the end, before its headers had gone on.
    pub fn unreached_behind(&self, timeline: &Timeline) -> Vec<Unreached> {
        let Some(end) = kept_until(timeline) else { return Vec::new() };
        let is_behind = |other: &&std::sync::Arc<Timeline>| {
            let is_other = other.id != timeline.id;
            is_other && never_got_it(other).is_some_and(|told| told.abs_diff(end) <= ONE_TURN_NANOS)
        };
        let unreached = self.timelines.iter().filter(is_behind);
        let mut unreached: Vec<Unreached> = unreached
            .map(|t| Unreached { plugin: t.root.plugin.clone(), timeline: t.id })
            .collect();
        unreached.sort_unstable();
        unreached
    }
}

/// May a timeline tell something of others of its request: did it keep the request, or never get it?
pub fn concerns_others(timeline: &Timeline) -> bool {
    kept_until(timeline).is_some() || never_got_it(timeline).is_some()
}

/// When the end of a request was told, in nanoseconds since 1970, if the plugin kept it to that end.
fn kept_until(timeline: &Timeline) -> Option<u64> {
    // Read once for all streams that end: most went through.
    let may_keep = own_events(timeline).any(|e| match e.kind {
        Kind::Callback(Callback::RequestHeaders) => e.result != 0,
        _ => false,
    });
    if !may_keep && !timeline.events.iter().any(|e| e.is_reply()) {
        return None;
    }
    let pass = Pass::of(timeline);
    let request = pass.halves.request;
    let kept = pass.halves.replied.is_some() || request.held_by.is_some();
    if !kept || request.forwarded_by.is_some() || !pass.got(Direction::Request) {
        return None;
    }
    told_at(timeline)
}

/// When the end of a request was told, if the plugin never got the request before: then the host makes its
/// context only to tell it the end (Envoy `Context::log`).
fn never_got_it(timeline: &Timeline) -> Option<u64> {
    let is_phase = |kind| matches!(kind, Kind::Callback(callback) if callback.phase().is_some());
    let first = timeline.events.first()?;
    let is_whole = first.kind == Kind::Callback(Callback::ContextCreate)
        && timeline.module.exports(Callback::RequestHeaders);
    if !is_whole || timeline.events.iter().any(|e| is_phase(e.kind)) {
        return None;
    }
    let story = Story::of(timeline, Instant::at(timeline.known_until));
    let end = story.ended()?;
    timeline.wall_nanos(end.at).filter(|_| story.gap(first.sequence, Some(end.sequence)).is_none())
}

/// When the stream's end was told, in nanoseconds since 1970.
fn told_at(timeline: &Timeline) -> Option<u64> {
    let end = own_events(timeline).find(|e| e.is_end())?;
    timeline.wall_nanos(end.at)
}
