//! What a plugin reads with `proxy_get_status`: the host keeps one a root, and a failure of the recorder's
//! own call must not show in it.

mod support;

use abi::{Callback, Hostcall};
use support::{ROOT, Vm};

/// The plugin's call 9999 failed.
const FAILED: [u32; 4] = [9999, 0, 0, 0];

/// A shipment fails without headers, and the host keeps that as the root's status.
fn ours_fails(vm: &mut Vm) {
    vm.small_request(2);
    vm.pass_millis(1000);
    our_answer_is_missing(vm);
}

fn our_answer_is_missing(vm: &mut Vm) {
    let call = vm.host.in_flight.pop().expect("in flight");
    assert!(!vm.enter(Callback::HttpCallResponse, ROOT, [call, 0, 0, 0]));
    vm.host.status = (11, b"ours".to_vec());
}

#[test]
fn the_plugin_s_own_status_survives_a_failure_of_ours() {
    let mut vm = Vm::start();
    vm.small_request(2);
    vm.pass_millis(1000);
    vm.host.status = (11, b"reset".to_vec());
    assert!(vm.enter(Callback::HttpCallResponse, ROOT, FAILED));
    our_answer_is_missing(&mut vm);
    assert_eq!(vm.recorder.saved_status(), Some((11, b"reset".as_slice())));
    let (to, _) = vm.host.put(&[0; 5]);
    vm.recorder.saved_status_copy(to, &mut vm.host);
    assert_eq!(vm.host.peek(to, 5), b"reset");
    vm.leave(Callback::HttpCallResponse, ROOT, 0);
    vm.host.status = (14, b"unavailable".to_vec());
    assert!(vm.enter(Callback::GrpcClose, ROOT, [13, 14, 0, 0]));
    assert_eq!(vm.recorder.saved_status(), None, "the host's is the plugin's again");
    vm.leave(Callback::GrpcClose, ROOT, 0);
}

#[test]
fn after_the_callback_only_the_code_stays_as_with_the_host() {
    let mut vm = Vm::start();
    vm.host.status = (11, b"reset".to_vec());
    vm.call(Callback::HttpCallResponse, ROOT, FAILED, 0);
    ours_fails(&mut vm);
    assert!(vm.enter(Callback::QueueReady, ROOT, [0; 4]));
    assert_eq!(vm.recorder.saved_status(), Some((11, b"".as_slice())));
    vm.leave(Callback::QueueReady, ROOT, 0);
}

#[test]
fn it_is_that_of_the_effective_context_s_root() {
    let mut vm = Vm::start();
    vm.create_root(7);
    vm.call(Callback::ContextCreate, 20, [7, 0, 0, 0], 0);
    vm.host.status = (11, b"of one".to_vec());
    vm.call(Callback::HttpCallResponse, ROOT, FAILED, 0);
    ours_fails(&mut vm);
    assert!(vm.enter(Callback::QueueReady, 7, [0; 4]));
    assert_eq!(vm.recorder.saved_status(), None, "nothing of ours hides the other root's");
    vm.hostcall(Hostcall::SetEffectiveContext, 0, &[ROOT]);
    assert_eq!(vm.recorder.saved_status(), Some((11, b"".as_slice())));
    vm.hostcall(Hostcall::SetEffectiveContext, 0, &[20]);
    assert_eq!(vm.recorder.saved_status(), None);
    vm.leave(Callback::QueueReady, 7, 0);
}
