//! What the plugins of a slice did, by its names: the callbacks they had and the calls they made. Who
//! searches for what none of them did need read no timeline of it.
//!
//! A name stays while the slice does: it may be that no timeline has it any longer.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use abi::Kind;
use rusqlite::{Connection, params};
use timeline::timeline::Timeline;

/// Writes what was done in timelines.
pub(super) fn put<'a>(
    db: &Connection,
    timelines: impl Iterator<Item = &'a Timeline>,
) -> rusqlite::Result<()> {
    let mut of_plugin: BTreeMap<&str, BTreeSet<Cow<'static, str>>> = BTreeMap::new();
    for timeline in timelines {
        let deeds = of_plugin.entry(&timeline.root.plugin).or_default();
        for event in &timeline.events {
            if let Kind::Callback(callback) = event.kind {
                deeds.insert(callback.row().name.into());
            }
        }
        deeds.extend(timeline.calls.iter().map(|call| call.name().into()));
    }
    let mut insert =
        db.prepare_cached("INSERT OR IGNORE INTO deeds(name, plugin) VALUES (?1, ?2)")?;
    for (plugin, deeds) in of_plugin {
        for deed in deeds {
            insert.execute([&*deed, plugin])?;
        }
    }
    Ok(())
}

/// Did a plugin do this, or, where none is named, any of them?
pub(super) fn has(db: &Connection, deed: &str, plugin: Option<&str>) -> rusqlite::Result<bool> {
    db.prepare_cached(
        "SELECT EXISTS(SELECT 1 FROM deeds WHERE name = ?1 AND plugin = ifnull(?2, plugin))",
    )?
    .query_row(params![deed, plugin], |row| row.get(0))
}
