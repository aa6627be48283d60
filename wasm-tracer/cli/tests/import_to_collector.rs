//! A log that is sent to a collector: it stands in its list, once, however often it is sent.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// A lost callback, days older than the batches that a collector takes from recorders.
const LOG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../import/tests/lost-callback.log");
const CODES: [&str; 3] =
    ["headers-forwarded-before-body-call", "late-callback", "response-while-request-held"];

/// A running collector; it ends when dropped.
struct Collector {
    child: Child,
    url: String,
}

impl Collector {
    fn start(data: &Path, flags: &[&str]) -> Collector {
        let mut child = Command::new(env!("CARGO_BIN_EXE_wasm-tracer"))
            .args(["collector", "--listen", "127.0.0.1:0", "--data"])
            .arg(data)
            .args(flags)
            .env("WASM_TRACER_COLLECTOR_LOG", "off")
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut line = String::new();
        let output = child.stdout.take().expect("its output");
        BufReader::new(output).read_line(&mut line).expect("text");
        let url = line.trim().strip_prefix("listening on ").expect("an address").to_owned();
        Collector { child, url }
    }

    /// Its timelines in short, once none of them is open.
    fn timelines(&self) -> Vec<Value> {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let text = ureq::get(format!("{}/api/v1/timelines", self.url))
                .call()
                .and_then(|mut answer| answer.body_mut().read_to_string())
                .expect("a list");
            let list: Value = serde_json::from_str(&text).expect("JSON");
            let timelines = list["timelines"].as_array().expect("timelines").clone();
            let is_open = |timeline: &Value| timeline["state"] == "open";
            if !timelines.is_empty() && !timelines.iter().any(is_open) {
                return timelines;
            }
            assert!(Instant::now() < deadline, "not closed: {text}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Ends it as an operator does.
    fn stop(mut self) {
        let ended = Command::new("kill").arg(self.child.id().to_string()).status();
        assert!(ended.expect("kill").success());
        assert!(self.child.wait().expect("it ends").success());
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        // It may have been stopped.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

fn import(url: &str, flags: &[&str]) -> (String, String, Option<i32>) {
    let output = Command::new(env!("CARGO_BIN_EXE_wasm-tracer"))
        .args(["import", LOG, "--collector", url])
        .args(flags)
        .env_remove("WASM_TRACER_TOKEN")
        .output()
        .expect("it runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    (text(output.stdout), text(output.stderr), output.status.code())
}

fn ids(timelines: &[Value]) -> Vec<&str> {
    timelines.iter().filter_map(|timeline| timeline["id"].as_str()).collect()
}

#[test]
fn a_log_stands_in_the_list_once_however_often_it_is_sent() {
    let data = tempfile::tempdir().expect("a folder");
    let collector = Collector::start(data.path(), &[]);
    let (printed, said, code) = import(&collector.url, &["--plugin", "auth"]);
    assert_eq!((printed.as_str(), code), ("", Some(0)), "{said}");
    assert!(said.ends_with(&format!("\nsent to {}\n", collector.url)), "{said}");
    let first = collector.timelines();
    assert_eq!((first.len(), &first[0]["plugin"]), (1, &Value::from("auth")));
    let codes: Vec<&str> = first[0]["findings"]
        .as_array()
        .expect("findings")
        .iter()
        .filter_map(|finding| finding["code"].as_str())
        .collect();
    assert_eq!(codes, CODES);

    assert_eq!(import(&collector.url, &["--plugin", "auth"]).2, Some(0));
    assert_eq!(ids(&collector.timelines()), ids(&first));

    // A process later, and when the numbers of its events are forgotten, as they are after a day.
    collector.stop();
    let collector = Collector::start(data.path(), &[]);
    assert_eq!(import(&collector.url, &["--plugin", "auth"]).2, Some(0));
    assert_eq!(ids(&collector.timelines()), ids(&first));
    collector.stop();
    for file in std::fs::read_dir(data.path()).expect("the folder") {
        let file = file.expect("a file");
        if file.file_name().to_string_lossy().starts_with("journal.db") {
            std::fs::remove_file(file.path()).expect("removed");
        }
    }
    let collector = Collector::start(data.path(), &[]);
    assert_eq!(import(&collector.url, &["--plugin", "auth"]).2, Some(0));
    let last = collector.timelines();
    assert_eq!((ids(&last), &last[0]["findings"]), (ids(&first), &first[0]["findings"]));
}

#[test]
fn a_collector_that_demands_a_token_or_is_away_or_is_none_is_told() {
    let data = tempfile::tempdir().expect("a folder");
    let collector = Collector::start(data.path(), &["--ingest-token", "secret"]);
    let url = &collector.url;
    let (_, said, code) = import(url, &[]);
    let wanted =
        format!("error: the collector at {url} demands its ingest token: give it with --token\n");
    assert_eq!((said, code), (wanted, Some(1)));
    let (_, said, code) = import(url, &["--token", "other"]);
    let wanted = format!("error: the collector at {url} does not admit this --token for batches\n");
    assert_eq!((said, code), (wanted, Some(1)));
    let (_, said, code) = import(url, &["--token", "secret"]);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(collector.timelines().len(), 1);

    let free = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let (_, said, code) = import(&free.to_string(), &[]);
    assert_eq!(code, Some(1));
    assert!(said.starts_with(&format!("error: no collector answers at http://{free}; ")), "{said}");

    let (_, said, code) = import(&format!("{url}/elsewhere"), &[]);
    assert_eq!(code, Some(1));
    let wanted = format!("error: {url}/elsewhere takes no batches: is this a collector?\n");
    assert_eq!(said, wanted);
}
