//! Custom sections of the plugin: which stay, which go.

use std::borrow::Cow;

use sha2::{Digest, Sha256};
use wasm_encoder::Encode;
use wasmparser::BinaryReader;

use crate::module::Module;

/// What the sections that are dropped took.
pub(crate) fn dropped_bytes(module: &Module<'_>) -> usize {
    let dropped = module.customs.iter().filter(|section| !is_kept(section.name()));
    dropped.map(|section| (section.range().end - section.range().start) as usize).sum()
}

/// SHA-256 of a module.
pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// A hash as people write it.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Does a section stay? Names are written anew elsewhere. What is dropped describes code by its
/// offsets (debug information, source maps, branch hints), vouches for the old bytes (signatures) or
/// is made of them (precompiled code).
pub(crate) fn is_kept(name: &str) -> bool {
    matches!(name, "name" | "producers" | "target_features" | "build_id" | "go:buildid")
}

/// Names of the sections that are dropped, each once, in order.
pub(crate) fn dropped(module: &Module<'_>) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for section in module.customs.iter().filter(|section| !is_kept(section.name())) {
        if !names.iter().any(|name| name == section.name()) {
            names.push(section.name().to_owned());
        }
    }
    names
}

/// The sections that stay, but for the names.
pub(crate) fn kept<'a>(module: &Module<'a>) -> Vec<(Cow<'a, str>, Cow<'a, [u8]>)> {
    module
        .customs
        .iter()
        .filter(|section| is_kept(section.name()) && section.name() != "name")
        .map(|section| {
            let data = match section.name() {
                "target_features" => with_bulk_memory(section.data()),
                _ => Cow::Borrowed(section.data()),
            };
            (Cow::Borrowed(section.name()), data)
        })
        .collect()
}

/// A `target_features` section that owns up to what the recorder uses; later tools go by it. One that
/// cannot be read stays as it is.
fn with_bulk_memory(data: &[u8]) -> Cow<'_, [u8]> {
    const FEATURE: &str = "bulk-memory";
    const USED: u8 = b'+';
    let mut reader = BinaryReader::new(data, 0);
    let Ok(count) = reader.read_var_u32() else { return Cow::Borrowed(data) };
    let mut features = Vec::new();
    for _ in 0..count {
        let (Ok(prefix), Ok(name)) = (reader.read_u8(), reader.read_string()) else {
            return Cow::Borrowed(data);
        };
        if name != FEATURE {
            features.push((prefix, name));
        } else if prefix == USED {
            return Cow::Borrowed(data);
        }
    }
    features.push((USED, FEATURE));
    let mut bytes = Vec::with_capacity(data.len() + 1 + FEATURE.len() + 1);
    (features.len() as u32).encode(&mut bytes);
    for (prefix, name) in features {
        bytes.push(prefix);
        name.encode(&mut bytes);
    }
    Cow::Owned(bytes)
}
