//! A VM that keeps something of each request, in an Envoy of its own, beside one that keeps something of the
//! first requests only.

use std::time::Duration;

use anyhow::{Context, ensure};

use super::judge::{self, Score};
use crate::client::Request;
use crate::collector::is_closed;
use crate::corpus::Expected;
use crate::plugin::Plugin;
use crate::stack::Stack;
use crate::wait;

const LIMIT: Duration = Duration::from_secs(120);
/// Requests between two looks, and how long they are apart: memory is told of in some batches, not in one.
const ROUND: usize = 10;
const APART: Duration = Duration::from_millis(150);

const GROWS: &str = "keep";
/// Levels out.
const FILLS: &str = "keep-some";
const FOUND: Expected = &[("memory-growth", "race")];

/// Plays it once; answers what was not as it must be.
pub(super) fn play(score: &mut Score) -> anyhow::Result<Vec<String>> {
    // Of several plugins that share a VM the memory is everybody's.
    let plugin = |root| Plugin::misuse().traced().root(root).in_vm(root);
    let stack =
        Stack::builder().plugin(GROWS, plugin(GROWS)).plugin(FILLS, plugin(FILLS)).start()?;
    let mut wrong = Vec::new();
    let told = wait::until("the growth is told", LIMIT, || {
        round(&stack)?;
        std::thread::sleep(APART);
        Ok(grown(&stack)?.then_some(()))
    });
    if let Err(error) = told {
        wrong.push(format!("{GROWS}: {error:#}"));
    }
    // It goes on, and is still so.
    for last in round(&stack)? {
        wait::until("the last streams are told", LIMIT, || {
            let timelines = stack.collector().timelines(&last)?;
            Ok(timelines.iter().any(is_closed).then_some(()))
        })?;
    }
    let mut grown = Vec::new();
    wrong.extend(judge::every(stack.collector(), score, |timeline| {
        let is_it =
            !timeline.is_stream && timeline.plugin == GROWS && !timeline.findings.is_empty();
        if !is_it {
            return &[];
        }
        grown.push(timeline.id.clone());
        if grown.len() == 1 { FOUND } else { &[] }
    })?);
    match grown.first() {
        Some(id) => wrong.extend(cites_others(&stack, id)?),
        None => {
            score.expects(FOUND);
            wrong.push(format!("no root of {GROWS} is told to grow"));
        }
    }
    Ok(wrong)
}

/// Some requests through both; the ids of the last ones.
fn round(stack: &Stack) -> anyhow::Result<Vec<String>> {
    let mut ids = Vec::new();
    for _ in 0..ROUND {
        ids.clear();
        for plugin in [GROWS, FILLS] {
            let answer = stack.send(plugin, &Request::get("/patient").labelled(plugin));
            ensure!(answer.status == 200, "{plugin} answers {}", answer.status);
            ids.push(answer.request_id);
        }
    }
    Ok(ids)
}

fn grown(stack: &Stack) -> anyhow::Result<bool> {
    let list = stack
        .collector()
        .json(&format!("/api/v1/timelines?plugin={GROWS}&finding={}", FOUND[0].0))?;
    Ok(list["timelines"].as_array().is_some_and(|all| !all.is_empty()))
}

/// What it cites has to be among the samples that its timeline shows.
fn cites_others(stack: &Stack, id: &str) -> anyhow::Result<Option<String>> {
    let detail = stack.collector().json(&format!("/api/v1/timelines/{id}"))?;
    let samples = detail["memory"].as_array().context("a timeline has samples")?;
    let cited = detail["findings"][0]["evidence"]["memory"].as_array();
    let is_so =
        cited.is_some_and(|cited| !cited.is_empty() && cited.iter().all(|s| samples.contains(s)));
    Ok((!is_so).then(|| format!("{GROWS} cites other samples than there are: {detail:#}")))
}
