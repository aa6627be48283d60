//! `tail` for CI jobs: its exit codes, what is a reason to fail, what is known, a collector that goes away.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc::channel;

/// A change of a timeline as the collector tells it: id, state and findings (code, severity, subject, cluster).
fn change(id: &str, state: &str, findings: &[(&str, &str, &str, &str)]) -> String {
    let findings: Vec<String> = findings
        .iter()
        .map(|(code, severity, subject, cluster)| {
            let cluster = if cluster.is_empty() { "null".to_owned() } else { format!("{cluster:?}") };
            format!(
                r#"{{"code":"{code}","severity":"{severity}","subject":"{subject}","cluster":{cluster},"headline":"It went wrong."}}"#
            )
        })
        .collect();
    let headline = if findings.is_empty() { "null" } else { "\"It went wrong.\"" };
    format!(
        r#"{{"id":"{id}","plugin":"auth","state":"{state}","headline":{headline},"findings":[{}]}}"#,
        findings.join(",")
    )
}

/// A collector of which connection after connection goes as told: the changes that each one sends, and
/// whether it stays open then. To the list it answers with `listed`.
fn collector(connections: Vec<(Vec<String>, bool)>, listed: Vec<String>) -> String {
    let body = format!(r#"{{"timelines":[{}],"cursor":null}}"#, listed.join(","));
    let length = body.len();
    let list =
        format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}");
    collector_with_list(connections, list)
}

/// The same, and this is all that comes when the list is asked for.
fn collector_with_list(connections: Vec<(Vec<String>, bool)>, list: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    std::thread::spawn(move || {
        let mut connections = connections.into_iter();
        let mut open = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let path = request(&stream);
            if path.starts_with("/api/v1/timelines?") {
                _ = stream.write_all(list.as_bytes());
                continue;
            }
            assert_eq!(path, "/api/v1/live");
            let Some((changes, stays)) = connections.next() else { return };
            _ = write!(
                stream,
                "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
            );
            for change in changes {
                _ = write!(stream, "event: timeline\nid: 1\ndata: {change}\n\n");
            }
            _ = stream.flush();
            if stays {
                open.push(stream);
            }
        }
    });
    url
}

/// The path that a request asks for.
fn request(stream: &TcpStream) -> String {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let first = lines.next().unwrap_or_default();
    lines.take_while(|line| !line.is_empty()).for_each(drop);
    first.split(' ').nth(1).unwrap_or_default().to_owned()
}

fn tail(url: &str, flags: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = Command::new(env!("CARGO_BIN_EXE_wasm-tracer"))
        .args(["tail", "--collector", url])
        .args(flags)
        .output()
        .expect("it runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    (status.code(), text(stdout), text(stderr))
}

fn late(id: &str, cluster: &str) -> String {
    change(id, "closed", &[("late-callback", "lost", "call 4", cluster)])
}

#[test]
fn what_is_a_reason_to_fail_is_told_by_the_exit_code() {
    for (reasons, code) in
        [("lost,hung", 3), ("late-callback", 3), ("hung", 0), ("call-timeout,note", 0)]
    {
        let url = collector(vec![(vec![late("1", "a"), late("2", "a")], true)], Vec::new());
        let (status, printed, said) = tail(&url, &["--fail-on", reasons, "--for", "1s"]);
        assert_eq!(status, Some(code), "{reasons}: {said}");
        assert_eq!(printed.lines().count(), 2, "{printed}");
        let told = said
            .contains("lost: late-callback of plugin auth, about its call to a, in 2 timelines");
        assert_eq!(told, code == 3, "{said}");
    }
}

#[test]
fn without_a_time_the_first_reason_ends_it() {
    let url = collector(vec![(vec![change("1", "open", &[]), late("2", "a")], true)], Vec::new());
    let (status, _, said) = tail(&url, &["--fail-on", "lost"]);
    assert_eq!(status, Some(3), "{said}");
}

#[test]
fn a_finding_that_was_withdrawn_is_no_reason() {
    let held = change("1", "open", &[("waiting-on-call", "hung", "request", "")]);
    let url = collector(vec![(vec![held, change("1", "closed", &[])], true)], Vec::new());
    let (status, _, said) = tail(&url, &["--fail-on", "hung", "--for", "1s"]);
    assert_eq!(status, Some(0), "{said}");
}

#[test]
fn known_findings_are_written_and_fail_no_more_but_new_ones_do() {
    let folder = tempfile::tempdir().expect("a folder");
    let known = folder.path().join("known.json");
    let known = known.to_str().expect("a path");
    let hung = change("3", "closed", &[("waiting-on-call", "hung", "request", "")]);
    let came = || (vec![late("1", "a"), hung.clone(), late("9", "a")], true);
    let url = collector(vec![came()], Vec::new());
    let (status, _, said) = tail(&url, &["--for", "1s", "--write-known", known]);
    assert_eq!(status, Some(0), "{said}");
    let written = std::fs::read_to_string(known).expect("a file");
    assert_eq!(
        written,
        "[\n  {\"plugin\":\"auth\",\"code\":\"late-callback\",\"about\":\"call to a\"},\n  \
         {\"plugin\":\"auth\",\"code\":\"waiting-on-call\",\"about\":\"request\"}\n]\n"
    );
    let url = collector(vec![came()], Vec::new());
    let flags = ["--fail-on", "lost,hung", "--for", "1s", "--known", known];
    assert_eq!(tail(&url, &flags).0, Some(0));
    // The same to another cluster is new.
    let url = collector(vec![(vec![late("1", "a"), late("2", "b")], true)], Vec::new());
    let (status, _, said) = tail(&url, &flags);
    assert_eq!(status, Some(3));
    assert!(said.contains("call to b") && !said.contains("call to a"), "{said}");
    std::fs::write(Path::new(known), "[{}]").expect("written");
    let (status, _, said) = tail(&url, &flags);
    assert_eq!(status, Some(1));
    assert!(said.contains("is no list of findings as --write-known writes it"), "{said}");
}

#[test]
fn a_file_that_cannot_be_written_is_told_before_anything_is_watched() {
    let folder = tempfile::tempdir().expect("a folder");
    for file in ["none/known.json", ""] {
        let path = folder.path().join(file);
        let path = path.to_str().expect("a path");
        let (status, _, said) = tail("127.0.0.1:9", &["--for", "1h", "--write-known", path]);
        assert_eq!(status, Some(1), "{said}");
        assert!(said.contains(&format!("cannot write {path}")), "{said}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 0);
}

#[test]
fn a_collector_that_comes_back_is_read_on_with_what_it_saw_meanwhile() {
    let first = (vec![change("1", "open", &[])], false);
    let second = (vec![change("2", "open", &[])], true);
    let url = collector(vec![first, second], vec![late("3", "a")]);
    let (status, printed, said) = tail(&url, &["--fail-on", "lost", "--for", "4s", "--json"]);
    assert_eq!(status, Some(3), "{said}");
    assert!(said.contains("trying again") && said.contains("is back"), "{said}");
    let ids: Vec<String> = printed
        .lines()
        .map(|line| {
            serde_json::from_str::<serde_json::Value>(line).expect("JSON")["id"].to_string()
        })
        .collect();
    assert!(ids.contains(&"\"3\"".to_owned()) && ids.contains(&"\"2\"".to_owned()), "{ids:?}");
}

#[test]
fn a_collector_that_stays_away_has_an_exit_code_of_its_own() {
    let url = collector(vec![(vec![change("1", "open", &[])], false)], Vec::new());
    let (status, _, said) = tail(&url, &["--fail-on", "lost", "--for", "2s"]);
    assert_eq!(status, Some(4), "{said}");
    assert!(said.contains("was away at the end"), "{said}");
    // What was found was found.
    let url = collector(vec![(vec![late("1", "a")], false)], Vec::new());
    assert_eq!(tail(&url, &["--fail-on", "lost", "--for", "2s"]).0, Some(3));
}

#[test]
fn a_collector_that_goes_away_while_its_list_is_read_is_away() {
    let broken_off = "HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\n{\"timelines\":[";
    let unwell = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n";
    let found =
        "[\n  {\"plugin\":\"auth\",\"code\":\"late-callback\",\"about\":\"call to a\"}\n]\n";
    let check = |list: &str, connections, code, written| {
        let folder = tempfile::tempdir().expect("a folder");
        let known = folder.path().join("known.json");
        let url = collector_with_list(connections, list.to_owned());
        let flags = ["--fail-on", "lost", "--for", "2s", "--write-known"];
        let flags = [&flags[..], &[known.to_str().expect("a path")]].concat();
        let (status, _, said) = tail(&url, &flags);
        assert_eq!(status, Some(code), "{list}: {said}");
        assert!(said.contains("trying again") && !said.contains("is back"), "{said}");
        assert_eq!(std::fs::read_to_string(&known).expect("a file"), written);
    };
    std::thread::scope(|scope| {
        for list in ["", broken_off, unwell] {
            for (came, code, written) in
                [(late("1", "a"), 3, found), (change("1", "open", &[]), 4, "[]\n")]
            {
                // The list is read when changes were missed, and when it is back.
                let missed = format!("{came}\n\nevent: missed\ndata: 7");
                scope.spawn(move || check(list, vec![(vec![missed], true)], code, written));
                let back = vec![(vec![came], false), (Vec::new(), true)];
                scope.spawn(move || check(list, back, code, written));
            }
        }
    });
}

#[test]
fn a_code_is_known_as_explain_knows_it() {
    let url = collector(vec![(vec![late("1", "a")], true)], Vec::new());
    let (status, _, said) = tail(&url, &["--fail-on", "Late_Callback"]);
    assert_eq!(status, Some(3), "{said}");
}

#[test]
fn what_is_no_severity_and_no_code_is_refused_with_where_they_are_listed() {
    let (status, _, said) = tail("http://127.0.0.1:9", &["--fail-on", "lost,hang"]);
    assert_eq!(status, Some(2));
    for word in ["hang", "lost, hung, failed, race, note", "`wasm-tracer explain`"] {
        assert!(said.contains(word), "{said}");
    }
    let (status, _, said) = tail("http://127.0.0.1:9", &["--for", "60"]);
    assert_eq!(status, Some(2));
    assert!(said.contains("e.g. 60s"), "{said}");
}

#[test]
fn a_pipe_that_is_closed_ends_it_quietly() {
    let url = collector(vec![(vec![late("1", "a"); 3000], true)], Vec::new());
    let mut child = Command::new(env!("CARGO_BIN_EXE_wasm-tracer"))
        .args(["tail", "--collector", &url])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut line = String::new();
    let mut out = BufReader::new(child.stdout.take().expect("its output"));
    out.read_line(&mut line).expect("a line");
    drop(out);
    let (send, ended) = channel();
    let mut errors = child.stderr.take().expect("its errors");
    std::thread::spawn(move || {
        let mut said = String::new();
        _ = errors.read_to_string(&mut said);
        _ = send.send((child.wait().expect("it ends").code(), said));
    });
    let end = ended.recv_timeout(std::time::Duration::from_secs(20));
    assert_eq!(end, Ok((Some(0), String::new())));
}
