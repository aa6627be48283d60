//! Options that the recorder would cut, clamp, drop or misread are refused, with a sentence that names
//! them.

use instrument::Options;

fn plugin() -> Vec<u8> {
    let text = include_str!("../../../tests/cases/minimal.wat");
    wat::parse_str(text).expect("the case is wasm text")
}

fn plain() -> Options {
    Options::default()
}

fn refused(options: Options, code: &str, named: &str) {
    let refusal = instrument::instrument(&plugin(), &options).expect_err("refused");
    assert_eq!(refusal.code(), code, "{refusal}");
    assert!(refusal.to_string().contains(named), "{refusal}");
}

fn taken(options: Options) {
    let outcome = instrument::instrument(&plugin(), &options);
    assert!(outcome.is_ok(), "{options:?}: {outcome:?}");
}

#[test]
fn texts_that_would_be_cut() {
    let long = "c".repeat(129);
    let headers = (0..200).map(|number| format!("x-header-{number}")).collect();
    refused(Options { headers, ..plain() }, "option-too-long", "list of headers");
    refused(Options { cluster: long.clone(), ..plain() }, "option-too-long", "cluster's name");
    refused(Options { authority: Some(long), ..plain() }, "option-too-long", "authority");
    taken(Options { cluster: "c".repeat(128), ..plain() });
}

#[test]
fn numbers_that_would_be_clamped() {
    for rate in [1.5, -0.1, f64::NAN] {
        refused(Options { rate: Some(rate), ..plain() }, "rate-out-of-range", "0 to 1");
    }
    taken(Options { rate: Some(1.0), ..plain() });
    for bytes in [0, 16 * 1024 - 1, 128 * 1024 + 1] {
        let options = Options { buffer_bytes: Some(bytes), ..plain() };
        refused(options, "option-out-of-range", "give a number from 16384 to 131072");
    }
    taken(Options { buffer_bytes: Some(16 * 1024), ..plain() });
    taken(Options { buffer_bytes: Some(128 * 1024), ..plain() });
    for millis in [9, 60_001] {
        let options = Options { flush_millis: Some(millis), ..plain() };
        refused(options, "option-out-of-range", "milliseconds between shipments");
    }
    for seconds in [0, 3601] {
        let options = Options { heartbeat_seconds: Some(seconds), ..plain() };
        refused(options, "option-out-of-range", "seconds between heartbeats");
    }
    let options = Options { warn_seconds: Some(0), ..plain() };
    refused(options, "option-out-of-range", "seconds between warnings");
    refused(Options { log_level: Some(6), ..plain() }, "option-out-of-range", "log level");
}

#[test]
fn headers_that_would_be_dropped_or_match_nothing() {
    let headers = |name: &str| Options { headers: vec![name.to_owned()], ..plain() };
    for secret in ["authorization", "Cookie", " set-cookie ", "proxy-authorization"] {
        refused(headers(secret), "secret-header", &secret.trim().to_lowercase());
    }
    for nothing in ["", " ", ":", "x user", "x-user:", "x\ny"] {
        let code = if nothing.contains('\n') { "option-not-text" } else { "no-header-name" };
        refused(headers(nothing), code, "");
    }
    taken(headers("x-user"));
    taken(headers(":authority"));
}

#[test]
fn texts_that_would_forge_a_line_of_our_section() {
    let forged = "c\noriginal_sha256=0";
    refused(Options { cluster: forged.into(), ..plain() }, "option-not-text", "cluster's name");
    refused(Options { authority: Some(forged.into()), ..plain() }, "option-not-text", "authority");
}
