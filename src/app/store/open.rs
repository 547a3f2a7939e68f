//! Opens the database of a data directory.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rusqlite::Connection;
use rusqlite::config::DbConfig;

use crate::app::store::migrations::{self, OpenError};
use crate::app::store::server;
use crate::app::store::store::{DatabaseFile, Store};

/// Prepared statements that are kept, some 6 KiB each, of 320: more than submissions and builds have in common.
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
        // Plans depend on no bound value. Otherwise SQLite compiles a statement again each time a LIMIT is bound, or a
        // value of a column that a partial index has a condition for.
        db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        db.set_prepared_statement_cache_capacity(PREPARED_STATEMENTS);
        // All of an upgrade or nothing.
        let transaction = db.unchecked_transaction()?;
        migrations::upgrade(&db, version)?;
        let identity = server::identity(&db)?;
        transaction.commit()?;
        Ok(Store::new(db, identity)?)
    }
}
