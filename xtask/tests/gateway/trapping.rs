//! The released filter, but a request with very many headers traps it: its code is not touched, one function is put
//! before it.

use anyhow::{Context as _, Result};
use wasm_encoder::reencode::{Reencode, utils};
use wasm_encoder::{BlockType, CodeSection, ExportKind, ExportSection, Function, FunctionSection, Module};
use wasmparser::{Export, ExternalKind, FunctionSectionReader, Parser, Payload, TypeRef};

/// The callback of a request's headers: context, number of headers, end of stream; it gives what to do.
const CALLBACK: &str = "proxy_on_request_headers";

/// A request with more headers than this traps the filter.
pub(crate) const MOST_HEADERS: i32 = 60;

/// Where the callback lies in the module.
#[derive(Debug, Clone, Copy)]
struct Callback {
    function: u32,
    ty: u32,
    /// The index of a function that is added at the end.
    next: u32,
}

/// A module that traps on such a request.
pub(crate) fn trapping(filter: &[u8]) -> Result<Vec<u8>> {
    let mut module = Module::new();
    let mut with = Trapping(find(filter)?);
    utils::parse_core_module(&mut with, &mut module, Parser::new(0), filter)
        .context("no WebAssembly module")?;
    Ok(module.finish())
}

fn find(filter: &[u8]) -> Result<Callback> {
    let (mut imported, mut types, mut function) = (0_u32, Vec::new(), None);
    for payload in Parser::new(0).parse_all(filter) {
        match payload? {
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    imported += u32::from(matches!(import?.ty, TypeRef::Func(_)));
                }
            }
            Payload::FunctionSection(section) => types = section.into_iter().collect::<Result<_, _>>()?,
            Payload::ExportSection(section) => {
                for export in section {
                    let export = export?;
                    function = (export.name == CALLBACK).then_some(export.index).or(function);
                }
            }
            _ => {}
        }
    }
    let function = function.with_context(|| format!("no `{CALLBACK}`"))?;
    let defined = usize::try_from(function.checked_sub(imported).context("the callback is imported")?)?;
    let ty = *types.get(defined).context("the callback has no type")?;
    Ok(Callback { function, ty, next: imported + u32::try_from(types.len())? })
}

/// Copies a module, and puts a function before its callback.
struct Trapping(Callback);

type Failed = wasm_encoder::reencode::Error<std::convert::Infallible>;

impl Reencode for Trapping {
    type Error = std::convert::Infallible;

    fn parse_function_section(
        &mut self,
        functions: &mut FunctionSection,
        section: FunctionSectionReader<'_>,
    ) -> Result<(), Failed> {
        utils::parse_function_section(self, functions, section)?;
        functions.function(self.0.ty);
        Ok(())
    }

    fn parse_export(&mut self, exports: &mut ExportSection, export: Export<'_>) -> Result<(), Failed> {
        if export.kind == ExternalKind::Func && export.name == CALLBACK {
            exports.export(CALLBACK, ExportKind::Func, self.0.next);
            return Ok(());
        }
        utils::parse_export(self, exports, export)
    }

    fn parse_code_section(
        &mut self,
        code: &mut CodeSection,
        section: wasmparser::CodeSectionReader<'_>,
    ) -> Result<(), Failed> {
        utils::parse_code_section(self, code, section)?;
        let mut before = Function::new([]);
        let mut body = before.instructions();
        body.local_get(1).i32_const(MOST_HEADERS).i32_gt_s();
        body.if_(BlockType::Empty).unreachable().end();
        body.local_get(0).local_get(1).local_get(2).call(self.0.function).end();
        code.function(&before);
        Ok(())
    }
}
