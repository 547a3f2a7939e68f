//! The table `refused_hosts`: the hosts that packages needed and `--allow-hosts` does not name.

use rusqlite::params;

use crate::app::store::limits::REFUSED_HOSTS_LIMIT;
use crate::app::store::store::{Result, Store};

/// A host that was needed `count` times, lately at `last_at`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedHost {
    pub host: String,
    pub count: u64,
    pub last_at: i64,
}

/// Counts that a fetch needed this host. A new host takes the place of the one that was needed least, if the table is
/// full.
pub fn note(store: &mut Store, host: &str, at: i64) -> Result<()> {
    let sql = "INSERT INTO refused_hosts (host, count, last_at) VALUES (?1, 1, ?2) \
        ON CONFLICT (host) DO UPDATE SET count = count + 1, last_at = ?2";
    store.execute(sql, params![host, at])?;
    let sql = "DELETE FROM refused_hosts WHERE host IN (SELECT host FROM refused_hosts WHERE host <> ?1 \
        ORDER BY count, last_at LIMIT max(0, (SELECT count(*) FROM refused_hosts) - ?2))";
    store.execute(sql, params![host, REFUSED_HOSTS_LIMIT as i64])?;
    Ok(())
}

/// All of them, those needed most first.
pub fn all(store: &Store) -> Result<Vec<RefusedHost>> {
    let sql =
        "SELECT host, count, last_at FROM refused_hosts ORDER BY count DESC, last_at DESC, host";
    store.rows(sql, [], |row| {
        Ok(RefusedHost {
            host: row.get("host")?,
            count: row.get::<_, i64>("count")? as u64,
            last_at: row.get("last_at")?,
        })
    })
}
