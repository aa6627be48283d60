//! A plugin that does what a script says: at the nth invocation of a callback a list of steps, each a
//! hostcall with any arguments, a growth of memory, a look at all of it, or a trap. So a test can make
//! up plugins as it makes up hosts. Its hostcalls are generated from the rows of `abi`: a new row is
//! one more thing that it can do.

mod module;
mod script;

pub use module::{Allocator, Exports, Shape};
pub use script::{Block, Script, Site, Step, Value};

/// Where things lie in the puppet's memory.
pub(crate) mod layout {
    /// Arguments of the last invocation of each callback: eight words each.
    pub const ARGUMENTS: u32 = 0x100;
    /// How often each site ran.
    pub const COUNTERS: u32 = 0x600;
    /// Place of the next result in the ring of results, and the ring.
    pub const CURSOR: u32 = 0x800;
    pub const RESULTS: u32 = 0x1000;
    pub const RESULTS_MASK: u32 = 0xfff;
    /// Where hostcalls write: slots of 16 bytes.
    pub const OUT: u32 = 0x2000;
    /// Of each site: address and count of its blocks.
    pub const SITES: u32 = 0x4000;
    /// Blocks, and texts behind them.
    pub const BLOCKS: u32 = 0x5000;
    pub const TEXTS: u32 = 0x1_0000;
    /// What the allocator gives; two pages are free of it at the start.
    pub const HEAP: u32 = 0x3_0000;
    /// Pages at the start.
    pub const PAGES: u32 = 4;
    /// Bytes of a step: operation, bits of parameters to load, twelve parameters.
    pub const STEP: u32 = 104;
}

/// Operations that are not hostcalls.
pub(crate) mod operation {
    pub const GROW: u32 = 1;
    pub const UNREACHABLE: u32 = 2;
    pub const WILD_LOAD: u32 = 3;
    pub const DIVIDE_BY_ZERO: u32 = 4;
    pub const MEMORY_SIZE: u32 = 5;
    pub const CHECKSUM: u32 = 6;
    pub const STORE: u32 = 7;
    pub const FILL: u32 = 8;
    pub const COPY: u32 = 9;
    pub const ALLOCATE: u32 = 10;
}
