//! The recorder's memory lowered into the plugin's: every load and store in the recorder's functions
//! gets the base of the recorder's memory added.
//!
//! ```text
//! i32.load offset=8 (local.get 0)      global.get $base  local.get 0  i32.add  i32.load offset=8
//! i32.load offset=8 (i32.const 1024)   global.get $base  i32.load offset=1032
//! ```
//!
//! The base cannot move while a frame of the recorder is live (no plugin code runs below one), so it
//! may be read at each access.

use std::collections::HashMap;

use wasm_encoder::reencode::{Error, Reencode};
use wasm_encoder::{Encode, Function, Instruction, MemArg, ValType};
use wasmparser::{FunctionBody, Operator};

use crate::Refusal;

/// Where the graft's index spaces and memory lie in the merged module.
pub(crate) struct GraftCode {
    /// For each type of the graft its index.
    pub types: Vec<u32>,
    /// For each function of the graft, imports first, its index.
    pub functions: Vec<u32>,
    /// Index of its first global.
    pub first_global: u32,
    /// Index of its first data segment.
    pub first_data: u32,
    /// Global with the base of its memory.
    pub base: u32,
    /// Global with the number of its pages.
    pub pages: u32,
    /// Function in place of `memory.grow`.
    pub grow: u32,
    /// Function in place of `memory.copy`.
    pub copy: u32,
    /// Function in place of `memory.fill`.
    pub fill: u32,
}

impl Reencode for GraftCode {
    type Error = Refusal;

    fn type_index(&mut self, ty: u32) -> Result<u32, Error<Refusal>> {
        self.types.get(ty as usize).copied().ok_or_else(|| unknown("type", ty))
    }

    fn function_index(&mut self, function: u32) -> Result<u32, Error<Refusal>> {
        self.functions.get(function as usize).copied().ok_or_else(|| unknown("function", function))
    }

    fn global_index(&mut self, global: u32) -> Result<u32, Error<Refusal>> {
        Ok(self.first_global + global)
    }

    fn data_index(&mut self, data: u32) -> Result<u32, Error<Refusal>> {
        Ok(self.first_data + data)
    }
}

fn unknown(what: &str, index: u32) -> Error<Refusal> {
    Error::UserError(Refusal::graft(format!("it has no {what} {index}")))
}

impl GraftCode {
    /// Lowers one function with so many parameters.
    pub fn lower(&mut self, body: &FunctionBody<'_>, params: u32) -> Result<Function, Refusal> {
        let mut locals = Vec::new();
        let mut count = params;
        for local in body.get_locals_reader()? {
            let (number, ty) = local?;
            count += number;
            locals.push((number, self.val_type(ty)?));
        }
        let mut code = Lowered { base: self.base, next_local: count, ..Lowered::default() };
        let mut operators = body.get_operators_reader()?;
        while !operators.eof() {
            let operator = operators.read()?;
            match access(&operator) {
                Some(Access::Load) => {
                    let load = self.instruction(operator)?;
                    code.load(load);
                }
                Some(Access::Store(ty)) => {
                    let store = self.instruction(operator)?;
                    code.store(store, ty);
                }
                None => self.other(operator, &mut code)?,
            }
        }
        code.flush();
        locals.extend(code.declared.iter().map(|ty| (1, *ty)));
        let mut function = Function::new(locals);
        function.raw(code.bytes);
        Ok(function)
    }

    fn other(&mut self, operator: Operator<'_>, code: &mut Lowered) -> Result<(), Refusal> {
        match operator {
            Operator::MemoryGrow { .. } => code.push(&Instruction::Call(self.grow)),
            Operator::MemorySize { .. } => code.push(&Instruction::GlobalGet(self.pages)),
            Operator::MemoryCopy { .. } => code.push(&Instruction::Call(self.copy)),
            Operator::MemoryFill { .. } => code.push(&Instruction::Call(self.fill)),
            Operator::MemoryInit { .. } => {
                let init = self.instruction(operator)?;
                code.init(&init);
            }
            Operator::CallIndirect { .. } => {
                return Err(Refusal::graft("it calls through a table"));
            }
            Operator::LocalGet { local_index } => code.hold(Instruction::LocalGet(local_index)),
            Operator::I32Const { value } => code.hold(Instruction::I32Const(value)),
            Operator::I64Const { value } => code.hold(Instruction::I64Const(value)),
            other => {
                let instruction = self.instruction(other)?;
                code.push(&instruction);
            }
        }
        Ok(())
    }
}

enum Access {
    Load,
    Store(ValType),
}

/// Is it a load or a store? The graft is validated with the features that have no others.
fn access(operator: &Operator<'_>) -> Option<Access> {
    use Operator::*;
    Some(match operator {
        I32Load { .. }
        | I32Load8S { .. }
        | I32Load8U { .. }
        | I32Load16S { .. }
        | I32Load16U { .. }
        | I64Load { .. }
        | I64Load8S { .. }
        | I64Load8U { .. }
        | I64Load16S { .. }
        | I64Load16U { .. }
        | I64Load32S { .. }
        | I64Load32U { .. }
        | F32Load { .. }
        | F64Load { .. } => Access::Load,
        I32Store { .. } | I32Store8 { .. } | I32Store16 { .. } => Access::Store(ValType::I32),
        I64Store { .. } | I64Store8 { .. } | I64Store16 { .. } | I64Store32 { .. } => {
            Access::Store(ValType::I64)
        }
        F32Store { .. } => Access::Store(ValType::F32),
        F64Store { .. } => Access::Store(ValType::F64),
        _ => return None,
    })
}

/// A body under way. Plain pushes are held back, so that the base can be put below a value without a
/// detour through a local.
#[derive(Default)]
struct Lowered {
    bytes: Vec<u8>,
    held: Vec<Instruction<'static>>,
    base: u32,
    next_local: u32,
    temporaries: HashMap<(ValType, u8), u32>,
    declared: Vec<ValType>,
}

impl Lowered {
    fn push(&mut self, instruction: &Instruction<'_>) {
        self.flush();
        instruction.encode(&mut self.bytes);
    }

    fn hold(&mut self, instruction: Instruction<'static>) {
        self.held.push(instruction);
    }

    fn flush(&mut self) {
        for instruction in self.held.drain(..) {
            instruction.encode(&mut self.bytes);
        }
    }

    /// Makes an absolute address of the one on top, or puts the base there and gives the constant
    /// address back, to be folded into the offset.
    fn address(&mut self, offset: u64) -> u64 {
        if let Some(Instruction::I32Const(address)) = self.held.last() {
            let folded = u64::from(*address as u32) + offset;
            if u32::try_from(folded).is_ok() {
                self.held.pop();
                self.push(&Instruction::GlobalGet(self.base));
                return folded;
            }
        }
        self.push(&Instruction::GlobalGet(self.base));
        self.push(&Instruction::I32Add);
        offset
    }

    fn load(&mut self, mut load: Instruction<'_>) {
        if let Some(memarg) = memarg(&mut load) {
            memarg.offset = self.address(memarg.offset);
        }
        self.push(&load);
    }

    fn store(&mut self, mut store: Instruction<'_>, ty: ValType) {
        let value = self.held.pop().unwrap_or_else(|| {
            let local = self.temporary(ty, 0);
            self.push(&Instruction::LocalSet(local));
            Instruction::LocalGet(local)
        });
        if let Some(memarg) = memarg(&mut store) {
            memarg.offset = self.address(memarg.offset);
        }
        self.push(&value);
        self.push(&store);
    }

    /// `memory.init`: destination, source in the segment, length.
    fn init(&mut self, init: &Instruction<'_>) {
        let (length, source) = (self.temporary(ValType::I32, 0), self.temporary(ValType::I32, 1));
        self.push(&Instruction::LocalSet(length));
        self.push(&Instruction::LocalSet(source));
        self.address(0);
        self.push(&Instruction::LocalGet(source));
        self.push(&Instruction::LocalGet(length));
        self.push(init);
    }

    fn temporary(&mut self, ty: ValType, slot: u8) -> u32 {
        let (next, declared) = (&mut self.next_local, &mut self.declared);
        *self.temporaries.entry((ty, slot)).or_insert_with(|| {
            declared.push(ty);
            *next += 1;
            *next - 1
        })
    }
}

/// The address operand of a load or store.
fn memarg<'i>(instruction: &'i mut Instruction<'_>) -> Option<&'i mut MemArg> {
    use Instruction::*;
    match instruction {
        I32Load(arg) | I32Load8S(arg) | I32Load8U(arg) | I32Load16S(arg) | I32Load16U(arg)
        | I64Load(arg) | I64Load8S(arg) | I64Load8U(arg) | I64Load16S(arg) | I64Load16U(arg)
        | I64Load32S(arg) | I64Load32U(arg) | F32Load(arg) | F64Load(arg) | I32Store(arg)
        | I32Store8(arg) | I32Store16(arg) | I64Store(arg) | I64Store8(arg) | I64Store16(arg)
        | I64Store32(arg) | F32Store(arg) | F64Store(arg) => Some(arg),
        _ => None,
    }
}
