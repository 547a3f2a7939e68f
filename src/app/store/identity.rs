//! Which data directory this is, and what it alone knows: both made once, and kept with it.

use rusqlite::Connection;

use crate::app::store::{Result, Store};

#[derive(Debug)]
pub struct Identity {
    data_id: String,
    secret: String,
}

/// Of that database; made where it has none yet.
pub fn identity(db: &Connection) -> Result<Identity> {
    let sql = "INSERT INTO server (id) SELECT lower(hex(randomblob(8))) \
        WHERE NOT EXISTS (SELECT 1 FROM server)";
    db.execute(sql, [])?;
    let sql = "UPDATE server SET secret = lower(hex(randomblob(32))) WHERE secret IS NULL";
    db.execute(sql, [])?;
    db.query_row("SELECT id, secret FROM server", [], |row| {
        Ok(Identity {
            data_id: row.get(0)?,
            secret: row.get(1)?,
        })
    })
}

impl Store {
    /// The label of its containers.
    pub fn data_id(&self) -> &str {
        &self.identity.data_id
    }

    /// What the nonces of records are made of.
    pub fn secret(&self) -> &str {
        &self.identity.secret
    }
}
