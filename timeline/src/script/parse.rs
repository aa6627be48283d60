//! The parser of script notation.

use std::sync::Arc;

use abi::{AbiVersion, Callback, Dialect, HeadersStop, Host, Hostcall, Kind, Returns, Status};

use super::tokens::{Token, millis, number, seconds, split};
use super::{ScriptError, names, print};
use crate::delivery::{MemorySample, Root};
use crate::diagnose::Instant;
use crate::event::{Event, Marks, without_last_zeros};
use crate::ids::{CallId, ContextId, Entry, InstanceId, Micros, Sequence, TimelineId};
use crate::timeline::{Gap, Reason, Silence, State, Timeline, Unreached};

/// Context of a script that names none.
pub const DEFAULT_CONTEXT: ContextId = ContextId(2);

/// Root of a script that names none.
pub fn default_root() -> Root {
    Root { context: ContextId(1), ..Root::default() }
}

/// Reads a timeline and assesses it at its `known_until`.
pub fn parse(text: &str) -> Result<Timeline, ScriptError> {
    let mut timeline = Timeline::new(InstanceId([0; 16]), DEFAULT_CONTEXT, 0);
    timeline.root = Arc::new(default_root());
    let mut reader = Reader { timeline, dialect: None, known_until: None, stream: None };
    for (at, line) in text.lines().enumerate() {
        let read = split(line).and_then(|tokens| reader.line(Words { tokens, at: 0 }));
        read.map_err(|what| ScriptError { line: at + 1, what })?;
    }
    Ok(reader.finish())
}

/// The rest of a line.
struct Words {
    tokens: Vec<Token>,
    at: usize,
}

impl Words {
    fn next(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.at).cloned();
        self.at += 1;
        token
    }

    fn is_word(&self, word: &str) -> bool {
        matches!(self.tokens.get(self.at), Some(Token::Word(next)) if next == word)
    }

    fn word(&mut self, what: &str) -> Result<String, String> {
        match self.next() {
            Some(Token::Word(word)) => Ok(word),
            Some(Token::Text(_)) => Err(format!("{what} expected, found a quoted text")),
            None => Err(format!("{what} expected, found the end of the line")),
        }
    }

    fn text(&mut self, what: &str) -> Result<String, String> {
        match self.next() {
            Some(Token::Text(bytes)) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
            _ => Err(format!("{what} expected, in quotes")),
        }
    }

    fn read<T>(&mut self, what: &str, read: impl Fn(&str) -> Option<T>) -> Result<T, String> {
        let word = self.word(what)?;
        read(&word).ok_or_else(|| format!("`{word}` is no {what}"))
    }

    /// `NAME=NUMBER`
    fn value<T: TryFrom<u64>>(&mut self, name: &str) -> Result<T, String> {
        self.read(&format!("{name}=NUMBER"), |word| {
            let value = word.strip_prefix(name)?.strip_prefix('=')?;
            number(value).and_then(|n| T::try_from(n).ok())
        })
    }

    fn number<T: TryFrom<u64>>(&mut self, what: &str) -> Result<T, String> {
        self.read(what, |word| number(word).and_then(|n| T::try_from(n).ok()))
    }
}

struct Reader {
    timeline: Timeline,
    dialect: Option<Dialect>,
    known_until: Option<Micros>,
    stream: Option<(ContextId, ContextId)>,
}

impl Reader {
    fn line(&mut self, mut words: Words) -> Result<(), String> {
        let Some(first) = words.next() else { return Ok(()) };
        let Token::Word(first) = first else {
            return Err("a line starts with a time or the name of a header line".to_owned());
        };
        match first.as_str() {
            "instance" => self.timeline.instance = words.read("instance id", |w| w.parse().ok())?,
            "context" => {
                self.timeline.context = ContextId(words.number("context id")?);
                words.read("word `generation`", |w| (w == "generation").then_some(()))?;
                self.timeline.generation = words.number("generation")?;
            }
            "root" => self.root(&mut words)?,
            "node" => self.timeline.node = Arc::from(words.text("node id")?),
            "module" => self.module(&mut words)?,
            "dialect" => self.dialect = Some(dialect(&mut words)?),
            "clock" => self.clock(&mut words)?,
            "stream" => {
                let context = ContextId(words.number("context id")?);
                words.read("word `root`", |w| (w == "root").then_some(()))?;
                self.stream = Some((context, ContextId(words.number("root context id")?)));
            }
            "request" => self.request(&mut words)?,
            "response" => self.response(&mut words)?,
            "property" => {
                let name = words.text("name of a property")?;
                let value = words.text("value of a property")?;
                self.timeline.stream.more.push((name, value));
            }
            "memory" => {
                let at = words.read("time", seconds)?;
                let pages = words.value("pages")?;
                let streams = words.value("streams")?;
                self.timeline.memory.push(MemorySample { at, pages, streams });
            }
            "gap" => {
                let (from, to) = words.read("range of sequence numbers", |w| {
                    let (from, to) = w.split_once('-')?;
                    Some((Sequence(from.parse().ok()?), Sequence(to.parse().ok()?)))
                })?;
                self.timeline.gaps.push(Gap { from, to, reason: words.text("reason")? });
            }
            "known_until" => self.known_until = Some(words.read("time", seconds)?),
            "unreached" => {
                let timeline = words.read("timeline id", |w| w.parse().ok())?;
                let plugin = words.text("plugin name")?;
                self.timeline.unreached.push(Unreached { plugin, timeline });
            }
            "silent" => self.timeline.silence = Some(silence(&mut words)?),
            "revision" => self.timeline.revision = words.number("revision")?,
            "closed" => {
                self.timeline.state = State::Closed(words.read("reason", Reason::from_name)?);
            }
            time => {
                let at = seconds(time).ok_or_else(|| {
                    format!("`{time}` is neither a time in seconds nor the name of a header line")
                })?;
                let event = self.event(at, &mut words)?;
                self.timeline.events.push(event);
            }
        }
        match words.next() {
            None => Ok(()),
            Some(Token::Word(word)) => Err(format!("`{word}` is too much here")),
            Some(Token::Text(_)) => Err("a quoted text is too much here".to_owned()),
        }
    }

    fn root(&mut self, words: &mut Words) -> Result<(), String> {
        let mut root = Root { context: ContextId(words.number("context id")?), ..Root::default() };
        while let Some(Token::Word(word)) = words.next() {
            match word.as_str() {
                "plugin" => root.plugin = words.text("plugin name")?,
                "root_id" => root.root_id = words.text("root id")?,
                "vm_id" => root.vm_id = words.text("vm id")?,
                "configuration" => root.configuration_hash = words.number("hash")?,
                "since" => root.since = words.read("time", seconds)?,
                "streams" => root.streams = words.number("number of streams")?,
                "ended" => root.ended = true,
                other => return Err(format!("`{other}` says nothing of a root")),
            }
        }
        self.timeline.root = Arc::new(root);
        Ok(())
    }

    fn module(&mut self, words: &mut Words) -> Result<(), String> {
        let module = Arc::make_mut(&mut self.timeline.module);
        while let Some(Token::Word(word)) = words.next() {
            match word.as_str() {
                "tracer" => module.tracer_version = words.text("version")?,
                "abi" => module.abi = Some(words.read("ABI version", AbiVersion::from_name)?),
                "host" => module.host = Some(words.read("host", Host::from_name)?),
                "sdk" => module.sdk = words.text("SDK")?,
                "callbacks" => module.callbacks = words.number("bit set")?,
                "hostcalls" => {
                    module.hostcalls = words.read("list of hostcall numbers", |list| {
                        list.split(',')
                            .map(|n| Hostcall::from_number(n.parse().ok()?))
                            .collect::<Option<Vec<_>>>()
                    })?;
                }
                other => return Err(format!("`{other}` says nothing of a module")),
            }
        }
        Ok(())
    }

    fn clock(&mut self, words: &mut Words) -> Result<(), String> {
        while let Some(Token::Word(word)) = words.next() {
            let clock = &mut self.timeline.clock;
            match word.as_str() {
                "wall" => clock.wall_nanos = words.number("number of nanoseconds")?,
                "at" => clock.monotonic = words.read("time", seconds)?,
                "wall_only" => clock.wall_only = true,
                other => return Err(format!("`{other}` says nothing of a clock")),
            }
        }
        Ok(())
    }

    fn request(&mut self, words: &mut Words) -> Result<(), String> {
        let stream = &mut self.timeline.stream;
        stream.request_id = words.text("request id")?;
        while let Some(Token::Word(word)) = words.next() {
            match word.as_str() {
                "method" => stream.method = words.text("method")?,
                "path" => stream.path = words.text("path")?,
                "authority" => stream.authority = words.text("authority")?,
                "protocol" => stream.protocol = words.text("protocol")?,
                "traceparent" => stream.traceparent = words.text("traceparent")?,
                "headers_too_large" => stream.headers_too_large = true,
                other => return Err(format!("`{other}` says nothing of a request")),
            }
        }
        Ok(())
    }

    fn response(&mut self, words: &mut Words) -> Result<(), String> {
        let stream = &mut self.timeline.stream;
        while let Some(Token::Word(word)) = words.next() {
            match word.as_str() {
                "code" => stream.response_code = Some(words.number("code")?),
                "flags" => stream.response_flags = Some(words.number("bit set")?),
                "details" => stream.response_code_details = Some(words.text("details")?),
                "upstream" => stream.upstream_address = Some(words.text("address")?),
                "termination" => {
                    stream.connection_termination_details = Some(words.text("details")?);
                }
                "transport_failure" => {
                    stream.upstream_transport_failure_reason = Some(words.text("reason")?);
                }
                "duration" => stream.duration_nanos = Some(words.number("number of nanoseconds")?),
                other => return Err(format!("`{other}` says nothing of a response")),
            }
        }
        Ok(())
    }

    fn event(&self, at: Micros, words: &mut Words) -> Result<Event, String> {
        let sequence =
            words.read("sequence number, written #N", |w| w.strip_prefix('#')?.parse().ok())?;
        let name = words.word("name of a callback or hostcall")?;
        let kind = if name == "dispatch" {
            words.read("kind of dispatch", names::dispatch)?
        } else if name == names::ANNOTATION {
            Kind::Hostcall(Hostcall::CallForeignFunction)
        } else {
            names::kind(&name).ok_or_else(|| format!("`{name}` is no callback or hostcall"))?
        };
        let before = self.timeline.events.last();
        let (entry, context) = before.map_or((Entry(0), ContextId(0)), |e| (e.entry, e.context));
        let inside = matches!(kind, Kind::Hostcall(_));
        let mut event = Event {
            sequence: Sequence(sequence),
            entry: if inside { entry } else { Entry(entry.0.wrapping_add(1)) },
            at,
            context,
            kind,
            took: Micros(0),
            args: Vec::new(),
            result: default_result(kind),
            call: CallId(0),
            text: Vec::new(),
            marks: if name == names::ANNOTATION { Marks::ANNOTATION } else { Marks::default() },
        };
        if !inside {
            if matches!(kind, Kind::Callback(c) if c.is_on_root()) {
                words.read("word `root`", |w| (w == "root").then_some(()))?;
            }
            event.context = ContextId(words.number("context id")?);
        }
        while let Some(token) = words.next() {
            match token {
                Token::Text(text) => event.text = text,
                Token::Word(word) => detail(&mut event, &word, words)?,
            }
        }
        event.args = without_last_zeros(event.args);
        Ok(event)
    }

    fn finish(self) -> Timeline {
        let mut timeline = self.timeline;
        timeline.id = TimelineId::of(timeline.instance, timeline.context, timeline.generation);
        let (context, root) = self.stream.unwrap_or((timeline.context, timeline.root.context));
        timeline.stream.context = context;
        timeline.stream.root = root;
        timeline.dialect = self
            .dialect
            .unwrap_or_else(|| Dialect::from_tables(timeline.module.host, timeline.module.abi));
        timeline.events.sort_by_key(Event::order);
        timeline.known_until =
            self.known_until.unwrap_or_else(|| print::last_end(&timeline.events));
        let instant = Instant::at(timeline.known_until);
        timeline.assess(instant);
        timeline
    }
}

fn silence(words: &mut Words) -> Result<Silence, String> {
    words.read("word `since`", |w| (w == "since").then_some(()))?;
    let since = words.read("time", seconds)?;
    words.read("word `open`", |w| (w == "open").then_some(()))?;
    Ok(Silence { since, open: words.number("number of open timelines")? })
}

fn dialect(words: &mut Words) -> Result<Dialect, String> {
    let host = words.read("host or -", |w| match w {
        "-" => Some(None),
        name => Host::from_name(name).map(Some),
    })?;
    let abi = words.read("ABI version or -", |w| match w {
        "-" => Some(None),
        name => AbiVersion::from_name(name).map(Some),
    })?;
    let headers_stop = words
        .read("headers_stop=", |w| HeadersStop::from_name(w.strip_prefix("headers_stop=")?))?;
    let calibrated = match words.next() {
        None => false,
        Some(Token::Word(word)) if word == "seen" => true,
        Some(_) => return Err("only `seen` may follow headers_stop=".to_owned()),
    };
    Ok(Dialect { host, abi, headers_stop, calibrated })
}

/// What stands for a result that is not written: true for a boolean, else 0.
fn default_result(kind: Kind) -> u32 {
    matches!(kind, Kind::Callback(c) if c.row().returns == Returns::Bool).into()
}

fn detail(event: &mut Event, word: &str, words: &mut Words) -> Result<(), String> {
    match word {
        "->" if words.is_word("(unfinished)") => {
            words.next();
            event.result = 0;
            event.marks = event.marks.with(Marks::UNFINISHED);
        }
        "->" => {
            event.result = words.read("result", |w| match w {
                "continue" | "false" => Some(0),
                "pause" | "true" => Some(1),
                _ => {
                    Status::from_name(w).map(Status::number).or_else(|| number(w)?.try_into().ok())
                }
            })?;
        }
        "call" => event.call = CallId(words.number("call id")?),
        "root" if event.kind == Kind::Callback(Callback::ContextCreate) => {
            let root = words.number("context id")?;
            set(event, 0, root);
        }
        "end" => argument(event, "end", 1)?,
        _ => {
            if let Some(mark) = word.strip_prefix('+') {
                let known = names::MARKS.iter().find(|(name, _)| *name == mark).map(|(_, m)| m.0);
                let bits = known.or_else(|| number(mark)?.try_into().ok());
                let bits = bits.ok_or_else(|| format!("`{mark}` is no mark"))?;
                event.marks = event.marks.with(Marks(bits));
            } else if let Some((name, value)) = word.split_once('=') {
                named(event, name, value)?;
            } else if let Some(side) = names::SIDES.iter().position(|s| s.name() == word)
                && let Some(at) = names::side_position(event.kind)
            {
                set(event, at, side as u32);
            } else {
                return Err(format!("`{word}` says nothing of this event"));
            }
        }
    }
    Ok(())
}

fn named(event: &mut Event, name: &str, value: &str) -> Result<(), String> {
    let wrong = || format!("`{value}` is no value of {name}");
    match name {
        "took" => {
            let digits = value.strip_suffix("us").ok_or_else(wrong)?;
            event.took = Micros(digits.parse().map_err(|_| wrong())?);
        }
        "entry" => event.entry = Entry(value.parse().map_err(|_| wrong())?),
        "ctx" => event.context = ContextId(value.parse().map_err(|_| wrong())?),
        _ if names::position(event.kind, name)
            .is_some_and(|at| names::is_timeout(event.kind, at)) =>
        {
            argument(event, name, millis(value).ok_or_else(wrong)?)?;
        }
        _ => {
            let value = number(value).and_then(|n| u32::try_from(n).ok()).ok_or_else(wrong)?;
            argument(event, name, value)?;
        }
    }
    Ok(())
}

fn argument(event: &mut Event, name: &str, value: u32) -> Result<(), String> {
    let position = names::position(event.kind, name)
        .ok_or_else(|| format!("{} has no `{name}`", names::of_kind(event.kind)))?;
    set(event, position, value);
    Ok(())
}

fn set(event: &mut Event, position: usize, value: u32) {
    if event.args.len() <= position {
        event.args.resize(position + 1, 0);
    }
    event.args[position] = value;
}
