//! The table `durations`: moving averages of how long builds took, from which starts are estimated.

use rusqlite::params;

use crate::app::domain::ids::{BuildId, CheckId};
use crate::app::store::columns::row;
use crate::app::store::limits::DURATIONS_AVERAGED;
use crate::app::store::store::{Result, Store};

/// The number of the next update.
const NEXT: &str = "(SELECT coalesce(max(update_seq), 0) + 1 FROM durations)";

/// The key of the average that a check counts for. Uploads of a name have a key that no package can have: no name has
/// a colon in it. The check of a package that was removed counts for no name: another package may have it now.
const OF_CHECK: &str = "CASE WHEN c.url IS NULL AND c.package_id IS NULL THEN 'upload:' || c.package \
    WHEN p.removal IS NULL THEN p.name END";

/// The key of the averages of a package or, if `uploaded`, of the uploads of a name.
pub fn key(name: &str, uploaded: bool) -> String {
    match uploaded {
        true => format!("upload:{name}"),
        false => name.to_string(),
    }
}

/// The statement that adds a duration to its average, unless it is for no name. `values` selects package, version,
/// milliseconds, a 1, and the number of the update; it ends in a condition.
fn average(package: &str, values: &str) -> String {
    format!(
        "INSERT INTO durations (package, zig_version, duration_ms, builds, update_seq) \
         SELECT {package}, {values} AND {package} NOT NULL \
         ON CONFLICT (package, zig_version) DO UPDATE SET builds = builds + 1, \
         update_seq = excluded.update_seq, duration_ms = \
         duration_ms + (excluded.duration_ms - duration_ms) / min(builds + 1, {DURATIONS_AVERAGED})"
    )
}

/// Adds how long a build took. An error does not count, nor does a build that never ran: neither says anything
/// about the next build.
pub(super) fn add_build(store: &mut Store, build: BuildId) -> Result<()> {
    for package in [OF_CHECK, "''"] {
        let values = format!(
            "b.zig_version, max(b.finished_at - b.started_at, 0), 1, {NEXT} \
             FROM builds b JOIN checks c ON c.id = b.check_id \
             LEFT JOIN packages p ON p.id = c.package_id WHERE b.id = ?1 \
             AND b.started_at NOT NULL AND b.build_status IN ('success', 'failed')"
        );
        let sql = average(package, &values);
        store.execute(&sql, [build])?;
    }
    Ok(())
}

/// Adds how long it took to fetch the source of a check.
pub fn add_fetch(store: &mut Store, check: CheckId, duration_ms: i64) -> Result<()> {
    for package in [OF_CHECK, "''"] {
        let values = format!(
            "'', max(?2, 0), 1, {NEXT} FROM checks c \
             LEFT JOIN packages p ON p.id = c.package_id WHERE c.id = ?1"
        );
        let sql = average(package, &values);
        store.execute(&sql, params![check, duration_ms])?;
    }
    Ok(())
}

/// The averages of a key in milliseconds, by version. The empty key stands for all packages, the empty
/// version for fetching the source.
pub fn of_package(store: &Store, package: &str) -> Result<Vec<(String, u64)>> {
    let sql = "SELECT zig_version, duration_ms FROM durations WHERE package = ?1";
    store.rows(sql, [package], |row| {
        let ms: i64 = row.get("duration_ms")?;
        Ok((row.get("zig_version")?, ms.max(0) as u64))
    })
}

row! {
    /// How long the builds of a package usually take.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct SlowRow from "durations" {
        pub package: String,
        pub zig_version: String,
        pub duration_ms: u64,
    }
}

/// The packages and versions whose builds take longest, at most `limit`.
pub fn slowest(store: &Store, limit: usize) -> Result<Vec<SlowRow>> {
    let sql = format!(
        "{} WHERE package <> '' AND zig_version <> '' AND substr(package, 1, 7) <> 'upload:' \
         ORDER BY duration_ms DESC LIMIT ?1",
        SlowRow::SELECT
    );
    store.rows(&sql, [limit], SlowRow::read)
}

/// Gives the averages of a package to another name, in place of what is there.
pub(super) fn rename(store: &mut Store, from: &str, to: &str) -> Result<()> {
    delete(store, to)?;
    let sql = "UPDATE durations SET package = ?2 WHERE package = ?1";
    store.execute(sql, [from, to])?;
    Ok(())
}

/// Removes the averages of a package.
pub(super) fn delete(store: &mut Store, package: &str) -> Result<()> {
    store.execute("DELETE FROM durations WHERE package = ?1", [package])?;
    Ok(())
}

/// Removes the averages that were updated least recently, but not those of all packages; gives how many.
pub fn delete_oldest(store: &mut Store, count: u64) -> Result<usize> {
    let sql = "DELETE FROM durations WHERE (package, zig_version) IN ( \
        SELECT package, zig_version FROM durations WHERE package <> '' ORDER BY update_seq LIMIT ?1)";
    store.execute(sql, [count])
}
