//! The table `server`: the identity of the data directory.

use rusqlite::Connection;

use crate::app::store::store::{Identity, Result};

/// The identity of that database, which is made if it has none yet.
pub fn identity(db: &Connection) -> Result<Identity> {
    let sql = "INSERT INTO server (id) SELECT lower(hex(randomblob(8))) \
        WHERE NOT EXISTS (SELECT 1 FROM server)";
    db.execute(sql, [])?;
    let sql = "UPDATE server SET secret = lower(hex(randomblob(32))) WHERE secret IS NULL";
    db.execute(sql, [])?;
    db.query_row("SELECT id, secret FROM server", [], |row| {
        Ok(Identity {
            data_id: row.get("id")?,
            secret: row.get("secret")?,
        })
    })
}
