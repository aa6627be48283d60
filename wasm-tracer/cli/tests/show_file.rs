//! Timelines as files: printed, kept, read again, in script notation and as JSON.

use std::path::Path;
use std::process::Command;

const LOG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../import/tests/lost-callback.log");

/// Exit code, output and errors.
fn wasm_tracer(args: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_wasm-tracer"))
        .args(args)
        .output()
        .expect("the command runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn show(path: &Path, flags: &[&str]) -> (Option<i32>, String, String) {
    wasm_tracer(&[&["show", path.to_str().expect("a path")], flags].concat())
}

#[test]
fn what_is_printed_is_read_again_in_both_forms() {
    let folder = tempfile::tempdir().expect("a folder");
    let (script, json) = (folder.path().join("one.txt"), folder.path().join("one.json"));
    let (_, printed, _) = wasm_tracer(&["import", LOG]);
    assert!(printed.contains("// lost: late-callback"), "{printed}");
    std::fs::write(&script, &printed).expect("written");
    std::fs::write(&json, wasm_tracer(&["import", "--json", LOG]).1).expect("written");
    assert_eq!(show(&script, &[]), (Some(0), printed.clone(), String::new()));
    assert_eq!(show(&json, &[]).1, printed);
    assert_eq!(show(&script, &["--json"]), show(&json, &["--json"]));
}

#[test]
fn a_request_of_several_plugins_is_one_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("request.txt");
    let timeline = |context: u32, plugin: &str, action: &str| {
        format!(
            "instance {context:032}\ncontext {context} generation 0\nroot 1 plugin {plugin:?}\nrequest \"r-1\"\n\
             0.000000 #1 create {context} root 1\n0.000100 #2 request_headers {context} end -> {action}\n"
        )
    };
    let text = timeline(2, "first", "continue") + "---\n" + &timeline(3, "second", "pause");
    std::fs::write(&path, text).expect("written");
    let (code, printed, said) = show(&path, &[]);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(printed.lines().filter(|line| *line == "---").count(), 1, "{printed}");
    let place = |plugin: &str| printed.find(&format!("plugin {plugin:?}"));
    assert!(place("first") < place("second"), "{printed}");
    // In whose hands it is stands before the timelines.
    assert!(printed.lines().next().is_some_and(|line| line.contains("second")), "{printed}");
    std::fs::write(&path, &printed).expect("written");
    assert_eq!(show(&path, &[]).1, printed);
}

#[test]
fn a_file_that_is_none_is_told_with_line_and_what_was_expected() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("bad");
    for (text, expected) in [
        (&b"// found\n0.1 #1 crate 2\n"[..], "line 2: `crate` is no callback or hostcall"),
        (b"", "no timeline stands here; lines like `0.000000 #1 create 2 root 1` are expected"),
        (b"{\n\"timelines\": []}", "is expected: missing field `instance` at line 2 column 16"),
        (b"\n\xff\xfe", "bad, line 2: a timeline is text in UTF-8, and this is not"),
    ] {
        std::fs::write(&path, text).expect("written");
        let (code, _, said) = show(&path, &[]);
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains(expected), "{said:?} does not say {expected:?}");
    }
    assert_eq!(show(folder.path(), &[]).0, Some(1));
}

#[test]
fn what_is_no_file_is_an_id() {
    let (code, _, said) = wasm_tracer(&["show", "no-such-file", "--collector", "127.0.0.1:9"]);
    assert_eq!(code, Some(1));
    assert!(said.contains("no collector answers"), "{said}");
}
