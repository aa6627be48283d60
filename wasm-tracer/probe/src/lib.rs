//! The probe: a filter that lets everything go on. Instrumented and placed before and after any filter,
//! native ones too, it shows in whose hands a request is: what the one let go and the other never got
//! is stuck between them.
//!
//! Its name in the collector is the filter's `name` in the proxy's configuration. It needs no
//! configuration of its own and ignores one.

// The entry point that the host looks up by name is generated with `#[no_mangle]`, an unsafe attribute.
#![allow(unsafe_code)]
#![allow(missing_docs)]

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::ContextType;

proxy_wasm::main! {{
    proxy_wasm::set_root_context(|_| Box::new(Probe));
}}

/// Root and stream context: every callback is the crate's own, which answers Continue.
struct Probe;

impl Context for Probe {}

impl HttpContext for Probe {}

impl RootContext for Probe {
    fn create_http_context(&self, _: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Probe))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}
