//! Ids of spans: the same for the same timeline, in every answer and after a replay.

use timeline::ids::Sequence;
use timeline::timeline::Timeline;
use timeline::trace::SpanId;

/// The span of a timeline's stream.
pub fn of_stream(timeline: &Timeline) -> SpanId {
    of_event(timeline, Sequence(u64::MAX))
}

/// The span of an event.
pub fn of_event(timeline: &Timeline, event: Sequence) -> SpanId {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x100_0000_01b3;
    let bytes = timeline.id.0.into_iter().chain(event.0.to_le_bytes());
    let hash = bytes.fold(OFFSET, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME));
    SpanId(hash.max(1).to_be_bytes())
}
