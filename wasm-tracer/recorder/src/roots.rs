//! The root contexts: one plugin each, with its timer and the status the host keeps for it.

use proto::fields::{batch, root};

use crate::bytes::Text;
use crate::wire::Writer;

/// Each push of a configuration adds one while the one before drains, for ten minutes on an Envoy that
/// is not told otherwise.
const ROOTS: usize = 24;

/// One root context.
pub struct Root {
    /// 0: the place is free.
    pub context: u32,
    pub plugin: Text<48>,
    pub root_id: Text<48>,
    pub vm_id: Text<48>,
    pub configuration_hash: u64,
    pub since: u64,
    pub ended: bool,
    /// Its names were asked for.
    pub named: bool,
    pub streams: u64,
    pub recorded: u64,
    pub refused: u64,
    /// A stream of it started a call in a request body or trailers phase.
    pub dispatched_late: bool,
    /// Bytes of log lines kept since the last shipment.
    pub log_bytes: u16,
    /// The plugin's own period in ms (0: none) and when it is due, monotonic µs.
    pub period: u32,
    pub due: u64,
    /// Period that the host's timer has.
    pub armed: u32,
    /// The status that the plugin is to see, and whether a failure of ours hides it.
    pub status_code: u32,
    pub status_message: Text<128>,
    pub spoiled: bool,
}

impl Root {
    const EMPTY: Root = Root {
        context: 0,
        plugin: Text::EMPTY,
        root_id: Text::EMPTY,
        vm_id: Text::EMPTY,
        configuration_hash: 0,
        since: 0,
        ended: false,
        named: false,
        streams: 0,
        recorded: 0,
        refused: 0,
        dispatched_late: false,
        log_bytes: 0,
        period: 0,
        due: 0,
        armed: 0,
        status_code: 0,
        status_message: Text::EMPTY,
        spoiled: false,
    };

    /// Writes it as a field of the batch.
    fn write(&self, to: &mut Writer<'_>) {
        let start = to.begin(batch::ROOTS);
        to.number(root::CONTEXT, u64::from(self.context));
        to.string(root::PLUGIN, self.plugin.get());
        to.string(root::ROOT_ID, self.root_id.get());
        to.string(root::VM_ID, self.vm_id.get());
        to.fixed(root::CONFIGURATION_HASH, self.configuration_hash);
        to.number(root::SINCE_MICROS, self.since);
        to.number(root::ENDED, u64::from(self.ended));
        to.number(root::TICK_PERIOD_MILLIS, u64::from(self.period));
        to.number(root::STREAMS, self.streams);
        to.number(root::STREAMS_RECORDED, self.recorded);
        to.number(root::STREAMS_REFUSED, self.refused);
        to.end(start);
    }
}

/// All of them.
pub struct Roots {
    /// Context of each place; apart from the places, so that looking for one is cheap.
    contexts: [u32; ROOTS],
    places: [Root; ROOTS],
    /// One has found no place.
    refused: bool,
}

impl Roots {
    pub const EMPTY: Roots =
        Roots { contexts: [0; ROOTS], places: [const { Root::EMPTY }; ROOTS], refused: false };

    #[inline(never)] // it is looked for in twenty places
    fn find(&self, context: u32) -> Option<usize> {
        if context == 0 {
            return None;
        }
        self.contexts.iter().position(|known| *known == context)
    }

    /// Is it a root context, also one that has ended?
    pub fn knows(&self, context: u32) -> bool {
        self.find(context).is_some()
    }

    /// A root context, also one that has ended.
    pub fn get(&mut self, context: u32) -> Option<&mut Root> {
        let at = self.find(context)?;
        self.places.get_mut(at)
    }

    /// The same to look at.
    pub fn look(&self, context: u32) -> Option<&Root> {
        self.places.get(self.find(context)?)
    }

    /// Adds a root that was seen without its beginning; one that has ended stays ended. One that found no
    /// place stays without: the timer that it has is its own, and is not to be taken over.
    pub fn meet(&mut self, context: u32, now: u64) {
        if !self.refused && !self.knows(context) {
            self.create(context, now);
        }
    }

    /// Adds a root, or leaves it as it is if known and alive: starting is idempotent. A place of the
    /// root that ended first is used again; without one the root is not watched.
    pub fn create(&mut self, context: u32, now: u64) {
        if self.look(context).is_some_and(|root| !root.ended) {
            return;
        }
        let free = |r: &Root| r.context == context || r.context == 0;
        let at = self.places.iter().position(free).or_else(|| self.ended_first());
        self.refused |= at.is_none();
        let Some(at) = at else { return };
        if let (Some(known), Some(place)) = (self.contexts.get_mut(at), self.places.get_mut(at)) {
            *known = context;
            *place = Root { context, since: now, ..Root::EMPTY };
        }
    }

    fn ended_first(&self) -> Option<usize> {
        let ended = self.places.iter().enumerate().filter(|(_, r)| r.ended);
        ended.min_by_key(|(_, r)| r.since).map(|(at, _)| at)
    }

    /// Is there one that has not ended, other than `except`?
    pub fn any_alive_except(&self, except: u32) -> bool {
        self.places.iter().any(|r| r.context != 0 && r.context != except && !r.ended)
    }

    /// The only root that has not ended, 0 if there are several or one that is not watched.
    pub fn only_one(&self) -> u32 {
        let mut alive = self.places.iter().filter(|r| r.context != 0 && !r.ended);
        match (alive.next(), alive.next()) {
            (Some(only), None) if !self.refused => only.context,
            _ => 0,
        }
    }

    /// Does a root other than `except` tick?
    pub fn any_ticks_except(&self, except: u32) -> bool {
        self.places.iter().any(|r| r.context != except && !r.ended && r.armed != 0)
    }

    /// A period of shipping begins.
    pub fn forget_log_bytes(&mut self) {
        for root in &mut self.places {
            root.log_bytes = 0;
        }
    }

    /// Writes all of them.
    pub fn write(&self, to: &mut Writer<'_>) {
        for root in self.places.iter().filter(|r| r.context != 0) {
            root.write(to);
        }
    }
}
