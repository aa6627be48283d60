//! Puppets beside their instrumented copies: shapes, hosts' acts, and one way to compare.
#![allow(dead_code)] // each test file uses its part

pub mod acts;
pub mod random;
pub mod values;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock};

use abi::{AbiVersion, Host};
use host::puppet::{Allocator, Exports, Script, Shape};
use host::{Comparison, Dialect, Program, Vm, compare_programs};

use crate::plugins::traced;

/// The shapes and dialects that are compared; the emulation of Higress says so in its name.
pub fn stages() -> Vec<(&'static str, Shape, Dialect)> {
    let version = |wanted: AbiVersion| {
        AbiVersion::ALL.iter().position(|version| *version == wanted).unwrap_or(0)
    };
    let shape = |wanted, higress, exports, allocator| Shape {
        version: version(wanted),
        higress,
        exports,
        allocator,
    };
    use AbiVersion::{V0_1_0, V0_2_0, V0_2_1, V0_2_100};
    use Allocator::{Malloc, None, Proxy};
    use Exports::{All, Phases};
    vec![
        ("envoy", shape(V0_2_1, false, All, Proxy), Dialect::Envoy),
        (
            "envoy with headers stop",
            shape(V0_2_1, false, All, Proxy),
            Dialect::EnvoyAllowingHeadersStop,
        ),
        ("envoy 0.1.0", shape(V0_1_0, false, All, Malloc), Dialect::Envoy),
        ("emulated higress 0.2.100", shape(V0_2_100, true, All, Proxy), Dialect::Higress),
        ("emulated higress 0.2.1", shape(V0_2_1, true, All, Proxy), Dialect::Higress),
        ("phases alone", shape(V0_2_1, false, Phases, Proxy), Dialect::Envoy),
        ("no allocator", shape(V0_2_0, false, All, None), Dialect::Envoy),
        ("emulated higress, phases alone", shape(V0_2_1, true, Phases, None), Dialect::Higress),
    ]
}

/// The first of them: stock Envoy, everything exported.
pub fn envoy() -> (Shape, Dialect) {
    let (_, shape, dialect) = stages().remove(0);
    (shape, dialect)
}

/// A puppet and its instrumented copy, compiled once.
pub fn programs(shape: Shape) -> Arc<[Program; 2]> {
    static COMPILED: OnceLock<Mutex<BTreeMap<Shape, Arc<[Program; 2]>>>> = OnceLock::new();
    let compiled = COMPILED.get_or_init(Mutex::default);
    let mut compiled = compiled.lock().unwrap_or_else(|broken| broken.into_inner());
    let pair = compiled.entry(shape).or_insert_with(|| {
        let original = shape.module().expect("the puppet is a module");
        let host = if shape.higress { Host::Higress } else { Host::Envoy };
        let instrumented = traced(&original, host);
        Arc::new([
            Program::original(&original).expect("the puppet compiles"),
            Program::instrumented(&instrumented, &original).expect("its copy compiles"),
        ])
    });
    Arc::clone(pair)
}

/// Runs a puppet's script and the host's acts on both and compares.
pub fn compared(
    (shape, dialect): (Shape, Dialect),
    script: &Script,
    host: impl Fn(&mut Vm),
) -> anyhow::Result<Comparison> {
    let pair = programs(shape);
    compare_programs(&pair[0], &pair[1], dialect, |vm| {
        script.put(vm);
        host(vm);
    })
}

/// The same; a difference fails the test.
#[track_caller]
pub fn alike(stage: (Shape, Dialect), script: &Script, host: impl Fn(&mut Vm)) -> Comparison {
    compared(stage, script, host).unwrap_or_else(|error| panic!("{stage:?}: {error}\n{script:?}"))
}
