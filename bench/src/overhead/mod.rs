//! `bench overhead`: what recording costs an Envoy, as CPU per request, instrumented ÷ original.
//!
//! Two Envoys share one core and are loaded at the same time from the other, so that whatever else the
//! machine does hurts both alike; each one's CPU time is divided by its own requests. Taken in turns,
//! the same module against itself reads anything from 0.87 to 1.40 on a small machine.

mod cpu;
mod envoy;
mod http;
mod load;
mod measure;
mod plugin;
mod report;
mod servers;

use std::time::Duration;

use anyhow::Context;

use cpu::Cores;
use measure::{Common, Contender, Plan};
use plugin::Plugin;
use report::Row;

/// Name of the cluster that leads to the sink.
const COLLECTOR_CLUSTER: &str = "wasm-tracer";

/// Most of black-holed ÷ healthy, by the project's budget.
const BLACK_HOLE_BUDGET: f64 = 1.02;

/// Most of instrumented ÷ original of any plugin where one stream in a hundred is recorded, or fewer.
const SAMPLED_BUDGET: f64 = 1.03;
const SAMPLED: f64 = 0.01;

/// The same where recording is off.
const OFF_BUDGET: f64 = 1.02;

/// Envoy's CPU per request: instrumented ÷ original, and collector black-holed ÷ healthy
#[derive(clap::Args)]
pub struct Args {
    /// Measure only this: empty-rust, wasm-go, one-call or a file.wasm (several times: several)
    #[arg(long = "plugin", value_name = "NAME|FILE")]
    plugins: Vec<String>,
    /// Seconds measured per row, besides start and warm-up
    #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u32).range(1..))]
    seconds: u32,
    /// Parts of that time, each with a ratio of its own
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..))]
    slices: u32,
    /// Seconds of load before measuring
    #[arg(long, default_value_t = 4)]
    warm_up: u32,
    /// Keep-alive connections to each Envoy, each with one request out
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..))]
    connections: u32,
    /// What is divided by what
    #[arg(long, value_enum, default_value_t = Compare::Budgets)]
    compare: Compare,
    /// Share of streams that the instrumented one records, 0.0 to 1.0, as WASM_TRACER_RATE; at 0.01 and
    /// below the budget is that of sampling
    #[arg(long, default_value_t = 1.0)]
    rate: f64,
    /// The instrumented one records nothing, as with WASM_TRACER_ENABLED=0
    #[arg(long, conflicts_with_all = ["rate", "record_all_hostcalls"])]
    off: bool,
    /// Keep every hostcall as an event
    #[arg(long)]
    record_all_hostcalls: bool,
}

/// What is divided by what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Compare {
    /// Instrumented ÷ original of each plugin, then the black hole with the cheapest one if all is
    /// recorded
    Budgets,
    /// The original ÷ itself: the noise of this machine
    Same,
    /// The instrumented one ÷ itself
    SameInstrumented,
    /// Instrumented, collector black-holed ÷ instrumented, collector healthy
    BlackHole,
}

/// Measures and prints. Only what keeps it from measuring is an error; a budget that is not met is not.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let mut plugins = plugin::known();
    if !args.plugins.is_empty() {
        plugins = args.plugins.iter().map(|name| plugin::find(name)).collect::<Result<_, _>>()?;
    } else if args.compare == Compare::BlackHole {
        plugins.truncate(1);
    }
    let mut rows: Vec<(Compare, Plugin)> =
        plugins.iter().map(|plugin| (args.compare, plugin.clone())).collect();
    // Its budget is that of a recorder which has something to ship.
    let records_all = !args.off && args.rate >= 1.0;
    if args.compare == Compare::Budgets && args.plugins.is_empty() && records_all {
        rows.extend(plugins.first().map(|plugin| (Compare::BlackHole, plugin.clone())));
    }
    let cores = Cores::pick()?;
    let mut jobs = Vec::new();
    for (compare, plugin) in rows {
        let job = Job::prepare(args, compare, &plugin);
        jobs.push(job.with_context(|| format!("cannot prepare {}", plugin.name))?);
    }
    // Only now: builds may use all cores.
    cores.step_aside()?;
    println!("{}", report::heading(args.seconds, args.slices));
    for job in jobs {
        let row = job.measure(args, cores);
        println!("\n{}", row.with_context(|| format!("cannot measure {}", job.plugin.name))?);
    }
    Ok(())
}

/// One row to be.
struct Job {
    compare: Compare,
    plugin: Plugin,
    original: Vec<u8>,
    instrumented: Vec<u8>,
}

impl Job {
    fn prepare(args: &Args, compare: Compare, plugin: &Plugin) -> anyhow::Result<Self> {
        let scratch = tempfile::tempdir()?;
        let original = plugin.original(scratch.path())?;
        let instrumented = match compare {
            Compare::Same => Vec::new(),
            _ => instrumented(args, &original)?,
        };
        Ok(Self { compare, plugin: plugin.clone(), original, instrumented })
    }

    fn contenders(&self) -> [Contender<'_>; 2] {
        let original = Contender { module: &self.original, black_holed: false };
        let instrumented = Contender { module: &self.instrumented, black_holed: false };
        match self.compare {
            Compare::Budgets => [instrumented, original],
            Compare::Same => [original; 2],
            Compare::SameInstrumented => [instrumented; 2],
            Compare::BlackHole => [Contender { black_holed: true, ..instrumented }, instrumented],
        }
    }

    fn measure(&self, args: &Args, cores: Cores) -> anyhow::Result<Row> {
        let scratch = tempfile::tempdir()?;
        let common = Common {
            request: self.plugin.request,
            configuration: self.plugin.configuration,
            cores,
            scratch: scratch.path(),
        };
        let plan = Plan {
            warm_up: Duration::from_secs(args.warm_up.into()),
            slice: Duration::from_secs(args.seconds.into()) / args.slices,
            slices: args.slices as usize,
            connections: args.connections as usize,
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let comparison = runtime.block_on(measure::compare(self.contenders(), &common, plan))?;
        let budget = match self.compare {
            Compare::Budgets if args.off => self.plugin.budget.and(Some(OFF_BUDGET)),
            Compare::Budgets if args.rate <= SAMPLED => {
                self.plugin.budget.and(Some(SAMPLED_BUDGET))
            }
            Compare::Budgets => self.plugin.budget,
            Compare::BlackHole => Some(BLACK_HOLE_BUDGET),
            Compare::Same | Compare::SameInstrumented => None,
        };
        let (plugin, compare) = (self.plugin.name.clone(), self.compare);
        let rate = (!args.off).then_some(args.rate);
        Ok(Row { plugin, compare, rate, budget, comparison })
    }
}

fn instrumented(args: &Args, original: &[u8]) -> anyhow::Result<Vec<u8>> {
    let options = instrument::Options {
        host: Some(abi::Host::Envoy),
        cluster: COLLECTOR_CLUSTER.into(),
        rate: Some(args.rate),
        enabled: Some(!args.off),
        record_all_hostcalls: args.record_all_hostcalls,
        ..instrument::Options::default()
    };
    Ok(instrument::instrument(original, &options)?.wasm)
}
