//! The frame around a segment: writes one batch, and the headers of its shipment.

use proto::fields::{batch, clock, counters, module};

use crate::Recorder;
use crate::halve;
use crate::host::Host;
use crate::pairs;
use crate::ring::Segment;
use crate::ship::Frame;
use crate::wire::Writer;

/// Revision of the wire: 1 tells of an open invocation's root and arguments, of annotations, and of the
/// fuse.
const WIRE_MINOR: u64 = 1;

/// Readings of the host for one batch, made before its memory is borrowed.
pub struct Facts {
    wall_nanos: u64,
    base: u32,
    pages: u32,
    plugin_pages: u32,
    hostcalls: u64,
    shipment: u64,
    skeleton_bytes: u32,
}

impl Recorder {
    pub(crate) fn facts(&mut self, shipment: u64, host: &mut impl Host) -> Facts {
        self.clock(host);
        Facts {
            wall_nanos: host.wall_nanos().unwrap_or(0),
            base: host.base(),
            pages: host.pages(),
            plugin_pages: host.plugin_pages(),
            hostcalls: host.hostcalls(),
            shipment,
            skeleton_bytes: size_of_val(host.skeletons(0)) as u32,
        }
    }

    pub(crate) fn write_batch(
        &self,
        to: &mut Writer<'_>,
        segment: Option<&Segment>,
        frame: Frame,
        facts: &Facts,
    ) {
        to.bytes(batch::INSTANCE, &self.instance);
        to.number(batch::WIRE_MINOR, WIRE_MINOR);
        to.bytes(batch::NODE, self.node.get());
        self.write_module(to);
        to.number(batch::BASE, u64::from(facts.base));
        to.number(batch::RECORDER_PAGES, u64::from(facts.pages));
        let start = to.begin(batch::CLOCK);
        to.number(clock::WALL_NANOS, facts.wall_nanos);
        to.number(clock::MONOTONIC_MICROS, self.now);
        to.number(clock::WALL_ONLY, u64::from(self.wall_only));
        to.end(start);
        match segment {
            Some(segment) => self.write_segment(to, segment),
            None => {
                to.number(batch::FIRST_SEQUENCE, self.ring.next_sequence());
                to.number(batch::KNOWN_UNTIL_MICROS, self.known_until());
            }
        }
        self.roots.write(to);
        self.ring.losses.write(to);
        to.number(batch::FINAL, u64::from(frame.last));
        to.number(batch::ALL_HOSTCALLS, u64::from(self.settings.all_hostcalls));
        to.number(batch::OWN_HOSTCALLS, facts.hostcalls);
        to.number(batch::OWN_CALLBACKS, self.counters.own_callbacks);
        to.number(batch::IN_FLIGHT, u64::from(self.shipping.in_flight()));
        to.number(batch::SHIPMENT, facts.shipment);
        if frame.black_box {
            self.write_open(to);
        }
        if frame.counters {
            self.write_counters(to, facts);
        }
    }

    fn write_segment(&self, to: &mut Writer<'_>, segment: &Segment) {
        to.number(batch::FIRST_SEQUENCE, segment.first_sequence);
        to.number(batch::FIRST_ENTRY, segment.first_entry);
        to.number(batch::FIRST_AT_MICROS, segment.first_at);
        to.number(batch::KNOWN_UNTIL_MICROS, segment.known_until);
        let bytes = self.ring.bytes_of(segment);
        if segment.rebased {
            // Always readable: the recorder wrote it.
            let _ = halve::write_rebased(segment, bytes, to);
        } else {
            to.raw(bytes);
        }
    }

    fn write_module(&self, to: &mut Writer<'_>) {
        let settings = &self.settings;
        let start = to.begin(batch::MODULE);
        to.string(module::TRACER_VERSION, settings.tracer_version.get());
        to.string(module::ABI, settings.abi.get());
        to.string(module::SDK, settings.sdk.get());
        to.string(module::HOST, settings.host.get());
        to.bytes(module::ORIGINAL_SHA256, settings.original_sha256.get());
        to.number(module::CALLBACKS, settings.callbacks);
        to.numbers(module::HOSTCALLS, settings.hostcalls.get().iter().map(|n| u64::from(*n)));
        to.end(start);
    }

    /// Cumulative counters; left out whole if they do not fit, the next batch heals it.
    fn write_counters(&self, to: &mut Writer<'_>, facts: &Facts) {
        let before = to.length();
        let start = to.begin(batch::COUNTERS);
        self.counters.write(to);
        to.number(counters::EVENTS, self.ring.events);
        to.number(counters::EVENTS_LOST, self.ring.losses.events);
        to.number(counters::STREAMS_NOT_WATCHED, self.streams.not_watched);
        to.number(counters::SKELETON_BYTES, u64::from(facts.skeleton_bytes));
        to.number(counters::MEMORY_PAGES, u64::from(facts.plugin_pages));
        self.fuse.write(to);
        self.calls.write(to);
        to.end(start);
        if to.is_full() {
            to.back_to(before);
        }
    }

    /// Headers of a shipment, into the scratch memory: their length.
    pub(crate) fn write_headers(&mut self) -> usize {
        let mut bearer = crate::bytes::Text::<264>::EMPTY;
        bearer.set(b"Bearer ");
        bearer.push(self.settings.token.get());
        let all: [(&[u8], &[u8]); 5] = [
            (b":method", b"POST"),
            (b":path", b"/v1/batches"),
            (b":authority", self.settings.authority.get()),
            (b"content-type", b"application/x-protobuf"),
            (b"authorization", bearer.get()),
        ];
        let count = if self.settings.token.is_empty() { 4 } else { 5 };
        let mut writer = Writer::new(&mut self.scratch);
        pairs::write(all.get(..count).unwrap_or(&[]), &mut writer);
        writer.length()
    }
}
