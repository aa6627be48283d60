//! Timelines as files: printed, kept, read again, in script notation and as JSON.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

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

#[test]
fn a_file_that_is_missing_is_told_as_one() {
    for name in ["./missing", "missing.txt", "no/such/file.json"] {
        let (code, _, said) = wasm_tracer(&["show", name, "--collector", "127.0.0.1:9"]);
        assert_eq!(code, Some(1));
        assert!(
            said.contains(&format!("there is no file {name}; as an id: no collector")),
            "{said}"
        );
    }
}

#[test]
fn a_timeline_may_come_through_a_pipe() {
    let printed = wasm_tracer(&["import", LOG]).1;
    let show = |text: &str| {
        let mut child = Command::new(env!("CARGO_BIN_EXE_wasm-tracer"))
            .args(["show", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut stdin = child.stdin.take().expect("its input");
        stdin.write_all(text.as_bytes()).expect("written");
        drop(stdin);
        child.wait_with_output().expect("it ends")
    };
    assert_eq!(String::from_utf8_lossy(&show(&printed).stdout), printed);
    let said = String::from_utf8_lossy(&show("no timeline").stderr).into_owned();
    assert!(said.contains("standard input holds no timeline that can be read"), "{said}");
}
