//! `verify`: what it proves, and which sentence whoever was wrong gets.

use instrument::{Mismatch, Options, VERSION};

const PLUGIN: &str = include_str!("../../../tests/cases/segments.wat");

fn plugin() -> Vec<u8> {
    wat::parse_str(PLUGIN).expect("the case is wasm text")
}

fn traced(options: &Options) -> Vec<u8> {
    instrument::instrument(&plugin(), options).expect("it is rewritten").wasm
}

fn every_option() -> Options {
    Options {
        host: Some(abi::Host::Envoy),
        cluster: "outbound|4000||wasm-tracer.dns".into(),
        authority: Some("collector=here".into()),
        rate: Some(0.123_456_7),
        buffer_bytes: Some(65536),
        flush_millis: Some(250),
        heartbeat_seconds: Some(30),
        headers: vec!["X-User".into(), "x-team".into()],
        log_level: Some(2),
        enabled: Some(false),
        warn_seconds: Some(5),
        name_early: true,
        record_all_hostcalls: true,
    }
}

/// Replaces bytes by others of the same number, once.
fn replaced(module: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut places = module.windows(from.len()).enumerate().filter(|(_, bytes)| *bytes == from);
    let (at, _) = places.next().expect("the bytes are there");
    assert!(places.next().is_none(), "they are there once");
    let mut module = module.to_vec();
    module[at..at + to.len()].copy_from_slice(to);
    module
}

/// What `verify` says of an altered module.
fn altered(traced: &[u8]) -> String {
    let mismatch = instrument::verify(traced, &plugin()).expect_err("it was altered");
    assert_eq!(mismatch.code(), "altered", "{mismatch}");
    mismatch.to_string()
}

#[test]
fn what_was_made_with_any_options_is_proved() {
    for options in [every_option(), Options { cluster: "wasm-tracer".into(), ..Options::default() }]
    {
        let made = instrument::verify(&traced(&options), &plugin()).expect("it was made from it");
        assert_eq!(made.options.cluster, options.cluster);
        assert_eq!(made.options.host, Some(abi::Host::Envoy));
        assert_eq!(made.options.headers, options.headers);
        assert_eq!(made.options.warn_seconds, options.warn_seconds);
        assert_eq!(made.original.len(), 64);
    }
}

#[test]
fn a_module_that_was_never_rewritten_is_said_to_be_so() {
    let traced = traced(&Options::default());
    let verify = |one: &[u8], other: &[u8]| instrument::verify(one, other).expect_err("no proof");
    assert_eq!(verify(&plugin(), &plugin()).code(), "not-instrumented");
    assert_eq!(verify(&plugin(), &traced).code(), "swapped");
    assert_eq!(verify(b"text", &plugin()).code(), "unreadable");
}

#[test]
fn another_original_is_said_to_be_another() {
    let other = replaced(&plugin(), b"proxy_abi_version_0_2_1", b"proxy_abi_version_0_2_0");
    let mismatch = instrument::verify(&traced(&Options::default()), &other).expect_err("another");
    assert!(matches!(mismatch, Mismatch::OtherOriginal { .. }), "{mismatch}");
}

#[test]
fn a_changed_byte_is_found_and_named() {
    let traced = traced(&Options::default());
    let other_name = replaced(&traced, b"\x0dproxy_on_tick\0", b"\x0dproxy_on_tock\0");
    assert!(altered(&other_name).contains("export \"proxy_on_tock\" is another"));
    let mut longer = traced.clone();
    longer.extend(b"\x00\x05\x04sign");
    assert!(altered(&longer).contains("custom section \"sign\" is there and should not be"));
}

#[test]
fn a_changed_instruction_is_found_and_its_function_named() {
    let traced = traced(&Options::default());
    let mut bodies = Vec::new();
    for payload in wasmparser::Parser::new(0).parse_all(&traced) {
        if let wasmparser::Payload::CodeSectionEntry(body) = payload.expect("it is valid") {
            bodies.push(body.range());
        }
    }
    // The last function that was added: called before `unreachable`. Its first byte is its locals.
    let last = bodies.last().expect("it has functions").clone();
    let mut other = traced.clone();
    other[last.start as usize + 1] = 0x01;
    let said = altered(&other);
    assert!(said.contains("wasm-tracer: before unreachable"), "{said}");
}

#[test]
fn a_section_that_lies_proves_nothing() {
    let options = Options { rate: Some(0.5), ..Options::default() };
    let lying = replaced(&traced(&options), b"rate_millionths=500000", b"rate_millionths=600000");
    assert!(altered(&lying).contains("differs from the rewrite"));
    let unreadable =
        replaced(&traced(&options), b"rate_millionths=500000", b"rate_millionths=5000x0");
    let mismatch = instrument::verify(&unreadable, &plugin()).expect_err("unreadable");
    assert_eq!(mismatch.code(), "not-ours", "{mismatch}");
}

#[test]
fn another_version_is_named_with_the_place_where_its_rewrite_differs() {
    let ours = format!("version={VERSION}\n");
    let other = format!("version={}\n", "9".repeat(VERSION.len()));
    let traced = replaced(&traced(&Options::default()), ours.as_bytes(), other.as_bytes());
    let mismatch = instrument::verify(&traced, &plugin()).expect_err("another version");
    assert_eq!(mismatch.code(), "other-version");
    let said = mismatch.to_string();
    assert!(said.contains(&format!("wasm-tracer {}", "9".repeat(VERSION.len()))), "{said}");
    assert!(said.contains("custom section \"wasm-tracer\" is another"), "{said}");
}
