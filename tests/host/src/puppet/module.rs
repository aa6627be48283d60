//! The puppet's module in text form, from the abi's tables.

use std::fmt::Write as _;

use abi::{AbiVersion, Callback, Hostcall, ParamKind, Returns};
use anyhow::Result;

use super::{Site, layout, operation};
use crate::Dialect;

/// Which of the exports the puppet has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exports {
    /// All callbacks.
    All,
    /// Three phases and nothing else: all that the recorder needs has to be added.
    Phases,
}

/// Which allocator the puppet exports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Allocator {
    /// `proxy_on_memory_allocate`.
    Proxy,
    /// `malloc`.
    Malloc,
    /// None: the host can hand nothing over.
    None,
}

/// What a puppet is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Shape {
    /// The version that it declares, as its place in `AbiVersion::ALL`.
    pub version: usize,
    /// For the Higress dialect, with its hostcalls.
    pub higress: bool,
    /// Its callbacks.
    pub exports: Exports,
    /// Its allocator.
    pub allocator: Allocator,
}

impl Shape {
    /// The version that it declares.
    pub fn abi(self) -> AbiVersion {
        AbiVersion::ALL[self.version]
    }

    /// The dialect whose hostcalls it imports.
    pub fn dialect(self) -> Dialect {
        if self.higress { Dialect::Higress } else { Dialect::Envoy }
    }

    /// The callbacks that it exports.
    pub fn callbacks(self) -> Vec<Callback> {
        let phases = [Callback::RequestHeaders, Callback::RequestBody, Callback::ResponseHeaders];
        let all = self.exports == Exports::All;
        let chosen = Callback::ALL.iter().filter(|c| all || phases.contains(c));
        chosen.copied().collect()
    }

    /// The hostcalls that it imports: all that the host offers it.
    pub fn hostcalls(self) -> Vec<Hostcall> {
        let offered = |h: &&Hostcall| self.dialect().offers(**h, self.abi());
        Hostcall::ALL.iter().filter(offered).copied().collect()
    }

    /// The module.
    pub fn module(self) -> Result<Vec<u8>> {
        Ok(wat::parse_str(self.text())?)
    }

    fn text(self) -> String {
        let mut text = String::from("(module\n");
        for hostcall in self.hostcalls() {
            import(&mut text, hostcall);
        }
        let pages = layout::PAGES;
        let marker = self.abi().marker();
        let heap = layout::HEAP;
        _ = write!(
            text,
            r#"
  (memory (export "memory") {pages})
  (global $heap (mut i32) (i32.const {heap}))
  (global $depth (mut i32) (i32.const 0))
  (func (export "{marker}"))
"#
        );
        text += &interpreter(&self.hostcalls());
        _ = writeln!(
            text,
            r#"(func (export "_initialize") (drop (call $run (i32.const {}) (i32.const 0))))"#,
            Site::START.number()
        );
        match self.allocator {
            Allocator::Proxy => allocator(&mut text, "proxy_on_memory_allocate"),
            Allocator::Malloc => allocator(&mut text, "malloc"),
            Allocator::None => {}
        }
        for callback in self.callbacks() {
            export(&mut text, callback, self.abi());
        }
        text + ")"
    }
}

fn import(text: &mut String, hostcall: Hostcall) {
    let row = hostcall.row();
    let number = hostcall.number();
    let params: String = row
        .params
        .iter()
        .flat_map(|p| std::iter::repeat_n(p.kind == ParamKind::Long, p.kind.width()))
        .map(|long| if long { " i64" } else { " i32" })
        .collect();
    let result = if row.result { "(result i32)" } else { "" };
    let (module, import) = (row.module(), row.import);
    _ = writeln!(
        text,
        r#"(import "{module}" "{import}" (func $h{number} (param{params}) {result}))"#
    );
}

/// `$run` takes the blocks of a site in turn; `$step` does one step.
fn interpreter(hostcalls: &[Hostcall]) -> String {
    let (sites, counters) = (layout::SITES, layout::COUNTERS);
    let (cursor, results, mask) = (layout::CURSOR, layout::RESULTS, layout::RESULTS_MASK);
    let step = layout::STEP;
    let mut text = format!(
        r#"
  (func $record (param $word i32)
    (local $at i32)
    (local.set $at (i32.load (i32.const {cursor})))
    (i32.store (i32.add (i32.const {results}) (i32.and (local.get $at) (i32.const {mask}))) (local.get $word))
    (i32.store (i32.const {cursor}) (i32.add (local.get $at) (i32.const 4))))
  (func $run (param $site i32) (param $result i32) (result i32)
    (local $count i32) (local $nth i32) (local $block i32) (local $left i32)
    (local.set $site (i32.mul (local.get $site) (i32.const 8)))
    (local.set $count (i32.load (i32.add (i32.const {}) (local.get $site))))
    (if (i32.eqz (local.get $count)) (then (return (local.get $result))))
    (local.set $nth (i32.load (i32.add (i32.const {counters}) (local.get $site))))
    (i32.store (i32.add (i32.const {counters}) (local.get $site)) (i32.add (local.get $nth) (i32.const 1)))
    (local.set $block (i32.load (i32.add (i32.const {sites}) (local.get $site))))
    (local.set $block (i32.load (i32.add (local.get $block)
      (i32.mul (i32.rem_u (local.get $nth) (local.get $count)) (i32.const 4)))))
    (local.set $result (i32.load (local.get $block)))
    (local.set $left (i32.load (i32.add (local.get $block) (i32.const 4))))
    (local.set $block (i32.add (local.get $block) (i32.const 8)))
    (block $done
      (loop $next
        (br_if $done (i32.eqz (local.get $left)))
        (call $step (local.get $block))
        (local.set $block (i32.add (local.get $block) (i32.const {step})))
        (local.set $left (i32.sub (local.get $left) (i32.const 1)))
        (br $next)))
    (local.get $result))
  ;; A parameter; a bit in the step's second word says that it is an address to load it from.
  (func $long (param $step i32) (param $nth i32) (result i64)
    (local $value i64)
    (local.set $value (i64.load offset=8 (i32.add (local.get $step) (i32.mul (local.get $nth) (i32.const 8)))))
    (if (result i64) (i32.and (i32.shr_u (i32.load offset=4 (local.get $step)) (local.get $nth)) (i32.const 1))
      (then (i64.extend_i32_u (i32.load (i32.wrap_i64 (local.get $value)))))
      (else (local.get $value))))
  (func $word (param $step i32) (param $nth i32) (result i32)
    (i32.wrap_i64 (call $long (local.get $step) (local.get $nth))))
  (func $grow (param $pages i32)
    (local $at i32) (local $end i32) (local $seen i64)
    ;; Enough is enough: looking at all of it takes the longer.
    (if (i32.gt_u (memory.size) (i32.const 48)) (then (return)))
    (local.set $at (memory.grow (local.get $pages)))
    (call $record (local.get $at))
    (call $record (memory.size))
    (if (i32.eq (local.get $at) (i32.const -1)) (then (return)))
    (local.set $at (i32.shl (local.get $at) (i32.const 16)))
    (local.set $end (i32.shl (memory.size) (i32.const 16)))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
        (local.set $seen (i64.or (local.get $seen) (i64.load (local.get $at))))
        (i32.store (local.get $at) (local.get $at))
        (local.set $at (i32.add (local.get $at) (i32.const 8)))
        (br $next)))
    ;; New memory is zeroed: this is 0.
    (call $record (i32.wrap_i64 (i64.or (local.get $seen) (i64.shr_u (local.get $seen) (i64.const 32))))))
  (func $checksum
    (local $at i32) (local $sum i64)
    (loop $next
      (local.set $sum (i64.add (i64.rotl (local.get $sum) (i64.const 5)) (i64.load (local.get $at))))
      (local.set $at (i32.add (local.get $at) (i32.const 8)))
      (br_if $next (i32.lt_u (local.get $at) (i32.shl (memory.size) (i32.const 16)))))
    (call $record (i32.wrap_i64 (local.get $sum))))
  (func $allocate (param $size i32) (result i32)
    (local $at i32) (local $missing i32)
    (local.set $at (global.get $heap))
    (global.set $heap (i32.and (i32.add (i32.add (local.get $at) (local.get $size)) (i32.const 15)) (i32.const -16)))
    (local.set $missing (i32.sub (global.get $heap) (i32.shl (memory.size) (i32.const 16))))
    (if (i32.gt_s (local.get $missing) (i32.const 0))
      (then
        (if (i32.eq (memory.grow (i32.shr_u (i32.add (local.get $missing) (i32.const 65535)) (i32.const 16))) (i32.const -1))
          (then (return (i32.const 0))))))
    (local.get $at))
  (func $step (param $step i32)
    (local $op i32)
    (local.set $op (i32.load (local.get $step)))
"#,
        sites + 4
    );
    let word = |nth: usize| format!("(call $word (local.get $step) (i32.const {nth}))");
    let (a, b, c) = (word(0), word(1), word(2));
    for (op, code) in [
        (operation::GROW, format!("(call $grow {a})")),
        (operation::UNREACHABLE, "(unreachable)".into()),
        (operation::WILD_LOAD, "(call $record (i32.load (i32.const 0xfffffff0)))".into()),
        (
            operation::DIVIDE_BY_ZERO,
            "(call $record (i32.div_u (i32.const 1) (i32.const 0)))".into(),
        ),
        (operation::MEMORY_SIZE, "(call $record (memory.size))".into()),
        (operation::CHECKSUM, "(call $checksum)".into()),
        (operation::STORE, format!("(i32.store {a} {b})")),
        (operation::FILL, format!("(memory.fill {a} {b} {c})")),
        (operation::COPY, format!("(memory.copy {a} {b} {c})")),
        (operation::ALLOCATE, format!("(call $record (call $allocate {a}))")),
    ] {
        when(&mut text, op, &code);
    }
    for hostcall in hostcalls {
        let row = hostcall.row();
        let mut nth = 0;
        let mut call = format!("(call $h{}", hostcall.number());
        for param in row.params {
            for _ in 0..param.kind.width() {
                let form = if param.kind == ParamKind::Long { "long" } else { "word" };
                _ = write!(call, " (call ${form} (local.get $step) (i32.const {nth}))");
                nth += 1;
            }
        }
        call += ")";
        if row.result {
            call = format!("(call $record {call})");
        }
        when(&mut text, hostcall.number(), &call);
    }
    text + ")\n"
}

fn when(text: &mut String, op: u32, code: &str) {
    _ = writeln!(text, "(if (i32.eq (local.get $op) (i32.const {op})) (then {code} (return)))");
}

/// The script can act in the allocator, and have it answer 0.
fn allocator(text: &mut String, name: &str) {
    let site = Site::ALLOCATOR.number();
    _ = writeln!(
        text,
        r#"(func (export "{name}") (param $size i32) (result i32)
             (if (call $run (i32.const {site}) (i32.const 0)) (then (return (i32.const 0))))
             (call $allocate (local.get $size)))"#
    );
}

/// Notes its arguments and runs its blocks; the outermost one starts the heap anew.
fn export(text: &mut String, callback: Callback, version: AbiVersion) {
    let row = callback.row();
    let params = callback.param_count(version);
    let (default, drop, result) = match row.returns {
        Returns::Nothing => (0, "(drop (local.get $answer))", ""),
        Returns::Bool => (1, "(local.get $answer)", "(result i32)"),
        Returns::Action => (0, "(local.get $answer)", "(result i32)"),
    };
    let declared = " i32".repeat(params);
    let site = callback.number();
    let at = layout::ARGUMENTS + site * 32;
    _ = writeln!(
        text,
        r#"(func (export "{}") (param{declared}) {result} (local $answer i32)"#,
        row.export
    );
    _ = writeln!(
        text,
        "(if (i32.eqz (global.get $depth)) (then (global.set $heap (i32.const {}))))",
        layout::HEAP
    );
    for nth in 0..params {
        _ = writeln!(text, "(i32.store (i32.const {}) (local.get {nth}))", at + nth as u32 * 4);
    }
    _ = writeln!(
        text,
        "(global.set $depth (i32.add (global.get $depth) (i32.const 1)))
         (local.set $answer (call $run (i32.const {site}) (i32.const {default})))
         (global.set $depth (i32.sub (global.get $depth) (i32.const 1)))
         {drop})"
    );
}
