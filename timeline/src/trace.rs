//! The trace that a request is a part of: W3C's traceparent, into which the recorder folds b3.

use std::fmt;
use std::str::FromStr;

use crate::ids::bytes_of_hex;
use crate::timeline::Timeline;

/// A trace: 16 bytes, not all 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TraceId(pub [u8; 16]);

/// A span: 8 bytes, not all 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SpanId(pub [u8; 8]);

/// What a request says of the trace it is a part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traceparent {
    /// The trace.
    pub trace: TraceId,
    /// The span that the request is in.
    pub span: SpanId,
    /// Who began it keeps it.
    pub is_sampled: bool,
}

impl TraceId {
    /// The trace of a timeline: its request's, else one of its own with the timeline's id.
    pub fn of(timeline: &Timeline) -> TraceId {
        Traceparent::of(timeline).map_or(TraceId(timeline.id.0), |parent| parent.trace)
    }
}

impl Traceparent {
    /// Of the request of a timeline.
    pub fn of(timeline: &Timeline) -> Option<Traceparent> {
        Traceparent::read(&timeline.stream.traceparent)
    }

    /// Reads W3C's form, of this version or a later one.
    pub fn read(text: &str) -> Option<Traceparent> {
        let mut parts = text.trim().split('-');
        let version: [u8; 1] = bytes_of_hex(parts.next()?)?;
        let trace: [u8; 16] = bytes_of_hex(parts.next()?)?;
        let span: [u8; 8] = bytes_of_hex(parts.next()?)?;
        let flags: [u8; 1] = bytes_of_hex(parts.next()?)?;
        let is_valid = version != [0xff]
            && trace != [0; 16]
            && span != [0; 8]
            && (version != [0] || parts.next().is_none());
        is_valid.then_some(Traceparent {
            trace: TraceId(trace),
            span: SpanId(span),
            is_sampled: flags[0] & 1 == 1,
        })
    }
}

impl fmt::Display for TraceId {
    /// As Jaeger writes it: a trace id of 64 bits, which b3 allows, has 16 digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_short = self.0[..8] == [0; 8];
        self.0[if is_short { 8 } else { 0 }..].iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for TraceId {
    type Err = ();

    /// Reads up to 32 hex digits; zeros before them may be left out.
    fn from_str(text: &str) -> Result<TraceId, ()> {
        if text.is_empty() || text.len() > 32 || !text.is_ascii() {
            return Err(());
        }
        bytes_of_hex(&format!("{text:0>32}")).filter(|id| *id != [0; 16]).map(TraceId).ok_or(())
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_traceparent_is_read_or_it_is_none() {
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        let read = Traceparent::read(&format!("00-{trace}-00f067aa0ba902b7-01")).expect("one");
        assert_eq!(read.trace.to_string(), trace);
        assert_eq!(read.span.to_string(), "00f067aa0ba902b7");
        assert!(read.is_sampled);
        let later = Traceparent::read(&format!("cc-{trace}-00f067aa0ba902b7-00-more"));
        assert!(later.is_some_and(|later| !later.is_sampled));
        for wrong in [
            "",
            "00",
            &format!("ff-{trace}-00f067aa0ba902b7-01"),
            &format!("00-{trace}-00f067aa0ba902b7-01-more"),
            &format!("00-{trace}-0000000000000000-01"),
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            &format!("00-{trace}-00f067aa0ba902b-01"),
            &format!("00-+{}-00f067aa0ba902b7-01", &trace[1..]),
            "00-ää-00f067aa0ba902b7-01",
        ] {
            assert_eq!(Traceparent::read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_trace_id_reads_as_it_is_written() {
        for text in ["4bf92f3577b34da6a3ce929d0e0e4736", "a3ce929d0e0e4736"] {
            assert_eq!(text.parse::<TraceId>().expect("an id").to_string(), text);
        }
        assert_eq!("1".parse::<TraceId>().expect("an id").to_string(), "0000000000000001");
        for wrong in ["", "0", "x", "4bf92f3577b34da6a3ce929d0e0e47360", "+1"] {
            assert_eq!(wrong.parse::<TraceId>(), Err(()), "{wrong}");
        }
    }
}
