//! Slices: begun by time and size, deleted by age and size.

use collector::store::Query;

use crate::place::{HOUR_MILLIS, Place, fill, fine, lost, now_millis};

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
