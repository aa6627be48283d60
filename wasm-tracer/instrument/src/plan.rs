//! What will be done to a plugin, decided from its imports and exports and the tables of `abi`, before
//! a byte is written. The report and `inspect` tell of the same plan.

use abi::{
    ADDED_ALLOCATOR, ALLOCATOR_EXPORTS, AbiVersion, Callback, Host, Hostcall, Neutral, Origin,
    Record, Returns, START_EXPORTS,
};
use wasmparser::{ExternalKind, FuncType, Import, TypeRef, ValType};

use crate::graft::{all_i32, fits_hostcall};
use crate::module::{Module, is_function};
use crate::{Refusal, own};

/// Callbacks without which the recorder is blind or cannot ship. They are added to a plugin that
/// lacks them, where the tables say that adding is neutral.
const NEEDED: [Callback; 6] = [
    Callback::ContextCreate,
    Callback::Tick,
    Callback::HttpCallResponse,
    Callback::Log,
    Callback::Done,
    Callback::Delete,
];

/// What becomes of one export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExportPlan {
    /// Stays as it is.
    Keep,
    /// A callback: entry and return are noted.
    Callback(Callback),
    /// The allocator: serves the recorder from its arena.
    Allocator,
    /// Starts the module: the host forbids hostcalls inside.
    Start,
}

/// What becomes of one imported function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ImportPlan {
    /// The hostcall, if the tables know it.
    pub hostcall: Option<Hostcall>,
    /// Every use goes through a shim.
    pub hooked: bool,
    /// The import goes: the host does not offer it, and a stub answers Unimplemented in its place.
    pub stubbed: bool,
}

/// The whole plan.
pub(crate) struct Plan {
    /// Version of the ABI that the plugin declares.
    pub abi: AbiVersion,
    /// The host it is rewritten for.
    pub host: Host,
    /// The marker that the output exports, if another.
    pub renamed_marker: Option<AbiVersion>,
    /// One entry per export of the plugin.
    pub exports: Vec<ExportPlan>,
    /// One entry per imported function of the plugin.
    pub imports: Vec<ImportPlan>,
    /// Callbacks that the plugin exports itself.
    pub exported_callbacks: Vec<Callback>,
    /// Callbacks to add.
    pub added: Vec<Callback>,
    /// Whether the plugin has no allocator, so that one is added.
    pub add_allocator: bool,
    /// Names that look like the ABI's but have another type; they are left alone.
    pub left_alone: Vec<String>,
}

impl Plan {
    /// Decides what to do to a plugin; refuses what cannot be done.
    pub fn new(module: &Module<'_>, host: Option<Host>) -> Result<Plan, Refusal> {
        refuse(module)?;
        let abi = abi_version(module)?;
        let host = host.unwrap_or_else(|| default_host(module, abi));
        let mut left_alone = Vec::new();
        let exports = plan_exports(module, abi, &mut left_alone)?;
        let imports = plan_imports(module, abi, host, &mut left_alone)?;
        let exported_callbacks: Vec<Callback> = exports
            .iter()
            .filter_map(|plan| match plan {
                ExportPlan::Callback(callback) => Some(*callback),
                _ => None,
            })
            .collect();
        let is_exported = |name: &str| module.exports.iter().any(|export| export.name == name);
        let added = NEEDED
            .into_iter()
            .filter(|c| c.row().add == Neutral::Everywhere && !is_exported(c.row().export))
            .collect();
        Ok(Plan {
            abi,
            host,
            renamed_marker: (host == Host::Envoy && abi == AbiVersion::V0_2_100)
                .then_some(AbiVersion::V0_2_1),
            add_allocator: !exports.contains(&ExportPlan::Allocator)
                && !is_exported(ADDED_ALLOCATOR),
            exports,
            imports,
            exported_callbacks,
            added,
            left_alone,
        })
    }

    /// Index of the plugin's allocator export: the first name that the host would take.
    pub fn allocator<'m>(&self, module: &'m Module<'_>) -> Option<&'m wasmparser::Export<'m>> {
        ALLOCATOR_EXPORTS.iter().find_map(|name| {
            let mut planned = module.exports.iter().zip(&self.exports);
            planned
                .find(|(export, plan)| export.name == *name && **plan == ExportPlan::Allocator)
                .map(|(export, _)| export)
        })
    }
}

/// Refuses modules whose shape the rewrite cannot keep.
fn refuse(module: &Module<'_>) -> Result<(), Refusal> {
    for section in &module.customs {
        let name = section.name();
        if name == own::NAME {
            return Err(Refusal::AlreadyInstrumented { version: own::version(section.data()) });
        }
        if name == "linking" || name.starts_with("reloc.") {
            return Err(Refusal::Relocatable { section: name.to_owned() });
        }
        if name == "dylink" || name == "dylink.0" {
            return Err(Refusal::DynamicLibrary { section: name.to_owned() });
        }
    }
    if module.imports.iter().any(|import| matches!(import.ty, TypeRef::Memory(_))) {
        return Err(Refusal::ImportedMemory);
    }
    let memory = match module.memories[..] {
        [] => return Err(Refusal::NoMemory),
        [memory] => memory,
        _ => return Err(Refusal::SeveralMemories { count: module.memories.len() }),
    };
    if memory.memory64 {
        return Err(Refusal::Memory64);
    }
    if memory.shared {
        return Err(Refusal::SharedMemory);
    }
    if memory.page_size_log2.is_some_and(|log2| log2 != 16) {
        return Err(Refusal::UnusualPageSize);
    }
    if !module.exports.iter().any(|export| export.kind == ExternalKind::Memory) {
        return Err(Refusal::NoMemory);
    }
    Ok(())
}

/// The version that the first marker names, as hosts read it.
fn abi_version(module: &Module<'_>) -> Result<AbiVersion, Refusal> {
    let mut unknown = None;
    for export in module.exports.iter().filter(|export| is_function(export.kind)) {
        if let Some(version) = AbiVersion::from_marker(export.name) {
            return Ok(version);
        }
        if export.name.starts_with("proxy_abi_version_") {
            unknown.get_or_insert(export.name);
        }
    }
    Err(match unknown {
        Some(marker) => Refusal::UnknownAbiVersion { marker: marker.to_owned() },
        None => Refusal::NoAbiMarker,
    })
}

/// The marker says it; a module with Higress's own imports could not run anywhere else.
fn default_host(module: &Module<'_>, abi: AbiVersion) -> Host {
    let needs_higress = module.function_imports().any(|import| {
        Hostcall::from_import(import.module, import.name)
            .is_some_and(|hostcall| hostcall.row().origin == Origin::Higress)
    });
    if abi == AbiVersion::V0_2_100 || needs_higress { Host::Higress } else { Host::Envoy }
}

fn plan_exports(
    module: &Module<'_>,
    abi: AbiVersion,
    left_alone: &mut Vec<String>,
) -> Result<Vec<ExportPlan>, Refusal> {
    module
        .exports
        .iter()
        .map(|export| {
            if !is_function(export.kind) {
                return Ok(ExportPlan::Keep);
            }
            if START_EXPORTS.contains(&export.name) {
                return Ok(ExportPlan::Start);
            }
            let callback = Callback::from_export(export.name);
            let allocator = ALLOCATOR_EXPORTS.contains(&export.name);
            if callback.is_none() && !allocator {
                return Ok(ExportPlan::Keep);
            }
            let signature = module.signature(module.type_of(export.index)?)?;
            Ok(match callback {
                Some(callback) if fits_callback(signature, callback, abi) => {
                    ExportPlan::Callback(callback)
                }
                None if all_i32(signature)
                    && (signature.params().len(), signature.results().len()) == (1, 1) =>
                {
                    ExportPlan::Allocator
                }
                _ => {
                    left_alone.push(export.name.to_owned());
                    ExportPlan::Keep
                }
            })
        })
        .collect()
}

fn fits_callback(signature: &FuncType, callback: Callback, abi: AbiVersion) -> bool {
    let results = usize::from(callback.row().returns != Returns::Nothing);
    all_i32(signature)
        && signature.params().len() == callback.param_count(abi)
        && signature.results().len() == results
}

fn plan_imports(
    module: &Module<'_>,
    abi: AbiVersion,
    host: Host,
    left_alone: &mut Vec<String>,
) -> Result<Vec<ImportPlan>, Refusal> {
    module
        .function_imports()
        .zip(&module.imported_functions)
        .map(|(import, ty)| {
            // Hosts offer WASI under its older name, too, and mean the same.
            let from = match import.module {
                "wasi_unstable" => "wasi_snapshot_preview1",
                module => module,
            };
            let signature = module.signature(*ty)?;
            let mut hostcall = Hostcall::from_import(from, import.name);
            let stubbed =
                host == Host::Envoy && is_missing(import, hostcall, abi) && is_word(signature);
            if let Some(misfit) = hostcall.filter(|hostcall| !fits_hostcall(signature, *hostcall)) {
                // What would not have been hooked anyway, or has a stub, is not left alone by us.
                if misfit.record() != Record::Never && !stubbed {
                    left_alone.push(format!("{}.{}", import.module, import.name));
                }
                hostcall = None;
            }
            Ok(ImportPlan {
                hostcall,
                hooked: hostcall.is_some_and(|hostcall| hostcall.record() != Record::Never),
                stubbed,
            })
        })
        .collect()
}

/// Does stock Envoy lack it? A module of Higress's own ABI may import what is newer than the tables:
/// of `env` they know all that stock Envoy has.
fn is_missing(import: &Import<'_>, hostcall: Option<Hostcall>, abi: AbiVersion) -> bool {
    match hostcall {
        Some(hostcall) => hostcall.row().origin == Origin::Higress,
        None => abi == AbiVersion::V0_2_100 && import.module == "env",
    }
}

/// Is the result one number, as a status is?
fn is_word(signature: &FuncType) -> bool {
    signature.results() == [ValType::I32]
}

impl Plan {
    /// Names of imports that a stub answers, each once.
    pub fn stubbed<'a>(&self, module: &Module<'a>) -> Vec<&'a str> {
        let imports = module.function_imports().zip(&self.imports);
        let mut names: Vec<&str> =
            imports.filter(|(_, plan)| plan.stubbed).map(|(import, _)| import.name).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Hostcalls whose uses go through a shim, each once.
    pub fn hooked_hostcalls(&self) -> Vec<Hostcall> {
        let hooked = self.imports.iter().filter(|import| import.hooked);
        let mut hostcalls: Vec<Hostcall> = hooked.filter_map(|import| import.hostcall).collect();
        hostcalls.sort_unstable();
        hostcalls.dedup();
        hostcalls
    }
}
