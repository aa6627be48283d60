//! What takes a whole VM: each time an Envoy of its own, in which one request is held when another one
//! traps. Both are told so, and nothing else is found.

use std::time::Duration;

use anyhow::{Context, ensure};

use super::judge::{self, Score};
use crate::client::Answer;
use crate::collector::{Collector, Finding};
use crate::corpus::traps::{Case, PATIENCE};
use crate::stack::Stack;
use crate::wait;

/// The streams end when their clients have gone, and are told of the trap when its black box has come.
const TOLD_LIMIT: Duration = Duration::from_secs(30);

/// Plays it once; answers what was not as it must be.
pub(super) fn play(case: &Case, score: &mut Score) -> anyhow::Result<Vec<String>> {
    let plugin = (case.plugin)().traced().in_its_own_vm();
    let stack = Stack::builder().plugin(case.name, plugin).start()?;
    let (held, trapped) = trap(case, &stack)?;
    let expected = [(held.request_id, case.held_finds), (trapped.request_id, case.trapped_finds)];
    let collector = stack.collector();
    let told = wait::until("both streams are told of the trap", TOLD_LIMIT, || {
        let mut all = expected.iter();
        let all_told = all.all(|(id, _)| found(collector, id).is_ok_and(|found| is_told(&found)));
        Ok(all_told.then_some(()))
    });
    let mut wrong = Vec::new();
    if let Err(error) = told {
        wrong.push(format!("{}: {error:#}", case.name));
    }
    let mut awaited = expected.to_vec();
    wrong.extend(judge::every(collector, score, |timeline| {
        let at = awaited.iter().position(|(id, _)| *id == timeline.request_id);
        at.map_or(&[], |at| awaited.swap_remove(at).1)
    })?);
    for (request_id, missing) in awaited {
        score.expects(missing);
        wrong.push(format!("{}: there is no timeline of {request_id}", case.name));
    }
    Ok(wrong)
}

/// The held one, and the one that trapped.
fn trap(case: &Case, stack: &Stack) -> anyhow::Result<(Answer, Answer)> {
    let first = (case.passes)().patience(Duration::from_secs(120));
    ensure!(stack.send(case.name, &first).status == 200, "{} does not serve", case.name);
    std::thread::scope(|scope| {
        let held = scope.spawn(|| stack.send(case.name, &(case.held)().patience(PATIENCE)));
        let active = format!("http.{}.downstream_rq_active", case.name);
        wait::until("a request is held", PATIENCE, || {
            Ok((stack.envoy_stat(&active)? == 1).then_some(()))
        })?;
        let trapped = stack.send(case.name, &(case.traps)().patience(PATIENCE));
        let held = held.join().map_err(|_| anyhow::anyhow!("the held client panicked"))?;
        Ok((held, trapped))
    })
}

/// What else there is was told before.
fn is_told(found: &[Finding]) -> bool {
    found.first().is_some_and(|found| found.code == "vm-trap-collateral")
}

fn found(collector: &Collector, request_id: &str) -> anyhow::Result<Vec<Finding>> {
    let timelines = collector.timelines(request_id)?;
    let timeline = timelines.first().context("a timeline")?;
    Ok(Finding::all(timeline))
}
