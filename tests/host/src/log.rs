//! What crossed the border between host and VM, in order.

use std::fmt;

use abi::{Callback, Hostcall, Status};

use crate::{Digest, Nanos};

/// Who made a hostcall.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// The plugin.
    Plugin,
    /// The recorder, through an import entry of its own.
    Recorder,
}

/// One argument or result as the host saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A number.
    Number(u64),
    /// Bytes that the host read from, or gave to, the VM.
    Bytes(Vec<u8>),
    /// An address outside the memory.
    BadPointer,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// The host calls an export that starts the module.
    Starts(String),
    /// The host enters a callback.
    Enters {
        /// The callback.
        callback: Callback,
        /// All its arguments.
        args: Vec<u32>,
        /// It answers a call that the recorder made.
        own: bool,
    },
    /// The callback returned.
    Returns {
        /// The callback.
        callback: Callback,
        /// What it returned, if it returns anything.
        result: Option<u32>,
    },
    /// A start export or a callback trapped; the VM is dead.
    Traps(String),
    /// A hostcall returned.
    Hostcall {
        /// Its import.
        name: &'static str,
        /// The row of it, for those in the tables.
        hostcall: Option<Hostcall>,
        /// The wasm arguments.
        raw: Vec<u64>,
        /// Arguments in the language of the ABI; bytes as they stood at the call.
        args: Vec<Value>,
        /// The status.
        status: Option<u32>,
        /// What the host wrote into the VM's memory.
        given: Vec<Value>,
    },
    /// The host called the exported allocator.
    Allocates {
        /// Bytes wanted.
        size: u32,
        /// The address it got.
        address: u32,
    },
}

/// One line of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// When.
    pub at: Nanos,
    /// On whose behalf: for hostcalls and allocations the one who called.
    pub who: Who,
    /// What.
    pub what: What,
    /// The plugin's memory at that moment, if it is watched.
    pub memory: Option<Digest>,
}

/// The log of one VM.
#[derive(Debug, Default)]
pub struct Log(pub Vec<Line>);

impl Log {
    /// The plugin's side in short words, one line each: `request_headers 2 n=9 end=0 -> 0`, hostcalls
    /// indented below their invocation.
    pub fn text(&self) -> String {
        self.0.iter().map(|line| format!("{line}\n")).collect()
    }

    /// Entries of a callback: their arguments.
    pub fn entries(&self, wanted: Callback) -> Vec<Vec<u32>> {
        self.0
            .iter()
            .filter_map(|line| match &line.what {
                What::Enters { callback, args, own: false } if *callback == wanted => {
                    Some(args.clone())
                }
                _ => None,
            })
            .collect()
    }

    /// Statuses of a hostcall made by one of the two.
    pub fn statuses(&self, who: Who, wanted: Hostcall) -> Vec<u32> {
        self.0
            .iter()
            .filter_map(|line| match &line.what {
                What::Hostcall { hostcall: Some(hostcall), status: Some(status), .. }
                    if *hostcall == wanted && line.who == who =>
                {
                    Some(*status)
                }
                _ => None,
            })
            .collect()
    }

    /// Lines that the plugin wrote with `proxy_log`.
    pub fn messages(&self, who: Who) -> Vec<String> {
        self.0
            .iter()
            .filter_map(|line| match &line.what {
                What::Hostcall { hostcall: Some(Hostcall::Log), args, .. } if line.who == who => {
                    args.get(1).map(ToString::to_string)
                }
                _ => None,
            })
            .collect()
    }

    /// Did the VM die?
    pub fn trap(&self) -> Option<&str> {
        self.0.iter().find_map(|line| match &line.what {
            What::Traps(why) => Some(why.as_str()),
            _ => None,
        })
    }

    /// The plugin's callbacks and telling hostcalls as one line, in the manner of the golden traces
    /// of host-semantics §0: `create(2,1) request_headers(2,9,0)→0`.
    pub fn trace(&self) -> String {
        let mut words: Vec<String> = Vec::new();
        for line in self.0.iter().filter(|line| line.who == Who::Plugin) {
            match &line.what {
                What::Enters { callback, args, own: false } => {
                    let args: Vec<String> = args.iter().map(u32::to_string).collect();
                    words.push(format!("{}({})", callback.row().name, args.join(",")));
                }
                What::Returns { callback, result: Some(result) } if callback.phase().is_some() => {
                    words.push(format!("→{result}"));
                }
                What::Hostcall { hostcall: Some(hostcall), args, status: Some(status), .. }
                    if hostcall.record() == abi::Record::Always && *hostcall != Hostcall::Log =>
                {
                    let first = args.first().map(ToString::to_string).unwrap_or_default();
                    words.push(format!("{}({first})={status}", hostcall.row().name));
                }
                What::Traps(_) => words.push("trap".into()),
                _ => {}
            }
        }
        words.join(" ")
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Number(number) => write!(f, "{number}"),
            Value::Bytes(bytes) => {
                let shown = &bytes[..bytes.len().min(120)];
                f.write_str(&String::from_utf8_lossy(shown).replace(['\0', '\n'], "·"))?;
                if bytes.len() > shown.len() {
                    write!(f, "… ({} bytes)", bytes.len())?;
                }
                Ok(())
            }
            Value::BadPointer => f.write_str("bad pointer"),
        }
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = self.at / 1_000;
        write!(f, "{}.{:06} ", micros / 1_000_000, micros % 1_000_000)?;
        if self.who == Who::Recorder {
            write!(f, "[recorder] ")?;
        }
        match &self.what {
            What::Starts(export) => write!(f, "start {export}"),
            What::Enters { callback, args, own } => {
                let row = callback.row();
                write!(f, "{}", row.name)?;
                for (name, value) in row.params.iter().zip(args) {
                    write!(f, " {name}={value}")?;
                }
                if *own { write!(f, " (the recorder's call)") } else { Ok(()) }
            }
            What::Returns { callback, result: Some(result) } => {
                write!(f, "{} -> {result}", callback.row().name)
            }
            What::Returns { callback, result: None } => write!(f, "{} -> ", callback.row().name),
            What::Traps(why) => write!(f, "trap: {}", why.lines().next().unwrap_or_default()),
            What::Hostcall { name, args, status, given, .. } => {
                write!(f, "  {name}(")?;
                for (index, arg) in args.iter().enumerate() {
                    write!(f, "{}{arg}", if index == 0 { "" } else { ", " })?;
                }
                write!(f, ")")?;
                if let Some(status) = status {
                    match Status::from_number(*status).name() {
                        Some(status) => write!(f, " -> {status}")?,
                        None => write!(f, " -> {status}")?,
                    }
                }
                for value in given {
                    write!(f, " [{value}]")?;
                }
                Ok(())
            }
            What::Allocates { size, address } => write!(f, "    allocate {size} -> {address}"),
        }
    }
}

impl Value {
    /// The number, 0 for anything else.
    pub fn number(&self) -> u64 {
        match self {
            Value::Number(number) => *number,
            Value::Bytes(_) | Value::BadPointer => 0,
        }
    }
}
