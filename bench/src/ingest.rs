//! `bench ingest`: what taking, keeping and judging events costs the collector.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use prost::Message;
use proto::v1;

/// Events of one request of the load, and requests in one batch.
pub(crate) const EVENTS: u64 = 12;
const REQUESTS: u64 = 64;

/// Timelines left open to measure what they cost.
const OPEN: u64 = 100_000;

/// Sends synthetic batches to a collector in a process of its own.
#[derive(clap::Args)]
pub struct Args {
    /// Batches to send
    #[arg(long, default_value_t = 3000)]
    batches: u64,
    /// Connections, each with one batch in flight
    #[arg(long, default_value_t = 16)]
    in_flight: u64,
    /// Requests in one batch; 64 make 768 events, 8 make 96
    #[arg(long, default_value_t = REQUESTS)]
    requests: u64,
    /// Be the collector, in this folder
    #[arg(long, hide = true)]
    serve: Option<PathBuf>,
}

/// Runs it and prints what was measured beside the budgets.
pub fn run(args: &Args) -> Result<()> {
    if let Some(folder) = &args.serve {
        return serve(folder);
    }
    ensure!(args.in_flight > 0 && args.requests > 0, "--in-flight and --requests are at least 1");
    whole_requests(args)?;
    open_timelines(args)
}

/// Requests that come and go: CPU, rate, bytes.
fn whole_requests(args: &Args) -> Result<()> {
    let collector = Collector::start()?;
    let each = args.batches.div_ceil(args.in_flight);
    let load = load(args, each, &request);
    let bytes: usize = load.iter().flatten().map(Vec::len).sum();
    let before = collector.cpu_seconds()?;
    let begun = Instant::now();
    send_all(collector.address, load)?;
    let accepted = begun.elapsed();
    let all = each * args.in_flight * args.requests;
    collector.until("wasm_tracer_timelines_closed_total ", all)?;
    let events = (all * EVENTS) as f64;
    let cpu = (collector.cpu_seconds()? - before) * 1e6 / events;
    let rss = collector.status_kib("VmHWM:")? / 1024;
    let budget = if args.requests * EVENTS >= 768 {
        "≤ 1.0 (batches of 768)"
    } else {
        "≤ 2.0 (batches of 96)"
    };
    let rate = events / accepted.as_secs_f64();
    let stored = collector.stop()? as f64 / all as f64;
    println!("events                    {events:>10.0}      {} a batch", args.requests * EVENTS);
    println!("on the wire               {:>10.1} bytes an event", bytes as f64 / events);
    println!("CPU of the collector      {cpu:>10.2} µs an event, budget {budget}");
    println!(
        "accepted and durable      {rate:>10.0} events/s, budget ≥ 700000, load generator included"
    );
    println!("RSS at most               {rss:>10} MiB");
    println!("stored in slices          {stored:>10.1} bytes a request");
    Ok(())
}

/// Requests that wait for their call: memory.
fn open_timelines(args: &Args) -> Result<()> {
    let collector = Collector::start()?;
    let idle = collector.status_kib("VmRSS:")?;
    let each = OPEN.div_ceil(args.in_flight * args.requests);
    let open = each * args.in_flight * args.requests;
    send_all(collector.address, load(args, each, &|context| request(context)[..3].to_vec()))?;
    collector.until("wasm_tracer_timelines_open ", open)?;
    let (rss, most) = (collector.status_kib("VmRSS:")?, collector.status_kib("VmHWM:")?);
    collector.stop()?;
    println!(
        "RSS, {open} open      {:>10} MiB now, {} MiB at most, budget ≤ 300; {:.0} bytes each, budget ≤ 1024",
        rss / 1024,
        most / 1024,
        rss.saturating_sub(idle) as f64 * 1024.0 / open as f64
    );
    Ok(())
}

fn serve(folder: &Path) -> Result<()> {
    let settings = collector::Settings {
        listen: Some(([127, 0, 0, 1], 0).into()),
        data: Some(folder.to_owned()),
        ..collector::Settings::default()
    };
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(collector::run(settings))
}

/// A collector in a process of its own, so that its CPU and memory are its own.
struct Collector {
    folder: tempfile::TempDir,
    address: SocketAddr,
    child: Child,
}

impl Collector {
    fn start() -> Result<Collector> {
        let folder = tempfile::tempdir()?;
        let mut child = Command::new(std::env::current_exe()?)
            .args(["ingest", "--serve"])
            .arg(folder.path())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        let out = child.stdout.take().context("the collector has no output")?;
        BufReader::new(out).read_line(&mut line)?;
        let address = line.trim().strip_prefix("listening on http://");
        let address = address.context("the collector does not start")?.parse()?;
        Ok(Collector { folder, address, child })
    }

    /// Waits until a metric has reached a value.
    fn until(&self, metric: &str, value: u64) -> Result<()> {
        let begun = Instant::now();
        loop {
            let url = format!("http://{}/metrics", self.address);
            let text = ureq::get(url).call()?.body_mut().read_to_string()?;
            let now = text.lines().find_map(|l| l.strip_prefix(metric)?.trim().parse::<f64>().ok());
            if now.is_some_and(|now| now >= value as f64) {
                return Ok(());
            }
            ensure!(begun.elapsed() < Duration::from_secs(120), "{metric}stays {now:?}:\n{text}");
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// User and system time.
    fn cpu_seconds(&self) -> Result<f64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))
            .context("this needs Linux's /proc")?;
        let fields: Vec<_> = stat.rsplit(')').next().unwrap_or("").split_whitespace().collect();
        let ticks = |at: usize| fields.get(at).and_then(|f| f.parse::<f64>().ok()).unwrap_or(0.0);
        Ok((ticks(11) + ticks(12)) / 100.0)
    }

    fn status_kib(&self, name: &str) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|l| l.trim().trim_end_matches(" kB").parse().ok())
            .with_context(|| format!("no {name} in /proc"))
    }

    /// Ends it in order. Gives the bytes of its slices.
    fn stop(mut self) -> Result<u64> {
        let pid = self.child.id().to_string();
        ensure!(Command::new("kill").arg(pid).status()?.success(), "cannot end the collector");
        self.child.wait()?;
        let mut bytes = 0;
        for file in std::fs::read_dir(self.folder.path())? {
            let file = file?;
            if file.file_name().to_string_lossy().starts_with("slice-") {
                bytes += file.metadata()?.len();
            }
        }
        Ok(bytes)
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        // It has ended unless something failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Batches by sender.
fn load(args: &Args, each: u64, request: &dyn Fn(u32) -> Vec<v1::Event>) -> Vec<Vec<Vec<u8>>> {
    let sender = |sender| (0..each).map(|n| batch(sender, n, args.requests, request)).collect();
    (0..args.in_flight).map(sender).collect()
}

fn send_all(address: SocketAddr, load: Vec<Vec<Vec<u8>>>) -> Result<()> {
    let start = |batches: Vec<Vec<u8>>| std::thread::spawn(move || send(address, &batches));
    let senders: Vec<_> = load.into_iter().map(start).collect();
    for sender in senders {
        sender.join().map_err(|_| anyhow::anyhow!("a sender panicked"))??;
    }
    Ok(())
}

/// One sender's batch: requests that follow each other.
pub(crate) fn batch(
    sender: u64,
    number: u64,
    requests: u64,
    request: &dyn Fn(u32) -> Vec<v1::Event>,
) -> Vec<u8> {
    let mut instance = [7; 16];
    instance[..8].copy_from_slice(&sender.to_le_bytes());
    let contexts = (0..requests).map(|n| (number * requests + n + 2) as u32);
    let events: Vec<_> = contexts.clone().flat_map(request).collect();
    let first = number * events.len() as u64;
    let entries = events.iter().filter(|event| event.entry_step == 0).count() as u64;
    let at = number * requests * 4000;
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
        first_entry: number * entries + 1,
        first_at_micros: at,
        roots: vec![v1::Root { context: 1, plugin: "body-call".into(), ..Default::default() }],
        streams: contexts.map(stream).collect(),
        events,
        known_until_micros: at + requests * 4000,
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

/// Events of one request with a call that is answered in time.
pub(crate) fn request(context: u32) -> Vec<v1::Event> {
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

/// Sends batches over one connection, again where the collector has no room yet.
pub(crate) fn send(address: SocketAddr, batches: &[Vec<u8>]) -> Result<()> {
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
