//! The table `allowed_hosts`: the hosts that packages may name beside those of `--allow-hosts`.

use rusqlite::params;

use crate::app::store::columns::row;
use crate::app::store::store::{Result, Store};

row! {
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct AllowedHostRow from "allowed_hosts" {
        pub host: String,
        pub created_at: i64,
    }
}

/// All of them, by name.
pub fn all(store: &Store) -> Result<Vec<AllowedHostRow>> {
    let sql = format!("{} ORDER BY host", AllowedHostRow::SELECT);
    store.rows(&sql, [], AllowedHostRow::read)
}

/// Allows a host, which is none of those that were refused any more.
pub fn insert(store: &mut Store, row: &AllowedHostRow) -> Result<()> {
    let sql = "INSERT INTO allowed_hosts (host, created_at) VALUES (?1, ?2)";
    store.execute(sql, params![row.host, row.created_at])?;
    store.execute("DELETE FROM refused_hosts WHERE host = ?1", [&row.host])?;
    Ok(())
}

pub fn delete(store: &mut Store, host: &str) -> Result<()> {
    store.execute("DELETE FROM allowed_hosts WHERE host = ?1", [host])?;
    Ok(())
}
