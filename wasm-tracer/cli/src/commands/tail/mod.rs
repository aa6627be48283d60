//! `tail`: timelines and findings as they come, one line each; for CI jobs an exit code.

mod known;
mod stream;
mod watch;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::client::Client;
use stream::{Next, Stream};
use watch::{Reason, Watch};

/// A finding of `--fail-on` came.
const FOUND: u8 = 3;
/// The collector cannot be reached.
const GONE: u8 = 4;

#[derive(clap::Args)]
#[command(
    after_help = "Exit codes: 0 the time is up and nothing of --fail-on came; 3 something of it came; 4 the \
    collector could not be reached for 30 s, or was away when the time was up; 2 a wrong flag; 1 any other error."
)]
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
    /// Exit with 3 if a finding of these severities or codes comes: at the end of --for, or without it at
    /// once; separated by commas
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    fail_on: Vec<Reason>,
    /// End after this time, e.g. 60s, 5m
    #[arg(long = "for", value_name = "TIME", value_parser = duration)]
    time: Option<Duration>,
    /// Findings of this file, which --write-known wrote, are no reason to fail
    #[arg(long, value_name = "FILE")]
    known: Option<PathBuf>,
    /// Write what came, and what --known holds, to this file at the end of --for
    #[arg(long, value_name = "FILE", requires = "time")]
    write_known: Option<PathBuf>,
    #[command(flatten)]
    client: Client,
}

/// What of an update this command reads; the collector sends more.
#[derive(Deserialize)]
pub struct Update {
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
    #[serde(default)]
    findings: Vec<Finding>,
}

/// One of its findings.
#[derive(Deserialize)]
pub struct Finding {
    code: String,
    severity: String,
    subject: String,
    #[serde(default)]
    cluster: Option<String>,
    headline: String,
}

pub fn run(args: &Args) -> Result<ExitCode> {
    let known = args.known.as_deref().map(known::read).transpose()?.unwrap_or_default();
    args.write_known.as_deref().map(known::check).transpose()?;
    let mut watch = Watch::new(args.fail_on.iter().copied().collect(), known);
    let until = args.time.map(|time| Instant::now() + time);
    let mut stream = Stream::open(&args.client, until);
    let gone = loop {
        match stream.next()? {
            Next::Timeline(json) => {
                let update: Update =
                    serde_json::from_str(&json).context("the collector speaks another version")?;
                if args.plugin.as_ref().is_some_and(|plugin| *plugin != update.plugin) {
                    continue;
                }
                watch.take(&update);
                if !args.findings || update.headline.is_some() {
                    print(args, &update, &json)?;
                }
                if until.is_none() && !watch.failing().is_empty() {
                    break None;
                }
            }
            Next::Missed(count) => {
                eprintln!(
                    "missed {count} changes: they came faster than they were read, or while away"
                );
            }
            Next::TimeIsUp if stream.is_away() => {
                break Some(anyhow::anyhow!(
                    "the collector at {} was away at the end",
                    args.client.url()
                ));
            }
            Next::TimeIsUp => break None,
            Next::Gone(error) => break Some(error),
        }
    };
    if let Some(path) = &args.write_known {
        known::write(path, &watch.all())?;
    }
    Ok(end(args, &watch, gone))
}

/// Says why, and gives the exit code. What was found was found, also if the collector went away later.
fn end(args: &Args, watch: &Watch, gone: Option<anyhow::Error>) -> ExitCode {
    let failing = watch.failing();
    for (came, timeline, count) in &failing {
        let what = &came.what;
        eprintln!(
            "{}: {} of plugin {}, about its {}, in {count} timeline{}: {} (timeline {timeline})",
            came.severity,
            what.code,
            what.plugin,
            what.about,
            if *count == 1 { "" } else { "s" },
            came.headline
        );
    }
    if let Some(error) = &gone {
        eprintln!("error: {error:#}");
    }
    match (failing.len(), gone) {
        (0, Some(_)) => ExitCode::from(GONE),
        (0, None) => {
            if !args.fail_on.is_empty() {
                eprintln!("nothing new of --fail-on came");
            }
            ExitCode::SUCCESS
        }
        _ => ExitCode::from(FOUND),
    }
}

fn print(args: &Args, update: &Update, json: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    if args.json {
        writeln!(out, "{json}")?;
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
    Ok(out.flush()?)
}

/// `60s`, `5m`, `1h`, `500ms`
fn duration(text: &str) -> Result<Duration, String> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let millis = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err("a time is a number with ms, s, m or h, e.g. 60s".to_owned()),
    };
    let number: u64 =
        number.parse().map_err(|_| "a time is a number with its unit, e.g. 60s".to_owned())?;
    let limit = u64::from(u32::MAX);
    number
        .checked_mul(millis)
        .filter(|millis| *millis <= limit)
        .map(Duration::from_millis)
        .ok_or_else(|| "a time is at most 49 days".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_a_unit() {
        assert_eq!(duration("60s"), Ok(Duration::from_secs(60)));
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("2h"), Ok(Duration::from_secs(7_200)));
        for wrong in ["", "60", "s", "1.5s", "-1s", "60 s", "99999999999999999999s", "5000h"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}
