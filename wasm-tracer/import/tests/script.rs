//! A log that a real Envoy wrote, of a plugin that nobody instrumented, as timelines in script notation.
//! `BLESS=1` writes what is expected anew.

use std::collections::BTreeMap;
use std::path::Path;

use import::Importer;
use timeline::ids::InstanceId;
use timeline::{Instance, Timeline};

/// `body-call` in Rust, mode `body`: the upstream answers on the headers alone, the callee 300 ms later.
const LOG: &str = include_str!("lost-callback.log");

/// The timelines of a log whose lines come in pieces of that many.
fn timelines(log: &str, piece: usize) -> Vec<Timeline> {
    let mut importer = Importer::new();
    let mut instances: BTreeMap<InstanceId, Instance> = BTreeMap::new();
    let mut timelines = BTreeMap::new();
    let lines: Vec<&str> = log.lines().collect();
    let mut pieces = lines.chunks(piece).peekable();
    while let Some(piece) = pieces.next() {
        piece.iter().for_each(|line| importer.push(line));
        let deliveries = match pieces.peek() {
            Some(_) => importer.deliveries(),
            None => importer.finish(),
        };
        for delivery in deliveries {
            let arrived = delivery.known_until;
            let id = delivery.instance;
            let instance = instances.entry(id).or_insert_with(|| Instance::new(id));
            for update in instance.deliver(delivery, arrived) {
                timelines.insert(update.id, Timeline::clone(&update.snapshot));
            }
        }
    }
    let account = importer.account();
    assert_eq!((account.first, account.unsure), (Vec::new(), 0));
    timelines.into_values().collect()
}

fn print(timelines: &[Timeline]) -> String {
    let mut out = String::new();
    for timeline in timelines {
        out += &timeline::script::print(timeline);
        for finding in &timeline.findings {
            out += &format!("// {} {}\n", finding.severity.name(), finding.code);
        }
    }
    out
}

#[test]
fn the_lost_callback_is_told_by_the_log_alone() {
    let got = print(&timelines(LOG, usize::MAX));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lost-callback.txt");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, &got).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(got, expected, "run `BLESS=1 cargo test -p import` if this is as it should be");
}

#[test]
fn a_trap_takes_other_streams_with_it() {
    // Made of the same log: the answer to the call traps while the stream waits for it, and the host
    // makes a new VM.
    let worker = |line: &&str| line.contains("][14879][");
    let waits = LOG.lines().take_while(|line| !line.contains("proxy_on_response_headers(2"));
    let answer = LOG.lines().find(|line| line.contains("proxy_on_http_call_response(1"));
    let anew = LOG.lines().filter(worker).find(|line| line.contains("[host->vm] _initialize()"));
    let lines: Vec<&str> = waits.chain(answer).chain(anew).collect();
    let trapped = "0.426000 #12 http_call_response root 1 call 4 headers=4 body=8 -> (unfinished)";
    for piece in [usize::MAX, 1] {
        let said = print(&timelines(&lines.join("\n"), piece));
        assert!(said.contains(trapped) && said.contains("// lost vm-trap-collateral"), "{said}");
    }
}

#[test]
fn a_log_that_is_read_while_it_is_written_gives_the_same() {
    // Up to when the VM is known differs, and nothing else.
    let said = |piece| -> Vec<_> {
        let timelines = timelines(LOG, piece).into_iter();
        let headlines = |timeline: &Timeline| {
            timeline.findings.iter().map(|finding| finding.headline.clone()).collect::<Vec<_>>()
        };
        timelines.map(|one| (one.id, headlines(&one), one.events)).collect()
    };
    let whole = said(usize::MAX);
    assert_eq!(whole.len(), 1);
    for piece in [1, 3, 10] {
        assert_eq!(said(piece), whole, "in pieces of {piece} lines");
    }
}

#[test]
fn a_log_cut_anywhere_is_read_to_where_it_is_cut() {
    for end in (0..LOG.len()).step_by(7).filter(|end| LOG.is_char_boundary(*end)) {
        let mut importer = Importer::new();
        LOG[..end].lines().for_each(|line| importer.push(line));
        let events: usize = importer.finish().iter().map(|delivery| delivery.events.len()).sum();
        // At most its last line cannot be read.
        assert!(importer.account().defects <= 1 && events <= 40, "{end}");
        let mut importer = Importer::new();
        // Cut at the front: returns without their calls.
        LOG[end..].lines().for_each(|line| importer.push(line));
        let events: usize = importer.finish().iter().map(|delivery| delivery.events.len()).sum();
        assert!(events <= 40, "{end}");
    }
}
