//! Writes a module: the plugin's sections, each followed by what is added to it.

use std::borrow::Cow;

use wasm_encoder::reencode::{Reencode, RoundtripReencoder};
use wasm_encoder::{
    CodeSection, ConstExpr, CustomSection, DataCountSection, DataSection, ElementSection, Elements,
    EntityType, ExportKind, ExportSection, Function, FunctionSection, GlobalSection, GlobalType,
    ImportSection, MemorySection, MemoryType, Module as Output, Section, StartSection,
    TableSection, TagSection, TypeSection,
};
use wasmparser::TypeRef;

use crate::Refusal;
use crate::body::{self, PluginCode};
use crate::module::Module;

/// What is added to the plugin's sections, or stands in their place.
pub(crate) struct Additions<'s> {
    /// All types.
    pub types: TypeSection,
    /// For each imported function of the plugin: does it stay?
    pub kept_imports: Vec<bool>,
    /// Imports after the plugin's: module, name, type.
    pub imports: Vec<(&'s str, &'s str, u32)>,
    /// Types of the functions after the plugin's.
    pub functions: Vec<u32>,
    /// All memories.
    pub memories: Vec<MemoryType>,
    /// Globals after the plugin's.
    pub globals: Vec<(GlobalType, ConstExpr)>,
    /// All exports.
    pub exports: Vec<(&'s str, ExportKind, u32)>,
    /// The start section.
    pub start: Option<u32>,
    /// Whether a data count section is needed.
    pub data_count: bool,
    /// Bodies of the functions after the plugin's.
    pub bodies: Vec<Function>,
    /// Data segments after the plugin's: address, or `None` for a passive one, and bytes.
    pub data: Vec<(Option<u32>, Cow<'s, [u8]>)>,
    /// All custom sections, at the end.
    pub customs: Vec<(Cow<'s, str>, Cow<'s, [u8]>)>,
}

/// Writes the module.
pub(crate) fn assemble(
    plugin: &Module<'_>,
    code: &mut PluginCode<'_>,
    additions: Additions<'_>,
    size_hint: usize,
) -> Result<Vec<u8>, Refusal> {
    let mut bytes = Output::HEADER.to_vec();
    bytes.reserve(size_hint);
    let mut put = |is_empty: bool, section: &dyn Appended| {
        if !is_empty {
            section.append(&mut bytes);
        }
    };

    put(additions.types.is_empty(), &additions.types);
    let imports = imports(plugin, &additions)?;
    put(imports.is_empty(), &imports);
    let mut functions = FunctionSection::new();
    for ty in plugin.functions.iter().chain(&additions.functions) {
        functions.function(*ty);
    }
    put(functions.is_empty(), &functions);
    let mut tables = TableSection::new();
    for table in &plugin.tables {
        code.parse_table(&mut tables, table.clone())?;
    }
    put(tables.is_empty(), &tables);
    let mut memories = MemorySection::new();
    for memory in &additions.memories {
        memories.memory(*memory);
    }
    put(memories.is_empty(), &memories);
    let mut tags = TagSection::new();
    for tag in &plugin.tags {
        tags.tag(code.tag_type(*tag)?);
    }
    put(tags.is_empty(), &tags);
    let globals = globals(plugin, code, &additions)?;
    put(globals.is_empty(), &globals);
    let mut exports = ExportSection::new();
    for (name, kind, index) in &additions.exports {
        exports.export(name, *kind, *index);
    }
    put(exports.is_empty(), &exports);
    if let Some(function_index) = additions.start {
        put(false, &StartSection { function_index });
    }
    // Bodies before elements: these must declare what those refer to.
    let code_section = bodies(plugin, code, &additions.bodies)?;
    let elements = elements(plugin, code, &additions)?;
    put(elements.is_empty(), &elements);
    if additions.data_count {
        let count = (plugin.data.len() + additions.data.len()) as u32;
        put(false, &DataCountSection { count });
    }
    put(code_section.is_empty(), &code_section);
    let data = data(plugin, code, &additions)?;
    put(data.is_empty(), &data);
    for (name, data) in additions.customs {
        put(false, &CustomSection { name, data });
    }
    Ok(bytes)
}

/// Any section, as one type of argument.
trait Appended {
    fn append(&self, bytes: &mut Vec<u8>);
}

impl<S: Section> Appended for S {
    fn append(&self, bytes: &mut Vec<u8>) {
        self.append_to(bytes);
    }
}

fn imports(plugin: &Module<'_>, additions: &Additions<'_>) -> Result<ImportSection, Refusal> {
    let mut section = ImportSection::new();
    let mut kept = additions.kept_imports.iter();
    for import in &plugin.imports {
        let is_function = matches!(import.ty, TypeRef::Func(_) | TypeRef::FuncExact(_));
        if is_function && !kept.next().copied().unwrap_or(true) {
            continue;
        }
        let ty = RoundtripReencoder.entity_type(import.ty).map_err(Refusal::invalid)?;
        section.import(import.module, import.name, ty);
    }
    for (module, name, ty) in &additions.imports {
        section.import(module, name, EntityType::Function(*ty));
    }
    Ok(section)
}

fn globals(
    plugin: &Module<'_>,
    code: &mut PluginCode<'_>,
    additions: &Additions<'_>,
) -> Result<GlobalSection, Refusal> {
    let mut section = GlobalSection::new();
    for global in &plugin.globals {
        code.parse_global(&mut section, global.clone())?;
    }
    for (ty, value) in &additions.globals {
        section.global(*ty, value);
    }
    Ok(section)
}

/// The plugin's segments. A function that only its own export declared lost that to its shim; it is
/// declared again, in a segment of its own behind the plugin's.
fn elements(
    plugin: &Module<'_>,
    code: &mut PluginCode<'_>,
    additions: &Additions<'_>,
) -> Result<ElementSection, Refusal> {
    let mut section = ElementSection::new();
    for element in &plugin.elements {
        code.parse_element(&mut section, element.clone())?;
    }
    let exported = additions.exports.iter().filter(|(_, kind, _)| *kind == ExportKind::Func);
    code.declared.extend(exported.map(|(_, _, index)| *index));
    let lost: Vec<u32> = code.referred.difference(&code.declared).copied().collect();
    if !lost.is_empty() && code.hooks.is_some() {
        section.declared(Elements::Functions(lost.into()));
    }
    Ok(section)
}

fn bodies(
    plugin: &Module<'_>,
    code: &mut PluginCode<'_>,
    added: &[Function],
) -> Result<CodeSection, Refusal> {
    let mut section = CodeSection::new();
    let mut bytes = Vec::new();
    for body in &plugin.bodies {
        bytes.clear();
        code.write(body, &mut bytes)?;
        section.raw(&bytes);
    }
    for body in added {
        section.function(body);
    }
    Ok(section)
}

fn data(
    plugin: &Module<'_>,
    code: &mut PluginCode<'_>,
    additions: &Additions<'_>,
) -> Result<DataSection, Refusal> {
    let mut section = DataSection::new();
    for segment in &plugin.data {
        match &segment.kind {
            wasmparser::DataKind::Passive => section.passive(segment.data.iter().copied()),
            wasmparser::DataKind::Active { memory_index, offset_expr } => {
                let offset = body::constant(code, offset_expr.clone())?;
                section.active(*memory_index, &offset, segment.data.iter().copied())
            }
        };
    }
    for (address, bytes) in &additions.data {
        match address {
            None => section.passive(bytes.iter().copied()),
            Some(address) => {
                let offset = ConstExpr::i32_const(*address as i32);
                section.active(0, &offset, bytes.iter().copied())
            }
        };
    }
    Ok(section)
}
