//! Puppets on hand-written scripts: each hostcall and each callback of the abi's tables, alike with and
//! without the recorder.

mod plugins;
mod puppets;

use abi::{Callback, Hostcall};
use host::puppet::{Allocator, Exports, Script, Site, Step};
use host::{Watch, What, Who};
use puppets::acts::{act_out, tour};
use puppets::values::{call, sensible};
use puppets::{alike, stages};

/// A script in which every callback does the same.
fn everywhere(shape: host::puppet::Shape, steps: impl Fn(usize) -> Vec<Step>) -> Script {
    let mut script = Script::default();
    for (nth, callback) in shape.callbacks().into_iter().enumerate() {
        for variant in 0..3 {
            script = script.at(callback, default(callback), steps(nth * 3 + variant));
        }
    }
    script
}

/// Yes where a boolean is returned, Continue where an action is.
fn default(callback: Callback) -> u32 {
    u32::from(callback.row().returns == abi::Returns::Bool)
}

#[test]
fn each_hostcall_of_the_tables_is_alike_in_every_callback() {
    for (name, shape, dialect) in stages() {
        for hostcall in shape.hostcalls() {
            let script = everywhere(shape, |nth| {
                vec![sensible(hostcall), call(hostcall, |at, choices| (nth + at) % choices)]
            });
            let ran = alike((shape, dialect), &script, |vm| {
                // Looking at all memory at each hostcall takes most of the time: on two stages only.
                let thorough = shape.exports == Exports::All && shape.allocator == Allocator::Proxy;
                vm.watch(if thorough { Watch::Hostcalls } else { Watch::Callbacks });
                act_out(vm, &tour());
            });
            let made = |line: &host::Line| matches!(&line.what, What::Hostcall { hostcall: Some(h), .. } if *h == hostcall);
            assert!(ran.original.log().0.iter().any(made), "{name}: {hostcall:?} was not called");
            assert!(ran.lines > 10, "{name}: {hostcall:?}\n{}", ran.original.log().text());
            let shipped = !ran.instrumented.calls(Who::Recorder).is_empty();
            assert!(
                shipped,
                "{name} {hostcall:?}: nothing left\n{}",
                ran.instrumented.log().text()
            );
        }
    }
}

#[test]
fn each_callback_of_the_tables_is_called() {
    let mut called = std::collections::BTreeSet::new();
    for (_, shape, dialect) in stages() {
        let mut dispatches: Vec<Step> =
            [Hostcall::HttpCall, Hostcall::GrpcCall, Hostcall::GrpcStream, Hostcall::RedisCall]
                .into_iter()
                .chain([Hostcall::ResolveDns, Hostcall::RegisterSharedQueue])
                .filter(|hostcall| shape.hostcalls().contains(hostcall))
                .map(sensible)
                .collect();
        dispatches.push(sensible(Hostcall::EnqueueSharedQueue));
        dispatches.push(sensible(Hostcall::SetTickPeriod));
        let script = Script::default().at(Callback::RequestHeaders, 0, dispatches).at(
            Callback::GrpcReceiveInitialMetadata,
            0,
            {
                let end = |at: usize, _| usize::from(at == 2);
                vec![call(Hostcall::GrpcSend, end)]
            },
        );
        let ran = alike((shape, dialect), &script, |vm| act_out(vm, &tour()));
        for line in &ran.original.log().0 {
            if let What::Enters { callback, .. } = &line.what {
                called.insert(*callback);
            }
        }
    }
    let missing: Vec<_> = Callback::ALL.iter().filter(|c| !called.contains(c)).collect();
    // That one Envoy answers itself (`Context::onGrpcCreateInitialMetadata`).
    assert_eq!(missing, [&Callback::GrpcCreateInitialMetadata]);
}

#[test]
fn a_trap_in_each_callback_is_alike() {
    let (_, shape, dialect) = stages().remove(0);
    for trap in [Step::Unreachable, Step::WildLoad, Step::DivideByZero] {
        for callback in shape.callbacks() {
            let script = Script::default()
                .at(Callback::RequestHeaders, 0, vec![sensible(Hostcall::HttpCall)])
                .at(callback, default(callback), vec![sensible(Hostcall::Log), trap.clone()]);
            let ran = alike((shape, dialect), &script, |vm| act_out(vm, &tour()));
            assert_eq!(ran.original.is_dead(), ran.instrumented.is_dead());
        }
        for site in [Site::START, Site::ALLOCATOR] {
            let script = Script::default()
                .at(Callback::RequestHeaders, 0, vec![sensible(Hostcall::GetHeaderMapPairs)])
                .at(site, 0, vec![trap.clone()]);
            let ran = alike((shape, dialect), &script, |vm| act_out(vm, &tour()));
            assert!(ran.original.is_dead() && ran.instrumented.is_dead());
        }
    }
}
