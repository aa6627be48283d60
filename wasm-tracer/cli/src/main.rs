//! `wasm-tracer`: rewrite a plugin so that it records itself, run the collector, read what it found.

mod client;
mod commands;
#[cfg(test)]
mod configuration;
mod printing;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

/// A flight recorder for proxy-wasm plugins on Envoy, Istio and Higress
#[derive(Parser)]
#[command(name = "wasm-tracer", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Rewrite a plugin so that it records itself
    Instrument(commands::instrument::Args),
    /// Say what a module is and what instrumenting it would do
    Inspect(commands::inspect::Args),
    /// Prove that a traced plugin was made from an original
    Verify(commands::verify::Args),
    /// Write the patches that put a traced plugin into a WasmPlugin and take it back
    Attach(commands::attach::Args),
    /// Run the collector
    Collector(commands::collector::Args),
    /// Print findings and timelines as they come
    Tail(commands::tail::Args),
    /// Print timelines and their findings, by timeline id or request id, or from a file
    Show(commands::show::Args),
    /// Read Envoy's own trace log of a plugin that nobody instrumented
    Import(commands::import::Args),
    /// Explain a diagnosis
    Explain(commands::explain::Args),
    /// Ask a collector whether it is well
    Health(commands::health::Args),
    /// Print what makes a shell complete the options of this command
    Completions(commands::completions::Args),
    /// Write the manual, a page for each subcommand
    Man(commands::man::Args),
}

fn main() -> ExitCode {
    let done = |()| ExitCode::SUCCESS;
    let result = match Cli::parse().command {
        Command::Instrument(args) => commands::instrument::run(&args).map(done),
        Command::Inspect(args) => commands::inspect::run(&args).map(done),
        Command::Verify(args) => commands::verify::run(&args).map(done),
        Command::Attach(args) => commands::attach::run(&args).map(done),
        Command::Collector(args) => commands::collector::run(args).map(done),
        Command::Tail(args) => commands::tail::run(&args),
        Command::Show(args) => commands::show::run(&args).map(done),
        Command::Import(args) => commands::import::run(&args).map(done),
        Command::Explain(args) => commands::explain::run(&args).map(done),
        Command::Health(args) => commands::health::run(&args).map(done),
        Command::Completions(args) => commands::completions::run(&args, Cli::command()).map(done),
        Command::Man(args) => commands::man::run(&args, Cli::command()).map(done),
    };
    match result {
        Ok(code) => code,
        // A closed pipe (`wasm-tracer show … | head`) is the reader's choice, not an error.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause
            .downcast_ref::<std::io::Error>()
            .is_some_and(|io| io.kind() == std::io::ErrorKind::BrokenPipe)
    })
}
