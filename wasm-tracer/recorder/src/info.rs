//! What names a stream, and what the host says of its end.

use abi::graft::config::SECRET_HEADERS;
use proto::fields::{batch, header, property, property_name, stream};

use crate::forbidden::Reading;
use crate::host::Host;
use crate::invoke::Frame;
use crate::pairs::Named;
use crate::roots::Root;
use crate::skeleton;
use crate::streams::flag;
use crate::wire::Writer;
use crate::{Recorder, bytes};
use abi::{Callback, map};

/// Streams of a root after which it is settled whether it ever calls in a later phase.
const ENOUGH_STREAMS: u64 = 256;

/// How a property comes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Number,
    Text,
}

/// Properties read in on_log, where they are complete, of an end that went as it should: a property
/// costs more than all else that is done in on_log.
const OF_ANY_END: [Property; 2] = [
    (property_name::RESPONSE_CODE, Form::Number, b"response\0code"),
    (property_name::RESPONSE_FLAGS, Form::Number, b"response\0flags"),
];

/// Who answered: read unless it was a call or a pause in the request headers phase, over when the
/// response came, and a response that nobody complains of.
const WHO_ANSWERED: Property =
    (property_name::RESPONSE_CODE_DETAILS, Form::Text, b"response\0code_details");

/// What is read too where something went wrong, or is suspected. Of the sizes only the totals: the
/// bodies' own are what the plugin's body phases saw.
const OF_AN_ODD_END: [Property; 6] = [
    (property_name::UPSTREAM_ADDRESS, Form::Text, b"upstream\0address"),
    (property_name::REQUEST_DURATION, Form::Number, b"request\0duration"),
    (property_name::REQUEST_TOTAL_SIZE, Form::Number, b"request\0total_size"),
    (property_name::RESPONSE_TOTAL_SIZE, Form::Number, b"response\0total_size"),
    (
        property_name::UPSTREAM_TRANSPORT_FAILURE_REASON,
        Form::Text,
        b"upstream\0transport_failure_reason",
    ),
    (property_name::CONNECTION_TERMINATION_DETAILS, Form::Text, b"connection\0termination_details"),
];

/// Number on the wire, form, path.
type Property = (u32, Form, &'static [u8]);

impl Recorder {
    /// At the exit of the request headers: after it the header map may be empty, so what could be
    /// wanted while the stream hangs is read now.
    pub(crate) fn name_at_headers(
        &mut self,
        frame: &Frame,
        action: u32,
        known_until: u64,
        host: &mut impl Host,
    ) {
        let early = || self.settings.name_early || self.may_call_later(frame.root);
        if action != 0 || frame.dispatched || (frame.keeper.recorded && early()) {
            self.name(frame, false, known_until, host);
        }
    }

    /// Could a stream of this root call in a later phase, as far as is known?
    fn may_call_later(&self, root: u32) -> bool {
        let exports = |phase| self.settings.exports(phase);
        let settled = |root: &Root| root.streams > ENOUGH_STREAMS && !root.dispatched_late;
        self.settings.dispatches
            && (exports(Callback::RequestBody) || exports(Callback::RequestTrailers))
            && !self.roots.look(root).is_some_and(settled)
    }

    /// In on_log, where everything is complete.
    pub(crate) fn name_at_log(&mut self, frame: &Frame, known_until: u64, host: &mut impl Host) {
        self.name(frame, true, known_until, host);
    }

    /// Writes a `Stream`: its names unless they were written before, properties if they are `telling`.
    pub(crate) fn name(
        &mut self,
        frame: &Frame,
        at_log: bool,
        known_until: u64,
        host: &mut impl Host,
    ) {
        // After set_effective_context the host would answer for another stream.
        let keeper = frame.keeper;
        if frame.effective != frame.context || !keeper.keeps() || at_log && !keeper.recorded {
            return;
        }
        let Some(stream) = self.streams.get(frame.context) else { return };
        let wanted = !stream.has(flag::NAMED);
        let telling = at_log && stream.has(flag::TELLING);
        if !(wanted || telling) {
            return;
        }
        let mut writer = Writer::new(&mut self.scratch);
        writer.number(stream::CONTEXT, u64::from(frame.context));
        writer.number(stream::ROOT, u64::from(frame.root));
        let bare = writer.length();
        let mut named = false;
        if wanted {
            let reading = &mut self.readings.header_pairs;
            let pairs = match reading.may_ask(self.now) {
                true => reading.note(self.now, host.header_pairs(map::REQUEST_HEADERS)),
                false => Err(0),
            };
            let too_large = match pairs {
                Ok(pairs) => {
                    let named = Named::read(pairs);
                    named.write(&mut writer);
                    write_listed(pairs, self.settings.headers.get(), &mut writer);
                    false
                }
                Err(crate::INVALID_MEMORY_ACCESS) => true,
                Err(_) => false,
            };
            if too_large {
                self.counters.headers_too_large = self.counters.headers_too_large.saturating_add(1);
                if self.readings.header_value.may_ask(self.now) {
                    write_singly(&mut writer, host);
                }
                writer.number(stream::HEADERS_TOO_LARGE, 1);
            }
            named = writer.length() > bare;
        }
        if telling {
            let mut is_odd = stream.has(flag::SUSPICION);
            let mut who = stream.has(flag::WHO_ANSWERED) || self.calls.any_of(frame.context);
            let mut properties = Properties { reading: &mut self.readings.property, now: self.now };
            for property in OF_ANY_END {
                let number = properties.write(property, &mut writer, host);
                let is_code = property.0 == property_name::RESPONSE_CODE;
                is_odd |= if is_code { !(200..500).contains(&number) } else { number != 0 };
                who |= is_code && number >= 400;
            }
            if who || is_odd {
                properties.write(WHO_ANSWERED, &mut writer, host);
            }
            if is_odd {
                if let Some(protocol) = properties.get(b"request\0protocol", host) {
                    writer.string(stream::PROTOCOL, cut(protocol, 16));
                }
                for property in OF_AN_ODD_END {
                    properties.write(property, &mut writer, host);
                }
            }
        }
        let length = writer.length();
        if length > bare && !writer.is_full() {
            let message = self.scratch.get(..length).unwrap_or(&[]);
            if keeper.recorded {
                self.ring.append_message(batch::STREAMS, message, known_until);
            } else {
                // Without room there its names are read in on_log.
                named &= skeleton::name(keeper.slot, message, host);
            }
            if named && let Some(stream) = self.streams.get(frame.context) {
                stream.flags |= flag::NAMED;
            }
        }
    }

    /// Asks for a root's names, once.
    pub(crate) fn name_root(&mut self, context: u32, host: &mut impl Host) {
        let Some(root) = self.roots.get(context) else { return };
        if root.named {
            return;
        }
        root.named = true;
        let mut properties = Properties { reading: &mut self.readings.property, now: self.now };
        root.plugin.set(properties.get(b"plugin_name", host).unwrap_or(&[]));
        root.root_id.set(properties.get(b"plugin_root_id", host).unwrap_or(&[]));
        root.vm_id.set(properties.get(b"plugin_vm_id", host).unwrap_or(&[]));
        for path in [b"xds\0node\0id".as_slice(), b"node\0id"] {
            if self.node.is_empty() {
                self.node.set(properties.get(path, host).unwrap_or(&[]));
            }
        }
    }
}

fn cut(text: &[u8], most: usize) -> &[u8] {
    text.get(..most).unwrap_or(text)
}

/// Properties as the host lets them be read.
struct Properties<'a> {
    reading: &'a mut Reading,
    now: u64,
}

impl Properties<'_> {
    /// A property, if the host has it.
    fn get<'h>(&mut self, path: &[u8], host: &'h mut impl Host) -> Option<&'h [u8]> {
        if !self.reading.may_ask(self.now) {
            return None;
        }
        self.reading.note(self.now, host.property(path)).ok()
    }

    /// Writes a property if the host has it; answers its number, 0 for a text.
    fn write(
        &mut self,
        (name, form, path): Property,
        writer: &mut Writer<'_>,
        host: &mut impl Host,
    ) -> u64 {
        let Some(value) = self.get(path, host) else { return 0 };
        let number = if form == Form::Number { bytes::number(value) } else { 0 };
        if value.is_empty() {
            return 0;
        }
        let start = writer.begin(stream::PROPERTIES);
        writer.number(property::NAME, u64::from(name));
        match form {
            Form::Number => writer.number_always(property::NUMBER, number),
            Form::Text => writer.bytes(property::TEXT, cut(value, 128)),
        }
        writer.end(start);
        number
    }
}

/// The four that matter most, where the whole map was too large for the arena.
fn write_singly(writer: &mut Writer<'_>, host: &mut impl Host) {
    let fields: [(u32, &[u8]); 4] = [
        (stream::REQUEST_ID, b"x-request-id"),
        (stream::TRACEPARENT, b"traceparent"),
        (stream::PATH, b":path"),
        (stream::METHOD, b":method"),
    ];
    for (field, key) in fields {
        if let Ok(value) = host.header_value(map::REQUEST_HEADERS, key) {
            let value =
                if field == stream::PATH { crate::pairs::without_query(value) } else { value };
            writer.string(field, cut(value, 256));
        }
    }
}

/// Headers that the operator listed; credentials never.
fn write_listed(pairs: &[u8], listed: &[u8], writer: &mut Writer<'_>) {
    const MOST: usize = 8;
    if listed.is_empty() {
        return;
    }
    let wanted = |name: &[u8]| {
        let secret = SECRET_HEADERS.iter().any(|secret| secret.as_bytes() == name);
        !secret && listed.split(|b| *b == b',').any(|l| l.trim_ascii().eq_ignore_ascii_case(name))
    };
    let all = crate::pairs::Pairs::new(pairs);
    for (name, value) in all.filter(|(name, _)| wanted(name)).take(MOST) {
        let start = writer.begin(stream::HEADERS);
        writer.string(header::NAME, cut(name, 64));
        writer.bytes(header::VALUE, cut(value, 128));
        writer.end(start);
    }
}
