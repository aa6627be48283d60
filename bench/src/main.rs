//! What we claim about speed, as commands.

mod ingest;
mod instrument;
mod overhead;
mod pages;

use clap::Parser;

/// What we claim about speed, as commands.
#[derive(Parser)]
#[command(name = "bench")]
enum Bench {
    Ingest(ingest::Args),
    Instrument(instrument::Args),
    Overhead(overhead::Args),
    Pages(pages::Args),
}

fn main() -> anyhow::Result<()> {
    match Bench::parse() {
        Bench::Ingest(args) => ingest::run(&args),
        Bench::Instrument(args) => instrument::run(&args),
        Bench::Overhead(args) => overhead::run(&args),
        Bench::Pages(args) => pages::run(&args),
    }
}
