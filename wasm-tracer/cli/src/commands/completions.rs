//! `completions SHELL`: what makes a shell complete subcommands and options, from their own declaration.

use std::io::Write;

use anyhow::Result;
use clap_complete::Shell;

#[derive(clap::Args)]
pub struct Args {
    /// The shell that will read it. For bash: `source <(wasm-tracer completions bash)`
    shell: Shell,
}

pub fn run(args: &Args, mut command: clap::Command) -> Result<()> {
    // It panics where it cannot write, and a closed pipe is the reader's choice.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "wasm-tracer", &mut script);
    if args.shell == Shell::Bash {
        // It looks for subcommands under one name and keeps them under another when the command's name
        // has a hyphen (clap-rs/clap#6421).
        let text = String::from_utf8(script)?;
        script = text.replace("wasm__subcmd__tracer", "wasm__tracer").into_bytes();
    }
    Ok(std::io::stdout().lock().write_all(&script)?)
}
