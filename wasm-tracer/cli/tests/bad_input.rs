//! Bad input gets a sentence that says what was wrong and what to do, and leaves nothing half-written.

use std::path::Path;
use std::process::{Command, Output};

const PLUGIN: &str = r#"(module
    (memory (export "memory") 1)
    (func (export "proxy_abi_version_0_2_1"))
    (func (export "proxy_on_context_create") (param i32 i32)))"#;

fn wasm_tracer(args: &[&str], folder: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_wasm-tracer"))
        .args(args)
        .current_dir(folder)
        .output()
        .expect("the command runs")
}

/// Instruments `input` and expects a refusal whose sentence holds `says`; no file but the input is left.
fn refused(input: &[u8], says: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("plugin.wasm"), input).expect("writable");
    let output = wasm_tracer(&["instrument", "plugin.wasm", "-o", "traced.wasm"], folder.path());
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(says), "{said:?} does not say {says:?}");
    assert!(!said.contains("panicked"), "{said}");
    let left: Vec<_> = std::fs::read_dir(folder.path()).expect("readable").collect();
    assert_eq!(left.len(), 1, "something half-written is left: {left:?}");
}

fn wasm(text: &str) -> Vec<u8> {
    wat::parse_str(text).expect("the text is a module")
}

#[test]
fn text_is_not_a_wasm_file() {
    refused(b"hello, I am a plugin", "this is not a wasm file");
}

#[test]
fn an_empty_file_is_not_a_wasm_file() {
    refused(b"", "this is not a wasm file");
}

#[test]
fn a_component_is_refused() {
    refused(&wasm("(component)"), "this is a wasm component");
}

#[test]
fn a_module_without_an_abi_marker_is_refused() {
    refused(&wasm(r#"(module (memory (export "memory") 1))"#), "exports no proxy_abi_version_*");
}

#[test]
fn a_truncated_module_is_refused() {
    let mut module = wasm(PLUGIN);
    module.truncate(module.len() - 3);
    refused(&module, "not valid wasm");
}

#[test]
fn a_traced_module_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("plugin.wasm"), wasm(PLUGIN)).expect("writable");
    let first = wasm_tracer(&["instrument", "plugin.wasm", "-o", "traced.wasm"], folder.path());
    assert!(first.status.success(), "{}", String::from_utf8_lossy(&first.stderr));
    let traced = std::fs::read(folder.path().join("traced.wasm")).expect("it was written");
    refused(&traced, "instrumented already");
}

#[test]
fn an_output_that_cannot_be_written_is_said() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("plugin.wasm"), wasm(PLUGIN)).expect("writable");
    let output = wasm_tracer(
        &["instrument", "plugin.wasm", "-o", "no/such/folder/traced.wasm"],
        folder.path(),
    );
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains("cannot write no/such/folder/traced.wasm"), "{said}");
}

#[test]
fn the_original_is_not_written_over() {
    let folder = tempfile::tempdir().expect("a folder");
    let plugin = folder.path().join("plugin.wasm");
    std::fs::write(&plugin, wasm(PLUGIN)).expect("writable");
    let output = wasm_tracer(&["instrument", "plugin.wasm", "-o", "./plugin.wasm"], folder.path());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("is the plugin itself"), "{said}");
    assert_eq!(std::fs::read(&plugin).expect("it is there"), wasm(PLUGIN));
}

#[test]
fn what_is_no_regular_file_is_not_replaced() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("plugin.wasm"), wasm(PLUGIN)).expect("writable");
    std::fs::create_dir(folder.path().join("traced")).expect("writable");
    let output = wasm_tracer(&["instrument", "plugin.wasm", "-o", "traced"], folder.path());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("is not a regular file"), "{said}");
}

#[test]
#[cfg(unix)]
fn a_link_stays_a_link() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("plugin.wasm"), wasm(PLUGIN)).expect("writable");
    std::fs::write(folder.path().join("real.wasm"), b"").expect("writable");
    let link = folder.path().join("link.wasm");
    std::os::unix::fs::symlink("real.wasm", &link).expect("a link");
    let output = wasm_tracer(&["instrument", "plugin.wasm", "-o", "link.wasm"], folder.path());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(link.is_symlink());
    assert!(std::fs::read(folder.path().join("real.wasm")).expect("written").starts_with(b"\0asm"));
}

#[test]
fn a_missing_plugin_is_said() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = wasm_tracer(&["instrument", "none.wasm", "-o", "traced.wasm"], folder.path());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("cannot read the plugin none.wasm"), "{said}");
}

#[test]
fn an_unknown_code_is_said() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = wasm_tracer(&["explain", "no-such-thing"], folder.path());
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("no diagnosis has the code"));
}

#[test]
fn a_code_may_be_spelt_as_a_file_or_a_title() {
    let folder = tempfile::tempdir().expect("a folder");
    let page = |code: &str| wasm_tracer(&["explain", code], folder.path()).stdout;
    let plain = page("late-callback");
    assert!(plain.starts_with(b"late-callback (lost)"));
    assert_eq!(page("late_callback"), plain);
    assert_eq!(page("Late-Callback"), plain);
}

#[test]
fn every_diagnosis_is_explained_with_its_example() {
    let folder = tempfile::tempdir().expect("a folder");
    let list = wasm_tracer(&["explain"], folder.path());
    let list = String::from_utf8_lossy(&list.stdout).into_owned();
    let codes: Vec<&str> = list.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert!(codes.contains(&"headers-forwarded-before-body-call"), "{list}");
    for code in codes {
        let page = wasm_tracer(&["explain", code], folder.path());
        let page = String::from_utf8_lossy(&page.stdout).into_owned();
        for heading in ["What you see", "Why it happens", "What to do", "Known from", "Example"] {
            assert!(page.contains(heading), "{code} lacks {heading:?}");
        }
        let names_any = page.contains("\nhttps://github.com/");
        assert_ne!(names_any, page.contains("\nNo public thread about it is known.\n"), "{page}");
    }
}

#[test]
fn a_collector_that_is_not_there_is_said() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = wasm_tracer(&["show", "abc", "--collector", "http://127.0.0.1:1"], folder.path());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("no collector answers at http://127.0.0.1:1"), "{said}");
}
