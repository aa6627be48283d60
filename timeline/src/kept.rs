//! A timeline that is kept while it is open: few bytes of its own, and no word of what follows from them.
//!
//! A hundred thousand may be open at once, and nearly all of them only wait. Their events are kept as the
//! store has them; calls and verdicts are worked out again when somebody asks, or when something comes.

use std::borrow::Cow;
use std::sync::Arc;

use crate::codec;
use crate::delivery::{Module, Root, StreamInfo};
use crate::diagnose::Instant;
use crate::ids::{ContextId, InstanceId};
use crate::timeline::{State, Timeline};

/// A timeline in the form in which it is kept.
#[derive(Clone, Debug)]
pub enum Kept {
    /// As it is.
    Whole(Arc<Timeline>),
    /// In few bytes.
    Folded(Arc<Folded>),
}

impl Kept {
    /// What is awaited further is folded; what is closed is on its way to the store.
    pub fn of(timeline: &Arc<Timeline>) -> Kept {
        match timeline.state {
            State::Open => Kept::Folded(Arc::new(Folded::of(timeline))),
            State::Closed(_) => Kept::Whole(timeline.clone()),
        }
    }

    /// All of it, assessed as it was.
    pub fn whole(&self) -> Arc<Timeline> {
        match self {
            Kept::Whole(timeline) => timeline.clone(),
            Kept::Folded(folded) => Arc::new(folded.unfold()),
        }
    }

    /// The VM.
    pub fn instance(&self) -> InstanceId {
        match self {
            Kept::Whole(timeline) => timeline.instance,
            Kept::Folded(folded) => folded.instance,
        }
    }

    /// The plugin.
    pub fn root(&self) -> &Arc<Root> {
        match self {
            Kept::Whole(timeline) => &timeline.root,
            Kept::Folded(folded) => &folded.root,
        }
    }

    /// What names the stream, and what the host said of it at its end.
    pub fn stream(&self) -> Cow<'_, StreamInfo> {
        match self {
            Kept::Whole(timeline) => Cow::Borrowed(&timeline.stream),
            Kept::Folded(folded) => Cow::Owned(codec::stream(&folded.own).unwrap_or_default()),
        }
    }

    /// Its events and what is around them; calls and verdicts only where they are at hand.
    pub(crate) fn read(&self) -> Cow<'_, Timeline> {
        match self {
            Kept::Whole(timeline) => Cow::Borrowed(timeline),
            Kept::Folded(folded) => Cow::Owned(folded.read()),
        }
    }

    /// Unfolded, if it is not; then it has to be assessed.
    pub(crate) fn unfold(&mut self) -> &mut Arc<Timeline> {
        match *self {
            Kept::Whole(ref mut timeline) => timeline,
            Kept::Folded(ref folded) => {
                let timeline = Arc::new(folded.read());
                *self = Kept::Whole(timeline);
                self.unfold()
            }
        }
    }

    /// To be changed, and then to be assessed.
    pub(crate) fn open(&mut self) -> &mut Timeline {
        Arc::make_mut(self.unfold())
    }

    pub(crate) fn context(&self) -> ContextId {
        match self {
            Kept::Whole(timeline) => timeline.context,
            Kept::Folded(folded) => folded.context,
        }
    }

    /// Is it a root's?
    pub(crate) fn is_root(&self) -> bool {
        self.context() == self.root().context
    }

    pub(crate) fn generation(&self) -> u32 {
        match self {
            Kept::Whole(timeline) => timeline.generation,
            Kept::Folded(folded) => folded.generation,
        }
    }

    pub(crate) fn state(&self) -> State {
        match self {
            Kept::Whole(timeline) => timeline.state,
            Kept::Folded(folded) => folded.state,
        }
    }

    /// Is something of its instance missing that may have been its own?
    pub(crate) fn has_gaps(&self) -> bool {
        match self {
            Kept::Whole(timeline) => !timeline.gaps.is_empty(),
            Kept::Folded(folded) => folded.has_gaps,
        }
    }

    /// The root that its stream is said to be of: once judged, that of its plugin.
    pub(crate) fn root_id(&self) -> ContextId {
        match self {
            Kept::Whole(timeline) => timeline.stream.root,
            Kept::Folded(folded) => folded.root.context,
        }
    }
}

/// A timeline in few bytes. What its instance's others have too is shared with them.
#[derive(Clone, Debug)]
pub struct Folded {
    instance: InstanceId,
    context: ContextId,
    generation: u32,
    revision: u32,
    state: State,
    root: Arc<Root>,
    module: Arc<Module>,
    node: Arc<str>,
    /// Asked of all at once after each late delivery, and so without reading one.
    has_gaps: bool,
    /// The rest.
    own: Box<[u8]>,
}

impl Folded {
    /// Folds a timeline.
    pub fn of(timeline: &Timeline) -> Folded {
        Folded {
            instance: timeline.instance,
            context: timeline.context,
            generation: timeline.generation,
            revision: timeline.revision,
            state: timeline.state,
            root: timeline.root.clone(),
            module: timeline.module.clone(),
            node: timeline.node.clone(),
            has_gaps: !timeline.gaps.is_empty(),
            own: codec::own(timeline),
        }
    }

    /// The same timeline, assessed as of when it was folded.
    pub fn unfold(&self) -> Timeline {
        let mut timeline = self.read();
        timeline.assess(Instant::at(timeline.known_until));
        timeline
    }

    /// Without calls and verdicts.
    fn read(&self) -> Timeline {
        let (root, module, node) = (self.root.clone(), self.module.clone(), self.node.clone());
        let (context, generation) = (self.context, self.generation);
        let mut timeline = Timeline::within(self.instance, context, generation, root, module, node);
        timeline.revision = self.revision;
        timeline.state = self.state;
        let read = codec::read_own(&self.own, &mut timeline);
        debug_assert!(read.is_some(), "its own bytes do not read back");
        timeline
    }
}
