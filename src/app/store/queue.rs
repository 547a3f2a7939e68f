//! The table `queue`: tasks that wait for a slot.
//!
//! Each statement finds its rows by an index, in order, so that a caller stops reading when it has enough.

use rusqlite::{Row, params};

use crate::app::domain::task::{Entry, Priority, Task};
use crate::app::store::columns::Columns;
use crate::app::store::store::{Result, Store};

/// A task that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// Its row id, which orders tasks by age.
    pub ticket: i64,
    pub entry: Entry,
    /// When it may start, in unix milliseconds; none if it may start now.
    pub not_before: Option<i64>,
}

const WAITING: &str = "SELECT ticket, kind, id, priority, tenant, popularity, \
    not_before FROM queue";

fn waiting_row(row: &Row) -> Result<Waiting> {
    let columns = Columns::of(row);
    let ticket = columns.get("ticket")?;
    let entry = Entry {
        task: columns.task()?,
        priority: columns.get("priority")?,
        tenant: columns.get("tenant")?,
        popularity: columns.get("popularity")?,
    };
    let not_before: i64 = columns.get("not_before")?;
    Ok(Waiting {
        ticket,
        entry,
        not_before: (not_before > 0).then_some(not_before),
    })
}

/// Adds a task; gives its ticket, or none if the task is waiting already.
pub fn insert(store: &mut Store, entry: &Entry, not_before: Option<i64>) -> Result<Option<i64>> {
    // FAIL: the transaction is lost after an error anyway, and to undo this statement alone SQLite would copy each page
    // that it and its trigger change.
    let sql = "INSERT OR FAIL INTO queue (kind, id, priority, tenant, popularity, not_before) \
        VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (kind, id) DO NOTHING";
    let Entry {
        task,
        priority,
        tenant,
        popularity,
    } = entry;
    let not_before = not_before.unwrap_or(0);
    let values = params![
        task.kind(),
        task.id(),
        priority,
        tenant,
        popularity,
        not_before
    ];
    let pushed = store.execute(sql, values)?;
    Ok((pushed == 1).then(|| store.db.last_insert_rowid()))
}

/// Removes the task with that ticket from the queue.
pub fn take(store: &mut Store, ticket: i64) -> Result<Task> {
    // Two statements cost less than one DELETE with RETURNING.
    let sql = "SELECT kind, id FROM queue WHERE ticket = ?1";
    let task = store.row(sql, [ticket], |row| Columns::of(row).task())?;
    store.execute("DELETE FROM queue WHERE ticket = ?1", [ticket])?;
    Ok(task)
}

pub fn by_task(store: &Store, task: Task) -> Result<Option<Waiting>> {
    let sql = format!("{WAITING} WHERE kind = ?1 AND id = ?2");
    store.optional_row(&sql, [task.kind(), task.id()], waiting_row)
}

/// The tasks of a tenant that may start at a priority, the best first.
pub fn of_tenant(
    store: &Store,
    priority: Priority,
    tenant: &str,
    skip: usize,
    limit: usize,
) -> Result<Vec<Waiting>> {
    let sql = format!(
        "{WAITING} WHERE priority = ?1 AND tenant = ?2 AND not_before = 0 \
         ORDER BY popularity DESC, ticket LIMIT -1 OFFSET ?3"
    );
    store.first_rows(&sql, params![priority, tenant, skip], limit, waiting_row)
}

/// How many tasks of each priority may start and how many must wait for a time. Triggers keep the count.
pub fn counts(store: &Store) -> Result<[(u64, u64); Priority::COUNT]> {
    let mut counts = [(0, 0); Priority::COUNT];
    let columns = |row: &Row| {
        Ok((
            row.get("priority")?,
            (row.get("ready")?, row.get("paused")?),
        ))
    };
    for (priority, tasks) in
        store.rows("SELECT priority, ready, paused FROM waiting", [], columns)?
    {
        let priority: Priority = priority;
        counts[priority as usize] = tasks;
    }
    Ok(counts)
}

/// When the oldest fetch or build that waits and that a client asked for was asked for.
pub fn oldest_request(store: &Store) -> Result<Option<i64>> {
    // `queue_of_clients` has these tasks alone.
    let sql = "SELECT CASE kind WHEN 0 THEN (SELECT created_at FROM checks WHERE id = queue.id) \
            ELSE (SELECT created_at FROM builds WHERE id = queue.id) END AS created_at \
        FROM queue WHERE priority = 0 AND kind < 2 ORDER BY ticket LIMIT 1";
    let created_at = store.optional_row(sql, [], |row| row.get("created_at"))?;
    Ok(created_at.flatten())
}

/// How many tasks of the same priority are before it by popularity and age; reads at most `cap` of them. SQLite
/// counts: reading the rows would cost more.
pub fn ahead_in_priority(store: &Store, of: &Waiting, cap: u64) -> Result<u64> {
    let Entry {
        priority,
        popularity,
        ..
    } = of.entry;
    let cap = i64::try_from(cap).unwrap_or(i64::MAX);
    let sql = "SELECT count(*) FROM \
        (SELECT 1 FROM queue WHERE priority = ?1 AND popularity > ?2 LIMIT ?3)";
    let above: i64 = store.value(sql, params![priority, popularity, cap])?;
    let sql = "SELECT count(*) FROM \
        (SELECT 1 FROM queue WHERE priority = ?1 AND popularity = ?2 AND ticket < ?3 LIMIT ?4)";
    let values = params![priority, popularity, of.ticket, cap - above];
    let older: i64 = store.value(sql, values)?;
    Ok((above + older) as u64)
}

// -- tasks that wait for a time --

/// When the first of them may start.
pub fn next_due(store: &Store) -> Result<Option<i64>> {
    let sql = "SELECT min(not_before) FROM queue WHERE not_before > 0";
    store.value(sql, [])
}

/// Those that may start at that time or earlier, in this order.
pub fn paused(store: &Store, until: i64, limit: usize) -> Result<Vec<Waiting>> {
    let sql =
        format!("{WAITING} WHERE not_before > 0 AND not_before <= ?1 ORDER BY not_before, ticket");
    store.first_rows(&sql, [until], limit, waiting_row)
}

/// Notes that the time of a task has come.
pub fn set_ready(store: &mut Store, ticket: i64) -> Result<()> {
    let sql = "UPDATE queue SET not_before = 0 WHERE ticket = ?1";
    store.execute(sql, [ticket])?;
    Ok(())
}
