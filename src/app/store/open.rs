//! Opens the database of a data directory.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rusqlite::Connection;

use crate::app::store::migrations::{self, OpenError};
use crate::app::store::server;
use crate::app::store::store::{DatabaseFile, Store};

/// Prepared statements that are kept: all there are, and the lists that are asked for most.
const PREPARED_STATEMENTS: usize = 128;

impl Store {
    /// Opens the database at that path, which is created or upgraded if necessary.
    pub fn open(path: &Path) -> Result<Store, OpenError> {
        let mut store = Store::from_connection(Connection::open(path)?)?;
        let inode = std::fs::metadata(path).map_or(0, |file| file.ino());
        let path = path.to_path_buf();
        store.file = Some(DatabaseFile { path, inode });
        Ok(store)
    }

    /// A store on an open connection, whose database is created or upgraded if necessary.
    pub fn from_connection(db: Connection) -> Result<Store, OpenError> {
        let version = migrations::version(&db)?;
        // FULL: a turn is on the disk before its answers are sent. Recursive triggers: REPLACE fires those of DELETE.
        db.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; \
             PRAGMA temp_store = MEMORY; PRAGMA recursive_triggers = ON;",
        )?;
        db.set_prepared_statement_cache_capacity(PREPARED_STATEMENTS);
        // All of an upgrade or nothing.
        let transaction = db.unchecked_transaction()?;
        migrations::upgrade(&db, version)?;
        let identity = server::identity(&db)?;
        transaction.commit()?;
        Ok(Store::new(db, identity)?)
    }
}
