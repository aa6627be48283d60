//! An instrumented plugin does what its original does, whatever the collector does, and what it
//! ships is what the host saw.

mod batches;
mod plugins;

use std::cell::Cell;

use abi::{Callback, Host, Hostcall};
use host::{Callee, Comparison, Dialect, Manner, Upstream, Vm, Who, compare};
use plugins::{COLLECTOR, plugin, traced};

/// Runs a script on a hand-written plugin and on its instrumented copy.
#[track_caller]
fn alike(name: &str, dialect: Dialect, script: impl Fn(&mut Vm)) -> Comparison {
    let original = plugin(name);
    let instrumented = traced(&original, Host::Envoy);
    compare(&original, &instrumented, dialect, script).unwrap_or_else(|error| panic!("{error}"))
}

/// The plugin of the report meets everything: an early upstream, a patient one, a closing one, a
/// denial, a client that leaves.
fn traffic(vm: &mut Vm) {
    vm.callee("slow", Callee::answers(200).after_millis(2_000));
    vm.start("");
    for upstream in [
        Upstream::early(200, "early"),
        Upstream::patient(200, "patient"),
        Upstream::Closes { after_millis: 2 },
        Upstream::Silent,
    ] {
        vm.upstream(upstream);
        vm.get("/get");
        vm.post("/post", "some body");
        let left = vm.open("POST /left", &[], false);
        vm.body(left, "half", false);
        vm.run_millis(700);
        vm.leave(left);
        vm.run_millis(3_000);
    }
    vm.upstream(Upstream::patient(200, "hello").with_trailers(&[("x-end", "yes")]));
    vm.callee("slow", Callee::answers(403).after_millis(20));
    let denied = vm.open("POST /denied", &[], false);
    vm.body(denied, "one", false);
    vm.body(denied, "two", false);
    vm.trailers(denied, &[("x-last", "1")]);
    vm.post("/denied", "body");
    vm.run_millis(500);
    vm.callee("slow", Callee::always(Manner::Reset { after_millis: 5 }));
    vm.post("/reset", "body");
    vm.callee("slow", Callee::always(Manner::NoHealthyHost));
    vm.post("/no-host", "body");
    vm.run_millis(8_000);
}

#[test]
fn traffic_is_alike_in_every_dialect() {
    for dialect in [Dialect::Envoy, Dialect::EnvoyAllowingHeadersStop, Dialect::Higress] {
        let ran = alike("body_call", dialect, |vm| {
            vm.callee(COLLECTOR, Callee::answers(200).with_body(""));
            traffic(vm);
        });
        assert!(ran.lines > 100 && ran.memories > 50, "{} {}", ran.lines, ran.memories);
        assert!(!ran.instrumented.calls(Who::Recorder).is_empty(), "nothing was shipped");
    }
}

#[test]
fn traffic_is_alike_whatever_the_collector_answers() {
    let collectors: Vec<(&str, Option<Callee>)> = vec![
        ("429", Some(Callee::answers(429).with_header("retry-after", "2"))),
        ("401", Some(Callee::answers(401))),
        ("413", Some(Callee::answers(413))),
        ("422", Some(Callee::answers(422))),
        ("503", Some(Callee::answers(503))),
        ("late", Some(Callee::answers(200).after_millis(4_900))),
        ("too late", Some(Callee::answers(200).after_millis(60_000))),
        ("silent", Some(Callee::never())),
        ("refused", Some(Callee::always(Manner::ConnectFailure { after_millis: 1 }))),
        ("reset", Some(Callee::always(Manner::Reset { after_millis: 1 }))),
        ("no healthy host", Some(Callee::always(Manner::NoHealthyHost))),
        ("unknown cluster", None),
        ("garbage", Some(Callee::answers(200).with_body([0xff; 300]))),
    ];
    for (name, callee) in collectors {
        let ran = alike("body_call", Dialect::Envoy, |vm| {
            if let Some(callee) = &callee {
                vm.callee(COLLECTOR, callee.clone());
            }
            traffic(vm);
            traffic_bulk(vm, 300);
        });
        let added = ran.instrumented.memory_bytes() - ran.original.memory_bytes();
        assert!(added <= 256 * 1024, "{name}: the recorder holds {added} bytes");
        let warnings = ran.instrumented.log().messages(Who::Recorder);
        let seconds = ran.instrumented.now() / 1_000_000_000;
        assert!(warnings.len() as u64 <= 3 * (1 + seconds / 60), "{name}: {warnings:?}");
    }
}

fn traffic_bulk(vm: &mut Vm, streams: usize) {
    vm.upstream(Upstream::patient(200, "hello"));
    for index in 0..streams {
        vm.get(&format!("/bulk/{index}"));
        vm.run_millis(10);
    }
    vm.run_millis(2_000);
}

#[test]
fn a_refused_capability_leaves_the_plugin_alone() {
    for hostcall in [Hostcall::GetProperty, Hostcall::SetTickPeriod, Hostcall::HttpCall] {
        let ran = alike("body_call", Dialect::Envoy, |vm| {
            vm.callee(COLLECTOR, Callee::answers(200).with_body(""));
            vm.refuse(hostcall);
            traffic(vm);
        });
        if hostcall == Hostcall::HttpCall {
            let tries = ran.instrumented.log().statuses(Who::Recorder, hostcall).len();
            assert!(tries <= 3, "it goes on trying: {tries}");
        }
    }
}

#[test]
fn batches_say_what_the_host_saw() {
    let ran = alike("body_call", Dialect::Envoy, |vm| {
        vm.callee(COLLECTOR, Callee::answers(200).with_body(""));
        traffic(vm);
        vm.run_millis(20_000);
    });
    let shipped = batches::facts(&batches::of(&ran.instrumented));
    let seen = batches::seen(ran.instrumented.log(), &ran.original);
    for (index, (shipped, seen)) in shipped.iter().zip(&seen).enumerate() {
        assert_eq!(shipped, seen, "event {index}");
    }
    assert_eq!(shipped.len(), seen.len());
    let late = shipped.iter().filter(|f| f.kind == Callback::HttpCallResponse.number()).count();
    assert!(late > 3, "response callbacks are among them");
}

#[test]
fn what_is_lost_is_counted_and_said() {
    let healed = Cell::new(0);
    let ran = alike("body_call", Dialect::Envoy, |vm| {
        vm.callee(COLLECTOR, Callee::never());
        vm.callee("slow", Callee::answers(200));
        vm.start("");
        // One stream in four is refused above three quarters of the buffer; open ones fill the rest.
        let open: Vec<_> = (0..200).map(|_| vm.open("POST /open", &[], false)).collect();
        traffic_bulk(vm, 1_500);
        for _ in 0..10 {
            for stream in &open {
                vm.body(*stream, "piece", false);
            }
        }
        vm.run_millis(10_000);
        healed.set(vm.now());
        vm.callee(COLLECTOR, Callee::answers(200).with_body(""));
        for stream in open {
            vm.leave(stream);
        }
        vm.run_millis(60_000);
    });
    let batches = batches::since(&ran.instrumented, healed.get());
    let counters = batches.iter().rev().find_map(|b| b.counters.as_ref()).expect("counters");
    batches::assert_dense(&batches, counters.events_lost);
}

#[test]
fn a_plugin_that_gives_up_leaves_a_black_box() {
    let ran = alike("trapper", Dialect::Envoy, |vm| {
        vm.callee(COLLECTOR, Callee::answers(200).with_body(""));
        vm.start("");
        let quiet = vm.get("/quiet");
        vm.run_millis(50);
        assert_eq!(vm.answer(quiet).status(), 200);
        let doomed = vm.post("/doomed", "body");
        vm.run_millis(1_000);
        assert_eq!(vm.answer(doomed).status(), 503);
    });
    assert!(ran.instrumented.is_dead());
    let batches = batches::of(&ran.instrumented);
    let open = batches.iter().flat_map(|batch| &batch.open).collect::<Vec<_>>();
    assert_eq!(open.len(), 1);
    assert_eq!((open[0].kind, open[0].context), (Callback::RequestBody.number(), 3));
    let said = String::from_utf8_lossy(&open[0].last_log).into_owned();
    assert!(said.contains("panic: no body wanted"), "{said}");
}

#[test]
fn one_other_byte_in_memory_or_answer_is_found() {
    let original = plugin("body_call");
    let other = |from: &[u8], to: &[u8]| {
        let mut copy = original.clone();
        let at = copy.windows(from.len()).position(|w| w == from).expect("it is there");
        copy[at..at + to.len()].copy_from_slice(to);
        let instrumented = traced(&copy, Host::Envoy);
        let error = compare(&original, &instrumented, Dialect::Envoy, traffic).err();
        error.map(|error| error.to_string()).unwrap_or_default()
    };
    let memory = other(b"no call", b"NO call");
    assert!(memory.contains("memory differs in page 0"), "{memory}");
    let call = other(b"slow", b"fast");
    assert!(call.contains("differs"), "{call}");
}
