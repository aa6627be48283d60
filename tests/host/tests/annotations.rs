//! A plugin's notes of its own: the foreign function that no host knows answers as without a recorder,
//! and the note is in the batch.

mod batches;
mod plugins;

use abi::{Host, Hostcall};
use host::{Callee, Dialect, Upstream, Who, compare};
use plugins::{COLLECTOR, traced};
use proto::v1::Mark;

/// Notes `user=ann` in each request, and logs the status that the host answered as a digit.
const NOTER: &str = r#"(module
  (import "env" "proxy_call_foreign_function" (func $foreign (param i32 i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "wasm_tracer.annotate")
  (data (i32.const 32) "user=ann")
  (func (export "proxy_abi_version_0_2_1"))
  (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 4096))
  (func (export "proxy_on_context_create") (param i32 i32))
  (func (export "proxy_on_vm_start") (param i32 i32) (result i32) (i32.const 1))
  (func (export "proxy_on_configure") (param i32 i32) (result i32) (i32.const 1))
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
    (i32.store8 (i32.const 64) (i32.add (i32.const 48)
      (call $foreign (i32.const 0) (i32.const 20) (i32.const 32) (i32.const 8) (i32.const 72) (i32.const 76))))
    (drop (call $log (i32.const 3) (i32.const 64) (i32.const 1)))
    (i32.const 0)))"#;

#[test]
fn the_plugin_is_answered_as_without_a_recorder_and_the_note_is_kept() {
    let original = wat::parse_str(NOTER).expect("it is a module");
    let instrumented = traced(&original, Host::Envoy);
    let ran = compare(&original, &instrumented, Dialect::Envoy, |vm| {
        vm.callee(COLLECTOR, Callee::answers(200).with_body(""));
        vm.upstream(Upstream::patient(200, "hello"));
        vm.start("");
        for _ in 0..3 {
            vm.get("/");
            vm.run_millis(1_000);
        }
    });
    let ran = ran.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(ran.instrumented.log().messages(Who::Plugin), ["1", "1", "1"], "not found");
    let events = batches::of(&ran.instrumented).into_iter().flat_map(|batch| batch.events);
    let notes: Vec<_> = events.filter(|event| event.marks & Mark::Annotation as u32 != 0).collect();
    assert_eq!(notes.len(), 3);
    for note in notes {
        assert_eq!((note.kind, note.result), (Hostcall::CallForeignFunction.number(), 1));
        assert_eq!(note.text, b"user=ann");
    }
}
