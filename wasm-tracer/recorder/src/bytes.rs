//! Bytes without panics: bounded texts, little-endian reads, decimal numbers.

/// Copies as much as fits; answers how much.
#[inline(never)]
pub fn copy(into: &mut [u8], from: &[u8]) -> usize {
    let length = into.len().min(from.len());
    if let (Some(into), Some(from)) = (into.get_mut(..length), from.get(..length)) {
        into.copy_from_slice(from);
    }
    length
}

/// Are they the same? Inline, each text that is compared would become code.
#[inline(never)]
pub fn same(one: &[u8], other: &[u8]) -> bool {
    one == other
}

/// A text of at most `N` bytes; more is cut.
#[derive(Clone, Copy)]
pub struct Text<const N: usize> {
    bytes: [u8; N],
    length: u16,
}

impl<const N: usize> Text<N> {
    /// Nothing.
    pub const EMPTY: Text<N> = Text { bytes: [0; N], length: 0 };

    /// Replaces it.
    pub fn set(&mut self, from: &[u8]) {
        self.length = copy(&mut self.bytes, from) as u16;
    }

    /// Replaces it if all of it fits; answers whether.
    pub fn set_whole(&mut self, from: &[u8]) -> bool {
        let fits = from.len() <= N;
        if fits {
            self.set(from);
        }
        fits
    }

    /// Adds at its end.
    pub fn push(&mut self, from: &[u8]) {
        let at = usize::from(self.length);
        let copied = copy(self.bytes.get_mut(at..).unwrap_or(&mut []), from);
        self.length = self.length.saturating_add(copied as u16);
    }

    /// Adds at its end (at most half of what fits at all), and drops the first half when there is no
    /// room: the end is what matters.
    pub fn push_keeping_end(&mut self, from: &[u8]) {
        if usize::from(self.length) + from.len() > N {
            let kept = usize::from(self.length).saturating_sub(N / 2);
            for at in 0..kept {
                let moved = self.bytes.get(at + N / 2).copied().unwrap_or(0);
                if let Some(to) = self.bytes.get_mut(at) {
                    *to = moved;
                }
            }
            self.length = kept as u16;
        }
        self.push(from);
    }

    /// The bytes.
    pub fn get(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.length)).unwrap_or(&[])
    }

    /// Is there nothing?
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Is there no more room?
    pub fn is_full(&self) -> bool {
        usize::from(self.length) == N
    }
}

/// A little-endian u32.
pub fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|four| u32::from_le_bytes(*four))
}

/// A little-endian number of up to eight bytes.
pub fn number(bytes: &[u8]) -> u64 {
    let mut value = 0;
    for (place, byte) in bytes.iter().take(8).enumerate() {
        value |= u64::from(*byte) << (8 * place);
    }
    value
}

/// A decimal number; None if it is none.
pub fn decimal(text: &[u8]) -> Option<u32> {
    let mut value = 0u32;
    for byte in text {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value.checked_mul(10)?.checked_add(u32::from(digit))?;
    }
    (!text.is_empty()).then_some(value)
}

/// FNV-1a, 64 bits: not for secrets.
pub fn hash(bytes: &[u8], seed: u64) -> u64 {
    let mut value = 0xcbf2_9ce4_8422_2325 ^ seed;
    for byte in bytes {
        value = (value ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    }
    value
}
