//! Whole VMs that are replaced, and a language whose SDK does not forgive a timer that outlives its root.

use e2e::{Mode, Plugin, Request, Sdk, Trace, soon};

use crate::scene::{ended_and_silent, fixed, held_for, meanwhile, push, start, vms};
use crate::told::{instances, listed, nothing_else, root_of, told};

#[test]
fn a_push_that_changes_the_vm_lets_the_old_vm_finish_its_streams() {
    let gate =
        |variant| ("gate", fixed().ticks_every(100).variable("VARIANT", variant).in_vm("vm"));
    let lives = start(&[gate("old")]);
    let mut second = None;
    let held = meanwhile(&lives, &held_for(500), || {
        push(&lives, &[gate("new")]);
        second = Some(lives.send("door", &Request::post("/patient?callee=after-10", "text")));
    });
    assert_eq!(held.status, 200);
    let second = told(&lives, &second.expect("sent"), &["gate"]);
    let held = told(&lives, &held, &["gate"]);
    assert_ne!(held[0]["instance"], second[0]["instance"]);
    let ended = |thread: &u32, trace: &Trace| {
        let deleted = trace.of("delete").filter(|entry| entry.thread == *thread);
        deleted.filter(|entry| entry.arguments == [1] && entry.periods == [0]).count() == 1
    };
    soon("the old VMs have ended", || {
        let trace = lives.trace(0);
        vms(&lives, &trace).iter().all(|thread| ended(thread, &trace)).then_some(())
    });
    assert_eq!(listed(&instances(&lives)).len(), 4, "the old two and the new two");
    nothing_else(&lives, 2);
}

#[test]
fn a_plugin_in_go_too_outlives_the_end_of_its_old_root() {
    // Its SDK panics at a tick for a root that it does not know any more.
    let gate = |timeout| {
        let plugin = Plugin::new(Sdk::Go, Mode::Fixed).traced().timeout_millis(timeout);
        ("gate", plugin.variable("WASM_TRACER_FLUSH_MILLIS", "100").in_vm("vm"))
    };
    let lives = start(&[gate(4000)]);
    let mut second = None;
    let held = meanwhile(&lives, &held_for(500), || {
        push(&lives, &[gate(4001)]);
        second = Some(lives.send("door", &Request::post("/patient?callee=after-10", "text")));
    });
    let second = told(&lives, &second.expect("sent"), &["gate"]);
    let held = told(&lives, &held, &["gate"]);
    assert_ne!(root_of(&held[0]), root_of(&second[0]));
    assert_eq!(held[0]["instance"], second[0]["instance"]);
    ended_and_silent(&lives, &[1]);
    let last = lives.send("door", &Request::post("/patient?callee=after-10", "text"));
    told(&lives, &last, &["gate"]);
    nothing_else(&lives, 3);
}
