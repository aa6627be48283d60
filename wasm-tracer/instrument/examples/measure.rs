//! Instruments modules and prints what it took: `cargo run --release -p instrument --example measure
//! -- FOLDER_OR_FILE…`. The budget: 0.3 s for a Go plugin of 6 MB, and 64 KiB of recorder and shims.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use instrument::Options;

/// The best of so many runs counts: the machine is shared.
const RUNS: usize = 3;

fn main() -> Result<()> {
    let mut files = Vec::new();
    for argument in std::env::args().skip(1) {
        collect(Path::new(&argument), &mut files)?;
    }
    files.sort();
    let options = Options { cluster: "wasm-tracer".into(), ..Options::default() };
    println!(
        "{:>9} {:>9} {:>9} {:>9} {:>8}  plugin",
        "seconds", "bytes", "out", "recorder", "traps"
    );
    for file in files {
        let plugin = std::fs::read(&file)?;
        let mut best = Duration::MAX;
        let mut sizes = None;
        for _ in 0..RUNS {
            let start = Instant::now();
            let done = instrument::instrument(&plugin, &options)
                .with_context(|| file.display().to_string())?;
            best = best.min(start.elapsed());
            sizes = Some(done.report.sizes);
        }
        if let Some(sizes) = sizes {
            println!(
                "{:>9.3} {:>9} {:>9} {:>9} {:>8}  {}",
                best.as_secs_f64(),
                sizes.original,
                sizes.rewritten,
                sizes.recorder,
                sizes.trap_bytes,
                file.display()
            );
        }
    }
    Ok(())
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    if path.is_dir() {
        for entry in std::fs::read_dir(path)? {
            collect(&entry?.path(), files)?;
        }
    } else if path.extension().is_some_and(|extension| extension == "wasm") {
        files.push(path.to_owned());
    }
    Ok(())
}
