//! The notifier's database: how far the events are handled, and what is to be done. A task is known by its key for
//! ever, or for as long as it is kept: nothing is done twice because an event comes again.

use std::path::Path;

use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::app::domain::verdict::str_enum;

const SCHEMA: &str = "
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    CREATE TABLE IF NOT EXISTS position (seq INTEGER NOT NULL) STRICT;
    CREATE TABLE IF NOT EXISTS tasks (
        id         INTEGER PRIMARY KEY AUTOINCREMENT,
        -- What is done, and for whom.
        key        TEXT NOT NULL UNIQUE,
        -- Tasks of one subject are done one after the other.
        subject    TEXT NOT NULL,
        kind       TEXT NOT NULL,
        -- The host and port that answer at this stage, or 'sendmail'.
        receiver   TEXT NOT NULL,
        stage      TEXT NOT NULL,
        data       TEXT NOT NULL,
        attempts   INTEGER NOT NULL DEFAULT 0,
        created_at INTEGER NOT NULL,
        due        INTEGER NOT NULL,
        -- Null: it waits.
        ended_at   INTEGER,
        -- What it came to: 'done', 'failed' or 'superseded'.
        ended      TEXT
    ) STRICT;
    CREATE INDEX IF NOT EXISTS tasks_waiting ON tasks (receiver, due, id) WHERE ended_at IS NULL;
    CREATE INDEX IF NOT EXISTS tasks_of_subject ON tasks (subject, id) WHERE ended_at IS NULL;
    CREATE INDEX IF NOT EXISTS tasks_ended ON tasks (ended_at) WHERE ended_at NOT NULL;";

/// The version of the schema.
const VERSION: i64 = 1;

pub type Result<T> = rusqlite::Result<T>;

str_enum! {
    /// What a task is about.
    Kind {
        Event = "event",
        Owner = "owner",
        Status = "status",
        Issue = "issue",
        Webhook = "webhook",
        Mail = "mail",
    }
}

/// A task that waits.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    pub id: i64,
    pub key: String,
    pub subject: String,
    pub kind: Kind,
    pub receiver: String,
    pub stage: String,
    /// JSON.
    pub data: String,
    /// Tries that failed.
    pub attempts: u32,
    pub created_at: i64,
    pub due: i64,
}

#[derive(Debug, Clone, PartialEq)]
pub struct NewTask {
    pub key: String,
    pub subject: String,
    pub kind: Kind,
    pub receiver: String,
    pub stage: &'static str,
    pub data: String,
    /// Those of its subject that wait are of no use once it is there.
    pub supersedes: bool,
}

/// What a task came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    Done,
    Failed,
}

#[derive(Debug)]
pub struct Store {
    db: Connection,
    is_writing: bool,
    waiting: usize,
}

const COLUMNS: &str = "id, key, subject, kind, receiver, stage, data, attempts, created_at, due";

fn read(row: &Row) -> Result<Task> {
    Ok(Task {
        id: row.get("id")?,
        key: row.get("key")?,
        subject: row.get("subject")?,
        kind: kind(&row.get::<_, String>("kind")?)?,
        receiver: row.get("receiver")?,
        stage: row.get("stage")?,
        data: row.get("data")?,
        attempts: row.get("attempts")?,
        created_at: row.get("created_at")?,
        due: row.get("due")?,
    })
}

fn kind(word: &str) -> Result<Kind> {
    let unknown = || {
        let why = format!("a task of the unknown kind {word}");
        rusqlite::Error::FromSqlConversionFailure(0, Type::Text, why.into())
    };
    Kind::parse(word).ok_or_else(unknown)
}

impl Store {
    /// Opens the database at that path, which is made if there is none.
    pub fn open(path: &Path) -> std::result::Result<Store, String> {
        let db = Connection::open(path).map_err(|error| error.to_string())?;
        Store::from_connection(db)
    }

    pub fn from_connection(db: Connection) -> std::result::Result<Store, String> {
        let text = |error: rusqlite::Error| error.to_string();
        let sql = "SELECT user_version FROM pragma_user_version";
        let version: i64 = db.query_row(sql, [], |row| row.get(0)).map_err(text)?;
        if version > VERSION {
            return Err(format!(
                "unknown schema version {version}; this program knows versions up to {VERSION}"
            ));
        }
        db.execute_batch(SCHEMA).map_err(text)?;
        db.pragma_update(None, "user_version", VERSION)
            .map_err(text)?;
        let sql = "SELECT count(*) FROM tasks WHERE ended_at IS NULL";
        let waiting: i64 = db.query_row(sql, [], |row| row.get(0)).map_err(text)?;
        Ok(Store {
            db,
            is_writing: false,
            waiting: waiting as usize,
        })
    }

    /// Writes what changed since the last commit to the disk.
    pub fn commit(&mut self) -> Result<()> {
        if self.is_writing {
            self.db.execute_batch("COMMIT")?;
            self.is_writing = false;
        }
        Ok(())
    }

    fn write(&mut self) -> Result<&Connection> {
        if !self.is_writing {
            self.db.execute_batch("BEGIN IMMEDIATE")?;
            self.is_writing = true;
        }
        Ok(&self.db)
    }

    fn execute(&mut self, sql: &str, values: impl rusqlite::Params) -> Result<usize> {
        self.write()?.prepare_cached(sql)?.execute(values)
    }

    /// The number of tasks that wait.
    pub fn waiting(&self) -> usize {
        self.waiting
    }

    /// The number of the last event that is handled; none: no stream was followed yet.
    pub fn position(&self) -> Result<Option<u64>> {
        let sql = "SELECT seq FROM position";
        let seq = self.db.query_row(sql, [], |row| row.get(0)).optional()?;
        Ok(seq.map(|seq: i64| seq as u64))
    }

    pub fn set_position(&mut self, seq: u64) -> Result<()> {
        let seq = seq as i64;
        if self.execute("UPDATE position SET seq = ?1", [seq])? == 0 {
            self.execute("INSERT INTO position (seq) VALUES (?1)", [seq])?;
        }
        Ok(())
    }

    /// Adds a task, unless it is known.
    pub fn add(&mut self, new: &NewTask, now: i64) -> Result<()> {
        let sql = "INSERT OR IGNORE INTO tasks (key, subject, kind, receiver, stage, data, created_at, due) \
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7)";
        let NewTask {
            key,
            subject,
            kind,
            receiver,
            stage,
            data,
            supersedes,
        } = new;
        let values = params![key, subject, kind.as_str(), receiver, stage, data, now];
        if self.execute(sql, values)? == 0 {
            return Ok(());
        }
        self.waiting += 1;
        if *supersedes {
            let id = self.db.last_insert_rowid();
            let sql = "UPDATE tasks SET ended_at = ?3, ended = 'superseded', data = '' \
                WHERE subject = ?1 AND id < ?2 AND ended_at IS NULL";
            let ended = self.execute(sql, params![subject, id, now])?;
            self.waiting -= ended;
        }
        Ok(())
    }

    /// Deletes some of the tasks that ended before that time, and of the oldest ones where there are more than `kept`.
    pub fn delete_old(&mut self, before: i64, kept: i64, limit: i64) -> Result<()> {
        let sql = "DELETE FROM tasks WHERE id IN (SELECT id FROM tasks WHERE ended_at < ?1 \
            ORDER BY ended_at LIMIT ?2)";
        self.execute(sql, params![before, limit])?;
        let sql = "DELETE FROM tasks WHERE ended_at NOT NULL AND id IN (SELECT id FROM tasks \
            WHERE id <= (SELECT max(id) FROM tasks) - ?1 ORDER BY id LIMIT ?2)";
        self.execute(sql, params![kept, limit])?;
        Ok(())
    }

    /// The receivers that tasks wait for.
    pub fn receivers(&self) -> Result<Vec<String>> {
        let sql = "WITH RECURSIVE each (name) AS (SELECT min(receiver) FROM tasks WHERE ended_at IS NULL \
            UNION ALL SELECT (SELECT min(receiver) FROM tasks WHERE ended_at IS NULL AND receiver > each.name) \
            FROM each WHERE name NOT NULL) SELECT name FROM each WHERE name NOT NULL";
        let mut statement = self.db.prepare_cached(sql)?;
        let rows = statement.query_map([], |row| row.get(0))?;
        rows.collect()
    }

    /// The next task for that receiver, due or not, which no earlier one of its subject holds back.
    pub fn next_for(&self, receiver: &str) -> Result<Option<Task>> {
        let sql = format!(
            "SELECT {COLUMNS} FROM tasks t WHERE ended_at IS NULL AND receiver = ?1 AND NOT EXISTS \
             (SELECT 1 FROM tasks o WHERE o.ended_at IS NULL AND o.subject = t.subject AND o.id < t.id) \
             ORDER BY due, id LIMIT 1"
        );
        let mut statement = self.db.prepare_cached(&sql)?;
        statement.query_row([receiver], read).optional()
    }

    /// Notes that a task goes on at another stage. True where it still waits.
    pub fn advance(
        &mut self,
        id: i64,
        (stage, receiver, data): (&str, &str, &str),
        now: i64,
    ) -> Result<bool> {
        let sql = "UPDATE tasks SET stage = ?2, receiver = ?3, data = ?4, attempts = 0, due = ?5 \
            WHERE id = ?1 AND ended_at IS NULL";
        Ok(self.execute(sql, params![id, stage, receiver, data, now])? > 0)
    }

    /// Notes the stage at which a task goes on if the answer of this one never comes.
    pub fn set_stage(&mut self, id: i64, stage: &str) -> Result<()> {
        let sql = "UPDATE tasks SET stage = ?2 WHERE id = ?1 AND ended_at IS NULL";
        self.execute(sql, params![id, stage])?;
        Ok(())
    }

    /// Notes a failure: the task is tried again at `due`.
    pub fn retry(&mut self, id: i64, attempts: u32, due: i64) -> Result<()> {
        let sql = "UPDATE tasks SET attempts = ?2, due = ?3 WHERE id = ?1 AND ended_at IS NULL";
        self.execute(sql, params![id, attempts, due])?;
        Ok(())
    }

    /// Ends a task. Its data is of no more use.
    pub fn end(&mut self, id: i64, end: End, now: i64) -> Result<()> {
        let word = match end {
            End::Done => "done",
            End::Failed => "failed",
        };
        let sql = "UPDATE tasks SET ended_at = ?2, ended = ?3, data = '' WHERE id = ?1 AND ended_at IS NULL";
        let ended = self.execute(sql, params![id, now, word])?;
        self.waiting -= ended;
        Ok(())
    }

    /// Makes the tasks that wait for a receiver due: it answers again.
    pub fn wake(&mut self, receiver: &str, now: i64) -> Result<()> {
        let sql = "UPDATE tasks SET due = ?2 WHERE ended_at IS NULL AND receiver = ?1 AND due > ?2";
        self.execute(sql, params![receiver, now])?;
        Ok(())
    }
}
