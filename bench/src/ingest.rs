//! `bench ingest`: what taking, keeping and judging events costs the collector.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use prost::Message;
use proto::v1;

/// Events of one request of the load, and requests in one batch: 768 events.
const EVENTS: u64 = 12;
const REQUESTS: u64 = 64;

/// Sends synthetic batches to a collector in this process.
#[derive(clap::Args)]
pub struct Args {
    /// Batches to send
    #[arg(long, default_value_t = 3000)]
    batches: u64,
    /// Connections, each with one batch in flight
    #[arg(long, default_value_t = 16)]
    in_flight: u64,
}

/// Runs it and prints what was measured beside the budgets.
pub fn run(args: &Args) -> Result<()> {
    ensure!(args.in_flight > 0, "--in-flight must be at least 1");
    let folder = tempfile::tempdir()?;
    let running = collector::start(collector::Settings {
        listen: Some(([127, 0, 0, 1], 0).into()),
        data: Some(folder.path().to_owned()),
        ..collector::Settings::default()
    })?;
    let each = args.batches.div_ceil(args.in_flight);
    let load: Vec<Vec<Vec<u8>>> =
        (0..args.in_flight).map(|sender| (0..each).map(|n| batch(sender, n)).collect()).collect();
    let bytes: usize = load.iter().flatten().map(Vec::len).sum();
    let (cpu, begun) = (cpu_seconds()?, Instant::now());
    let senders: Vec<_> = load
        .into_iter()
        .map(|batches| {
            let address = running.ingest_address;
            std::thread::spawn(move || send(address, &batches))
        })
        .collect();
    for sender in senders {
        sender.join().map_err(|_| anyhow::anyhow!("a sender panicked"))??;
    }
    let accepted = begun.elapsed();
    let all = each * args.in_flight * REQUESTS;
    settle(running.ingest_address, all)?;
    let cpu = cpu_seconds()? - cpu;
    let events = (all * EVENTS) as f64;
    let rss = status_kib("VmHWM:")? / 1024;
    running.stop();
    let stored: u64 = std::fs::read_dir(folder.path())?
        .filter_map(|file| file.ok()?.metadata().ok())
        .map(|meta| meta.len())
        .sum();
    println!(
        "events                    {events:>12.0}, {} bytes on the wire each",
        bytes as f64 / events
    );
    println!(
        "CPU per event, load too   {:>12.2} µs   budget: collector alone ≤ 1.0",
        cpu * 1e6 / events
    );
    println!(
        "accepted and durable      {:>12.0} /s  budget ≥ 700000",
        events / accepted.as_secs_f64()
    );
    println!("RSS at most, load too     {rss:>12} MiB budget ≤ 300");
    println!("bytes stored per request  {:>12.1}", stored as f64 / all as f64);
    Ok(())
}

/// A request with a call answered in time, sixty-four times.
fn batch(sender: u64, number: u64) -> Vec<u8> {
    let mut instance = [7; 16];
    instance[..8].copy_from_slice(&sender.to_le_bytes());
    let first = number * REQUESTS * EVENTS;
    let contexts = (0..REQUESTS).map(|n| (number * REQUESTS + n + 2) as u32);
    let events: Vec<_> = contexts.clone().flat_map(request).collect();
    let at = number * REQUESTS * 4000;
    let nanos = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| since.as_nanos() as u64);
    let batch = v1::Batch {
        instance: instance.to_vec(),
        module: Some(v1::Module {
            abi: "0.2.1".into(),
            host: "envoy".into(),
            ..Default::default()
        }),
        clock: Some(v1::Clock { wall_nanos: nanos, monotonic_micros: at, wall_only: false }),
        first_sequence: first + 1,
        first_entry: number * REQUESTS * 11 + 1,
        first_at_micros: at,
        roots: vec![v1::Root { context: 1, plugin: "body-call".into(), ..Default::default() }],
        streams: contexts.map(stream).collect(),
        events,
        known_until_micros: at + REQUESTS * 4000,
        ..Default::default()
    };
    batch.encode_to_vec()
}

fn stream(context: u32) -> v1::Stream {
    v1::Stream {
        context,
        root: 1,
        request_id: format!("{context:032x}"),
        method: "POST".into(),
        path: "/orders".into(),
        authority: "shop".into(),
        ..Default::default()
    }
}

fn request(context: u32) -> Vec<v1::Event> {
    use abi::{Callback as C, Hostcall};
    let callback = |kind: C, args: &[u32], result| v1::Event {
        kind: kind.number(),
        context,
        at_step_micros: 300,
        took_micros: 20,
        args: args.to_vec(),
        result,
        ..Default::default()
    };
    let hostcall = |kind: Hostcall, args: &[u32]| v1::Event {
        kind: kind as u32,
        context,
        at_step_micros: 5,
        args: args.to_vec(),
        ..Default::default()
    };
    let around = |event| v1::Event { entry_step: -1, at_step_micros: -5, ..event };
    let call = context << 2;
    let dispatch = v1::Event {
        call,
        text: b"auth".to_vec(),
        ..hostcall(Hostcall::HttpCall, &[3, 7, 0, 0, 500])
    };
    let answer =
        v1::Event { context: 1, call, ..callback(C::HttpCallResponse, &[3, 2, 0, 200], 0) };
    vec![
        callback(C::ContextCreate, &[1], 0),
        dispatch,
        around(callback(C::RequestHeaders, &[10, 1], 1)),
        hostcall(Hostcall::ContinueStream, &[0]),
        around(answer),
        callback(C::ResponseHeaders, &[5], 0),
        callback(C::ResponseBody, &[100], 0),
        callback(C::ResponseBody, &[100], 0),
        callback(C::ResponseBody, &[0, 1], 0),
        callback(C::Log, &[], 0),
        callback(C::Done, &[], 1),
        callback(C::Delete, &[], 0),
    ]
}

fn send(address: std::net::SocketAddr, batches: &[Vec<u8>]) -> Result<()> {
    let mut connection = TcpStream::connect(address)?;
    connection.set_nodelay(true)?;
    connection.set_read_timeout(Some(Duration::from_secs(60)))?;
    let mut answer = [0; 4096];
    for body in batches {
        loop {
            let head = format!(
                "POST /v1/batches HTTP/1.1\r\nhost: bench\r\ncontent-type: application/x-protobuf\r\ncontent-length: {}\r\n\r\n",
                body.len()
            );
            connection.write_all(&[head.as_bytes(), body].concat())?;
            let read = connection.read(&mut answer)?;
            let said = String::from_utf8_lossy(&answer[..read]);
            if said.starts_with("HTTP/1.1 200") {
                break;
            }
            if !said.starts_with("HTTP/1.1 429") {
                bail!("the collector answered {said}");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    Ok(())
}

/// Waits until every timeline is closed and stored.
fn settle(address: std::net::SocketAddr, timelines: u64) -> Result<()> {
    let begun = Instant::now();
    loop {
        let text =
            ureq::get(format!("http://{address}/metrics")).call()?.body_mut().read_to_string()?;
        let value = |name: &str| {
            text.lines()
                .find_map(|l| l.strip_prefix(name)?.trim().parse::<f64>().ok())
                .unwrap_or(0.0)
        };
        if value("wasm_tracer_timelines_closed_total ") >= timelines as f64 {
            return Ok(());
        }
        ensure!(
            begun.elapsed() < Duration::from_secs(120),
            "not all timelines were closed:\n{text}"
        );
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// User and system time of this process.
fn cpu_seconds() -> Result<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").context("this needs Linux's /proc")?;
    let fields: Vec<_> = stat.rsplit(')').next().unwrap_or("").split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|f| f.parse::<f64>().ok()).unwrap_or(0.0);
    Ok((ticks(11) + ticks(12)) / 100.0)
}

fn status_kib(name: &str) -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|l| l.trim().trim_end_matches(" kB").parse().ok())
        .context("no such line in /proc/self/status")
}
