//! `proxy_get_status`: the host keeps one a root. A failed call of the recorder's own leaves no trace in
//! what the plugin reads.

mod plugins;
mod puppets;

use abi::{Callback, Hostcall};
use host::puppet::{Script, Step};
use host::{Callee, Log, Manner, What, Who};
use plugins::COLLECTOR;
use puppets::acts::furnish;
use puppets::values::{call, sensible};
use puppets::{alike, envoy};

/// Reads the status wherever it is called back, and in each request.
fn reader() -> Script {
    let read = || vec![sensible(Hostcall::GetStatus)];
    let dispatch =
        |cluster| call(Hostcall::HttpCall, move |at, _| if at == 0 { cluster } else { 0 });
    Script::default()
        .at(Callback::RequestHeaders, 0, vec![sensible(Hostcall::GetStatus), dispatch(0)])
        .at(Callback::RequestHeaders, 0, vec![dispatch(4), sensible(Hostcall::GrpcCall)])
        .at(
            Callback::RequestHeaders,
            0,
            vec![call(Hostcall::GrpcCall, |at, _| if at == 0 { 4 } else { 0 })],
        )
        .at(Callback::HttpCallResponse, 0, read())
        .at(Callback::GrpcReceive, 0, read())
        .at(Callback::GrpcClose, 0, read())
        .at(Callback::Log, 0, read())
}

/// Codes that the host itself told the plugin.
fn told(log: &Log) -> Vec<u64> {
    let is_read = |line: &&host::Line| {
        line.who == Who::Plugin
            && matches!(&line.what, What::Hostcall { hostcall: Some(Hostcall::GetStatus), .. })
    };
    let lines = log.0.iter().filter(is_read);
    lines
        .filter_map(|line| match &line.what {
            What::Hostcall { given, .. } => given.first().map(host::Value::number),
            _ => None,
        })
        .collect()
}

#[test]
fn a_failed_shipment_is_not_in_the_plugins_status() {
    for collector in [Manner::Reset { after_millis: 2 }, Manner::Reset { after_millis: 40 }] {
        let ran = alike(envoy(), &reader(), |vm| {
            furnish(vm);
            vm.callee(COLLECTOR, Callee::always(collector.clone()));
            vm.start("configuration");
            for _ in 0..9 {
                vm.get("/");
                vm.run_millis(700);
            }
            vm.run_millis(5_000);
        });
        let host_told = told(ran.original.log());
        for code in [0, 7, 11] {
            assert!(host_told.contains(&code), "{code} was never told: {host_told:?}");
        }
        let asked = told(ran.instrumented.log()).len();
        assert!(asked < host_told.len(), "the saved status was never used");
    }
}

#[test]
fn the_saved_status_is_handed_over_as_the_host_does_it() {
    // Into memory that grows in the allocator, and into none.
    for (site, steps) in [(0, vec![Step::Grow(1)]), (1, vec![])] {
        let script = reader().at(host::puppet::Site::ALLOCATOR, site, steps);
        alike(envoy(), &script, |vm| {
            furnish(vm);
            vm.callee(COLLECTOR, Callee::always(Manner::Reset { after_millis: 2 }));
            vm.start("configuration");
            for _ in 0..9 {
                vm.get("/");
                vm.run_millis(700);
            }
        });
    }
}

#[test]
fn where_the_host_forbids_the_status_the_plugin_is_refused_as_ever() {
    alike(envoy(), &reader(), |vm| {
        vm.refuse(Hostcall::GetStatus);
        furnish(vm);
        vm.callee(COLLECTOR, Callee::always(Manner::Reset { after_millis: 2 }));
        vm.start("configuration");
        for _ in 0..9 {
            vm.get("/");
            vm.run_millis(700);
        }
    });
}

#[test]
fn bad_addresses_are_written_as_far_as_they_are_good() {
    let read =
        |nth: usize| call(Hostcall::GetStatus, move |at, last| if at == nth { last } else { 0 });
    let dispatch = call(Hostcall::HttpCall, |at, _| if at == 0 { 4 } else { 0 });
    let script = Script::default()
        .at(Callback::HttpCallResponse, 0, vec![read(0), read(1)])
        .at(Callback::RequestHeaders, 0, vec![dispatch])
        .at(Callback::RequestHeaders, 0, vec![read(0), read(1), Step::Checksum]);
    alike(envoy(), &script, |vm| {
        furnish(vm);
        vm.callee(COLLECTOR, Callee::always(Manner::Reset { after_millis: 2 }));
        vm.start("configuration");
        for _ in 0..9 {
            vm.get("/");
            vm.run_millis(700);
        }
    });
}
