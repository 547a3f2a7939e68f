//! The table `quotas`: how much the addresses of a network may submit, in place of the limit for all.

use rusqlite::params;

use crate::app::store::columns::row;
use crate::app::store::store::{Result, Store};
use crate::base::client_net::ClientNet;

row! {
    /// The quota of each client of a network.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct QuotaRow from "quotas" {
        pub network: ClientNet,
        /// Submissions an hour; 0: none at all.
        pub per_hour: i64,
        /// For the client to read; empty: none.
        pub reason: String,
        pub created_at: i64,
        /// When it ends; none: never.
        pub until: Option<i64>,
    }
}

impl QuotaRow {
    /// True until it ends.
    pub fn holds(&self, unix_ms: i64) -> bool {
        self.until.is_none_or(|until| until > unix_ms)
    }
}

/// All of them.
pub fn all(store: &Store) -> Result<Vec<QuotaRow>> {
    let sql = format!("{} ORDER BY network", QuotaRow::SELECT);
    store.rows(&sql, [], QuotaRow::read)
}

/// Enters the quota of a network that has none.
pub fn insert(store: &mut Store, row: &QuotaRow) -> Result<()> {
    let sql = "INSERT INTO quotas (network, per_hour, reason, created_at, until) \
        VALUES (?1, ?2, ?3, ?4, ?5)";
    let columns = params![
        row.network,
        row.per_hour,
        row.reason,
        row.created_at,
        row.until
    ];
    store.execute(sql, columns)?;
    Ok(())
}

pub fn delete(store: &mut Store, network: ClientNet) -> Result<()> {
    store.execute("DELETE FROM quotas WHERE network = ?1", [network])?;
    Ok(())
}
