//! The collector cannot be reached, or answers badly, while requests come: these notice nothing, the
//! recorder keeps what its buffer holds, counts the rest, says so in Envoy's log, and tells it all once
//! the collector is back. One Envoy with one listener, one VM and one cluster an outage.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Barrier};
use std::time::Duration;

use e2e::gate::{Accepted, Gate, Manner};
use e2e::{Collector, Finding, Mode, Plugin, Request, Sdk, Stack, metric, until};
use prost::Message;

/// The recorder's smallest buffer, so that it is full soon.
const BUFFER_BYTES: usize = 16 * 1024;
const WARN_SECONDS: f64 = 3.0;
/// Memory of the recorder that stands in the budget, in pages of 64 KiB.
const PAGES: u32 = 4;
/// Requests a listener that come at once and are held: what they have to tell when they end overflows
/// the buffer, since they were admitted before it was nearly full.
const BURST: usize = 150;
/// Listeners loaded at the same time: one worker has to connect to the upstream within its timeout.
const WAVE: usize = 2;
/// Of these connections so many go on, and play all requests so often.
const CONNECTIONS: usize = 8;
const TIMES: usize = 4;

/// One way in which the collector is not there.
struct Outage {
    name: &'static str,
    sdk: Sdk,
    manner: Manner,
    /// What Envoy knows of the cluster meanwhile.
    cluster: Cluster,
    /// What the warning says.
    says: &'static str,
}

#[derive(Clone, Copy, PartialEq)]
enum Cluster {
    Whole,
    Empty,
    Unknown,
}

const NO_ANSWER: &str = "the collector does not answer";
const NO_HOST: &str = "the cluster has no healthy host";
const UNKNOWN: &str = "this proxy does not know the cluster";
const DENIED: &str = "the collector answered 401 or 403";
const BUSY: &str = "the collector asks to slow down (429)";

const fn rust(name: &'static str, manner: Manner, says: &'static str) -> Outage {
    Outage { name, sdk: Sdk::Rust, manner, cluster: Cluster::Whole, says }
}

const OUTAGES: [Outage; 10] = [
    rust("black-hole", Manner::BlackHole, NO_ANSWER),
    rust("refused", Manner::Refuse, NO_ANSWER),
    rust("busy", Manner::Status(429), BUSY),
    rust("denied", Manner::Status(401), DENIED),
    rust("unavailable", Manner::Status(503), NO_ANSWER),
    rust("late", Manner::Late(Duration::from_secs(5)), NO_ANSWER),
    rust("reset", Manner::ResetInBody, NO_ANSWER),
    Outage { cluster: Cluster::Empty, ..rust("no-endpoint", Manner::Pass, NO_HOST) },
    Outage { cluster: Cluster::Unknown, ..rust("unknown", Manner::Pass, UNKNOWN) },
    Outage { sdk: Sdk::Go, ..rust("go-black-hole", Manner::BlackHole, NO_ANSWER) },
];

/// Requests whose answers are the same each time, whatever the load.
fn requests() -> [Request; 5] {
    let post = |path| Request::post(path, "some text");
    [
        post("/patient?callee=after-1000"),
        post("/early-400?callee=after-300"),
        Request::get("/patient"),
        post("/patient?callee=after-100,status-403"),
        post("/close?callee=after-300"),
    ]
}

struct Scene {
    stack: Stack,
    collector: Collector,
    gates: Vec<(&'static Outage, Arc<Gate>)>,
}

#[test]
fn requests_do_not_notice_and_what_was_lost_is_told_afterwards() {
    let scene = Scene::start();
    let sent = scene.load();
    scene.all_warned();
    for (_, gate) in &scene.gates {
        gate.pass();
    }
    scene.clusters_are_whole();
    scene.all_is_told(sent);
    scene.warnings_are_rare_and_right();
    scene.metrics_show_the_losses();
    scene.nothing_wrong_is_found();
}

impl Scene {
    fn start() -> Self {
        let collector = Collector::start(0).unwrap_or_else(|error| panic!("{error:#}"));
        let mut stack = Stack::builder()
            .plugin("rust", Plugin::new(Sdk::Rust, Mode::Body))
            .plugin("go", Plugin::new(Sdk::Go, Mode::Body));
        let mut gates = Vec::new();
        for outage in &OUTAGES {
            let gate = Gate::start(outage.manner, collector.address());
            let plugin = Plugin::new(outage.sdk, Mode::Body)
                .traced()
                .variable("WASM_TRACER_CLUSTER", outage.name)
                .variable("WASM_TRACER_BUFFER_BYTES", &BUFFER_BYTES.to_string())
                .variable("WASM_TRACER_WARN_SECONDS", &WARN_SECONDS.to_string());
            stack = stack.plugin(outage.name, plugin);
            stack = match outage.cluster {
                Cluster::Whole => stack.discovers(outage.name, Some(gate.address())),
                Cluster::Empty => stack.discovers(outage.name, None),
                Cluster::Unknown => stack,
            };
            gates.push((outage, gate));
        }
        let stack = stack.start().unwrap_or_else(|error| panic!("{error:#}"));
        Self { stack, collector, gates }
    }

    fn clusters_are_whole(&self) {
        let all: Vec<_> = self
            .gates
            .iter()
            .map(|(outage, gate)| (outage.name.to_owned(), Some(gate.address())))
            .collect();
        self.stack.discover(&all).expect("the file of clusters is written");
    }

    /// Loads all listeners at once. Every answer is that of the original. Answers requests a listener.
    fn load(&self) -> u64 {
        let originals: BTreeMap<&str, Vec<_>> = ["rust", "go"]
            .map(|name| {
                let answers =
                    requests().map(|request| self.stack.send(name, &request).comparable());
                (name, answers.into())
            })
            .into();
        for wave in OUTAGES.chunks(WAVE) {
            let begin = &Barrier::new(BURST * wave.len());
            std::thread::scope(|scope| {
                for outage in wave {
                    let wanted = &originals[if outage.sdk == Sdk::Go { "go" } else { "rust" }];
                    for connection in 0..BURST {
                        let rest =
                            if connection < CONNECTIONS { TIMES * requests().len() } else { 1 };
                        scope.spawn(move || {
                            begin.wait();
                            for (request, wanted) in
                                requests().iter().zip(wanted).cycle().take(rest)
                            {
                                let answer = self.stack.send(outage.name, request);
                                assert_eq!(answer.comparable(), *wanted, "{}", outage.name);
                                assert_ne!(answer.status, 0, "{}", outage.name);
                            }
                        });
                    }
                }
            });
        }
        (BURST - CONNECTIONS + CONNECTIONS * TIMES * requests().len()) as u64
    }

    /// Each outage has been told in Envoy's log, and tried again since.
    fn all_warned(&self) {
        let warned = until("every outage is told", Duration::from_secs(40), || {
            let warnings = self.warnings();
            let told = |outage: &Outage| {
                let of = warnings.keys().filter(|who| who.1 == outage.name).count();
                // 401 waits for half a minute; the others are tried again, and told again.
                let most = warnings.iter().filter(|(who, _)| who.1 == outage.name);
                let most = most.map(|(_, times)| times.len()).max().unwrap_or(0);
                of > 0 && (most > 1 || outage.says == DENIED)
            };
            Ok(OUTAGES.iter().all(told).then_some(()))
        });
        warned.unwrap_or_else(|error| panic!("{error:#}: {:#?}", self.warnings()));
    }

    /// Times of the warnings, in seconds, by thread, cluster and sentence.
    fn warnings(&self) -> BTreeMap<(String, String, String), Vec<f64>> {
        let mut all = BTreeMap::<_, Vec<f64>>::new();
        for line in self.stack.envoy_log().lines() {
            let Some((head, said)) = line.split_once("cannot ship to cluster \"") else { continue };
            let (cluster, sentence) = said.split_once("\": ").expect("cluster and sentence");
            let mut head = head.trim_start_matches('[').split(']');
            let time = head.next().and_then(|stamp| stamp.split(' ').nth(1)).expect("a time");
            let seconds = time
                .split(':')
                .fold(0.0, |sum, part| sum * 60.0 + part.parse::<f64>().expect("a part of a time"));
            let thread = head.next().unwrap_or_default().to_owned();
            all.entry((thread, cluster.to_owned(), sentence.to_owned())).or_default().push(seconds);
        }
        all
    }

    fn warnings_are_rare_and_right(&self) {
        for ((thread, cluster, sentence), times) in self.warnings() {
            let outage = OUTAGES.iter().find(|outage| outage.name == cluster).expect("an outage");
            assert!(sentence.starts_with(outage.says), "{cluster}: {sentence}");
            for pair in times.windows(2) {
                // Whole seconds are compared, and the day may end.
                let apart = (pair[1] - pair[0]).rem_euclid(86_400.0);
                assert!(apart > WARN_SECONDS - 1.0, "{cluster} on {thread}: {times:?}");
            }
        }
        for (outage, gate) in &self.gates {
            let can_see = outage.cluster == Cluster::Whole && outage.manner != Manner::Refuse;
            assert!(!can_see || gate.attempts() > 0, "{} was never tried", outage.name);
        }
    }

    /// Once the collector is back every event has arrived or is said to be lost, within the buffer's
    /// bound, and every stream was recorded or is counted.
    fn all_is_told(&self, sent: u64) {
        for (outage, gate) in &self.gates {
            let told = until("all is told", Duration::from_secs(60), || {
                Ok(Told::by(gate).filter(|told| told.is_whole(sent)))
            });
            let told = told.unwrap_or_else(|error| {
                panic!("{}: {error:#}, but {:#?}", outage.name, Told::by(gate))
            });
            println!("{}: {told:?}, {} attempts", outage.name, gate.attempts());
            assert!(told.lost > 0, "{}: the buffer was to overflow, {told:?}", outage.name);
            assert_eq!(told.streams, told.recorded + told.refused, "{}", outage.name);
            assert_eq!(told.pages.len(), 1, "{}: memory grew, {told:?}", outage.name);
            assert!(told.pages.iter().all(|pages| *pages <= PAGES), "{}: {told:?}", outage.name);
            assert!(told.kept <= BUFFER_BYTES, "{}: {told:?}", outage.name);
        }
    }

    /// The collector counts what it has taken a moment after it has answered.
    fn metrics_show_the_losses(&self) {
        let compare = || {
            let told: Vec<_> = self.gates.iter().filter_map(|(_, gate)| Told::by(gate)).collect();
            let lost: u64 = told.iter().map(|told| told.lost).sum();
            let refused: u64 = told.iter().map(|told| told.refused).sum();
            let metrics = self.collector.text("/metrics").expect("metrics");
            let counts = [
                metric(&metrics, "wasm_tracer_events_lost_at_source_total"),
                metric(&metrics, "wasm_tracer_streams_refused_at_source_total"),
            ];
            (counts, [vec![lost], vec![refused]])
        };
        let same = until("the metrics show what was told", Duration::from_secs(30), || {
            let (shown, told) = compare();
            Ok((shown == told).then_some(()))
        });
        same.unwrap_or_else(|error| panic!("{error:#}: {:?}", compare()));
    }

    /// Where events are missing, nothing is claimed that their absence would prove.
    fn nothing_wrong_is_found(&self) {
        let mut seen = 0;
        for outage in &OUTAGES {
            let path = format!("/api/v1/timelines?limit=500&plugin={}", outage.name);
            let list = self.collector.json(&path).expect("a list");
            for timeline in list["timelines"].as_array().expect("timelines") {
                seen += 1;
                let causes = Finding::all(timeline).into_iter().filter(|found| found.is_cause);
                let causes: BTreeSet<_> =
                    causes.map(|found| format!("{} {}", found.code, found.severity)).collect();
                let path = timeline["path"].as_str().unwrap_or_default();
                let may_be = match path.split('/').nth(1) {
                    Some("patient") if timeline["method"] == "GET" => "nothing",
                    Some("patient") => "headers-forwarded-before-body-call race",
                    // What the request was is among the lost.
                    None => "headers-forwarded-before-body-call",
                    _ => "headers-forwarded-before-body-call lost",
                };
                assert!(causes.iter().all(|cause| cause.starts_with(may_be)), "{timeline:#}");
            }
        }
        assert!(seen > OUTAGES.len(), "timelines of all outages");
    }
}

/// What the batches of one gate's worker VM say.
#[derive(Default)]
struct Told {
    events: u64,
    arrived: BTreeSet<u64>,
    said_lost: BTreeSet<u64>,
    lost: u64,
    streams: u64,
    recorded: u64,
    refused: u64,
    /// Sizes that the recorder's memory had.
    pages: BTreeSet<u32>,
    /// Bytes of events that came after the outage.
    kept: usize,
}

impl fmt::Debug for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { events, lost, streams, recorded, refused, pages, kept, .. } = self;
        let (arrived, said_lost) = (self.arrived.len(), self.said_lost.len());
        write!(f, "{events} events: {arrived} arrived ({kept} bytes of them afterwards), ")?;
        write!(f, "{said_lost} said to be lost, {lost} counted; {streams} streams: ")?;
        write!(f, "{recorded} recorded, {refused} refused; pages {pages:?}")
    }
}

impl Told {
    /// None as long as no instance with streams has been heard.
    fn by(gate: &Gate) -> Option<Self> {
        let accepted = gate.accepted();
        let has_streams = |a: &&Accepted| a.batch.roots.iter().any(|root| root.streams > 0);
        let worker = accepted.iter().find(has_streams)?.batch.instance.clone();
        let mut told = Self::default();
        for accepted in accepted.iter().filter(|a| a.batch.instance == worker) {
            let batch = &accepted.batch;
            told.pages.insert(batch.recorder_pages);
            let first = batch.first_sequence;
            told.arrived.extend(first..first + batch.events.len() as u64);
            told.said_lost.extend(batch.lost.iter().flat_map(|l| l.from_sequence..=l.to_sequence));
            if accepted.afterwards {
                let bytes = batch.events.iter().map(Message::encoded_len);
                let names = batch.streams.iter().map(Message::encoded_len);
                told.kept += bytes.chain(names).sum::<usize>();
            }
            let roots = || batch.roots.iter();
            told.streams = told.streams.max(roots().map(|root| root.streams).sum());
            told.recorded = told.recorded.max(roots().map(|root| root.streams_recorded).sum());
            told.refused = told.refused.max(roots().map(|root| root.streams_refused).sum());
            if let Some(counters) = &batch.counters {
                told.events = told.events.max(counters.events);
                told.lost = told.lost.max(counters.events_lost);
            }
        }
        Some(told)
    }

    fn is_whole(&self, sent: u64) -> bool {
        let told = |number| self.arrived.contains(&number) || self.said_lost.contains(&number);
        self.streams >= sent && self.events > 0 && (1..=self.events).all(told)
    }
}
