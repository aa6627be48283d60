//! Plugins and hosts at random (proptest): the plugin notices nothing of the recorder, and the recorder
//! survives whatever the host answers.
//!
//! `PROPTEST_CASES` says how many stories (100 of each kind by default), `WASM_TRACER_SEED` which ones.

mod plugins;
mod puppets;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt::Debug;

use abi::{Callback, Hostcall};
use host::{Comparison, What, Who};
use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};
use puppets::acts::act_out;
use puppets::random::{Story, harmless_stories, stories};
use puppets::{compared, programs};

/// Tells each story; the first that goes wrong is made as short as possible and printed.
fn tell<S: Strategy<Value = Story>>(strategy: S, story: impl Fn(&Story) -> Result<(), String>)
where
    S::Value: Debug,
{
    let number = |name: &str, default: u64| {
        std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
    };
    let seed = number("WASM_TRACER_SEED", 1);
    let cases = number("PROPTEST_CASES", 100) as u32;
    println!("{cases} stories from WASM_TRACER_SEED={seed}");
    let config =
        Config { cases, failure_persistence: None, max_shrink_iters: 3_000, ..Config::default() };
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let told = TestRunner::new_with_rng(config, rng)
        .run(&strategy, |told| story(&told).map_err(TestCaseError::fail));
    if let Err(error) = told {
        panic!("seed {seed}: {error}");
    }
}

/// What all stories together were about.
#[derive(Debug, Default)]
struct Tally {
    stages: BTreeSet<usize>,
    hostcalls: BTreeSet<Hostcall>,
    callbacks: BTreeSet<Callback>,
    memories: usize,
    traps: usize,
    shipments: usize,
}

impl Tally {
    fn add(&mut self, story: &Story, ran: &Comparison) {
        self.stages.insert(story.stage);
        self.memories += ran.memories;
        self.traps += usize::from(ran.original.is_dead());
        self.shipments += ran.instrumented.calls(Who::Recorder).len();
        for line in &ran.original.log().0 {
            match &line.what {
                What::Enters { callback, .. } => _ = self.callbacks.insert(*callback),
                What::Hostcall { hostcall: Some(hostcall), .. } => {
                    self.hostcalls.insert(*hostcall);
                }
                _ => {}
            }
        }
    }
}

#[test]
fn plugins_notice_nothing() {
    let tally = RefCell::new(Tally::default());
    tell(stories(), |story| {
        let script = story.script();
        let ran = compared(story.stage(), &script, |vm| {
            story.settle(vm, false);
            act_out(vm, &story.acts);
        });
        let ran = ran.map_err(|error| format!("{error}\n{script:?}"))?;
        tally.borrow_mut().add(story, &ran);
        Ok(())
    });
    // A hundred stories are about so much and more.
    let tally = tally.into_inner();
    println!(
        "{} memories, {} hostcalls, {} callbacks, {} traps, {} shipments",
        tally.memories,
        tally.hostcalls.len(),
        tally.callbacks.len(),
        tally.traps,
        tally.shipments
    );
    assert!(tally.stages.len() > 5 && tally.memories > 1_000, "{tally:?}");
    assert!(tally.hostcalls.len() > 20 && tally.callbacks.len() > 10, "{tally:?}");
    assert!(tally.traps > 0 && tally.shipments > 10, "{tally:?}");
}

#[test]
fn the_recorder_survives_whatever_the_host_answers() {
    tell(harmless_stories(), |story| {
        let (shape, dialect) = story.stage();
        let mut vm = programs(shape)[1].start(dialect).map_err(|error| error.to_string())?;
        story.script().put(&mut vm);
        story.settle(&mut vm, true);
        act_out(&mut vm, &story.acts);
        match vm.log().trap() {
            Some(trap) => Err(format!("{trap}\n{}", vm.log().text())),
            None => Ok(()),
        }
    });
}
