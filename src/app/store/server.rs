//! The table `server`: the identity of the data directory.

use rusqlite::Connection;

use crate::app::store::store::{Identity, Result};

/// The identity of the data directory, which is made with the schema.
pub fn identity(db: &Connection) -> Result<Identity> {
    db.query_row("SELECT id, secret FROM server", [], |row| {
        Ok(Identity {
            data_id: row.get("id")?,
            secret: row.get("secret")?,
        })
    })
}
