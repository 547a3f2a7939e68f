//! The table `audit`: what admins have changed, when and from where.

use rusqlite::params;

use crate::app::store::columns::row;
use crate::app::store::limits::AUDIT_LIMIT_ROWS;
use crate::app::store::store::{Result, Store};

row! {
    /// A change, in the transaction of which it was written.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct AuditRow from "audit" {
        pub id: i64,
        pub at: i64,
        /// From where.
        pub who: String,
        /// Method and path.
        pub call: String,
        /// Empty: there was none.
        pub body: String,
    }
}

/// Adds a change. The oldest one goes where there are too many.
pub fn insert(store: &mut Store, at: i64, who: &str, call: &str, body: &str) -> Result<()> {
    let sql = "INSERT INTO audit (at, who, call, body) VALUES (?1, ?2, ?3, ?4)";
    let id = store.insert(sql, params![at, who, call, body])?;
    let sql = "DELETE FROM audit WHERE id <= ?1";
    store.execute(sql, [id - AUDIT_LIMIT_ROWS])?;
    Ok(())
}

/// The newest changes before that one, at most `limit`.
pub fn before(store: &Store, id: i64, limit: u64) -> Result<Vec<AuditRow>> {
    let sql = format!(
        "{} WHERE id < ?1 ORDER BY id DESC LIMIT ?2",
        AuditRow::SELECT
    );
    store.rows(&sql, params![id, limit as i64], AuditRow::read)
}
