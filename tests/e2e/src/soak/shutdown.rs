//! Roots that end while a call of theirs is out, each time in an Envoy of its own: the plugin is pushed away by
//! another configuration, or with its listener. Beside it one whose call was answered before, and one that stays,
//! for the VM has to go on: what a VM tells when it ends with its last root is lost with it more often than not.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::ensure;
use serde_json::Value;

use super::judge::{self, Score};
use crate::client::Request;
use crate::collector::{Collector, is_closed};
use crate::corpus::Expected;
use crate::lives::{Door, Lives, Settings};
use crate::plugin::Plugin;
use crate::wait;

const LIMIT: Duration = Duration::from_secs(60);

/// Its call is never answered.
const WAITS: &str = "waits";
/// Its call is.
const ANSWERED: &str = "answered";

/// Its VM has served a stream, so the call was made for somebody.
const LOST: Expected = &[("root-shutdown-cancelled", "lost")];
/// The VM of the main thread serves none.
const IN_VAIN: Expected = &[("root-shutdown-cancelled", "note")];

/// What ends the root.
#[derive(Clone, Copy, Debug)]
pub(super) enum End {
    /// Its listener gets another plugin.
    Replaced,
    /// Its listener goes.
    Removed,
}

impl End {
    pub(super) const ALL: [End; 2] = [End::Replaced, End::Removed];

    fn push(self, lives: &Lives) -> anyhow::Result<()> {
        match self {
            End::Replaced => push(lives, &[door("next", "tick-resumes"), beside()]),
            End::Removed => push(lives, &[beside()]),
        }
    }
}

/// Plays it once; answers what was not as it must be.
pub(super) fn play(end: End, score: &mut Score) -> anyhow::Result<Vec<String>> {
    let settings = Settings { drain_seconds: 1, ..Settings::default() };
    let lives = Lives::start(settings, &[door(ANSWERED, "tick-calls"), beside()])?;
    serves(&lives, ANSWERED)?;
    // One of the main thread's VM, one of the worker's.
    wait::until("the calls that are answered are told", LIMIT, || {
        let roots = lives.collector().roots(ANSWERED)?;
        Ok((roots.len() == 2 && roots.iter().all(is_closed)).then_some(()))
    })?;
    let before = lives.calls();
    push(&lives, &[door(WAITS, "tick-waits"), beside()])?;
    serves(&lives, WAITS)?;
    wait::until("both VMs have called", LIMIT, || Ok((lives.calls() >= before + 2).then_some(())))?;
    end.push(&lives)?;
    let mut wrong = Vec::new();
    let told = wait::until("the roots that wait have ended", LIMIT, || {
        let roots = lives.collector().roots(WAITS)?;
        let ended = roots.iter().filter(|root| root["reason"] == "root_ended").count();
        Ok((ended == 2).then_some(()))
    });
    if let Err(error) = told {
        wrong.push(format!("{end:?}: {error:#}"));
    }
    let serving = serving(lives.collector(), WAITS)?;
    let mut awaited = vec![LOST, IN_VAIN];
    wrong.extend(judge::every(lives.collector(), score, |timeline| {
        if timeline.is_stream || timeline.plugin != WAITS {
            return &[];
        }
        let expected = if serving.contains(&timeline.instance) { LOST } else { IN_VAIN };
        awaited.retain(|awaited| *awaited != expected);
        expected
    })?);
    for missing in awaited {
        score.expects(missing);
        wrong.push(format!("{end:?}: there is no timeline of a root with {missing:?}"));
    }
    Ok(wrong)
}

/// The listener whose plugins come and go.
fn door(plugin: &str, does: &'static str) -> Door {
    Door::new("door").plugin(plugin, Plugin::misuse().traced().root(does))
}

/// Another one, whose plugin stays in the same VM.
fn beside() -> Door {
    Door::new("beside").plugin("stays", Plugin::misuse().traced().root("tick-resumes"))
}

fn push(lives: &Lives, doors: &[Door]) -> anyhow::Result<()> {
    ensure!(lives.push(doors)?, "Envoy refuses the push");
    Ok(())
}

/// Sends until a stream goes through that plugin: a worker hears of a push a little later.
fn serves(lives: &Lives, plugin: &str) -> anyhow::Result<()> {
    wait::until(&format!("{plugin} serves"), LIMIT, || {
        let answer = lives.send("door", &Request::get("/patient"));
        ensure!(answer.status == 200, "{plugin} answers {}", answer.status);
        let told = wait::until("the stream is told", LIMIT, || {
            let timelines = lives.collector().timelines(&answer.request_id)?;
            Ok(timelines.into_iter().find(is_closed))
        })?;
        Ok((told["plugin"] == plugin).then_some(()))
    })
}

/// The VMs in which streams of the plugin were.
fn serving(collector: &Collector, plugin: &str) -> anyhow::Result<BTreeSet<String>> {
    let list = collector.json(&format!("/api/v1/timelines?plugin={plugin}&limit=200"))?;
    let all = list["timelines"].as_array().map_or(&[][..], Vec::as_slice);
    let streams = all.iter().filter(|timeline| timeline["kind"] == "stream");
    let instance = |timeline: &Value| timeline["instance"].as_str().map(str::to_owned);
    Ok(streams.filter_map(instance).collect())
}
