//! What a test can look at.

use abi::Callback;

use crate::{Answer, Call, Growths, Headers, Log, Nanos, State, StreamId, Vm, Who};

impl Vm {
    /// What the client has got so far of a stream.
    pub fn answer(&self, stream: StreamId) -> Answer {
        match self.answers.get(&stream) {
            Some(answer) => answer.clone(),
            None => {
                let live = self.store.data().streams.get(&stream);
                live.map(|s| s.answer.clone()).unwrap_or_default()
            }
        }
    }

    /// What went on to the upstream: the headers, if they did, and the body.
    pub fn forwarded(&self, stream: StreamId) -> Option<(Headers, Vec<u8>)> {
        let stream = self.store.data().streams.get(&stream)?;
        let half = &stream.request;
        half.headers_forwarded.then(|| (half.headers.clone(), half.forwarded_body.clone()))
    }

    /// Does the stream context live?
    pub fn is_open(&self, stream: StreamId) -> bool {
        self.store.data().streams.contains_key(&stream)
    }

    /// Does the module export this callback?
    pub fn exports(&self, callback: Callback) -> bool {
        self.exported.contains(&callback)
    }

    /// Has the VM trapped?
    pub fn is_dead(&self) -> bool {
        self.dead
    }

    /// Everything that crossed the border.
    pub fn log(&self) -> &Log {
        &self.store.data().log
    }

    /// Calls dispatched by one of the two.
    pub fn calls(&self, by: Who) -> Vec<&Call> {
        self.store.data().calls.iter().filter(|call| call.by == by).collect()
    }

    /// Virtual time since the VM's start.
    pub fn now(&self) -> Nanos {
        self.store.data().clock.now()
    }

    /// Bytes of the VM's memory, the recorder's included.
    pub fn memory_bytes(&self) -> usize {
        self.store.data().memory.map_or(0, |memory| memory.data_size(&self.store))
    }

    /// How often the VM's memory was seen to have grown.
    pub fn growths(&self) -> Growths {
        self.store.data().growths
    }

    /// The host's side, to look at.
    pub fn host(&self) -> &State {
        self.store.data()
    }
}
