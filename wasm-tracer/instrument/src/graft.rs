//! The recorder's own module: what it must offer and what it may use, checked before it is merged.

use std::collections::HashMap;

use abi::graft::{config, exports, imports};
use wasmparser::{DataKind, ExternalKind, FuncType, Operator, TypeRef, ValType};

use crate::Refusal;
use crate::module::Module;

/// One page of wasm memory, in bytes.
pub(crate) const PAGE: u64 = 65536;

/// What the graft asks of the merged module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// A hostcall, under the host's own name.
    Hostcall(abi::Hostcall),
    /// Copy from the plugin's memory.
    Read,
    /// Copy to the plugin's memory.
    Write,
    /// Where the recorder's memory is.
    Base,
    /// How many pages it has.
    Pages,
    /// How many pages the plugin has.
    PluginPages,
}

/// The recorder's module, checked.
pub(crate) struct Graft<'a> {
    /// Its sections.
    pub module: Module<'a>,
    /// For each function it imports, what that is.
    pub needs: Vec<Need>,
    /// Its functions for shims: function index by name.
    functions: HashMap<&'static str, u32>,
    /// Address of its configuration, in its own memory.
    pub config: u32,
    /// Pages it begins with.
    pub pages: u64,
    /// For each data segment its address in the graft's memory; `None` for a passive one.
    pub data: Vec<Option<u32>>,
}

impl<'a> Graft<'a> {
    /// Reads and checks the recorder's module.
    pub fn parse(bytes: &'a [u8]) -> Result<Graft<'a>, Refusal> {
        let module = Module::parse(bytes).map_err(Refusal::graft)?;
        let [memory] = module.memories[..] else {
            return Err(Refusal::graft("it must have one memory"));
        };
        if module.start.is_some() || !module.elements.is_empty() || !module.tags.is_empty() {
            return Err(Refusal::graft("it has a start function, elements or tags"));
        }
        let needs = needs(&module)?;
        let functions = functions(&module)?;
        let config = config_address(&module)?;
        if u64::from(config) + config::SIZE as u64 > memory.initial * PAGE {
            return Err(Refusal::graft("its configuration lies outside its memory"));
        }
        let data = module
            .data
            .iter()
            .map(|segment| match &segment.kind {
                DataKind::Passive => Ok(None),
                DataKind::Active { offset_expr, .. } => constant(offset_expr).map(Some),
            })
            .collect::<Result<_, _>>()?;
        Ok(Graft { needs, functions, config, pages: memory.initial, data, module })
    }

    /// Index, in the graft's own space, of a function that shims call.
    pub fn function(&self, name: &'static str) -> u32 {
        self.functions[name]
    }
}

fn needs(module: &Module<'_>) -> Result<Vec<Need>, Refusal> {
    module
        .imports
        .iter()
        .map(|import| {
            let TypeRef::Func(ty) = import.ty else {
                return Err(Refusal::graft(format!("it imports {}, no function", import.name)));
            };
            let need = match (import.module, import.name) {
                (imports::MODULE, imports::READ) => Need::Read,
                (imports::MODULE, imports::WRITE) => Need::Write,
                (imports::MODULE, imports::BASE) => Need::Base,
                (imports::MODULE, imports::PAGES) => Need::Pages,
                (imports::MODULE, imports::PLUGIN_PAGES) => Need::PluginPages,
                (imports::MODULE, imports::PANIC) => {
                    return Err(Refusal::graft("its panic handler is still reachable"));
                }
                (module, name) => match abi::Hostcall::from_import(module, name) {
                    Some(hostcall) => Need::Hostcall(hostcall),
                    None => {
                        return Err(Refusal::graft(format!(
                            "it imports {module}.{name}, which no table knows"
                        )));
                    }
                },
            };
            let signature = module.signature(ty)?;
            let fits = match need {
                Need::Read | Need::Write => is(signature, 3, 1),
                Need::Base | Need::Pages | Need::PluginPages => is(signature, 0, 1),
                Need::Hostcall(hostcall) => fits_hostcall(signature, hostcall),
            };
            match fits {
                true => Ok(need),
                false => {
                    Err(Refusal::graft(format!("its import {} has another type", import.name)))
                }
            }
        })
        .collect()
}

fn functions(module: &Module<'_>) -> Result<HashMap<&'static str, u32>, Refusal> {
    exports::FUNCTIONS
        .into_iter()
        .map(|name| {
            let index = module
                .exported_function(name)
                .ok_or_else(|| Refusal::graft(format!("it exports no function {name}")))?;
            let signature = module.signature(module.type_of(index)?)?;
            let (params, results) = match name {
                exports::ENTER => (6, 1),
                exports::LEAVE => (3, 0),
                exports::HOSTCALL => (2 + HOSTCALL_PARAMS, 0),
                exports::COUNTED => (2, 1),
                exports::SET_TICK_PERIOD | exports::ARENA_ALLOC => (1, 1),
                exports::GET_STATUS_SAVED | exports::SAVED_STATUS_CODE => (0, 1),
                exports::TICK_END | exports::SAVED_STATUS_COPY | exports::EXITING => (1, 0),
                _ => (0, 0),
            };
            match is(signature, params, results) {
                true => Ok((name, index)),
                false => Err(Refusal::graft(format!("its function {name} has another type"))),
            }
        })
        .collect()
}

/// Parameters of a hostcall that the recorder is told of.
pub(crate) const HOSTCALL_PARAMS: usize = 12;

fn config_address(module: &Module<'_>) -> Result<u32, Refusal> {
    let missing = || Refusal::graft(format!("it exports no constant global {}", exports::CONFIG));
    let export = module
        .exports
        .iter()
        .find(|export| export.name == exports::CONFIG && export.kind == ExternalKind::Global)
        .ok_or_else(missing)?;
    let defined = export.index.checked_sub(module.imported_globals).ok_or_else(missing)?;
    let global = module.globals.get(defined as usize).ok_or_else(missing)?;
    constant(&global.init_expr)
}

fn constant(expression: &wasmparser::ConstExpr<'_>) -> Result<u32, Refusal> {
    match expression.get_operators_reader().read() {
        Ok(Operator::I32Const { value }) => Ok(value as u32),
        _ => Err(Refusal::graft("an address in it is not a constant")),
    }
}

/// Are parameters and results `i32`, and so many?
fn is(signature: &FuncType, params: usize, results: usize) -> bool {
    all_i32(signature) && (signature.params().len(), signature.results().len()) == (params, results)
}

/// Are all parameters and results `i32`?
pub(crate) fn all_i32(signature: &FuncType) -> bool {
    signature.params().iter().chain(signature.results()).all(|ty| *ty == ValType::I32)
}

/// Has a function the type that the ABI gives a hostcall?
pub(crate) fn fits_hostcall(signature: &FuncType, hostcall: abi::Hostcall) -> bool {
    let row = hostcall.row();
    let params = row.params.iter().flat_map(|param| match param.kind {
        abi::ParamKind::Long => [Some(ValType::I64), None],
        kind if kind.width() == 2 => [Some(ValType::I32), Some(ValType::I32)],
        _ => [Some(ValType::I32), None],
    });
    let results: &[ValType] = if row.result { &[ValType::I32] } else { &[] };
    signature.params().iter().copied().eq(params.flatten()) && signature.results() == results
}
