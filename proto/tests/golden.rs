//! Batches of every release are read for ever: beside each `golden/NAME.bin` stands what it says, in
//! `golden/NAME.txt` (`BLESS=1` writes it). They were written by the recorder (`wasm-tracer/recorder/tests/golden.rs`).

use std::path::Path;

use prost::Message;
use proto::v1::Batch;

#[test]
fn every_golden_batch_still_says_the_same() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden");
    let mut seen = 0;
    for entry in std::fs::read_dir(&folder).expect("the folder of golden batches") {
        let path = entry.expect("a file").path();
        if path.extension().is_none_or(|extension| extension != "bin") {
            continue;
        }
        let bytes = std::fs::read(&path).expect("readable");
        let batch = Batch::decode(bytes.as_slice()).expect("every old batch is read");
        let says = format!("{batch:#?}\n");
        let wanted = path.with_extension("txt");
        if std::env::var_os("BLESS").is_some() {
            // A new field appears in it, absent from its bytes.
            std::fs::write(&wanted, &says).expect("writable");
        }
        let expected = std::fs::read_to_string(&wanted).expect("what it says stands beside it");
        assert_eq!(says, expected, "{} reads differently now", path.display());
        seen += 1;
    }
    assert!(seen > 0, "there is at least the first one");
}
