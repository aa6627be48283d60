//! The load: rounds of the whole corpus, each in a random order of its own.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread::ScopedJoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use super::{CONCURRENCY, Plan};
use crate::client::Answer;
use crate::corpus::{self, Holding, Row, SUBJECTS, Seen};
use crate::random::Random;
use crate::stack::Stack;

/// So long the first request of a plugin may wait for its VM, which V8 compiles for seconds.
const FIRST: Duration = Duration::from_secs(300);
/// How often what arrives is read meanwhile.
const EVERY: Duration = Duration::from_millis(200);

/// What was sent.
#[derive(Debug, Default)]
pub(super) struct Sent {
    /// Of each row, on each kind of host.
    pub(super) rows: BTreeMap<(&'static str, Holding), u64>,
    /// Through each plugin.
    pub(super) plugins: BTreeMap<String, u64>,
    /// What their clients saw, by the request's id.
    seen: HashMap<String, Seen>,
}

impl Sent {
    pub(super) fn total(&self) -> u64 {
        self.plugins.values().sum()
    }

    /// What the client of a request saw; nothing where the collector has not heard of its id.
    pub(super) fn seen(&self, request_id: &str) -> Seen {
        self.seen.get(request_id).copied().unwrap_or(Seen::NOTHING)
    }

    fn count(&mut self, row: &'static Row, holding: Holding, plugin: String, answer: Answer) {
        self.seen.insert(answer.request_id.clone(), Seen::of(&answer));
        *self.rows.entry((row.label, holding)).or_default() += 1;
        *self.plugins.entry(plugin).or_default() += 1;
    }
}

/// Every row on every kind of host.
fn every() -> Vec<(&'static Row, Holding)> {
    corpus::rows().flat_map(|row| Holding::BOTH.map(|holding| (row, holding))).collect()
}

/// What a seed has at this place of its sequence.
fn pick(seed: u64, number: usize) -> (&'static Row, Holding) {
    let mut all = every();
    let round = number / all.len();
    let mut random = Random::new(seed.wrapping_mul(1_000_003).wrapping_add(round as u64));
    random.shuffle(&mut all);
    all[number % all.len()]
}

/// Sends until the time is over and every row was sent often enough; `meanwhile` is called now and then.
pub(super) fn send(
    stack: &Stack,
    plan: &Plan,
    mut meanwhile: impl FnMut(),
) -> anyhow::Result<Sent> {
    let mut sent = Sent::default();
    begin(stack, &mut sent)?;
    let enough = plan.at_least * every().len();
    let end = Instant::now() + plan.lasts;
    let next = AtomicUsize::new(0);
    let sent = Mutex::new(sent);
    let client = || {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= enough && Instant::now() >= end {
                return;
            }
            let (row, holding) = pick(plan.seed, number);
            let plugin = row.listener(holding);
            let answer = stack.send(&plugin, &row.request());
            let mut sent = sent.lock().unwrap_or_else(PoisonError::into_inner);
            sent.count(row, holding, plugin, answer);
        }
    };
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CONCURRENCY).map(|_| scope.spawn(client)).collect();
        while !clients.iter().all(ScopedJoinHandle::is_finished) {
            meanwhile();
            std::thread::sleep(EVERY);
        }
    });
    Ok(sent.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// A request through each plugin, so that all have their VMs.
fn begin(stack: &Stack, sent: &mut Sent) -> anyhow::Result<()> {
    let row = Row::of("nothing").context("there is no row with nothing to find")?;
    let request = row.request().patience(FIRST);
    for subject in SUBJECTS {
        for holding in Holding::BOTH {
            let plugin = subject.listener(holding);
            let answer = stack.send(&plugin, &request);
            ensure!(answer.status == 200, "{plugin} answers {}", answer.status);
            sent.count(row, holding, plugin, answer);
        }
    }
    Ok(())
}
