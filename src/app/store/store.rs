//! The open database: one connection, one write transaction for each turn.
//!
//! The first write of a turn begins the transaction and `commit` ends it. Reads see what the turn has written.

use std::cell::Cell;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use rusqlite::types::FromSql;
use rusqlite::{Connection, OptionalExtension, Params, Row};

/// The result of a statement.
pub type Result<T> = rusqlite::Result<T>;

#[derive(Debug)]
pub struct Store {
    pub(super) db: Connection,
    pub(super) file: Option<DatabaseFile>,
    pub identity: Identity,
    is_writing: bool,
    pub(super) next_check_due: Cell<NextCheckDue>,
}

/// The answer of `packages::next_check_due`, which every event asks for.
#[derive(Debug, Clone, Copy)]
pub enum NextCheckDue {
    /// It was not read since the last write to it.
    Unknown,
    Known(Option<i64>),
}

/// The database file as it was opened. SQLite goes on working on a file that was deleted.
#[derive(Debug)]
pub struct DatabaseFile {
    pub(super) path: PathBuf,
    pub(super) inode: u64,
}

/// What a data directory is given once and keeps.
#[derive(Debug)]
pub struct Identity {
    /// The id of the data directory, which labels its containers.
    pub data_id: String,
    /// The secret that the nonces of records are derived from.
    pub secret: String,
}

impl Store {
    pub(super) fn new(db: Connection, file: Option<DatabaseFile>, identity: Identity) -> Store {
        Store {
            db,
            file,
            identity,
            is_writing: false,
            next_check_due: Cell::new(NextCheckDue::Unknown),
        }
    }

    /// Whether the database answers and its file is still in its place.
    pub fn is_connected(&self) -> bool {
        let is_in_place = self.file.as_ref().is_none_or(|file| {
            std::fs::metadata(&file.path).is_ok_and(|found| found.ino() == file.inode)
        });
        is_in_place && self.value::<i64>("SELECT 1", []).is_ok()
    }

    // -- the transaction of a turn --

    /// Whether this turn has written something.
    pub fn is_writing(&self) -> bool {
        self.is_writing
    }

    /// Writes the turn to the disk; does nothing if the turn wrote nothing.
    pub fn commit(&mut self) -> Result<()> {
        if self.is_writing {
            self.db.execute_batch("COMMIT")?;
            self.is_writing = false;
        }
        Ok(())
    }

    /// The database, with the transaction of this turn begun.
    pub(super) fn write(&mut self) -> Result<&Connection> {
        if !self.is_writing {
            self.db.execute_batch("BEGIN IMMEDIATE")?;
            self.is_writing = true;
        }
        Ok(&self.db)
    }

    // -- statements, each prepared once --

    /// Runs a statement that writes; gives the number of changed rows.
    pub(super) fn execute(&mut self, sql: &str, params: impl Params) -> Result<usize> {
        self.write()?.prepare_cached(sql)?.execute(params)
    }

    /// Inserts a row; gives its row id.
    pub(super) fn insert(&mut self, sql: &str, params: impl Params) -> Result<i64> {
        self.write()?.prepare_cached(sql)?.insert(params)
    }

    /// The first row.
    pub(super) fn row<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnOnce(&Row) -> Result<T>,
    ) -> Result<T> {
        self.db.prepare_cached(sql)?.query_row(params, read)
    }

    /// The first row, if there is one.
    pub(super) fn optional_row<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnOnce(&Row) -> Result<T>,
    ) -> Result<Option<T>> {
        self.row(sql, params, read).optional()
    }

    /// All rows.
    pub(super) fn rows<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnMut(&Row) -> Result<T>,
    ) -> Result<Vec<T>> {
        let mut statement = self.db.prepare_cached(sql)?;
        statement.query_map(params, read)?.collect()
    }

    /// The value of a statement that gives one column of one row.
    pub(super) fn value<T: FromSql>(&self, sql: &str, params: impl Params) -> Result<T> {
        self.row(sql, params, |row| row.get(0))
    }

    /// The values of a statement that gives one column.
    pub(super) fn values<T: FromSql>(&self, sql: &str, params: impl Params) -> Result<Vec<T>> {
        self.rows(sql, params, |row| row.get(0))
    }
}
