//! Roots that come, wait and go: several in one VM, each with its own period, one that waits for
//! `proxy_done`, and streams on each.

mod plugins;
mod puppets;

use abi::{Callback, Hostcall};
use host::puppet::{Script, Step, Value};
use puppets::acts::furnish;
use puppets::values::sensible;
use puppets::{alike, stages};

fn period(millis: u64) -> Step {
    Step::Call(Hostcall::SetTickPeriod, vec![Value::Number(millis)])
}

#[test]
fn a_root_that_waits_ticks_until_it_says_done() {
    for (_, shape, dialect) in stages() {
        let script = Script::default()
            .at(Callback::Configure, 1, vec![period(100)])
            .at(Callback::Configure, 1, vec![period(70)])
            .at(Callback::Done, 0, vec![sensible(Hostcall::Log)])
            .at(
                Callback::Tick,
                0,
                vec![sensible(Hostcall::Log), sensible(Hostcall::GetCurrentTime)],
            )
            .at(Callback::RequestHeaders, 0, vec![sensible(Hostcall::SetEffectiveContext)])
            .at(
                Callback::Log,
                0,
                vec![
                    Step::Call(Hostcall::SetEffectiveContext, vec![Value::Number(1)]),
                    sensible(Hostcall::Done),
                ],
            );
        let ran = alike((shape, dialect), &script, |vm| {
            furnish(vm);
            let old = vm.start("one").root;
            vm.run_millis(250);
            let new = vm.start("two").root;
            vm.run_millis(500);
            vm.end_root(old);
            vm.run_millis(1_050);
            vm.open_on(new, "GET /ends-the-old-one", &[], true);
            vm.run_millis(1_050);
        });
        if shape.callbacks().contains(&Callback::Tick) {
            let ticks = ran.original.log().entries(Callback::Tick);
            let of = |root: u32| ticks.iter().filter(|args| args[0] == root).count();
            assert!((17..19).contains(&of(1)), "the old root ticks while it waits: {}", of(1));
            assert!(of(2) > 30, "the new root ticks on: {}", of(2));
            assert!(ran.original.log().entries(Callback::Delete).contains(&vec![1]), "it is done");
        }
    }
}

#[test]
fn a_period_that_is_set_in_every_callback_is_alike() {
    for (_, shape, dialect) in stages() {
        let mut script = Script::default();
        for (nth, callback) in shape.callbacks().into_iter().enumerate() {
            let result = u32::from(callback.row().returns == abi::Returns::Bool);
            script = script.at(
                callback,
                result,
                vec![period([100, 7, 0, 250, 1_000, 40][nth % 6]), sensible(Hostcall::Log)],
            );
        }
        alike((shape, dialect), &script, |vm| {
            puppets::acts::act_out(vm, &puppets::acts::tour());
        });
    }
}

#[test]
fn a_period_that_is_set_in_on_done_is_kept_while_the_root_waits() {
    for (_, shape, dialect) in stages() {
        let script = Script::default()
            .at(Callback::Done, 0, vec![period(100)])
            .at(Callback::Tick, 0, vec![sensible(Hostcall::Log)])
            .at(Callback::ResponseHeaders, 0, vec![sensible(Hostcall::SetEffectiveContext)]);
        alike((shape, dialect), &script, |vm| {
            furnish(vm);
            let old = vm.start("one").root;
            vm.get("/");
            let new = vm.start("two").root;
            vm.run_millis(1);
            vm.end_root(old);
            vm.open_on(new, "GET /", &[], true);
            vm.open_on(new, "GET /", &[], true);
            vm.run_millis(1_050);
        });
    }
}
