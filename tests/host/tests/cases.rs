//! Every module of `tests/cases` that a host loads is driven beside its instrumented copy, with the real
//! recorder: what the texts there show as code is run here. A new case is in by being dropped there.

mod plugins;

use std::path::{Path, PathBuf};

use abi::{AbiVersion, Host};
use host::{Callee, Comparison, Dialect, Program, Upstream, Vm, Who, compare_programs};
use plugins::{COLLECTOR, traced};

/// Cases that no host of these tests can run, and why.
const NOT_RUN: [(&str, &str); 6] = [
    ("exceptions-legacy", "wasmtime knows exceptions only as they were standardised"),
    ("features", "it imports a global, which hosts do not offer"),
    ("segments", "it imports a global, which hosts do not offer"),
    ("higress-on-envoy", "on stock Envoy its original does not load"),
    ("inspect", "it imports what no host offers"),
    ("unusual-signatures", "it imports hostcalls with signatures that no host has"),
];

struct Case {
    name: String,
    wasm: Vec<u8>,
    dialect: Dialect,
}

/// The cases that are not refused, sorted.
fn cases() -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../cases");
    let entries = std::fs::read_dir(&folder).expect("tests/cases is there");
    let mut files: Vec<PathBuf> = entries.map(|e| e.expect("it can be listed").path()).collect();
    files.sort();
    let wat = |file: &&PathBuf| file.extension().is_some_and(|extension| extension == "wat");
    files.iter().filter(wat).filter_map(|file| case(file)).collect()
}

fn case(file: &Path) -> Option<Case> {
    let name = file.file_stem()?.to_string_lossy().into_owned();
    if name.starts_with("refused-") {
        return None;
    }
    let wasm = wat::parse_file(file).unwrap_or_else(|error| panic!("{error}"));
    let higress = wasm
        .windows(AbiVersion::V0_2_100.marker().len())
        .any(|bytes| bytes == AbiVersion::V0_2_100.marker().as_bytes());
    let dialect = if higress { Dialect::Higress } else { Dialect::Envoy };
    Some(Case { name, wasm, dialect })
}

/// A little of everything that a plugin without a configuration can meet.
fn drive(vm: &mut Vm) {
    vm.callee(COLLECTOR, Callee::answers(200).with_body(""));
    vm.callee("slow", Callee::answers(200).after_millis(50));
    vm.start("the configuration");
    for upstream in [Upstream::patient(200, "hello"), Upstream::early(404, "no")] {
        vm.upstream(upstream.with_trailers(&[("x-end", "yes")]));
        vm.get("/get");
        vm.run_millis(400);
        vm.post("/post", "some body");
        let left = vm.open("POST /left", &[], false);
        vm.body(left, "half", false);
        vm.run_millis(100);
        vm.leave(left);
    }
    for request in 0..6 {
        vm.get(&format!("/again/{request}"));
    }
    vm.run_millis(3_000);
}

fn run(case: &Case) -> anyhow::Result<Comparison> {
    let host = if case.dialect == Dialect::Higress { Host::Higress } else { Host::Envoy };
    let original = Program::original(&case.wasm)?;
    let instrumented = Program::instrumented(&traced(&case.wasm, host), &case.wasm)?;
    compare_programs(&original, &instrumented, case.dialect, drive)
}

#[test]
fn every_case_does_what_its_original_does() {
    let mut wrong = Vec::new();
    for case in cases() {
        let excused = NOT_RUN.iter().find(|(name, _)| *name == case.name);
        match (run(&case), excused) {
            (Err(_), Some(_)) => {}
            (Err(error), None) => wrong.push(format!("{}: {error:#}", case.name)),
            (Ok(_), Some((_, why))) => {
                wrong.push(format!("{} runs, though it is said that {why}", case.name));
            }
            (Ok(ran), None) => {
                println!("{}: {} lines, {} memories", case.name, ran.lines, ran.memories);
                if ran.instrumented.calls(Who::Recorder).is_empty() {
                    wrong.push(format!("{}: nothing was shipped", case.name));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}
