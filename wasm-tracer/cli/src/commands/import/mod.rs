//! `import LOG`: Envoy's own trace log as timelines, with no instrumentation at all.

mod folded;
mod input;
mod said;
mod sender;

use std::io::BufWriter;
use std::path::PathBuf;

use anyhow::{Result, bail};
use import::Importer;
use import::line::Formats;
use timeline::delivery::Delivery;

use crate::client;
use crate::printing::Printer;
use folded::Folded;
use input::{Input, Progress};
use sender::Sender;

/// Lines after which timelines are worked out: what lies between is kept in memory.
const LINES: u64 = 4_096;

#[derive(clap::Args)]
#[command(after_help = "Envoy writes this log with --component-log-level wasm:trace, or after \
    `curl -X POST 'localhost:15000/logging?wasm=trace'` on its admin port. It shows every call between host \
    and plugin, but no cluster, header, text or property: what depends on these is not known. Not run on \
    Higress.")]
pub struct Args {
    /// Envoy's log, plain or gzip; - for standard input
    log: PathBuf,
    /// Envoy's --log-format, where it is not one that Envoy, Istio, Higress or Consul set
    #[arg(long, value_name = "FORMAT", value_parser = Formats::only)]
    log_format: Option<Formats>,
    /// Name to give the plugin, which the log does not carry
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    plugin: String,
    /// Only timelines with a finding
    #[arg(long)]
    findings: bool,
    /// Print JSON, one timeline a line
    #[arg(long)]
    json: bool,
    /// Send what was read to this collector, instead of printing it; what it has already is not stored twice
    #[arg(
        long,
        value_name = "URL",
        value_parser = client::with_scheme,
        conflicts_with_all = ["findings", "json"]
    )]
    collector: Option<String>,
    /// The collector's ingest token, where it demands one
    #[arg(long, env = "WASM_TRACER_TOKEN", hide_env_values = true)]
    token: Option<String>,
}

pub fn run(args: &Args) -> Result<()> {
    let formats = args.log_format.clone().unwrap_or_default();
    let mut importer = Importer::of(formats, args.plugin.clone());
    let mut input = Input::open(&args.log)?;
    let mut progress = Progress::of(&input);
    let mut printed = Printed::new(args);
    while let Some(line) = input.line() {
        importer.push(&line);
        if importer.lines().is_multiple_of(LINES) {
            printed.take(importer.deliveries())?;
            progress.show(&input);
        }
    }
    progress.clear();
    printed.take(importer.finish())?;
    printed.finish()?;
    let account = importer.account();
    said::account(&account, &input, &printed.folded);
    if let Some(sender) = printed.sender.filter(|_| account.understood > 0) {
        eprintln!("sent to {}", sender.url());
    }
    if let Some(error) = input.stopped() {
        bail!(
            "{} could not be read to its end, it breaks off: {error}; what came before is what was read",
            input.name()
        );
    }
    if account.understood == 0 {
        bail!(
            "no line of Envoy's trace stands in {}: run Envoy with --component-log-level wasm:trace, and see --log-format",
            input.name()
        );
    }
    Ok(())
}

/// Timelines, printed as they are closed, or sent to a collector.
struct Printed<'a> {
    args: &'a Args,
    sender: Option<Sender>,
    folded: Folded,
    printer: Printer<BufWriter<std::io::Stdout>>,
}

impl<'a> Printed<'a> {
    fn new(args: &'a Args) -> Self {
        let printer = Printer::new(BufWriter::new(std::io::stdout()));
        let to = |url: &String| Sender::to(url, args.token.as_deref());
        let sender = args.collector.as_ref().map(to);
        Printed { args, sender, folded: Folded::default(), printer }
    }

    fn take(&mut self, deliveries: Vec<Delivery>) -> Result<()> {
        if let Some(sender) = &self.sender {
            deliveries.iter().try_for_each(|delivery| sender.send(delivery))?;
        }
        self.folded.take(deliveries);
        self.print(false)
    }

    fn finish(&mut self) -> Result<()> {
        self.print(true)
    }

    fn print(&mut self, is_end: bool) -> Result<()> {
        for timeline in self.folded.done(is_end) {
            // Of a root that did nothing wrong there is nothing to tell.
            let is_wanted = !self.args.findings && !timeline.is_root();
            if self.sender.is_some() || timeline.findings.is_empty() && !is_wanted {
                continue;
            }
            match self.args.json {
                true => self.printer.line(&collector::json::print(&timeline))?,
                false => self.printer.timeline(None, &timeline)?,
            }
        }
        Ok(self.printer.flush()?)
    }
}
