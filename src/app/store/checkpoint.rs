//! The write-ahead log: copied into the database in small steps, so that no turn waits for a large one.
//!
//! A commit adds pages to the log, a checkpoint copies them, and the next commit begins the log anew. Another program
//! that holds a transaction on the database prevents that: the log grows until it ends.

use std::cell::Cell;

use rusqlite::{Connection, Result};

use crate::app::store::limits::{CHECKPOINT_PAGES, LOG_KEPT_BYTES, LOG_REPORTED_BYTES, PAGE_BYTES};

thread_local! {
    /// Pages of the log after the last commit of this thread. The hook of a commit takes no other state.
    static PAGES: Cell<u64> = const { Cell::new(0) };
}

/// When the log of a connection is copied next.
#[derive(Debug)]
pub(super) struct Checkpoints {
    /// The size of the log at which it is copied.
    due_pages: u64,
    log_pages: u64,
    is_reported: bool,
}

impl Checkpoints {
    /// Takes the checkpoints of a connection over from SQLite.
    pub fn of(db: &Connection) -> Result<Checkpoints> {
        let sql = format!("PRAGMA journal_size_limit = {LOG_KEPT_BYTES}");
        db.query_row(&sql, [], |_| Ok(()))?;
        db.wal_hook(Some(|_, pages| {
            PAGES.set(pages.unsigned_abs().into());
            Ok(())
        }));
        Ok(Checkpoints {
            due_pages: CHECKPOINT_PAGES,
            log_pages: 0,
            is_reported: false,
        })
    }

    /// The size of the log after the last commit.
    pub fn log_bytes(&self) -> u64 {
        self.log_pages * PAGE_BYTES
    }

    /// Commits, and copies the log if it is due.
    pub fn commit(&mut self, db: &Connection) -> Result<()> {
        PAGES.set(0);
        db.execute_batch("COMMIT")?;
        self.log_pages = PAGES.get();
        if self.log_pages < self.due_pages {
            return Ok(());
        }
        let columns = |row: &rusqlite::Row| Ok((row.get("log")?, row.get("checkpointed")?));
        let copied: Result<(u64, u64)> =
            db.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], columns);
        // A disk that is full shows in a commit as well, which is what matters.
        let is_whole = copied.is_ok_and(|(log, checkpointed)| checkpointed >= log);
        self.due_pages = match is_whole {
            true => CHECKPOINT_PAGES,
            false => self.log_pages + CHECKPOINT_PAGES,
        };
        self.report(is_whole);
        Ok(())
    }

    /// Says in the log of the server, once, that the log of the database is large and cannot begin anew.
    fn report(&mut self, is_whole: bool) {
        if is_whole {
            self.is_reported = false;
        } else if !self.is_reported && self.log_bytes() > LOG_REPORTED_BYTES {
            self.is_reported = true;
            log::warn!(
                "the write-ahead log of the database has {} MiB and grows: another program holds a transaction on it",
                self.log_bytes() >> 20
            );
        }
    }
}
