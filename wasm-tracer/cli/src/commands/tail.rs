//! `tail`: timelines and findings as they come, one line each.

use std::io::Write;

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::client::Client;

#[derive(clap::Args)]
pub struct Args {
    /// Only timelines with a finding
    #[arg(long)]
    findings: bool,
    /// Only of this plugin
    #[arg(long)]
    plugin: Option<String>,
    /// Print the collector's JSON, one object a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    client: Client,
}

/// What of an update this command reads; the collector sends more.
#[derive(Deserialize)]
struct Update {
    id: String,
    plugin: String,
    #[serde(default)]
    request_id: String,
    #[serde(default)]
    kind: String,
    #[serde(default)]
    subject: String,
    state: String,
    #[serde(default)]
    severity: Option<String>,
    #[serde(default)]
    headline: Option<String>,
}

pub fn run(args: &Args) -> Result<()> {
    let mut out = std::io::stdout().lock();
    args.client.events("/api/v1/live", |event, data| {
        if event == "missed" {
            eprintln!("missed {data} changes: they came faster than they were read");
        }
        if event != "timeline" {
            return Ok(());
        }
        let update: Update =
            serde_json::from_str(data).context("the collector speaks another version")?;
        let wanted = args.plugin.as_ref().is_none_or(|plugin| *plugin == update.plugin)
            && (!args.findings || update.headline.is_some());
        if !wanted {
            return Ok(());
        }
        if args.json {
            writeln!(out, "{data}")?;
        } else {
            let said = update.headline.as_deref().unwrap_or("nothing found");
            let severity = update.severity.as_deref().unwrap_or("-");
            let request = match update.kind.as_str() {
                "root" => String::new(),
                _ if update.request_id.is_empty() => " request ?".to_owned(),
                _ => format!(" request {}", update.request_id),
            };
            writeln!(
                out,
                "{severity:6} {state:6} {plugin} {subject}{request}: {said} (timeline {id})",
                state = update.state,
                plugin = update.plugin,
                subject = update.subject,
                id = update.id,
            )?;
        }
        out.flush()?;
        Ok(())
    })
}
