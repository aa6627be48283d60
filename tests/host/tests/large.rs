//! Headers that do not fit into the recorder's arena: the plugin gets them as ever, and the stream is
//! named all the same.

mod batches;
mod plugins;
mod puppets;

use abi::{Callback, Hostcall};
use host::puppet::Script;
use host::{Callee, Who};
use plugins::COLLECTOR;
use puppets::values::sensible;
use puppets::{alike, envoy};

#[test]
fn sixty_kilobytes_of_headers() {
    let script = Script::default().at(
        Callback::RequestHeaders,
        1,
        vec![
            sensible(Hostcall::GetHeaderMapPairs),
            sensible(Hostcall::GetHeaderMapValue),
            sensible(Hostcall::GetHeaderMapPairs),
        ],
    );
    let value = "v".repeat(6_000);
    let names: Vec<String> = (0..10).map(|n| format!("x-large-{n}")).collect();
    let large: Vec<(&str, &str)> = names.iter().map(|n| (n.as_str(), value.as_str())).collect();
    let ran = alike(envoy(), &script, |vm| {
        vm.callee(COLLECTOR, Callee::answers(200).with_body(""));
        vm.start("configuration");
        let stream = vm.open("GET /large?secret=1", &large, true);
        vm.run_millis(100);
        vm.leave(stream);
        vm.run_millis(3_000);
    });
    let asked = ran.instrumented.log().statuses(Who::Recorder, Hostcall::GetHeaderMapPairs);
    assert!(asked.contains(&6), "the map did not fit: {asked:?}");
    let batches = batches::of(&ran.instrumented);
    let streams: Vec<_> = batches.iter().flat_map(|batch| &batch.streams).collect();
    let named = streams.iter().find(|s| !s.path.is_empty()).expect("the stream has a name");
    assert_eq!((named.path.as_str(), named.method.as_str()), ("/large", "GET"));
    assert!(named.request_id.starts_with("00000000-0000-4000"), "{named:?}");
    assert!(named.headers_too_large, "{named:?}");
    let counted = batches.iter().filter_map(|b| b.counters.as_ref()).next_back();
    assert!(counted.is_some_and(|c| c.headers_too_large > 0), "{counted:?}");
}
