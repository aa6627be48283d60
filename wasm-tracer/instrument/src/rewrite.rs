//! The whole rewrite, step by step.

use std::borrow::Cow;

use wasm_encoder::reencode::{Reencode, RoundtripReencoder};
use wasm_encoder::{ExportKind, Function, MemoryType};
use wasmparser::Export;

use crate::assemble::{Additions, assemble};
use crate::body::{BodyHooks, PluginCode};
use crate::config::{self, Origin};
use crate::graft::{Graft, Need};
use crate::helpers::Helpers;
use crate::lower::GraftCode;
use crate::merge::Joined;
use crate::module::Module;
use crate::plan::Plan;
use crate::report::{Report, Sizes};
use crate::sdk::Sdk;
use crate::shims::{self, Shims};
use crate::types::Types;
use crate::{Instrumented, Options, Refusal, customs, names, own, validate};

/// Pages of a 32-bit memory.
const MOST_PAGES: u64 = abi::graft::config::MOST_PAGES as u64;
/// Pages that it adds while it does not record everything, at most.
pub(crate) const SKELETON_PAGES: u64 = abi::graft::config::SKELETON_PAGES as u64;

/// See [`crate::instrument_with`].
pub(crate) fn instrument(
    graft: &[u8],
    original: &[u8],
    options: &Options,
) -> Result<Instrumented, Refusal> {
    options.check()?;
    validate::graft(graft)?;
    let recorder_sha256 = customs::sha256(graft);
    let graft = Graft::parse(graft)?;
    let plugin = Module::parse(original)?;
    let plan = Plan::new(&plugin, options.host)?;
    let memory = memory(&plugin, graft.pages)?;
    let sdk = Sdk::guess(&plugin, plan.abi);
    let sha256 = customs::sha256(original);
    let memory_maximum = memory.maximum.and_then(|pages| u32::try_from(pages).ok());
    let origin = Origin { sha256, sdk: sdk.name(), memory_maximum };
    let config = config::bake(options, &plan, &origin)?;

    let (mut joined, helpers) = Joined::new(&plugin, &graft, &plan)?;
    let shims = shims::add(&mut joined, helpers.within)?;
    let hooks =
        BodyHooks { grow: helpers.plugin_grow, pages: joined.globals.pages, trap: shims.trap };
    let own = own::write(options, &plan, &sha256, &recorder_sha256);
    let (additions, uses) = additions(joined, &helpers, &shims, memory, Baked { config, own })?;

    let mut sizes = Sizes::of(original.len(), &additions);
    let mut code = PluginCode::new(&uses, Some(hooks));
    let size_hint = original.len() + sizes.recorder + original.len() / 16;
    let wasm = assemble(&plugin, &mut code, additions, size_hint)?;
    validate::output(&wasm, original)?;
    sizes.finish(wasm.len(), customs::dropped_bytes(&plugin), code.traps, shims.trap);
    Ok(Instrumented { report: Report::new(&plugin, &graft, &plan, memory, sdk, sizes), wasm })
}

/// Bytes that tell what the module was made with: the recorder reads one, `verify` the other.
struct Baked {
    config: Vec<u8>,
    own: Vec<u8>,
}

/// All that is added to the plugin, and what uses of its functions name from now on.
fn additions<'s>(
    mut joined: Joined<'s, 's>,
    helpers: &Helpers,
    shims: &Shims,
    memory: MemoryType,
    baked: Baked,
) -> Result<(Additions<'s>, Vec<u32>), Refusal> {
    let (plugin, graft, plan) = (joined.plugin, joined.graft, joined.plan);
    let mut graft_code = joined.graft_code(helpers)?;
    let globals = joined.globals(&mut graft_code)?;
    let mut bodies = recorder_bodies(graft, &mut graft_code)?;
    let mut customs = customs::kept(plugin);
    if let Some(names) = names::rewrite(&joined) {
        customs.push(("name".into(), names.into()));
    }
    customs.push((own::NAME.into(), baked.own.into()));
    let additions = Additions {
        kept_imports: plan.imports.iter().map(|import| !import.stubbed).collect(),
        imports: recorder_imports(&mut joined)?,
        functions: function_types(&mut joined)?,
        memories: vec![memory],
        globals,
        exports: exports(plugin, plan, shims, &joined.uses)?,
        start: shims.start,
        data_count: plugin.data_count || graft.module.data_count,
        data: recorder_data(&joined, baked.config),
        customs,
        types: joined.types.into_section(),
        bodies: {
            bodies.extend(joined.added.into_iter().map(|added| added.function));
            bodies
        },
    };
    Ok((additions, joined.uses))
}

/// See [`crate::identity`].
pub(crate) fn identity(original: &[u8]) -> Result<Vec<u8>, Refusal> {
    let plugin = Module::parse(original)?;
    let uses: Vec<u32> = (0..plugin.function_count()).collect();
    let memories = plugin.memories.iter().map(|memory| RoundtripReencoder.memory_type(*memory));
    let additions = Additions {
        types: Types::of(&plugin)?.into_section(),
        kept_imports: vec![true; plugin.imported_functions.len()],
        imports: Vec::new(),
        functions: Vec::new(),
        memories: memories.collect::<Result<_, _>>().map_err(Refusal::invalid)?,
        globals: Vec::new(),
        exports: plugin
            .exports
            .iter()
            .map(|export| Ok((export.name, export_kind(export)?, export.index)))
            .collect::<Result<_, Refusal>>()?,
        start: plugin.start,
        data_count: plugin.data_count,
        bodies: Vec::new(),
        data: Vec::new(),
        customs: plugin
            .customs
            .iter()
            .map(|section| (section.name().into(), section.data().into()))
            .collect(),
    };
    let mut code = PluginCode::new(&uses, None);
    assemble(&plugin, &mut code, additions, original.len())
}

/// The plugin's memory and the recorder's behind it, with room for what the recorder takes later.
fn memory(plugin: &Module<'_>, recorder: u64) -> Result<MemoryType, Refusal> {
    let memory = plugin.memories[0];
    let minimum = memory.initial + recorder;
    if minimum > MOST_PAGES {
        return Err(Refusal::MemoryFull { initial: memory.initial, recorder });
    }
    Ok(MemoryType {
        minimum,
        maximum: memory
            .maximum
            .map(|maximum| (maximum + recorder + SKELETON_PAGES).min(MOST_PAGES)),
        memory64: false,
        shared: false,
        page_size_log2: None,
    })
}

fn recorder_bodies(graft: &Graft<'_>, code: &mut GraftCode) -> Result<Vec<Function>, Refusal> {
    graft
        .module
        .bodies
        .iter()
        .zip(&graft.module.functions)
        .map(|(body, ty)| {
            let params = graft.module.signature(*ty)?.params().len() as u32;
            code.lower(body, params)
        })
        .collect()
}

/// Types of the recorder's functions and of the added ones.
fn function_types(joined: &mut Joined<'_, '_>) -> Result<Vec<u32>, Refusal> {
    let graft = &joined.graft.module;
    let mut types = Vec::with_capacity(graft.functions.len() + joined.added.len());
    for ty in &graft.functions {
        types.push(joined.types.of_graft(graft.signature(*ty)?)?);
    }
    types.extend(joined.added.iter().map(|added| added.ty));
    Ok(types)
}

/// The recorder's own entries in the import section.
fn recorder_imports<'g>(
    joined: &mut Joined<'g, '_>,
) -> Result<Vec<(&'g str, &'g str, u32)>, Refusal> {
    let graft = joined.graft;
    let mut imports = Vec::new();
    let parts = graft.module.imports.iter().zip(&graft.module.imported_functions).zip(&graft.needs);
    for ((import, ty), need) in parts {
        if matches!(need, Need::Hostcall(_)) {
            let ty = joined.types.of_graft(graft.module.signature(*ty)?)?;
            imports.push((import.module, import.name, ty));
        }
    }
    Ok(imports)
}

/// The recorder's segments, moved to where its memory begins, and its configuration over them.
fn recorder_data<'g>(
    joined: &Joined<'g, '_>,
    config: Vec<u8>,
) -> Vec<(Option<u32>, Cow<'g, [u8]>)> {
    let base = joined.initial_base() as u32;
    let graft = joined.graft;
    let mut data: Vec<(Option<u32>, Cow<'g, [u8]>)> = graft
        .module
        .data
        .iter()
        .zip(&graft.data)
        .map(|(segment, address)| (address.map(|a| a.wrapping_add(base)), segment.data.into()))
        .collect();
    data.push((Some(graft.config.wrapping_add(base)), config.into()));
    data
}

fn exports<'p>(
    plugin: &Module<'p>,
    plan: &Plan,
    shims: &Shims,
    uses: &[u32],
) -> Result<Vec<(&'p str, ExportKind, u32)>, Refusal> {
    let mut exports = Vec::with_capacity(plugin.exports.len() + shims.added.len());
    for (export, shim) in plugin.exports.iter().zip(&shims.exports) {
        let kind = export_kind(export)?;
        let index = match (shim, kind) {
            (Some(shim), _) => *shim,
            (None, ExportKind::Func) => *uses.get(export.index as usize).ok_or_else(|| {
                Refusal::invalid(format!("there is no function {}", export.index))
            })?,
            (None, _) => export.index,
        };
        let name = match plan.renamed_marker {
            Some(marker) if export.name == plan.abi.marker() => marker.marker(),
            _ => export.name,
        };
        exports.push((name, kind, index));
    }
    exports.extend(shims.added.iter().map(|(name, index)| (*name, ExportKind::Func, *index)));
    Ok(exports)
}

fn export_kind(export: &Export<'_>) -> Result<ExportKind, Refusal> {
    RoundtripReencoder.export_kind(export.kind).map_err(Refusal::invalid)
}
