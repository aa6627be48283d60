//! The rules of the house that a program can check: heads and lengths of files, documents that name
//! things which exist, no paths of somebody's machine, the edges between crates.

use anyhow::{Context, bail};

use crate::{command, places};

/// No file is longer, unless its head comment says why with the words in [`LONG_BECAUSE`].
const MAX_LINES: usize = 500;
const LONG_BECAUSE: &str = "Longer than 500 lines because";

/// The edges between the crates that are shipped: all there are (ARCHITECTURE.md, "may use").
const EDGES: [(&str, &[&str]); 10] = [
    ("abi", &[]),
    ("proto", &[]),
    ("recorder", &["abi", "proto"]),
    ("graft", &["recorder"]),
    ("instrument", &["abi"]),
    ("timeline", &["abi"]),
    ("import", &["abi", "timeline"]),
    ("probe", &[]),
    ("collector", &["timeline", "proto", "abi"]),
    ("wasm-tracer", &["instrument", "import", "collector", "timeline", "proto", "abi"]),
];

/// The page that comments cite by section, and how they do.
const SEMANTICS: &str = "docs/host-semantics.md";
const CITED: &str = "host-semantics §";

/// In backquotes of a document it looks like a path and is none: a word of OpenTelemetry's.
const NO_PATH: &str = "http/protobuf";

/// Folders of shipped code, and the rooms in them that may name generated types of the wire.
const SHIPPED: [&str; 5] = ["abi/", "timeline/src/", "collector/src/", "wasm-tracer/", "proto/"];
const KNOW_THE_WIRE: [&str; 2] = ["proto/", "collector/src/decode"];

/// Checks everything and reports all that is wrong at once.
pub fn run() -> anyhow::Result<()> {
    let files = tracked_files()?;
    let mut wrong = Vec::new();
    let semantics = std::fs::read_to_string(places::workspace().join(SEMANTICS))?;
    for file in &files {
        check_file(file, &semantics, &mut wrong)?;
    }
    // Readmes of folders of tests are read by those tests.
    let is_document = |file: &&String| file.ends_with(".md") && !file.contains("/tests/");
    let of_people = files.iter().filter(is_document).filter(|file| !file.starts_with("tests/"));
    for document in of_people {
        check_paths(document, &files, &mut wrong)?;
        check_links(document, &mut wrong)?;
    }
    check_edges(&mut wrong)?;
    check_purity(&mut wrong)?;
    if !wrong.is_empty() {
        bail!("the rules of the house are broken:\n  {}", wrong.join("\n  "));
    }
    println!("  {} files are tidy", files.len());
    Ok(())
}

/// Files that git knows or would add.
fn tracked_files() -> anyhow::Result<Vec<String>> {
    let mut git = std::process::Command::new("git");
    git.current_dir(places::workspace());
    git.args(["ls-files", "--cached", "--others", "--exclude-standard"]);
    let listed = command::output(&mut git).context("git must list the files")?;
    let exists = |file: &&str| places::workspace().join(file).is_file();
    Ok(listed.lines().filter(exists).map(str::to_owned).collect())
}

fn check_file(file: &str, semantics: &str, wrong: &mut Vec<String>) -> anyhow::Result<()> {
    let bytes = std::fs::read(places::workspace().join(file))?;
    let Ok(text) = std::str::from_utf8(&bytes) else { return Ok(()) };
    for (at, line) in text.lines().enumerate() {
        if let Some(path) = machine_path(line) {
            wrong.push(format!("{file}:{}: names a path of one machine: {path}", at + 1));
        }
        if let Some(section) = cited(line).find(|section| !has_section(semantics, section)) {
            wrong.push(format!("{file}:{}: {SEMANTICS} has no §{section}", at + 1));
        }
    }
    let is_code = [".rs", ".go", ".proto"].iter().any(|end| file.ends_with(end));
    if !is_code || is_generated(text) {
        return Ok(());
    }
    let head: Vec<_> = text.lines().take_while(|line| line.starts_with("//")).collect();
    if head.is_empty() {
        wrong.push(format!("{file}: has no head comment saying what lives there"));
    }
    let shipped =
        SHIPPED.iter().any(|folder| file.starts_with(folder)) && !file.contains("/tests/");
    let knows = KNOW_THE_WIRE.iter().any(|room| file.starts_with(room));
    if shipped && !knows && text.contains("proto::v1") {
        wrong.push(format!("{file}: names generated types; only collector/src/decode may"));
    }
    let lines = text.lines().count();
    if lines > MAX_LINES && !head.iter().any(|line| line.contains(LONG_BECAUSE)) {
        wrong.push(format!(
            "{file}: has {lines} lines; split it, or say \"{LONG_BECAUSE} …\" at its head"
        ));
    }
    Ok(())
}

/// The sections of [`SEMANTICS`] that a line cites.
fn cited(line: &str) -> impl Iterator<Item = &str> {
    line.split(CITED).skip(1).map(|rest| {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        rest[..end].trim_end_matches('.')
    })
}

/// Has a page a heading of that section? One that is no number, as in a sentence about them, needs none.
fn has_section(page: &str, section: &str) -> bool {
    let headings = page.lines().filter_map(|line| line.trim_start_matches('#').strip_prefix(" §"));
    section.is_empty() || headings.into_iter().any(|h| h.split(' ').next() == Some(section))
}

fn is_generated(text: &str) -> bool {
    let head = text.lines().take(3);
    head.into_iter().any(|line| line.contains("@generated") || line.contains("generated by prost"))
}

/// A path below somebody's home or work folder. Spelled in pieces, or this file would name one.
fn machine_path(line: &str) -> Option<&str> {
    let folders = [["/ho", "me/"], ["/ro", "ot/"], ["/wo", "rk/"], ["/Use", "rs/"]];
    folders.iter().find_map(|pieces| {
        let folder = pieces.concat();
        let at = line.find(&folder)?;
        // Inside a longer relative path or a URL it is no path of a machine.
        let before = line[..at].chars().next_back();
        let starts = before.is_none_or(|c| c.is_whitespace() || "\"'`=(:".contains(c));
        starts.then(|| line[at..].split_whitespace().next().unwrap_or_default())
    })
}

/// Every path in backquotes in `document` must exist, but what a build makes; capitals stand for a
/// name to be chosen.
fn check_paths(document: &str, files: &[String], wrong: &mut Vec<String>) -> anyhow::Result<()> {
    let text = std::fs::read_to_string(places::workspace().join(document))?;
    for quoted in text.split('`').skip(1).step_by(2) {
        let placeholder = quoted.split('/').any(is_placeholder);
        let is_path = quoted.contains('/')
            && !placeholder
            && quoted != NO_PATH
            && !quoted.starts_with(['/', '~'])
            && !quoted.starts_with("target/")
            && is_written_as_path(quoted);
        if !is_path {
            continue;
        }
        // Some documents name a package's folder as users of the package see it (`wasm_tracer/v1`).
        let path = quoted.trim_end_matches('/');
        let known = places::workspace().join(path).exists()
            || files.iter().any(|file| file.contains(&format!("/{path}/")));
        if !known {
            wrong.push(format!("{document}: names {quoted}, which does not exist"));
        }
    }
    Ok(())
}

/// Every relative target of a Markdown link or picture must exist.
fn check_links(document: &str, wrong: &mut Vec<String>) -> anyhow::Result<()> {
    let place = places::workspace().join(document);
    let text = std::fs::read_to_string(&place)?;
    for rest in text.split("](").skip(1) {
        let target = rest.split([')', '#']).next().unwrap_or_default();
        // Code has the two signs too: a call with a type, in Go.
        let is_here = !target.is_empty() && is_written_as_path(target);
        if is_here && !place.with_file_name(target).exists() {
            wrong.push(format!("{document}: links to {target}, which does not exist"));
        }
    }
    Ok(())
}

fn is_written_as_path(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c))
}

/// A word in capitals is to be replaced by the reader: `YOUR-CODE.rs`, `XDG_CACHE_HOME`.
fn is_placeholder(part: &str) -> bool {
    let word = part.split('.').next().unwrap_or_default();
    word.len() > 3 && word.contains(['-', '_']) && !word.contains(|c: char| c.is_ascii_lowercase())
}

fn check_edges(wrong: &mut Vec<String>) -> anyhow::Result<()> {
    let mut cargo = command::cargo();
    cargo.args(["metadata", "--no-deps", "--format-version", "1"]);
    let metadata: serde_json::Value = serde_json::from_str(&command::output(&mut cargo)?)?;
    let packages = metadata["packages"].as_array().context("cargo metadata lists packages")?;
    let name_of = |value: &serde_json::Value| value["name"].as_str().unwrap_or_default().to_owned();
    let ours: Vec<String> = packages.iter().map(name_of).collect();
    for package in packages {
        let name = name_of(package);
        let Some((_, allowed)) = EDGES.iter().find(|(shipped, _)| *shipped == name) else {
            continue;
        };
        let dependencies = package["dependencies"].as_array().map_or(&[][..], Vec::as_slice);
        for dependency in dependencies.iter().filter(|dependency| dependency["kind"].is_null()) {
            let used = name_of(dependency);
            if ours.contains(&used) && !allowed.contains(&used.as_str()) {
                wrong.push(format!("{name} uses {used}: ARCHITECTURE.md has no such edge"));
            }
        }
    }
    Ok(())
}

/// `timeline` reaches no runtime.
fn check_purity(wrong: &mut Vec<String>) -> anyhow::Result<()> {
    let mut cargo = command::cargo();
    cargo.args(["tree", "--package", "timeline", "--edges", "normal", "--prefix", "none"]);
    if command::output(&mut cargo)?.lines().any(|line| line.starts_with("tokio")) {
        wrong.push("timeline reaches tokio: it must stay pure".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{CITED, cited, has_section, machine_path};

    #[test]
    fn a_machines_path_is_found_and_a_relative_one_is_not() {
        let path = ["/ho", "me/me/x.rs"].concat();
        assert!(machine_path(&format!("see {path}")).is_some());
        assert!(machine_path(&format!("https://example.org{path}")).is_none());
        assert!(machine_path(&format!("a{path}")).is_none());
    }

    #[test]
    fn a_cited_section_is_a_heading_of_the_page() {
        let line = format!("//! So it is ({CITED}1.3, and {CITED}9).");
        let sections: Vec<_> = cited(&line).collect();
        assert_eq!(sections, ["1.3", "9"]);
        let page = "# What hosts do\n\n## §1 The ABI\n\n### §1.3 Numbers\n";
        assert!(has_section(page, "1.3") && has_section(page, "1"));
        assert!(!has_section(page, "9") && !has_section(page, "1.30"));
    }
}
