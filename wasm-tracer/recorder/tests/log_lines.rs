//! Log lines and standard output of the plugin, from the chosen level on, beside what it did.

mod support;

use abi::graft::config;
use abi::{Callback, Hostcall};
use proto::v1::Mark;
use support::{ROOT, Vm, events, of_kind};

#[test]
fn log_lines_count_from_the_level_and_up_to_a_kibibyte_a_stream() {
    let mut vm = Vm::start();
    vm.call(Callback::ContextCreate, 2, [ROOT, 0, 0, 0], 0);
    vm.call_doing(Callback::RequestHeaders, 2, [9, 0, 0, 0], 0, |vm| {
        vm.log(2, "only info");
        vm.log(3, "careful");
        for _ in 0..10 {
            vm.log(4, &"x".repeat(300));
        }
    });
    vm.drain();
    let lines = of_kind(&vm.batches(), Hostcall::Log.number());
    assert_eq!(lines[0].event.text, b"careful");
    assert_eq!((lines[1].event.args.as_slice(), lines[1].event.text.len()), ([4].as_slice(), 256));
    assert_ne!(lines[1].event.marks & Mark::TextCut as u32, 0);
    let sizes: Vec<_> = lines.iter().map(|l| l.event.text.len()).collect();
    assert_eq!(sizes, [7, 256, 256, 256, 249], "a kibibyte");
    assert_ne!(lines[4].event.marks & Mark::TextCut as u32, 0, "the last one says that it is");
    assert_eq!(vm.last_batch().counters.expect("counters").log_lines_dropped, 6);
}

#[test]
fn a_line_that_just_fits_is_followed_by_an_empty_one_that_says_more_came() {
    let mut vm = Vm::start();
    vm.call(Callback::ContextCreate, 2, [ROOT, 0, 0, 0], 0);
    vm.call_doing(Callback::RequestHeaders, 2, [9, 0, 0, 0], 0, |vm| {
        for _ in 0..6 {
            vm.log(4, &"x".repeat(256));
        }
    });
    vm.drain();
    let lines = of_kind(&vm.batches(), Hostcall::Log.number());
    let told: Vec<_> = lines.iter().map(|l| (l.event.text.len(), l.event.marks)).collect();
    let cut = Mark::TextCut as u32;
    assert_eq!(told, [(256, 0), (256, 0), (256, 0), (256, 0), (0, cut)]);
    assert_eq!(vm.last_batch().counters.expect("counters").log_lines_dropped, 1);
}

#[test]
fn error_output_is_joined_to_lines() {
    let mut vm = Vm::start();
    vm.call_doing(Callback::QueueReady, ROOT, [1, 0, 0, 0], 0, |vm| {
        for part in ["panic: index", " out of range\n", "goroutine 1", "\n"] {
            vm.output(2, part);
        }
    });
    vm.drain();
    let lines = of_kind(&vm.batches(), Hostcall::FdWrite.number());
    let texts: Vec<_> = lines.iter().map(|l| l.event.text.as_slice()).collect();
    assert_eq!(texts, [b"panic: index out of range".as_slice(), b"goroutine 1"]);
    assert_eq!(lines[0].event.args, [2]);
}

/// Texts of all log lines and lines of output.
fn lines(vm: &mut Vm) -> Vec<String> {
    vm.drain();
    let kinds = [Hostcall::Log.number(), Hostcall::FdWrite.number()];
    let all = vm.batches().into_iter().flat_map(|batch| events(&batch));
    let all = all.filter(|read| kinds.contains(&read.event.kind));
    all.map(|read| String::from_utf8_lossy(&read.event.text).into_owned()).collect()
}

fn says_something_at_each_level(vm: &mut Vm) {
    vm.call(Callback::ContextCreate, 2, [ROOT, 0, 0, 0], 0);
    vm.call_doing(Callback::RequestHeaders, 2, [9, 0, 0, 0], 0, |vm| {
        for (level, line) in
            ["trace", "debug", "info", "warn", "error", "critical"].iter().enumerate()
        {
            vm.log(level as u32, line);
        }
        vm.output(1, "printed\n");
        vm.output(2, "complained\n");
    });
}

#[test]
fn the_level_is_chosen_by_name_or_number_and_the_environment_wins() {
    let all = ["trace", "debug", "info", "warn", "error", "critical"];
    let baked = |level: u32| (config::LOG_LEVEL, level.to_le_bytes());
    for (environment, baked, first, printed) in [
        ("", None, 3, false),
        ("WASM_TRACER_LOG_LEVEL=info", None, 2, true),
        ("WASM_TRACER_LOG_LEVEL=0", None, 0, true),
        ("WASM_TRACER_LOG_LEVEL=critical", None, 5, false),
        ("", Some(baked(2)), 2, true),
        ("WASM_TRACER_LOG_LEVEL=error", Some(baked(1)), 4, false),
        ("WASM_TRACER_LOG_LEVEL=loud", Some(baked(1)), 1, true),
    ] {
        let baked = baked.as_ref().map(|(tag, value)| (*tag, value.as_slice()));
        let mut vm = Vm::start_with(baked.as_slice(), environment);
        says_something_at_each_level(&mut vm);
        let mut wanted = all[first..].to_vec();
        wanted.extend(printed.then_some("printed"));
        wanted.extend((first <= 4).then_some("complained"));
        assert_eq!(lines(&mut vm), wanted, "{environment:?}, {baked:?}");
    }
}

#[test]
fn a_line_stands_between_the_calls_around_it() {
    let mut vm = Vm::start();
    vm.call(Callback::ContextCreate, 2, [ROOT, 0, 0, 0], 0);
    vm.call_doing(Callback::RequestHeaders, 2, [9, 0, 0, 0], 1, |vm| {
        vm.http_call("first", 4, 500);
        vm.log(3, "asking the second too");
        vm.output(2, "really\n");
        vm.http_call("second", 8, 500);
    });
    vm.drain();
    let all: Vec<_> = vm.batches().iter().flat_map(events).collect();
    let phase = all.iter().find(|read| read.event.kind == 12).expect("the phase");
    let inside = all.iter().filter(|read| read.entry == phase.entry && read.event.kind >= 64);
    let kinds: Vec<_> = inside.map(|read| read.event.kind).collect();
    let (call, log, output) = (64, Hostcall::Log.number(), Hostcall::FdWrite.number());
    assert_eq!(kinds, [call, log, output, call]);
}

#[test]
fn a_line_that_is_not_finished_belongs_to_who_wrote_it() {
    let mut vm = Vm::start();
    for context in [2, 3] {
        vm.call(Callback::ContextCreate, context, [ROOT, 0, 0, 0], 0);
        vm.call_doing(Callback::RequestHeaders, context, [9, 0, 0, 0], 0, |vm| {
            vm.output(2, &format!("half a line of {context}"));
        });
    }
    vm.drain();
    let lines = of_kind(&vm.batches(), Hostcall::FdWrite.number());
    let told: Vec<_> = lines
        .iter()
        .map(|l| (l.context, String::from_utf8_lossy(&l.event.text).into_owned()))
        .collect();
    assert_eq!(told, [(2, "half a line of 2".into()), (3, "half a line of 3".into())]);
}

#[test]
fn output_shares_the_stream_s_kibibyte_and_what_is_beyond_is_counted() {
    let mut vm = Vm::start();
    vm.call(Callback::ContextCreate, 2, [ROOT, 0, 0, 0], 0);
    vm.call_doing(Callback::RequestHeaders, 2, [9, 0, 0, 0], 0, |vm| {
        vm.log(3, &"x".repeat(256));
        for _ in 0..10 {
            vm.output(2, &format!("{}\n", "y".repeat(200)));
        }
    });
    let kept: usize = lines(&mut vm).iter().map(String::len).sum();
    assert_eq!(kept, 1024);
    assert_eq!(vm.last_batch().counters.expect("counters").log_lines_dropped, 6);
}
