//! The name section, so that a trap in the rewritten plugin still reads well: functions under their
//! new numbers, the recorder's and the shims' names added.

use wasm_encoder::{IndirectNameMap, NameMap, NameSection};
use wasmparser::{BinaryReader, IndirectNameMap as ReadIndirect, Name, NameSectionReader};

use crate::merge::Joined;

/// Subsections of the name section that are rebuilt.
const LOCALS: u8 = 2;
const LABELS: u8 = 3;

/// Rewrites the plugin's name section, or gives `None` where it has none. Names are no part of what a
/// module does, so a damaged subsection is left out rather than refused.
pub(crate) fn rewrite(joined: &Joined<'_, '_>) -> Option<Vec<u8>> {
    let section = joined.plugin.custom("name")?;
    let reader = NameSectionReader::new(BinaryReader::new(section.data(), 0));
    let mut names = NameSection::new();
    let mut functions = Vec::new();
    let mut others: Vec<(u8, IndirectNameMap)> = Vec::new();
    let mut raw: Vec<(u8, &[u8])> = Vec::new();
    for subsection in reader {
        let Ok(subsection) = subsection else { break };
        match subsection {
            Name::Module { name, .. } => names.module(name),
            Name::Function(map) => {
                for naming in map.into_iter().map_while(Result::ok) {
                    functions.extend(home(joined, naming.index).map(|index| (index, naming.name)));
                }
            }
            Name::Local(map) => others.push((LOCALS, by_function(joined, map))),
            Name::Label(map) => others.push((LABELS, by_function(joined, map))),
            _ => {}
        }
    }
    // Spaces in which the plugin comes first keep their names as they are.
    raw.extend(unchanged(section.data()));
    names.functions(&function_names(joined, functions));
    for (kind, map) in others {
        match kind {
            LOCALS => names.locals(&map),
            _ => names.labels(&map),
        }
    }
    for (kind, data) in raw {
        names.raw(kind, data);
    }
    let custom = names.as_custom();
    Some(custom.data.into_owned())
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
            for naming in map.into_iter().map_while(Result::ok) {
                let imported = joined.host_imports.get(naming.index as usize).copied();
                let index = match imported {
                    Some(entry) => entry,
                    None => joined.graft_functions.get(naming.index as usize).copied(),
                };
                all.extend(index.map(|index| (index, naming.name)));
            }
        }
    }
    let first = joined.first_added();
    all.extend((first..).zip(joined.added.iter().map(|added| added.name.as_str())));
    all.sort_by_key(|(index, _)| *index);
    all.dedup_by_key(|(index, _)| *index);
    let mut map = NameMap::new();
    for (index, name) in all {
        map.append(index, name);
    }
    map
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

/// Subsections after that of labels, as bytes.
fn unchanged(data: &[u8]) -> Vec<(u8, &[u8])> {
    let mut found = Vec::new();
    let mut reader = BinaryReader::new(data, 0);
    while !reader.eof() {
        let (Ok(kind), Ok(size)) = (reader.read_u8(), reader.read_var_u32()) else { break };
        let Ok(bytes) = reader.read_bytes(size as usize) else { break };
        if kind > LABELS {
            found.push((kind, bytes));
        }
    }
    found
}
