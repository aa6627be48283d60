//! `bench pages`: how long each page and each route of the API takes over a day's timelines, at rest and
//! while events come in.

mod fill;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::ingest;
use fill::{CHAIN, COMMON, SELDOM, Sample};

/// Within so many milliseconds each page should be there.
const BUDGET: f64 = 200.0;
/// Requests of one batch of the traffic meanwhile, its events, and how many instances ship.
const REQUESTS: u64 = 64;
const BATCH_EVENTS: u64 = REQUESTS * ingest::EVENTS;
const INSTANCES: u64 = 16;
const HOUR: Duration = Duration::from_secs(3600);

/// Asks a collector with a full store for each of its pages.
#[derive(clap::Args)]
pub struct Args {
    /// Timelines in the store
    #[arg(long, default_value_t = 100_000)]
    timelines: u64,
    /// Timelines that are open
    #[arg(long, default_value_t = 2_000)]
    open: u64,
    /// How often each route is asked for
    #[arg(long, default_value_t = 10)]
    rounds: usize,
    /// Events a second that come in meanwhile, in the second pass
    #[arg(long, default_value_t = 50_000)]
    events: u64,
    /// Only routes with this in their name
    #[arg(long, default_value = "")]
    only: String,
}

/// Runs it and prints what was measured beside the budget.
pub fn run(args: &Args) -> Result<()> {
    ensure!(args.timelines >= 1_000 && args.rounds > 0, "--timelines from 1000, --rounds from 1");
    let folder = tempfile::tempdir()?;
    let begun = Instant::now();
    let sample = fill::fill(folder.path(), args.timelines)?;
    println!("{} timelines stored in {:.1} s", args.timelines, begun.elapsed().as_secs_f64());
    let collector = collector::start(collector::Settings {
        listen: Some(([127, 0, 0, 1], 0).into()),
        data: Some(folder.path().to_owned()),
        ..collector::Settings::default()
    })?;
    let address = collector.ingest_address;
    open(address, args.open)?;
    let client = Client { address, agent: agent() };
    let routes: Vec<Route> = routes(&client, &sample)?
        .into_iter()
        .filter(|route| route.name.contains(&args.only))
        .collect();
    let rest = client.ask_all(&routes, args.rounds)?;
    let stop = Arc::new(AtomicBool::new(false));
    let (asked, events) = (stop.clone(), args.events);
    let sending = (events > 0).then(|| std::thread::spawn(move || flow(address, events, &asked)));
    let busy = client.ask_all(&routes, args.rounds);
    stop.store(true, Ordering::Relaxed);
    let sent = match sending {
        Some(sending) => sending.join().map_err(|_| anyhow::anyhow!("the traffic panicked"))??,
        None => 0.0,
    };
    let busy = busy?;
    println!(
        "{:<64} {:>15}   with {sent:.0} events/s",
        format!("milliseconds, budget ≤ {BUDGET}"),
        "at rest"
    );
    println!(
        "{:<64} {:>6} {:>8}   {:>6} {:>8}   {:>7}",
        "", "median", "worst", "median", "worst", "KiB"
    );
    for ((route, rest), busy) in routes.iter().zip(rest).zip(busy) {
        let over = if rest.worst().max(busy.worst()) > BUDGET { "  over" } else { "" };
        println!(
            "{:<64} {:>6.1} {:>8.1}   {:>6.1} {:>8.1}   {:>7.0}{over}",
            route.name,
            rest.median(),
            rest.worst(),
            busy.median(),
            busy.worst(),
            rest.bytes as f64 / 1024.0
        );
    }
    collector.stop();
    Ok(())
}

/// A page or a route of the API, and how it is answered.
struct Route {
    /// The path without the ids in it.
    name: String,
    path: String,
    status: u16,
}

/// All of them.
fn routes(client: &Client, sample: &Sample) -> Result<Vec<Route>> {
    let instances = client.json("/api/v1/instances")?;
    let instance = instances["instances"][0]["id"].as_str().context("no instance was heard of")?;
    let plugin = CHAIN[1];
    let rare = "waiting-on-call";
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
    let lately = (now - HOUR).as_millis().to_string();
    let never = (now + 24 * HOUR).as_millis().to_string();
    let half = client.json("/api/v1/timelines?limit=500")?;
    let cursor = half["cursor"].as_str().context("the list has one page")?;
    let Sample { timeline, request_id, trace } = sample;
    let timeline = timeline.to_string();
    let mut routes = Vec::new();
    for list in ["/?", "/api/v1/timelines?"] {
        for filter in [
            String::new(),
            format!("cursor={cursor}"),
            format!("plugin={plugin}"),
            format!("plugin={SELDOM}"),
            "plugin=nobody".to_owned(),
            format!("finding={COMMON}"),
            format!("finding={rare}"),
            "finding=nothing".to_owned(),
            "severity=lost".to_owned(),
            "severity=note".to_owned(),
            format!("plugin={SELDOM}&finding={rare}&severity=hung"),
            format!("request_id={request_id}"),
            "request_id=unknown".to_owned(),
            format!("since={lately}"),
            format!("since={never}"),
        ] {
            routes.push(format!("{list}{filter}"));
        }
    }
    routes.extend([
        format!("/timelines/{timeline}"),
        format!("/requests/{request_id}"),
        "/plugins".to_owned(),
        format!("/plugins/{plugin}"),
        format!("/plugins/{SELDOM}"),
        "/instances".to_owned(),
        format!("/instances/{instance}"),
        "/diagnoses".to_owned(),
        format!("/diagnoses/{COMMON}"),
        format!("/diagnoses/{rare}"),
        "/diagnoses/late-callback?lang=zh".to_owned(),
        "/traffic".to_owned(),
        "/api/v1/timelines?limit=500".to_owned(),
        format!("/api/v1/timelines/{timeline}"),
        format!("/api/v1/timelines/{timeline}?as=text"),
        format!("/api/v1/timelines/{timeline}?as=chrome"),
        format!("/api/v1/requests/{request_id}"),
        "/api/v1/findings".to_owned(),
        format!("/api/v1/findings?since_ms={lately}"),
        "/api/v1/instances".to_owned(),
        "/api/v1/plugins".to_owned(),
        "/api/v1/diagnoses".to_owned(),
        "/api/v1/traffic".to_owned(),
        "/api/v1/openapi.json".to_owned(),
        "/api/services".to_owned(),
        format!("/api/services/{plugin}/operations"),
        format!("/api/operations?service={plugin}"),
        "/api/traces?limit=20".to_owned(),
        format!("/api/traces?service={plugin}&limit=20"),
        format!("/api/traces?service={SELDOM}&limit=20"),
        format!("/api/traces?service={plugin}&tags={{\"error\":\"true\"}}&limit=20"),
        format!("/api/traces?service={plugin}&tags={{\"finding\":\"{rare}\"}}&limit=20"),
        format!("/api/traces?service={plugin}&operation=none&limit=20"),
        format!("/api/traces?service={plugin}&operation=on_tick&limit=20"),
        format!("/api/traces?service={plugin}&operation=http_call%20nowhere&limit=20"),
        format!("/api/traces?service={plugin}&minDuration=1h&limit=20"),
        format!("/api/traces/{trace}"),
        format!("/api/traces/{timeline}"),
        "/api/v3/services".to_owned(),
        format!("/api/v3/operations?service={plugin}"),
        "/api/dependencies".to_owned(),
        "/metrics".to_owned(),
    ]);
    let unknown = [
        "/plugins/nobody".to_owned(),
        "/requests/unknown".to_owned(),
        format!("/timelines/{}", "f".repeat(32)),
        format!("/api/traces/{}", "f".repeat(32)),
    ];
    let ids = [
        (timeline.as_str(), "ID"),
        (request_id, "ID"),
        (trace, "TRACE"),
        (instance, "ID"),
        (cursor, "CURSOR"),
        (&lately, "LATELY"),
        (&never, "TOMORROW"),
        (unknown[2].trim_start_matches("/timelines/"), "UNKNOWN"),
    ];
    let named =
        |path: &String| ids.iter().fold(path.clone(), |name, (id, is)| name.replace(id, is));
    let route = |status| move |path: &String| (status, path.clone());
    let all = routes.iter().map(route(200)).chain(unknown.iter().map(route(404)));
    Ok(all.map(|(status, path)| Route { name: named(&path), path, status }).collect())
}

/// What a route took.
#[derive(Default)]
struct Took {
    millis: Vec<f64>,
    bytes: usize,
}

impl Took {
    fn median(&self) -> f64 {
        let mut sorted = self.millis.clone();
        sorted.sort_by(f64::total_cmp);
        sorted.get(sorted.len() / 2).copied().unwrap_or_default()
    }

    fn worst(&self) -> f64 {
        self.millis.iter().copied().fold(0.0, f64::max)
    }
}

struct Client {
    address: SocketAddr,
    agent: ureq::Agent,
}

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder().http_status_as_error(false).build().into()
}

impl Client {
    /// Each route in turn, so often: what one leaves in a cache is there for no other one alone.
    fn ask_all(&self, routes: &[Route], rounds: usize) -> Result<Vec<Took>> {
        let mut all: Vec<Took> = routes.iter().map(|_| Took::default()).collect();
        for _ in 0..rounds {
            for (route, took) in routes.iter().zip(&mut all) {
                let begun = Instant::now();
                let (status, body) = self.get(&route.path)?;
                took.millis.push(begun.elapsed().as_secs_f64() * 1e3);
                took.bytes = body.len();
                ensure!(status == route.status, "{} is answered {status}", route.name);
            }
        }
        Ok(all)
    }

    fn get(&self, path: &str) -> Result<(u16, Vec<u8>)> {
        let path: String = path
            .chars()
            .map(|c| match c {
                '{' => "%7B".to_owned(),
                '}' => "%7D".to_owned(),
                '"' => "%22".to_owned(),
                other => other.to_string(),
            })
            .collect();
        let mut answer = self.agent.get(format!("http://{}{path}", self.address)).call()?;
        let body = answer.body_mut().with_config().limit(1 << 28).read_to_vec()?;
        Ok((answer.status().as_u16(), body))
    }

    fn json(&self, path: &str) -> Result<serde_json::Value> {
        Ok(serde_json::from_slice(&self.get(path)?.1)?)
    }
}

/// Requests that wait for their call, of instances of their own.
fn open(address: SocketAddr, count: u64) -> Result<()> {
    for number in 0..count.div_ceil(REQUESTS) {
        let waiting = |context| ingest::request(context)[..3].to_vec();
        let batch = ingest::batch(INSTANCES + number, 0, REQUESTS, &waiting);
        ingest::send(address, &[batch])?;
    }
    Ok(())
}

/// So many events a second, some at least, until told to stop. Gives how many it were.
fn flow(address: SocketAddr, events: u64, stop: &AtomicBool) -> Result<f64> {
    let begun = Instant::now();
    let every = BATCH_EVENTS as f64 / events as f64;
    let mut sent = 0;
    while !stop.load(Ordering::Relaxed) {
        let (sender, number) = (sent % INSTANCES, sent / INSTANCES);
        let batch = ingest::batch(sender, number, REQUESTS, &ingest::request);
        ingest::send(address, &[batch])?;
        sent += 1;
        let due = Duration::from_secs_f64(every * sent as f64);
        std::thread::sleep(due.saturating_sub(begun.elapsed()));
    }
    Ok((sent * BATCH_EVENTS) as f64 / begun.elapsed().as_secs_f64())
}
