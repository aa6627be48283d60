//! What a host is seen to do with number 1 from a headers phase (host-semantics §1.3).

use std::collections::BTreeMap;

use abi::{Dialect, HeadersStop, Kind, Phase};

use crate::event::Event;
use crate::hold::{hostcalls_on, resumes};
use crate::ids::{ContextId, Micros};

/// So many streams must get their body only after a resume before StopAll counts as seen.
const ENOUGH: u32 = 3;
/// A host that kept a body back hands it on in the same turn in which it resumes. What comes later may be
/// a slow client's, whose body comes late on any host.
const AT_ONCE: Micros = Micros(1_000);

/// The dialects of a VM, one for each root: Envoy's allow_on_headers_stop_iteration stands in the
/// configuration of a plugin, so the plugins of a VM may differ, and so may one before and after a push.
#[derive(Debug)]
pub struct Calibrations {
    tables: Dialect,
    seen: BTreeMap<ContextId, Calibration>,
}

impl Calibrations {
    /// Nothing known.
    pub fn new() -> Calibrations {
        Calibrations { tables: Dialect::from_tables(None, None), seen: BTreeMap::new() }
    }

    /// Other tables: what was seen stays.
    pub fn tables(&mut self, dialect: Dialect) {
        self.tables = dialect;
    }

    /// Of a root, from the tables until something was seen of it.
    pub fn of(&self, root: ContextId) -> Dialect {
        let seen = self.seen.get(&root).and_then(|calibration| calibration.headers_stop);
        seen.map_or(self.tables, |headers_stop| self.tables.calibrate(headers_stop))
    }

    /// Of a root, to be told what one of its streams does.
    pub fn root(&mut self, root: ContextId) -> &mut Calibration {
        self.seen.entry(root).or_default()
    }

    /// Of what is no longer a root.
    pub fn forget(&mut self, root: ContextId) {
        self.seen.remove(&root);
    }
}

/// What was seen of one root.
#[derive(Debug, Default)]
pub struct Calibration {
    headers_stop: Option<HeadersStop>,
    after_resume: u32,
}

/// What one direction of one stream shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Watch {
    /// Nothing.
    #[default]
    Idle,
    /// Headers returned 1; nothing since.
    Held,
    /// Headers returned 1, then a resume at this time.
    Resumed(Micros),
    /// It has shown what it can.
    Done,
}

impl Calibration {
    /// Looks at one invocation of a stream. Does it show what was not known?
    pub fn see(
        &mut self,
        watch: &mut [Watch; 2],
        context: ContextId,
        invocation: &Event,
        hostcalls: &[Event],
    ) -> bool {
        let known = self.headers_stop;
        let phase = match invocation.kind {
            Kind::Callback(callback) if invocation.context == context => callback.phase(),
            _ => None,
        };
        if let Some(phase) = phase {
            let one = &mut watch[phase.direction() as usize];
            match (phase, *one) {
                (Phase::RequestHeaders | Phase::ResponseHeaders, _) => {
                    *one = if invocation.result == 1 { Watch::Held } else { Watch::Done };
                }
                (Phase::RequestBody | Phase::ResponseBody, Watch::Held) => {
                    self.headers_stop = Some(HeadersStop::Iteration);
                    *one = Watch::Done;
                }
                (Phase::RequestBody | Phase::ResponseBody, Watch::Resumed(at)) => {
                    let is_at_once = invocation.at.since(at) <= AT_ONCE;
                    self.after_resume += u32::from(is_at_once);
                    if self.after_resume >= ENOUGH && self.headers_stop.is_none() {
                        self.headers_stop = Some(HeadersStop::All);
                    }
                    *one = Watch::Done;
                }
                _ => {}
            }
        }
        decided(watch, context, hostcalls);
        self.headers_stop != known
    }
}

/// Looks at the hostcalls of one invocation, whosever it is, that the host applied to a stream: a tick, or the
/// response callback of another stream's call, may resume it too.
pub fn decided(watch: &mut [Watch; 2], context: ContextId, hostcalls: &[Event]) {
    for event in hostcalls_on(context, hostcalls) {
        if let Some(direction) = resumes(event) {
            let one = &mut watch[direction as usize];
            if *one == Watch::Held {
                *one = Watch::Resumed(event.at);
            }
        } else if event.kind == Kind::Hostcall(abi::Hostcall::SendLocalResponse) {
            *watch = [Watch::Done; 2];
        }
    }
}

/// Events are missing: a resume may be among them, so a body that comes now shows nothing.
pub fn lost(watch: &mut [Watch; 2]) {
    for one in watch.iter_mut().filter(|one| **one == Watch::Held) {
        *one = Watch::Done;
    }
}
