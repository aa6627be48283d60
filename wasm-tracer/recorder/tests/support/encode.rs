//! Bytes that an instrumenter and a host write: the baked configuration, header pairs.
#![allow(missing_docs)] // shared with examples/cost.rs

use abi::Callback;
use abi::graft::config;
use recorder::CONFIG_SIZE;

/// The baked configuration of a plugin that imports http_call and exports a request body phase.
pub fn baked(more: &[(u8, &[u8])]) -> [u8; CONFIG_SIZE] {
    let callbacks = [Callback::RequestHeaders, Callback::RequestBody, Callback::ResponseHeaders];
    let mask: u64 = callbacks.iter().map(|c| 1u64 << c.number()).sum();
    let mask = mask.to_le_bytes();
    let mut entries: Vec<(u8, &[u8])> = vec![
        (config::CLUSTER, b"collector"),
        (config::ABI, b"0.2.1"),
        (config::HOST, b"envoy"),
        (config::SDK, b"rust"),
        (config::TRACER_VERSION, b"0.1.0"),
        (config::ORIGINAL_SHA256, &[7; 32]),
        (config::CALLBACKS, &mask),
        (config::HOSTCALLS, &[64, 72, 78]),
    ];
    entries.extend_from_slice(more);
    let mut bytes = vec![0, 0];
    for (tag, value) in entries {
        bytes.push(tag);
        bytes.extend((value.len() as u16).to_le_bytes());
        bytes.extend(value);
    }
    let length = (bytes.len() - 2) as u16;
    bytes[..2].copy_from_slice(&length.to_le_bytes());
    bytes.resize(CONFIG_SIZE, 0);
    bytes.try_into().expect("the size was just made")
}

/// A header map in the ABI's form.
pub fn pairs(all: &[(&str, &str)]) -> Vec<u8> {
    let mut bytes = (all.len() as u32).to_le_bytes().to_vec();
    for (name, value) in all {
        bytes.extend((name.len() as u32).to_le_bytes());
        bytes.extend((value.len() as u32).to_le_bytes());
    }
    for (name, value) in all {
        for text in [name, value] {
            bytes.extend(text.as_bytes());
            bytes.push(0);
        }
    }
    bytes
}
