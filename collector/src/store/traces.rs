//! Which timelines of a block are of which trace: a list beside each block, written as it comes and read
//! through when a trace is asked for.
//!
//! An index over trace ids, which are random, made a row a quarter dearer; a list costs nothing to
//! write, and a million timelines are 12 MB to read through.

use timeline::ids::TimelineId;
use timeline::timeline::Timeline;
use timeline::trace::{TraceId, Traceparent};

/// Bytes of a trace id and of a timeline id that an entry holds: what is equal by chance is told apart
/// when the timeline is read.
const OF_TRACE: usize = 4;
const OF_TIMELINE: usize = 8;

/// The end of a trace id is random in all of its forms.
fn end(trace: TraceId) -> [u8; OF_TRACE] {
    let [.., a, b, c, d] = trace.0;
    [a, b, c, d]
}

/// The list of timelines that are of a request's trace; empty if none is.
pub(super) fn list<'a>(timelines: impl Iterator<Item = &'a Timeline>) -> Vec<u8> {
    let mut list = Vec::new();
    for timeline in timelines {
        if let Some(parent) = Traceparent::of(timeline) {
            list.extend_from_slice(&end(parent.trace));
            list.extend_from_slice(&timeline.id.0[..OF_TIMELINE]);
        }
    }
    list
}

/// Timelines of a list that may be of a trace: each is between two ids, these included.
pub(super) fn find(list: &[u8], trace: TraceId) -> impl Iterator<Item = (TimelineId, TimelineId)> {
    let wanted = end(trace);
    list.chunks_exact(OF_TRACE + OF_TIMELINE).filter(move |entry| entry.starts_with(&wanted)).map(
        |entry| {
            let (mut least, mut most) = ([0; 16], [0xff; 16]);
            for (at, byte) in entry[OF_TRACE..].iter().enumerate() {
                (least[at], most[at]) = (*byte, *byte);
            }
            (TimelineId(least), TimelineId(most))
        },
    )
}
