//! The soak: the whole corpus at random, many clients at a time, through a real Envoy, for as long as one
//! likes. At the end every stored timeline is judged by the label in its path, and the numbers have to
//! add up: what was sent, what recorders counted, what is stored.

mod growth;
mod judge;
mod ledger;
mod load;
mod shutdown;
mod traps;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::collector::Collector;
use crate::corpus::{self, Row, SUBJECTS};
use crate::gate::{Gate, Manner};
use crate::wait;

use judge::Verdict;
use ledger::Ledger;

pub use judge::Score;

/// Clients at a time.
const CONCURRENCY: usize = 50;
/// Envoy's threads, each with VMs of its own.
const WORKERS: u32 = 2;
/// After the last request: the longest timeout of a call, and what buffers may hold back.
const SETTLE_LIMIT: Duration = Duration::from_secs(90);

/// A call's timeout is 5 s at most, and a second more is waited for its callback.
const LONGEST_CALL: Duration = Duration::from_secs(7);
/// The collector waits 10 s for a batch that is missing before it goes on without it.
const GIVES_UP: Duration = Duration::from_secs(15);

/// How long, how much.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Which requests in which order, and which batches are lost.
    pub seed: u64,
    /// At least so long.
    pub lasts: Duration,
    /// Each row at least so often, on each kind of host.
    pub at_least: usize,
    /// Of a hundred batches so many are answered 200 and thrown away.
    pub loss: u64,
}

/// What came of it.
pub struct Outcome {
    /// What was found and what was to be found, by diagnosis.
    pub score: Score,
    /// What is not as it must be: a finding, or a number. Empty: all is well.
    pub wrong: Vec<String>,
    /// The numbers, for people.
    pub numbers: String,
}

/// Runs it.
///
/// # Errors
/// When something does not start, or does not answer.
pub fn run(plan: &Plan) -> anyhow::Result<Outcome> {
    let collector = Collector::start(0)?;
    let is_lossy = plan.loss > 0;
    let manner = match plan.loss {
        0 => Manner::Pass,
        percent => Manner::Swallow { percent, seed: plan.seed },
    };
    let gate = Gate::start(manner, collector.address());
    let stack = corpus::builder(&SUBJECTS).ships_to(gate.address()).workers(WORKERS).start()?;
    let mut ledger = Ledger::default();
    let begin = Instant::now();
    let sent = load::send(&stack, plan, || ledger.read(&gate))?;
    let lasted = begin.elapsed();
    let mut quiet = Quiet::default();
    let settled = wait::until("all is told", SETTLE_LIMIT, || {
        ledger.read(&gate);
        let metrics = collector.text("/metrics")?;
        let is_over = quiet.lasts(&metrics)? > if is_lossy { GIVES_UP } else { LONGEST_CALL };
        Ok((is_over && ledger.has_told(&sent, &collector)?).then_some(()))
    });
    let mut wrong = Vec::new();
    if let Err(error) = settled {
        wrong.push(format!("{error:#}"));
    }
    let (mut score, mut stored) = (Score::default(), BTreeMap::<String, u64>::new());
    let mut open = BTreeMap::<String, u64>::new();
    judge::every_timeline(&collector, |mut timeline| {
        let verdict = if timeline.is_stream {
            ledger.name(&mut timeline);
            *stored.entry(timeline.plugin.clone()).or_default() += 1;
            *open.entry(timeline.plugin.clone()).or_default() += u64::from(!timeline.is_closed);
            match Row::of_path(&timeline.path) {
                Some(row) => {
                    score.judge(&timeline, row, sent.seen(&timeline.request_id), is_lossy)?
                }
                None => score.judge_nameless(&timeline),
            }
        } else {
            let is_right = score.count(&timeline.findings, timeline.expected_of_root());
            if is_right { Verdict::Right } else { Verdict::Wrong }
        };
        let is_wrong = match verdict {
            Verdict::Right => {
                let seen = sent.seen(&timeline.request_id);
                let may_be_open = is_lossy || timeline.is_open_without_client(seen);
                timeline.is_named() && !timeline.is_closed && !may_be_open
            }
            Verdict::Missing => !is_lossy,
            Verdict::Wrong => true,
        };
        if is_wrong {
            wrong.push(judge::shown(&collector, &timeline)?);
        }
        if is_lossy {
            score.ask_what_is_unknown(&collector, &timeline)?;
        }
        Ok(())
    })?;
    // What is open is what Envoy itself has not ended.
    for (plugin, open) in open.into_iter().filter(|_| !is_lossy) {
        let active = stack.envoy_stat(&format!("http.{plugin}.downstream_rq_active"))?;
        if open != active {
            wrong.push(format!("{plugin}: {open} streams are open, and in Envoy {active}"));
        }
    }
    let numbers = ledger.compare(&sent, &stored, &mut wrong);
    let fewest = sent.rows.values().min().copied().unwrap_or(0);
    let numbers = format!(
        "{} requests in {:.0} s, {CONCURRENCY} at a time, {WORKERS} workers; each row at least {fewest} \
         times on each kind of host\n{numbers}",
        sent.total(),
        lasted.as_secs_f64()
    );
    Ok(Outcome { score, wrong, numbers })
}

/// Plays what takes a whole VM so often (traps, roots that end, memory that grows), each time in an Envoy of
/// its own; answers what was not as it must be, and adds to the score.
pub fn vms(times: usize, score: &mut Score) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut take = |played: anyhow::Result<Vec<String>>| {
        wrong.extend(played.unwrap_or_else(|error| vec![format!("{error:#}")]));
    };
    for _ in 0..times {
        for case in &corpus::traps::ALL {
            take(traps::play(case, score));
        }
        for end in shutdown::End::ALL {
            take(shutdown::play(end, score));
        }
        take(growth::play(score));
    }
    wrong
}

/// Since when nothing has been added to any timeline.
#[derive(Default)]
struct Quiet(Option<(Vec<u64>, Instant)>);

impl Quiet {
    fn lasts(&mut self, metrics: &str) -> anyhow::Result<Duration> {
        let names = ["events_total", "timelines_open", "timelines_closed_total", "gaps_total"];
        let of = |name: &str| ledger::the_metric(metrics, &format!("wasm_tracer_{name}"));
        let now = names.into_iter().map(of).collect::<anyhow::Result<Vec<u64>>>()?;
        match &self.0 {
            Some((before, since)) if *before == now => Ok(since.elapsed()),
            _ => {
                self.0 = Some((now, Instant::now()));
                Ok(Duration::ZERO)
            }
        }
    }
}
