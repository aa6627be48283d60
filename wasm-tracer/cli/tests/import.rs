//! Envoy's trace log in every shape in which it comes, read by the command: what is printed, what is said of
//! what could not be read.

use std::io::Write;
use std::process::{Command, Stdio};

use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;

/// A lost callback: 88 lines of a real Envoy, 78 of them of the trace.
const LOG: &str = include_str!("../../import/tests/lost-callback.log");
const CODES: [&str; 3] =
    ["headers-forwarded-before-body-call", "late-callback", "response-while-request-held"];

/// What the command prints of a log that comes through a pipe, what it says of it, and its exit code.
fn import(log: &[u8], flags: &[&str]) -> (String, String, Option<i32>) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_wasm-tracer"))
        .args(["import", "-"])
        .args(flags)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut stdin = child.stdin.take().expect("its input");
    let log = log.to_owned();
    // It may end before it has read all.
    let writer = std::thread::spawn(move || _ = stdin.write_all(&log));
    let output = child.wait_with_output().expect("it ends");
    writer.join().expect("written");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    (text(output.stdout), text(output.stderr), output.status.code())
}

/// Codes of what was found.
fn found(printed: &str) -> Vec<&str> {
    printed.lines().filter_map(|line| line.strip_prefix("// lost: ")).collect()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).expect("written");
    encoder.finish().expect("finished")
}

/// Broken at a width, as a terminal does.
fn folded(log: &str, width: usize) -> String {
    let pieces = log.lines().flat_map(|line| line.as_bytes().chunks(width));
    pieces.map(|piece| format!("{}\n", String::from_utf8_lossy(piece))).collect()
}

#[test]
fn a_log_gives_the_same_in_every_shape() {
    let (plain, said, code) = import(LOG.as_bytes(), &[]);
    assert_eq!((found(&plain), code), (CODES.to_vec(), Some(0)), "{said}");
    assert!(said.starts_with("88 lines read: 78 of the trace, 10 of something else, 0 "), "{said}");
    let each = |change: fn(&str) -> String| -> Vec<u8> {
        LOG.lines().map(change).collect::<String>().into()
    };
    let (front, back) = LOG.split_at(LOG.len() / 2);
    for (shape, log) in [
        ("gzip", gzip(LOG.as_bytes())),
        ("two members", [gzip(front.as_bytes()), gzip(back.as_bytes())].concat()),
        ("CRLF", each(|line| format!("{line}\r\n"))),
        ("colours", each(|line| format!("\u{1b}[36m{line}\u{1b}[0m\n"))),
        ("compose", each(|line| format!("envoy-1  | {line}\n"))),
        ("kubectl", each(|line| format!("[pod/gateway-7d9-x2/envoy] {line}\n"))),
        ("CRI", each(|line| format!("2026-11-24T19:31:34.838123456Z stderr F {line}\n"))),
        ("mixed", each(|line| format!("{line}\n{{\"access\":\"log\"}}\nlistening on 8080\n"))),
        ("80 columns", folded(LOG, 80).into()),
        ("120 columns", folded(LOG, 120).into()),
        ("binary", [LOG.as_bytes(), &[0, 159, 146, 150, b'\n'], &[0xff; 100_000]].concat()),
    ] {
        let (printed, said, code) = import(&log, &[]);
        assert_eq!((printed.as_str(), code), (plain.as_str(), Some(0)), "{shape}: {said}");
    }
}

#[test]
fn what_could_not_be_read_is_told_by_line_and_nothing_is_claimed_of_it() {
    let cut = LOG.replace("[vm->host] env.proxy_http_call(", "[vm->host] env.proxy_ht");
    let (printed, said, code) = import(cut.as_bytes(), &[]);
    assert_eq!((found(&printed), code), (Vec::new(), Some(0)), "{printed}");
    assert!(said.contains("2 that could not be understood"), "{said}");
    assert!(said.contains("an argument or a returned value is no number"), "{said}");
    assert!(
        said.contains("env.proxy_http_call returned, and nothing says that it was called"),
        "{said}"
    );
    assert!(said.contains("taken as lost: where it matters nothing is claimed"), "{said}");
}

#[test]
fn a_log_without_a_trace_is_refused() {
    for log in ["", "hello\n", "[2026-11-24 19:31:33.597][1][info][main] [source/server.cc:1] hi\n"]
    {
        let (printed, said, code) = import(log.as_bytes(), &[]);
        assert_eq!((printed.as_str(), code), ("", Some(1)), "{said}");
        assert!(said.contains("--component-log-level wasm:trace"), "{said}");
    }
    let (_, said, code) = import(b"[host->vm] proxy_on_tick(1)\n", &[]);
    assert!(said.contains("line 1: what stands before it is of no format that is known"), "{said}");
    assert_eq!(code, Some(1));
}

#[test]
fn a_format_of_its_own_can_be_given() {
    // Envoy's default has `]` where this one has `|`.
    let log: String = LOG
        .lines()
        .map(|line| {
            format!(
                "{}\n",
                line.replacen("][", "|", 3).replacen('[', "", 1).replacen("] [", "|", 1)
            )
        })
        .collect();
    let (_, said, code) = import(log.as_bytes(), &[]);
    assert_eq!(code, Some(1), "{said}");
    let format = "%Y-%m-%d %T.%e|%t|%l|%n|%g:%#] %v";
    let (printed, said, code) = import(log.as_bytes(), &["--log-format", format]);
    assert_eq!((found(&printed), code), (CODES.to_vec(), Some(0)), "{said}");
    let (_, said, code) = import(b"", &["--log-format", "%q %v"]);
    assert!(said.contains("%q is not known here; known are %Y"), "{said}");
    assert_eq!(code, Some(2));
}

#[test]
fn json_a_name_and_only_what_has_findings() {
    let (printed, ..) = import(LOG.as_bytes(), &["--json", "--plugin", "auth"]);
    let timelines = collector::json::read(&printed).expect("timelines");
    assert_eq!((timelines.len(), timelines[0].root.plugin.as_str()), (1, "auth"));
    let clean = LOG.replace("proxy_on_http_call_response", "proxy_on_http_call_resp_onse");
    let (printed, ..) = import(clean.as_bytes(), &["--findings", "--json"]);
    let all = import(clean.as_bytes(), &["--json"]).0;
    let has_findings = |line: &&str| !line.contains("\"findings\":[]");
    assert_eq!(printed.lines().count(), all.lines().filter(has_findings).count());
}

#[test]
fn gzip_that_breaks_off_is_read_as_far_as_it_goes() {
    let mut cut = gzip(LOG.as_bytes());
    cut.truncate(cut.len() - 20);
    let (printed, said, code) = import(&cut, &[]);
    assert!(!printed.is_empty() && code == Some(1), "{said}");
    assert!(said.contains("standard input could not be read to its end, it breaks off"), "{said}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_damage_makes_it_panic_or_find_what_is_not_there(
        at in any::<prop::sample::Index>(), length in 1usize..400, garbage in prop::collection::vec(any::<u8>(), 0..60),
    ) {
        let mut log = LOG.as_bytes().to_vec();
        let at = at.index(log.len());
        let end = (at + length).min(log.len());
        log.splice(at..end, garbage);
        let (printed, said, code) = import(&log, &[]);
        prop_assert!(matches!(code, Some(0 | 1)) && !said.contains("panicked"), "{said}");
        for code in found(&printed) {
            prop_assert!(CODES.contains(&code), "{code} at {at}..{end}:\n{said}{printed}");
        }
    }
}
