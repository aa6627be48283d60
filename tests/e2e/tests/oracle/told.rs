//! What recorders told: an endpoint that takes their batches and keeps them.

use std::collections::BTreeMap;
use std::io::{BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use abi::Kind;
use e2e::read_request;
use prost::Message;
use proto::v1::{Batch, Counters, Open};
use timeline::event::{Event, Marks};
use timeline::ids::{CallId, ContextId, Entry, Micros, Sequence};

/// A collector that only keeps bodies.
pub struct Endpoint {
    address: SocketAddr,
    bodies: Mutex<Vec<Vec<u8>>>,
}

/// All that one recorder told.
#[derive(Clone, Default)]
pub struct Told {
    /// Its events, as they happened: by entry, an invocation before the hostcalls made in it.
    pub events: Vec<Event>,
    /// What each shipment said, in the order of their making.
    pub shipments: Vec<Shipment>,
    /// It keeps every stream and every hostcall.
    pub is_whole: bool,
    /// Bit n: the original exports the callback with number n.
    pub callbacks: u64,
    /// Whether it says itself that nothing is missing.
    pub missing: Vec<String>,
}

/// What a shipment said of the recorder itself.
#[derive(Clone, Debug)]
pub struct Shipment {
    /// Hostcalls that it had made.
    pub hostcalls: u64,
    /// Callbacks that it had kept from the plugin.
    pub callbacks: u64,
    /// Where its memory began.
    pub base: u32,
    /// What it had counted, where it says so.
    pub counters: Option<Counters>,
}

impl Endpoint {
    /// Starts one on a free port.
    pub fn start() -> Arc<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("an address");
        let endpoint = Arc::new(Self { address, bodies: Mutex::default() });
        let serving = Arc::clone(&endpoint);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let endpoint = Arc::clone(&serving);
                // A peer that goes away ends only its own connection.
                std::thread::spawn(move || endpoint.serve(stream).ok());
            }
        });
        endpoint
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    fn bodies(&self) -> MutexGuard<'_, Vec<Vec<u8>>> {
        self.bodies.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self, mut stream: TcpStream) -> std::io::Result<()> {
        stream.set_nodelay(true)?;
        let mut reader = BufReader::new(stream.try_clone()?);
        while let Some(request) = read_request(&mut reader)? {
            self.bodies().push(request.body);
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")?;
        }
        Ok(())
    }

    /// What has come so far, by instance.
    pub fn told(&self) -> BTreeMap<Vec<u8>, Told> {
        let mut instances: BTreeMap<Vec<u8>, Vec<Batch>> = BTreeMap::new();
        for body in self.bodies().iter() {
            let batch = Batch::decode(body.as_slice()).expect("a batch");
            instances.entry(batch.instance.clone()).or_default().push(batch);
        }
        instances.into_iter().map(|(id, batches)| (id, Told::of(batches))).collect()
    }
}

impl Told {
    fn of(mut batches: Vec<Batch>) -> Self {
        batches.sort_by_key(|batch| batch.own_hostcalls);
        let mut told = Told::default();
        let (mut events, mut open) = (BTreeMap::new(), Vec::new());
        for batch in batches {
            told.is_whole = batch.all_hostcalls;
            told.callbacks = batch.module.as_ref().map_or(0, |module| module.callbacks);
            told.shipments.push(Shipment {
                hostcalls: batch.own_hostcalls,
                callbacks: batch.own_callbacks,
                base: batch.base,
                counters: batch.counters.clone(),
            });
            told.missing.extend(batch.lost.iter().map(|lost| format!("{lost:?}")));
            let refused: u64 = batch.roots.iter().map(|root| root.streams_refused).sum();
            if refused > 0 {
                told.missing.push(format!("{refused} streams were not admitted"));
            }
            open.extend(batch.open.iter().map(open_event));
            events.extend(events_of(&batch).map(|event| (event.sequence, event)));
        }
        let numbers = events.keys().map(|sequence: &Sequence| sequence.0);
        if let (Some(first), Some(last)) = (numbers.clone().min(), numbers.max())
            && last - first + 1 != events.len() as u64
        {
            told.missing.push(format!("{} of events {first} to {last} have come", events.len()));
        }
        told.events = events.into_values().chain(open).collect();
        told.events.sort_by_key(Event::order);
        told
    }

    /// The events of each entry, the invocation first.
    pub fn entries(&self) -> Vec<&[Event]> {
        self.events.chunk_by(|a, b| a.entry == b.entry).collect()
    }
}

/// What a black box says of an invocation that never returned.
fn open_event(open: &Open) -> Event {
    Event {
        sequence: Sequence(u64::MAX),
        entry: Entry(open.entry),
        at: Micros(open.since_micros),
        context: ContextId(open.context),
        kind: Kind::from_number(open.kind),
        took: Micros(0),
        args: open.args.clone(),
        result: 0,
        call: CallId(open.call),
        text: Vec::new(),
        marks: Marks::UNFINISHED,
    }
}

/// Reads the steps of a batch's events, as `batch.proto` says.
fn events_of(batch: &Batch) -> impl Iterator<Item = Event> {
    let (mut entry, mut at) = (batch.first_entry, batch.first_at_micros);
    let (mut context, mut is_first) = (0, true);
    let numbers = batch.first_sequence..;
    numbers.zip(&batch.events).map(move |(sequence, event)| {
        if !std::mem::take(&mut is_first) {
            entry = entry.wrapping_add(1).wrapping_add_signed(event.entry_step);
            at = at.wrapping_add_signed(event.at_step_micros);
        }
        if event.context != 0 {
            context = event.context;
        }
        Event {
            sequence: Sequence(sequence),
            entry: Entry(entry),
            at: Micros(at),
            context: ContextId(context),
            kind: Kind::from_number(event.kind),
            took: Micros(event.took_micros),
            args: event.args.clone(),
            result: event.result,
            call: CallId(event.call),
            text: event.text.clone(),
            marks: Marks(event.marks),
        }
    })
}
