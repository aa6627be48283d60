//! Events of a VM that are not delivered yet, numbered, with what is missing between them.

use timeline::delivery::Lost;
use timeline::event::Event;
use timeline::ids::{ContextId, Micros, Sequence};

/// Events in one delivery at most.
const MOST: usize = 512;

/// What goes into one delivery.
#[derive(Debug, PartialEq, Eq)]
pub struct Run {
    /// Number of the first event; without events the next number.
    pub first: Sequence,
    /// Events, numbered without a hole.
    pub events: Vec<Event>,
    /// What is missing since the last delivery.
    pub lost: Vec<Lost>,
    /// Up to here the events are complete when those before have come.
    pub known_until: Micros,
    /// No other follows now.
    pub is_last: bool,
}

/// Events in their order.
#[derive(Debug, Default)]
pub struct Queue {
    /// The last number that was given.
    last: u64,
    events: Vec<Event>,
    lost: Vec<Lost>,
}

impl Queue {
    /// Takes the next event, and gives it its number.
    pub fn push(&mut self, mut event: Event) {
        self.last += 1;
        event.sequence = Sequence(self.last);
        self.events.push(event);
    }

    /// Something of these contexts is missing here; none: of any.
    pub fn lack(&mut self, reason: &str, contexts: &[ContextId]) {
        if let Some(lost) = self.lost.last_mut()
            && lost.to.0 == self.last
        {
            // Nothing came between: it is one hole.
            match contexts {
                [] => lost.contexts.clear(),
                _ if lost.contexts.is_empty() => {}
                contexts => lost.contexts.extend_from_slice(contexts),
            }
            return;
        }
        self.last += 1;
        self.lost.push(Lost {
            from: Sequence(self.last),
            to: Sequence(self.last),
            reason: reason.to_owned(),
            contexts: contexts.to_vec(),
        });
    }

    /// What came since this was last asked, never nothing.
    pub fn take(&mut self, known_until: Micros) -> Vec<Run> {
        let mut lost = std::mem::take(&mut self.lost).into_iter().peekable();
        let mut runs: Vec<Run> = Vec::new();
        for event in std::mem::take(&mut self.events) {
            let number = event.sequence;
            let goes_on = |run: &Run| {
                run.events.len() < MOST && run.first.0 + run.events.len() as u64 == number.0
            };
            match runs.last_mut().filter(|run| goes_on(run)) {
                Some(run) => run.events.push(event),
                None => runs.push(Run {
                    first: number,
                    events: vec![event],
                    lost: std::iter::from_fn(|| lost.next_if(|lost| lost.to < number)).collect(),
                    known_until,
                    is_last: false,
                }),
            }
        }
        let lost: Vec<Lost> = lost.collect();
        match runs.last_mut().filter(|_| lost.is_empty()) {
            Some(run) => run.is_last = true,
            None => runs.push(Run {
                first: Sequence(self.last + 1),
                events: Vec::new(),
                lost,
                known_until,
                is_last: true,
            }),
        }
        // What follows is not known before it has come.
        let mut until = known_until;
        for run in runs.iter_mut().rev() {
            run.known_until = until;
            let begun = run.events.iter().map(|event| Micros(event.at.0.saturating_sub(1))).min();
            until = until.min(begun.unwrap_or(until));
        }
        runs
    }
}
