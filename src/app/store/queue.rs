//! What waits for a slot, and whose turn it is. Each statement finds its rows by an index, in their
//! order, so that who reads stops where there is enough: a statement with a bound LIMIT is compiled
//! anew each time it is bound.

use rusqlite::{OptionalExtension, Row, params};

use crate::app::domain::task::{Entry, Priority, Task};
use crate::app::store::{Result, Store};

/// The turn of a party in a class, and the best of its work there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lane {
    pub tenant: String,
    pub turn: i64,
    pub popularity: i64,
    pub ticket: i64,
}

/// A row of what waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    pub ticket: i64,
    pub entry: Entry,
    pub not_before: Option<i64>,
}

/// What a `Waiting` is read from.
const WAITING: &str = "SELECT ticket, kind, id, class, party, popularity, not_before FROM queue";

impl Store {
    // -- what waits --

    /// The ticket; none where that work is waiting already.
    pub fn push_waiting(&mut self, entry: &Entry, not_before: Option<i64>) -> Result<Option<i64>> {
        let sql = "INSERT INTO queue (kind, id, class, party, popularity, not_before) \
            VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (kind, id) DO NOTHING";
        let db = self.write()?;
        let pushed = db.prepare_cached(sql)?.execute(params![
            entry.task.kind(),
            entry.task.id(),
            entry.priority.number(),
            entry.tenant,
            entry.popularity,
            not_before.unwrap_or(0)
        ])?;
        Ok((pushed == 1).then(|| db.last_insert_rowid()))
    }

    /// Takes what has that ticket out of the queue.
    pub fn take_waiting(&mut self, ticket: i64) -> Result<Task> {
        // Two statements are cheaper than one that deletes a row and gives it.
        let db = self.write()?;
        let sql = "SELECT kind, id FROM queue WHERE ticket = ?1";
        let taken = db
            .prepare_cached(sql)?
            .query_row([ticket], |row| work(row, 0))?;
        let sql = "DELETE FROM queue WHERE ticket = ?1";
        db.prepare_cached(sql)?.execute([ticket])?;
        Ok(taken)
    }

    pub fn waiting(&self, task: Task) -> Result<Option<Waiting>> {
        let sql = format!("{WAITING} WHERE kind = ?1 AND id = ?2");
        let mut statement = self.db.prepare_cached(&sql)?;
        let row = statement.query_row([task.kind(), task.id()], waiting);
        row.optional()
    }

    /// What may start of a party in a class, the best first.
    pub fn waiting_of(
        &self,
        priority: Priority,
        tenant: &str,
        skip: usize,
        limit: usize,
    ) -> Result<Vec<Waiting>> {
        let sql = format!(
            "{WAITING} WHERE class = ?1 AND party = ?2 AND not_before = 0 \
             ORDER BY popularity DESC, ticket LIMIT -1 OFFSET ?3"
        );
        let mut statement = self.db.prepare_cached(&sql)?;
        let given = params![priority.number(), tenant, skip as i64];
        let rows = statement.query_map(given, waiting)?;
        rows.take(limit).collect()
    }

    /// How much waits of each class: what may start, what is held back. Reads all of an index.
    pub fn queue_counts(&self) -> Result<[(u64, u64); 4]> {
        let mut counts = [(0, 0); 4];
        let sql = "SELECT class, count(*) FROM queue GROUP BY class";
        let mut statement = self.db.prepare_cached(sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let count: i64 = row.get(1)?;
            counts[priority(row, 0)? as usize].0 = count as u64;
        }
        let of_classes: [_; 4] =
            [0, 1, 2, 3].map(|priority| format!("coalesce(sum(class = {priority}), 0)"));
        let of_classes = of_classes.join(", ");
        let sql = format!("SELECT {of_classes} FROM queue WHERE not_before > 0");
        let mut statement = self.db.prepare_cached(&sql)?;
        statement.query_row([], |row| {
            for (priority, (ready, held)) in counts.iter_mut().enumerate() {
                let count: i64 = row.get(priority)?;
                *ready -= count as u64;
                *held = count as u64;
            }
            Ok(counts)
        })
    }

    /// How much of the same class stands before it by popularity and age; reads no more than `cap`.
    /// Counting is SQLite's: the rows would cost more than a LIMIT.
    pub fn ahead_in_priority(&self, of: &Waiting, cap: u64) -> Result<u64> {
        let priority = of.entry.priority.number();
        let cap = i64::try_from(cap).unwrap_or(i64::MAX);
        let sql = "SELECT count(*) FROM \
            (SELECT 1 FROM queue WHERE class = ?1 AND popularity > ?2 LIMIT ?3)";
        let mut statement = self.db.prepare_cached(sql)?;
        let given = params![priority, of.entry.popularity, cap];
        let above: i64 = statement.query_row(given, |row| row.get(0))?;
        let sql = "SELECT count(*) FROM \
            (SELECT 1 FROM queue WHERE class = ?1 AND popularity = ?2 AND ticket < ?3 LIMIT ?4)";
        let mut statement = self.db.prepare_cached(sql)?;
        let given = params![priority, of.entry.popularity, of.ticket, cap - above];
        let older: i64 = statement.query_row(given, |row| row.get(0))?;
        Ok((above + older) as u64)
    }

    // -- what is held back --

    /// When the first of what is held back may start.
    pub fn next_due(&self) -> Result<Option<i64>> {
        let sql = "SELECT min(not_before) FROM queue WHERE not_before > 0";
        let mut statement = self.db.prepare_cached(sql)?;
        statement.query_row([], |row| row.get(0))
    }

    /// What is held back and may start at that time at the latest, the first first.
    pub fn held_back(&self, until: i64, limit: usize) -> Result<Vec<Waiting>> {
        let sql = format!(
            "{WAITING} WHERE not_before > 0 AND not_before <= ?1 ORDER BY not_before, ticket"
        );
        let mut statement = self.db.prepare_cached(&sql)?;
        let rows = statement.query_map([until], waiting)?;
        rows.take(limit).collect()
    }

    /// It is held back no longer.
    pub fn set_due(&mut self, ticket: i64) -> Result<()> {
        let sql = "UPDATE queue SET not_before = 0 WHERE ticket = ?1";
        self.write()?.prepare_cached(sql)?.execute([ticket])?;
        Ok(())
    }

    // -- whose turn it is --

    /// The first party in the line of a class that may be served; reads no further.
    pub fn first_turn(
        &self,
        priority: Priority,
        may: impl Fn(&str) -> bool,
    ) -> Result<Option<Lane>> {
        let mut statement = self.db.prepare_cached(TURNS)?;
        let mut rows = statement.query([priority.number()])?;
        while let Some(row) = rows.next()? {
            if may(row.get_ref(0)?.as_str()?) {
                return turn(row).map(Some);
            }
        }
        Ok(None)
    }

    /// The line of a class.
    pub fn turns(&self, priority: Priority, limit: usize) -> Result<Vec<Lane>> {
        let mut statement = self.db.prepare_cached(TURNS)?;
        let rows = statement.query_map([priority.number()], turn)?;
        rows.take(limit).collect()
    }

    /// More work of a party: where some waits already its turn stays, and the better work shows.
    pub fn offer_turn(&mut self, priority: Priority, new: &Lane) -> Result<()> {
        let sql = "INSERT INTO turns (class, party, turn, popularity, ticket) \
            VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (class, party) DO UPDATE \
            SET popularity = excluded.popularity, ticket = excluded.ticket \
            WHERE excluded.popularity > popularity \
            OR (excluded.popularity = popularity AND excluded.ticket < ticket)";
        self.write()?.prepare_cached(sql)?.execute(params![
            priority.number(),
            new.tenant,
            new.turn,
            new.popularity,
            new.ticket
        ])?;
        Ok(())
    }

    /// Some work of a party is gone: what is now the best of it shows, in the turn given, else in
    /// the one it had.
    pub fn renew_turn(
        &mut self,
        priority: Priority,
        tenant: &str,
        next: Option<i64>,
    ) -> Result<()> {
        let best = self.waiting_of(priority, tenant, 0, 1)?;
        let db = self.write()?;
        let number = priority.number();
        match best.first() {
            Some(best) => {
                let sql = "UPDATE turns SET turn = coalesce(?3, turn), popularity = ?4, \
                    ticket = ?5 WHERE class = ?1 AND party = ?2";
                let popularity = best.entry.popularity;
                db.prepare_cached(sql)?.execute(params![
                    number,
                    tenant,
                    next,
                    popularity,
                    best.ticket
                ])?
            }
            None => {
                let sql = "DELETE FROM turns WHERE class = ?1 AND party = ?2";
                db.prepare_cached(sql)?.execute(params![number, tenant])?
            }
        };
        Ok(())
    }
}

const TURNS: &str = "SELECT party, turn, popularity, ticket FROM turns WHERE class = ?1 \
    ORDER BY turn, popularity DESC, ticket";

fn turn(row: &Row) -> Result<Lane> {
    Ok(Lane {
        tenant: row.get(0)?,
        turn: row.get(1)?,
        popularity: row.get(2)?,
        ticket: row.get(3)?,
    })
}

fn waiting(row: &Row) -> Result<Waiting> {
    let not_before: i64 = row.get(6)?;
    Ok(Waiting {
        ticket: row.get(0)?,
        entry: Entry {
            task: work(row, 1)?,
            priority: priority(row, 3)?,
            tenant: row.get(4)?,
            popularity: row.get(5)?,
        },
        not_before: (not_before > 0).then_some(not_before),
    })
}

/// Kind and id, from that column on.
fn work(row: &Row, column: usize) -> Result<Task> {
    let work = Task::of(row.get(column)?, row.get(column + 1)?);
    work.ok_or(rusqlite::Error::InvalidQuery)
}

fn priority(row: &Row, column: usize) -> Result<Priority> {
    let priority = Priority::of(row.get(column)?);
    priority.ok_or(rusqlite::Error::InvalidQuery)
}
