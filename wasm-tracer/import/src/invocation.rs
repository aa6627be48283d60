//! What ran in a VM: an invocation with the hostcalls made in it, and what the host called in these.

use abi::{ALLOCATOR_EXPORTS, Callback, Hostcall, START_EXPORTS};
use timeline::ids::{CallId, Micros};

/// An export that the host called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Export {
    /// A callback of the ABI.
    Callback(Callback),
    /// The allocator, through which the host hands bytes over.
    Allocator,
    /// What starts a module, by its name.
    Start(&'static str),
    /// Something that the tables do not know.
    Other(Box<str>),
}

impl Export {
    pub(crate) fn of(name: &str) -> Self {
        match Callback::from_export(name) {
            Some(callback) => Export::Callback(callback),
            None if ALLOCATOR_EXPORTS.contains(&name) => Export::Allocator,
            None => match START_EXPORTS.iter().find(|start| **start == name) {
                Some(start) => Export::Start(start),
                None => Export::Other(name.into()),
            },
        }
    }

    pub(crate) fn name(&self) -> &str {
        match self {
            Export::Callback(callback) => callback.row().export,
            Export::Allocator => "the allocator",
            Export::Start(start) => start,
            Export::Other(other) => other,
        }
    }

    pub(crate) fn is(&self, name: &str) -> bool {
        match self {
            Export::Callback(callback) => callback.row().export == name,
            Export::Allocator => ALLOCATOR_EXPORTS.contains(&name),
            Export::Start(start) => *start == name,
            Export::Other(other) => **other == *name,
        }
    }
}

/// An import that the module called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Import {
    /// A hostcall of the ABI.
    Hostcall(Hostcall),
    /// Something that the tables do not know, as `module.name`.
    Other(Box<str>),
}

impl Import {
    pub(crate) fn of(name: &str) -> Self {
        let known = name.split_once('.').and_then(|(m, name)| Hostcall::from_import(m, name));
        known.map_or_else(|| Import::Other(name.into()), Import::Hostcall)
    }

    pub(crate) fn is(&self, name: &str) -> bool {
        match self {
            Import::Hostcall(hostcall) => {
                let row = hostcall.row();
                name.strip_prefix(row.module()).and_then(|n| n.strip_prefix('.'))
                    == Some(row.import)
            }
            Import::Other(other) => **other == *name,
        }
    }
}

/// How a call came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Returned {
    /// With a number.
    Value(u64),
    /// With nothing.
    Nothing,
    /// Not at all, as far as the log goes: a trap, or the log ends.
    Never,
}

/// One run of an export, from call to return.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invocation {
    /// Number of the line of the call, from 1.
    pub line: u64,
    /// The thread it ran on.
    pub thread: u32,
    /// When it was called.
    pub at: Micros,
    /// From call to return, as exact as the log's times.
    pub took: Micros,
    /// What was called.
    pub export: Export,
    /// With which numbers.
    pub arguments: Vec<u64>,
    /// What it returned.
    pub returned: Returned,
    /// What it called, in order.
    pub hostcalls: Vec<Made>,
}

/// One hostcall.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// Number of the line of the call, from 1.
    pub line: u64,
    /// When it returned; when it was made, if it did not.
    pub at: Micros,
    /// What was called.
    pub import: Import,
    /// With which numbers, addresses too.
    pub arguments: Vec<u64>,
    /// Its status.
    pub returned: Returned,
    /// The call id that the host gave a dispatch. The log does not carry it: [`crate::Vm`] counts.
    pub call: CallId,
    /// What the host called meanwhile: the allocator, as a rule.
    pub inner: Vec<Invocation>,
}

impl Invocation {
    /// An argument; 0 where there is none.
    pub fn argument(&self, at: usize) -> u32 {
        word(self.arguments.get(at))
    }

    /// The callback, if it is one.
    pub fn callback(&self) -> Option<Callback> {
        match self.export {
            Export::Callback(callback) => Some(callback),
            _ => None,
        }
    }
}

impl Made {
    /// An argument; 0 where there is none.
    pub fn argument(&self, at: usize) -> u32 {
        word(self.arguments.get(at))
    }

    /// The hostcall, if the tables know it.
    pub fn hostcall(&self) -> Option<Hostcall> {
        match self.import {
            Import::Hostcall(hostcall) => Some(hostcall),
            Import::Other(_) => None,
        }
    }
}

/// The ABI's words are of 32 bits; the few 64-bit numbers (of metrics) are kept by their low half, as
/// on the wire.
pub(crate) fn word(value: Option<&u64>) -> u32 {
    value.map_or(0, |value| (value & u64::from(u32::MAX)) as u32)
}
