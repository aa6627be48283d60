//! Original against instrumented: one script on both, and the first difference that the plugin, the
//! client, the upstream or a callee could have seen.
//!
//! Not compared, because they are the recorder's or replaced by it: hostcalls through the recorder's
//! own import entries and the allocations they cause, response callbacks to its calls, callbacks that
//! the original lacks, ticks in which the plugin makes no hostcall, and two hostcalls that the recorder
//! answers in the host's place: `set_tick_period` (it sets the nearer of two deadlines) and
//! `get_status` (the host's may be that of the recorder's own call). What the plugin got from these two
//! stands in its memory, which is compared.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use abi::{Callback, Hostcall};
use anyhow::{Result, bail};

use crate::{Dialect, Line, Program, StreamId, Vm, Watch, What, Who};

/// Two runs of one script that the plugin could not tell apart.
pub struct Comparison {
    /// The original after the script.
    pub original: Vm,
    /// The instrumented plugin after the script.
    pub instrumented: Vm,
    /// Lines compared.
    pub lines: usize,
    /// Of these: lines with the plugin's memory beside them.
    pub memories: usize,
}

/// Runs the script on both and fails with the first difference, its neighbourhood printed.
pub fn compare(
    original: &[u8],
    instrumented: &[u8],
    dialect: Dialect,
    script: impl Fn(&mut Vm),
) -> Result<Comparison> {
    let plain = Program::original(original)?;
    let traced = Program::instrumented(instrumented, original)?;
    compare_programs(&plain, &traced, dialect, script)
}

/// The same for modules that are compiled already.
pub fn compare_programs(
    original: &Program,
    instrumented: &Program,
    dialect: Dialect,
    script: impl Fn(&mut Vm),
) -> Result<Comparison> {
    let mut plain = original.start(dialect)?;
    let mut traced = instrumented.start(dialect)?;
    for vm in [&mut plain, &mut traced] {
        vm.watch(Watch::Hostcalls);
        script(vm);
    }
    let expected = visible(&plain, &plain);
    let actual = visible(&traced, &plain);
    let mut memories = 0;
    for (index, (a, b)) in expected.iter().zip(&actual).enumerate() {
        if a.at != b.at || a.what != b.what {
            bail!("line {index} differs\n{}", neighbourhood(&expected, &actual, index));
        }
        if let (Some(one), Some(other)) = (&a.memory, &b.memory) {
            memories += 1;
            if let Some(place) = one.difference(other) {
                let around = neighbourhood(&expected, &actual, index);
                bail!("the plugin's memory differs in {place} after line {index}\n{around}");
            }
        }
    }
    if expected.len() != actual.len() {
        let last = expected.len().min(actual.len());
        bail!("one run goes on\n{}", neighbourhood(&expected, &actual, last));
    }
    compare_outcomes(&plain, &traced)?;
    let live = &traced.store.data().recorder_frames;
    if let Some(frame) = live.first() {
        bail!("frame {frame} of the recorder was live in a hostcall of the plugin");
    }
    let lines = expected.len();
    Ok(Comparison { original: plain, instrumented: traced, lines, memories })
}

/// Answers, upstream's requests and plugin's calls.
fn compare_outcomes(plain: &Vm, traced: &Vm) -> Result<()> {
    let streams = |vm: &Vm| -> BTreeSet<StreamId> {
        vm.answers.keys().chain(vm.store.data().streams.keys()).copied().collect()
    };
    if streams(plain) != streams(traced) {
        bail!("other streams: {:?} against {:?}", streams(plain), streams(traced));
    }
    for stream in streams(plain) {
        let (a, b) = (plain.answer(stream), traced.answer(stream));
        if a != b || plain.is_open(stream) != traced.is_open(stream) {
            bail!("the client of stream {stream} sees a difference: {a:?} against {b:?}");
        }
        if plain.forwarded(stream) != traced.forwarded(stream) {
            bail!("the upstream sees a difference in stream {stream}");
        }
    }
    let calls = |vm: &Vm| -> Vec<_> {
        vm.calls(Who::Plugin)
            .iter()
            .map(|c| (c.id, c.root, c.cluster.clone(), c.headers.clone(), c.body.clone(), c.at))
            .collect()
    };
    if calls(plain) != calls(traced) {
        bail!("other calls: {:?} against {:?}", calls(plain), calls(traced));
    }
    Ok(())
}

/// The lines that a plugin is part of.
fn visible<'a>(vm: &'a Vm, original: &Vm) -> Vec<&'a Line> {
    let exported = &original.exported;
    let allocates = original.store.data().allocator.is_some();
    let lines = &vm.log().0;
    let mut kept: Vec<&Line> = Vec::new();
    for line in lines.iter().filter(|line| line.who == Who::Plugin) {
        match &line.what {
            What::Hostcall { hostcall: Some(Hostcall::SetTickPeriod), .. } => continue,
            // An allocator that was added answers 0, which hosts treat like none.
            What::Allocates { address: 0, .. } if !allocates => continue,
            What::Hostcall { hostcall: Some(Hostcall::GetStatus), .. } => {
                // With the allocation of its message.
                if let Some(What::Allocates { .. }) = kept.last().map(|line| &line.what) {
                    kept.pop();
                }
                continue;
            }
            What::Enters { callback, .. } if !exported.contains(callback) => continue,
            What::Returns { callback, .. } if !exported.contains(callback) => continue,
            What::Returns { callback: Callback::Tick, .. } => {
                // A tick without a hostcall of the plugin says nothing.
                if let Some(What::Enters { callback: Callback::Tick, .. }) =
                    kept.last().map(|line| &line.what)
                {
                    kept.pop();
                    continue;
                }
            }
            _ => {}
        }
        kept.push(line);
    }
    kept
}

fn neighbourhood(expected: &[&Line], actual: &[&Line], index: usize) -> String {
    let mut text = String::new();
    for at in index.saturating_sub(6)..=index {
        for (side, lines) in [("original    ", expected), ("instrumented", actual)] {
            match lines.get(at) {
                Some(line) if at == index => _ = writeln!(text, "> {side} {line}"),
                Some(line) if side == "original    " => _ = writeln!(text, "           {line}"),
                Some(_) => {}
                None => _ = writeln!(text, "> {side} (nothing)"),
            }
        }
    }
    text
}
