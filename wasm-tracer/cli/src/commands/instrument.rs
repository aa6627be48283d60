//! `instrument`: module in, module out. Nothing half-written: the output appears whole or not at all.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::builder::NonEmptyStringValueParser;
use instrument::Options;

#[derive(clap::Args)]
pub struct Args {
    /// The compiled plugin
    plugin: PathBuf,
    /// Where to write the traced plugin
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Cluster that leads to the collector, as the host names it
    #[arg(long, value_name = "NAME", default_value = "wasm-tracer", value_parser = NonEmptyStringValueParser::new())]
    collector_cluster: String,
    /// Host that will run it; without it the plugin's ABI marker decides
    #[arg(long, value_parser = ["envoy", "higress"])]
    host: Option<String>,
    /// :authority of shipments
    #[arg(long)]
    authority: Option<String>,
    /// Share of streams to record, 0.0 to 1.0; of the others one that hangs, or a call of which is lost, rejected
    /// or fails, is recorded after all (docs/instrumenting.md, Sampling) [default: 1.0]
    #[arg(long, value_parser = rate)]
    rate: Option<f64>,
    /// Bytes of events kept while nothing can be shipped, 16384 to 131072 [default: 131072]
    #[arg(long)]
    buffer_bytes: Option<u32>,
    /// Milliseconds between shipments, 10 to 60000 [default: 1000]
    #[arg(long)]
    flush_millis: Option<u32>,
    /// Seconds between heartbeats of an idle plugin, 1 to 3600 [default: 10]
    #[arg(long)]
    heartbeat_seconds: Option<u32>,
    /// Headers to record, separated by commas; authorization and cookies never are
    #[arg(long, value_delimiter = ',')]
    headers: Vec<String>,
    /// Least level of log lines to record [default: warn]
    #[arg(long, value_parser = abi::LOG_LEVELS)]
    log_level: Option<String>,
    /// Seconds between two warnings of one cause in the host's log [default: 60]
    #[arg(long)]
    warn_seconds: Option<u32>,
    /// Read request id, method and path of every stream when its headers come, so that it is found while
    /// it hangs in another filter; its traceparent is then the client's
    #[arg(long)]
    name_early: bool,
    /// Record every hostcall, for comparing with the host's own trace log
    #[arg(long)]
    record_all_hostcalls: bool,
    /// Print nothing but errors
    #[arg(short, long)]
    quiet: bool,
}

pub fn run(args: &Args) -> Result<()> {
    let original = read(&args.plugin)?;
    let target = target(&args.output, &args.plugin)?;
    let traced = instrument::instrument(&original, &options(args))
        .with_context(|| format!("cannot instrument {}", args.plugin.display()))?;
    write_whole(&target, &traced.wasm)?;
    if !args.quiet {
        let mut out = std::io::stdout();
        write!(out, "{}", traced.report)?;
        if traced.report.abi == abi::AbiVersion::V0_2_100
            && traced.report.host == abi::Host::Higress
        {
            writeln!(
                out,
                "note        stock Envoy does not load it; for stock Envoy instrument with --host envoy"
            )?;
        }
        writeln!(out, "written to {}", args.output.display())?;
    }
    Ok(())
}

fn options(args: &Args) -> Options {
    Options {
        host: args.host.as_deref().and_then(abi::Host::from_name),
        cluster: args.collector_cluster.clone(),
        authority: args.authority.clone(),
        rate: args.rate,
        buffer_bytes: args.buffer_bytes,
        flush_millis: args.flush_millis,
        heartbeat_seconds: args.heartbeat_seconds,
        headers: args.headers.clone(),
        log_level: args.log_level.as_deref().and_then(level),
        warn_seconds: args.warn_seconds,
        name_early: args.name_early,
        record_all_hostcalls: args.record_all_hostcalls,
        ..Options::default()
    }
}

/// Reads a module; the sentence names the file.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read the plugin {}", path.display()))
}

fn level(name: &str) -> Option<u32> {
    abi::LOG_LEVELS.iter().position(|level| *level == name).map(|number| number as u32)
}

/// A share of streams, as `WASM_TRACER_RATE` has it too.
pub fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if (0.0..=1.0).contains(&rate) => Ok(rate),
        _ => Err("a rate is a number from 0.0 to 1.0".to_owned()),
    }
}

/// Where the output really goes: behind links, and nowhere that a rename would destroy.
fn target(output: &Path, plugin: &Path) -> Result<PathBuf> {
    let Ok(real) = fs::canonicalize(output) else { return Ok(output.to_owned()) };
    if !real.is_file() {
        bail!("{} is not a regular file; give the name of a file with -o", output.display());
    }
    if fs::canonicalize(plugin).is_ok_and(|plugin| plugin == real) {
        bail!(
            "{} is the plugin itself; give another file with -o, or the original is gone",
            output.display()
        );
    }
    Ok(real)
}

/// Writes beside the target, then renames: a reader never sees half a module, or half a patch.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let Some(name) = path.file_name() else {
        bail!("{} is not a file name; give one with -o", path.display());
    };
    let mut temporary = name.to_owned();
    temporary.push(format!(".{}.part", std::process::id()));
    let temporary = path.with_file_name(temporary);
    let written = fs::write(&temporary, bytes).and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        // What could not be renamed is not left lying about; the first error is the one to tell.
        let _ = fs::remove_file(&temporary);
    }
    written.with_context(|| {
        format!("cannot write {} (its folder must be there, and writable)", path.display())
    })
}
