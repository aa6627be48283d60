//! The name section, so that a trap in the rewritten plugin still reads well: functions under their
//! new numbers, the names of the recorder's functions, of shims and of our globals added.

use wasm_encoder::{IndirectNameMap, NameMap, NameSection};
use wasmparser::{
    BinaryReader, IndirectNameMap as ReadIndirect, Name, NameMap as ReadMap, NameSectionReader,
};

use crate::merge::Joined;

/// Subsections of the name section between which others are copied as they are.
const LABELS: u8 = 3;
const GLOBALS: u8 = 7;

/// Rewrites the plugin's name section, or gives `None` where it has none. Names are no part of what a
/// module does, so a damaged subsection is left out rather than refused.
pub(crate) fn rewrite(joined: &Joined<'_, '_>) -> Option<Vec<u8>> {
    let section = joined.plugin.custom("name")?;
    let reader = NameSectionReader::new(BinaryReader::new(section.data(), 0));
    let mut names = NameSection::new();
    let (mut functions, mut globals) = (Vec::new(), Vec::new());
    let (mut locals, mut labels) = (None, None);
    for subsection in reader.into_iter().map_while(Result::ok) {
        match subsection {
            Name::Module { name, .. } => names.module(name),
            Name::Function(map) => {
                let homes = entries(map).map(|(index, name)| Some((home(joined, index)?, name)));
                functions.extend(homes.flatten());
            }
            Name::Local(map) => locals = Some(by_function(joined, map)),
            Name::Label(map) => labels = Some(by_function(joined, map)),
            Name::Global(map) => globals.extend(entries(map)),
            _ => {}
        }
    }
    names.functions(&function_names(joined, functions));
    if let Some(locals) = locals {
        names.locals(&locals);
    }
    if let Some(labels) = labels {
        names.labels(&labels);
    }
    // Spaces in which the plugin comes first keep their names as they are.
    let (before, after): (Vec<_>, Vec<_>) =
        unchanged(section.data()).into_iter().partition(|(kind, _)| *kind < GLOBALS);
    for (kind, data) in before {
        names.raw(kind, data);
    }
    globals.extend(joined.globals.named());
    names.globals(&in_order(globals));
    for (kind, data) in after {
        names.raw(kind, data);
    }
    Some(names.as_custom().data.into_owned())
}

/// Entries of a subsection as far as they can be read.
fn entries(map: ReadMap<'_>) -> impl Iterator<Item = (u32, &str)> {
    map.into_iter().map_while(Result::ok).map(|naming| (naming.index, naming.name))
}

/// A map in the order of the indices, each once.
fn in_order(mut entries: Vec<(u32, &str)>) -> NameMap {
    entries.sort_by_key(|(index, _)| *index);
    entries.dedup_by_key(|(index, _)| *index);
    let mut map = NameMap::new();
    for (index, name) in entries {
        map.append(index, name);
    }
    map
}

fn home(joined: &Joined<'_, '_>, function: u32) -> Option<u32> {
    joined.homes.get(function as usize).copied().flatten()
}

fn function_names<'n>(joined: &'n Joined<'_, '_>, plugin: Vec<(u32, &'n str)>) -> NameMap {
    let mut all = plugin;
    let graft = joined.graft.module.custom("name");
    if let Some(section) = graft {
        let reader = NameSectionReader::new(BinaryReader::new(section.data(), 0));
        for subsection in reader.into_iter().map_while(Result::ok) {
            let Name::Function(map) = subsection else { continue };
            for (index, name) in entries(map) {
                let imported = joined.host_imports.get(index as usize).copied();
                let index = match imported {
                    Some(entry) => entry,
                    None => joined.graft_functions.get(index as usize).copied(),
                };
                all.extend(index.map(|index| (index, name)));
            }
        }
    }
    let first = joined.first_added();
    all.extend((first..).zip(joined.added.iter().map(|added| added.name.as_str())));
    in_order(all)
}

fn by_function(joined: &Joined<'_, '_>, map: ReadIndirect<'_>) -> IndirectNameMap {
    let mut entries: Vec<(u32, NameMap)> = Vec::new();
    for naming in map.into_iter().map_while(Result::ok) {
        let Some(index) = home(joined, naming.index) else { continue };
        let mut inner = NameMap::new();
        for naming in naming.names.map_while(Result::ok) {
            inner.append(naming.index, naming.name);
        }
        entries.push((index, inner));
    }
    entries.sort_by_key(|(index, _)| *index);
    let mut result = IndirectNameMap::new();
    for (index, inner) in &entries {
        result.append(*index, inner);
    }
    result
}

/// Subsections after that of labels, but for that of globals, as bytes.
fn unchanged(data: &[u8]) -> Vec<(u8, &[u8])> {
    let mut found = Vec::new();
    let mut reader = BinaryReader::new(data, 0);
    while !reader.eof() {
        let (Ok(kind), Ok(size)) = (reader.read_u8(), reader.read_var_u32()) else { break };
        let Ok(bytes) = reader.read_bytes(size as usize) else { break };
        if kind > LABELS && kind != GLOBALS {
            found.push((kind, bytes));
        }
    }
    found
}
