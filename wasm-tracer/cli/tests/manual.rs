//! The manual and the completions hold every subcommand and every option that `--help` tells of.

use std::path::Path;
use std::process::Command;

fn wasm_tracer(args: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_wasm-tracer"))
        .args(args)
        // As wide as it likes: no line is broken.
        .env("COLUMNS", "1000")
        .output()
        .expect("the command runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("it prints text")
}

/// The subcommands that the help lists.
fn subcommands() -> Vec<String> {
    let help = wasm_tracer(&["--help"]);
    let list = help.split("\nCommands:\n").nth(1).and_then(|rest| rest.split("\n\n").next());
    let names = list.expect("a list of commands").lines();
    let names = names.filter_map(|line| line.strip_prefix("  ")?.split_whitespace().next());
    let names: Vec<_> = names.filter(|name| *name != "help").map(str::to_owned).collect();
    assert!(names.len() > 10, "{names:?}");
    names
}

/// The long options that the help of a subcommand lists.
fn options(subcommand: &str) -> Vec<String> {
    let help = wasm_tracer(&[subcommand, "--help"]);
    let options = help.lines().filter_map(|line| {
        let line = line.trim_start();
        let long = line.strip_prefix("--").or_else(|| line.split_once(", --").map(|(_, l)| l))?;
        line.starts_with('-').then_some(())?;
        long.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').next()
    });
    let options: Vec<_> = options.map(str::to_owned).collect();
    assert!(subcommand != "instrument" || options.len() > 10, "{options:?}");
    options
}

fn written(folder: &Path) -> Vec<String> {
    let files = std::fs::read_dir(folder).expect("a folder").flatten();
    let mut names: Vec<_> =
        files.map(|file| file.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn the_manual_has_a_page_for_each_subcommand_which_tells_of_each_option() {
    let folder = tempfile::tempdir().expect("a folder");
    let pages = folder.path().join("share/man1");
    wasm_tracer(&["man", &pages.to_string_lossy()]);
    let mut wanted = vec!["wasm-tracer.1".to_owned()];
    let first = std::fs::read_to_string(pages.join("wasm-tracer.1")).expect("the first page");
    for subcommand in subcommands() {
        let name = format!("wasm-tracer-{subcommand}.1");
        let page = std::fs::read_to_string(pages.join(&name)).expect("a page");
        assert!(first.contains(&format!("wasm\\-tracer\\-{subcommand}(1)")), "{subcommand}");
        for option in options(&subcommand) {
            let written = format!("\\-\\-{}", option.replace('-', "\\-"));
            assert!(page.contains(&written), "{name} does not tell of --{option}");
        }
        wanted.push(name);
    }
    wanted.sort();
    assert_eq!(written(&pages), wanted);
}

#[test]
fn the_manual_is_not_written_where_a_file_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("file");
    std::fs::write(&file, "kept").expect("writable");
    let output = Command::new(env!("CARGO_BIN_EXE_wasm-tracer"))
        .arg("man")
        .arg(&file)
        .output()
        .expect("the command runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.starts_with("error: cannot write the manual into "), "{said}");
    assert_eq!(std::fs::read_to_string(&file).expect("it is still there"), "kept");
}

#[test]
fn the_completions_of_each_shell_know_each_subcommand_and_option() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = wasm_tracer(&["completions", shell]);
        for subcommand in subcommands() {
            assert!(script.contains(&subcommand), "{shell}: {subcommand}");
            for option in options(&subcommand) {
                // Fish writes `-l option`.
                let written =
                    if shell == "fish" { format!("-l {option}") } else { format!("--{option}") };
                assert!(script.contains(&written), "{shell}: {subcommand} --{option}");
            }
        }
    }
}

#[test]
fn bash_completes_with_them() {
    // As bash does it: by the function that was registered for the command.
    const COMPLETE: &str = r#"
        source <("$0" completions bash)
        COMP_WORDS=(wasm-tracer "$@")
        COMP_CWORD=$#
        registered=$(complete -p wasm-tracer)
        [[ $registered =~ -F\ ([^ ]+) ]]
        "${BASH_REMATCH[1]}" wasm-tracer "${COMP_WORDS[$#]}" "${COMP_WORDS[$# - 1]}"
        echo "${COMPREPLY[*]}""#;
    let asks = |words: &[&str]| {
        let output = Command::new("bash")
            .args(["-c", COMPLETE, env!("CARGO_BIN_EXE_wasm-tracer")])
            .args(words)
            .output()
            .expect("bash runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    assert_eq!(asks(&["ins"]), "instrument inspect");
    assert_eq!(asks(&["instrument", "--collector-cl"]), "--collector-cluster");
    assert_eq!(asks(&["completions", "z"]), "zsh");
}
