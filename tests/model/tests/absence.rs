//! Truth of absence: a callback is never said to be missing where the recorder saw it, whatever the
//! wire, the collector and the clocks do.

#[path = "../../../wasm-tracer/recorder/tests/support/mod.rs"]
mod support;
mod world;

use proptest::prelude::*;
use world::{Step, World};

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0u32..4).prop_map(|seconds| Step::Request { timeout_seconds: seconds }),
        4 => any::<prop::sample::Index>().prop_map(Step::CallAnswered),
        3 => any::<prop::sample::Index>().prop_map(Step::StreamEnds),
        6 => (1u64..3_000).prop_map(Step::Pass),
        8 => prop::sample::select(vec![200, 200, 200, 429, 503, 413, 401, 400]).prop_map(Step::CollectorAnswers),
        3 => Just(Step::BatchLostUnanswered),
        3 => Just(Step::AnswerLost),
        2 => Just(Step::BatchThrownAway),
        3 => Just(Step::BatchDelayed),
        3 => any::<prop::sample::Index>().prop_map(Step::DelayedBatchArrives),
        2 => any::<prop::sample::Index>().prop_map(Step::BatchArrivesAgain),
        1 => Just(Step::CollectorCrashes),
        1 => (-100i64..100).prop_map(Step::WallClockSteps),
        1 => (1u32..400).prop_map(|lines| Step::Chatter { lines }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn absence_is_never_found_where_the_callback_was_delivered(
        steps in prop::collection::vec(step(), 1..120)
    ) {
        let mut world = World::start();
        for step in &steps {
            world.take(step);
            world.check()?;
        }
        world.settle();
        world.check()?;
        world.check_settled()?;
    }
}

/// The model can tell: when the callback is withheld and nothing is lost, absence is found.
#[test]
fn absence_is_found_where_nothing_was_lost_and_no_callback_came() {
    let mut world = World::start();
    world.take(&Step::Request { timeout_seconds: 1 });
    for _ in 0..40 {
        world.take(&Step::Pass(500));
        world.take(&Step::CollectorAnswers(200));
    }
    assert_eq!(world.absences_claimed(), 1);
}

/// The same with a batch thrown away behind a 2xx: nothing may be claimed.
#[test]
fn absence_is_not_found_where_a_batch_was_thrown_away() {
    let mut world = World::start();
    world.take(&Step::Request { timeout_seconds: 1 });
    world.take(&Step::Pass(1_100));
    world.take(&Step::CollectorAnswers(200));
    world.take(&Step::Request { timeout_seconds: 1 });
    world.take(&Step::Pass(1_100));
    world.take(&Step::BatchThrownAway);
    for _ in 0..40 {
        world.take(&Step::Pass(500));
        world.take(&Step::CollectorAnswers(200));
    }
    assert_eq!(world.absences_claimed(), 0);
}
