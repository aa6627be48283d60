//! Timelines for people: what was found as comments of script notation, then the events, so that what is
//! printed to a file can be read back.

use std::io::{self, Write};

use serde::Deserialize;
use timeline::script::{self, BETWEEN};
use timeline::{State, Timeline};

/// A finding, as the API tells it.
#[derive(Deserialize)]
pub struct Finding {
    pub code: String,
    pub severity: String,
    pub headline: String,
    #[serde(default)]
    pub details: Vec<String>,
    #[serde(default)]
    pub advice: Vec<Advice>,
}

/// What to do.
#[derive(Deserialize)]
pub struct Advice {
    pub host: Option<String>,
    pub text: String,
}

/// A diagnosis that cannot answer.
#[derive(Deserialize)]
pub struct Unknown {
    pub code: String,
    pub gap: String,
}

/// What is said of a timeline.
#[derive(Deserialize)]
pub struct Said {
    pub id: String,
    #[serde(default)]
    pub state: String,
    #[serde(default)]
    pub findings: Vec<Finding>,
    #[serde(default)]
    pub unknown: Vec<Unknown>,
}

impl Said {
    /// Of a timeline that was read here.
    pub fn of(timeline: &Timeline) -> Said {
        let finding = |finding: &timeline::finding::Finding| Finding {
            code: finding.code.clone(),
            severity: finding.severity.name().to_owned(),
            headline: finding.headline.clone(),
            details: finding.details.clone(),
            advice: finding
                .advice
                .iter()
                .map(|advice| Advice {
                    host: advice.host.map(|host| host.name().to_owned()),
                    text: advice.text.to_owned(),
                })
                .collect(),
        };
        let unknown = |unknown: &timeline::timeline::UnknownVerdict| Unknown {
            code: unknown.code.to_owned(),
            gap: unknown.gap.clone(),
        };
        Said {
            id: timeline.id.to_string(),
            state: if timeline.state == State::Open { "open" } else { "closed" }.to_owned(),
            findings: timeline.findings.iter().map(finding).collect(),
            unknown: timeline.unknown.iter().map(unknown).collect(),
        }
    }
}

/// Prints timelines one behind the other.
pub struct Printer<W> {
    out: W,
    is_first: bool,
}

impl<W: Write> Printer<W> {
    /// Prints to `out`.
    pub fn new(out: W) -> Self {
        Printer { out, is_first: true }
    }

    /// A line as it is.
    pub fn line(&mut self, line: &str) -> io::Result<()> {
        writeln!(self.out, "{line}")
    }

    /// Lets go what is buffered.
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    /// A timeline that was read here.
    pub fn timeline(&mut self, note: Option<&str>, timeline: &Timeline) -> io::Result<()> {
        let said = Said::of(timeline);
        let name = format!("timeline {}", said.id);
        self.print(note, &name, &said, &script::print(timeline))
    }

    /// A timeline, with a note of what it is a part of.
    pub fn print(
        &mut self,
        note: Option<&str>,
        name: &str,
        said: &Said,
        script: &str,
    ) -> io::Result<()> {
        if !std::mem::replace(&mut self.is_first, false) {
            writeln!(self.out, "{BETWEEN}")?;
        }
        if let Some(note) = note {
            self.comment(note)?;
            self.comment("")?;
        }
        self.comment(name)?;
        self.findings(said)?;
        writeln!(self.out, "\n{}\n", script.trim_end())
    }

    fn findings(&mut self, said: &Said) -> io::Result<()> {
        if said.findings.is_empty() {
            self.comment(match said.state.as_str() {
                "open" => "nothing found so far",
                _ => "nothing found",
            })?;
        }
        for finding in &said.findings {
            self.comment("")?;
            self.comment(&format!("{}: {}", finding.severity, finding.code))?;
            self.comment(&format!("  {}", finding.headline))?;
            for detail in &finding.details {
                self.comment(&format!("  - {detail}"))?;
            }
            for advice in &finding.advice {
                let host = advice.host.as_deref().map(|host| format!(" on {host}"));
                let host = host.unwrap_or_default();
                self.comment(&format!("  what to do{host}: {}", advice.text))?;
            }
        }
        for Unknown { code, gap } in &said.unknown {
            self.comment("")?;
            self.comment(&format!("not known: {code}"))?;
            self.comment(&format!("  {gap}"))?;
        }
        Ok(())
    }

    fn comment(&mut self, text: &str) -> io::Result<()> {
        if text.is_empty() {
            return writeln!(self.out, "//");
        }
        text.lines().try_for_each(|line| writeln!(self.out, "// {line}"))
    }
}
