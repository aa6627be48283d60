//! Each push of a configuration adds a root to the VM while the one before drains, for as long as the VM
//! lives.

mod support;

use std::collections::BTreeMap;

use abi::{Callback, Hostcall};
use support::Vm;

/// A root with one stream that is held for a call, and then the end of both.
fn life(vm: &mut Vm, root: u32, cluster: &str) {
    vm.create_root(root);
    let stream = root + 1;
    vm.call(Callback::ContextCreate, stream, [root, 0, 0, 0], 0);
    let call = vm.host.next_call;
    vm.call_doing(Callback::RequestHeaders, stream, [9, 0, 0, 0], 1, |vm| {
        vm.http_call(cluster, call, 500);
    });
    vm.host.response = vec![(":status".into(), "200".into())];
    vm.call_doing(Callback::HttpCallResponse, root, [call, 5, 0, 0], 0, |vm| {
        vm.hostcall(Hostcall::SetEffectiveContext, 0, &[stream]);
        vm.hostcall(Hostcall::ContinueStream, 0, &[0]);
    });
    vm.end(stream);
}

#[test]
fn counts_are_of_the_root_and_cluster_that_they_name_after_hundreds_of_roots() {
    let mut vm = Vm::start();
    let mut last = BTreeMap::new();
    for push in 0..300u32 {
        let root = 100 + push * 10;
        let cluster = format!("cluster-{}", push % 5);
        life(&mut vm, root, &cluster);
        vm.pass_millis(1100);
        vm.answer_all(200);
        // What a collector makes of it: the highest value of each row.
        for call in vm.last_batch().counters.into_iter().flat_map(|c| c.calls) {
            let name = String::from_utf8_lossy(&call.cluster).into_owned();
            let known = last.entry((call.root, name, call.outcome)).or_insert(0);
            *known = call.count.max(*known);
        }
        vm.call(Callback::Done, root, [0; 4], 1);
        vm.call(Callback::Delete, root, [0; 4], 0);
    }
    assert_eq!(last.len(), 300, "a row for each root");
    for ((root, cluster, _), count) in last {
        assert_eq!(count, 1, "root {root}");
        assert_eq!(cluster, format!("cluster-{}", (root - 100) / 10 % 5));
    }
    let counters = vm.last_batch().counters.expect("counted");
    assert!(counters.phases.iter().all(|phase| phase.kind != 0), "none is of the others");
    assert!(counters.pauses.iter().all(|pause| pause.root != 0), "none is of the others");
}

#[test]
fn a_root_without_a_place_keeps_its_own_timer_also_when_a_place_is_free_again() {
    let mut vm = Vm::start();
    for root in 1001..1030 {
        vm.create_root(root);
    }
    vm.call_doing(Callback::Configure, 1029, [0; 4], 1, |vm| {
        assert_eq!(vm.recorder.set_tick_period(700, &mut vm.host), 0);
    });
    assert_eq!(vm.period(1029), 700);
    vm.call(Callback::Done, 1001, [0; 4], 1);
    vm.call(Callback::Delete, 1001, [0; 4], 0);
    vm.call(Callback::ContextCreate, 2, [1029, 0, 0, 0], 0);
    vm.end(2);
    let start = vm.host.micros();
    vm.pass_millis(7100);
    assert_eq!(vm.period(1029), 700, "as the plugin set it");
    assert_eq!(vm.plugin_ticks.len(), 10);
    assert!(vm.plugin_ticks.iter().all(|at| *at > start));
}
