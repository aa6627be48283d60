//! An instance made by hand: batches of streams that came and went, cut wherever a batch is full, so
//! that most streams begin in one batch and end in another.

use std::collections::VecDeque;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use abi::Callback;
use prost::Message;
use proto::v1;

/// Events of a batch.
const BATCH: usize = 48;
/// Body phases of a stream.
const BODIES: usize = 13;
/// Events of a stream.
pub const STREAM: usize = BODIES + 6;

/// One instance and how far it is.
pub struct Instance {
    id: [u8; 16],
    begun: Instant,
    /// Numbers of the last event and of the last context.
    sequence: u64,
    context: u32,
    /// Made and not yet in a batch.
    waiting: VecDeque<v1::Event>,
    /// Not yet named in a batch.
    names: VecDeque<v1::Stream>,
}

impl Instance {
    /// The instance whose id consists of this number.
    pub fn new(number: u8) -> Self {
        Self {
            id: [number; 16],
            begun: Instant::now(),
            sequence: 0,
            context: 1,
            waiting: VecDeque::new(),
            names: VecDeque::new(),
        }
    }

    /// Its id, as the API tells it.
    pub fn name(&self) -> String {
        self.id.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Events made so far.
    pub fn events(&self) -> u64 {
        self.sequence
    }

    /// Streams begun so far.
    pub fn streams(&self) -> usize {
        self.context as usize - 1
    }

    /// The next full batch.
    pub fn batch(&mut self) -> Vec<u8> {
        while self.waiting.len() < BATCH {
            self.stream();
        }
        self.cut(BATCH)
    }

    /// The last batch: all that waits, so that every stream has its end.
    pub fn rest(&mut self) -> Vec<u8> {
        self.cut(self.waiting.len())
    }

    fn stream(&mut self) {
        self.context += 1;
        let context = self.context;
        let mut phases = vec![Callback::ContextCreate, Callback::RequestHeaders];
        phases.extend([Callback::RequestBody; BODIES]);
        phases.extend([Callback::Log, Callback::Done, Callback::Delete]);
        phases.insert(2 + BODIES, Callback::ResponseHeaders);
        self.waiting.extend(phases.into_iter().map(|callback| v1::Event {
            kind: callback.number(),
            context,
            at_step_micros: 1,
            args: if callback == Callback::ContextCreate { vec![1] } else { Vec::new() },
            result: u32::from(callback == Callback::Done),
            ..v1::Event::default()
        }));
        self.names.push_back(v1::Stream {
            context,
            root: 1,
            request_id: format!("{}-{context}", self.name()),
            method: "POST".to_owned(),
            path: "/load".to_owned(),
            ..v1::Stream::default()
        });
    }

    fn cut(&mut self, count: usize) -> Vec<u8> {
        let mut events: Vec<_> = self.waiting.drain(..count).collect();
        if let Some(first) = events.first_mut() {
            first.at_step_micros = 0;
        }
        let first = self.sequence + 1;
        self.sequence += events.len() as u64;
        let begun = |name: &v1::Stream| events.iter().any(|e| e.context == name.context);
        let named = self.names.iter().take_while(|name| begun(name)).count();
        let at = u64::try_from(self.begun.elapsed().as_micros()).unwrap_or(u64::MAX);
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        v1::Batch {
            instance: self.id.to_vec(),
            module: Some(v1::Module {
                tracer_version: "0.1.0".to_owned(),
                abi: "0.2.1".to_owned(),
                sdk: "rust".to_owned(),
                host: "envoy".to_owned(),
                callbacks: u64::MAX >> 1,
                ..v1::Module::default()
            }),
            clock: Some(v1::Clock {
                wall_nanos: u64::try_from(wall.as_nanos()).unwrap_or(u64::MAX),
                monotonic_micros: at,
                wall_only: false,
            }),
            first_sequence: first,
            // Every event is an invocation of its own.
            first_entry: first,
            first_at_micros: at,
            roots: vec![v1::Root {
                context: 1,
                plugin: "load".to_owned(),
                root_id: "load".to_owned(),
                ..v1::Root::default()
            }],
            streams: self.names.drain(..named).collect(),
            known_until_micros: at + events.len() as u64,
            events,
            ..v1::Batch::default()
        }
        .encode_to_vec()
    }
}
