//! The world of the model: one VM with a recorder, a wire, a collector with a journal.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use abi::Callback;
use collector::Limits;
use collector::decode::decode;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::TestCaseError;
use timeline::calls::Outcome;
use timeline::ids::{Micros, TimelineId};
use timeline::instance::Instance;
use timeline::timeline::Timeline;

use crate::support::{ROOT, Vm};

/// The collector's clock runs ahead of the VM's by this.
const SKEW: u64 = 77_000_000;

/// Wide enough for anything that a recorder ships.
const LIMITS: Limits = Limits {
    body_bytes: 1 << 20,
    in_flight_bytes: 32 << 20,
    batch_age: Duration::from_secs(24 * 3600),
    string_bytes: 4096,
    items: 1 << 16,
    open_timelines: 200_000,
};

/// One thing that happens.
#[derive(Clone, Debug)]
pub enum Step {
    /// A request whose body phase dispatches a call and stops; 0: without a timeout.
    Request { timeout_seconds: u32 },
    /// The host delivers the response callback of a call that is out.
    CallAnswered(Index),
    /// A stream ends (log, done, delete).
    StreamEnds(Index),
    /// Milliseconds pass; timers fire.
    Pass(u64),
    /// The oldest batch in flight arrives and is answered; with a 2xx it is kept.
    CollectorAnswers(u32),
    /// The oldest batch in flight never arrives, and nothing is answered.
    BatchLostUnanswered,
    /// The oldest batch in flight arrives and is kept, and the answer is lost.
    AnswerLost,
    /// A proxy answers 200 to the oldest batch and throws it away.
    BatchThrownAway,
    /// The oldest batch in flight is answered by nobody for now and arrives later.
    BatchDelayed,
    /// One of the delayed batches arrives.
    DelayedBatchArrives(Index),
    /// A batch that had arrived before arrives once more.
    BatchArrivesAgain(Index),
    /// The collector loses its memory and reads its journal again.
    CollectorCrashes,
    /// The host's wall clock jumps by seconds.
    WallClockSteps(i64),
    /// The plugin logs so much that the buffer may overflow.
    Chatter { lines: u32 },
}

/// A call of the plugin, as it really was.
struct Truth {
    context: u32,
    call: u32,
    answered_at: Option<u64>,
    stream_ended: bool,
    /// The stream ended while the call was out.
    left_out: bool,
}

pub struct World {
    vm: Vm,
    calls: Vec<Truth>,
    next_context: u32,
    journal: Vec<Vec<u8>>,
    delayed: Vec<Vec<u8>>,
    instance: Option<Instance>,
    timelines: BTreeMap<TimelineId, Arc<Timeline>>,
    /// Numbers of the events that have come, whenever.
    arrived: BTreeSet<u64>,
    /// Every stream is recorded.
    all_sampled: bool,
}

impl World {
    pub fn start() -> World {
        World::sampling("1")
    }

    /// A world in which this share of the streams is recorded.
    pub fn sampling(rate: &str) -> World {
        World {
            vm: Vm::start_with(&[], &format!("WASM_TRACER_RATE={rate}")),
            all_sampled: rate == "1",
            calls: Vec::new(),
            next_context: ROOT + 1,
            journal: Vec::new(),
            delayed: Vec::new(),
            instance: None,
            timelines: BTreeMap::new(),
            arrived: BTreeSet::new(),
        }
    }

    pub fn take(&mut self, step: &Step) {
        match step {
            Step::Request { timeout_seconds } => self.request(*timeout_seconds),
            Step::CallAnswered(which) => self.answer_call(which),
            Step::StreamEnds(which) => self.end_stream(which),
            Step::Pass(millis) => self.pass(*millis),
            Step::CollectorAnswers(status) => self.collector_answers(*status),
            Step::BatchLostUnanswered => drop(self.oldest_in_flight()),
            Step::AnswerLost => {
                if let Some((_, bytes)) = self.oldest_in_flight() {
                    self.accept(bytes);
                }
            }
            Step::BatchThrownAway => {
                if let Some((call, _)) = self.oldest_in_flight() {
                    self.vm.answer(call, 200);
                }
            }
            Step::BatchDelayed => {
                if let Some((_, bytes)) = self.oldest_in_flight() {
                    self.delayed.push(bytes);
                }
            }
            Step::DelayedBatchArrives(which) => {
                if !self.delayed.is_empty() {
                    let bytes = self.delayed.swap_remove(which.index(self.delayed.len()));
                    self.accept(bytes);
                }
            }
            Step::BatchArrivesAgain(which) => {
                if !self.journal.is_empty() {
                    let bytes = self.journal[which.index(self.journal.len())].clone();
                    self.hand_over(&bytes);
                }
            }
            Step::CollectorCrashes => self.crash(),
            Step::WallClockSteps(seconds) => self.vm.host.step_wall_seconds(*seconds),
            Step::Chatter { lines } => self.chatter(*lines),
        }
    }

    fn request(&mut self, timeout_seconds: u32) {
        let context = self.next_context;
        // The host numbers the plugin's calls and the recorder's shipments from one row.
        let call = self.vm.host.next_call;
        self.next_context += 1;
        self.vm.call(Callback::ContextCreate, context, [ROOT, 0, 0, 0], 0);
        self.vm.call(Callback::RequestHeaders, context, [9, 0, 0, 0], 0);
        self.vm.call_doing(Callback::RequestBody, context, [14, 1, 0, 0], 1, |vm| {
            vm.http_call("auth", call, timeout_seconds * 1_000);
        });
        self.calls.push(Truth {
            context,
            call,
            answered_at: None,
            stream_ended: false,
            left_out: false,
        });
    }

    fn answer_call(&mut self, which: &Index) {
        let open: Vec<usize> =
            (0..self.calls.len()).filter(|i| self.calls[*i].answered_at.is_none()).collect();
        if open.is_empty() {
            return;
        }
        let truth = &mut self.calls[open[which.index(open.len())]];
        truth.answered_at = Some(self.vm.host.micros());
        let call = truth.call;
        self.vm.call(Callback::HttpCallResponse, ROOT, [call, 3, 2, 0], 0);
    }

    fn end_stream(&mut self, which: &Index) {
        let open: Vec<usize> =
            (0..self.calls.len()).filter(|i| !self.calls[*i].stream_ended).collect();
        if open.is_empty() {
            return;
        }
        let truth = &mut self.calls[open[which.index(open.len())]];
        truth.stream_ended = true;
        truth.left_out = truth.answered_at.is_none();
        let context = truth.context;
        self.vm.end(context);
    }

    fn pass(&mut self, millis: u64) {
        self.vm.pass_millis(millis);
        let arrived = self.collector_now();
        let updates = self.instance.as_mut().map(|i| i.advance(arrived)).unwrap_or_default();
        self.timelines.extend(updates.into_iter().map(|u| (u.id, u.snapshot)));
    }

    fn collector_answers(&mut self, status: u32) {
        if let Some((call, bytes)) = self.oldest_in_flight() {
            if status == 200 {
                self.accept(bytes);
            }
            self.vm.answer(call, status);
        }
    }

    fn chatter(&mut self, lines: u32) {
        self.vm.call_doing(Callback::QueueReady, ROOT, [1, 0, 0, 0], 0, |vm| {
            for _ in 0..lines {
                vm.log(4, &"x".repeat(250));
            }
        });
    }

    /// Takes the oldest batch off the wire.
    fn oldest_in_flight(&mut self) -> Option<(u32, Vec<u8>)> {
        if self.vm.host.in_flight.is_empty() {
            return None;
        }
        let call = self.vm.host.in_flight.remove(0);
        let sent = self.vm.host.sent.iter().find(|s| s.call == call)?;
        Some((call, sent.raw.clone()))
    }

    fn accept(&mut self, bytes: Vec<u8>) {
        self.hand_over(&bytes);
        self.journal.push(bytes);
    }

    fn hand_over(&mut self, bytes: &[u8]) {
        let decoded = decode(bytes, &LIMITS, 0).expect("what a recorder ships is a batch");
        let arrived = self.collector_now();
        let id = decoded.delivery.instance;
        self.arrived.extend(decoded.delivery.events.iter().map(|e| e.sequence.0));
        let instance = self.instance.get_or_insert_with(|| Instance::new(id));
        let updates = instance.deliver(decoded.delivery, arrived);
        self.timelines.extend(updates.into_iter().map(|u| (u.id, u.snapshot)));
    }

    fn crash(&mut self) {
        self.instance = None;
        self.timelines.clear();
        for bytes in self.journal.clone() {
            self.hand_over(&bytes);
        }
    }

    fn collector_now(&self) -> Micros {
        Micros(self.vm.host.micros() + SKEW)
    }

    /// Everything arrives that still can.
    pub fn settle(&mut self) {
        for _ in 0..200 {
            self.pass(500);
            while !self.vm.host.in_flight.is_empty() {
                self.collector_answers(200);
            }
        }
    }

    /// Claims of absence: a call past its deadline that is said to be unanswered, with nothing lost.
    fn claims(&self) -> impl Iterator<Item = (&Timeline, u32)> {
        self.timelines.values().map(|timeline| &**timeline).flat_map(|timeline| {
            timeline.calls.iter().filter_map(move |call| {
                let deadline = call.dispatched_at.after(call.timeout?).after(Micros::SECOND);
                let claimed = matches!(call.outcome, Outcome::Pending)
                    && timeline.gaps.is_empty()
                    && timeline.known_until > deadline;
                claimed.then_some((timeline, call.id.0))
            })
        })
    }

    pub fn absences_claimed(&self) -> usize {
        self.claims().count()
    }

    /// No claim of absence contradicts what really happened.
    pub fn check(&self) -> Result<(), TestCaseError> {
        for (timeline, call) in self.claims() {
            let answered = self.calls.iter().find(|t| t.call == call).and_then(|t| t.answered_at);
            if let Some(at) = answered {
                prop_assert!(
                    at > timeline.known_until.0,
                    "call {call} was answered at {at} and is said to be unanswered until {}",
                    timeline.known_until
                );
            }
        }
        for timeline in self.timelines.values() {
            self.check_findings(timeline)?;
        }
        Ok(())
    }

    /// A finding about a call that was answered never says that no answer came.
    fn check_findings(&self, timeline: &Timeline) -> Result<(), TestCaseError> {
        for finding in &timeline.findings {
            for window in finding.evidence.windows.iter().filter(|w| w.complete) {
                let from = timeline.event(window.from).map(|e| e.at.0).unwrap_or_default();
                let until =
                    window.to.and_then(|s| timeline.event(s)).map_or(window.known_until, |e| e.at);
                let none_of_responses =
                    window.none_of.contains(&abi::Kind::Callback(Callback::HttpCallResponse));
                let answered = self.calls.iter().filter(|t| t.context == timeline.context.0);
                for at in answered.filter_map(|t| t.answered_at) {
                    prop_assert!(
                        !(none_of_responses && at > from && at < until.0),
                        "{} claims no response between {from} and {until}, one came at {at}",
                        finding.code
                    );
                }
            }
        }
        Ok(())
    }

    /// When all has arrived, what the recorder kept is there: every call is either known or in a gap.
    pub fn check_settled(&self) -> Result<(), TestCaseError> {
        let Some(instance) = &self.instance else { return Ok(()) };
        for gap in instance.status().gaps {
            let filled = (gap.from.0..=gap.to.0).find(|number| self.arrived.contains(number));
            prop_assert!(filled.is_none(), "event {filled:?} arrived, and {gap:?} did not heal");
        }
        if !instance.status().gaps.is_empty() {
            return Ok(());
        }
        // A buffer that is nearly full takes no stream in, and counts it.
        let batches = self.vm.batches();
        let is_refused = batches.iter().flat_map(|b| &b.roots).any(|root| root.streams_refused > 0);
        if !self.all_sampled && is_refused {
            return Ok(());
        }
        for truth in &self.calls {
            // Of a stream that was not sampled all is there once a call was out at its end.
            if !self.all_sampled && !truth.left_out {
                continue;
            }
            let timeline = self.timelines.values().find(|t| t.context.0 == truth.context);
            let call = timeline.and_then(|t| t.calls.iter().find(|c| c.id.0 == truth.call));
            prop_assert!(call.is_some(), "call {} left no trace and no gap", truth.call);
            let answered = call.is_some_and(|c| c.outcome.answer().is_some());
            prop_assert_eq!(answered, truth.answered_at.is_some(), "call {}", truth.call);
        }
        Ok(())
    }
}
