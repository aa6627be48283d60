//! Writes protobuf by hand, from the generated field numbers (prost is too heavy for a plugin).
//!
//! What does not fit sets a flag; nothing panics. Zeros and empty texts are left out, as proto3 does.

/// Writes messages into borrowed memory.
pub struct Writer<'a> {
    bytes: &'a mut [u8],
    at: usize,
    full: bool,
}

const VARINT: u32 = 0;
const FIXED64: u32 = 1;
const LENGTH: u32 = 2;

impl<'a> Writer<'a> {
    /// Begins at the front of `bytes`.
    pub fn new(bytes: &'a mut [u8]) -> Writer<'a> {
        Writer { bytes, at: 0, full: false }
    }

    /// Bytes written.
    pub fn length(&self) -> usize {
        self.at
    }

    /// Did something not fit?
    pub fn is_full(&self) -> bool {
        self.full
    }

    /// Forgets what was written after `length`, also that it did not fit.
    pub fn back_to(&mut self, length: usize) {
        self.at = length.min(self.at);
        self.full = false;
    }

    /// One byte.
    pub fn byte(&mut self, byte: u8) {
        match self.bytes.get_mut(self.at) {
            Some(to) => {
                *to = byte;
                self.at += 1;
            }
            None => self.full = true,
        }
    }

    /// Bytes as they are.
    pub fn raw(&mut self, bytes: &[u8]) {
        let copied = crate::bytes::copy(self.bytes.get_mut(self.at..).unwrap_or(&mut []), bytes);
        self.at += copied;
        self.full |= copied < bytes.len();
    }

    /// A varint without a field number.
    pub fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.byte(value as u8 | 0x80);
            value >>= 7;
        }
        self.byte(value as u8);
    }

    fn tag(&mut self, field: u32, form: u32) {
        // Nearly all take one byte.
        match field < 16 {
            true => self.byte((field << 3 | form) as u8),
            false => self.varint(u64::from(field << 3 | form)),
        }
    }

    /// A number; left out if 0.
    #[inline(never)] // there are some eighty calls, and the recorder is to stay small
    pub fn number(&mut self, field: u32, value: u64) {
        if value != 0 {
            self.number_always(field, value);
        }
    }

    /// The same where it is done for each event: nearly all are one byte of tag and one of number.
    #[inline(always)]
    pub fn number_quickly(&mut self, field: u32, value: u64) {
        if field < 16
            && (1..0x80).contains(&value)
            && let Some([tag, number, ..]) = self.bytes.get_mut(self.at..)
        {
            (*tag, *number) = ((field << 3 | VARINT) as u8, value as u8);
            self.at += 2;
            return;
        }
        self.number(field, value);
    }

    /// A number that is written even if it is 0 (a member of a oneof).
    pub fn number_always(&mut self, field: u32, value: u64) {
        self.tag(field, VARINT);
        self.varint(value);
    }

    /// A signed number (`sint64`); left out if 0.
    pub fn signed(&mut self, field: u32, value: i64) {
        self.number_quickly(field, zigzag(value));
    }

    /// A `fixed64`; left out if 0.
    pub fn fixed(&mut self, field: u32, value: u64) {
        if value != 0 {
            self.tag(field, FIXED64);
            self.raw(&value.to_le_bytes());
        }
    }

    /// Bytes; left out if empty.
    #[inline(never)]
    pub fn bytes(&mut self, field: u32, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.tag(field, LENGTH);
            self.varint(bytes.len() as u64);
            self.raw(bytes);
        }
    }

    /// A string, in which bytes that are not UTF-8 become `?`; left out if empty.
    pub fn string(&mut self, field: u32, bytes: &[u8]) {
        if bytes.is_ascii() || core::str::from_utf8(bytes).is_ok() {
            return self.bytes(field, bytes);
        }
        self.tag(field, LENGTH);
        self.varint(bytes.len() as u64);
        for byte in bytes {
            self.byte(if byte.is_ascii() { *byte } else { b'?' });
        }
    }

    /// Packed numbers without the zeros at their end; left out if none remain. At most 25 small ones:
    /// their length takes one byte.
    pub fn words(&mut self, field: u32, values: &[u32]) {
        let Some(last) = values.iter().rposition(|value| *value != 0) else { return };
        let start = self.begin(field);
        for value in values.iter().take(last + 1) {
            self.varint(u64::from(*value));
        }
        self.end(start);
    }

    /// The same for any numbers.
    pub fn numbers(&mut self, field: u32, values: impl Iterator<Item = u64> + Clone) {
        let mut kept = 0;
        for (at, value) in values.clone().enumerate() {
            if value != 0 {
                kept = at + 1;
            }
        }
        if kept == 0 {
            return;
        }
        let length: usize = values.clone().take(kept).map(varint_length).sum();
        self.tag(field, LENGTH);
        self.varint(length as u64);
        for value in values.take(kept) {
            self.varint(value);
        }
    }

    /// Begins a message inside; give the answer to [`Writer::end`].
    pub fn begin(&mut self, field: u32) -> usize {
        self.tag(field, LENGTH);
        self.byte(0);
        self.at
    }

    /// Ends a message inside: its length is known now. One byte was kept for it; a longer message moves.
    pub fn end(&mut self, start: usize) {
        let length = self.at.saturating_sub(start);
        if length < 0x80 {
            if let Some(place) = self.bytes.get_mut(start.saturating_sub(1)) {
                *place = length as u8;
            }
            return;
        }
        let extra = varint_length(length as u64) - 1;
        for _ in 0..extra {
            self.byte(0);
        }
        if extra > 0 {
            for at in (start..start + length).rev() {
                let moved = self.bytes.get(at).copied().unwrap_or(0);
                if let Some(to) = self.bytes.get_mut(at + extra) {
                    *to = moved;
                }
            }
        }
        let end = self.at;
        self.at = start.saturating_sub(1);
        let was_full = self.full;
        self.varint(length as u64);
        self.at = end;
        self.full = was_full;
    }
}

/// Bytes of a varint.
pub fn varint_length(value: u64) -> usize {
    let bits = 64 - (value | 1).leading_zeros();
    bits.div_ceil(7) as usize
}

/// Signed numbers so that small ones stay short.
pub fn zigzag(value: i64) -> u64 {
    (value.wrapping_shl(1) ^ (value >> 63)) as u64
}

/// The number that [`zigzag`] made.
pub fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

/// Reads a varint: its value and the position after it.
pub fn read_varint(bytes: &[u8], mut at: usize) -> Option<(u64, usize)> {
    let mut value = 0;
    let mut shift = 0u32;
    loop {
        let byte = *bytes.get(at)?;
        at += 1;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some((value, at));
        }
        shift += 7;
        if shift > 63 {
            return None;
        }
    }
}

/// One field: number, its varint value or length, and the position after it (after the bytes, if it
/// has a length). A form that the recorder does not write is None.
pub fn read_field(bytes: &[u8], at: usize) -> Option<(u32, u64, usize)> {
    let (tag, at) = read_varint(bytes, at)?;
    let (value, at) = read_varint(bytes, at)?;
    let field = (tag >> 3) as u32;
    match tag as u32 & 7 {
        VARINT => Some((field, value, at)),
        LENGTH => Some((field, value, at.checked_add(value as usize)?)),
        _ => None,
    }
}
