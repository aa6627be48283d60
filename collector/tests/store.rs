//! What every store must do, whatever is behind the trait. Today there is one: SQLite.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use collector::Retention;
use collector::store::sqlite::Sqlite;
use collector::store::{Appended, BatchId, Cursor, Query, Raw, Row, Store, StoreError};
use tempfile::TempDir;
use timeline::Instant;
use timeline::finding::Severity;
use timeline::ids::{ContextId, InstanceId, Micros, Sequence, TimelineId};
use timeline::timeline::Timeline;
use timeline::{registry, script};

const HOUR: Duration = Duration::from_secs(3600);
const HOUR_MILLIS: i64 = 3_600_000;
const INSTANCE: InstanceId = InstanceId([7; 16]);
const LOST: &str = "headers-forwarded-before-body-call";

/// A store in a folder of its own.
struct Place {
    folder: TempDir,
    retention: Retention,
    store: Option<Sqlite>,
}

impl Place {
    fn new() -> Place {
        Place::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut Retention)) -> Place {
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

    fn store(&self) -> &dyn Store {
        self.store.as_ref().expect("it is open")
    }

    fn reopen(&mut self) {
        self.store = None;
        self.store = Some(Sqlite::open(self.folder.path(), self.retention).expect("it opens"));
    }

    /// What a power cut would leave: the files as they are, opened elsewhere.
    fn after_a_crash(&self) -> Place {
        let folder = TempDir::new().expect("a folder");
        for file in self.files(|_| true) {
            let name = file.file_name().expect("a name");
            std::fs::copy(&file, folder.path().join(name)).expect("a copy");
        }
        let store = Some(Sqlite::open(folder.path(), self.retention).expect("it opens"));
        Place { folder, retention: self.retention, store }
    }

    fn files(&self, wanted: impl Fn(&str) -> bool) -> Vec<PathBuf> {
        let mut files: Vec<_> = std::fs::read_dir(self.folder.path())
            .expect("the folder")
            .map(|file| file.expect("a file").path())
            .filter(|path| wanted(&name_of(path)))
            .collect();
        files.sort();
        files
    }

    fn slices(&self) -> Vec<PathBuf> {
        self.files(|name| name.starts_with("slice-") && name.ends_with(".db"))
    }

    fn put(&self, timelines: &[Timeline]) {
        self.put_at(timelines, now_millis());
    }

    fn put_at(&self, timelines: &[Timeline], closed_millis: i64) {
        let row = |t: &Timeline| Row {
            timeline: Arc::new(t.clone()),
            closed_millis,
            may_be_stored: true,
        };
        let rows: Vec<_> = timelines.iter().map(row).collect();
        self.store().put(&rows).expect("stored");
    }

    fn append(&self, batches: &[(u64, u64)]) -> Vec<Appended> {
        append(self.store(), batches).expect("kept")
    }

    /// Contexts of the timelines that match, latest first.
    fn listed(&self, query: &Query) -> Vec<u32> {
        let page = self.store().list(query, None, 1000).expect("a list");
        assert!(page.next.is_none());
        page.found.iter().map(|found| found.timeline.context.0).collect()
    }

    /// First numbers of the batches that a start would find.
    fn replayed(&self) -> Vec<String> {
        let mut found = Vec::new();
        let each = &mut |kept: collector::store::Kept| {
            found.push(String::from_utf8(kept.bytes).expect("text"));
        };
        self.store().replay(each).expect("a replay");
        found
    }
}

/// Batches given as first number and count; each one's bytes say which it is.
fn append(store: &dyn Store, batches: &[(u64, u64)]) -> Result<Vec<Appended>, StoreError> {
    let texts: Vec<_> = batches.iter().map(|(first, count)| format!("{first}+{count}")).collect();
    let raw = |((first, events), text): (&(u64, u64), &'static str)| Raw {
        instance: INSTANCE,
        first: Sequence(*first),
        events: *events,
        arrived: Micros(*first),
        wall_millis: now_millis(),
        bytes: text.as_bytes(),
    };
    let texts: Vec<&'static str> = texts.into_iter().map(|t| &*t.leak()).collect();
    let raws: Vec<_> = batches.iter().zip(texts).map(raw).collect();
    store.append(&raws)
}

fn name_of(path: &Path) -> String {
    path.file_name().expect("a name").to_string_lossy().into_owned()
}

fn now_millis() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
    i64::try_from(since.as_millis()).expect("a time")
}

/// A closed timeline with the finding of the original report.
fn lost(context: u32) -> Timeline {
    let example = registry::find(LOST).expect("a diagnosis").example();
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
fn fine(context: u32) -> Timeline {
    beginning_of(&lost(context), 2)
}

fn beginning_of(timeline: &Timeline, events: usize) -> Timeline {
    let mut part = timeline.clone();
    part.events.truncate(events);
    part.assess(Instant::at(part.known_until));
    part
}

fn of_plugin(plugin: &str, mut timeline: Timeline) -> Timeline {
    let root = timeline::delivery::Root { plugin: plugin.to_owned(), ..(*timeline.root).clone() };
    timeline.root = Arc::new(root);
    timeline
}

#[test]
fn what_is_stored_twice_is_there_once() {
    let mut place = Place::new();
    let timelines = [lost(2), fine(3)];
    place.put(&timelines);
    place.put(&timelines);
    assert_eq!(place.listed(&Query::default()), [3, 2]);
    for timeline in &timelines {
        assert_eq!(place.store().get(timeline.id).expect("readable").as_ref(), Some(timeline));
    }
    place.reopen();
    place.put(&timelines);
    assert_eq!(place.listed(&Query::default()), [3, 2]);
    assert_eq!(place.store().get(lost(9).id).expect("readable"), None);
}

#[test]
fn a_later_revision_replaces_and_an_earlier_one_undoes_nothing() {
    let place = Place::new();
    let whole = Timeline { revision: 2, ..lost(2) };
    let part = beginning_of(&lost(2), 3);
    place.put(std::slice::from_ref(&part));
    assert!(place.listed(&Query { found: true, ..Query::default() }).is_empty());
    place.put(std::slice::from_ref(&whole));
    place.put(std::slice::from_ref(&part));
    let stored = place.store().get(whole.id).expect("readable").expect("it is there");
    assert_eq!((stored.events.len(), stored.revision), (whole.events.len(), 2));
    assert_eq!(place.listed(&Query { found: true, ..Query::default() }), [2]);
}

#[test]
fn two_parts_of_a_timeline_become_one_in_the_slice_of_the_first() {
    let place = Place::new();
    let whole = lost(2);
    let begun = now_millis();
    place.put_at(&[beginning_of(&whole, 5)], begun);
    place.put_at(&[fine(3)], begun + HOUR_MILLIS);
    assert_eq!(place.slices().len(), 2);
    let mut rest = Timeline { revision: 1, ..whole.clone() };
    rest.events.drain(..3);
    place.put_at(&[rest], begun + HOUR_MILLIS);
    let stored = place.store().get(whole.id).expect("readable").expect("it is there");
    assert_eq!(stored.events, whole.events);
    assert_eq!(stored.findings, whole.findings);
    assert_eq!(place.listed(&Query::default()), [3, 2]);
}

#[test]
fn filters_choose_and_combine() {
    let place = Place::new();
    let begun = now_millis();
    place.put_at(&[of_plugin("auth", lost(2)), of_plugin("auth", fine(3))], begun);
    place.put_at(&[of_plugin("quota", lost(4)), of_plugin("quota", fine(5))], begun + 5000);
    let all = Query::default();
    let text = |text: &str| Some(text.to_owned());
    let cases = [
        (Query { plugin: text("auth"), ..all.clone() }, vec![3, 2]),
        (Query { plugin: text("aut"), ..all.clone() }, vec![]),
        (Query { finding: text(LOST), ..all.clone() }, vec![4, 2]),
        (Query { finding: text("headers-forwarded"), ..all.clone() }, vec![]),
        (Query { severity: Some(Severity::Lost), ..all.clone() }, vec![4, 2]),
        (Query { severity: Some(Severity::Hung), ..all.clone() }, vec![]),
        (Query { found: true, ..all.clone() }, vec![4, 2]),
        (Query { since_millis: Some(begun + 1), ..all.clone() }, vec![5, 4]),
        (Query { request_id: text("request-3"), ..all.clone() }, vec![3]),
        (Query { request_id: text(""), ..all.clone() }, vec![]),
        (Query { plugin: text("quota"), found: true, ..all.clone() }, vec![4]),
        (Query { plugin: text("auth"), since_millis: Some(begun + 1), ..all.clone() }, vec![]),
        (all, vec![5, 4, 3, 2]),
    ];
    for (query, expected) in cases {
        assert_eq!(place.listed(&query), expected, "{query:?}");
    }
}

#[test]
fn pages_follow_each_other_without_gap_or_repeat() {
    let place = Place::new();
    let begun = now_millis();
    for hour in 0..4 {
        let timelines: Vec<_> = (0..6u32)
            .map(|n| if n % 2 == 0 { lost(hour * 6 + n) } else { fine(hour * 6 + n) })
            .collect();
        place.put_at(&timelines, begun + i64::from(hour) * HOUR_MILLIS);
    }
    assert_eq!(place.slices().len(), 4);
    let found = Query { found: true, ..Query::default() };
    for (query, expected) in [
        (Query::default(), (0..24u32).rev().collect::<Vec<_>>()),
        (found, (0..24u32).rev().filter(|n| n % 2 == 0).collect()),
    ] {
        for limit in [1, 3, 5, 6, 24] {
            let (mut seen, mut pages, mut after) = (Vec::new(), 0, None);
            loop {
                let page = place.store().list(&query, after, limit).expect("a page");
                assert!(page.found.len() <= limit);
                seen.extend(page.found.iter().map(|found| found.timeline.context.0));
                pages += 1;
                // Cursors travel as text. What comes meanwhile is not on later pages.
                after = page.next.map(|next| {
                    next.to_string().parse::<Cursor>().expect("a cursor reads its own text")
                });
                if after.is_none() {
                    break;
                }
                place.put_at(&[fine(1000 + pages)], begun + 3 * HOUR_MILLIS);
            }
            seen.retain(|context| *context < 1000);
            assert_eq!(seen, expected, "{limit} a page");
            assert!(pages > 2 || limit > 10);
        }
    }
}

#[test]
fn a_new_slice_begins_when_the_time_or_the_size_of_one_is_over() {
    let place = Place::with(|r| r.slice_bytes = 200_000);
    let begun = now_millis();
    place.put_at(&[fine(2)], begun);
    place.put_at(&[fine(3)], begun + HOUR_MILLIS - 1);
    assert_eq!(place.slices().len(), 1);
    place.put_at(&[fine(4)], begun + HOUR_MILLIS);
    assert_eq!(place.slices().len(), 2);
    fill(&place, begun + HOUR_MILLIS, 5, 40);
    assert!(place.slices().len() > 2, "{:?}", place.slices());
    assert_eq!(place.listed(&Query::default()).len(), 43);
}

/// Stores timelines of some 10 KiB each that do not compress, each put one transaction.
fn fill(place: &Place, at: i64, first: u32, count: u32) {
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

#[test]
fn retention_by_age_deletes_whole_slices() {
    let place = Place::new();
    let now = now_millis();
    place.put_at(&[lost(2)], now);
    place.store().tend(now + 23 * HOUR_MILLIS).expect("tended");
    assert_eq!(place.listed(&Query::default()), [2]);
    place.store().tend(now + 25 * HOUR_MILLIS).expect("tended");
    assert!(place.slices().is_empty() && place.listed(&Query::default()).is_empty());
    place.put_at(&[fine(3)], now + 25 * HOUR_MILLIS);
    assert_eq!(place.listed(&Query::default()), [3]);
}

#[test]
fn retention_by_size_deletes_the_oldest_slices_and_frees_the_disk() {
    let place = Place::with(|r| {
        r.slice_bytes = 200_000;
        r.bytes = 1_000_000;
    });
    let now = now_millis();
    fill(&place, now, 2, 200);
    let before = place.store().size().slices;
    assert!(before > 1_500_000, "{before}");
    place.store().tend(now).expect("tended");
    let after = place.store().size().slices;
    assert!(after <= 1_000_000 && after > 500_000, "{after} of {before}");
    let on_disk: u64 = place
        .files(|name| name.starts_with("slice-"))
        .iter()
        .map(|file| std::fs::metadata(file).expect("a file").len())
        .sum();
    // Beside the slices: shared memory files of readers, 32 KiB each.
    assert!(on_disk <= after + 20 * 32_768, "{on_disk} on disk, {after} said");
    let kept = place.listed(&Query::default());
    assert!(kept.windows(2).all(|pair| pair[0] == pair[1] + 1), "the oldest go: {kept:?}");
    assert_eq!(kept.first(), Some(&201));
    let held = std::fs::read_dir("/proc/self/fd").expect("Linux's /proc").filter(|fd| {
        let target = fd.as_ref().ok().and_then(|fd| std::fs::read_link(fd.path()).ok());
        target.is_some_and(|path| {
            path.starts_with(place.folder.path()) && path.to_string_lossy().ends_with("(deleted)")
        })
    });
    assert_eq!(held.count(), 0, "a deleted slice is held open: its space is not free");
}

#[test]
fn batches_come_back_in_order_until_they_are_let_go() {
    let mut place = Place::new();
    let kept = place.append(&[(1, 3), (4, 2)]);
    assert_eq!(kept, [Appended::New(BatchId(1)), Appended::New(BatchId(2))]);
    place.append(&[(6, 1)]);
    assert_eq!(place.replayed(), ["1+3", "4+2", "6+1"]);
    place.store().forget(&[BatchId(1)]).expect("let go");
    place.reopen();
    assert_eq!(place.replayed(), ["4+2", "6+1"]);
    place.store().forget(&[BatchId(2), BatchId(3)]).expect("let go");
    assert!(place.replayed().is_empty());
}

#[test]
fn a_batch_seen_before_is_not_kept_again() {
    let mut place = Place::new();
    assert_eq!(place.append(&[(1, 3), (1, 3)])[1], Appended::Duplicate);
    place.append(&[(4, 3)]);
    assert_eq!(place.append(&[(2, 4)]), [Appended::Duplicate], "all its numbers were seen");
    assert!(matches!(place.append(&[(6, 2)])[..], [Appended::New(_)]), "number 7 is new");
    place.store().forget(&[BatchId(1), BatchId(2), BatchId(3)]).expect("let go");
    place.reopen();
    assert_eq!(place.append(&[(1, 3)]), [Appended::Duplicate], "also when it was let go");
    // An empty batch has no numbers to be known by.
    assert!(matches!(place.append(&[(8, 0), (8, 0)])[..], [Appended::New(_), Appended::New(_)]));
    let late = now_millis() + 25 * HOUR_MILLIS;
    place.store().tend(late).expect("tended");
    assert!(place.store().resume_points().expect("points").is_empty(), "numbers live a day");
}

#[test]
fn a_crash_loses_nothing_that_was_appended() {
    let place = Place::new();
    place.append(&[(1, 3), (4, 2)]);
    place.put(&[lost(2)]);
    let crashed = place.after_a_crash();
    assert_eq!(crashed.replayed(), ["1+3", "4+2"]);
    assert_eq!(crashed.listed(&Query::default()), [2]);
    assert_eq!(crashed.append(&[(1, 3)]), [Appended::Duplicate]);
    place.store().forget(&[BatchId(1)]).expect("let go");
    let crashed = place.after_a_crash();
    assert_eq!(crashed.replayed(), ["4+2"]);
    assert_eq!(crashed.listed(&Query::default()), [2], "its timelines were durable first");
}

#[test]
fn a_full_journal_refuses_the_whole_group_and_takes_batches_again() {
    let place = Place::with(|r| r.journal_bytes = 1 << 20);
    let big = vec![b'x'; 100_000];
    let batch = |first: u64| Raw {
        instance: INSTANCE,
        first: Sequence(first),
        events: 1,
        arrived: Micros(0),
        wall_millis: now_millis(),
        bytes: &big,
    };
    let mut kept = Vec::new();
    let full = (1..20).find_map(|first| {
        match place.store().append(&[batch(2 * first), batch(2 * first + 1)]) {
            Ok(appended) => {
                kept.extend(appended);
                None
            }
            Err(error) => Some((first, error)),
        }
    });
    let (first, error) = full.expect("full at last");
    assert!(matches!(error, StoreError::Full { what: "journal", .. }), "{error}");
    assert_eq!(place.replayed().len(), kept.len());
    let ids: Vec<_> = kept
        .iter()
        .filter_map(|appended| match appended {
            Appended::New(id) => Some(*id),
            Appended::Duplicate => None,
        })
        .collect();
    place.store().forget(&ids).expect("let go");
    let again = place.store().append(&[batch(2 * first)]).expect("there is room");
    assert!(matches!(again[..], [Appended::New(_)]), "a refused batch is not taken for seen");
}

#[test]
fn a_file_of_another_version_or_none_is_set_aside_and_not_overwritten() {
    let mut place = Place::new();
    place.append(&[(1, 3)]);
    place.put(&[lost(2)]);
    place.store = None;
    let slice = place.slices().remove(0);
    for file in [&slice, &place.folder.path().join("journal.db")] {
        let db = rusqlite::Connection::open(file).expect("a database");
        db.pragma_update(None, "user_version", 99).expect("another version");
    }
    let garbage = place.folder.path().join("slice-5.db");
    std::fs::write(&garbage, "this is no database, whatever its name says".repeat(100))
        .expect("written");
    place.reopen();
    assert!(place.listed(&Query::default()).is_empty() && place.replayed().is_empty());
    let aside = place.files(|name| name.contains(".db.aside-") && !name.contains("-wal"));
    let names: Vec<_> = aside.iter().map(|path| name_of(path)).collect();
    for kind in ["journal.db.aside-", "slice-5.db.aside-", &format!("{}.aside-", name_of(&slice))] {
        let file = names.iter().find(|name| name.starts_with(kind));
        let size = std::fs::metadata(place.folder.path().join(file.expect("set aside")));
        assert!(size.expect("a file").len() > 1000, "{kind}");
    }
    place.append(&[(1, 3)]);
    place.put(&[lost(2)]);
    assert_eq!(place.listed(&Query::default()), [2]);
}

#[test]
fn a_store_is_opened_once_and_again_when_it_was_closed() {
    let mut place = Place::new();
    let second = Sqlite::open(place.folder.path(), place.retention);
    assert!(matches!(second, Err(StoreError::Taken(_))));
    drop(second);
    place.reopen();
}
