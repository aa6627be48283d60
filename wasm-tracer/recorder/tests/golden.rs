//! The golden batch of this revision of the wire: what the recorder writes for one fixed run. Kept in
//! `proto/golden`, decoded for ever. `BLESS=1` writes it, for a new revision only.

mod support;

use std::path::Path;

use abi::{Callback, Hostcall};
use prost::Message;
use support::{ROOT, Vm};

const NAME: &str = "v1-minor-1";

#[test]
fn the_golden_batch_is_what_the_recorder_writes() {
    let mut vm = Vm::start_with(&[], "WASM_TRACER_HEADERS=x-tenant");
    vm.call(Callback::ContextCreate, 2, [ROOT, 0, 0, 0], 0);
    vm.call(Callback::RequestHeaders, 2, [10, 0, 0, 0], 0);
    vm.call_doing(Callback::RequestBody, 2, [14, 1, 0, 0], 1, |vm| {
        vm.http_call("slow", 4, 2000);
        vm.log(3, "http call start");
    });
    vm.call(Callback::ResponseHeaders, 2, [5, 0, 0, 0], 0);
    vm.end(2);
    vm.host.pass_micros(1500);
    vm.host.response = vec![(":status".into(), "504".into())];
    vm.host.body = b"upstream request timeout".to_vec();
    vm.call_doing(Callback::HttpCallResponse, ROOT, [4, 3, 24, 0], 0, |vm| {
        vm.hostcall(Hostcall::SetEffectiveContext, 2, &[2]);
        vm.hostcall(Hostcall::ContinueStream, 0, &[0]);
    });
    assert!(vm.enter(Callback::QueueReady, ROOT, [1, 0, 0, 0]));
    vm.recorder.trap(&mut vm.host);
    let batch = vm.last_batch();
    let raw = &vm.host.sent.last().expect("shipped").raw;
    assert!(!batch.open.is_empty() && batch.counters.is_some() && !batch.streams.is_empty());

    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../proto/golden");
    let binary = folder.join(format!("{NAME}.bin"));
    if std::env::var_os("BLESS").is_some() {
        std::fs::create_dir_all(&folder).expect("a folder");
        std::fs::write(&binary, raw).expect("writable");
        let text = folder.join(format!("{NAME}.txt"));
        std::fs::write(text, format!("{batch:#?}\n")).expect("writable");
    }
    let golden = std::fs::read(&binary).expect("the golden batch");
    let decoded = proto::v1::Batch::decode(golden.as_slice()).expect("readable");
    assert_eq!(batch, decoded, "this version's words changed: is that a new revision?");
    assert!(*raw == golden, "the same words in other bytes");
}
