//! The recorder turns itself down to heartbeats: each of its reasons, shown on
//! instrumented modules, while the plugin goes on as its original does.

mod batches;
mod plugins;

use abi::Host;
use host::{Callee, Comparison, Dialect, Upstream, Vm, Who, compare};
use plugins::{COLLECTOR, plugin, traced};
use proto::v1::{Batch, Counters, FuseReason, LostReason};

fn alike(original: &[u8], script: impl Fn(&mut Vm)) -> Comparison {
    let instrumented = traced(original, Host::Envoy);
    let ran = compare(original, &instrumented, Dialect::Envoy, script);
    ran.unwrap_or_else(|error| panic!("{error}"))
}

/// What the recorder said in the host's log about itself.
fn said(vm: &Vm, words: &str) -> usize {
    vm.log().messages(Who::Recorder).iter().filter(|line| line.contains(words)).count()
}

/// The counters of the first batch that tells of a blown fuse, and of the last batch of all.
fn told(batches: &[Batch]) -> (Counters, Counters) {
    let all: Vec<_> = batches.iter().filter_map(|batch| batch.counters.clone()).collect();
    let blown = all.iter().find(|counters| counters.fuse_trips > 0).expect("it is told").clone();
    (blown, all.last().expect("counters").clone())
}

/// The number that stands for the events that were not made.
fn gaps(batches: &[Batch]) -> usize {
    let lost = batches.iter().flat_map(|batch| &batch.lost);
    lost.filter(|lost| lost.reason() == LostReason::TurnedDown).count()
}

#[test]
fn a_slow_recorder_gives_way_and_comes_back_when_it_is_quick_again() {
    let ran = alike(&plugin("body_call"), |vm| {
        vm.callee(COLLECTOR, Callee::answers(200).with_body(""));
        vm.upstream(Upstream::patient(200, "hello"));
        vm.start("");
        vm.slow_recorder(500_000);
        requests(vm, 1_500);
        vm.slow_recorder(0);
        vm.run_millis(60_000);
        requests(vm, 100);
        vm.run_millis(3_000);
    });
    assert_eq!(said(&ran.instrumented, "turns itself down to heartbeats: recording took"), 1);
    assert_eq!(said(&ran.instrumented, "records again"), 1);
    let batches = batches::of(&ran.instrumented);
    let (blown, last) = told(&batches);
    assert_eq!(blown.fuse(), FuseReason::TimeShare);
    assert!(blown.recorder_micros > 1_000_000, "{}", blown.recorder_micros);
    assert_eq!((last.fuse(), last.fuse_trips), (FuseReason::None, 1));
    assert!(gaps(&batches) > 0);
    let root = &batches.last().expect("batches").roots[0];
    assert_eq!(root.streams, 1_600, "all are counted");
    assert!((200..1_500).contains(&root.streams_recorded), "{}", root.streams_recorded);
}

fn requests(vm: &mut Vm, count: usize) {
    for _ in 0..count {
        vm.get("/");
        vm.run_millis(10);
    }
}

#[test]
fn a_recorder_that_loses_what_it_records_stops_until_the_collector_takes_it() {
    let ran = alike(&plugin("body_call"), |vm| {
        vm.callee(COLLECTOR, Callee::never());
        vm.start("");
        let open: Vec<_> = (0..200).map(|_| vm.open("POST /open", &[], false)).collect();
        for _ in 0..200 {
            for stream in &open {
                vm.body(*stream, "piece", false);
            }
            vm.run_millis(200);
        }
        vm.callee(COLLECTOR, Callee::answers(200).with_body(""));
        vm.run_millis(90_000);
        for stream in open {
            vm.leave(stream);
        }
        vm.run_millis(3_000);
    });
    assert_eq!(said(&ran.instrumented, "turns itself down to heartbeats: it lost events"), 1);
    assert_eq!(said(&ran.instrumented, "records again"), 1);
    let batches = batches::of(&ran.instrumented);
    let (blown, last) = told(&batches);
    assert_eq!(blown.fuse(), FuseReason::Loss);
    assert_eq!((last.fuse(), last.fuse_trips), (FuseReason::None, 1));
    assert!(gaps(&batches) > 0);
}

#[test]
fn near_the_memory_s_maximum_it_stops_for_good_and_the_plugin_gets_all_its_pages() {
    let text = include_str!("plugins/grower.wat");
    let text =
        text.replace(r#"(memory (export "memory") 1)"#, r#"(memory (export "memory") 1 120)"#);
    let original = wat::parse_str(text).expect("the grower with a maximum");
    let ran = alike(&original, |vm| {
        vm.callee(COLLECTOR, Callee::answers(200).with_body(""));
        vm.start("");
        vm.run_millis(20_000);
    });
    // That it is told so at the same time as the original was compared above.
    let full = ran.original.log().messages(Who::Plugin);
    assert!(full.iter().filter(|line| *line == "not grown").count() > 50, "it came to its end");
    assert_eq!(said(&ran.instrumented, "the memory is nearly as large as it may become"), 1);
    let (blown, last) = told(&batches::of(&ran.instrumented));
    assert_eq!((blown.fuse(), last.fuse()), (FuseReason::Memory, FuseReason::Memory));
}
