//! Neighbouring releases understand each other: what the schema of an older one reads of each golden
//! batch, and a batch as a newer recorder may write it.

mod support;

use std::path::Path;

use prost::Message;
use prost_reflect::{
    DescriptorPool, DynamicMessage, Kind, MessageDescriptor, ReflectMessage, Value,
};
use proto::v1;
use support::{files, golden};

/// What a newer recorder may write: made of the newest golden batch, with much that nobody knows.
const NEWER: &str = "v1-newer";
const NEWEST: &str = "v1-minor-1";

/// The schema's message of one batch.
fn batch_of(file: &str, folder: &Path) -> MessageDescriptor {
    let compiled = protox::compile([file], [folder]).expect("the .proto compiles");
    let pool = DescriptorPool::from_file_descriptor_set(compiled).expect("whole");
    pool.get_message_by_name("wasm_tracer.v1.Batch").expect("a batch")
}

fn of_today() -> MessageDescriptor {
    batch_of("wasm_tracer/v1/batch.proto", Path::new(env!("CARGO_MANIFEST_DIR")))
}

#[test]
fn a_field_keeps_its_number_its_name_and_its_type_from_release_to_release() {
    let now = of_today();
    for (schema, _) in files("proto") {
        let old = batch_of(&schema, &golden());
        for message in old.parent_file().messages() {
            let today = now.parent_file().messages().find(|one| one.name() == message.name());
            let today = today.unwrap_or_else(|| panic!("{schema}: {} is gone", message.name()));
            for field in message.fields() {
                let at = format!("{schema}: {}.{}", message.name(), field.name());
                let kept =
                    today.get_field(field.number()).unwrap_or_else(|| panic!("{at} is gone"));
                assert_eq!(kept.name(), field.name(), "{at} has another name");
                assert_eq!(kept.cardinality(), field.cardinality(), "{at}");
                assert_eq!(type_of(&kept.kind()), type_of(&field.kind()), "{at} has another type");
            }
        }
        for values in old.parent_file().enums() {
            let today = now.parent_file().enums().find(|one| one.name() == values.name());
            let today = today.unwrap_or_else(|| panic!("{schema}: {} is gone", values.name()));
            for value in values.values() {
                let kept = today.get_value(value.number()).map(|kept| kept.name().to_owned());
                assert_eq!(kept.as_deref(), Some(value.name()), "{schema}: {}", values.name());
            }
        }
    }
}

/// As the wire sees it; of messages and enums by name.
fn type_of(kind: &Kind) -> String {
    match kind {
        Kind::Message(message) => message.name().to_owned(),
        Kind::Enum(values) => values.name().to_owned(),
        other => format!("{other:?}"),
    }
}

#[test]
fn an_older_reader_reads_of_a_newer_batch_all_that_it_knows_and_loses_nothing() {
    let now = of_today();
    for (schema, _) in files("proto") {
        let old = batch_of(&schema, &golden());
        for (batch, bytes) in files("bin") {
            let read = DynamicMessage::decode(old.clone(), bytes.as_slice()).expect("it is read");
            let whole = DynamicMessage::decode(now.clone(), bytes.as_slice()).expect("it is read");
            agrees(&read, &whole, &format!("{schema} reads {batch}"));
            let passed_on = v1::Batch::decode(read.encode_to_vec().as_slice()).expect("readable");
            assert_eq!(passed_on, v1::Batch::decode(bytes.as_slice()).expect("readable"));
        }
    }
}

/// What `old` has read is what `new` says in the same fields.
fn agrees(old: &DynamicMessage, new: &DynamicMessage, at: &str) {
    for field in old.descriptor().fields() {
        let at = format!("{at}: {}", field.name());
        let there = new.descriptor().get_field(field.number()).expect("no field is gone");
        same(&old.get_field(&field), &new.get_field(&there), &at);
    }
}

fn same(old: &Value, new: &Value, at: &str) {
    match (old, new) {
        (Value::Message(old), Value::Message(new)) => agrees(old, new, at),
        (Value::List(old), Value::List(new)) => {
            assert_eq!(old.len(), new.len(), "{at}");
            for (old, new) in old.iter().zip(new) {
                same(old, new, at);
            }
        }
        (old, new) => assert_eq!(old, new, "{at}"),
    }
}

#[test]
fn the_batch_of_a_newer_recorder_has_unknown_fields_in_every_message() {
    let newest = std::fs::read(golden().join(format!("{NEWEST}.bin"))).expect("the newest batch");
    let mut batch = v1::Batch::decode(newest.as_slice()).expect("readable");
    batch.wire_minor += 98;
    // An event, a property and reasons of a kind that nobody knows.
    batch.events.push(v1::Event {
        kind: 9_999,
        context: 2,
        args: vec![7],
        text: b"new".to_vec(),
        ..v1::Event::default()
    });
    let value = Some(v1::property::Value::Text(b"new".to_vec()));
    batch.streams[0].properties.push(v1::Property { name: 9_999, value });
    let next = batch.first_sequence + batch.events.len() as u64;
    batch.lost.push(v1::Lost {
        from_sequence: next,
        to_sequence: next,
        reason: 9_999,
        contexts: vec![2],
    });
    let wanted = grown(&batch.encode_to_vec(), &of_today());
    let place = golden().join(format!("{NEWER}.bin"));
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&place, &wanted).expect("writable");
    }
    assert!(std::fs::read(&place).is_ok_and(|found| found == wanted), "run it with BLESS=1");
    // And a reader of today passes them over.
    assert_eq!(v1::Batch::decode(wanted.as_slice()).expect("readable"), batch);
}

/// The same message with fields of each wire type that no schema knows, at its end and in every message
/// within it.
fn grown(mut bytes: &[u8], schema: &MessageDescriptor) -> Vec<u8> {
    const UNKNOWN: u32 = 5_000;
    let mut out = Vec::new();
    while !bytes.is_empty() {
        let before = bytes;
        let (number, wire_type) = prost::encoding::decode_key(&mut bytes).expect("a key");
        let field = schema.get_field(number).expect("the newest batch has no unknown field");
        let Kind::Message(inner) = field.kind() else {
            let context = prost::encoding::DecodeContext::default();
            prost::encoding::skip_field(wire_type, number, &mut bytes, context).expect("a field");
            out.extend_from_slice(&before[..before.len() - bytes.len()]);
            continue;
        };
        let length = prost::encoding::decode_varint(&mut bytes).expect("a length");
        let (message, rest) = bytes.split_at(usize::try_from(length).expect("short"));
        bytes = rest;
        prost::encoding::bytes::encode(number, &grown(message, &inner), &mut out);
    }
    prost::encoding::uint64::encode(UNKNOWN, &u64::MAX, &mut out);
    prost::encoding::bytes::encode(UNKNOWN + 1, &b"of a newer release".to_vec(), &mut out);
    prost::encoding::fixed64::encode(UNKNOWN + 2, &1, &mut out);
    prost::encoding::fixed32::encode(UNKNOWN + 3, &1, &mut out);
    out
}
