//! A collector under test, and batches to send it.
#![allow(dead_code)]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use abi::{Callback, Hostcall};
use collector::store::Store;
use collector::{Retention, Running, Settings, start, start_on};
use prost::Message;
use proto::v1;
use serde_json::Value;
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(20);

/// A collector on free ports with its own folder.
pub struct Collector {
    pub folder: TempDir,
    settings: Settings,
    running: Option<Running>,
}

impl Collector {
    pub fn start() -> Collector {
        Collector::with(|_| {})
    }

    pub fn with(change: impl FnOnce(&mut Settings)) -> Collector {
        let folder = TempDir::new().expect("a folder");
        let mut settings = Settings {
            listen: Some("127.0.0.1:0".parse().expect("an address")),
            data: Some(folder.path().to_owned()),
            ..Settings::default()
        };
        change(&mut settings);
        let running = Some(start(settings.clone()).expect("it starts"));
        Collector { folder, settings, running }
    }

    /// On a store made for its folder.
    pub fn on(store: impl FnOnce(&Path, Retention) -> Arc<dyn Store>) -> Collector {
        let folder = TempDir::new().expect("a folder");
        let settings = Settings {
            listen: Some("127.0.0.1:0".parse().expect("an address")),
            data: Some(folder.path().to_owned()),
            ..Settings::default()
        };
        let retention = Retention {
            age: Duration::from_secs(3600),
            bytes: 1 << 30,
            journal_bytes: 1 << 28,
            slice_bytes: 1 << 27,
            slice_age: Duration::from_secs(3600),
            marks: Duration::from_secs(3600),
        };
        let store = store(folder.path(), retention);
        let running = Some(start_on(settings.clone(), store).expect("it starts"));
        Collector { folder, settings, running }
    }

    /// Ends as if killed, and starts again on the same folder.
    pub fn crash_and_restart(&mut self) {
        drop(self.running.take());
        self.running = Some(start(self.settings.clone()).expect("it starts again"));
    }

    /// Ends in order, and starts again on the same folder.
    pub fn restart(&mut self) {
        self.running.take().expect("it runs").stop();
        self.running = Some(start(self.settings.clone()).expect("it starts again"));
    }

    /// Ends in order, and leaves its folder.
    pub fn stopped(mut self) -> TempDir {
        self.running.take().expect("it runs").stop();
        self.folder
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.running.as_ref().expect("it runs").ingest_address)
    }

    pub fn public_url(&self, path: &str) -> String {
        let running = self.running.as_ref().expect("it runs");
        format!("http://{}{path}", running.public_address.expect("it has a second listener"))
    }

    /// Status and body of a batch's answer.
    pub fn send(&self, body: &[u8]) -> (u16, String) {
        self.send_to("/v1/batches", body, &[])
    }

    pub fn send_to(&self, path: &str, body: &[u8], headers: &[(&str, &str)]) -> (u16, String) {
        let mut request =
            agent().post(self.url(path)).header("content-type", "application/x-protobuf");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        read(request.send(body).expect("an answer"))
    }

    pub fn get(&self, path: &str, headers: &[(&str, &str)]) -> (u16, String) {
        let mut request = agent().get(self.url(path));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        read(request.call().expect("an answer"))
    }

    pub fn json(&self, path: &str) -> Value {
        let (status, body) = self.get(path, &[]);
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str(&body).expect("JSON")
    }

    /// Waits until a condition holds of a JSON answer, and gives the answer.
    pub fn until(&self, path: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let begun = Instant::now();
        loop {
            let value = self.json(path);
            if holds(&value) {
                return value;
            }
            assert!(begun.elapsed() < PATIENCE, "{path} stays {value:#}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until a path is answered with a status.
    pub fn until_status(&self, path: &str, status: u16) {
        let begun = Instant::now();
        loop {
            let (now, body) = self.get(path, &[]);
            if now == status {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "{path} stays {now}: {body}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The list, once it has so many timelines that are closed.
    pub fn closed(&self, count: usize) -> Vec<Value> {
        let list = self.until("/api/v1/timelines?limit=500", |list| {
            let timelines = list["timelines"].as_array().expect("a list");
            timelines.iter().filter(|t| t["state"] == "closed").count() >= count
        });
        list["timelines"].as_array().expect("a list").clone()
    }

    /// Waits until a metric's line has a value that holds.
    pub fn until_metric(&self, name: &str, holds: impl Fn(f64) -> bool) {
        let begun = Instant::now();
        loop {
            let (_, text) = self.get("/metrics", &[]);
            // An exemplar may follow the value.
            let value = text.lines().find_map(|line| {
                let value = line.strip_prefix(name)?.strip_prefix(' ')?;
                value.split(' ').next()?.parse::<f64>().ok()
            });
            if value.is_some_and(&holds) {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "{name} stays {value:?} in\n{text}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

fn agent() -> ureq::Agent {
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .timeout_global(Some(PATIENCE));
    config.build().into()
}

fn read(mut response: ureq::http::Response<ureq::Body>) -> (u16, String) {
    let status = response.status().as_u16();
    let bytes = response.body_mut().read_to_vec().expect("a body");
    (status, String::from_utf8_lossy(&bytes).into_owned())
}

/// One instance's batches: each request is the early upstream of the original report.
pub struct Recorder {
    instance: [u8; 16],
    sequence: u64,
    entry: u64,
    at: u64,
    context: u32,
    plugin: String,
    traceparent: String,
}

impl Recorder {
    pub fn new(number: u8) -> Recorder {
        Recorder {
            instance: [number; 16],
            sequence: 1,
            entry: 1,
            at: 1000,
            context: 2,
            plugin: "body-call".to_owned(),
            traceparent: String::new(),
        }
    }

    pub fn named(number: u8, plugin: &str) -> Recorder {
        Recorder { plugin: plugin.to_owned(), ..Recorder::new(number) }
    }

    /// The next request has this context id.
    pub fn use_context(&mut self, context: u32) {
        self.context = context;
    }

    /// So many events are lost before the next one.
    pub fn skip(&mut self, events: u64) {
        self.sequence += events;
    }

    /// The next requests are in this span.
    pub fn use_traceparent(&mut self, traceparent: &str) {
        self.traceparent = traceparent.to_owned();
    }

    pub fn next_context(&self) -> u32 {
        self.context
    }

    /// A batch with some requests that came and went.
    pub fn requests(&mut self, count: u32) -> v1::Batch {
        let parts: Vec<_> = (0..count).map(|_| self.request()).collect();
        self.batch(parts)
    }

    /// A request whose call is answered after its end, as (events, stream).
    fn request(&mut self) -> (Vec<v1::Event>, v1::Stream) {
        let context = self.context;
        self.context += 1;
        let call = context * 4;
        let callback = |kind: Callback, args: &[u32], result| v1::Event {
            kind: kind.number(),
            context,
            at_step_micros: 10,
            args: args.to_vec(),
            result,
            ..v1::Event::default()
        };
        let dispatch = v1::Event {
            kind: Hostcall::HttpCall as u32,
            context,
            at_step_micros: 15,
            args: vec![3, 7, 0, 0, 5000],
            call,
            text: b"slow".to_vec(),
            ..v1::Event::default()
        };
        let answer = v1::Event {
            kind: Callback::HttpCallResponse.number(),
            context: 1,
            at_step_micros: 2_000_000,
            args: vec![3, 2, 0, 200],
            call,
            ..v1::Event::default()
        };
        let events = vec![
            callback(Callback::ContextCreate, &[1], 0),
            callback(Callback::RequestHeaders, &[10], 0),
            // Written when it returned: before the invocation around it.
            dispatch,
            v1::Event {
                entry_step: -1,
                at_step_micros: -5,
                ..callback(Callback::RequestBody, &[14, 1], 1)
            },
            callback(Callback::ResponseHeaders, &[5], 0),
            callback(Callback::Log, &[], 0),
            callback(Callback::Done, &[], 1),
            callback(Callback::Delete, &[], 0),
            answer,
        ];
        let stream = v1::Stream {
            context,
            root: 1,
            request_id: format!("request-{context}"),
            method: "POST".to_owned(),
            path: "/orders".to_owned(),
            authority: "shop".to_owned(),
            traceparent: self.traceparent.clone(),
            ..v1::Stream::default()
        };
        (events, stream)
    }

    /// Two batches: a request whose call is given up in the first, and answered in the second.
    pub fn long_answered(&mut self) -> (v1::Batch, v1::Batch) {
        let (mut events, stream) = self.request();
        let answer = events.split_off(events.len() - 1);
        let mut first = self.batch(vec![(events, stream.clone())]);
        self.at += 10_000_000;
        first.known_until_micros = self.at;
        (first, self.batch(vec![(answer, stream)]))
    }

    /// One request in two batches.
    pub fn cut_short(&mut self) -> (v1::Batch, v1::Batch) {
        let mut begun = self.requests(1);
        let mut rest = begun.clone();
        rest.events = begun.events.split_off(5);
        rest.first_sequence += 5;
        rest.first_entry += 4;
        rest.first_at_micros += 60;
        rest.streams.clear();
        begun.known_until_micros = rest.first_at_micros;
        (begun, rest)
    }

    /// A batch with a stream that begins and does not end.
    pub fn beginning(&mut self) -> v1::Batch {
        let (mut events, stream) = self.request();
        events.truncate(4);
        self.batch(vec![(events, stream)])
    }

    fn batch(&mut self, parts: Vec<(Vec<v1::Event>, v1::Stream)>) -> v1::Batch {
        let (first_sequence, first_entry, first_at) = (self.sequence, self.entry, self.at);
        let (mut events, mut streams) = (Vec::new(), Vec::new());
        for (more, stream) in parts {
            events.extend(more);
            streams.push(stream);
        }
        if let Some(first) = events.first_mut() {
            first.at_step_micros = 0;
        }
        self.sequence += events.len() as u64;
        for event in &events {
            self.at = self.at.saturating_add_signed(event.at_step_micros);
            self.entry = (self.entry as i64 + 1 + event.entry_step) as u64;
        }
        v1::Batch {
            instance: self.instance.to_vec(),
            module: Some(v1::Module {
                tracer_version: "0.1.0".to_owned(),
                abi: "0.2.1".to_owned(),
                sdk: "rust".to_owned(),
                host: "envoy".to_owned(),
                callbacks: u64::MAX >> 1,
                ..v1::Module::default()
            }),
            clock: Some(v1::Clock {
                wall_nanos: now_nanos(),
                monotonic_micros: self.at,
                wall_only: false,
            }),
            first_sequence,
            first_entry,
            first_at_micros: first_at,
            roots: vec![v1::Root {
                context: 1,
                plugin: self.plugin.clone(),
                root_id: "root".to_owned(),
                ..v1::Root::default()
            }],
            events,
            streams,
            known_until_micros: self.at,
            ..v1::Batch::default()
        }
    }
}

pub fn now_nanos() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.expect("after 1970").as_nanos() as u64
}

pub fn bytes(batch: &v1::Batch) -> Vec<u8> {
    batch.encode_to_vec()
}
