//! A compiled module, to start VMs from.

use abi::{ALLOCATOR_EXPORTS, Callback};
use anyhow::{Context as _, Result};
use wasmparser::Payload;
use wasmtime::{Engine, Extern, Module, Store};

use crate::memory::Bounds;
use crate::state::State;
use crate::{Dialect, Vm, Who, engine, export, imports};

/// Name under which the recorder's stack pointer is exported.
const STACK_POINTER: &str = "the recorder's stack pointer";
/// Name under which the number of its pages is exported.
const PAGES: &str = "the recorder's pages";

/// A compiled module and what tells its parts apart.
pub struct Program {
    engine: Engine,
    module: Module,
    /// Module and name of each import of the original.
    original_imports: Vec<(String, String)>,
    /// Functions of the recorder.
    recorder: Option<Recorder>,
}

/// Functions defined by the original, and by the recorder behind them.
#[derive(Clone, Copy)]
struct Recorder {
    first: u32,
    functions: u32,
}

impl Program {
    /// A plugin that is not instrumented.
    pub fn original(wasm: &[u8]) -> Result<Program> {
        let (engine, module) = engine::compile(wasm)?;
        let original_imports =
            module.imports().map(|i| (i.module().to_string(), i.name().to_string())).collect();
        Ok(Program { engine, module, original_imports, recorder: None })
    }

    /// An instrumented plugin. The original tells which imports are the plugin's: they come first, the
    /// recorder's are entries of their own behind them.
    pub fn instrumented(wasm: &[u8], original: &[u8]) -> Result<Program> {
        let original = Shape::of(original)?;
        let graft = Shape::of(instrument::GRAFT)?;
        // The recorder's globals follow the plugin's; the linker puts the stack pointer first. Behind them
        // come its base and the number of its pages.
        let pages = original.globals + graft.globals + 1;
        let exported = export::with_global(wasm, STACK_POINTER, original.globals)
            .and_then(|wasm| export::with_global(&wasm, PAGES, pages));
        let (engine, module) = engine::compile(&exported.context("the module has no exports")?)?;
        let owned = |(module, name): &(&str, &str)| (module.to_string(), name.to_string());
        Ok(Program {
            engine,
            module,
            original_imports: original.imports.iter().map(owned).collect(),
            recorder: Some(Recorder { first: original.functions, functions: graft.functions }),
        })
    }

    /// A new VM.
    pub fn start(&self, dialect: Dialect) -> Result<Vm> {
        let version = engine::version(&self.module, dialect)?;
        let plugin_imports = match self.recorder {
            None => self.original_imports.len(),
            // Those that the host does not offer were replaced by stubs.
            Some(_) => (self.original_imports.iter())
                .filter(|(module, name)| dialect.offers_import(module, name, version))
                .count(),
        };
        let mut store = Store::new(&self.engine, State::new(dialect, version));
        let mut externs = Vec::new();
        for (index, import) in self.module.imports().enumerate() {
            let who = if index < plugin_imports { Who::Plugin } else { Who::Recorder };
            externs.push(Extern::Func(imports::function(&mut store, &import, who)?));
        }
        let instance = wasmtime::Instance::new(&mut store, &self.module, &externs)
            .map_err(engine::because("the module cannot be instantiated"))?;
        let memory = instance.get_memory(&mut store, "memory").context("no memory is exported")?;
        let allocator = ALLOCATOR_EXPORTS.iter().find_map(|n| instance.get_func(&mut store, n));
        let state = store.data_mut();
        state.memory = Some(memory);
        state.allocator = allocator;
        // The plugin's functions come first, then the recorder's, then shims and adaptors.
        state.recorder_functions = self.recorder.map(|recorder| {
            let first = externs.len() as u32 + recorder.first;
            first..first + recorder.functions
        });
        if self.recorder.is_some() {
            let global = instance.get_global(&mut store, STACK_POINTER);
            let global = global.context("the recorder has no stack pointer")?;
            let rest = global.get(&mut store).i32().context("the stack pointer is no i32")?;
            let pages = instance.get_global(&mut store, PAGES);
            let pages = pages.context("the recorder does not count its pages")?;
            let state = store.data_mut();
            (state.recorder_stack, state.bounds) = (Some((global, rest)), Bounds::AllBut(pages));
        }
        let exports = self.module.exports();
        let exported = exports.filter_map(|export| Callback::from_export(export.name())).collect();
        Ok(Vm::new(store, instance, exported))
    }
}

/// What is known of a module without compiling it.
#[derive(Default)]
struct Shape<'a> {
    /// Module and name of each import.
    imports: Vec<(&'a str, &'a str)>,
    /// Functions that it defines.
    functions: u32,
    /// Globals, imported and its own.
    globals: u32,
}

impl Shape<'_> {
    fn of(wasm: &[u8]) -> Result<Shape<'_>> {
        let mut shape = Shape::default();
        for payload in wasmparser::Parser::new(0).parse_all(wasm) {
            match payload? {
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        let import = import?;
                        if matches!(import.ty, wasmparser::TypeRef::Global(_)) {
                            shape.globals += 1;
                        }
                        shape.imports.push((import.module, import.name));
                    }
                }
                Payload::FunctionSection(section) => shape.functions = section.count(),
                Payload::GlobalSection(section) => shape.globals += section.count(),
                Payload::CodeSectionStart { .. } => break,
                _ => {}
            }
        }
        Ok(shape)
    }
}
