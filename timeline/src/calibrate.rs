//! What a VM is seen to do with number 1 from a headers phase (host-semantics §1.3).

use abi::{Dialect, HeadersStop, Kind, Phase};

use crate::event::Event;
use crate::hold::{hostcalls_on, resumes};
use crate::ids::{ContextId, Micros};

/// So many streams must get their body only after a resume before StopAll counts as seen.
const ENOUGH: u32 = 3;
/// A host that kept a body back hands it on in the same turn in which it resumes. What comes later may be
/// a slow client's, whose body comes late on any host.
const AT_ONCE: Micros = Micros(1_000);

/// The dialect of a VM, as far as seen.
#[derive(Clone, Debug)]
pub struct Calibration {
    /// From the tables until something was seen.
    pub dialect: Dialect,
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
    /// Nothing seen yet.
    pub fn new(dialect: Dialect) -> Calibration {
        Calibration { dialect, after_resume: 0 }
    }

    /// Other tables: what was seen stays.
    pub fn tables(&mut self, dialect: Dialect) {
        if !self.dialect.calibrated {
            self.dialect = dialect;
        }
    }

    /// Looks at one invocation of a stream.
    pub fn see(
        &mut self,
        watch: &mut [Watch; 2],
        context: ContextId,
        invocation: &Event,
        hostcalls: &[Event],
    ) {
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
                    self.dialect = self.dialect.calibrate(HeadersStop::Iteration);
                    *one = Watch::Done;
                }
                (Phase::RequestBody | Phase::ResponseBody, Watch::Resumed(at)) => {
                    let is_at_once = invocation.at.since(at) <= AT_ONCE;
                    self.after_resume += u32::from(is_at_once);
                    let seen_iteration = self.dialect.headers_stop == HeadersStop::Iteration;
                    if self.after_resume >= ENOUGH && !seen_iteration {
                        self.dialect = self.dialect.calibrate(HeadersStop::All);
                    }
                    *one = Watch::Done;
                }
                _ => {}
            }
        }
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
}
