//! A disk without room for timelines, or that does not sync them: it is said, and nothing is lost.

mod support;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use collector::store::sqlite::Sqlite;
use collector::store::{
    Appended, BatchId, Cursor, Kept, Page, Query, Raw, Resume, Row, Size, Store, StoreError,
};
use support::{Collector, Recorder, bytes};
use timeline::ids::{InstanceId, TimelineId};
use timeline::timeline::Timeline;

/// A store whose slices have no room while `full`, and are not synced while `failing`.
struct Filling {
    inner: Sqlite,
    full: Arc<AtomicBool>,
    failing: Arc<AtomicBool>,
}

impl Store for Filling {
    fn append(&self, batches: &[Raw<'_>]) -> Result<Vec<Appended>, StoreError> {
        self.inner.append(batches)
    }

    fn forget(&self, batches: &[BatchId]) -> Result<(), StoreError> {
        if self.failing.load(Ordering::SeqCst) {
            let source = std::io::Error::other("it does not answer");
            return Err(StoreError::Unsettled { place: "/failing".to_owned(), source });
        }
        self.inner.forget(batches)
    }

    fn resume_points(&self) -> Result<Vec<(InstanceId, Resume)>, StoreError> {
        self.inner.resume_points()
    }

    fn replay(&self, each: &mut dyn FnMut(Kept)) -> Result<(), StoreError> {
        self.inner.replay(each)
    }

    fn set_aside(&self, batch: &Kept) -> Result<(), StoreError> {
        self.inner.set_aside(batch)
    }

    fn put(&self, rows: &[Row]) -> Result<(), StoreError> {
        if self.full.load(Ordering::SeqCst) {
            return Err(StoreError::Full { what: "slice", place: "/full".to_owned() });
        }
        self.inner.put(rows)
    }

    fn get(&self, id: TimelineId) -> Result<Option<Timeline>, StoreError> {
        self.inner.get(id)
    }

    fn list(&self, query: &Query, after: Option<Cursor>, limit: usize) -> Result<Page, StoreError> {
        self.inner.list(query, after, limit)
    }

    fn plugins(&self, most: usize) -> Result<BTreeSet<String>, StoreError> {
        self.inner.plugins(most)
    }

    fn tend(&self, wall_millis: i64) -> Result<(), StoreError> {
        self.inner.tend(wall_millis)
    }

    fn size(&self) -> Size {
        self.inner.size()
    }
}

fn on_disk(full: Arc<AtomicBool>, failing: Arc<AtomicBool>) -> Collector {
    Collector::on(|folder, retention| {
        let inner = Sqlite::open(folder, retention).expect("it opens");
        Arc::new(Filling { inner, full, failing })
    })
}

#[test]
fn full_slices_are_answered_503_until_there_is_room_and_lose_nothing() {
    let full = Arc::new(AtomicBool::new(true));
    let collector = on_disk(full.clone(), Arc::default());
    let mut recorder = Recorder::new(1);
    assert_eq!(collector.send(&bytes(&recorder.requests(3))).0, 200, "the journal has room");
    collector.until_status("/healthz", 503);
    let (_, wrong) = collector.get("/healthz", &[]);
    assert!(
        wrong.starts_with("the slice has no room left; free space on the disk of /full"),
        "{wrong}"
    );
    let next = bytes(&recorder.requests(2));
    assert_eq!(collector.send(&next), (503, wrong));
    assert_eq!(collector.get("/", &[]).0, 200);
    assert_eq!(collector.closed(3).len(), 3, "what is not stored yet is shown");
    full.store(false, Ordering::SeqCst);
    collector.until_status("/healthz", 200);
    assert_eq!(collector.send(&next).0, 200);
    assert_eq!(collector.closed(5).len(), 5);
}

#[test]
fn slices_that_are_not_synced_keep_their_batches_and_let_more_in() {
    let failing = Arc::new(AtomicBool::new(true));
    let collector = on_disk(Arc::default(), failing.clone());
    let mut recorder = Recorder::new(1);
    assert_eq!(collector.send(&bytes(&recorder.requests(3))).0, 200);
    collector.until_status("/healthz", 503);
    // The journal has room: what is wrong is not its own, and what it does well does not mend it.
    assert_eq!(collector.send(&bytes(&recorder.beginning())).0, 200);
    let (status, wrong) = collector.get("/healthz", &[]);
    let expected = "cannot sync /failing, so its batches stay in the journal; check its disk: \
                    it does not answer";
    assert_eq!((status, wrong.trim()), (503, expected));
    failing.store(false, Ordering::SeqCst);
    assert_eq!(collector.send(&bytes(&Recorder::new(2).requests(1))).0, 200);
    collector.until_status("/healthz", 200);
}
