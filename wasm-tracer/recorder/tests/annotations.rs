//! Notes that a plugin puts into its timeline: the foreign function `wasm_tracer.annotate`.

mod support;

use abi::{Callback, Hostcall};
use proto::v1::Mark;
use support::{ROOT, Read, Vm, of_kind};

const NOT_FOUND: u32 = 1;
const FUNCTION: u32 = Hostcall::CallForeignFunction as u32;

/// The plugin calls a foreign function, and the host answers with a status.
fn foreign(vm: &mut Vm, name: &str, argument: &[u8], status: u32) {
    let name = vm.host.put(name.as_bytes());
    let argument = vm.host.put(argument);
    let params = [name.0, name.1, argument.0, argument.1, 0, 0];
    if vm.recorder.counted(FUNCTION, status) {
        return;
    }
    vm.hostcall(Hostcall::CallForeignFunction, status, &params);
}

fn annotate(vm: &mut Vm, note: &str) {
    foreign(vm, "wasm_tracer.annotate", note.as_bytes(), NOT_FOUND);
}

fn notes(vm: &mut Vm) -> Vec<Read> {
    vm.drain();
    let mut all = of_kind(&vm.batches(), FUNCTION);
    all.retain(|read| read.event.marks & Mark::Annotation as u32 != 0);
    all
}

fn in_a_stream(vm: &mut Vm, doing: impl FnOnce(&mut Vm)) {
    vm.call(Callback::ContextCreate, 2, [ROOT, 0, 0, 0], 0);
    vm.call_doing(Callback::RequestHeaders, 2, [9, 0, 0, 0], 0, doing);
}

#[test]
fn a_note_stands_in_the_stream_with_its_key_and_value() {
    let mut vm = Vm::start();
    in_a_stream(&mut vm, |vm| annotate(vm, "user=ann=otherwise"));
    let notes = notes(&mut vm);
    assert_eq!(notes.len(), 1);
    assert_eq!((notes[0].context, notes[0].event.result), (2, NOT_FOUND));
    assert_eq!(notes[0].event.text, b"user=ann=otherwise");
    assert_eq!(notes[0].event.args, [18], "its size");
}

#[test]
fn it_is_kept_whatever_the_host_answers() {
    let mut vm = Vm::start();
    in_a_stream(&mut vm, |vm| {
        for status in [0, 1, 10, 12] {
            foreign(vm, "wasm_tracer.annotate", b"step=3", status);
        }
    });
    let answers: Vec<_> = notes(&mut vm).iter().map(|note| note.event.result).collect();
    assert_eq!(answers, [0, 1, 10, 12]);
}

#[test]
fn a_long_one_is_cut_an_empty_one_and_one_that_is_no_text_are_kept() {
    let mut vm = Vm::start();
    in_a_stream(&mut vm, |vm| {
        annotate(vm, &"k=v".repeat(100));
        annotate(vm, "");
        foreign(vm, "wasm_tracer.annotate", &[0xff, 0, 0xfe], NOT_FOUND);
    });
    let notes = notes(&mut vm);
    let texts: Vec<_> = notes.iter().map(|note| note.event.text.len()).collect();
    assert_eq!(texts, [256, 0, 3]);
    assert_ne!(notes[0].event.marks & Mark::TextCut as u32, 0);
    assert_eq!(notes[0].event.args, [300]);
}

#[test]
fn of_a_stream_that_is_not_recorded_none_is() {
    let mut vm = Vm::start_with(&[], "WASM_TRACER_RATE=0");
    in_a_stream(&mut vm, |vm| annotate(vm, "user=ann"));
    assert!(notes(&mut vm).is_empty());
}

#[test]
fn other_foreign_functions_are_no_notes() {
    let mut vm = Vm::start();
    in_a_stream(&mut vm, |vm| {
        foreign(vm, "clear_route_cache", b"", 0);
        foreign(vm, "wasm_tracer.annotates", b"a=b", NOT_FOUND);
        foreign(vm, "wasm_tracer.annotatE", b"a=b", NOT_FOUND);
    });
    assert!(notes(&mut vm).is_empty());
    let kept = of_kind(&vm.batches(), FUNCTION);
    let names: Vec<_> = kept.iter().map(|read| read.event.text.as_slice()).collect();
    assert_eq!(names, [b"wasm_tracer.annotates".as_slice(), b"wasm_tracer.annotatE"]);
}

#[test]
fn a_wild_address_is_marked() {
    let mut vm = Vm::start();
    in_a_stream(&mut vm, |vm| {
        let name = vm.host.put(b"wasm_tracer.annotate");
        let params = [name.0, name.1, u32::MAX - 8, 20, 0, 0];
        vm.hostcall(Hostcall::CallForeignFunction, NOT_FOUND, &params);
    });
    let notes = notes(&mut vm);
    assert_ne!(notes[0].event.marks & Mark::BadPointer as u32, 0);
}
