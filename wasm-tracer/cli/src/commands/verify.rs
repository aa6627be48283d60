//! `verify`: proves that a traced plugin was made from an original, by doing the rewrite again.

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, Result};
use instrument::{Made, Options};

#[derive(clap::Args)]
pub struct Args {
    /// The traced plugin
    traced: PathBuf,
    /// The plugin that it should have been made from
    original: PathBuf,
}

pub fn run(args: &Args) -> Result<()> {
    let traced = super::instrument::read(&args.traced)?;
    let original = super::instrument::read(&args.original)?;
    let Made { original: sha256, options } = instrument::verify(&traced, &original)
        .with_context(|| format!("{} is not proved", args.traced.display()))?;
    let (traced, original) = (args.traced.display(), args.original.display());
    let mut out = std::io::stdout();
    writeln!(out, "{traced} was made from {original} by wasm-tracer {}", instrument::VERSION)?;
    writeln!(out, "original    SHA-256 {sha256}")?;
    Ok(writeln!(out, "options     {}", flags(&options).join(" "))?)
}

/// Options as `instrument` takes them.
fn flags(options: &Options) -> Vec<String> {
    let mut flags = Vec::new();
    let mut flag = |name: &str, value: Option<String>| {
        flags.extend(value.map(|value| format!("--{name} {}", quoted(&value))));
    };
    let number = |number: Option<u32>| number.map(|number| number.to_string());
    flag("host", options.host.map(|host| host.name().to_owned()));
    flag("collector-cluster", Some(options.cluster.clone()));
    flag("authority", options.authority.clone());
    flag("rate", options.rate.map(|rate| rate.to_string()));
    flag("buffer-bytes", number(options.buffer_bytes));
    flag("flush-millis", number(options.flush_millis));
    flag("heartbeat-seconds", number(options.heartbeat_seconds));
    flag("headers", (!options.headers.is_empty()).then(|| options.headers.join(",")));
    let level = |level: u32| abi::LOG_LEVELS.get(level as usize).copied();
    flag("log-level", options.log_level.and_then(level).map(str::to_owned));
    flag("warn-seconds", number(options.warn_seconds));
    for (name, given) in [
        ("--name-early", options.name_early),
        ("--record-all-hostcalls", options.record_all_hostcalls),
    ] {
        if given {
            flags.push(name.to_owned());
        }
    }
    flags
}

/// As a shell reads it.
fn quoted(value: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.,:/".contains(c);
    match !value.is_empty() && value.chars().all(plain) {
        true => value.to_owned(),
        false => format!("'{}'", value.replace('\'', r"'\''")),
    }
}
