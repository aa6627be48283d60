//! The demo: the lost callback on a real Envoy, recorded, shown and explained. `cargo xtask demo`
//! fetches and builds what it needs and then becomes this program, which owns all it starts.

use std::process::ExitCode;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use clap::Parser;
use e2e::{Answer, Finding, Mode, Plugin, Request, Sdk, Stack};
use serde_json::Value;

/// The page's port, or the next free one.
const PAGE_PORT: u16 = 4000;

#[derive(Parser)]
struct Args {
    /// Exit instead of serving; with an error if a finding is missing or a wrong one appears
    #[arg(long)]
    once: bool,
}

/// A request and what must be found about it.
struct Case {
    title: &'static str,
    plugin: &'static str,
    path: &'static str,
    /// Code and severity of the headline; nothing at all for `None`.
    headline: Option<(&'static str, &'static str)>,
}

const CAUSE: &str = "headers-forwarded-before-body-call";

const CASES: [Case; 6] = [
    Case {
        title: "Go, upstream answers 400 on the headers; the callee denies 300 ms later",
        plugin: "go",
        path: "/early-400?callee=after-300,status-403",
        headline: Some((CAUSE, "lost")),
    },
    Case {
        title: "Rust, upstream answers 200 on the headers; the callee denies 300 ms later",
        plugin: "rust",
        path: "/early-200?callee=after-300,status-403",
        headline: Some((CAUSE, "lost")),
    },
    Case {
        title: "Go, a patient upstream: it worked, by luck",
        plugin: "go",
        path: "/patient?callee=after-100",
        headline: Some((CAUSE, "race")),
    },
    Case {
        title: "Rust, a patient upstream: it worked, by luck",
        plugin: "rust",
        path: "/patient?callee=after-100",
        headline: Some((CAUSE, "race")),
    },
    Case {
        title: "Go, fixed: the headers are held; the same denial holds",
        plugin: "go-fixed",
        path: "/early-200?callee=after-300,status-403",
        headline: None,
    },
    Case {
        title: "Rust, fixed: the headers are held; the same denial holds",
        plugin: "rust-fixed",
        path: "/early-200?callee=after-300,status-403",
        headline: None,
    },
];

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (stop, stopped) = std::sync::mpsc::channel();
    let (send, mut done) = tokio::sync::oneshot::channel();
    let once = args.once;
    // All the work is done aside, so that Ctrl-C is heard at any time.
    std::thread::spawn(move || send.send(show(once, &stopped)));
    let broke_off = |_| anyhow::bail!("the demo broke off");
    runtime.block_on(async {
        tokio::select! {
            shown = &mut done => return shown.unwrap_or_else(broke_off),
            _ = tokio::signal::ctrl_c() => println!("\nends"),
        }
        drop(stop);
        // While it serves it hears of the end and stops everything. In the middle of a case it does
        // not, and what was started ends by itself when this process is gone.
        let _ = tokio::time::timeout(Duration::from_secs(10), done).await;
        Ok(())
    })
}

fn show(once: bool, stopped: &Receiver<()>) -> anyhow::Result<()> {
    println!(
        "starting upstream, callee, collector and Envoy with four plugins (V8 compiles Go for seconds) …"
    );
    let stack = Stack::builder()
        .plugin("go", Plugin::new(Sdk::Go, Mode::Body).traced())
        .plugin("go-fixed", Plugin::new(Sdk::Go, Mode::Fixed).traced())
        .plugin("rust", Plugin::new(Sdk::Rust, Mode::Body).traced())
        .plugin("rust-fixed", Plugin::new(Sdk::Rust, Mode::Fixed).traced())
        .collector_port(PAGE_PORT)
        .start()?;
    let mut wrong = Vec::new();
    for case in &CASES {
        wrong.extend(play(&stack, case)?);
    }
    if !wrong.is_empty() {
        anyhow::bail!("not as it should be:\n  {}", wrong.join("\n  "));
    }
    println!("\nAll findings are as they should be.");
    if !once {
        println!("The page: http://{}   (Ctrl-C ends)", stack.collector().address());
        // Nothing is ever sent: it ends when the sender is gone.
        let _ = stopped.recv();
    }
    Ok(())
}

/// Plays a case and prints its timeline; answers what was not as it should be.
fn play(stack: &Stack, case: &Case) -> anyhow::Result<Option<String>> {
    println!("\n── {} ──", case.title);
    let answer: Answer = stack.send(case.plugin, &Request::post(case.path, "some text"));
    println!("the client got {} after {} ms", answer.status, answer.took.as_millis());
    let timeline = stack.collector().closed_timeline(&answer.request_id);
    let findings = Finding::all(&timeline);
    let headline = findings.first().map(|found| (&*found.code, &*found.severity));
    if headline.is_none() {
        println!("\nnothing found");
    }
    for finding in listed(&timeline["findings"]) {
        print_finding(finding);
    }
    let script = stack.collector().script(text(&timeline["id"]))?;
    println!(
        "\nthe timeline, in seconds of the host's monotonic clock:\n\n{}",
        indented(script.trim_end())
    );
    Ok((headline != case.headline)
        .then(|| format!("{}: wanted {:?}, found {headline:?}", case.title, case.headline)))
}

fn print_finding(finding: &Value) {
    println!("\n{} · {}", text(&finding["severity"]), text(&finding["code"]));
    println!("  {}", text(&finding["headline"]));
    for detail in listed(&finding["details"]) {
        println!("  - {}", text(detail));
    }
    let numbered = |number: &Value| format!("#{number}");
    let events: Vec<String> = listed(&finding["evidence"]["events"]).iter().map(numbered).collect();
    println!("  evidence: {}", events.join(" "));
    for window in listed(&finding["evidence"]["windows"]) {
        let kinds: Vec<&str> = listed(&window["none_of"]).iter().map(text).collect();
        let to = match &window["to"] {
            Value::Null => "all that is known".to_owned(),
            number => numbered(number),
        };
        println!("            no {} from #{} to {to}", kinds.join(", "), window["from"]);
    }
    for advice in listed(&finding["advice"]) {
        let whose = advice["host"].as_str().map(|host| format!(" on {host}")).unwrap_or_default();
        println!("  what to do{whose}: {}", text(&advice["text"]));
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn listed(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn indented(lines: &str) -> String {
    lines.lines().map(|line| format!("  {line}\n")).collect::<String>().trim_end().to_owned()
}
