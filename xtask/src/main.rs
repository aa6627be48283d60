//! `cargo xtask …`: everything that is more than one cargo command. It fetches what it needs into
//! the cache folder, so a fresh clone needs no preparation.

mod backend_tools;
mod bench;
mod browser_tools;
mod command;
mod demo;
mod deploy_tools;
mod dist;
mod examples;
mod r#gen;
mod go_tool;
mod hash;
mod install;
mod npm;
mod places;
mod prerequisites;
mod setup;
mod soak;
mod test;
mod tidy;
mod wheel;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// What is more than one cargo command
#[derive(Parser)]
#[command(name = "cargo xtask", arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Show the lost callback on a real Envoy, explained; serves the page until Ctrl-C
    Demo(demo::Args),
    /// Run everything this project claims
    Test(test::Args),
    /// Write generated files
    Gen(r#gen::Args),
    /// Check the rules of the house
    Tidy,
    /// Measure what we claim about speed
    Bench(bench::Args),
    /// Play the whole corpus at random through a real Envoy, and judge every timeline
    Soak(soak::Args),
    /// Fetch toolchain targets, Envoys, Go, Zig, the compiled Higress plugins, what checks deploy/, trace backends, a browser
    Setup,
    /// Build the example plugins
    BuildExamples,
    /// Make the files of a release
    Dist(dist::Args),
}

fn main() -> ExitCode {
    let done = match Cli::parse().task {
        Task::Demo(args) => demo::run(&args),
        Task::Test(args) => test::run(&args),
        Task::Gen(args) => r#gen::run(&args),
        Task::Tidy => tidy::run(),
        Task::Bench(args) => bench::run(&args),
        Task::Soak(args) => soak::run(&args),
        Task::Setup => setup::everything(),
        Task::BuildExamples => setup::ready(&[setup::Use::Go, setup::Use::Zig])
            .and_then(|()| examples::build(examples::Which::All))
            .map(drop),
        Task::Dist(args) => dist::run(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
