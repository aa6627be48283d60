//! The joined index spaces. The plugin's come first in every space but that of functions, where the
//! recorder's imports must stand between its imports and its functions:
//!
//! ```text
//! functions  plugin's imports · recorder's imports · plugin's · recorder's · shims, adaptors, helpers
//! globals    plugin's · recorder's · base, pages, in_recorder, restricted
//! data       plugin's · recorder's · configuration
//! ```
//!
//! The recorder's imports are entries of their own even where the plugin imports the same name.

use abi::graft::exports;
use wasm_encoder::reencode::Reencode;
use wasm_encoder::{ConstExpr, Function, GlobalType, ValType};

use crate::Refusal;
use crate::adaptor;
use crate::graft::{Graft, Need, PAGE};
use crate::helpers::{self, Helpers};
use crate::lower::GraftCode;
use crate::module::Module;
use crate::plan::Plan;
use crate::types::Types;

/// Globals that the instrumenter adds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Globals {
    /// Where the recorder's memory begins.
    pub base: u32,
    /// How many pages it has.
    pub pages: u32,
    /// 1 while the recorder is in a hostcall: the allocator serves it.
    pub in_recorder: u32,
    /// 1 inside the allocator and the start functions, where the host forbids hostcalls.
    pub restricted: u32,
}

impl Globals {
    /// Their names in the name section.
    pub fn named(&self) -> [(u32, &'static str); 4] {
        [
            (self.base, "wasm-tracer: base"),
            (self.pages, "wasm-tracer: pages"),
            (self.in_recorder, "wasm-tracer: in recorder"),
            (self.restricted, "wasm-tracer: restricted"),
        ]
    }
}

/// A function that neither module had.
pub(crate) struct Added {
    /// Its type.
    pub ty: u32,
    /// Its name in the name section.
    pub name: String,
    /// Its code.
    pub function: Function,
}

/// The spaces under construction.
pub(crate) struct Joined<'m, 'a> {
    /// The plugin.
    pub plugin: &'m Module<'a>,
    /// The recorder.
    pub graft: &'m Graft<'m>,
    /// What to do.
    pub plan: &'m Plan,
    /// Types.
    pub types: Types,
    /// Added globals.
    pub globals: Globals,
    /// For each function of the plugin where it went; `None` for an import that a stub replaces.
    pub homes: Vec<Option<u32>>,
    /// For each function of the plugin what its uses name: its home, its shim or its stub.
    pub uses: Vec<u32>,
    /// For each import of the graft the recorder's own entry in the import section, if it is one.
    pub host_imports: Vec<Option<u32>>,
    /// For each function of the graft, imports first, what its uses name.
    pub graft_functions: Vec<u32>,
    /// Functions added so far.
    pub added: Vec<Added>,
    first_added: u32,
}

impl<'m, 'a> Joined<'m, 'a> {
    /// Lays out the spaces; nothing is added yet but the memory helpers and the recorder's adaptors.
    pub fn new(
        plugin: &'m Module<'a>,
        graft: &'m Graft<'m>,
        plan: &'m Plan,
    ) -> Result<(Joined<'m, 'a>, Helpers), Refusal> {
        let mut next = 0;
        let mut take = || {
            next += 1;
            next - 1
        };
        let mut homes: Vec<Option<u32>> =
            plan.imports.iter().map(|import| (!import.stubbed).then(&mut take)).collect();
        let host_imports: Vec<Option<u32>> = graft
            .needs
            .iter()
            .map(|need| matches!(need, Need::Hostcall(_)).then(&mut take))
            .collect();
        homes.extend(plugin.functions.iter().map(|_| Some(take())));
        let graft_defined: Vec<u32> = graft.module.functions.iter().map(|_| take()).collect();
        let first_global = plugin.global_count() + graft.module.global_count();
        let mut joined = Joined {
            plugin,
            graft,
            plan,
            types: Types::of(plugin)?,
            globals: Globals {
                base: first_global,
                pages: first_global + 1,
                in_recorder: first_global + 2,
                restricted: first_global + 3,
            },
            uses: homes.iter().map(|home| home.unwrap_or(0)).collect(),
            homes,
            host_imports,
            graft_functions: Vec::new(),
            added: Vec::new(),
            first_added: next,
        };
        let helpers = helpers::add(&mut joined);
        joined.graft_functions = adaptor::add(&mut joined, &helpers)?;
        joined.graft_functions.extend(graft_defined);
        Ok((joined, helpers))
    }

    /// Adds a function and gives its index.
    pub fn add(&mut self, name: impl Into<String>, ty: u32, function: Function) -> u32 {
        self.added.push(Added { ty, name: name.into(), function });
        self.first_added + self.added.len() as u32 - 1
    }

    /// Index of the first added function.
    pub fn first_added(&self) -> u32 {
        self.first_added
    }

    /// Index of a function of the recorder that shims call.
    pub fn recorder(&self, name: &'static str) -> u32 {
        debug_assert!(exports::FUNCTIONS.contains(&name));
        self.graft_functions[self.graft.function(name) as usize]
    }

    /// Number of the plugin's first defined function.
    pub fn plugin_imports(&self) -> usize {
        self.plan.imports.len()
    }

    /// Where the recorder's memory begins when the module is instantiated.
    pub fn initial_base(&self) -> u64 {
        self.plugin.memories[0].initial * PAGE
    }

    /// The globals after the plugin's, with their first values.
    pub fn globals(&self, code: &mut GraftCode) -> Result<Vec<(GlobalType, ConstExpr)>, Refusal> {
        let mut globals = Vec::new();
        for global in &self.graft.module.globals {
            let ty = code.global_type(global.ty)?;
            globals.push((ty, code.const_expr(global.init_expr.clone())?));
        }
        let ty = GlobalType { val_type: ValType::I32, mutable: true, shared: false };
        for value in [self.initial_base(), self.graft.pages, 0, 0] {
            globals.push((ty, ConstExpr::i32_const(value as u32 as i32)));
        }
        Ok(globals)
    }

    /// How the graft's bodies are lowered.
    pub fn graft_code(&mut self, helpers: &Helpers) -> Result<GraftCode, Refusal> {
        let signatures = self.graft.module.signatures.iter().enumerate();
        let types = signatures
            .map(|(index, signature)| match signature {
                Some(signature) => self.types.of_graft(signature),
                None => Err(Refusal::graft(format!("its type {index} is not a function's"))),
            })
            .collect::<Result<_, _>>()?;
        Ok(GraftCode {
            types,
            functions: self.graft_functions.clone(),
            first_global: self.plugin.global_count(),
            first_data: self.plugin.data.len() as u32,
            base: self.globals.base,
            pages: self.globals.pages,
            grow: helpers.recorder_grow,
            copy: helpers.copy,
            fill: helpers.fill,
        })
    }
}

/// A function whose parameters are followed by so many `i32` locals.
pub(crate) fn function(locals: u32) -> Function {
    let groups = [(locals, ValType::I32)];
    Function::new(if locals == 0 { Vec::new() } else { groups.to_vec() })
}
