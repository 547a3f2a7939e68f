//! The open database: one connection, one write transaction for each turn.
//!
//! The first write of a turn begins the transaction and `commit` ends it. Reads see what the turn has written.

use std::cell::Cell;
use std::os::unix::fs::MetadataExt;
use std::panic::Location;
use std::path::PathBuf;

use rusqlite::types::FromSql;
use rusqlite::{Connection, OptionalExtension, Params, Row, Statement};

use crate::app::store::checkpoint::Checkpoints;
use crate::app::store::meter::{Budget, note};
use crate::config::limits::READ_LIMIT_STEPS;

/// The result of a statement.
pub type Result<T> = rusqlite::Result<T>;

#[derive(Debug)]
pub struct Store {
    pub(super) db: Connection,
    pub(super) file: Option<DatabaseFile>,
    pub identity: Identity,
    is_writing: bool,
    budget: Budget,
    checkpoints: Checkpoints,
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
    pub(super) fn new(db: Connection, identity: Identity) -> Result<Store> {
        Ok(Store {
            budget: Budget::of(&db),
            checkpoints: Checkpoints::of(&db)?,
            db,
            file: None,
            identity,
            is_writing: false,
            next_check_due: Cell::new(NextCheckDue::Unknown),
        })
    }

    /// Whether the database answers and its file is still in its place.
    pub fn is_connected(&self) -> bool {
        let is_in_place = self.file.as_ref().is_none_or(|file| {
            std::fs::metadata(&file.path).is_ok_and(|found| found.ino() == file.inode)
        });
        is_in_place && self.value::<i64>("SELECT 1", []).is_ok()
    }

    /// Begins a read: its statements are cut off once they have taken `READ_LIMIT_STEPS` together.
    pub fn begin_read(&self) {
        self.budget.begin(READ_LIMIT_STEPS);
    }

    /// Lifts the limit of a read; gives the steps that it took, in whole thousands.
    pub fn end_read(&self) -> u64 {
        READ_LIMIT_STEPS - self.budget.end()
    }

    // -- the transaction of a turn --

    /// Whether this turn has written something.
    pub fn is_writing(&self) -> bool {
        self.is_writing
    }

    /// Writes the turn to the disk; does nothing if the turn wrote nothing.
    pub fn commit(&mut self) -> Result<()> {
        if self.is_writing {
            self.checkpoints.commit(&self.db)?;
            self.is_writing = false;
        }
        Ok(())
    }

    /// The size of the write-ahead log after the last commit.
    pub fn log_bytes(&self) -> u64 {
        self.checkpoints.log_bytes()
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
    #[track_caller]
    pub(super) fn execute(&mut self, sql: &str, params: impl Params) -> Result<usize> {
        let at = Location::caller();
        let mut statement = self.write()?.prepare_cached(sql)?;
        let result = statement.execute(params);
        note(at, sql, &statement, result)
    }

    /// Inserts a row; gives its row id.
    #[track_caller]
    pub(super) fn insert(&mut self, sql: &str, params: impl Params) -> Result<i64> {
        let at = Location::caller();
        let mut statement = self.write()?.prepare_cached(sql)?;
        let result = statement.insert(params);
        note(at, sql, &statement, result)
    }

    /// The first row.
    #[track_caller]
    pub(super) fn row<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnOnce(&Row) -> Result<T>,
    ) -> Result<T> {
        let at = Location::caller();
        let mut statement = self.db.prepare_cached(sql)?;
        let result = statement.query_row(params, read);
        note(at, sql, &statement, result)
    }

    /// The first row, if there is one.
    #[track_caller]
    pub(super) fn optional_row<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnOnce(&Row) -> Result<T>,
    ) -> Result<Option<T>> {
        self.row(sql, params, read).optional()
    }

    /// All rows.
    #[track_caller]
    pub(super) fn rows<T>(
        &self,
        sql: &str,
        params: impl Params,
        mut read: impl FnMut(&Row) -> Result<T>,
    ) -> Result<Vec<T>> {
        let mut all = Vec::new();
        self.each_row(sql, params, |row| {
            all.push(read(row)?);
            Ok(true)
        })?;
        Ok(all)
    }

    /// The first rows; reads no further.
    #[track_caller]
    pub(super) fn first_rows<T>(
        &self,
        sql: &str,
        params: impl Params,
        limit: usize,
        mut read: impl FnMut(&Row) -> Result<T>,
    ) -> Result<Vec<T>> {
        let mut some = Vec::new();
        if limit > 0 {
            self.each_row(sql, params, |row| {
                some.push(read(row)?);
                Ok(some.len() < limit)
            })?;
        }
        Ok(some)
    }

    /// Row after row until `read` gives false.
    #[track_caller]
    pub(super) fn each_row(
        &self,
        sql: &str,
        params: impl Params,
        mut read: impl FnMut(&Row) -> Result<bool>,
    ) -> Result<()> {
        let at = Location::caller();
        let mut statement = self.db.prepare_cached(sql)?;
        let run = |statement: &mut Statement| {
            let mut rows = statement.query(params)?;
            while let Some(row) = rows.next()? {
                if !read(row)? {
                    break;
                }
            }
            Ok(())
        };
        let result = run(&mut statement);
        note(at, sql, &statement, result)
    }

    /// The value of a statement that gives one column of one row.
    #[track_caller]
    pub(super) fn value<T: FromSql>(&self, sql: &str, params: impl Params) -> Result<T> {
        self.row(sql, params, |row| row.get(0))
    }

    /// The values of a statement that gives one column.
    #[track_caller]
    pub(super) fn values<T: FromSql>(&self, sql: &str, params: impl Params) -> Result<Vec<T>> {
        self.rows(sql, params, |row| row.get(0))
    }
}
