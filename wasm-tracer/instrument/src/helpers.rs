//! Helpers that keep two memories in one: growth of either, the recorder's copies and fills, and its
//! windows into the plugin's memory.

use wasm_encoder::{BlockType, Function};

use crate::merge::{Joined, function};

/// Indices of the helpers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Helpers {
    /// `memory.grow` of the plugin: the recorder's memory moves up.
    pub plugin_grow: u32,
    /// `memory.grow` of the recorder: it extends the end.
    pub recorder_grow: u32,
    /// `memory.copy` of the recorder.
    pub copy: u32,
    /// `memory.fill` of the recorder.
    pub fill: u32,
    /// `(address, length) -> 1`: does it lie within the plugin's memory?
    pub within: u32,
    /// `graft.read`.
    pub read: u32,
    /// `graft.write`.
    pub write: u32,
    /// `graft.base`.
    pub base: u32,
    /// `graft.pages`.
    pub pages: u32,
    /// `graft.plugin_pages`.
    pub plugin_pages: u32,
}

/// log2 of a page.
const PAGE_SHIFT: i32 = 16;

/// Adds all helpers.
pub(crate) fn add(joined: &mut Joined<'_, '_>) -> Helpers {
    let within = within(joined);
    Helpers {
        plugin_grow: plugin_grow(joined),
        recorder_grow: recorder_grow(joined),
        copy: bulk(joined, within, "memory.copy", [Side::Recorder, Side::Recorder]),
        fill: bulk(joined, within, "memory.fill", [Side::Recorder, Side::Value]),
        within,
        read: bulk(joined, within, "read", [Side::Recorder, Side::Plugin]),
        write: bulk(joined, within, "write", [Side::Plugin, Side::Recorder]),
        base: constant(joined, "base", joined.globals.base),
        pages: constant(joined, "pages", joined.globals.pages),
        plugin_pages: plugin_pages(joined),
    }
}

/// Grow, move the recorder's memory up, zero what it left (as much of it as is the plugin's now),
/// raise the base. Fails as `memory.grow` does, and then nothing has changed. What lies beyond the maximum that
/// the plugin declares is the recorder's.
fn plugin_grow(joined: &mut Joined<'_, '_>) -> u32 {
    let (base, pages) = (joined.globals.base, joined.globals.pages);
    let (delta, before, target) = (0, 1, 2);
    let mut code = function(2);
    code.instructions()
        .memory_size(0)
        .global_get(pages)
        .i32_sub()
        .local_set(before)
        .local_get(delta)
        .i32_eqz()
        .if_(BlockType::Empty)
        .local_get(before)
        .return_()
        .end();
    if let Some(maximum) = joined.plugin.memories[0].maximum {
        code.instructions()
            .local_get(delta)
            .i32_const(maximum as i32)
            .local_get(before)
            .i32_sub()
            .i32_gt_u()
            .if_(BlockType::Empty)
            .i32_const(-1)
            .return_()
            .end();
    }
    grow_or_fail(&mut code);
    code.instructions()
        // target = base + delta pages; move the recorder there
        .global_get(base)
        .local_get(delta)
        .i32_const(PAGE_SHIFT)
        .i32_shl()
        .i32_add()
        .local_tee(target)
        .global_get(base)
        .global_get(pages)
        .i32_const(PAGE_SHIFT)
        .i32_shl()
        .memory_copy(0, 0)
        // zero min(delta, pages) pages from the old base
        .global_get(base)
        .i32_const(0)
        .local_get(delta)
        .global_get(pages)
        .local_get(delta)
        .global_get(pages)
        .i32_lt_u()
        .select()
        .i32_const(PAGE_SHIFT)
        .i32_shl()
        .memory_fill(0)
        .local_get(target)
        .global_set(base)
        .local_get(before)
        .end();
    let ty = joined.types.words(1, 1);
    joined.add("wasm-tracer: plugin's memory.grow", ty, code)
}

/// Grows by the first parameter; where that fails, so does the function.
fn grow_or_fail(code: &mut Function) {
    code.instructions()
        .local_get(0)
        .memory_grow(0)
        .i32_const(-1)
        .i32_eq()
        .if_(BlockType::Empty)
        .i32_const(-1)
        .return_()
        .end();
}

fn recorder_grow(joined: &mut Joined<'_, '_>) -> u32 {
    let pages = joined.globals.pages;
    let mut code = function(0);
    grow_or_fail(&mut code);
    code.instructions()
        .global_get(pages)
        .global_get(pages)
        .local_get(0)
        .i32_add()
        .global_set(pages)
        .end();
    let ty = joined.types.words(1, 1);
    joined.add("wasm-tracer: recorder's memory.grow", ty, code)
}

/// In 64 bits, so that no sum wraps. The plugin's memory ends where the recorder's begins.
fn within(joined: &mut Joined<'_, '_>) -> u32 {
    let base = joined.globals.base;
    let mut code = function(0);
    code.instructions()
        .local_get(0)
        .i64_extend_i32_u()
        .local_get(1)
        .i64_extend_i32_u()
        .i64_add()
        .global_get(base)
        .i64_extend_i32_u()
        .i64_le_u()
        .end();
    let ty = joined.types.words(2, 1);
    joined.add("wasm-tracer: within the plugin's memory", ty, code)
}

/// Whose memory an operand of a copy points into.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    /// The recorder's: the base is added.
    Recorder,
    /// The plugin's, which begins at 0: already absolute.
    Plugin,
    /// Nobody's: the value of a fill.
    Value,
}

/// A `memory.copy` or `memory.fill` of the recorder or between the memories. Where the plugin's memory
/// takes part nothing may reach beyond it: then the answer is 0, else 1.
fn bulk(joined: &mut Joined<'_, '_>, within: u32, name: &str, sides: [Side; 2]) -> u32 {
    let base = joined.globals.base;
    let of_plugin = sides.iter().position(|side| *side == Side::Plugin);
    let length = 2;
    let mut code = function(0);
    let mut sink = code.instructions();
    if let Some(address) = of_plugin {
        sink.local_get(address as u32).local_get(length).call(within).i32_eqz();
        sink.if_(BlockType::Empty).i32_const(0).return_().end();
    }
    for (parameter, side) in (0..).zip(sides) {
        sink.local_get(parameter);
        if side == Side::Recorder {
            sink.global_get(base).i32_add();
        }
    }
    sink.local_get(length);
    match sides[1] {
        Side::Value => sink.memory_fill(0),
        _ => sink.memory_copy(0, 0),
    };
    if of_plugin.is_some() {
        sink.i32_const(1);
    }
    sink.end();
    let ty = joined.types.words(3, usize::from(of_plugin.is_some()));
    joined.add(format!("wasm-tracer: {name}"), ty, code)
}

fn constant(joined: &mut Joined<'_, '_>, name: &str, global: u32) -> u32 {
    let mut code = function(0);
    code.instructions().global_get(global).end();
    let ty = joined.types.words(0, 1);
    joined.add(format!("wasm-tracer: {name}"), ty, code)
}

fn plugin_pages(joined: &mut Joined<'_, '_>) -> u32 {
    let pages = joined.globals.pages;
    let mut code = function(0);
    code.instructions().memory_size(0).global_get(pages).i32_sub().end();
    let ty = joined.types.words(0, 1);
    joined.add("wasm-tracer: plugin_pages", ty, code)
}
