//! Batches of every release are read for ever: beside each `golden/NAME.bin` stands what it says, in
//! `golden/NAME.txt` (`BLESS=1` writes it). They were written by the recorder (`wasm-tracer/recorder/tests/golden.rs`).

mod support;

use prost::Message;
use proto::v1::Batch;
use support::{files, golden};

#[test]
fn every_golden_batch_still_says_the_same() {
    for (name, bytes) in files("bin") {
        let batch = Batch::decode(bytes.as_slice()).expect("every old batch is read");
        let says = format!("{batch:#?}\n");
        let wanted = golden().join(&name).with_extension("txt");
        if std::env::var_os("BLESS").is_some() {
            // A new field appears in it, absent from its bytes.
            std::fs::write(&wanted, &says).expect("writable");
        }
        let expected = std::fs::read_to_string(&wanted).expect("what it says stands beside it");
        assert_eq!(says, expected, "{name} reads differently now");
    }
}
