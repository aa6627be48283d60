//! Changes of timelines as they come, over connections that may break.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use anyhow::Result;
use serde::Deserialize;

use crate::client::{Client, Event, NoAnswer};

/// How long a collector may be away.
const PATIENCE: Duration = Duration::from_secs(30);
/// The collector says at least so often that it is there (every 15 s).
const SILENCE: Duration = Duration::from_secs(50);
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(4);

/// What comes next.
pub enum Next {
    /// A timeline as the collector's JSON.
    Timeline(String),
    /// Changes were missed, as many as the collector says; what is now was read again and follows.
    Missed(String),
    /// The time is up.
    TimeIsUp,
    /// The collector went away and did not come back.
    Gone(anyhow::Error),
}

enum Said {
    Event(String, String),
    Alive,
    Ended(anyhow::Error),
}

/// A stream that is taken up again when it breaks.
pub struct Stream<'a> {
    client: &'a Client,
    until: Option<Instant>,
    said: Receiver<Said>,
    heard: Instant,
    /// Since when it is away.
    away: Option<Instant>,
    /// Timelines that were read from the list.
    listed: Vec<String>,
    /// When this began, in milliseconds since 1970.
    since_millis: u128,
}

/// One page of the list.
#[derive(Deserialize)]
struct Page {
    timelines: Vec<serde_json::Value>,
    cursor: Option<String>,
}

impl<'a> Stream<'a> {
    /// Connects, trying for a while.
    pub fn open(client: &'a Client, until: Option<Instant>) -> Stream<'a> {
        let since_millis = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0, |since| since.as_millis());
        let said = connect(client);
        let heard = Instant::now();
        Stream { client, until, said, heard, away: None, listed: Vec::new(), since_millis }
    }

    /// Waits for what comes next.
    pub fn next(&mut self) -> Result<Next> {
        loop {
            if let Some(timeline) = self.listed.pop() {
                return Ok(Next::Timeline(timeline));
            }
            let now = Instant::now();
            if self.until.is_some_and(|until| until <= now) {
                return Ok(Next::TimeIsUp);
            }
            let silent = self.heard + SILENCE;
            let wait = self.until.map_or(silent, |until| until.min(silent)).duration_since(now);
            let came = match self.said.recv_timeout(wait) {
                Ok(said) => self.take(said),
                Err(RecvTimeoutError::Timeout) if Instant::now() < silent => Ok(None),
                Err(_) => {
                    Err(NoAnswer(format!("{} says nothing any more", self.client.url())).into())
                }
            };
            let error = match came {
                Ok(None) => continue,
                Ok(Some(next)) => return Ok(next),
                Err(error) => error,
            };
            // What the collector refuses it will refuse again.
            if !error.is::<NoAnswer>() {
                return Err(error);
            }
            if let Some(gone) = self.reconnect(error) {
                return Ok(Next::Gone(gone));
            }
        }
    }

    /// What of it is for the caller.
    fn take(&mut self, said: Said) -> Result<Option<Next>> {
        let (name, data) = match said {
            Said::Ended(error) => return Err(error),
            Said::Alive => return self.hear().map(|()| None),
            Said::Event(name, data) => (name, data),
        };
        self.hear()?;
        match name.as_str() {
            "timeline" => Ok(Some(Next::Timeline(data))),
            "missed" => {
                self.list()?;
                Ok(Some(Next::Missed(data)))
            }
            _ => Ok(None),
        }
    }

    /// It is there. If it was away, what it saw or stored meanwhile is read from the list: while it cannot
    /// give that, it is still away.
    fn hear(&mut self) -> Result<()> {
        self.heard = Instant::now();
        if self.away.is_some() {
            self.list()?;
            self.away = None;
            eprintln!("the collector at {} is back", self.client.url());
        }
        Ok(())
    }

    /// Tries again after a pause; the error, if that was tried for long enough.
    fn reconnect(&mut self, error: anyhow::Error) -> Option<anyhow::Error> {
        let now = Instant::now();
        let since = *self.away.get_or_insert_with(|| {
            eprintln!("{error:#}; trying again for {} s", PATIENCE.as_secs());
            now
        });
        if now - since > PATIENCE {
            return Some(error);
        }
        let pause = ((now - since) / 2).clamp(FIRST_PAUSE, LONGEST_PAUSE);
        let pause = self.until.map_or(pause, |until| pause.min(until.duration_since(now)));
        std::thread::sleep(pause);
        self.said = connect(self.client);
        self.heard = Instant::now();
        None
    }

    /// Timelines that are open, or were closed since this began.
    fn list(&mut self) -> Result<()> {
        let mut cursor = String::new();
        loop {
            let since = self.since_millis;
            let path = format!("/api/v1/timelines?since={since}&limit=500&cursor={cursor}");
            let Some(page) = self.client.json::<Page>(&path)? else { return Ok(()) };
            self.listed.extend(page.timelines.iter().map(ToString::to_string));
            match page.cursor {
                Some(next) => cursor = next,
                None => return Ok(()),
            }
        }
    }

    /// Is it away now?
    pub fn is_away(&self) -> bool {
        self.away.is_some()
    }
}

/// Reads on a thread of its own: a read cannot be given up.
fn connect(client: &Client) -> Receiver<Said> {
    let (to, said) = channel();
    let client = client.clone();
    std::thread::spawn(move || read(&client, &to));
    said
}

fn read(client: &Client, to: &Sender<Said>) {
    // Who is not listened to any more ends.
    let ended = client.events("/api/v1/live", |event| match event {
        Event::Alive => to.send(Said::Alive).is_ok(),
        Event::Named(name, data) => to.send(Said::Event(name.to_owned(), data.to_owned())).is_ok(),
    });
    _ = to.send(Said::Ended(ended));
}
