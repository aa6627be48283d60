//! Truth of absence: a callback is never said to be missing where the recorder saw it, whatever the
//! wire, the collector and the clocks do.

#[path = "../../../wasm-tracer/recorder/tests/support/mod.rs"]
mod support;
mod world;

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use world::{Step, World};

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0u32..4).prop_map(|seconds| Step::Request { timeout_seconds: seconds }),
        4 => any::<Index>().prop_map(Step::CallAnswered),
        3 => any::<Index>().prop_map(Step::StreamEnds),
        6 => (1u64..3_000).prop_map(Step::Pass),
        8 => prop::sample::select(vec![200, 200, 200, 429, 503, 413, 401, 400]).prop_map(Step::CollectorAnswers),
        3 => Just(Step::BatchLostUnanswered),
        3 => Just(Step::AnswerLost),
        2 => Just(Step::BatchThrownAway),
        3 => Just(Step::BatchDelayed),
        3 => any::<Index>().prop_map(Step::DelayedBatchArrives),
        2 => any::<Index>().prop_map(Step::BatchArrivesAgain),
        1 => Just(Step::CollectorCrashes),
        1 => (-100i64..100).prop_map(Step::WallClockSteps),
        1 => (1u32..400).prop_map(|lines| Step::Chatter { lines }),
    ]
}

/// At no step, nor when all has arrived.
fn no_absence_is_false(mut world: World, steps: &[Step]) -> Result<(), TestCaseError> {
    for step in steps {
        world.take(step);
        world.check()?;
    }
    world.settle();
    world.check()?;
    world.check_settled()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn absence_is_never_found_where_the_callback_was_delivered(
        steps in prop::collection::vec(step(), 1..120)
    ) {
        no_absence_is_false(World::start(), &steps)?;
    }

    /// The same where only some streams are sampled, and others are promoted: their events get their numbers
    /// late, when more is known already than they are.
    #[test]
    fn absence_is_never_found_where_the_callback_was_delivered_to_a_stream_that_was_not_sampled(
        steps in prop::collection::vec(step(), 1..120),
        rate in prop::sample::select(vec!["0", "0.5"])
    ) {
        no_absence_is_false(World::sampling(rate), &steps)?;
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

/// The same of a stream that was not sampled: it is promoted while it hangs.
#[test]
fn absence_is_found_of_a_stream_that_was_not_sampled() {
    let mut world = World::sampling("0");
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

/// A dispatch that comes late may have its answer in a gap behind all that was known before: found by the
/// property above.
#[test]
fn absence_is_not_found_where_the_answer_to_what_came_late_may_lie_in_another_gap() {
    let mut world = World::start();
    for step in [
        Step::Request { timeout_seconds: 1 },
        Step::Pass(4_278),
        Step::BatchDelayed,
        Step::Pass(692),
        Step::CollectorAnswers(429),
        Step::Pass(1_030),
        Step::StreamEnds(the_only_one()),
        Step::CollectorAnswers(200),
        Step::BatchLostUnanswered,
        Step::Pass(2_175),
        Step::CallAnswered(the_only_one()),
        Step::BatchLostUnanswered,
        Step::Pass(2_633),
        Step::CollectorAnswers(200),
        Step::Pass(1_364),
        Step::CollectorAnswers(429),
        Step::Pass(4_828),
        Step::BatchLostUnanswered,
        Step::CollectorAnswers(413),
    ] {
        world.take(&step);
    }
    world.settle();
    assert_eq!(world.absences_claimed(), 0);
}

fn the_only_one() -> Index {
    let any = any::<Index>().new_tree(&mut TestRunner::deterministic());
    any.expect("an index").current()
}
