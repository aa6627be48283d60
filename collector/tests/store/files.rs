//! The folder: one process at a time, and nothing overwritten that is not ours.

use collector::store::StoreError;
use collector::store::sqlite::Sqlite;

use crate::place::{Place, lost, name_of};
use collector::store::Query;

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
