//! Batches: durable once appended, handed out until let go, known by their numbers.

use collector::store::{Appended, BatchId, Query, Raw, StoreError};
use timeline::ids::{ContextId, Micros, Sequence};

use crate::place::{HOUR_MILLIS, INSTANCE, Place, lost, now_millis};

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
fn an_instance_goes_on_where_its_batches_were_let_go() {
    let mut place = Place::new();
    place.append(&[(1, 3), (4, 2), (6, 1), (9, 1)]);
    let resume = |place: &Place| {
        let points = place.store().resume_points().expect("points");
        assert_eq!((points.len(), points[0].0), (1, INSTANCE));
        (points[0].1.next.0, points[0].1.used_until.0)
    };
    assert_eq!(resume(&place), (1, 0), "nothing was let go");
    place.store().forget(&[BatchId(1), BatchId(2)]).expect("let go");
    assert_eq!(resume(&place), (6, 4));
    place.append(&[(10, 1)]);
    place.reopen();
    assert_eq!(resume(&place), (6, 4));
    place.store().forget(&[BatchId(3), BatchId(4), BatchId(5)]).expect("let go");
    assert_eq!(resume(&place), (7, 10), "numbers 7 and 8 have not come");
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
fn batches_stay_until_every_slice_of_their_timelines_was_synced() {
    let place = Place::new();
    place.append(&[(1, 3), (4, 2)]);
    place.put_at(&[lost(2)], now_millis());
    place.put_at(&[lost(3)], now_millis() + HOUR_MILLIS);
    let mut files = place.slices();
    files.extend(place.files(|name| name.starts_with("slice-") && name.ends_with(".db-wal")));
    assert_eq!(files.len(), 4, "{files:?}");
    for file in &files {
        let away = file.with_extension("away");
        std::fs::rename(file, &away).expect("renamed");
        // A name that leads to itself: it is there, and cannot be opened.
        std::os::unix::fs::symlink(file, file).expect("a link");
        for _ in 0..2 {
            let error = place.store().forget(&[BatchId(1)]).expect_err("it cannot be synced");
            assert!(matches!(error, StoreError::Unsettled { .. }), "{error}");
            assert_eq!(place.replayed(), ["1+3", "4+2"]);
        }
        std::fs::remove_file(file).expect("removed");
        std::fs::rename(&away, file).expect("renamed back");
    }
    place.store().forget(&[BatchId(1)]).expect("let go");
    assert_eq!(place.replayed(), ["4+2"]);
}

#[test]
fn a_full_journal_refuses_the_whole_group_and_takes_batches_again() {
    let place = Place::with(|r| r.journal_bytes = 1 << 20);
    let big = vec![b'x'; 100_000];
    let batch = |first: u64| Raw {
        instance: INSTANCE,
        first: Sequence(first),
        events: 1,
        highest_context: ContextId(2),
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
