//! Any module that wasmparser accepts is refused or becomes a module that it accepts, too: modules made
//! up by wasm-smith in the dress of a plugin, and modules of ours with bytes changed.
//!
//! A run is a seed and a number of cases; what fails prints the seed of its case, and
//!
//! ```text
//! WASM_TRACER_FUZZ_SEED=… WASM_TRACER_FUZZ_CASES=1 cargo test -p instrument --test any_module
//! ```
//!
//! runs that one alone. With another seed and 100000 cases it is a fuzzer.

#[path = "any/dress.rs"]
mod dress;
mod support;

use arbitrary::Unstructured;
use instrument::{Options, Refusal};
use wasmparser::{Parser, Validator, WasmFeatures};

/// What is run where nobody asks for more.
const SEED: u64 = 1;
const CASES: u64 = 1000;

/// Runs a check on the bytes of every case; it says whether a module was rewritten. So many of a
/// hundred must be, or the check looks at too little.
fn cases(least: u64, check: impl Fn(&mut Unstructured<'_>) -> arbitrary::Result<bool>) {
    let asked = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let seed = asked("WASM_TRACER_FUZZ_SEED").unwrap_or(SEED);
    let cases = asked("WASM_TRACER_FUZZ_CASES").unwrap_or(CASES);
    let mut rewritten = 0;
    for case in 0..cases {
        let case = seed.wrapping_add(case);
        let _named = Named(case);
        // A module that wants more bytes than there are ends early; that is no failure.
        let outcome = check(&mut Unstructured::new(&noise(case)));
        rewritten += u64::from(outcome.unwrap_or(false));
    }
    println!("{rewritten} of {cases} cases were rewritten, from seed {seed}");
    assert!(cases < CASES || rewritten * 100 >= least * cases, "only {rewritten} were rewritten");
}

/// Names the case when it panics.
struct Named(u64);

impl Drop for Named {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("WASM_TRACER_FUZZ_SEED={} WASM_TRACER_FUZZ_CASES=1", self.0);
        }
    }
}

/// Bytes that look random, the same for a seed on every machine (splitmix64).
fn noise(seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = state;
        word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ word >> 31
    };
    let words = 32 + next() % 480;
    (0..words).flat_map(|_| next().to_le_bytes()).collect()
}

/// Validates with every feature that the instrumenter lets through.
fn validate(module: &[u8]) -> wasmparser::Result<()> {
    let features = WasmFeatures::default() | WasmFeatures::LEGACY_EXCEPTIONS;
    Validator::new_with_features(features).validate_all(module).map(|_| ())
}

/// Rewrites a module and checks what must hold whatever it is. Was it rewritten?
fn rewrite(graft: &[u8], module: &[u8], options: &Options) -> bool {
    let valid = validate(module);
    let outcome = instrument::instrument_with(graft, module, options);
    match &outcome {
        Ok(done) => {
            let written = validate(&done.wasm);
            assert!(written.is_ok(), "the output is not valid: {written:?}");
        }
        Err(refusal) => assert_why(refusal, &valid),
    }
    if valid.is_ok() && !Parser::is_component(module) {
        let identity = instrument::identity(module).expect("a valid module is taken apart");
        let written = validate(&identity);
        assert!(written.is_ok(), "doing nothing broke it: {written:?}");
    }
    let _ = instrument::inspect(module);
    outcome.is_ok()
}

/// A valid module is refused for its shape only, never for a failure of ours.
fn assert_why(refusal: &Refusal, valid: &wasmparser::Result<()>) {
    let ours = matches!(refusal.code(), "output-invalid" | "graft-unusable");
    assert!(!ours, "{refusal}");
    if refusal.code() == "invalid-module" {
        assert!(valid.is_err(), "a valid module was refused as invalid: {refusal}");
    }
}

#[test]
fn any_module_in_the_dress_of_a_plugin_is_refused_or_becomes_a_valid_one() {
    let graft = support::stand_in();
    cases(60, |u| {
        let module = dress::plugin(u)?;
        let host = *u.choose(&[None, Some(abi::Host::Envoy), Some(abi::Host::Higress)])?;
        Ok(rewrite(&graft, &module, &Options { host, ..Options::default() }))
    });
}

#[test]
fn the_recorder_itself_fits_into_any_module() {
    cases(2, |u| {
        // It is larger than the modules: fewer of them are enough.
        let taken = u.ratio(1, 20)?;
        Ok(taken && rewrite(instrument::GRAFT, &dress::plugin(u)?, &Options::default()))
    });
}

#[test]
fn a_module_with_bytes_changed_is_refused_or_becomes_a_valid_one() {
    let graft = support::stand_in();
    let sources = dress::sources();
    cases(5, |u| {
        let mut module = match u.ratio(1, 4)? {
            true => dress::plugin(u)?,
            false => u.choose(&sources)?.clone(),
        };
        for _ in 0..u.int_in_range(1..=3)? {
            dress::damage(u, &mut module)?;
        }
        Ok(rewrite(&graft, &module, &Options::default()))
    });
}
