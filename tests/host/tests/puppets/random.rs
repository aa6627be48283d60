//! Plugins, hosts and recorders' troubles at random, for proptest.

use abi::{Callback, Hostcall};
use host::puppet::{Block, Script, Shape, Site, Step};
use host::{Chaos, Dialect, Vm};
use proptest::collection::vec;
use proptest::prelude::*;

use super::acts::Act;
use super::{stages, values};

/// One story: who plays on which stage, what happens, and what the recorder has to bear.
#[derive(Clone, Debug)]
pub struct Story {
    /// Place among the stages.
    pub stage: usize,
    /// Site, result and steps of each block, still without the stage's names.
    blocks: Vec<(u8, u8, Vec<Rough>)>,
    /// Acts with the milliseconds after each.
    pub acts: Vec<(Act, u64)>,
    /// Hostcalls that the host forbids, by their place.
    refused: Vec<u8>,
    /// Settings of the recorder.
    settings: u8,
    /// Seed and percentage.
    chaos: (u64, u32),
}

/// A step before it is known which hostcalls there are.
#[derive(Clone, Debug)]
enum Rough {
    Call(u16, [u8; 7]),
    Other(u8, u16),
}

/// Stories in which plugins may trap and act anywhere.
pub fn stories() -> impl Strategy<Value = Story> {
    story(true)
}

/// Stories in which nothing but a broken recorder can trap.
pub fn harmless_stories() -> impl Strategy<Value = Story> {
    story(false)
}

fn story(harm: bool) -> impl Strategy<Value = Story> {
    let most = if harm { 12u8 } else { 9 };
    let step = prop_oneof![
        8 => (any::<u16>(), any::<[u8; 7]>()).prop_map(|(which, nth)| Rough::Call(which, nth)),
        2 => (0..most, any::<u16>()).prop_map(|(which, size)| Rough::Other(which, size)),
    ];
    let block = (any::<u8>(), any::<u8>(), vec(step, 1..6));
    (
        0..stages().len(),
        vec(block, 6..40),
        vec((act(), 1u64..150), 8..30),
        vec(any::<u8>(), 0..2),
        0u8..6,
        (any::<u64>(), prop_oneof![Just(0u32), Just(10), Just(50), Just(95)]),
    )
        .prop_map(move |(stage, mut blocks, acts, refused, settings, chaos)| {
            if !harm {
                blocks.retain(|(site, ..)| *site < 240);
            }
            Story { stage, blocks, acts, refused, settings, chaos }
        })
}

fn act() -> impl Strategy<Value = Act> {
    let place = 0usize..4;
    prop_oneof![
        3 => Just(Act::Get),
        4 => Just(Act::Open),
        4 => (place.clone(), 0usize..40, any::<bool>()).prop_map(|(p, s, e)| Act::Body(p, s, e)),
        1 => place.clone().prop_map(Act::Trailers),
        1 => place.clone().prop_map(Act::Leave),
        1 => (place.clone(), any::<bool>()).prop_map(|(p, r)| Act::Metadata(p, r)),
        1 => Just(Act::Large),
        2 => (0usize..5).prop_map(Act::Upstream),
        1 => (0usize..9).prop_map(Act::Callee),
        2 => (0usize..9).prop_map(Act::Collector),
        1 => Just(Act::Connect),
        1 => (place.clone(), any::<bool>(), any::<bool>()).prop_map(|(p, c, e)| Act::Bytes(p, c, e)),
        1 => place.clone().prop_map(Act::HangUp),
        1 => Just(Act::Push),
        1 => place.prop_map(Act::EndRoot),
        1 => (0u32..9).prop_map(|n| Act::Stray(0x0300_0000 + n)),
        1 => any::<bool>().prop_map(Act::Function),
        1 => Just(Act::Validate),
    ]
}

impl Story {
    /// Shape and dialect.
    pub fn stage(&self) -> (Shape, Dialect) {
        let (_, shape, dialect) = stages().swap_remove(self.stage);
        (shape, dialect)
    }

    /// What the puppet does.
    pub fn script(&self) -> Script {
        let (shape, _) = self.stage();
        let (callbacks, hostcalls) = (shape.callbacks(), shape.hostcalls());
        let mut script = Script::default();
        for (site, result, steps) in &self.blocks {
            let site: Site = match site {
                250.. => Site::START,
                240.. => Site::ALLOCATOR,
                // Most of what happens happens in the phases of a request.
                0..100 => phase(*site).into(),
                _ => callbacks[*site as usize % callbacks.len()].into(),
            };
            let inside = site == Site::START || site == Site::ALLOCATOR;
            let steps = steps.iter().map(|step| step.of(&hostcalls, inside)).collect();
            let result = if inside { u32::from(*result > 200) } else { u32::from(result % 6) };
            script.0.entry(site).or_default().push(Block { result, steps });
        }
        script
    }

    /// What is settled before the VM starts.
    pub fn settle(&self, vm: &mut Vm, all_of_it: bool) {
        let name = |nth: u8, of: &[(&'static str, &'static str)]| of[nth as usize % of.len()];
        let (variable, value) = name(
            self.settings,
            &[
                ("OTHER", "x"),
                ("WASM_TRACER_FLUSH_MILLIS", "100"),
                ("WASM_TRACER_BUFFER_BYTES", "16384"),
                ("WASM_TRACER_RATE", "0.5"),
                ("WASM_TRACER_LOG_LEVEL", "trace"),
                ("WASM_TRACER_ENABLED", "false"),
            ],
        );
        vm.environment(variable, value);
        for place in &self.refused {
            vm.refuse(Hostcall::ALL[*place as usize % Hostcall::ALL.len()]);
        }
        let (seed, percent) = self.chaos;
        let chaos = Chaos::new(seed, percent);
        vm.chaos(if all_of_it { chaos.with_all() } else { chaos });
    }
}

fn phase(site: u8) -> Callback {
    [
        Callback::RequestHeaders,
        Callback::RequestBody,
        Callback::ResponseHeaders,
        Callback::RequestHeaders,
    ][site as usize % 4]
}

impl Rough {
    fn of(&self, hostcalls: &[Hostcall], inside: bool) -> Step {
        match self {
            // In the allocator and at the start hosts allow little; what they forbid kills the VM.
            Rough::Call(which, nth) if inside && which % 8 > 0 => {
                values::call(Hostcall::Log, |at, _| nth[at % 6] as usize)
            }
            Rough::Call(which, nth) => {
                let hostcall = hostcalls[*which as usize % hostcalls.len()];
                // Half of them make sense in all they pass, the others in most of it.
                let sane = nth[6] < 128;
                values::call(hostcall, |at, choices| match nth[at % 6] {
                    _ if sane => 0,
                    0..160 => 0,
                    other => other as usize % choices,
                })
            }
            Rough::Other(which, size) => {
                let size = u32::from(*size);
                match which {
                    0 => Step::Grow(size % 4),
                    1 => Step::Checksum,
                    2 => Step::MemorySize,
                    3 => Step::Fill(size % 4_096, 7, size % 8_192),
                    4 => Step::Copy(size % 4_096, 5_000, size % 8_192),
                    5 => Step::Allocate(size * 2),
                    6 => Step::Grow(1),
                    7 | 8 => Step::Allocate(size),
                    // Once in a while.
                    9 if size % 4 == 0 => Step::Unreachable,
                    10 if size % 4 == 0 => Step::WildLoad,
                    11 if size % 4 == 0 => Step::DivideByZero,
                    _ => Step::MemorySize,
                }
            }
        }
    }
}
