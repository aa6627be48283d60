//! What a module is, and what instrumenting it would do, without doing it.

use std::fmt;

use abi::{AbiVersion, Callback, Host, Hostcall, Origin};
use wasmparser::ExternalKind;

use crate::graft::{Graft, Need};
use crate::module::Module;
use crate::plan::Plan;
use crate::report::list;
use crate::sdk::Sdk;
use crate::{Refusal, customs};

/// A module seen from outside.
#[derive(Clone, Debug, PartialEq)]
pub struct Inspection {
    /// Guess of language and SDK.
    pub sdk: Sdk,
    /// Version of the ABI that it declares.
    pub abi: AbiVersion,
    /// The host that it would be rewritten for.
    pub host: Host,
    /// Its imports, `module.name`, in order and with duplicates.
    pub imports: Vec<String>,
    /// Names of its exported functions, in order.
    pub exports: Vec<String>,
    /// Callbacks that would be hooked.
    pub callbacks: Vec<Callback>,
    /// Callbacks that would be added.
    pub added: Vec<Callback>,
    /// Whether an allocator would be added.
    pub added_allocator: bool,
    /// Hostcalls that would be hooked.
    pub hostcalls: Vec<Hostcall>,
    /// What stock Envoy does not offer: imports, and the marker.
    pub stock_lacks: Vec<String>,
    /// Imports that no table here knows.
    pub unknown_imports: Vec<String>,
    /// Imports and exports named as the ABI's but with another type.
    pub left_alone: Vec<String>,
    /// Hostcalls that the recorder makes: a host that restricts capabilities must allow them.
    pub recorder_needs: Vec<Hostcall>,
    /// Custom sections that would be dropped.
    pub dropped: Vec<String>,
    /// Pages of memory it begins with.
    pub initial_pages: u64,
    /// Most pages it may have, if it says so.
    pub maximum_pages: Option<u64>,
    /// Pages that the recorder would begin with.
    pub recorder_pages: u64,
    /// Number of functions with a body.
    pub functions: usize,
    /// SHA-256 of the module.
    pub sha256: String,
}

pub(crate) fn inspect(graft: &[u8], bytes: &[u8]) -> Result<Inspection, Refusal> {
    let graft = Graft::parse(graft)?;
    let module = Module::parse(bytes)?;
    let plan = Plan::new(&module, None)?;
    let name = |import: &wasmparser::Import<'_>| format!("{}.{}", import.module, import.name);
    let of_higress = |plan: &crate::plan::ImportPlan| {
        plan.hostcall.is_some_and(|hostcall| hostcall.row().origin == Origin::Higress)
    };
    let planned = || module.function_imports().zip(&plan.imports);
    let mut stock_lacks: Vec<String> =
        planned().filter(|(_, plan)| of_higress(plan)).map(|(import, _)| name(import)).collect();
    if plan.abi == AbiVersion::V0_2_100 {
        stock_lacks.push(plan.abi.marker().to_owned());
    }
    Ok(Inspection {
        sdk: Sdk::guess(&module, plan.abi),
        abi: plan.abi,
        host: plan.host,
        imports: module.imports.iter().map(name).collect(),
        exports: module
            .exports
            .iter()
            .filter(|export| export.kind == ExternalKind::Func)
            .map(|export| export.name.to_owned())
            .collect(),
        callbacks: plan.exported_callbacks.clone(),
        added: plan.added.clone(),
        added_allocator: plan.add_allocator,
        hostcalls: plan.hooked_hostcalls(),
        stock_lacks,
        unknown_imports: planned()
            .filter(|(import, plan)| plan.hostcall.is_none() && import.module == "env")
            .map(|(import, _)| name(import))
            .collect(),
        left_alone: plan.left_alone.clone(),
        recorder_needs: graft
            .needs
            .iter()
            .filter_map(|need| match need {
                Need::Hostcall(hostcall) => Some(*hostcall),
                _ => None,
            })
            .collect(),
        dropped: customs::dropped(&module),
        initial_pages: module.memories[0].initial,
        maximum_pages: module.memories[0].maximum,
        recorder_pages: graft.pages,
        functions: module.functions.len(),
        sha256: customs::hex(&customs::sha256(bytes)),
    })
}

impl fmt::Display for Inspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "plugin      {}, ABI {}, for {}", self.sdk, self.abi.name(), self.host.name())?;
        writeln!(f, "sha256      {}", self.sha256)?;
        writeln!(f, "functions   {}", self.functions)?;
        match self.maximum_pages {
            Some(maximum) => {
                writeln!(f, "memory      {} pages, at most {maximum}", self.initial_pages)?
            }
            None => writeln!(f, "memory      {} pages", self.initial_pages)?,
        }
        list(f, "imports", self.imports.iter().map(String::as_str))?;
        list(f, "exports", self.exports.iter().map(String::as_str))?;
        list(f, "stock lacks", self.stock_lacks.iter().map(String::as_str))?;
        list(f, "unknown", self.unknown_imports.iter().map(String::as_str))?;
        writeln!(f, "\ninstrumenting it would")?;
        list(f, "hook", self.callbacks.iter().map(|c| c.row().name))?;
        list(f, "", self.hostcalls.iter().map(|h| h.row().name))?;
        let allocator = self.added_allocator.then_some("allocator (answers 0)");
        list(f, "add", self.added.iter().map(|c| c.row().name).chain(allocator))?;
        list(f, "leave alone", self.left_alone.iter().map(String::as_str))?;
        list(f, "drop", self.dropped.iter().map(String::as_str))?;
        list(f, "call", self.recorder_needs.iter().map(|h| h.row().import))?;
        writeln!(f, "take        {} pages of memory", self.recorder_pages)
    }
}
