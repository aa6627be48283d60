//! From a puppet's script to the findings: the recorder ships, the collector decodes, timeline judges.

use std::collections::BTreeMap;
use std::time::Duration;

use collector::Limits;
use collector::decode::decode;
use host::puppet::{Exports, Script};
use host::{Vm, Who};
use timeline::ids::Micros;
use timeline::instance::Instance;

use crate::puppets::{programs, stages};

/// Codes and severities, headline first.
pub type Expected = &'static [(&'static str, &'static str)];

pub const NOTHING: Expected = &[];

/// Wide enough for anything that a recorder ships.
const LIMITS: Limits = Limits {
    body_bytes: 1 << 20,
    in_flight_bytes: 32 << 20,
    batch_age: Duration::from_secs(24 * 3600),
    string_bytes: 4096,
    items: 1 << 16,
    open_timelines: 200_000,
};

/// On a 0.2.100 module on emulated Higress.
#[track_caller]
pub fn finds(script: Script, traffic: impl Fn(&mut Vm), expected: Expected) {
    finds_on("emulated higress 0.2.100", script, traffic, expected);
}

/// What is found in all timelines of streams, no more and no less. Where no stream is sampled, what was lost
/// or hangs is found none the less, and nothing else that is not so.
#[track_caller]
pub fn finds_on(stage: &str, script: Script, traffic: impl Fn(&mut Vm), expected: Expected) {
    let (found, text) = found(stage, &script, &traffic, "1");
    let expected: Vec<(String, String)> = expected
        .iter()
        .map(|(code, severity)| ((*code).to_owned(), (*severity).to_owned()))
        .collect();
    assert_eq!(found, expected, "{stage}: {script:?}\n{text}");
    let (unsampled, text) = self::found(stage, &script, &traffic, "0");
    let is_kept = |(_, severity): &&(String, String)| matches!(severity.as_str(), "lost" | "hung");
    for finding in expected.iter().filter(is_kept) {
        assert!(
            unsampled.contains(finding),
            "{stage}, not sampled: no {finding:?}: {script:?}\n{text}"
        );
    }
    for finding in &unsampled {
        assert!(
            expected.contains(finding),
            "{stage}, not sampled: {finding:?}: {script:?}\n{text}"
        );
    }
}

/// What is found at a rate, and what happened.
fn found(
    stage: &str,
    script: &Script,
    traffic: &impl Fn(&mut Vm),
    rate: &str,
) -> (Vec<(String, String)>, String) {
    let (_, shape, dialect) = stages()
        .into_iter()
        .find(|(name, shape, _)| *name == stage && shape.exports == Exports::All)
        .expect("a stage");
    let mut vm = programs(shape)[1].start(dialect).expect("it starts");
    script.put(&mut vm);
    crate::furnish(&mut vm);
    vm.environment("WASM_TRACER_RATE", rate);
    vm.start("");
    traffic(&mut vm);
    // The recorder ships in ticks, and some things are said only when they have lasted.
    vm.run_millis(15_000);
    let (told, found) = judged(&vm);
    assert!(told > 0 || rate == "0", "nothing was shipped");
    (found, vm.log().trace())
}

/// How many timelines were told of, and the findings of what was shipped, of each as it was told last.
fn judged(vm: &Vm) -> (usize, Vec<(String, String)>) {
    let mut instance = None;
    let mut timelines = BTreeMap::new();
    for call in vm.calls(Who::Recorder) {
        let batch = decode(&call.body, &LIMITS, 0).expect("what a recorder ships is a batch");
        let id = batch.delivery.instance;
        let instance = instance.get_or_insert_with(|| Instance::new(id));
        let arrived = Micros(call.at / 1_000);
        for update in instance.deliver(batch.delivery, arrived) {
            timelines.insert(update.id, update.snapshot);
        }
        for update in instance.advance(arrived) {
            timelines.insert(update.id, update.snapshot);
        }
    }
    let findings = timelines.values().flat_map(|timeline| &timeline.findings);
    let told = findings.map(|f| (f.code.clone(), f.severity.name().to_owned())).collect();
    (timelines.len(), told)
}
