//! A request: the timelines of all plugins that it passed, in chain order, and in whose hands it is.

mod unreached;

use std::sync::Arc;

use abi::{Callback, Direction, Kind};

use crate::diagnose::Instant;
use crate::event::Event;
use crate::finding::Finding;
use crate::hold::Halves;
use crate::ids::Sequence;
use crate::story::Story;
use crate::timeline::Timeline;

pub use unreached::concerns_others;

/// One pass of a request through the plugins of one node.
#[derive(Clone, Debug)]
pub struct Request {
    /// Its timelines in the order in which the plugins had it. Never empty.
    pub timelines: Vec<Arc<Timeline>>,
}

/// In whose hands a request that was not answered is, or was when it ended.
#[derive(Clone, Copy, Debug)]
pub struct Whereabouts<'a> {
    /// What is on its way.
    pub direction: Direction,
    /// The plugin that had it last.
    pub last: &'a Timeline,
    /// The event in `last` that stopped it or let it go.
    pub event: Sequence,
    /// Does `last` hold it? Else it let it go.
    pub is_held: bool,
    /// The headers had gone on before.
    pub headers_gone: bool,
    /// The plugin that should have got it next and never did, where one is known.
    pub next: Option<&'a Timeline>,
    /// The stream has ended.
    pub is_over: bool,
}

impl Request {
    /// Groups timelines of one request id to requests, latest first. Ids repeat (clients choose them,
    /// redirects and shadows copy them), so one request is what overlaps in time on the same node.
    pub fn all(mut timelines: Vec<Arc<Timeline>>) -> Vec<Request> {
        timelines.sort_by_cached_key(|t| (t.node.clone(), life(t)));
        let mut groups: Vec<(u64, Request)> = Vec::new();
        for timeline in timelines {
            let (begin, end) = life(&timeline);
            match groups.last_mut() {
                Some((last, group)) if group.node() == &*timeline.node && begin <= *last => {
                    *last = end.max(*last);
                    group.timelines.push(timeline);
                }
                _ => groups.push((end, Request { timelines: vec![timeline] })),
            }
        }
        groups
            .sort_by_key(|(_, group)| std::cmp::Reverse(group.timelines.first().map(|t| life(t))));
        groups.into_iter().map(|(_, group)| group).collect()
    }

    /// Node that it passed; empty if not readable.
    pub fn node(&self) -> &str {
        self.timelines.first().map_or("", |timeline| &timeline.node)
    }

    /// What is found that takes more than one of its timelines to see.
    pub fn findings(&self) -> impl Iterator<Item = (&Timeline, &Finding)> {
        let all = self.timelines.iter().flat_map(|t| t.findings.iter().map(move |f| (&**t, f)));
        all.filter(|(_, finding)| !finding.timelines.is_empty())
    }

    /// In whose hands it is; None once the first plugin let the response go, or where a plugin answered
    /// it itself.
    ///
    /// A plugin is entered first by the phase that brings it the request headers, so the timeline of one
    /// that never got them begins only with the stream's end (Envoy `Context::log`).
    pub fn whereabouts(&self) -> Option<Whereabouts<'_>> {
        let passes: Vec<Pass<'_>> = self.timelines.iter().map(|t| Pass::of(t)).collect();
        if passes.iter().any(|pass| pass.halves.replied.is_some()) {
            return None;
        }
        let is_over = passes.iter().any(|pass| pass.is_over);
        // The response goes through the chain backwards.
        if let Some(first) = passes.iter().position(|pass| pass.got(Direction::Response)) {
            let (before, pass) = (passes.get(..first)?, passes.get(first)?);
            let next = before.iter().rev().find(|pass| pass.got(Direction::Request));
            let is_stuck = next.is_some() || pass.halves.response.held_by.is_some();
            return pass.whereabouts(Direction::Response, next, is_over).filter(|_| is_stuck);
        }
        // What comes after the headers is kept by the first that stops it, however far these got.
        let holds = |pass: &&Pass<'_>| pass.halves.request.held_by.is_some();
        if let Some(holder) = passes.iter().find(holds) {
            return holder.whereabouts(Direction::Request, None, is_over);
        }
        let last = passes.iter().rposition(|pass| pass.got(Direction::Request))?;
        passes.get(last)?.whereabouts(Direction::Request, passes.get(last + 1), is_over)
    }
}

impl Whereabouts<'_> {
    /// It as a sentence.
    pub fn sentence(&self) -> String {
        let what = self.direction.name();
        let last = &self.last.root.plugin;
        let event = self.event;
        let when = if self.is_over { " when the stream ended" } else { "" };
        let has = if self.is_over { "had" } else { "has" };
        if self.is_held {
            let is = if self.is_over { "was" } else { "is" };
            let gone = if self.headers_gone { "; its headers had gone on before" } else { "" };
            return format!("The {what} {is} held by {last} (#{event}){when}{gone}.");
        }
        let passed = format!("{last} let the {what} go (#{event})");
        match self.next.map(|next| &next.root.plugin) {
            Some(next) => {
                format!(
                    "{passed} and {next} never got it: what stands between them {has} it{when}."
                )
            }
            None => format!(
                "{passed} and no recorded plugin behind it got it: what stands behind {last}, the upstream included, {has} it{when}."
            ),
        }
    }

    /// The same in Chinese.
    pub fn sentence_zh(&self) -> String {
        let what = match self.direction {
            Direction::Request => "请求",
            Direction::Response => "响应",
        };
        let last = &self.last.root.plugin;
        let event = self.event;
        let when = if self.is_over { "流结束时" } else { "现在" };
        if self.is_held {
            let gone =
                if self.headers_gone { "；它的头部在此之前已经放行" } else { "" };
            return format!("{when}{what}被 {last} 扣住（#{event}）{gone}。");
        }
        let passed = format!("{last} 放行了{what}（#{event}）");
        match self.next.map(|next| &next.root.plugin) {
            Some(next) => {
                format!("{passed}，而 {next} 从未得到它：{when}它在两者之间的环节手里。")
            }
            None => format!(
                "{passed}，而在它后面没有任何已记录的插件得到它：{when}它在 {last} 后面的环节手里，包括上游。"
            ),
        }
    }
}

/// One plugin's part in a request.
struct Pass<'a> {
    timeline: &'a Timeline,
    /// What it held last, before the stream ended.
    halves: Halves,
    is_over: bool,
}

impl<'a> Pass<'a> {
    fn of(timeline: &'a Timeline) -> Pass<'a> {
        let story = Story::of(timeline, Instant::at(timeline.known_until));
        let end = story.ended();
        let halves = story.state_before(end).unwrap_or_default();
        Pass { timeline, halves, is_over: end.is_some() }
    }

    /// It had what is on its way last, and `next` should have got it.
    fn whereabouts(
        &self,
        direction: Direction,
        next: Option<&Pass<'a>>,
        is_over: bool,
    ) -> Option<Whereabouts<'a>> {
        let half = self.halves.of(direction);
        Some(Whereabouts {
            direction,
            last: self.timeline,
            event: half.held_by.or(half.forwarded_by)?,
            is_held: half.held_by.is_some(),
            headers_gone: half.held_by.is_some() && half.forwarded_by.is_some(),
            next: next.map(|pass| pass.timeline),
            is_over,
        })
    }

    fn got(&self, direction: Direction) -> bool {
        let headers = match direction {
            Direction::Request => Callback::RequestHeaders,
            Direction::Response => Callback::ResponseHeaders,
        };
        own_events(self.timeline).any(|e| e.kind == Kind::Callback(headers))
    }
}

fn own_events(timeline: &Timeline) -> impl Iterator<Item = &Event> {
    timeline.events.iter().filter(|e| e.context == timeline.context)
}

/// First and last moment of the stream's own events, in nanoseconds since 1970: a late response
/// callback does not make a request longer.
fn life(timeline: &Timeline) -> (u64, u64) {
    let begin = own_events(timeline).map(|e| e.at).min().unwrap_or_else(|| timeline.started());
    let end = own_events(timeline).map(|e| e.at.after(e.took)).max().unwrap_or(begin);
    let wall = |at| timeline.wall_nanos(at).unwrap_or_default();
    (wall(begin), wall(end))
}
