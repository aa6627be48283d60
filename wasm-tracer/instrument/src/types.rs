//! The joined type space: the plugin's types keep their indices, others are found or appended.

use std::collections::HashMap;

use wasm_encoder::reencode::{Reencode, RoundtripReencoder};
use wasm_encoder::{TypeSection, ValType};

use crate::Refusal;
use crate::module::Module;

type Signature = (Vec<ValType>, Vec<ValType>);

/// Types of the merged module.
#[derive(Default)]
pub(crate) struct Types {
    section: TypeSection,
    known: HashMap<Signature, u32>,
    count: u32,
}

impl Types {
    /// Begins with the plugin's types, as they are.
    pub fn of(module: &Module<'_>) -> Result<Types, Refusal> {
        let mut types = Types { count: module.signatures.len() as u32, ..Types::default() };
        for group in &module.groups {
            RoundtripReencoder
                .parse_recursive_type_group(types.section.ty(), group.clone())
                .map_err(Refusal::invalid)?;
        }
        let mut index = 0;
        for group in &module.groups {
            for ty in group.types() {
                // A type in a group or below another is not the plain type of the same shape.
                let plain = !group.is_explicit_rec_group()
                    && ty.is_final
                    && ty.supertype_idxs.is_empty()
                    && !ty.composite_type.shared;
                if let Some(signature) = module.signatures[index].as_ref().filter(|_| plain) {
                    let signature = (numeric(signature.params()), numeric(signature.results()));
                    if let (Some(params), Some(results)) = signature {
                        types.known.entry((params, results)).or_insert(index as u32);
                    }
                }
                index += 1;
            }
        }
        Ok(types)
    }

    /// Index of a function type, appended if need be.
    pub fn function(&mut self, params: &[ValType], results: &[ValType]) -> u32 {
        let signature = (params.to_vec(), results.to_vec());
        *self.known.entry(signature).or_insert_with(|| {
            self.section.ty().function(params.iter().copied(), results.iter().copied());
            self.count += 1;
            self.count - 1
        })
    }

    /// Index of a function type of `i32` only.
    pub fn words(&mut self, params: usize, results: usize) -> u32 {
        self.function(&vec![ValType::I32; params], &vec![ValType::I32; results])
    }

    /// Index of a type of the graft's, all of them plain and numeric.
    pub fn of_graft(&mut self, signature: &wasmparser::FuncType) -> Result<u32, Refusal> {
        match (numeric(signature.params()), numeric(signature.results())) {
            (Some(params), Some(results)) => Ok(self.function(&params, &results)),
            _ => Err(Refusal::graft("it has a type that is not numeric")),
        }
    }

    /// The finished section.
    pub fn into_section(self) -> TypeSection {
        self.section
    }
}

/// Types in the encoder's terms, if all are numbers.
fn numeric(types: &[wasmparser::ValType]) -> Option<Vec<ValType>> {
    types
        .iter()
        .map(|ty| {
            Some(match ty {
                wasmparser::ValType::I32 => ValType::I32,
                wasmparser::ValType::I64 => ValType::I64,
                wasmparser::ValType::F32 => ValType::F32,
                wasmparser::ValType::F64 => ValType::F64,
                _ => return None,
            })
        })
        .collect()
}
