//! A module taken apart into its sections. Nothing is decoded that the plan does not need; function
//! bodies and data stay slices of the input.

use wasmparser::{
    CompositeInnerType, CustomSectionReader, Data, Element, Encoding, Export, ExternalKind,
    FuncType, FunctionBody, Global, Import, MemoryType, Parser, Payload, RecGroup, Table, TagType,
    TypeRef,
};

use crate::Refusal;

/// The sections of one core module.
#[derive(Default)]
pub(crate) struct Module<'a> {
    /// The type section, group by group.
    pub groups: Vec<RecGroup>,
    /// For each index of the type space its signature, if it is a function's.
    pub signatures: Vec<Option<FuncType>>,
    /// Imports of all kinds, in order.
    pub imports: Vec<Import<'a>>,
    /// Type index of each defined function.
    pub functions: Vec<u32>,
    /// Defined tables.
    pub tables: Vec<Table<'a>>,
    /// Defined memories.
    pub memories: Vec<MemoryType>,
    /// Defined tags.
    pub tags: Vec<TagType>,
    /// Defined globals.
    pub globals: Vec<Global<'a>>,
    /// Exports.
    pub exports: Vec<Export<'a>>,
    /// The function of the start section.
    pub start: Option<u32>,
    /// Element segments.
    pub elements: Vec<Element<'a>>,
    /// Whether a data count section is there.
    pub data_count: bool,
    /// Bodies of the defined functions.
    pub bodies: Vec<FunctionBody<'a>>,
    /// Data segments.
    pub data: Vec<Data<'a>>,
    /// Custom sections.
    pub customs: Vec<CustomSectionReader<'a>>,
    /// Type index of each imported function.
    pub imported_functions: Vec<u32>,
    /// Number of imported globals.
    pub imported_globals: u32,
}

impl<'a> Module<'a> {
    /// Takes a module apart.
    pub fn parse(bytes: &'a [u8]) -> Result<Module<'a>, Refusal> {
        if !bytes.starts_with(b"\0asm") {
            let begins = match bytes {
                [] => "nothing: it is empty".to_owned(),
                _ => format!("\"{}\"", bytes[..bytes.len().min(8)].escape_ascii()),
            };
            return Err(Refusal::NotWasm { begins });
        }
        let mut module = Module::default();
        for payload in Parser::new(0).parse_all(bytes) {
            module.take(payload?)?;
        }
        if module.functions.len() != module.bodies.len() {
            return Err(Refusal::invalid("functions and their bodies differ in number"));
        }
        Ok(module)
    }

    fn take(&mut self, payload: Payload<'a>) -> Result<(), Refusal> {
        match payload {
            Payload::Version { encoding: Encoding::Component, .. } => {
                return Err(Refusal::Component);
            }
            Payload::TypeSection(section) => {
                for group in section {
                    let group = group?;
                    self.signatures.extend(group.types().map(
                        |ty| match &ty.composite_type.inner {
                            CompositeInnerType::Func(signature) => Some(signature.clone()),
                            _ => None,
                        },
                    ));
                    self.groups.push(group);
                }
            }
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    let import = import?;
                    match import.ty {
                        TypeRef::Func(ty) | TypeRef::FuncExact(ty) => {
                            self.imported_functions.push(ty);
                        }
                        TypeRef::Global(_) => self.imported_globals += 1,
                        _ => {}
                    }
                    self.imports.push(import);
                }
            }
            Payload::FunctionSection(section) => self.functions = collect(section)?,
            Payload::TableSection(section) => self.tables = collect(section)?,
            Payload::MemorySection(section) => self.memories = collect(section)?,
            Payload::TagSection(section) => self.tags = collect(section)?,
            Payload::GlobalSection(section) => self.globals = collect(section)?,
            Payload::ExportSection(section) => self.exports = collect(section)?,
            Payload::StartSection { func, .. } => self.start = Some(func),
            Payload::ElementSection(section) => self.elements = collect(section)?,
            Payload::DataCountSection { .. } => self.data_count = true,
            Payload::CodeSectionEntry(body) => self.bodies.push(body),
            Payload::DataSection(section) => self.data = collect(section)?,
            Payload::CustomSection(section) => self.customs.push(section),
            Payload::UnknownSection { id, .. } => {
                return Err(Refusal::invalid(format!("it has a section of unknown kind {id}")));
            }
            _ => {}
        }
        Ok(())
    }

    /// Type index of a function, imported or defined.
    pub fn type_of(&self, function: u32) -> Result<u32, Refusal> {
        let imported = self.imported_functions.len();
        let index = function as usize;
        let found = match index.checked_sub(imported) {
            None => self.imported_functions.get(index),
            Some(defined) => self.functions.get(defined),
        };
        found.copied().ok_or_else(|| Refusal::invalid(format!("there is no function {function}")))
    }

    /// The signature of a type.
    pub fn signature(&self, ty: u32) -> Result<&FuncType, Refusal> {
        let found = self.signatures.get(ty as usize).and_then(Option::as_ref);
        found.ok_or_else(|| Refusal::invalid(format!("type {ty} is not a function's")))
    }

    /// Number of functions, imported and defined.
    pub fn function_count(&self) -> u32 {
        (self.imported_functions.len() + self.functions.len()) as u32
    }

    /// Number of globals, imported and defined.
    pub fn global_count(&self) -> u32 {
        self.imported_globals + self.globals.len() as u32
    }

    /// The exported function of a name.
    pub fn exported_function(&self, name: &str) -> Option<u32> {
        self.exports
            .iter()
            .find(|export| export.name == name && is_function(export.kind))
            .map(|export| export.index)
    }

    /// Imports that are functions, in the order of their indices.
    pub fn function_imports(&self) -> impl Iterator<Item = &Import<'a>> {
        self.imports
            .iter()
            .filter(|import| matches!(import.ty, TypeRef::Func(_) | TypeRef::FuncExact(_)))
    }

    /// The custom section of a name.
    pub fn custom(&self, name: &str) -> Option<&CustomSectionReader<'a>> {
        self.customs.iter().find(|section| section.name() == name)
    }
}

/// Is it an exported or imported function?
pub(crate) fn is_function(kind: ExternalKind) -> bool {
    matches!(kind, ExternalKind::Func | ExternalKind::FuncExact)
}

fn collect<'a, T: wasmparser::FromReader<'a>>(
    section: wasmparser::SectionLimited<'a, T>,
) -> Result<Vec<T>, Refusal> {
    section.into_iter().collect::<Result<_, _>>().map_err(Refusal::from)
}
