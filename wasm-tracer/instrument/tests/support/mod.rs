//! What the tests share: the stand-in recorder and checks that hold for every rewritten module.

#![allow(dead_code)] // each test binary uses its part

use instrument::{Instrumented, Options, Refusal};
use wasmparser::{Validator, WasmFeatures};

/// A recorder that does nothing but touch everything that is lowered or adapted.
pub fn stand_in() -> Vec<u8> {
    wat::parse_str(include_str!("../graft.wat")).expect("the stand-in recorder is wasm text")
}

/// Rewrites a plugin with the stand-in recorder and checks what must hold whatever the plugin is:
/// the output validates with the input's own features and bulk memory, is the same every time, and is
/// not rewritten again.
pub fn rewrite(plugin: &[u8], options: &Options) -> Result<Instrumented, Refusal> {
    let graft = stand_in();
    let done = instrument::instrument_with(&graft, plugin, options)?;
    let again = instrument::instrument_with(&graft, plugin, options)?;
    assert_eq!(done.wasm, again.wasm, "the output differs from run to run");
    let features = own_features(plugin).union(WasmFeatures::BULK_MEMORY);
    if let Err(error) = Validator::new_with_features(features).validate_all(&done.wasm) {
        panic!("the output needs more than the input's features and bulk memory: {error}");
    }
    match instrument::instrument_with(&graft, &done.wasm, options) {
        Err(Refusal::AlreadyInstrumented { .. }) => Ok(done),
        other => panic!("an instrumented module was taken again: {other:?}"),
    }
}

/// The least set of features with which a module validates.
pub fn own_features(module: &[u8]) -> WasmFeatures {
    let validates = |features| Validator::new_with_features(features).validate_all(module).is_ok();
    let mut least = WasmFeatures::all();
    assert!(validates(least), "the input is not valid");
    for (_, feature) in WasmFeatures::all().iter_names() {
        let without = least.difference(feature);
        if validates(without) {
            least = without;
        }
    }
    least
}
