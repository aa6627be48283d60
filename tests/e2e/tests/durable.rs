//! What was answered 2xx is there, once, however often and whenever the collector is killed.

#[path = "support/synthetic.rs"]
mod synthetic;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use e2e::{Collector, is_closed, until};
use serde_json::Value;
use synthetic::{Instance, STREAM};

const KILLS: u32 = 50;
/// Connections that send batches, each of an instance of its own.
const SENDERS: u8 = 6;
/// Every so many-th life ends before it is known to serve.
const EARLY: u32 = 5;

/// xorshift64, from a seed that a failure shows.
struct Random(u64);

impl Random {
    fn new() -> Self {
        let given = std::env::var("WASM_TRACER_SEED").ok().and_then(|seed| seed.parse().ok());
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let seed = given.unwrap_or(u64::from(now.subsec_nanos()) << 20 | now.as_secs() & 0xf_ffff);
        println!("WASM_TRACER_SEED={seed} does the same again");
        Self(seed | 1)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

#[test]
fn what_was_answered_2xx_is_there_once_after_50_kills() {
    let mut random = Random::new();
    let mut collector = Collector::start(0).unwrap_or_else(|error| panic!("{error:#}"));
    let load = Load::default();
    let sent: Vec<Instance> = std::thread::scope(|scope| {
        let address = collector.address();
        let load = &load;
        let senders: Vec<_> = (1..=SENDERS)
            .map(|number| scope.spawn(move || load.send(Instance::new(number), address)))
            .collect();
        // The senders end whatever happens here; else nobody would see it fail.
        let killed = kill_again_and_again(&mut collector, load, &mut random);
        load.ends.store(true, Ordering::Relaxed);
        killed.unwrap_or_else(|error| panic!("{error:#}"));
        senders.into_iter().map(|sender| sender.join().expect("a sender ends")).collect()
    });
    let batches = load.acknowledged.load(Ordering::Relaxed);
    println!("{batches} batches were answered 2xx, {} sent twice", load.repeated());
    all_is_there_once(&collector, &sent);
}

fn kill_again_and_again(
    collector: &mut Collector,
    load: &Load,
    random: &mut Random,
) -> anyhow::Result<()> {
    for life in 1..=KILLS {
        if life % EARLY != 0 {
            let before = load.acknowledged.load(Ordering::Relaxed);
            until("a batch is answered 2xx", Duration::from_secs(30), || {
                load.check()?;
                let now = load.acknowledged.load(Ordering::Relaxed);
                Ok((now > before).then_some(()))
            })?;
        }
        // The moment is what this test is about: any will do, and every run takes others.
        std::thread::sleep(Duration::from_micros(random.below(120_000)));
        collector.kill()?;
        collector.start_again()?;
    }
    collector.wait_until_ready()
}

/// Batches on their way, as recorders send them: again until they are answered 2xx.
#[derive(Default)]
struct Load {
    acknowledged: AtomicU64,
    again: AtomicU64,
    ends: AtomicBool,
    refused: Mutex<Option<String>>,
}

impl Load {
    /// Sends batches of an instance until the end, and answers it.
    fn send(&self, mut instance: Instance, address: SocketAddr) -> Instance {
        let agent = agent();
        let url = format!("http://{address}/v1/batches");
        while !self.ends.load(Ordering::Relaxed) {
            let batch = instance.batch();
            self.until_acknowledged(&agent, &url, &batch);
            // A recorder may take an answer for lost that was only late.
            if instance.events().is_multiple_of(7) {
                self.until_acknowledged(&agent, &url, &batch);
                self.again.fetch_add(1, Ordering::Relaxed);
            }
        }
        let rest = instance.rest();
        self.until_acknowledged(&agent, &url, &rest);
        instance
    }

    fn until_acknowledged(&self, agent: &ureq::Agent, url: &str, batch: &[u8]) {
        let sent = until("a batch is answered 2xx", Duration::from_secs(60), || {
            let request = agent.post(url).header("content-type", "application/x-protobuf");
            match request.send(batch).map(|answer| answer.status().as_u16()) {
                Ok(200) => Ok(Some(())),
                // Killed, stopping or not there yet.
                Err(_) | Ok(503) => Ok(None),
                Ok(status) => anyhow::bail!("a batch was answered {status}"),
            }
        });
        match sent {
            Ok(()) => {
                self.acknowledged.fetch_add(1, Ordering::Relaxed);
            }
            Err(error) => {
                *self.refused.lock().expect("not poisoned") = Some(format!("{error:#}"));
                self.ends.store(true, Ordering::Relaxed);
            }
        }
    }

    fn check(&self) -> anyhow::Result<()> {
        match self.refused.lock().expect("not poisoned").as_ref() {
            Some(refused) => anyhow::bail!("{refused}"),
            None => Ok(()),
        }
    }

    fn repeated(&self) -> u64 {
        self.again.load(Ordering::Relaxed)
    }
}

fn agent() -> ureq::Agent {
    let config = ureq::Agent::config_builder().http_status_as_error(false);
    config.timeout_global(Some(Duration::from_secs(10))).build().into()
}

/// Every event of every batch stands in exactly one timeline, once.
fn all_is_there_once(collector: &Collector, sent: &[Instance]) {
    let wanted: usize = sent.iter().map(Instance::streams).sum();
    let closed = until("all timelines are closed", Duration::from_secs(30), || {
        let metrics = collector.text("/metrics")?;
        // Listing thousands is dear; it is done when nothing is open any more.
        if e2e::metric(&metrics, "wasm_tracer_timelines_open") != [0] {
            return Ok(None);
        }
        let all = list(collector)?;
        Ok((all.iter().filter(|timeline| is_closed(timeline)).count() >= wanted).then_some(all))
    })
    .unwrap_or_else(|error| panic!("{error:#}; wanted {wanted}\n{}", collector.log()));
    assert_eq!(closed.len(), wanted, "one timeline a stream");
    let mut seen: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    let mut requests = BTreeSet::new();
    for timeline in details(collector, &closed) {
        assert_eq!(timeline["event_count"], STREAM, "{timeline:#}");
        assert_eq!(timeline["gaps"].as_array().map(Vec::len), Some(0), "{timeline:#}");
        assert_eq!(timeline["findings"].as_array().map(Vec::len), Some(0), "{timeline:#}");
        assert!(requests.insert(timeline["request_id"].to_string()), "twice: {timeline:#}");
        let numbers = timeline["events"].as_array().expect("events");
        let numbers = numbers.iter().filter_map(|event| event["sequence"].as_u64());
        let instance = timeline["instance"].as_str().expect("an instance").to_owned();
        seen.entry(instance).or_default().extend(numbers);
    }
    for instance in sent {
        let mut numbers = seen.remove(&instance.name()).unwrap_or_default();
        numbers.sort_unstable();
        assert!(numbers.iter().copied().eq(1..=instance.events()), "{}", instance.name());
    }
}

fn list(collector: &Collector) -> anyhow::Result<Vec<Value>> {
    let mut all = Vec::new();
    let mut path = "/api/v1/timelines?limit=500".to_owned();
    loop {
        let mut page = collector.json(&path)?;
        all.append(page["timelines"].as_array_mut().unwrap_or(&mut Vec::new()));
        match page["cursor"].as_str() {
            Some(cursor) => path = format!("/api/v1/timelines?limit=500&cursor={cursor}"),
            None => return Ok(all),
        }
    }
}

/// All of them whole, asked for on a few connections.
fn details(collector: &Collector, summaries: &[Value]) -> Vec<Value> {
    let address = collector.address();
    let ask = move |part: &[Value]| -> Vec<Value> {
        let agent = agent();
        let one = |summary: &Value| {
            let id = summary["id"].as_str().expect("an id");
            let mut answer =
                agent.get(format!("http://{address}/api/v1/timelines/{id}")).call().expect("one");
            let text = answer.body_mut().read_to_string().expect("a body");
            serde_json::from_str(&text).unwrap_or_else(|_| panic!("{id}: {text}"))
        };
        part.iter().map(one).collect()
    };
    std::thread::scope(|scope| {
        let parts = summaries.chunks(summaries.len().div_ceil(4).max(1));
        let asked: Vec<_> = parts.map(|part| scope.spawn(move || ask(part))).collect();
        asked.into_iter().flat_map(|part| part.join().expect("answers")).collect()
    })
}
