//! The service as a command: settings from everywhere, what it says when they are wrong, its log.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};

/// The command with a settings file, a variable and a flag; what it says first, on either stream.
fn settings(file: &str, variables: &[(&str, &str)], flags: &[&str]) -> (bool, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("settings.toml");
    std::fs::write(&path, file).expect("written");
    let mut child = Command::new(env!("CARGO_BIN_EXE_wasm-tracer"))
        .arg("collector")
        .args(["--config", path.to_str().expect("a path")])
        .args(["--data", folder.path().to_str().expect("a path")])
        .args(flags)
        .env("WASM_TRACER_COLLECTOR_LOG", "off")
        .envs(variables.iter().copied())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut said = String::new();
    let mut out = BufReader::new(child.stdout.take().expect("its output"));
    out.read_line(&mut said).expect("text");
    let is_up = !said.is_empty();
    if is_up {
        child.kill().expect("it ends");
    } else {
        child.stderr.take().expect("its errors").read_to_string(&mut said).expect("text");
    }
    child.wait().expect("it ended");
    (is_up, said)
}

#[test]
fn a_flag_goes_before_a_variable_before_the_file() {
    let file = "listen = \"127.0.0.1:0\"\nretention_hours = 3\n";
    let variable = ("WASM_TRACER_COLLECTOR_LISTEN", "127.0.0.2:0");
    let listens = |variables: &[(&str, &str)], flags: &[&str], address: &str| {
        let (is_up, said) = settings(file, variables, flags);
        assert!(is_up && said.contains(address), "{said}");
    };
    listens(&[], &[], "http://127.0.0.1:");
    listens(&[variable], &[], "http://127.0.0.2:");
    listens(&[variable], &["--listen", "127.0.0.3:0"], "http://127.0.0.3:");
}

#[test]
fn what_is_no_setting_is_refused_by_its_name() {
    let (is_up, said) = settings("lisen = \"127.0.0.1:0\"\n", &[], &[]);
    assert!(!is_up && said.contains("unknown field `lisen`"), "{said}");
    let variable = ("WASM_TRACER_COLLECTOR_LISEN", "127.0.0.1:0");
    let (is_up, said) = settings("", &[variable], &[]);
    assert!(!is_up, "{said}");
    assert!(said.contains("WASM_TRACER_COLLECTOR_LISEN is not a setting"), "{said}");
    let (is_up, said) = settings("", &[], &["--grafana", "http://127.0.0.1"]);
    assert!(!is_up && said.contains("'--grafana'"), "{said}");
    let (is_up, said) = settings("retention_hours = 0", &[], &[]);
    assert!(!is_up && said.contains("--retention-hours must be at least 1"), "{said}");
}

#[test]
fn an_address_with_a_name_is_refused_with_an_example() {
    let (is_up, said) = settings("", &[], &["--listen", "localhost:4000"]);
    assert!(!is_up && said.contains("an address like 127.0.0.1:4000"), "{said}");
    let (is_up, said) = settings("listen = \"localhost:4000\"", &[], &[]);
    assert!(!is_up && said.contains("an address like 127.0.0.1:4000"), "{said}");
}

#[test]
fn settings_that_are_checked_are_said_to_be_fine_or_what_is_wrong() {
    let (_, said) = settings("", &[], &["--check-config"]);
    assert_eq!(said, "the settings are fine\n");
    let (_, said) = settings("", &[], &["--check-config", "--listen", "0.0.0.0:4000"]);
    assert!(said.contains("set --ingest-token"), "{said}");
}

#[test]
fn health_answers_by_its_exit_code_and_in_one_sentence() {
    let health = |url: &str, flags: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wasm-tracer"));
        let asked = command.arg("health").args(flags).env("WASM_TRACER_URL", url).output();
        let asked = asked.expect("it starts");
        let said = [asked.stdout, asked.stderr].concat();
        (asked.status.code(), String::from_utf8(said).expect("text"))
    };
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().to_str().expect("a path");
    let mut child = Command::new(env!("CARGO_BIN_EXE_wasm-tracer"))
        .args(["collector", "--listen", "127.0.0.1:0", "--data", data])
        .env("WASM_TRACER_COLLECTOR_LOG", "off")
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("its output")).read_line(&mut line).expect("text");
    let url = line.trim().strip_prefix("listening on ").expect("an address");
    let well = |verb: &str| (Some(0), format!("the collector at {url} {verb}\n"));
    assert_eq!(health(url, &[]), well("is well"));
    assert_eq!(health(url, &["--serves"]), well("serves"));
    child.kill().expect("it ends");
    child.wait().expect("it ended");
    let (code, said) = health(url, &[]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.starts_with(&format!("error: no collector answers at {url}")), "{said}");
}

#[test]
fn health_repeats_what_a_collector_says_is_wrong() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let answers = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a client");
        let mut head = BufReader::new(stream.try_clone().expect("the stream"));
        let mut request = String::new();
        head.read_line(&mut request).expect("text");
        let mut line = request.clone();
        while line.trim() != "" {
            line.clear();
            head.read_line(&mut line).expect("text");
        }
        let answer =
            "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 17\r\n\r\nthe disk is full\n";
        std::io::Write::write_all(&mut stream, answer.as_bytes()).expect("sent");
        request
    });
    let mut command = Command::new(env!("CARGO_BIN_EXE_wasm-tracer"));
    let asked = command.args(["health", "--collector", &url]).output().expect("it starts");
    assert!(answers.join().expect("it was asked").starts_with("GET /healthz "));
    let said = String::from_utf8_lossy(&asked.stderr).into_owned();
    assert_eq!(asked.status.code(), Some(1));
    assert_eq!(said, format!("error: {url} answered 503: the disk is full\n"));
}

#[test]
fn a_log_that_is_no_terminal_has_no_colours() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut child = Command::new(env!("CARGO_BIN_EXE_wasm-tracer"))
        .args(["collector", "--listen", "127.0.0.1:0", "--data"])
        .arg(folder.path())
        .env("WASM_TRACER_COLLECTOR_LOG", "debug")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("its output")).read_line(&mut line).expect("text");
    assert!(line.starts_with("listening on http://127.0.0.1:"), "{line}");
    child.kill().expect("it ends");
    let mut log = String::new();
    child.stderr.take().expect("its errors").read_to_string(&mut log).expect("text");
    child.wait().expect("it ended");
    assert!(!log.is_empty() && !log.contains('\x1b'), "{log}");
}
