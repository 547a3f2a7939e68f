//! The table `tokens`: the tokens of admins and of the notifier, beside the one in `--admin-token-file`.

use rusqlite::params;

use crate::app::domain::scope::Scope;
use crate::app::store::columns::row;
use crate::app::store::store::{Result, Store};

row! {
    /// A token. What it is itself was shown once, and is nowhere.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct TokenRow from "tokens" {
        pub name: String,
        /// SHA-256 of the token.
        pub hash: [u8; 32],
        pub scope: Scope,
        pub created_at: i64,
        /// The day of its last call, about.
        pub last_used: Option<i64>,
    }
}

/// All of them, by name.
pub fn all(store: &Store) -> Result<Vec<TokenRow>> {
    let sql = format!("{} ORDER BY name", TokenRow::SELECT);
    store.rows(&sql, [], TokenRow::read)
}

pub fn insert(store: &mut Store, row: &TokenRow) -> Result<()> {
    let sql = "INSERT INTO tokens (name, hash, scope, created_at) VALUES (?1, ?2, ?3, ?4)";
    store.execute(sql, params![row.name, row.hash, row.scope, row.created_at])?;
    Ok(())
}

pub fn delete(store: &mut Store, name: &str) -> Result<()> {
    store.execute("DELETE FROM tokens WHERE name = ?1", [name])?;
    Ok(())
}

pub fn set_used(store: &mut Store, name: &str, at: i64) -> Result<()> {
    let sql = "UPDATE tokens SET last_used = ?2 WHERE name = ?1";
    store.execute(sql, params![name, at])?;
    Ok(())
}

/// Random bytes of the database's generator, which the system has seeded: the identity of a data directory is made of
/// the same.
pub fn random(store: &Store) -> Result<[u8; 32]> {
    store.value("SELECT randomblob(32)", [])
}
