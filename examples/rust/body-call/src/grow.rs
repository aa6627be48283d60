//! Mode `grow`, a test of what stands around the plugin: every phase takes memory and keeps it, and
//! bodies are read whole and kept too. What is kept is checked at each stream's end.

use std::cell::RefCell;

/// Bytes that a phase takes: a page of wasm memory, so that the heap grows each time.
const BLOCK: usize = 64 * 1024;
/// One byte in so many is looked at.
const STRIDE: usize = 61;

struct Block {
    bytes: Vec<u8>,
    sum: u64,
}

thread_local! {
    static KEPT: RefCell<Vec<Block>> = const { RefCell::new(Vec::new()) };
}

/// Takes a block, writes all over it and keeps it.
pub fn take() {
    let mut seed = KEPT.with_borrow(|kept| kept.len() as u64 + 1);
    let next = |_| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 56) as u8
    };
    keep((0..BLOCK).map(next).collect());
}

/// Keeps bytes that the host gave.
pub fn keep(bytes: Vec<u8>) {
    let sum = checksum(&bytes);
    KEPT.with_borrow_mut(|kept| kept.push(Block { bytes, sum }));
}

/// Says what is kept, and whether it is what it was.
pub fn check() {
    KEPT.with_borrow(|kept| {
        let sum = kept.iter().fold(0u64, |sum, block| sum.rotate_left(5) ^ block.sum);
        match kept.iter().position(|block| checksum(&block.bytes) != block.sum) {
            Some(index) => log::error!("block {index} has changed"),
            None => log::info!("kept {} blocks, checksum {sum:016x}", kept.len()),
        }
    });
}

fn checksum(bytes: &[u8]) -> u64 {
    bytes.iter().step_by(STRIDE).fold(14_695_981_039_346_656_037, |sum, b| {
        (sum ^ u64::from(*b)).wrapping_mul(1_099_511_628_211)
    })
}
