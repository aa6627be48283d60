//! Header maps in the ABI's form: a count, pairs of sizes, then names and values each ended by a NUL.

use proto::fields::stream;

use crate::bytes::u32_at;
use crate::wire::Writer;

/// Reads a map, as far as it is well formed.
pub struct Pairs<'a> {
    bytes: &'a [u8],
    count: usize,
    next: usize,
    at: usize,
}

impl<'a> Pairs<'a> {
    pub fn new(bytes: &'a [u8]) -> Pairs<'a> {
        let count = u32_at(bytes, 0).unwrap_or(0) as usize;
        let count = count.min(bytes.len() / 8);
        Pairs { bytes, count, next: 0, at: 4 + count * 8 }
    }

    fn take(&mut self, size: u32) -> Option<&'a [u8]> {
        let end = self.at.checked_add(size as usize)?;
        let text = self.bytes.get(self.at..end)?;
        self.at = end.checked_add(1)?;
        Some(text)
    }
}

impl<'a> Iterator for Pairs<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        if self.next >= self.count {
            return None;
        }
        let sizes = 4 + self.next * 8;
        self.next += 1;
        let name = u32_at(self.bytes, sizes)?;
        let value = u32_at(self.bytes, sizes + 4)?;
        Some((self.take(name)?, self.take(value)?))
    }
}

/// Writes a map in the same form; for the recorder's own calls.
pub fn write(pairs: &[(&[u8], &[u8])], writer: &mut Writer<'_>) {
    writer.raw(&(pairs.len() as u32).to_le_bytes());
    for (name, value) in pairs {
        writer.raw(&(name.len() as u32).to_le_bytes());
        writer.raw(&(value.len() as u32).to_le_bytes());
    }
    for (name, value) in pairs {
        for text in [name, value] {
            writer.raw(text);
            writer.byte(0);
        }
    }
}

/// Headers that name a request.
#[derive(Default)]
pub struct Named<'a> {
    request_id: &'a [u8],
    traceparent: &'a [u8],
    method: &'a [u8],
    path: &'a [u8],
    authority: &'a [u8],
    b3: &'a [u8],
    b3_trace: &'a [u8],
    b3_span: &'a [u8],
    b3_sampled: &'a [u8],
}

impl<'a> Named<'a> {
    /// Picks them out of a map.
    pub fn read(pairs: &'a [u8]) -> Named<'a> {
        let mut named = Named::default();
        for (name, value) in Pairs::new(pairs) {
            let place = match name {
                b"x-request-id" => &mut named.request_id,
                b"traceparent" => &mut named.traceparent,
                b":method" => &mut named.method,
                b":path" => &mut named.path,
                b":authority" => &mut named.authority,
                b"b3" => &mut named.b3,
                b"x-b3-traceid" => &mut named.b3_trace,
                b"x-b3-spanid" => &mut named.b3_span,
                b"x-b3-sampled" => &mut named.b3_sampled,
                _ => continue,
            };
            *place = value;
        }
        named
    }

    /// Writes them as fields of a `Stream`.
    pub fn write(&self, writer: &mut Writer<'_>) {
        let short = |text: &'a [u8]| text.get(..128).unwrap_or(text);
        writer.string(stream::REQUEST_ID, short(self.request_id));
        match self.folded() {
            Some(folded) if self.traceparent.is_empty() => {
                writer.string(stream::TRACEPARENT, &folded);
            }
            _ => writer.string(stream::TRACEPARENT, short(self.traceparent)),
        }
        writer.string(stream::METHOD, short(self.method));
        let path = without_query(self.path);
        writer.string(stream::PATH, path.get(..256).unwrap_or(path));
        writer.string(stream::AUTHORITY, short(self.authority));
    }

    /// b3 as a W3C traceparent: `00-TRACE-SPAN-FLAGS`.
    fn folded(&self) -> Option<[u8; 55]> {
        let mut parts = self.b3.split(|byte| *byte == b'-');
        let (trace, span, sampled) = if self.b3_trace.is_empty() {
            (parts.next()?, parts.next()?, parts.next().unwrap_or(b"0"))
        } else {
            (self.b3_trace, self.b3_span, self.b3_sampled)
        };
        if !is_hex(trace) || !is_hex(span) || trace.len() > 32 || span.len() != 16 {
            return None;
        }
        let mut text = *b"00-00000000000000000000000000000000-0000000000000000-00";
        place(&mut text, 3 + (32 - trace.len()), trace);
        place(&mut text, 36, span);
        if matches!(sampled, b"1" | b"d" | b"true") {
            place(&mut text, 53, b"01");
        }
        Some(text)
    }
}

fn place(text: &mut [u8], at: usize, part: &[u8]) {
    crate::bytes::copy(text.get_mut(at..).unwrap_or(&mut []), part);
}

fn is_hex(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(u8::is_ascii_hexdigit)
}

/// A path without its query and fragment.
pub fn without_query(path: &[u8]) -> &[u8] {
    let end = path.iter().position(|byte| matches!(byte, b'?' | b'#')).unwrap_or(path.len());
    path.get(..end).unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, &str)]) -> Vec<u8> {
        let pairs: Vec<_> = pairs.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes())).collect();
        let mut bytes = [0; 1024];
        let mut writer = Writer::new(&mut bytes);
        write(&pairs, &mut writer);
        let length = writer.length();
        bytes[..length].to_vec()
    }

    #[test]
    fn b3_in_one_header_or_in_four_becomes_a_traceparent() {
        let one = map(&[("b3", "80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-1")]);
        let folded = Named::read(&one).folded();
        let wanted = b"00-80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-01";
        assert_eq!(folded.as_ref(), Some(wanted));
        let four = map(&[
            ("x-b3-traceid", "64fe8b2a57d3eff7"),
            ("x-b3-spanid", "e457b5a2e4d86bd1"),
            ("x-b3-sampled", "0"),
        ]);
        let folded = Named::read(&four).folded();
        let wanted = b"00-000000000000000064fe8b2a57d3eff7-e457b5a2e4d86bd1-00";
        assert_eq!(folded.as_ref(), Some(wanted));
    }

    #[test]
    fn a_query_is_cut_off() {
        assert_eq!(without_query(b"/a/b?token=secret"), b"/a/b");
    }

    #[test]
    fn a_broken_map_ends_where_it_breaks() {
        let mut bytes = map(&[("a", "1"), ("b", "2")]);
        bytes.truncate(bytes.len() - 3);
        assert_eq!(Pairs::new(&bytes).count(), 1);
        assert_eq!(Pairs::new(&[255; 9]).count(), 0);
    }
}
