//! What we claim about speed, as commands.

mod overhead;

use clap::Parser;

/// What we claim about speed, as commands.
#[derive(Parser)]
#[command(name = "bench")]
enum Bench {
    Overhead(overhead::Args),
}

fn main() -> anyhow::Result<()> {
    match Bench::parse() {
        Bench::Overhead(args) => overhead::run(&args),
    }
}
