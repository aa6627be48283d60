//! What a host forbids: hostcalls in the allocator and in start exports, imports it does not have,
//! ABI versions it does not know.

mod plugins;

use abi::{Host, Hostcall};
use host::{Callee, Dialect, Vm, Who, compare};
use plugins::{COLLECTOR, traced};

/// A plugin that reads a property in request headers; `allocator` and `start` are bodies of functions.
fn reader(allocator: &str, start: &str) -> Vec<u8> {
    let text = format!(
        r#"(module
          (import "env" "proxy_get_property" (func $property (param i32 i32 i32 i32) (result i32)))
          (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
          (memory (export "memory") 1)
          (data (i32.const 0) "plugin_name")
          (func $read (drop (call $property (i32.const 0) (i32.const 11) (i32.const 64) (i32.const 68))))
          (func $say (drop (call $log (i32.const 2) (i32.const 0) (i32.const 11))))
          (func (export "proxy_abi_version_0_2_1"))
          (func (export "_initialize") {start})
          (func (export "proxy_on_memory_allocate") (param i32) (result i32) {allocator})
          (func (export "proxy_on_context_create") (param i32 i32))
          (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
            (call $read) (i32.const 0)))"#
    );
    wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}"))
}

fn run(wasm: &[u8]) -> Vm {
    let mut vm = Vm::load(wasm, Dialect::Envoy).expect("it loads");
    vm.start("");
    vm.get("/");
    vm
}

#[test]
fn an_allocator_that_answers_0_is_status_6() {
    let vm = run(&reader("(i32.const 0)", ""));
    assert_eq!(vm.log().statuses(Who::Plugin, Hostcall::GetProperty), [6]);
    assert!(!vm.is_dead());
}

#[test]
fn a_hostcall_in_the_allocator_kills_the_vm_but_a_log_line_does_not() {
    let vm = run(&reader("(call $read) (i32.const 1024)", ""));
    assert!(vm.log().trap().is_some_and(|why| why.contains("restricted_callback")));
    let vm = run(&reader("(call $say) (i32.const 1024)", "(call $say)"));
    assert_eq!(vm.log().statuses(Who::Plugin, Hostcall::GetProperty), [0]);
    assert_eq!(vm.log().messages(Who::Plugin).len(), 2);
}

#[test]
fn a_hostcall_in_a_start_export_kills_the_vm() {
    let vm = run(&reader("(i32.const 1024)", "(call $read)"));
    assert!(vm.is_dead() && vm.log().statuses(Who::Plugin, Hostcall::GetProperty).is_empty());
}

#[test]
fn the_recorder_keeps_silent_where_hostcalls_are_forbidden() {
    for (allocator, start) in [
        ("(call $say) (i32.const 1024)", "(call $say)"),
        ("(call $read) (i32.const 1024)", ""),
        ("(i32.const 1024)", "(call $read)"),
        ("(i32.const 0)", ""),
        ("(unreachable)", ""),
        ("(i32.const 1024)", "(unreachable)"),
    ] {
        let original = reader(allocator, start);
        let instrumented = traced(&original, Host::Envoy);
        let ran = compare(&original, &instrumented, Dialect::Envoy, |vm| {
            vm.callee(COLLECTOR, Callee::answers(200).with_body(""));
            vm.start("");
            vm.get("/");
            vm.run_millis(3_000);
        });
        let ran = ran.unwrap_or_else(|error| panic!("{allocator} {start}: {error}"));
        assert!(ran.lines >= 2, "a start export ran");
    }
}

#[test]
fn modules_that_a_host_refuses() {
    let refusal = |text: &str, dialect| {
        let wasm = wat::parse_str(text).expect("it is a module");
        Vm::load(&wasm, dialect).err().map(|error| error.to_string()).unwrap_or_default()
    };
    let memory = r#"(memory (export "memory") 1)"#;
    let higress = format!(r#"(module {memory} (func (export "proxy_abi_version_0_2_100")))"#);
    assert!(refusal(&higress, Dialect::Envoy).contains("0.2.100"));
    assert_eq!(refusal(&higress, Dialect::Higress), "");
    let redis = format!(
        r#"(module (import "env" "proxy_redis_call" (func (param i32 i32 i32 i32 i32) (result i32)))
            {memory} (func (export "proxy_abi_version_0_2_1")))"#
    );
    assert!(refusal(&redis, Dialect::Envoy).contains("env.proxy_redis_call"));
    assert_eq!(refusal(&redis, Dialect::Higress), "");
    assert!(refusal(&format!("(module {memory})"), Dialect::Envoy).contains("no ABI marker"));
}
