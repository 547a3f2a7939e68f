//! The table `events`: what happened to builds and by them, each with a number that rises. Only the newest are kept.

use rusqlite::params;

use crate::app::domain::ids::{BuildId, CheckId};
use crate::app::domain::transition::Transition;
use crate::app::domain::verdict::{BuildStatus, Reason, State, TestStatus};
use crate::app::store::builds::BuildRow;
use crate::app::store::columns::row;
use crate::app::store::store::{Result, Store};
use crate::config::limits::EVENTS_KEPT;

/// Old events are deleted once for so many new ones.
const DELETE_EVERY: u64 = 64;

row! {
    /// A build has come to a state, or its verdict changes what is known of its package.
    #[derive(Debug, Clone, PartialEq)]
    pub struct BuildEvent from "events e JOIN builds b ON b.id = e.build_id JOIN checks c ON c.id = b.check_id \
            LEFT JOIN packages p ON p.id = c.package_id AND p.removal IS NULL" {
        /// Rises from one event to the next.
        pub seq: u64 = "e.seq",
        pub build: BuildId = "e.build_id",
        pub check: CheckId = "b.check_id",
        pub package: String = "coalesce(p.name, c.package)",
        /// It is a build of an upload: of no package.
        pub uploaded: bool = "c.package_id IS NULL AND c.url IS NULL",
        pub zig_version: String = "b.zig_version",
        pub state: State = "e.state",
        pub build_status: BuildStatus = "e.build_status",
        pub test_status: Option<TestStatus> = "e.test_status",
        pub reason: Option<Reason> = "e.reason",
        pub at: i64 = "e.at",
        /// What its verdict changes; none where it came to that state.
        pub transition: Option<Transition> = "e.transition",
    }
}

impl BuildEvent {
    /// The event of that number for the state of a build as it is now.
    pub fn of(row: &BuildRow, seq: u64, at: i64) -> BuildEvent {
        BuildEvent {
            seq,
            build: row.id,
            check: row.check,
            package: row.package.clone(),
            uploaded: row.uploaded,
            zig_version: row.zig_version.clone(),
            state: row.state,
            build_status: row.build_status,
            test_status: row.test_status,
            reason: row.reason,
            at,
            transition: None,
        }
    }
}

const EVENT: &str = BuildEvent::SELECT;

/// Adds an event for a build as it is now, or for what its verdict changes; gives the event with its number.
pub fn insert(
    store: &mut Store,
    row: &BuildRow,
    transition: Option<Transition>,
    at: i64,
) -> Result<BuildEvent> {
    let sql = "INSERT INTO events (build_id, state, build_status, test_status, reason, at, transition) \
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    let BuildRow {
        id,
        state,
        build_status,
        test_status,
        reason,
        ..
    } = row;
    let values = params![id, state, build_status, test_status, reason, at, transition];
    let seq = store.insert(sql, values)? as u64;
    if seq.is_multiple_of(DELETE_EVERY) {
        let oldest = seq.saturating_sub(EVENTS_KEPT as u64);
        store.execute("DELETE FROM events WHERE seq <= ?1", [oldest])?;
    }
    Ok(BuildEvent {
        transition,
        ..BuildEvent::of(row, seq, at)
    })
}

/// The newest events, oldest first, and the number of the next one.
pub fn recent(store: &Store) -> Result<(Vec<BuildEvent>, u64)> {
    let sql = format!(
        "{EVENT} WHERE e.seq > (SELECT coalesce(max(seq), 0) FROM events) - {EVENTS_KEPT} \
         ORDER BY e.seq"
    );
    let recent = store.rows(&sql, [], BuildEvent::read)?;
    // AUTOINCREMENT keeps this number: it is never given twice, even if all events are deleted.
    let sql = "SELECT coalesce(max(seq), 0) + 1 FROM sqlite_sequence WHERE name = 'events'";
    Ok((recent, store.value(sql, [])?))
}
