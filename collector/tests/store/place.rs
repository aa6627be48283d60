//! A store in a folder of its own, and what is put into it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use collector::Retention;
use collector::store::sqlite::Sqlite;
use collector::store::{Appended, Query, Raw, Row, Store, StoreError};
use tempfile::TempDir;
use timeline::Instant;
use timeline::ids::{ContextId, InstanceId, Micros, Sequence, TimelineId};
use timeline::timeline::Timeline;
use timeline::{registry, script};

pub const HOUR: Duration = Duration::from_secs(3600);
pub const HOUR_MILLIS: i64 = 3_600_000;
pub const INSTANCE: InstanceId = InstanceId([7; 16]);
pub const LOST: &str = "headers-forwarded-before-body-call";

/// A store in a folder of its own.
pub struct Place {
    pub folder: TempDir,
    pub retention: Retention,
    pub store: Option<Sqlite>,
}

impl Place {
    pub fn new() -> Place {
        Place::with(|_| {})
    }

    pub fn with(change: impl FnOnce(&mut Retention)) -> Place {
        let mut retention = Retention {
            age: 24 * HOUR,
            bytes: 1 << 30,
            journal_bytes: 64 << 20,
            slice_bytes: 1 << 28,
            slice_age: HOUR,
            marks: 24 * HOUR,
        };
        change(&mut retention);
        let folder = TempDir::new().expect("a folder");
        let store = Some(Sqlite::open(folder.path(), retention).expect("it opens"));
        Place { folder, retention, store }
    }

    pub fn store(&self) -> &dyn Store {
        self.store.as_ref().expect("it is open")
    }

    pub fn reopen(&mut self) {
        self.store = None;
        self.store = Some(Sqlite::open(self.folder.path(), self.retention).expect("it opens"));
    }

    /// What a power cut would leave: the files as they are, opened elsewhere.
    pub fn after_a_crash(&self) -> Place {
        let folder = TempDir::new().expect("a folder");
        for file in self.files(|_| true) {
            let name = file.file_name().expect("a name");
            std::fs::copy(&file, folder.path().join(name)).expect("a copy");
        }
        let store = Some(Sqlite::open(folder.path(), self.retention).expect("it opens"));
        Place { folder, retention: self.retention, store }
    }

    pub fn files(&self, wanted: impl Fn(&str) -> bool) -> Vec<PathBuf> {
        let mut files: Vec<_> = std::fs::read_dir(self.folder.path())
            .expect("the folder")
            .map(|file| file.expect("a file").path())
            .filter(|path| wanted(&name_of(path)))
            .collect();
        files.sort();
        files
    }

    pub fn slices(&self) -> Vec<PathBuf> {
        self.files(|name| name.starts_with("slice-") && name.ends_with(".db"))
    }

    pub fn put(&self, timelines: &[Timeline]) {
        self.put_at(timelines, now_millis());
    }

    pub fn put_at(&self, timelines: &[Timeline], closed_millis: i64) {
        let row = |t: &Timeline| Row {
            timeline: Arc::new(t.clone()),
            started_nanos: closed_millis * 1_000_000 + i64::from(t.context.0),
            closed_millis,
            may_be_stored: true,
        };
        let rows: Vec<_> = timelines.iter().map(row).collect();
        self.store().put(&rows).expect("stored");
    }

    pub fn append(&self, batches: &[(u64, u64)]) -> Vec<Appended> {
        append(self.store(), batches).expect("kept")
    }

    /// Contexts of the timelines that match, latest first.
    pub fn listed(&self, query: &Query) -> Vec<u32> {
        let page = self.store().list(query, None, 1000).expect("a list");
        assert!(page.next.is_none());
        page.found.iter().map(|found| found.timeline.context.0).collect()
    }

    /// First numbers of the batches that a start would find.
    pub fn replayed(&self) -> Vec<String> {
        let mut found = Vec::new();
        let each = &mut |kept: collector::store::Kept| {
            found.push(String::from_utf8(kept.bytes).expect("text"));
        };
        self.store().replay(each).expect("a replay");
        found
    }
}

/// Batches given as first number and count; each one's bytes say which it is.
pub fn append(store: &dyn Store, batches: &[(u64, u64)]) -> Result<Vec<Appended>, StoreError> {
    let texts: Vec<_> = batches.iter().map(|(first, count)| format!("{first}+{count}")).collect();
    let raw = |((first, events), text): (&(u64, u64), &'static str)| Raw {
        instance: INSTANCE,
        first: Sequence(*first),
        events: *events,
        highest_context: ContextId(*first as u32),
        arrived: Micros(*first),
        wall_millis: now_millis(),
        bytes: text.as_bytes(),
    };
    let texts: Vec<&'static str> = texts.into_iter().map(|t| &*t.leak()).collect();
    let raws: Vec<_> = batches.iter().zip(texts).map(raw).collect();
    store.append(&raws)
}

pub fn name_of(path: &Path) -> String {
    path.file_name().expect("a name").to_string_lossy().into_owned()
}

pub fn now_millis() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
    i64::try_from(since.as_millis()).expect("a time")
}

/// A closed timeline with the finding of the original report.
pub fn lost(context: u32) -> Timeline {
    let example = registry::find(LOST).expect("a diagnosis").example;
    let mut timeline = script::parse(example).expect("a script");
    for event in timeline.events.iter_mut().filter(|event| event.context == timeline.context) {
        event.context = ContextId(context);
    }
    timeline.instance = INSTANCE;
    timeline.context = ContextId(context);
    timeline.id = TimelineId::of(INSTANCE, ContextId(context), 0);
    timeline.stream.request_id = format!("request-{context}");
    timeline.revision = 1;
    timeline.assess(Instant::at(timeline.known_until));
    timeline
}

/// One with nothing wrong: only its first events.
pub fn fine(context: u32) -> Timeline {
    beginning_of(&lost(context), 2)
}

pub fn beginning_of(timeline: &Timeline, events: usize) -> Timeline {
    let mut part = timeline.clone();
    part.events.truncate(events);
    part.assess(Instant::at(part.known_until));
    part
}

pub fn of_plugin(plugin: &str, mut timeline: Timeline) -> Timeline {
    let root = timeline::delivery::Root { plugin: plugin.to_owned(), ..(*timeline.root).clone() };
    timeline.root = Arc::new(root);
    timeline
}

/// Stores timelines of some 10 KiB each that do not compress, each put one transaction.
pub fn fill(place: &Place, at: i64, first: u32, count: u32) {
    let mut noise = 1u64;
    for context in first..first + count {
        let mut timeline = fine(context);
        let mut byte = || {
            noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (noise >> 33) as u8
        };
        timeline.events[0].text = (0..10_000).map(|_| byte()).collect();
        place.put_at(&[timeline], at);
    }
}
