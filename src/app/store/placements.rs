//! Builds that wait for a node of a cluster, in the slot that they have here.

use rusqlite::params;

use crate::app::domain::ids::BuildId;
use crate::app::store::builds::BuildRow;
use crate::app::store::store::{Result, Store};

/// The builds that had a slot of an earlier run of the server and are queued, while neither they nor their source is in
/// the queue, oldest first: they waited for a node, or for a fetch that was under way.
pub fn unplaced(store: &Store) -> Result<Vec<BuildRow>> {
    let sql = format!(
        "{} WHERE b.id IN (SELECT id FROM builds INDEXED BY builds_begun \
            WHERE state = 'queued' AND started_at NOT NULL) \
         AND b.waits_for IS NULL \
         AND NOT EXISTS (SELECT 1 FROM queue q WHERE q.kind = 1 AND q.id = b.id) \
         AND (c.source NOT NULL \
            OR NOT EXISTS (SELECT 1 FROM queue q WHERE q.kind = 0 AND q.id = c.id)) ORDER BY b.id",
        BuildRow::SELECT
    );
    store.rows(&sql, [], BuildRow::read)
}

/// Notes that a build which waited for its node has it.
pub fn set_started_at(store: &mut Store, build: BuildId, at: i64) -> Result<()> {
    store.execute(
        "UPDATE builds SET started_at = ?2 WHERE id = ?1",
        params![build, at],
    )?;
    Ok(())
}
