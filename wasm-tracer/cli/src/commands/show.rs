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
    state: String,
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

/// The requests of an id, latest first, each with its timelines in chain order.
#[derive(Deserialize)]
struct Requests {
    requests: Vec<Request>,
}

#[derive(Deserialize)]
struct Request {
    whereabouts: Option<Whereabouts>,
    timelines: Vec<Summary>,
}

#[derive(Deserialize)]
struct Whereabouts {
    sentence: String,
}

#[derive(Deserialize)]
struct Summary {
    id: String,
}

pub fn run(args: &Args) -> Result<()> {
    let mut out = std::io::stdout().lock();
    if args.id.parse::<TimelineId>().is_ok() && print_timeline(&mut out, args, &args.id)? {
        return Ok(());
    }
    let path = format!("/api/v1/requests/{}", percent_encode(&args.id));
    let Some(found) = args.client.json::<Requests>(&path)? else {
        bail!(
            "the collector knows no timeline and no request {:?}; a request appears up to a second after it began",
            args.id
        );
    };
    for request in found.requests {
        if let Some(whereabouts) = request.whereabouts.filter(|_| !args.json) {
            writeln!(out, "{}\n", whereabouts.sentence)?;
        }
        for timeline in request.timelines {
            print_timeline(&mut out, args, &timeline.id)?;
        }
    }
    Ok(())
}

/// Prints a timeline; false if the collector does not know it.
fn print_timeline(out: &mut impl Write, args: &Args, id: &str) -> Result<bool> {
    let path = format!("/api/v1/timelines/{id}");
    if args.json {
        let Some(text) = args.client.text(&path)? else { return Ok(false) };
        writeln!(out, "{text}")?;
        return Ok(true);
    }
    let Some(shown) = args.client.json::<Shown>(&path)? else { return Ok(false) };
    let script = args.client.text(&format!("{path}?as=text"))?.unwrap_or_default();
    writeln!(out, "{}/timelines/{}", args.client.url(), shown.id)?;
    print_findings(out, &shown.findings, shown.state == "open")?;
    writeln!(out, "{}\n", script.trim_end())?;
    Ok(true)
}

fn print_findings(out: &mut impl Write, findings: &[Finding], is_open: bool) -> Result<()> {
    writeln!(out)?;
    if findings.is_empty() {
        writeln!(out, "{}\n", if is_open { "nothing found so far" } else { "nothing found" })?;
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
    fn a_request_id_cannot_leave_its_place() {
        assert_eq!(percent_encode("a-1&plugin=x"), "a-1%26plugin%3Dx");
    }
}
