//! The plugin's memory as the plugin sees it: a fingerprint per page.

use wasmtime::{Global, Memory};

/// Bytes of a page.
pub(crate) const PAGE: usize = 65_536;

/// Fingerprints of the pages of the plugin's memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digest(pub Vec<u64>);

impl Digest {
    /// Of the memory below `limit` bytes.
    pub(crate) fn of(memory: &[u8], limit: usize) -> Digest {
        Digest(memory[..limit.min(memory.len())].chunks(PAGE).map(fingerprint).collect())
    }

    /// The first page in which two memories differ, or a difference of their sizes.
    pub fn difference(&self, other: &Digest) -> Option<String> {
        if let Some(page) = self.0.iter().zip(&other.0).position(|(a, b)| a != b) {
            return Some(format!("page {page} (from address {})", page * PAGE));
        }
        (self.0.len() != other.0.len())
            .then(|| format!("{} pages against {}", self.0.len(), other.0.len()))
    }
}

/// When the plugin's memory is put beside the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Watch {
    /// Never.
    #[default]
    Nothing,
    /// After each callback: for plugins of so much memory that more would take minutes.
    Callbacks,
    /// After each callback and each hostcall of the plugin.
    Hostcalls,
}

/// How often a VM's memory was seen to have grown; growths in a row between two calls count once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Growths {
    /// All.
    pub all: u32,
    /// Of these: in the allocator, while a hostcall ran.
    pub inside_hostcalls: u32,
    pub(crate) pages: u64,
}

impl Growths {
    /// Notes the size that a memory has now.
    pub(crate) fn see(&mut self, pages: u64, inside_hostcall: bool) {
        if pages > self.pages && self.pages > 0 {
            self.all += 1;
            self.inside_hostcalls += u32::from(inside_hostcall);
        }
        self.pages = pages;
    }
}

/// Which part of a VM's memory is the plugin's.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Bounds {
    /// All of it: an original.
    Whole,
    /// All but the recorder's pages at the end: as many as this global of its says.
    AllBut(Global),
}

impl Bounds {
    /// Bytes of the plugin's memory.
    pub fn limit(self, memory: Memory, mut store: impl wasmtime::AsContextMut) -> usize {
        let pages = memory.size(&store);
        let plugin = match self {
            Bounds::Whole => pages,
            Bounds::AllBut(recorder) => {
                let recorder = recorder.get(&mut store).i32().unwrap_or_default();
                pages.saturating_sub(u64::from(recorder as u32))
            }
        };
        plugin as usize * PAGE
    }
}

/// Four lanes of multiply and rotate: fast, and a changed byte changes it.
fn fingerprint(page: &[u8]) -> u64 {
    const PRIME: u64 = 0x9e37_79b1_85eb_ca87;
    let mut lanes = [1u64, 2, 3, 4];
    let mut chunks = page.chunks_exact(32);
    for chunk in &mut chunks {
        for (lane, word) in lanes.iter_mut().zip(chunk.chunks_exact(8)) {
            let word = u64::from_le_bytes(word.try_into().unwrap_or_default());
            *lane = (*lane ^ word).wrapping_mul(PRIME).rotate_left(29);
        }
    }
    let rest =
        chunks.remainder().iter().fold(7u64, |sum, b| (sum ^ u64::from(*b)).wrapping_mul(PRIME));
    lanes.iter().fold(rest, |sum, lane| (sum ^ lane).wrapping_mul(PRIME).rotate_left(31))
}
