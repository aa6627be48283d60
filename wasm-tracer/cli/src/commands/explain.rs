//! `explain CODE`: what a diagnosis means, why it happens, what to do.

use std::io::Write;

use anyhow::{Result, bail};
use timeline::diagnose::Diagnosis;
use timeline::registry;

#[derive(clap::Args)]
pub struct Args {
    /// Code of the diagnosis, e.g. late-callback; without one all are listed
    code: Option<String>,
}

pub fn run(args: &Args) -> Result<()> {
    let mut out = std::io::stdout().lock();
    let Some(code) = &args.code else {
        for diagnosis in registry::DIAGNOSES {
            writeln!(out, "{:42} {}", diagnosis.code, diagnosis.title)?;
        }
        return Ok(());
    };
    let Some(diagnosis) = diagnosis(code) else {
        bail!("no diagnosis has the code {code:?}: `wasm-tracer explain` lists them");
    };
    writeln!(out, "{} ({})\n{}\n", diagnosis.code, diagnosis.severity.name(), diagnosis.title)?;
    writeln!(out, "{}\n", diagnosis.explanation.trim())?;
    let [heading, none] = registry::KNOWN_FROM;
    writeln!(out, "## {heading}\n")?;
    for (_, address) in diagnosis.threads() {
        writeln!(out, "{address}")?;
    }
    if diagnosis.known_from.is_empty() {
        writeln!(out, "{none}")?;
    }
    writeln!(out, "\n## Example\n\n{}", diagnosis.example.trim())?;
    Ok(())
}

/// The diagnosis of a code, also as a file or a title may have it: late_callback, Late-Callback.
pub fn diagnosis(code: &str) -> Option<&'static Diagnosis> {
    registry::find(&code.to_lowercase().replace('_', "-"))
}
