//! Validation of what was read and of what was written.

use wasmparser::{Validator, WasmFeatures};

use crate::Refusal;

/// What the recorder's own module may use: it must run wherever a plugin runs.
const GRAFT: WasmFeatures =
    WasmFeatures::WASM1.union(WasmFeatures::BULK_MEMORY).union(WasmFeatures::SIGN_EXTENSION);

/// Every feature that some host of proxy-wasm understands.
fn features() -> WasmFeatures {
    WasmFeatures::default().union(WasmFeatures::LEGACY_EXCEPTIONS)
}

/// Validates the rewritten module. If it fails, the original is asked, to tell a damaged input from a
/// bug of ours; so a good module is validated once only.
pub(crate) fn output(rewritten: &[u8], original: &[u8]) -> Result<(), Refusal> {
    let Err(error) = Validator::new_with_features(features()).validate_all(rewritten) else {
        return Ok(());
    };
    match Validator::new_with_features(features()).validate_all(original) {
        Err(error) => Err(Refusal::invalid(error)),
        Ok(_) => Err(Refusal::OutputInvalid { detail: error.to_string() }),
    }
}

/// Validates the recorder's module.
pub(crate) fn graft(bytes: &[u8]) -> Result<(), Refusal> {
    match Validator::new_with_features(GRAFT).validate_all(bytes) {
        Ok(_) => Ok(()),
        Err(error) => Err(Refusal::graft(error)),
    }
}
