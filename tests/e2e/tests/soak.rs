//! The soak's short form: the whole corpus at random, fifty clients at a time. Everything that is to be
//! found is found, nothing else, and the numbers add up; and where batches are lost on the way nothing
//! is found that is not so. What takes a whole VM is played once. `cargo xtask soak` goes on for longer.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use e2e::soak::{self, Plan, Score};

fn soak(at_least: usize, loss: u64) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock");
    let plan = Plan { seed: now.as_secs(), lasts: Duration::ZERO, at_least, loss };
    println!("{plan:?}");
    let outcome = soak::run(&plan).unwrap_or_else(|error| panic!("{error:#}"));
    println!("{}\n\n{}", outcome.numbers, outcome.score);
    let wrong = outcome.wrong;
    assert!(wrong.is_empty(), "{} times, {plan:?}:\n{}", wrong.len(), wrong.join("\n\n"));
}

#[test]
fn everything_is_found_and_nothing_else() {
    soak(5, 0);
}

#[test]
fn where_batches_are_lost_nothing_wrong_is_found() {
    soak(3, 5);
}

#[test]
fn what_takes_a_whole_vm_is_told_and_nothing_else() {
    let mut score = Score::default();
    let wrong = soak::vms(1, &mut score);
    println!("{score}");
    assert!(wrong.is_empty(), "{} times:\n{}", wrong.len(), wrong.join("\n\n"));
}
