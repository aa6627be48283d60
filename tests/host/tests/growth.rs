//! Memory that grows between and inside callbacks, and inside hostcalls: to the plugin it is its own,
//! at the same addresses and with the same bytes as without the recorder above it.

mod plugins;

use abi::Host;
use host::{Callee, Comparison, Dialect, Upstream, Vm, Watch, Who, compare};
use plugins::{COLLECTOR, example, plugin, traced};

/// Streams without a body, and with bodies of 1 MiB in both directions now and then.
fn bodies(vm: &mut Vm, streams: usize, configuration: &str) {
    vm.callee(COLLECTOR, Callee::answers(200).with_body(""));
    vm.environment("GROW", "1");
    vm.start(configuration);
    let megabyte = "0123456789abcdef".repeat(1 << 16);
    for index in 0..streams {
        if index % 16 == 0 {
            vm.upstream(Upstream::patient(200, &megabyte));
            vm.post("/megabyte", &megabyte);
        } else {
            vm.upstream(Upstream::patient(200, "hello"));
            vm.post("/grow", "some body");
        }
        vm.run_millis(110);
    }
    vm.run_millis(1_000);
}

/// It grew 200 times and more, some of them inside hostcalls, and what the plugin says of its own
/// memory is what the original says.
#[track_caller]
fn assert_grown(ran: &Comparison, inside_hostcalls: u32) {
    let growths = ran.original.growths();
    let said = ran.original.log().messages(Who::Plugin);
    assert!(growths.all >= 200, "{growths:?}");
    assert!(growths.inside_hostcalls >= inside_hostcalls, "{growths:?}");
    assert!(ran.instrumented.growths().all >= growths.all, "{:?}", ran.instrumented.growths());
    assert!(!said.is_empty() && ran.memories > 300, "{} memories", ran.memories);
    assert_eq!(said, ran.instrumented.log().messages(Who::Plugin));
    assert!(ran.instrumented.calls(Who::Recorder).len() >= 5, "it ships in between");
}

#[test]
fn a_heap_that_reaches_to_memory_size() {
    let original = plugin("grower");
    let instrumented = traced(&original, Host::Envoy);
    let ran = compare(&original, &instrumented, Dialect::Envoy, |vm| bodies(vm, 70, ""));
    let ran = ran.unwrap_or_else(|error| panic!("{error}"));
    let said = ran.original.log().messages(Who::Plugin);
    assert!(!said.iter().any(|line| line == "not grown"));
    assert_grown(&ran, 70);
}

#[test]
fn the_heap_of_a_plugin_in_rust() {
    let original = example("body-call-rust.wasm");
    let instrumented = traced(&original, Host::Envoy);
    let ran = compare(&original, &instrumented, Dialect::Envoy, |vm| {
        bodies(vm, 60, r#"{"mode":"grow"}"#);
    });
    let ran = ran.unwrap_or_else(|error| panic!("{error}"));
    assert_kept(&ran);
    assert_grown(&ran, 5);
}

#[test]
fn the_heap_of_a_plugin_in_go() {
    let original = example("body-call-go.wasm");
    let instrumented = traced(&original, Host::Higress);
    let ran = compare(&original, &instrumented, Dialect::Higress, |vm| {
        vm.watch(Watch::Callbacks);
        bodies(vm, 60, r#"{"cluster":"callee"}"#);
    });
    let ran = ran.unwrap_or_else(|error| panic!("{error}"));
    assert_kept(&ran);
    assert_grown(&ran, 5);
}

/// The plugin looked at all that it keeps at each stream's end, and found it as it was.
#[track_caller]
fn assert_kept(ran: &Comparison) {
    let said = ran.original.log().messages(Who::Plugin);
    let checks = said.iter().filter(|line| line.contains("checksum")).count();
    assert_eq!(checks, 60, "{said:?}");
    assert!(!said.iter().any(|line| line.contains("has changed")), "{said:?}");
}
