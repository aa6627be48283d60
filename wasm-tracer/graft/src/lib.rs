//! The recorder as a bare wasm module: what the instrumenter merges into a plugin.
//!
//! Exports the functions of `abi::graft::exports` over one recorder in static memory. `unsafe` lives
//! only in this crate. For native targets the crate is empty.
#![cfg_attr(target_arch = "wasm32", no_std)]
#![allow(unsafe_code)] // the seam to wasm: imports, exports and static memory; reasons stand beside

#[cfg(target_arch = "wasm32")]
mod arena;
#[cfg(target_arch = "wasm32")]
mod exports;
#[cfg(target_arch = "wasm32")]
mod imports;
#[cfg(target_arch = "wasm32")]
mod wasm_host;

/// The build fails if this import survives linking: nothing in the recorder may panic.
#[cfg(target_arch = "wasm32")]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    // SAFETY: takes and returns nothing.
    unsafe { imports::panic() };
    loop {}
}
