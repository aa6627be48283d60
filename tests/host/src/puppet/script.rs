//! What a puppet does, written into its memory before it starts.

use std::collections::BTreeMap;

use abi::{Callback, Hostcall};

use super::{layout, operation};
use crate::Vm;

/// Where in its life a puppet acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Site(u32);

impl Site {
    /// In the allocator.
    pub const ALLOCATOR: Site = Site(60);
    /// In `_initialize`.
    pub const START: Site = Site(61);

    pub(crate) fn number(self) -> u32 {
        self.0
    }
}

impl From<Callback> for Site {
    fn from(callback: Callback) -> Site {
        Site(callback.number())
    }
}

/// One argument of a hostcall.
#[derive(Clone, Debug)]
pub enum Value {
    /// A number.
    Number(u64),
    /// The first argument of the callback's last invocation, or another one of it.
    Argument(Callback, u32),
    /// The word that a hostcall wrote into this slot.
    Word(u32),
    /// Address and size of these bytes.
    Bytes(Vec<u8>),
    /// An address to write to: of this slot, or of both its halves.
    Slot(u32),
    /// WASI's vectors: address of the list; their number follows.
    Vectors(Vec<Vec<u8>>),
    /// An address at the very end of the address space: no memory is there with the recorder either.
    Wild,
}

/// One thing to do.
#[derive(Clone, Debug)]
pub enum Step {
    /// A hostcall; its values are those of its row's parameters.
    Call(Hostcall, Vec<Value>),
    /// Grows the memory by pages, finds them zeroed, writes into each word of them.
    Grow(u32),
    /// Reads all of the memory.
    Checksum,
    /// Asks for the memory's size.
    MemorySize,
    /// Fills a part of the heap: offset, byte, length.
    Fill(u32, u8, u32),
    /// Copies within the heap: to, from, length.
    Copy(u32, u32, u32),
    /// Allocates for itself.
    Allocate(u32),
    /// Executes `unreachable`.
    Unreachable,
    /// Loads from outside any memory.
    WildLoad,
    /// Divides by zero.
    DivideByZero,
}

/// What happens in one invocation.
#[derive(Clone, Debug, Default)]
pub struct Block {
    /// What the invocation returns, if it returns anything. From the allocator, not 0: it answers 0.
    pub result: u32,
    /// Before that.
    pub steps: Vec<Step>,
}

/// For each site the blocks of its invocations, in turn.
#[derive(Clone, Debug, Default)]
pub struct Script(pub BTreeMap<Site, Vec<Block>>);

impl Script {
    /// Adds a block to a site.
    pub fn at(mut self, site: impl Into<Site>, result: u32, steps: Vec<Step>) -> Script {
        self.0.entry(site.into()).or_default().push(Block { result, steps });
        self
    }

    /// Writes it into a puppet's memory. Blocks for which there is no room are left out.
    pub fn put(&self, vm: &mut Vm) {
        let mut image = Image::default();
        for (site, blocks) in &self.0 {
            let blocks: Vec<u32> = blocks.iter().filter_map(|block| image.block(block)).collect();
            let list = layout::BLOCKS + image.blocks.len() as u32;
            for address in &blocks {
                image.blocks.extend(address.to_le_bytes());
            }
            let mut entry = list.to_le_bytes().to_vec();
            entry.extend((blocks.len() as u32).to_le_bytes());
            vm.poke(layout::SITES + site.number() * 8, &entry);
        }
        vm.poke(layout::BLOCKS, &image.blocks);
        vm.poke(layout::TEXTS, &image.texts);
    }
}

#[derive(Default)]
struct Image {
    blocks: Vec<u8>,
    texts: Vec<u8>,
    /// Where texts lie that were placed already.
    placed: BTreeMap<Vec<u8>, u32>,
}

impl Image {
    fn block(&mut self, block: &Block) -> Option<u32> {
        let address = layout::BLOCKS + self.blocks.len() as u32;
        // With its place in the site's list.
        let size = 12 + block.steps.len() as u32 * layout::STEP;
        if address + size > layout::TEXTS {
            return None;
        }
        self.blocks.extend(block.result.to_le_bytes());
        self.blocks.extend((block.steps.len() as u32).to_le_bytes());
        for step in &block.steps {
            self.step(step);
        }
        Some(address)
    }

    fn step(&mut self, step: &Step) {
        let heap = |offset: u32| Value::Number(u64::from(layout::HEAP + offset));
        let number = |number: u32| Value::Number(u64::from(number));
        let (op, values) = match step {
            Step::Call(hostcall, values) => (hostcall.number(), values.clone()),
            Step::Grow(pages) => (operation::GROW, vec![number(*pages)]),
            Step::Checksum => (operation::CHECKSUM, vec![]),
            Step::MemorySize => (operation::MEMORY_SIZE, vec![]),
            Step::Fill(at, byte, length) => {
                (operation::FILL, vec![heap(*at), number(u32::from(*byte)), number(*length)])
            }
            Step::Copy(to, from, length) => {
                (operation::COPY, vec![heap(*to), heap(*from), number(*length)])
            }
            Step::Allocate(size) => (operation::ALLOCATE, vec![number(*size)]),
            Step::Unreachable => (operation::UNREACHABLE, vec![]),
            Step::WildLoad => (operation::WILD_LOAD, vec![]),
            Step::DivideByZero => (operation::DIVIDE_BY_ZERO, vec![]),
        };
        let mut loads = 0u32;
        let mut params: Vec<u64> = Vec::new();
        let width = |at: usize| match step {
            Step::Call(hostcall, _) => {
                let kind = hostcall.row().params.get(at).map(|param| param.kind);
                kind.map_or(1, abi::ParamKind::width)
            }
            _ => 1,
        };
        for (at, value) in values.iter().enumerate() {
            match value {
                Value::Number(number) => params.push(*number),
                Value::Argument(callback, nth) => {
                    loads |= 1 << params.len();
                    let word = callback.number() * 32 + nth * 4;
                    params.push(u64::from(layout::ARGUMENTS + word));
                }
                Value::Word(slot) => {
                    loads |= 1 << params.len();
                    params.push(u64::from(layout::OUT + slot * 16));
                }
                Value::Bytes(bytes) => {
                    let (address, size) = self.text(bytes);
                    params.extend([u64::from(address), u64::from(size)]);
                }
                Value::Slot(slot) => {
                    let address = u64::from(layout::OUT + slot * 16);
                    params.push(address);
                    if width(at) == 2 {
                        params.push(address + 8);
                    }
                }
                Value::Vectors(texts) => {
                    let mut list = Vec::new();
                    for text in texts {
                        let (address, size) = self.text(text);
                        list.extend(address.to_le_bytes());
                        list.extend(size.to_le_bytes());
                    }
                    params.push(u64::from(self.text(&list).0));
                }
                Value::Wild => {
                    params.push(0xffff_fff0);
                    if width(at) == 2 {
                        params.push(0xffff_fff0);
                    }
                }
            }
        }
        params.resize(12, 0);
        self.blocks.extend(op.to_le_bytes());
        self.blocks.extend(loads.to_le_bytes());
        for param in params {
            self.blocks.extend(param.to_le_bytes());
        }
    }

    /// Address and size of bytes; those for which there is no room are empty.
    fn text(&mut self, bytes: &[u8]) -> (u32, u32) {
        if let Some(address) = self.placed.get(bytes) {
            return (*address, bytes.len() as u32);
        }
        self.texts.resize(self.texts.len().next_multiple_of(8), 0);
        let address = layout::TEXTS + self.texts.len() as u32;
        if address as usize + bytes.len() > layout::HEAP as usize {
            return (layout::TEXTS, 0);
        }
        self.texts.extend(bytes);
        self.placed.insert(bytes.to_vec(), address);
        (address, bytes.len() as u32)
    }
}
