//! What a recorder shipped, decoded with prost, beside what the host wrote down itself.
#![allow(dead_code)]

use std::collections::BTreeMap;

use abi::{Callback, Hostcall, Kind, Record, Status};
use host::{Log, Nanos, Vm, What, Who};
use prost::Message as _;
use proto::v1::{Batch, Event, Mark};

use super::plugins::COLLECTOR;

/// The batches that left, each once, in order.
pub fn of(vm: &Vm) -> Vec<Batch> {
    since(vm, 0)
}

/// The batches that left from a time on.
pub fn since(vm: &Vm, start: Nanos) -> Vec<Batch> {
    let mut shipments: BTreeMap<u64, Batch> = BTreeMap::new();
    for call in vm.calls(Who::Recorder).into_iter().filter(|call| call.at >= start) {
        assert_eq!(call.cluster, COLLECTOR);
        assert_eq!(call.headers.text(":path").as_deref(), Some("/v1/batches"));
        let batch = Batch::decode(&call.body[..]).expect("prost reads what the recorder wrote");
        shipments.insert(batch.shipment, batch);
    }
    shipments.into_values().collect()
}

/// One thing that happened, as far as both sides know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// Number of the callback or hostcall.
    pub kind: u32,
    /// Context of the invocation.
    pub context: u32,
    /// What was returned.
    pub result: u32,
    /// Call id.
    pub call: u32,
    /// Cluster of a dispatch, text of a log line.
    pub text: String,
}

/// What the events say, in the order (entry, position).
pub fn facts(batches: &[Batch]) -> Vec<Fact> {
    let mut ordered: BTreeMap<(u64, bool, u64), Fact> = BTreeMap::new();
    let mut own = std::collections::BTreeSet::new();
    for batch in batches {
        let (mut entry, mut context) = (batch.first_entry, 0);
        for (index, event) in batch.events.iter().enumerate() {
            let sequence = batch.first_sequence + index as u64;
            if index > 0 {
                entry = (entry as i64 + 1 + event.entry_step) as u64;
            }
            context = if event.context == 0 { context } else { event.context };
            if event.marks & Mark::Own as u32 != 0 {
                own.insert(entry);
                continue;
            }
            let is_hostcall = matches!(Kind::from_number(event.kind), Kind::Hostcall(_));
            if is_telling(event) {
                ordered.insert((entry, is_hostcall, sequence), fact(event, context));
            }
        }
    }
    ordered.into_iter().filter(|((entry, ..), _)| !own.contains(entry)).map(|(_, f)| f).collect()
}

fn is_telling(event: &Event) -> bool {
    match Kind::from_number(event.kind) {
        Kind::Hostcall(Hostcall::FdWrite | Hostcall::SetTickPeriod) => false,
        Kind::Hostcall(hostcall) => hostcall.record() == Record::Always,
        _ => true,
    }
}

fn fact(event: &Event, context: u32) -> Fact {
    let keeps_text =
        event.kind == Hostcall::HttpCall.number() || event.kind == Hostcall::Log.number();
    let text =
        if keeps_text { String::from_utf8_lossy(&event.text).into_owned() } else { String::new() };
    Fact { kind: event.kind, context, result: event.result, call: event.call, text }
}

/// What the host saw of the plugin, in the same words; `original` says which callbacks it has.
pub fn seen(log: &Log, original: &Vm) -> Vec<Fact> {
    let mut seen: Vec<Fact> = Vec::new();
    let mut open = None;
    for line in log.0.iter().filter(|line| line.who == Who::Plugin) {
        match &line.what {
            What::Enters { callback, args, own: false } if original.exports(*callback) => {
                let call = match callback {
                    Callback::HttpCallResponse => args[1],
                    _ => 0,
                };
                open = Some(seen.len());
                seen.push(Fact {
                    kind: callback.number(),
                    context: args[0],
                    result: 0,
                    call,
                    text: String::new(),
                });
            }
            What::Returns { result, .. } => {
                if let Some(at) = open.take() {
                    seen[at].result = result.unwrap_or(0);
                }
            }
            What::Hostcall { hostcall: Some(hostcall), args, status, given, .. } => {
                let level = args.first().map_or(0, |a| a.number());
                let wanted = hostcall.record() == Record::Always
                    && !matches!(hostcall, Hostcall::FdWrite | Hostcall::SetTickPeriod)
                    && (*hostcall != Hostcall::Log || level >= 3);
                let (Some(at), true) = (open, wanted) else { continue };
                let text_at = match hostcall {
                    Hostcall::HttpCall => 0,
                    _ => 1,
                };
                let keeps_text = matches!(hostcall, Hostcall::HttpCall | Hostcall::Log);
                let status = status.unwrap_or(0);
                let is_call =
                    *hostcall == Hostcall::HttpCall && Status::from_number(status) == Status::Ok;
                seen.push(Fact {
                    kind: hostcall.number(),
                    context: seen[at].context,
                    result: status,
                    call: if is_call { given[0].number() as u32 } else { 0 },
                    text: if keeps_text { args[text_at].to_string() } else { String::new() },
                });
            }
            _ => {}
        }
    }
    seen
}

/// Every number from 1 to the last one arrived once or is said to be lost.
#[track_caller]
pub fn assert_dense(batches: &[Batch], events_lost: u64) {
    let mut numbers: BTreeMap<u64, bool> = BTreeMap::new();
    for batch in batches {
        for index in 0..batch.events.len() as u64 {
            numbers.insert(batch.first_sequence + index, true);
        }
    }
    for range in batches.iter().flat_map(|batch| &batch.lost) {
        for number in range.from_sequence..=range.to_sequence {
            assert_ne!(numbers.insert(number, false), Some(true), "{number} arrived and is lost");
        }
    }
    let end = numbers.last_key_value().map_or(0, |(number, _)| number + 1);
    let missing: Vec<u64> = (1..end).filter(|n| !numbers.contains_key(n)).take(5).collect();
    assert!(missing.is_empty(), "neither arrived nor said to be lost: {missing:?} of {end}");
    let lost = numbers.values().filter(|arrived| !**arrived).count() as u64;
    assert_eq!(lost, events_lost, "ranges said to be lost against the counter");
    assert!(lost > 0, "nothing was lost: make the script longer");
}
