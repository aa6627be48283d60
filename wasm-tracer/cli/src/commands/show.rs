//! `show ID`: one timeline, or all timelines of one request, in script notation with their findings.

use std::io::Write;

use anyhow::{Result, bail};
use serde::Deserialize;
use timeline::ids::TimelineId;

use crate::client::Client;

#[derive(clap::Args)]
pub struct Args {
    /// Timeline id (32 hex digits) or request id (x-request-id)
    id: String,
    /// Print the collector's JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    client: Client,
}

/// What of a timeline this command reads; the collector sends more.
#[derive(Deserialize)]
struct Shown {
    id: String,
    #[serde(default)]
    findings: Vec<Finding>,
}

#[derive(Deserialize)]
struct Finding {
    code: String,
    severity: String,
    headline: String,
    #[serde(default)]
    details: Vec<String>,
    #[serde(default)]
    advice: Vec<Advice>,
}

#[derive(Deserialize)]
struct Advice {
    host: Option<String>,
    text: String,
}

#[derive(Deserialize)]
struct List {
    timelines: Vec<Summary>,
}

#[derive(Deserialize)]
struct Summary {
    id: String,
}

pub fn run(args: &Args) -> Result<()> {
    let ids = find(args)?;
    let mut out = std::io::stdout().lock();
    for id in ids {
        let path = format!("/api/v1/timelines/{id}");
        if args.json {
            if let Some(text) = args.client.text(&path)? {
                writeln!(out, "{text}")?;
            }
            continue;
        }
        let Some(shown) = args.client.json::<Shown>(&path)? else { continue };
        let script = args.client.text(&format!("{path}?as=text"))?.unwrap_or_default();
        writeln!(out, "{}/timelines/{}\n\n{}", args.client.url(), shown.id, script.trim_end())?;
        print_findings(&mut out, &shown.findings)?;
    }
    Ok(())
}

fn find(args: &Args) -> Result<Vec<String>> {
    if args.id.parse::<TimelineId>().is_ok()
        && args.client.text(&format!("/api/v1/timelines/{}", args.id))?.is_some()
    {
        return Ok(vec![args.id.clone()]);
    }
    let path = format!("/api/v1/timelines?request_id={}", percent_encode(&args.id));
    let list = args.client.json::<List>(&path)?.map_or_else(Vec::new, |list| list.timelines);
    if list.is_empty() {
        bail!(
            "the collector knows no timeline and no request {:?}; a request appears up to a second after it began",
            args.id
        );
    }
    Ok(list.into_iter().map(|summary| summary.id).collect())
}

fn print_findings(out: &mut impl Write, findings: &[Finding]) -> Result<()> {
    writeln!(out)?;
    if findings.is_empty() {
        writeln!(out, "nothing found")?;
    }
    for finding in findings {
        writeln!(out, "{}: {}\n  {}", finding.severity, finding.code, finding.headline)?;
        for detail in &finding.details {
            writeln!(out, "  - {detail}")?;
        }
        for advice in &finding.advice {
            match &advice.host {
                Some(host) => writeln!(out, "  what to do on {host}: {}", advice.text)?,
                None => writeln!(out, "  what to do: {}", advice.text)?,
            }
        }
        writeln!(out)?;
    }
    Ok(())
}

/// Request ids are chosen by clients: anything but letters, digits and `-_.` is escaped.
fn percent_encode(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => out.push(byte.into()),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::percent_encode;

    #[test]
    fn a_request_id_cannot_leave_its_parameter() {
        assert_eq!(percent_encode("a-1&plugin=x"), "a-1%26plugin%3Dx");
    }
}
