//! Compiled plugins: those of Higress from PyPI, and the examples in Go and Rust. Rewritten without
//! hooks, and instrumented, they do what they did.

mod plugins;

use std::sync::Mutex;

use abi::Host;
use host::{Callee, Dialect, Upstream, Vm, Watch, Who, compare};
use plugins::{COLLECTOR, example, higress, traced};

/// A GET, a POST in two pieces and a client that leaves, with time for calls and ticks.
fn script(configuration: &str) -> impl Fn(&mut Vm) {
    move |vm| {
        vm.callee(COLLECTOR, Callee::answers(200).with_body(""));
        vm.callee("callee", Callee::answers(200).after_millis(300));
        vm.start(configuration);
        for upstream in [Upstream::patient(200, "{\"a\":1}"), Upstream::early(200, "early")] {
            vm.upstream(upstream);
            vm.get("/v1/models?x=1");
            let json = [("content-type", "application/json")];
            let post = vm.open("POST /v1/chat/completions", &json, false);
            vm.body(post, r#"{"model":"a","messages":[{"role":"user","#, false);
            vm.body(post, r#""content":"hello"}]}"#, false);
            vm.body(post, "", true);
            let left = vm.open("POST /left", &json, false);
            vm.body(left, "{", false);
            vm.run_millis(1_500);
            vm.leave(left);
            vm.run_millis(1_000);
        }
    }
}

#[test]
fn higress_plugins_rewritten_without_hooks_are_alike_on_an_emulated_host() {
    of_all_higress_plugins(rewritten_is_alike);
}

#[test]
fn higress_plugins_instrumented_are_alike_on_an_emulated_host() {
    of_all_higress_plugins(instrumented_is_alike);
}

/// Two at a time: compiling them is most of the work.
fn of_all_higress_plugins(check: fn(&str, &[u8])) {
    let plugins = Mutex::new(higress());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some((name, original)) = next(&plugins) {
                    check(&name, &original);
                }
            });
        }
    });
}

fn rewritten_is_alike(name: &str, original: &[u8]) {
    let identity = instrument::identity(original).expect("it can be rewritten");
    let mut runs = [original, &identity].map(|wasm| {
        let mut vm = Vm::load(wasm, Dialect::Higress).expect("it loads");
        script("{}")(&mut vm);
        vm
    });
    let [one, other] = &mut runs;
    assert_eq!(one.log().text(), other.log().text(), "{name}");
    assert!(!one.log().text().is_empty(), "{name} does nothing");
}

fn next<T>(queue: &Mutex<Vec<T>>) -> Option<T> {
    queue.lock().expect("no other thread failed").pop()
}

fn instrumented_is_alike(name: &str, original: &[u8]) {
    let instrumented = traced(original, Host::Higress);
    let ran = compare(original, &instrumented, Dialect::Higress, |vm| {
        vm.watch(Watch::Callbacks);
        script("{}")(vm);
    });
    let ran = ran.unwrap_or_else(|error| panic!("{name}: {error}"));
    println!("{name}: {} lines, {} memories alike", ran.lines, ran.memories);
    if !ran.original.is_dead() {
        assert!(!ran.instrumented.calls(Who::Recorder).is_empty(), "{name} ships nothing");
    }
}

#[test]
fn examples_instrumented_are_alike() {
    for (file, host) in [("body-call-rust.wasm", Host::Envoy), ("body-call-go.wasm", Host::Higress)]
    {
        for mode in ["body", "fixed", "forget"] {
            let dialect = match (host, mode) {
                (Host::Higress, _) => Dialect::Higress,
                (_, "fixed") => Dialect::EnvoyAllowingHeadersStop,
                _ => Dialect::Envoy,
            };
            let original = example(file);
            let configuration = format!(
                r#"{{"cluster":"callee","path":"/check","timeout_millis":2000,"mode":"{mode}"}}"#
            );
            let ran = compare(&original, &traced(&original, host), dialect, |vm| {
                if mode == "fixed" {
                    vm.environment("HOLD_HEADERS", "1");
                }
                script(&configuration)(vm);
            });
            let ran = ran.unwrap_or_else(|error| panic!("{file} {mode}: {error}"));
            let called = ran.original.log().trace().contains("http_call_response");
            assert!(called, "{file} {mode} is called back\n{}", ran.original.log().text());
        }
    }
}
