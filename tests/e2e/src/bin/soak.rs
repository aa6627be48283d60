//! The soak, for as long as one likes. `cargo xtask soak` fetches and builds what it needs and then
//! becomes this program.

use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Parser;
use e2e::soak::{self, Plan};

#[derive(Parser)]
struct Args {
    /// How long requests come, in minutes
    #[arg(long, default_value_t = 10.0)]
    minutes: f64,
    /// Which requests in which order; without it, another one each time
    #[arg(long)]
    seed: Option<u64>,
    /// Each row at least so often, on each kind of host
    #[arg(long, default_value_t = 100)]
    at_least: usize,
    /// Of a hundred batches so many are answered 200 and thrown away
    #[arg(long, default_value_t = 0)]
    loss: u64,
    /// What takes a whole VM is played so often, each time in an Envoy of its own
    #[arg(long, default_value_t = 5)]
    vms: usize,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether all was as it must be.
fn run(args: &Args) -> anyhow::Result<bool> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
    let seed = args.seed.unwrap_or(now.as_secs());
    let lasts = Duration::try_from_secs_f64(args.minutes * 60.0)?;
    println!("seed {seed}, {} minutes, {} % of the batches are lost", args.minutes, args.loss);
    let plan = Plan { seed, lasts, at_least: args.at_least, loss: args.loss };
    let mut outcome = soak::run(&plan)?;
    outcome.wrong.extend(soak::vms(args.vms, &mut outcome.score));
    println!(
        "{}\n{} times each what takes a whole VM, in an Envoy of its own",
        outcome.numbers, args.vms
    );
    println!("\n{}", outcome.score);
    for wrong in outcome.wrong.iter().take(20) {
        println!("wrong: {wrong}\n");
    }
    println!("{} wrong (seed {seed})", outcome.wrong.len());
    Ok(outcome.wrong.is_empty())
}
