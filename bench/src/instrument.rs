//! `bench instrument`: what a recorder adds to a module, what it takes of memory in each VM, and how long
//! the rewrite takes.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ::instrument::{Options, Sizes};
use anyhow::{Context, Result, bail};

/// Bytes of recorder and shims, by the project's budget; calls before `unreachable` are reported apart.
const BYTES_BUDGET: usize = 64 * 1024;
/// KiB of memory a VM, by the project's budget.
const MEMORY_BUDGET: u64 = 256;
/// Seconds for a plugin of so many bytes, by the project's budget. It is absolute: printed, never failed.
const SECONDS_BUDGET: (f64, f64) = (0.3, 6e6);
/// KiB of a page.
const PAGE: u64 = 64;

/// What instrumenting adds to a module and to each VM, and how long it takes
#[derive(clap::Args)]
pub struct Args {
    /// Modules, and folders with them [default: the built examples and the Higress plugins]
    paths: Vec<PathBuf>,
    /// The best of so many runs counts: machines are shared
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
}

/// What one module took.
struct Row {
    name: String,
    seconds: f64,
    sizes: Sizes,
    memory: u64,
}

/// Measures and prints; fails when a budget that does not depend on the machine is missed.
pub fn run(args: &Args) -> Result<()> {
    let mut files = Vec::new();
    for path in if args.paths.is_empty() { from_environment()? } else { args.paths.clone() } {
        collect(&path, &mut files)?;
    }
    files.sort();
    println!(
        "{:>8} {:>9} {:>9} {:>9} {:>9} {:>7}  plugin",
        "seconds", "bytes", "traced", "recorder", "traps", "memory"
    );
    let mut rows = Vec::new();
    for file in &files {
        let row = measure(file, args.runs).with_context(|| file.display().to_string())?;
        println!(
            "{:>8.3} {:>9} {:>9} {:>9} {:>9} {:>3} KiB  {}",
            row.seconds,
            row.sizes.original,
            row.sizes.rewritten,
            row.sizes.recorder,
            row.sizes.trap_bytes,
            row.memory,
            row.name
        );
        rows.push(row);
    }
    judge(&rows)
}

/// The folders that `cargo xtask bench` names.
fn from_environment() -> Result<Vec<PathBuf>> {
    let names = ["WASM_TRACER_ARTIFACTS", "WASM_TRACER_HIGRESS_PLUGINS"];
    let folders: Vec<PathBuf> =
        names.into_iter().filter_map(std::env::var_os).map(PathBuf::from).collect();
    if folders.is_empty() {
        bail!("no module is named; give files, or run cargo xtask bench instrument");
    }
    Ok(folders)
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    if path.is_dir() {
        for entry in std::fs::read_dir(path).with_context(|| path.display().to_string())? {
            collect(&entry?.path(), files)?;
        }
    } else if path.extension().is_some_and(|extension| extension == "wasm") {
        files.push(path.to_owned());
    }
    Ok(())
}

fn measure(file: &Path, runs: u32) -> Result<Row> {
    let plugin = std::fs::read(file)?;
    let options = Options { cluster: "wasm-tracer".into(), ..Options::default() };
    let mut best = Duration::MAX;
    let mut report = None;
    for _ in 0..runs {
        let (start, began) = (Instant::now(), on_cpu());
        let done = ::instrument::instrument(&plugin, &options)?;
        let wall = start.elapsed();
        best = best.min(on_cpu().zip(began).map_or(wall, |(now, began)| now - began));
        report = Some(done.report);
    }
    let report = report.context("at least one run")?;
    Ok(Row {
        name: file.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
        seconds: best.as_secs_f64(),
        sizes: report.sizes,
        memory: report.recorder_pages * PAGE,
    })
}

/// Time that this thread had a core: what else runs on the machine is not in it. Linux only; elsewhere the
/// clock on the wall has to do.
fn on_cpu() -> Option<Duration> {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let nanos = stat.split_whitespace().next()?.parse().ok()?;
    Some(Duration::from_nanos(nanos))
}

fn judge(rows: &[Row]) -> Result<()> {
    let largest =
        rows.iter().max_by_key(|row| row.sizes.recorder).context("no module was found")?;
    let bytes = largest.sizes.recorder;
    println!("\nrecorder and shims: {bytes} of {BYTES_BUDGET} bytes at most ({})", largest.name);
    let memory = rows.iter().map(|row| row.memory).max().unwrap_or(0);
    println!("memory of a VM at rest: {memory} of {MEMORY_BUDGET} KiB at most");
    let (seconds, of) = SECONDS_BUDGET;
    // Small modules take the recorder's own time, which says nothing of the plugin's.
    let large = rows.iter().filter(|row| row.sizes.original as f64 > of / 2.0);
    let scaled = large.map(|row| row.seconds * of / row.sizes.original as f64);
    if let Some(slowest) = scaled.max_by(f64::total_cmp) {
        println!(
            "a plugin of 6 MB: {slowest:.3} s of {seconds} s at most (slowest, scaled by size)"
        );
    }
    if bytes > BYTES_BUDGET || memory > MEMORY_BUDGET {
        bail!("a budget is missed");
    }
    Ok(())
}
