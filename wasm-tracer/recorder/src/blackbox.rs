//! What still leaves when a plugin traps, when its process exits, when its root ends.

use abi::Callback;
use proto::fields::{batch, open};

use crate::Recorder;
use crate::host::Host;
use crate::invoke::FRAMES;
use crate::ship::Frame as BatchFrame;
use crate::wire::Writer;

impl Recorder {
    /// Before `unreachable` in plugin code: everything leaves now, with the open invocations named. A
    /// trap takes the VM's memory with it, but a call made just before still goes out. At most once,
    /// until the entry returns after all.
    pub fn trap(&mut self, host: &mut impl Host) {
        if self.trapped {
            return;
        }
        self.trapped = true;
        self.finish_output(host);
        if !self.may_dispatch_in_a_phase() {
            return;
        }
        let now = self.clock(host);
        // Whoever waits in this VM waits in vain from here on.
        self.promote_held(0, host);
        if let Some(keeper) = self.top().map(|frame| frame.keeper) {
            self.promoted(keeper, host);
        }
        self.name_before_trap(host);
        let from = self.calling_root();
        self.flush(from, now, BatchFrame { black_box: true, ..BatchFrame::default() }, host);
    }

    /// A dispatch that fails inline in a phase can spin a Higress worker for ever (higress#4034), so none is
    /// made there while the last one failed so; and none while recording is off, when nobody looks.
    fn may_dispatch_in_a_phase(&self) -> bool {
        self.settings.enabled && !self.shipping.failed_inline
    }

    /// A stream is named when its headers phase returns, or at its end: one that traps there has neither,
    /// and would be the only one without a name.
    fn name_before_trap(&mut self, host: &mut impl Host) {
        let known_until = self.known_until();
        let frame = self.top().copied();
        if let Some(frame) = frame.filter(|f| f.kind == Callback::RequestHeaders.number()) {
            self.name(&frame, false, known_until, host);
        }
    }

    /// Before `proc_exit`: a host may return from it, so it is no proof of an end. At most once per VM:
    /// a plugin may exit in each request, and would have us dispatch from each (higress#4034 is a loop of
    /// phases that dispatch). Nothing is lost by it: where the VM lives on, its ticks ship; and an exit
    /// that does end it is followed by `unreachable` in every language's runtime, so by the black box.
    pub fn exiting(&mut self, host: &mut impl Host) {
        if self.exited {
            return;
        }
        self.exited = true;
        if !self.may_dispatch_in_a_phase() {
            return;
        }
        let now = self.clock(host);
        let from = self.calling_root();
        self.flush(from, now, BatchFrame::default(), host);
    }

    /// A root's on_done: one best effort, if no tick follows. `ends`: it answered true; else the root lives
    /// on until the plugin calls `proxy_done`, and there is more to come.
    pub(crate) fn root_is_done(&mut self, context: u32, ends: bool, host: &mut impl Host) {
        // Another root's tick ships it, surely; a call made here is cancelled with this root.
        if self.roots.any_ticks_except(context) {
            return;
        }
        let now = self.now;
        let last = ends && !self.roots.any_alive_except(context);
        self.flush(context, now, BatchFrame { last, quiet: true, ..BatchFrame::default() }, host);
    }

    /// The root that a dispatch made now is of.
    fn calling_root(&mut self) -> u32 {
        let effective = self.top().map_or(0, |frame| frame.effective);
        self.root_of(effective)
    }

    /// Writes the open invocations as fields of the batch.
    pub(crate) fn write_open(&self, to: &mut Writer<'_>) {
        let depth = (self.depth as usize).min(FRAMES);
        for (at, frame) in self.frames.iter().take(depth).enumerate() {
            let start = to.begin(batch::OPEN);
            to.number(open::ENTRY, frame.entry);
            to.number(open::KIND, u64::from(frame.kind));
            to.number(open::CONTEXT, u64::from(frame.context));
            to.number(open::CALL, u64::from(frame.call));
            to.number(open::SINCE_MICROS, frame.at);
            to.number(open::ROOT, u64::from(frame.root));
            to.words(open::ARGS, &frame.args);
            if at + 1 == depth {
                to.bytes(open::LAST_LOG, self.output.last.get());
            }
            to.end(start);
        }
    }
}
