//! The blocks of code in docs/instrumenting.md and its Chinese page are the case
//! `tests/cases/documented.wat` and what becomes of it. `BLESS=1` writes them.

mod support;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use instrument::Options;

const PAGES: [&str; 2] = ["docs/instrumenting.md", "docs/instrumenting.zh-CN.md"];

/// Of the rewritten module everything outside of functions is shown, and these functions.
const SHOWN: [&str; 6] = [
    "$request_body",
    "$\"wasm-tracer: malloc\"",
    "$\"wasm-tracer: proxy_continue_stream\"",
    "$\"wasm-tracer: proxy_on_request_body\"",
    "$\"wasm-tracer: plugin's memory.grow\"",
    "$\"wasm-tracer: before unreachable\"",
];

#[test]
fn the_pages_show_what_becomes_of_the_case() -> Result<()> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let case = std::fs::read_to_string(workspace.join("tests/cases/documented.wat"))?;
    let plugin = case.lines().filter(|line| !line.starts_with(";;"));
    let plugin = plugin.fold(String::new(), |text, line| text + line + "\n");
    let blocks = [("plugin", plugin.as_str()), ("traced", &traced(&plugin)?)];
    for page in PAGES {
        let place: PathBuf = workspace.join(page);
        let text = std::fs::read_to_string(&place)?;
        let mut expected = text.clone();
        for (name, block) in blocks {
            expected = with_block(&expected, name, block).with_context(|| page.to_owned())?;
        }
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(&place, &expected)?;
            continue;
        }
        ensure!(text == expected, "{page} shows another module; run with BLESS=1");
    }
    Ok(())
}

/// The traced plugin, printed, without what would only lengthen the page.
fn traced(plugin: &str) -> Result<String> {
    let options = Options { cluster: "wasm-tracer".into(), ..Options::default() };
    let done = support::rewrite(&wat::parse_str(plugin)?, &options)?;
    let printed = wasmprinter::print_bytes(&done.wasm)?;
    let mut text = String::from("(module\n");
    let mut shown = false;
    for line in printed.lines() {
        if let Some(item) = line.strip_prefix("  (") {
            let hidden = ["type ", "data ", "@"].iter().any(|start| item.starts_with(start));
            let function = item.strip_prefix("func ");
            let wanted = |rest: &str| SHOWN.iter().any(|name| rest.starts_with(name));
            shown = !hidden && function.is_none_or(wanted);
        }
        if shown && line.starts_with("  ") {
            text.push_str(line);
            text.push('\n');
        }
    }
    text.push_str("  ;; …\n)\n");
    Ok(text)
}

/// A page with the text of a block replaced: it stands in a fence behind a comment that names it.
fn with_block(page: &str, name: &str, block: &str) -> Result<String> {
    const FENCE: &str = "```";
    let start = page.find(&format!("<!-- {name}:")).context("the block's comment is gone")?;
    let (before, rest) = page.split_at(start);
    let (comment, rest) = rest.split_once('\n').context("the comment ends the page")?;
    let (open, rest) = rest.split_once('\n').context("no fence follows the comment")?;
    ensure!(open.starts_with(FENCE), "no fence follows the comment of {name}");
    let end = if rest.starts_with(FENCE) {
        0
    } else {
        rest.find("\n```").context("the fence is not closed")? + 1
    };
    Ok(format!("{before}{comment}\n{open}\n{block}{}", &rest[end..]))
}
