//! A host that restricts capabilities: each hostcall refused, each callback withheld; the plugin is
//! refused what it was refused before, and the recorder does not go on asking.

mod plugins;
mod puppets;

use abi::{Callback, Hostcall};
use host::puppet::Script;
use host::{Watch, Who};
use puppets::acts::{act_out, tour};
use puppets::values::sensible;
use puppets::{alike, envoy, stages};

/// Calls everything, the deadly things last.
fn everything(hostcalls: Vec<Hostcall>) -> Script {
    let deadly = [Hostcall::SendLocalResponse, Hostcall::CloseStream, Hostcall::ProcExit];
    let (last, first): (Vec<_>, Vec<_>) = hostcalls.into_iter().partition(|h| deadly.contains(h));
    let first: Vec<_> = first.into_iter().map(sensible).collect();
    let last: Vec<_> = last.into_iter().map(sensible).collect();
    let answered = [
        Hostcall::GetStatus,
        Hostcall::GetHeaderMapValue,
        Hostcall::GetBufferBytes,
        Hostcall::SetEffectiveContext,
        Hostcall::ContinueStream,
    ];
    let answered = answered.into_iter().map(sensible).collect();
    Script::default()
        .at(Callback::Configure, 1, first.clone())
        .at(Callback::RequestHeaders, 0, first.clone())
        .at(Callback::HttpCallResponse, 0, answered)
        .at(Callback::ResponseHeaders, 0, [first, last].concat())
}

#[test]
fn each_hostcall_can_be_refused() {
    let mut refused = std::collections::BTreeSet::new();
    // Stock Envoy, then Higress as emulated for what only it offers, then what only 0.1.0 has.
    for (name, shape, dialect) in [0, 3, 2].map(|place| stages().remove(place)) {
        let script = everything(shape.hostcalls());
        for hostcall in shape.hostcalls().into_iter().filter(|h| refused.insert(*h)) {
            let ran = alike((shape, dialect), &script, |vm| {
                vm.watch(Watch::Callbacks);
                vm.refuse(hostcall);
                act_out(vm, &tour());
            });
            let asked = ran.instrumented.log().statuses(Who::Recorder, hostcall);
            // set_tick_period stands in for the plugin's own, too.
            let most = if hostcall == Hostcall::SetTickPeriod { 40 } else { 8 };
            let untold = matches!(
                hostcall,
                Hostcall::Log
                    | Hostcall::GetStatus
                    | Hostcall::GetBufferBytes
                    | Hostcall::GetHeaderMapValue
            );
            assert!(untold || asked.len() <= most, "{name}: {hostcall:?} asked {}", asked.len());
        }
    }
    assert_eq!(refused.len(), Hostcall::ALL.len());
}

#[test]
fn each_callback_can_be_withheld() {
    let stage = envoy();
    let script = everything(stage.0.hostcalls());
    for callback in Callback::ALL {
        alike(stage, &script, |vm| {
            vm.withhold(*callback);
            act_out(vm, &tour());
        });
    }
}
