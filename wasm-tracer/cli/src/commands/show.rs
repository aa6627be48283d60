//! `show ID` and `show FILE`: one timeline, or all timelines of one request, in script notation with their
//! findings.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use timeline::Timeline;
use timeline::ids::TimelineId;
use timeline::request::Request;

use crate::client::Client;
use crate::printing::{Printer, Said};

#[derive(clap::Args)]
pub struct Args {
    /// Timeline id (32 hex digits) or request id (x-request-id); or a file that holds timelines, as this
    /// command, the page and the API give them; - for standard input
    id: String,
    /// Print JSON, one timeline a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    client: Client,
}

/// What is shown is read from standard input.
const STDIN: &str = "-";

/// The requests of an id, latest first, each with its timelines in chain order.
#[derive(Deserialize)]
struct Requests {
    requests: Vec<RequestView>,
}

#[derive(Deserialize)]
struct RequestView {
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
    let mut show = Show { args, printer: Printer::new(std::io::stdout().lock()) };
    let file = Path::new(&args.id);
    if args.id == STDIN || file.exists() {
        return show.file(file);
    }
    let shown = show.id();
    // What is meant as a file is not told as an id alone.
    let is_meant_as_file = file.components().count() > 1 || file.extension().is_some();
    match is_meant_as_file {
        true => shown.with_context(|| format!("there is no file {}; as an id", args.id)),
        false => shown,
    }
}

struct Show<'a, W> {
    args: &'a Args,
    printer: Printer<W>,
}

impl<W: Write> Show<'_, W> {
    /// Prints what the collector knows by the id.
    fn id(&mut self) -> Result<()> {
        let args = self.args;
        if args.id.parse::<TimelineId>().is_ok() && self.timeline(None, &args.id)? {
            return Ok(());
        }
        let path = format!("/api/v1/requests/{}", percent_encode(&args.id));
        let Some(found) = args.client.json::<Requests>(&path)? else {
            bail!(
                "the collector knows no timeline and no request {:?}, and no file has this name; a request appears up to a second after it began, below a rate of 1 only if it was chosen or something was odd",
                args.id
            );
        };
        for request in found.requests {
            let mut note = request.whereabouts.map(|whereabouts| whereabouts.sentence);
            for timeline in request.timelines {
                self.timeline(note.take().as_deref(), &timeline.id)?;
            }
        }
        Ok(())
    }

    /// Prints a timeline of the collector; false if it does not know it.
    fn timeline(&mut self, note: Option<&str>, id: &str) -> Result<bool> {
        let client = &self.args.client;
        let path = format!("/api/v1/timelines/{id}");
        if self.args.json {
            let Some(text) = client.text(&path)? else { return Ok(false) };
            self.printer.line(&text)?;
            return Ok(true);
        }
        let Some(said) = client.json::<Said>(&path)? else { return Ok(false) };
        let script = client.text(&format!("{path}?as=text"))?.unwrap_or_default();
        let name = format!("{}/timelines/{}", client.url(), said.id);
        self.printer.print(note, &name, &said, &script)?;
        Ok(true)
    }

    /// Prints the timelines of a file as this version sees them.
    fn file(&mut self, path: &Path) -> Result<()> {
        let timelines = read(path)?;
        if self.args.json {
            for timeline in &timelines {
                self.printer.line(&collector::json::print(timeline))?;
            }
            return Ok(());
        }
        let ids: BTreeSet<&str> =
            timelines.iter().map(|timeline| timeline.stream.request_id.as_str()).collect();
        let is_one_request = timelines.len() > 1 && ids.len() == 1 && !ids.contains("");
        if !is_one_request {
            return Ok(timelines.iter().try_for_each(|one| self.printer.timeline(None, one))?);
        }
        for request in Request::all(timelines.into_iter().map(Arc::new).collect()) {
            let mut note = request.whereabouts().map(|whereabouts| whereabouts.sentence());
            for timeline in &request.timelines {
                self.printer.timeline(note.take().as_deref(), timeline)?;
            }
        }
        Ok(())
    }
}

/// The timelines of a file, in script notation or JSON, assessed anew.
fn read(path: &Path) -> Result<Vec<Timeline>> {
    let mut bytes = Vec::new();
    let (name, all) = match path == Path::new(STDIN) {
        true => ("standard input".to_owned(), std::io::stdin().read_to_end(&mut bytes)),
        false => (
            path.display().to_string(),
            File::open(path).and_then(|mut file| file.read_to_end(&mut bytes)),
        ),
    };
    all.with_context(|| format!("cannot read {name}"))?;
    let text = match std::str::from_utf8(&bytes) {
        Ok(text) => text.trim_start_matches('\u{feff}'),
        Err(error) => {
            let line =
                bytes[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count() + 1;
            bail!("{name}, line {line}: a timeline is text in UTF-8, and this is not");
        }
    };
    let read = match text.trim_start().chars().next() {
        Some('{' | '[') => collector::json::read(text).map_err(anyhow::Error::from),
        _ => timeline::script::parse_all(text).map_err(anyhow::Error::from),
    };
    read.with_context(|| format!("{name} holds no timeline that can be read"))
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
