//! Which closed timelines tell something of others of their request: kept for a while, since those of one
//! request come from several VMs, each in its own time.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use timeline::Instant;
use timeline::ids::{Micros, TimelineId};
use timeline::request::{Request, concerns_others};
use timeline::timeline::{State, Timeline, Unreached, Update};

use crate::store::united;

/// How long one waits for the others of its request.
const WAIT: Micros = Micros(60_000_000);
/// Requests waited for at once; beyond it the oldest are let go.
const MOST_REQUESTS: usize = 4096;
/// Timelines of one request id: clients choose ids, and may choose the same one always.
const MOST_OF_ONE: usize = 8;

/// Those that wait.
#[derive(Default)]
pub(super) struct Chains {
    waiting: HashMap<String, Vec<Arc<Timeline>>>,
    /// Request ids in the order in which they came, with the time.
    order: VecDeque<(Micros, String)>,
}

impl Chains {
    /// A closed timeline may change what is said of others of its request, and they what is said of it.
    pub fn tell(&mut self, update: &mut Update, now: Micros) -> Vec<Update> {
        if update.state == State::Open {
            return Vec::new();
        }
        let mut others = Vec::new();
        for told in self.closed(&update.snapshot, now) {
            match told.id == update.id {
                true => *update = Update::of(told),
                false => others.push(Update::of(told)),
            }
        }
        others
    }

    /// A timeline is closed. Those that say something else since it is known, which may be itself.
    fn closed(&mut self, timeline: &Arc<Timeline>, now: Micros) -> Vec<Arc<Timeline>> {
        self.forget(now);
        let id = &timeline.stream.request_id;
        if id.is_empty() || !concerns_others(timeline) {
            return Vec::new();
        }
        if !self.waiting.contains_key(id) {
            self.order.push_back((now, id.clone()));
        }
        let group = self.waiting.entry(id.clone()).or_default();
        let unreached = replace(group, timeline);
        // It comes without what was told of it before.
        let mut news = Vec::new();
        for request in Request::all(group.clone()) {
            for of in &request.timelines {
                let before = if of.id == timeline.id { &unreached } else { &of.unreached };
                let behind = united(request.unreached_behind(of), before);
                if behind != of.unreached {
                    let is_it = of.id == timeline.id;
                    let mut told = Timeline { unreached: behind, ..(**of).clone() };
                    // The one that has just come is not shown yet.
                    told.revision += u32::from(!is_it);
                    told.assess(Instant::at(told.known_until));
                    news.push(Arc::new(told));
                }
            }
        }
        for told in &news {
            replace(group, told);
        }
        news
    }

    fn forget(&mut self, now: Micros) {
        while let Some((came, id)) = self.order.front()
            && (now.since(*came) > WAIT || self.order.len() > MOST_REQUESTS)
        {
            self.waiting.remove(id);
            self.order.pop_front();
        }
    }
}

/// Puts a timeline in the place of its earlier revision, and answers what that one was told.
fn replace(group: &mut Vec<Arc<Timeline>>, timeline: &Arc<Timeline>) -> Vec<Unreached> {
    let at = |id: TimelineId| group.iter().position(|t| t.id == id);
    match at(timeline.id) {
        Some(at) => std::mem::replace(&mut group[at], timeline.clone()).unreached.clone(),
        None => {
            if group.len() == MOST_OF_ONE {
                group.remove(0);
            }
            group.push(timeline.clone());
            Vec::new()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use timeline::script;

    fn of(digit: u8, plugin: &str, lines: &str) -> Arc<Timeline> {
        let text = format!(
            "instance {digit:032x}
            root 1 plugin \"{plugin}\"
            node \"gateway\"
            module abi 0.2.1 host envoy callbacks {}
            clock wall 1700000000000000000 at 0.000000
            request \"r\" method \"GET\" path \"/\"
            {lines}",
            u64::MAX
        );
        Arc::new(script::parse(&text).expect("a script"))
    }

    fn denies() -> Arc<Timeline> {
        of(
            1,
            "denies",
            "0.001 #1 create 2 root 1
            0.002 #3 request_headers 2 n=3 -> pause
            0.002 #2   send_local_response status=403 -> ok
            0.003 #4 response_headers 2 n=3 -> continue
            0.004 #5 log 2
            0.0044 #6 delete 2",
        )
    }

    fn counts() -> Arc<Timeline> {
        of(2, "counts", "0.0041 #1 create 2 root 1\n0.0042 #2 log 2\n0.0043 #3 delete 2")
    }

    fn told(news: &[Arc<Timeline>]) -> Vec<(&str, Vec<&str>, u32)> {
        let codes = |t: &'_ Arc<Timeline>| -> Vec<String> {
            t.findings.iter().map(|f| f.code.clone()).collect()
        };
        assert!(news.iter().all(|t| codes(t) == ["filter-order-expectation"]), "{news:#?}");
        let behind = |t: &'_ Timeline| t.unreached.len();
        assert!(news.iter().all(|t| behind(t) == 1));
        news.iter()
            .map(|t| {
                let names = t.unreached.iter().map(|u| u.plugin.as_str()).collect();
                (t.root.plugin.as_str(), names, t.revision)
            })
            .collect()
    }

    #[test]
    fn whichever_comes_first_the_one_that_kept_the_request_is_told() {
        let mut chains = Chains::default();
        assert!(chains.closed(&denies(), Micros(0)).is_empty());
        let news = chains.closed(&counts(), Micros(1));
        assert_eq!(told(&news), [("denies", vec!["counts"], 1)]);

        let mut chains = Chains::default();
        assert!(chains.closed(&counts(), Micros(0)).is_empty());
        let news = chains.closed(&denies(), Micros(1));
        assert_eq!(told(&news), [("denies", vec!["counts"], 0)]);
    }

    #[test]
    fn a_late_event_takes_nothing_back() {
        let mut chains = Chains::default();
        chains.closed(&denies(), Micros(0));
        chains.closed(&counts(), Micros(1));
        let again = Arc::new(Timeline { revision: 2, ..(*denies()).clone() });
        let news = chains.closed(&again, Micros(2));
        assert_eq!(told(&news), [("denies", vec!["counts"], 2)]);
        assert!(chains.closed(&counts(), Micros(3)).is_empty(), "nothing new");
    }

    #[test]
    fn after_a_minute_nobody_is_waited_for() {
        let mut chains = Chains::default();
        chains.closed(&denies(), Micros(0));
        assert!(chains.closed(&counts(), WAIT.after(Micros(1))).is_empty());
    }
}
