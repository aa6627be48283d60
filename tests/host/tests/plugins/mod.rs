//! Modules that the tests run: hand-written ones beside this file, compiled ones from folders that
//! `cargo xtask test` names in the environment.
#![allow(dead_code)] // each test file uses its part

use std::path::{Path, PathBuf};

use instrument::Options;

/// Cluster of the collector in all tests.
pub const COLLECTOR: &str = "wasm-tracer";

/// A hand-written plugin.
pub fn plugin(name: &str) -> Vec<u8> {
    let file = format!("{}/tests/plugins/{name}.wat", env!("CARGO_MANIFEST_DIR"));
    wat::parse_file(&file).unwrap_or_else(|error| panic!("{error}"))
}

/// Its instrumented copy, with the committed recorder.
pub fn traced(original: &[u8], host: abi::Host) -> Vec<u8> {
    let options = Options { host: Some(host), cluster: COLLECTOR.into(), ..Options::default() };
    instrument::instrument(original, &options).expect("it can be instrumented").wasm
}

/// All compiled Higress plugins, equal ones once: name and bytes.
pub fn higress() -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    collect(&folder("WASM_TRACER_HIGRESS_PLUGINS"), &mut files);
    files.sort();
    let mut plugins: Vec<(String, Vec<u8>)> = Vec::new();
    for file in files {
        let bytes = read(&file);
        if !plugins.iter().any(|(_, other)| *other == bytes) {
            plugins.push((name(&file), bytes));
        }
    }
    assert!(!plugins.is_empty(), "there are no Higress plugins; run cargo xtask test");
    plugins
}

/// A built example.
pub fn example(file: &str) -> Vec<u8> {
    read(&folder("WASM_TRACER_ARTIFACTS").join(file))
}

fn folder(variable: &str) -> PathBuf {
    let folder = std::env::var_os(variable);
    PathBuf::from(folder.unwrap_or_else(|| panic!("{variable} is not set; run cargo xtask test")))
}

fn read(file: &Path) -> Vec<u8> {
    std::fs::read(file).unwrap_or_else(|error| {
        panic!("{} cannot be read ({error}); run cargo xtask test", file.display())
    })
}

fn name(file: &Path) -> String {
    file.components()
        .rev()
        .take(3)
        .map(|c| c.as_os_str().to_string_lossy())
        .collect::<Vec<_>>()
        .join(" < ")
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "wasm") {
            files.push(path);
        }
    }
}
