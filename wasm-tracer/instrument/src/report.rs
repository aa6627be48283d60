//! What was done to a plugin, for a person to read.

use std::fmt;
use std::iter::repeat;

use abi::{AbiVersion, Callback, Host, Hostcall};
use wasm_encoder::{Function, MemoryType};

use crate::assemble::Additions;
use crate::graft::Graft;
use crate::module::Module;
use crate::plan::Plan;
use crate::rewrite::SKELETON_PAGES;
use crate::sdk::Sdk;
use crate::{customs, differs};

/// What was hooked, added, changed and dropped.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// Guess of language and SDK.
    pub sdk: Sdk,
    /// Version of the ABI that the original declares.
    pub abi: AbiVersion,
    /// The host it was rewritten for.
    pub host: Host,
    /// Callbacks of the plugin whose entry and return are noted.
    pub callbacks: Vec<Callback>,
    /// Callbacks that the plugin lacked.
    pub added: Vec<Callback>,
    /// Whether an allocator was added.
    pub added_allocator: bool,
    /// Hostcalls of the plugin that are noted.
    pub hostcalls: Vec<Hostcall>,
    /// The marker that the output exports instead of the original's.
    pub renamed_marker: Option<AbiVersion>,
    /// Imports that are answered Unimplemented by a stub.
    pub stubbed: Vec<String>,
    /// How a plugin made for Higress behaves otherwise on stock Envoy, a sentence each.
    pub differs: Vec<String>,
    /// Imports and exports named as the ABI's but with another type: not hooked.
    pub left_alone: Vec<String>,
    /// Custom sections that were dropped.
    pub dropped: Vec<String>,
    /// Pages of memory that the plugin begins with.
    pub plugin_pages: u64,
    /// Most pages that the plugin declares, if it does.
    pub plugin_maximum: Option<u64>,
    /// Pages of memory that the recorder begins with.
    pub recorder_pages: u64,
    /// Most pages of both, if the plugin declares a maximum.
    pub maximum: Option<u64>,
    /// Sizes.
    pub sizes: Sizes,
}

/// Sizes in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sizes {
    /// The original module.
    pub original: usize,
    /// The rewritten module.
    pub rewritten: usize,
    /// Code and data of recorder and shims.
    pub recorder: usize,
    /// Places in the plugin's code where it gives up, each with a call before it.
    pub traps: usize,
    /// What these calls take.
    pub trap_bytes: usize,
    /// All else: names, imports, exports, our section, numbers of functions that need a byte more.
    pub rest: usize,
}

impl Sizes {
    pub(crate) fn of(original: usize, additions: &Additions<'_>) -> Sizes {
        let data: usize = additions.data.iter().map(|(_, bytes)| bytes.len()).sum();
        let code: usize = additions.bodies.iter().map(Function::byte_len).sum();
        Sizes { original, recorder: data + code, ..Sizes::default() }
    }

    pub(crate) fn finish(&mut self, rewritten: usize, dropped: usize, traps: usize, trap: u32) {
        // A call: its opcode and the function's number, seven bits a byte.
        let call = 1 + (u32::BITS - trap.leading_zeros()).div_ceil(7).max(1) as usize;
        self.rewritten = rewritten;
        self.traps = traps;
        self.trap_bytes = traps * call;
        let known = self.original.saturating_sub(dropped) + self.recorder + self.trap_bytes;
        self.rest = rewritten.saturating_sub(known);
    }
}

impl Report {
    pub(crate) fn new(
        plugin: &Module<'_>,
        graft: &Graft<'_>,
        plan: &Plan,
        memory: MemoryType,
        sdk: Sdk,
        sizes: Sizes,
    ) -> Report {
        Report {
            sdk,
            abi: plan.abi,
            host: plan.host,
            callbacks: plan.exported_callbacks.clone(),
            added: plan.added.clone(),
            added_allocator: plan.add_allocator,
            hostcalls: plan.hooked_hostcalls(),
            renamed_marker: plan.renamed_marker,
            stubbed: plan.stubbed(plugin).into_iter().map(str::to_owned).collect(),
            differs: differs::from_higress(plugin, plan),
            left_alone: plan.left_alone.clone(),
            dropped: customs::dropped(plugin),
            plugin_pages: plugin.memories[0].initial,
            plugin_maximum: plugin.memories[0].maximum,
            maximum: memory.maximum,
            recorder_pages: graft.pages,
            sizes,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Sizes { original, rewritten, recorder, traps, trap_bytes, rest } = self.sizes;
        writeln!(f, "plugin      {}, ABI {}, for {}", self.sdk, self.abi.name(), self.host.name())?;
        list(f, "callbacks", self.callbacks.iter().map(|c| c.row().name))?;
        let allocator = self.added_allocator.then_some("allocator (answers 0)");
        list(f, "added", self.added.iter().map(|c| c.row().name).chain(allocator))?;
        list(f, "hostcalls", self.hostcalls.iter().map(|h| h.row().name))?;
        if let Some(marker) = self.renamed_marker {
            let (old, new) = (self.abi.marker(), marker.marker());
            writeln!(f, "changed     export {old} is now {new}")?;
        }
        for import in &self.stubbed {
            writeln!(f, "changed     import {import} is gone: a stub answers 12, Unimplemented")?;
        }
        for (title, sentence) in ["differs"].iter().chain(repeat(&"")).zip(&self.differs) {
            folded(f, title, sentence)?;
        }
        list(f, "left alone", self.left_alone.iter().map(String::as_str))?;
        list(f, "dropped", self.dropped.iter().map(String::as_str))?;
        self.memory(f)?;
        writeln!(
            f,
            "size        {original} -> {rewritten} bytes: {recorder} for recorder and shims"
        )?;
        if traps > 0 {
            let each = format!("each `unreachable` ({traps} of them)");
            writeln!(f, "            {trap_bytes} for a call of the recorder before {each}")?;
        }
        writeln!(f, "            {rest} for names, imports, exports and longer indices")?;
        Ok(())
    }
}

impl Report {
    /// What becomes of the limit that the plugin declares.
    fn memory(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (plugin, own) = (self.plugin_pages, self.recorder_pages);
        write!(f, "memory      {}, and {own} of the recorder", plural(plugin, "page"))?;
        match (self.plugin_maximum, self.maximum) {
            (Some(of_plugin), Some(all)) if all < of_plugin + own + SKELETON_PAGES => {
                writeln!(f, "; at most {all} in all, so {} for the plugin", all - own)?;
                let sampling = format!("sampling, which takes {SKELETON_PAGES} at most");
                writeln!(f, "            and for {sampling}; the plugin declared {of_plugin}")
            }
            (Some(of_plugin), Some(all)) => {
                writeln!(f, "; the declared maximum of {of_plugin} is raised to {all}")
            }
            _ => writeln!(f),
        }
    }
}

/// `1 page`, `2 pages`.
pub(crate) fn plural(number: u64, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}

/// Room for the words of a list, so that lines stay below 100 columns.
const LIST_WIDTH: usize = 88;

/// A sentence, folded.
fn folded(f: &mut fmt::Formatter<'_>, title: &str, sentence: &str) -> fmt::Result {
    let mut line = String::new();
    let mut title = title;
    for word in sentence.split(' ') {
        if !line.is_empty() && line.len() + 1 + word.len() > LIST_WIDTH {
            writeln!(f, "{title:<12}{line}")?;
            // What goes on is indented below its beginning.
            (line, title) = ("  ".to_owned(), "");
        } else if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    writeln!(f, "{title:<12}{line}")
}

/// A line per list, folded; nothing where it is empty.
pub(crate) fn list<'a>(
    f: &mut fmt::Formatter<'_>,
    title: &str,
    words: impl Iterator<Item = &'a str>,
) -> fmt::Result {
    let mut line = String::new();
    let mut title = title;
    for word in words {
        if !line.is_empty() && line.len() + 2 + word.len() > LIST_WIDTH {
            writeln!(f, "{title:<12}{line},")?;
            line.clear();
            title = "";
        }
        if !line.is_empty() {
            line.push_str(", ");
        }
        line.push_str(word);
    }
    if line.is_empty() { Ok(()) } else { writeln!(f, "{title:<12}{line}") }
}
