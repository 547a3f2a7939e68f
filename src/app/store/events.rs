//! What happened to builds, as events with a number that rises: the newest are kept.

use rusqlite::params;

use crate::app::domain::verdict::{Reason, State, TestStatus};
use crate::app::store::rows::{BuildEvent, BuildRow, event_row};
use crate::app::store::{Result, Store, Where};
use crate::config::limits::EVENTS_KEPT;

/// Old events are removed whenever so many new ones are there.
const SWEEP_EVENTS: u64 = 64;

impl Store {
    /// Writes down where that build is now; gives the event with its number.
    pub fn insert_event(&mut self, row: &BuildRow, at: i64) -> Result<BuildEvent> {
        let db = self.write()?;
        let sql = "INSERT INTO events (build_id, state, build_status, test_status, reason, at) \
            VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        let seq = db.prepare_cached(sql)?.insert(params![
            row.id,
            row.state.as_str(),
            row.build_status.as_str(),
            row.test_status.map(TestStatus::as_str),
            row.reason.map(Reason::as_str),
            at
        ])? as u64;
        if seq.is_multiple_of(SWEEP_EVENTS) {
            let oldest = seq.saturating_sub(EVENTS_KEPT as u64) as i64;
            db.prepare_cached("DELETE FROM events WHERE seq <= ?1")?
                .execute([oldest])?;
        }
        self.ended |= row.state.is_final();
        Ok(BuildEvent::of(row, seq, at))
    }

    /// The newest events, oldest first, and the number of the next.
    pub fn recent_events(&self) -> Result<(Vec<BuildEvent>, u64)> {
        let sql = format!(
            "SELECT e.seq, e.build_id, b.check_id, c.package, b.zig_version, e.state, \
             e.build_status, e.test_status, e.reason, e.at FROM events e \
             JOIN builds b ON b.id = e.build_id JOIN checks c ON c.id = b.check_id \
             WHERE e.seq > (SELECT coalesce(max(seq), 0) FROM events) - {EVENTS_KEPT} \
             ORDER BY e.seq"
        );
        let recent = self.rows(&sql, &Where::default(), event_row)?;
        // Also where all of them were removed, a number comes only once.
        let sql = "SELECT coalesce(max(seq), 0) + 1 FROM sqlite_sequence WHERE name = 'events'";
        let next: i64 = self.db.query_row(sql, [], |row| row.get(0))?;
        Ok((recent, next as u64))
    }

    /// Says where a build is; whether that is news.
    pub fn set_state(&mut self, build: i64, state: State, attempt: u32) -> Result<bool> {
        let sql = "UPDATE builds SET state = ?2, attempt = ?3 \
            WHERE id = ?1 AND (state <> ?2 OR attempt <> ?3)";
        let db = self.write()?;
        let changed = db
            .prepare_cached(sql)?
            .execute(params![build, state.as_str(), attempt])?;
        Ok(changed > 0)
    }
}
