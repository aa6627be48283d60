//! `verify` says in one sentence what it proved or why not, and its exit code agrees.

use std::path::Path;
use std::process::{Command, Output};

const PLUGIN: &str = r#"(module
    (memory (export "memory") 1)
    (func (export "proxy_abi_version_0_2_1"))
    (func $create (export "proxy_on_context_create") (param i32 i32)))"#;

/// A folder with a plugin and what `instrument` made of it.
struct Desk(tempfile::TempDir);

impl Desk {
    fn new(options: &[&str]) -> Desk {
        let desk = Desk(tempfile::tempdir().expect("a folder"));
        desk.put("plugin.wasm", &wat::parse_str(PLUGIN).expect("the text is a module"));
        let mut args = vec!["instrument", "plugin.wasm", "-o", "traced.wasm"];
        args.extend(options);
        let output = desk.run(&args);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        desk
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn put(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.path().join(name), bytes).expect("writable");
    }

    fn run(&self, args: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wasm-tracer"));
        command.args(args).current_dir(self.path()).output().expect("the command runs")
    }

    /// Verifies, expects no proof, gives what was said.
    fn unproved(&self, traced: &str, original: &str) -> String {
        let output = self.run(&["verify", traced, original]);
        assert_eq!(output.status.code(), Some(1));
        assert!(output.stdout.is_empty());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(said.lines().count(), 1, "{said}");
        said
    }
}

#[test]
fn a_proof_names_original_version_and_options() {
    let desk = Desk::new(&["--collector-cluster", "outbound|4000||c.dns", "--rate", "0.01"]);
    let output = desk.run(&["verify", "traced.wasm", "plugin.wasm"]);
    assert_eq!(output.status.code(), Some(0));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let version = env!("CARGO_PKG_VERSION");
    let expected = format!("traced.wasm was made from plugin.wasm by wasm-tracer {version}\n");
    assert!(said.starts_with(&expected), "{said}");
    assert!(
        said.contains("--host envoy --collector-cluster 'outbound|4000||c.dns' --rate 0.01"),
        "{said}"
    );
}

#[test]
fn an_original_as_traced_is_said() {
    let desk = Desk::new(&[]);
    assert!(desk.unproved("plugin.wasm", "plugin.wasm").contains("is not instrumented"));
    let said = desk.unproved("plugin.wasm", "traced.wasm");
    assert!(said.contains("give the traced module first, then its original"), "{said}");
}

#[test]
fn another_original_is_said() {
    let desk = Desk::new(&[]);
    let other = wat::parse_str(PLUGIN.replace("1)", "2)")).expect("the text is a module");
    desk.put("other.wasm", &other);
    let said = desk.unproved("traced.wasm", "other.wasm");
    assert!(said.contains("was made from another original"), "{said}");
}

#[test]
fn an_altered_module_is_said_with_the_place() {
    let desk = Desk::new(&[]);
    let mut traced = std::fs::read(desk.path().join("traced.wasm")).expect("it was written");
    traced.extend(b"\x00\x05\x04sign");
    desk.put("altered.wasm", &traced);
    let said = desk.unproved("altered.wasm", "plugin.wasm");
    assert!(said.contains("custom section \"sign\" is there and should not be"), "{said}");
}

#[test]
fn a_file_that_is_no_module_is_said() {
    let desk = Desk::new(&[]);
    desk.put("text", b"hello");
    assert!(desk.unproved("text", "plugin.wasm").contains("this is not a wasm file"));
    assert!(desk.unproved("none.wasm", "plugin.wasm").contains("cannot read the plugin none.wasm"));
}

#[test]
fn a_pipe_that_is_closed_is_no_error() {
    let desk = Desk::new(&[]);
    for args in [
        &["inspect", "plugin.wasm"][..],
        &["instrument", "plugin.wasm", "-o", "again.wasm"],
        &["verify", "traced.wasm", "plugin.wasm"],
    ] {
        let (reader, closed) = std::io::pipe().expect("a pipe");
        drop(reader);
        let output = Command::new(env!("CARGO_BIN_EXE_wasm-tracer"))
            .args(args)
            .current_dir(desk.path())
            .stdout(closed)
            .output()
            .expect("the command runs");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!((output.status.code(), said.as_str()), (Some(0), ""), "{args:?}");
    }
    assert!(desk.path().join("again.wasm").exists());
}
