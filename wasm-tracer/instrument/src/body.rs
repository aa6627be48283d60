//! Function bodies of the plugin. They are copied as bytes; only what names a function, asks for the
//! size of memory or gives up is written anew.

use std::collections::BTreeSet;

use wasm_encoder::reencode::{Error, Reencode};
use wasm_encoder::{InstructionSink, reencode};
use wasmparser::{FunctionBody, Operator};

use crate::Refusal;

/// What plugin code does through the recorder's helpers instead of by itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BodyHooks {
    /// Function that grows the plugin's memory below the recorder's.
    pub grow: u32,
    /// Global with the number of the recorder's pages.
    pub pages: u32,
    /// Function to call before `unreachable`.
    pub trap: u32,
}

/// Writes the plugin's functions, elements, globals and tables with new function indices.
pub(crate) struct PluginCode<'m> {
    /// For each function of the plugin the index that its uses get.
    pub uses: &'m [u32],
    /// Changes beyond the indices; `None` for the identity.
    pub hooks: Option<BodyHooks>,
    /// How many `unreachable` were hooked.
    pub traps: usize,
    /// Functions that bodies refer to with `ref.func`, under their new indices.
    pub referred: BTreeSet<u32>,
    /// Functions that something outside of bodies names, so that bodies may refer to them.
    pub declared: BTreeSet<u32>,
}

impl Reencode for PluginCode<'_> {
    type Error = Refusal;

    /// Elements, globals and tables come this way; bodies do not.
    fn function_index(&mut self, function: u32) -> Result<u32, Error<Refusal>> {
        let used = self.used(function).map_err(Error::UserError)?;
        self.declared.insert(used);
        Ok(used)
    }
}

impl<'m> PluginCode<'m> {
    /// Code whose functions are used under these indices.
    pub fn new(uses: &'m [u32], hooks: Option<BodyHooks>) -> PluginCode<'m> {
        let (referred, declared) = (BTreeSet::new(), BTreeSet::new());
        PluginCode { uses, hooks, traps: 0, referred, declared }
    }

    fn used(&self, function: u32) -> Result<u32, Refusal> {
        self.uses
            .get(function as usize)
            .copied()
            .ok_or_else(|| Refusal::invalid(format!("there is no function {function}")))
    }

    /// Appends one body, without its size, to `out`.
    pub fn write(&mut self, body: &FunctionBody<'_>, out: &mut Vec<u8>) -> Result<(), Refusal> {
        let bytes = body.as_bytes();
        let start = body.range().start;
        let mut operators = body.get_operators_reader()?;
        let mut copied = 0;
        while !operators.eof() {
            let at = (operators.original_position() - start) as usize;
            let operator = operators.read()?;
            // Settled before the bytes before it are copied: most operators change nothing.
            let change = match operator {
                Operator::Call { function_index } => Change::Call(self.used(function_index)?),
                Operator::ReturnCall { function_index } => {
                    Change::ReturnCall(self.used(function_index)?)
                }
                Operator::RefFunc { function_index } => {
                    let used = self.used(function_index)?;
                    self.referred.insert(used);
                    Change::RefFunc(used)
                }
                Operator::Unreachable => Change::Unreachable,
                Operator::MemoryGrow { .. } => Change::Grow,
                Operator::MemorySize { .. } => Change::Size,
                _ => continue,
            };
            let hooks = match (self.hooks, change) {
                (None, Change::Unreachable | Change::Grow | Change::Size) => continue,
                (hooks, _) => hooks,
            };
            out.extend_from_slice(&bytes[copied..at]);
            copied = (operators.original_position() - start) as usize;
            self.traps += usize::from(matches!(change, Change::Unreachable));
            change.write(hooks, &mut InstructionSink::new(out));
        }
        operators.finish()?;
        out.extend_from_slice(&bytes[copied..]);
        Ok(())
    }
}

/// An instruction that is written anew.
#[derive(Clone, Copy)]
enum Change {
    Call(u32),
    ReturnCall(u32),
    RefFunc(u32),
    Unreachable,
    Grow,
    Size,
}

impl Change {
    fn write(self, hooks: Option<BodyHooks>, sink: &mut InstructionSink<'_>) {
        match (self, hooks) {
            (Change::Call(function), _) => sink.call(function),
            (Change::ReturnCall(function), _) => sink.return_call(function),
            (Change::RefFunc(function), _) => sink.ref_func(function),
            (Change::Unreachable, Some(hooks)) => sink.call(hooks.trap).unreachable(),
            (Change::Grow, Some(hooks)) => sink.call(hooks.grow),
            (Change::Size, Some(hooks)) => sink.memory_size(0).global_get(hooks.pages).i32_sub(),
            (Change::Unreachable, None) => sink.unreachable(),
            (Change::Grow, None) => sink.memory_grow(0),
            (Change::Size, None) => sink.memory_size(0),
        };
    }
}

/// Encodes a constant expression of the plugin.
pub(crate) fn constant(
    code: &mut PluginCode<'_>,
    expression: wasmparser::ConstExpr<'_>,
) -> Result<wasm_encoder::ConstExpr, Refusal> {
    reencode::utils::const_expr(code, expression).map_err(Refusal::from)
}
