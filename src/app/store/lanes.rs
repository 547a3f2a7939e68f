//! The table `lanes`: one lane for each priority and tenant with tasks that may start, in the order of service.

use rusqlite::params;

use crate::app::domain::task::Priority;
use crate::app::store::columns::row;
use crate::app::store::queue;
use crate::app::store::store::{Result, Store};

row! {
    /// The lane of a tenant at a priority, with the best of its tasks.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Lane from "lanes" {
        pub tenant: String,
        /// The round in which it is served next.
        pub round: i64,
        pub popularity: i64,
        pub ticket: i64,
    }
}

/// The lanes of a priority, in the order of service.
fn in_order() -> String {
    format!(
        "{} WHERE priority = ?1 ORDER BY round, popularity DESC, ticket",
        Lane::SELECT
    )
}

/// The first lane of a priority whose tenant may be served; reads no further.
pub fn first(
    store: &Store,
    priority: Priority,
    may_serve: impl Fn(&str) -> bool,
) -> Result<Option<Lane>> {
    let mut first = None;
    store.each_row(&in_order(), [priority], |row| {
        if may_serve(row.get_ref("tenant")?.as_str()?) {
            first = Some(Lane::read(row)?);
        }
        Ok(first.is_none())
    })?;
    Ok(first)
}

/// The lanes of a priority in order.
pub fn list(store: &Store, priority: Priority, limit: usize) -> Result<Vec<Lane>> {
    store.first_rows(&in_order(), [priority], limit, Lane::read)
}

/// Adds a task to the lane of its tenant. A lane that is there keeps its round and shows the better task.
pub fn add_task(store: &mut Store, priority: Priority, new: &Lane) -> Result<()> {
    let sql = "INSERT INTO lanes (priority, tenant, round, popularity, ticket) \
        VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (priority, tenant) DO UPDATE \
        SET popularity = excluded.popularity, ticket = excluded.ticket \
        WHERE excluded.popularity > popularity \
        OR (excluded.popularity = popularity AND excluded.ticket < ticket)";
    let Lane {
        tenant,
        round,
        popularity,
        ticket,
    } = new;
    store.execute(sql, params![priority, tenant, round, popularity, ticket])?;
    Ok(())
}

/// Shows the best task of a lane after one was taken from it, in round `next` if given. An empty lane is removed.
pub fn refresh(
    store: &mut Store,
    priority: Priority,
    tenant: &str,
    next: Option<i64>,
) -> Result<()> {
    let best = queue::of_tenant(store, priority, tenant, 0, 1)?;
    let Some(best) = best.first() else {
        let sql = "DELETE FROM lanes WHERE priority = ?1 AND tenant = ?2";
        store.execute(sql, params![priority, tenant])?;
        return Ok(());
    };
    let sql = "UPDATE lanes SET round = coalesce(?3, round), popularity = ?4, \
        ticket = ?5 WHERE priority = ?1 AND tenant = ?2";
    let popularity = best.entry.popularity;
    store.execute(
        sql,
        params![priority, tenant, next, popularity, best.ticket],
    )?;
    Ok(())
}
