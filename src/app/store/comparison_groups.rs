//! Groups of packages that broke in the same way, as they are shown: their texts, their packages with both builds, and
//! how others got past the error.

use std::collections::HashMap;

use rusqlite::{Row, params};

use crate::app::domain::ids::{BuildId, PackageId};
use crate::app::domain::verdict::Reason;
use crate::app::store::columns::row;
use crate::app::store::limits::{PAST_EXAMINED_LIMIT_ROWS, PAST_NAMES_LIMIT};
use crate::app::store::list;
use crate::app::store::store::{Result, Store};

/// Packages that broke in the same way.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    pub error_key: Option<String>,
    /// As `Place` of an error is written.
    pub place: Option<String>,
    /// Where there is no error to go by.
    pub reason: Option<Reason>,
    pub count: u64,
    /// The most used first.
    pub packages: Vec<BrokenRow>,
    /// Packages that had this error under the newer version, and work there now: the most used of them.
    pub past: Vec<PastRow>,
    /// How many these are; at most `PAST_EXAMINED_LIMIT_ROWS` are counted.
    pub past_count: u64,
}

row! {
    /// A package that broke.
    #[derive(Debug, Clone, PartialEq)]
    pub struct BrokenRow from "json_each(?1) j CROSS JOIN comparisons c \
            ON c.package_id = j.value AND c.older = ?2 AND c.newer = ?3 JOIN packages p ON p.id = c.package_id" {
        pub name: String = "p.name",
        pub url: String = "p.url",
        pub commit: String = "lower(hex(c.\"commit\"))",
        /// The builds under both versions; none where one is no longer kept. With its type the time misses the index.
        pub older_build: Option<BuildId> = "(SELECT b.id FROM history h CROSS JOIN builds b INDEXED BY builds_by_end \
                ON ifnull(b.finished_at, 0) = +h.checked_at JOIN checks k ON k.id = b.check_id \
                JOIN history_texts v ON v.id = h.zig_version AND v.text = b.zig_version \
                WHERE h.id = c.older_row AND k.package_id = p.id LIMIT 1)",
        pub newer_build: Option<BuildId> = "(SELECT b.id FROM history h CROSS JOIN builds b INDEXED BY builds_by_end \
                ON ifnull(b.finished_at, 0) = +h.checked_at JOIN checks k ON k.id = b.check_id \
                JOIN history_texts v ON v.id = h.zig_version AND v.text = b.zig_version \
                WHERE h.id = c.newer_row AND k.package_id = p.id LIMIT 1)",
    }
}

row! {
    /// A package that got past an error: the last commit that failed, and the first one behind it that works.
    #[derive(Debug, Clone, PartialEq)]
    pub struct PastRow from "(SELECT package_id, failing, working FROM tried \
            WHERE version = ?1 AND error_key = ?2 AND error_place = ?3 LIMIT ?4) t \
            JOIN packages p ON p.id = t.package_id" {
        pub name: String = "p.name",
        pub url: String = "p.url",
        pub failing: String = "lower(hex(t.failing))",
        pub working: String = "lower(hex(t.working))",
    }
}

/// The ids of both versions.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pair {
    pub older: i64,
    pub newer: i64,
}

/// What a group has in common: texts of history or 0, and a reason or nothing.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Cause {
    pub error_key: i64,
    pub error_place: i64,
    pub reason: String,
}

impl Cause {
    pub fn read(row: &Row) -> Result<Cause> {
        Ok(Cause {
            error_key: row.get("error_key")?,
            error_place: row.get("error_place")?,
            reason: row.get("reason")?,
        })
    }
}

/// A group, before its texts are read.
pub(super) struct Head {
    pub cause: Cause,
    pub count: u64,
    pub packages: Vec<PackageId>,
}

/// What is shown of these groups.
pub(super) fn groups(store: &Store, pair: Pair, heads: Vec<Head>) -> Result<Vec<Group>> {
    let mut ids: Vec<i64> = Vec::new();
    ids.extend(heads.iter().map(|head| head.cause.error_key));
    ids.extend(heads.iter().map(|head| head.cause.error_place));
    let sql = "SELECT id, text FROM history_texts WHERE id IN (SELECT value FROM json_each(?1))";
    let texts: Vec<(i64, String)> = store.rows(sql, [list::ids(&ids)], |row| {
        Ok((row.get("id")?, row.get("text")?))
    })?;
    let texts: HashMap<i64, String> = texts.into_iter().collect();
    let group = |head: Head| -> Result<Group> {
        let (past, past_count) = past(store, pair, &head.cause)?;
        Ok(Group {
            error_key: texts.get(&head.cause.error_key).cloned(),
            place: texts.get(&head.cause.error_place).cloned(),
            reason: Reason::parse(&head.cause.reason),
            count: head.count,
            packages: broken(store, pair, &head.packages)?,
            past,
            past_count,
        })
    };
    heads.into_iter().map(group).collect()
}

fn broken(store: &Store, pair: Pair, packages: &[PackageId]) -> Result<Vec<BrokenRow>> {
    let sql = format!("{} ORDER BY j.key", BrokenRow::SELECT);
    let values = params![list::ids(packages), pair.older, pair.newer];
    store.rows(&sql, values, BrokenRow::read)
}

/// The most used packages that got past an error, and how many did.
fn past(store: &Store, pair: Pair, cause: &Cause) -> Result<(Vec<PastRow>, u64)> {
    if cause.error_key == 0 {
        return Ok((Vec::new(), 0));
    }
    let sql = format!("{} ORDER BY p.popularity_score DESC, p.id", PastRow::SELECT);
    let values = params![
        pair.newer,
        cause.error_key,
        cause.error_place,
        PAST_EXAMINED_LIMIT_ROWS
    ];
    let mut rows = store.rows(&sql, values, PastRow::read)?;
    let count = rows.len() as u64;
    rows.truncate(PAST_NAMES_LIMIT);
    Ok((rows, count))
}
