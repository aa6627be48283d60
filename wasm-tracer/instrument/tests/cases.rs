//! Every `tests/cases/NAME.wat` is rewritten (or refused) and compared with `NAME.txt` beside it.
//! `BLESS=1` writes what came out; the folder's README.md says how a case is written.

mod support;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use instrument::Options;
use wasmparser::{Parser, Payload};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/cases")
}

#[test]
fn every_case_is_rewritten_as_its_text_says() -> Result<()> {
    let bless = std::env::var_os("BLESS").is_some();
    let mut wrong = Vec::new();
    let mut cases: Vec<PathBuf> =
        fs::read_dir(folder())?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    cases.retain(|path| path.extension().is_some_and(|extension| extension == "wat"));
    cases.sort();
    ensure!(!cases.is_empty(), "there are no cases in {}", folder().display());
    for case in cases {
        let actual = run(&case).with_context(|| case.display().to_string())?;
        let expectation = case.with_extension("txt");
        if bless {
            fs::write(&expectation, &actual)?;
            continue;
        }
        let expected = fs::read_to_string(&expectation).unwrap_or_default();
        if expected != actual {
            wrong.push(format!("{}\n{}", case.display(), difference(&expected, &actual)));
        }
    }
    ensure!(wrong.is_empty(), "if this is right, run with BLESS=1\n\n{}", wrong.join("\n"));
    Ok(())
}

/// What a case asks for, in comments at its head.
#[derive(Default)]
struct Case {
    options: Options,
    show_shims: bool,
    show_recorder: bool,
    inspect: bool,
}

impl Case {
    fn read(text: &str) -> Result<Case> {
        let mut case = Case {
            options: Options { cluster: "wasm-tracer".into(), ..Options::default() },
            ..Case::default()
        };
        let directives = text.lines().map_while(|line| line.strip_prefix(";;"));
        for directive in directives.filter_map(|line| line.trim().strip_prefix('!')) {
            match directive.trim() {
                "host envoy" => case.options.host = Some(abi::Host::Envoy),
                "host higress" => case.options.host = Some(abi::Host::Higress),
                "show shims" => case.show_shims = true,
                "show recorder" => case.show_recorder = true,
                "inspect" => case.inspect = true,
                other => bail!("there is no directive {other:?}; see tests/cases/README.md"),
            }
        }
        Ok(case)
    }

    /// Is an item of the printed module part of the expectation?
    fn shows(&self, item: &str) -> bool {
        let head = item.trim_start();
        let own = head.starts_with("(func $\"wasm-tracer: ");
        let functions = abi::graft::exports::FUNCTIONS.into_iter().chain([COUNT]);
        let mut functions = functions.map(|name| format!("(func ${name} "));
        let recorder = functions.any(|function| head.starts_with(&function));
        match () {
            () if ["(type", "(data", "(@"].iter().any(|hidden| head.starts_with(hidden)) => false,
            () if own => self.show_shims,
            () if recorder => self.show_recorder,
            () => true,
        }
    }
}

/// The function of the stand-in recorder that it does not export.
const COUNT: &str = "count";

fn run(path: &Path) -> Result<String> {
    let text = fs::read_to_string(path)?;
    let case = Case::read(&text)?;
    let plugin = wat::parse_str(&text)?;
    if case.inspect {
        return Ok(match instrument::inspect(&plugin) {
            Ok(inspection) => without_recorder(&inspection.to_string()),
            Err(refusal) => refused(&refusal),
        });
    }
    let done = match support::rewrite(&plugin, &case.options) {
        Ok(done) => done,
        Err(refusal) => return Ok(refused(&refusal)),
    };
    check_identity(&plugin)?;
    let mut expectation = done.report.to_string();
    expectation.push('\n');
    let printed = wasmprinter::print_bytes(&done.wasm)?;
    for item in items(&printed).filter(|item| case.shows(item)) {
        expectation.push_str(item);
    }
    for payload in Parser::new(0).parse_all(&done.wasm) {
        if let Payload::CustomSection(section) = payload? {
            writeln!(expectation, "  (custom {:?})", section.name())?;
            if section.name() == "wasm-tracer" {
                let lines = std::str::from_utf8(section.data())?.lines();
                for line in lines.filter(|line| !changes_with_releases(line)) {
                    writeln!(expectation, "    {line}")?;
                }
            }
        }
    }
    Ok(expectation)
}

fn changes_with_releases(line: &str) -> bool {
    ["version=", "original_sha256=", "recorder_sha256="].iter().any(|key| line.starts_with(key))
}

fn refused(refusal: &instrument::Refusal) -> String {
    format!("refused     {}\n{refusal}\n", refusal.code())
}

/// An inspection up to what it says of the committed recorder, which changes on its own.
fn without_recorder(text: &str) -> String {
    let kept = text.lines().take_while(|line| !line.starts_with("call "));
    kept.fold(String::new(), |text, line| text + line + "\n")
}

/// Doing nothing changes nothing.
fn check_identity(plugin: &[u8]) -> Result<()> {
    let identity = instrument::identity(plugin)?;
    ensure!(
        wasmprinter::print_bytes(&identity)? == wasmprinter::print_bytes(plugin)?,
        "the identity rewrite changed the module"
    );
    Ok(())
}

/// Top-level items of a printed module, each with its lines.
fn items(printed: &str) -> impl Iterator<Item = &str> {
    let mut rest = printed.strip_suffix(")\n").unwrap_or(printed);
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = rest[1..].find("\n  (").map_or(rest.len(), |end| end + 2);
        let (item, after) = rest.split_at(end);
        rest = after;
        Some(item)
    })
    .filter(|item| item.starts_with("  ("))
}

/// The first lines that differ, with their numbers.
fn difference(expected: &str, actual: &str) -> String {
    let mut text = String::new();
    let (mut left, mut right) = (expected.lines(), actual.lines());
    for number in 1.. {
        let pair = (left.next(), right.next());
        match pair {
            (None, None) => break,
            (expected, actual) if expected != actual => {
                let _ = writeln!(text, "{number}: expected {}", expected.unwrap_or("nothing"));
                let _ = writeln!(text, "{number}: actual   {}", actual.unwrap_or("nothing"));
                if text.lines().count() > 20 {
                    break;
                }
            }
            _ => {}
        }
    }
    text
}
