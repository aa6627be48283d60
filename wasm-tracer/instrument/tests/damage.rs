//! Whatever bytes come in, the answer is a module or a refusal, never a panic.

mod support;

use instrument::Options;
use proptest::prelude::*;

/// A plugin with every kind of section.
fn plugin() -> Vec<u8> {
    let text = include_str!("../../../tests/cases/segments.wat");
    wat::parse_str(text).expect("the case is wasm text")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_damaged_module_is_refused_or_rewritten(
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)
    ) {
        let mut bytes = plugin();
        for (place, value) in damage {
            let place = place.index(bytes.len());
            bytes[place] = value;
        }
        let options = Options { cluster: "wasm-tracer".into(), ..Options::default() };
        match instrument::instrument_with(&support::stand_in(), &bytes, &options) {
            Ok(done) => prop_assert!(done.wasm.len() > bytes.len()),
            Err(refusal) => prop_assert_ne!(refusal.code(), "output-invalid", "{}", refusal),
        }
        let _ = instrument::identity(&bytes);
        let _ = instrument::inspect(&bytes);
    }

    #[test]
    fn a_truncated_module_is_refused(length in any::<prop::sample::Index>()) {
        let whole = plugin();
        let part = &whole[..length.index(whole.len())];
        let options = Options::default();
        let outcome = instrument::instrument_with(&support::stand_in(), part, &options);
        // Only the name section, at the end, can be cut off without loss.
        if outcome.is_ok() {
            prop_assert!(part.len() > 200);
        }
    }
}

#[test]
fn text_and_archives_are_no_wasm_files() {
    for bytes in [&b""[..], b"(module)", b"PK\x03\x04 an archive", b"\0as"] {
        let refusal = instrument::instrument(bytes, &Options::default()).expect_err("no wasm file");
        assert_eq!(refusal.code(), "not-wasm", "{refusal}");
    }
}
