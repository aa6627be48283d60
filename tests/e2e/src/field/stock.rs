//! A Higress module made fit for a stock Envoy without any recorder: the marker of its ABI renamed,
//! and imports that only Higress offers answered by a function that says Unimplemented. The
//! instrumenter does the same with `--host envoy`; this is the original that it is compared with.

use std::convert::Infallible;

use wasm_encoder::reencode::{self, Reencode};
use wasm_encoder::{CodeSection, Function, FunctionSection, ImportSection, Module};
use wasmparser::{
    CodeSectionReader, FunctionSectionReader, ImportSectionReader, Parser, Payload, TypeRef,
};

use crate::marker;

const ONLY_HIGRESS: [&str; 2] = ["proxy_redis_init", "proxy_redis_call"];
const UNIMPLEMENTED: i32 = 12;

/// The same module with another marker, and stubs in place of those imports.
pub(super) fn for_stock_envoy(wasm: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut stubbing = Stubbing::of(wasm)?;
    if stubbing.stubs().next().is_none() {
        return marker::for_stock_envoy(wasm);
    }
    let mut module = Module::new();
    stubbing.parse_core_module(&mut module, Parser::new(0), wasm)?;
    marker::for_stock_envoy(&module.finish())
}

/// Where each function goes when imports turn into functions at the very end.
struct Stubbing {
    /// For each imported function, whether it is stubbed, and its type.
    imports: Vec<(bool, u32)>,
    defined: u32,
}

impl Stubbing {
    fn of(wasm: &[u8]) -> anyhow::Result<Self> {
        let mut found = Self { imports: Vec::new(), defined: 0 };
        for payload in Parser::new(0).parse_all(wasm) {
            match payload? {
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        let import = import?;
                        if let TypeRef::Func(ty) | TypeRef::FuncExact(ty) = import.ty {
                            found.imports.push((ONLY_HIGRESS.contains(&import.name), ty));
                        }
                    }
                }
                Payload::FunctionSection(section) => found.defined = section.count(),
                _ => {}
            }
        }
        Ok(found)
    }

    fn stubs(&self) -> impl Iterator<Item = u32> {
        self.imports.iter().filter(|(stubbed, _)| *stubbed).map(|(_, ty)| *ty)
    }

    fn stubs_below(&self, import: usize) -> u32 {
        let below = self.imports.iter().take(import).filter(|(stubbed, _)| *stubbed);
        u32::try_from(below.count()).unwrap_or(u32::MAX)
    }
}

impl Reencode for Stubbing {
    type Error = Infallible;

    fn function_index(&mut self, function: u32) -> Result<u32, reencode::Error<Infallible>> {
        let index = function as usize;
        let stubs = self.stubs_below(self.imports.len());
        Ok(match self.imports.get(index) {
            Some((false, _)) => function - self.stubs_below(index),
            // Behind all that are defined.
            Some((true, _)) => {
                let imports = u32::try_from(self.imports.len()).unwrap_or(u32::MAX);
                imports - stubs + self.defined + self.stubs_below(index)
            }
            None => function - stubs,
        })
    }

    fn parse_import_section(
        &mut self,
        imports: &mut ImportSection,
        section: ImportSectionReader<'_>,
    ) -> Result<(), reencode::Error<Infallible>> {
        for import in section.into_imports() {
            let import = import?;
            if !ONLY_HIGRESS.contains(&import.name) {
                imports.import(import.module, import.name, self.entity_type(import.ty)?);
            }
        }
        Ok(())
    }

    fn parse_function_section(
        &mut self,
        functions: &mut FunctionSection,
        section: FunctionSectionReader<'_>,
    ) -> Result<(), reencode::Error<Infallible>> {
        for ty in section {
            functions.function(ty?);
        }
        for ty in self.stubs() {
            functions.function(ty);
        }
        Ok(())
    }

    fn parse_code_section(
        &mut self,
        code: &mut CodeSection,
        section: CodeSectionReader<'_>,
    ) -> Result<(), reencode::Error<Infallible>> {
        for body in section {
            self.parse_function_body(code, body?)?;
        }
        for _ in self.stubs() {
            let mut stub = Function::new([]);
            stub.instructions().i32_const(UNIMPLEMENTED).end();
            code.function(&stub);
        }
        Ok(())
    }
}
