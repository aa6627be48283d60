//! Two Envoys loaded at the same time on one core, and the ratio of what a request costs them.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use super::cpu::{self, Cores};
use super::envoy::{Envoy, Setup};
use super::load::{Load, Request};
use super::servers::{Ledger, Manner, Received, serve};

/// How long, in how many parts, how hard.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub warm_up: Duration,
    pub slice: Duration,
    pub slices: usize,
    /// Of each Envoy.
    pub connections: usize,
}

/// One of the two that are compared.
#[derive(Clone, Copy)]
pub struct Contender<'a> {
    pub module: &'a [u8],
    /// Its collector takes batches and never answers.
    pub black_holed: bool,
}

/// What both are given.
pub struct Common<'a> {
    pub request: Request,
    pub configuration: &'a str,
    pub cores: Cores,
    /// Empty folder.
    pub scratch: &'a Path,
}

/// One contender over the whole measured time.
#[derive(Clone, Copy)]
pub struct Total {
    pub requests: u64,
    pub cpu: Duration,
    pub received: Received,
}

/// The outcome.
pub struct Comparison {
    /// First contender's CPU per request ÷ the second's, of each slice, ascending.
    pub ratios: Vec<f64>,
    pub totals: [Total; 2],
    pub elapsed: Duration,
}

impl Comparison {
    /// The ratio in the middle.
    pub fn median(&self) -> f64 {
        let middle = self.ratios.len() / 2;
        if self.ratios.len() % 2 == 1 {
            self.ratios[middle]
        } else {
            (self.ratios[middle - 1] + self.ratios[middle]) / 2.0
        }
    }
}

impl Total {
    /// Microseconds of CPU that a request cost.
    pub fn micros_per_request(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.requests as f64
    }

    fn since(self, earlier: Self) -> Self {
        Self {
            requests: self.requests - earlier.requests,
            cpu: self.cpu.saturating_sub(earlier.cpu),
            received: self.received.since(earlier.received),
        }
    }
}

/// Everything around one running Envoy.
struct Side {
    envoy: Envoy,
    load: Load,
    ledger: Arc<Ledger>,
}

impl Side {
    fn so_far(&self) -> anyhow::Result<Total> {
        Ok(Total {
            cpu: cpu::used_by(self.envoy.process())?,
            requests: self.load.answered(),
            received: self.ledger.so_far(),
        })
    }
}

/// Starts both, loads both, measures.
pub async fn compare(
    contenders: [Contender<'_>; 2],
    common: &Common<'_>,
    plan: Plan,
) -> anyhow::Result<Comparison> {
    let mut starting = Vec::new();
    for (name, contender) in ["first", "second"].into_iter().zip(contenders) {
        starting.push(surround(name, &contender, common).await?);
    }
    let mut envoys = Vec::new();
    for (envoy, ledger) in starting {
        envoys.push((envoy.ready().await?, ledger));
    }
    let mut sides = envoys.into_iter().map(|(envoy, ledger)| {
        let load = Load::start(envoy.listener, plan.connections, common.request);
        Side { envoy, load, ledger }
    });
    let (Some(mut first), Some(mut second)) = (sides.next(), sides.next()) else {
        bail!("two Envoys are compared");
    };
    drop(sides);

    let mut marks = Vec::new();
    for step in 0..=plan.slices {
        let span = if step == 0 { plan.warm_up } else { plan.slice };
        tokio::select! {
            () = tokio::time::sleep(span) => {}
            error = first.load.failure() => return Err(error).with_context(|| first.envoy.last_words()),
            error = second.load.failure() => return Err(error).with_context(|| second.envoy.last_words()),
        }
        marks.push((Instant::now(), [first.so_far()?, second.so_far()?]));
    }
    evaluate(&marks)
}

type Starting = (super::envoy::Starting, Arc<Ledger>);

async fn surround(
    name: &str,
    contender: &Contender<'_>,
    common: &Common<'_>,
) -> anyhow::Result<Starting> {
    let folder = common.scratch.join(name);
    std::fs::create_dir_all(&folder)?;
    let module = folder.join("plugin.wasm");
    std::fs::write(&module, contender.module).context("cannot write the plugin")?;
    let ledger = Arc::<Ledger>::default();
    let collector: SocketAddr = if contender.black_holed {
        serve(Manner::Swallow).await?
    } else {
        serve(Manner::Collect(Arc::clone(&ledger))).await?
    };
    let envoy = Envoy::start(&Setup {
        module: &module,
        configuration: common.configuration,
        upstream: serve(Manner::Answer).await?,
        callee: serve(Manner::Answer).await?,
        collector,
        core: common.cores.envoys,
        folder,
    })?;
    Ok((envoy, ledger))
}

fn evaluate(marks: &[(Instant, [Total; 2])]) -> anyhow::Result<Comparison> {
    let mut ratios = Vec::new();
    for pair in marks.windows(2) {
        let [first, second] = [0, 1].map(|side| pair[1].1[side].since(pair[0].1[side]));
        if first.requests == 0 || second.requests == 0 {
            bail!("an Envoy answered nothing in a whole slice: the plugin holds its requests");
        }
        ratios.push(first.micros_per_request() / second.micros_per_request());
    }
    let (Some(begin), Some(end), false) = (marks.first(), marks.last(), ratios.is_empty()) else {
        bail!("at least one slice is needed");
    };
    ratios.sort_by(f64::total_cmp);
    let totals = [0, 1].map(|side| end.1[side].since(begin.1[side]));
    Ok(Comparison { ratios, totals, elapsed: end.0 - begin.0 })
}
