//! The tables `package_texts` and `error_texts`: which rows hold a text, found by the groups of three characters in it.
//!
//! An index gives candidates; whether a row really holds the text is read in the row. So an entry that is out of date
//! costs a read, and never shows a wrong row.

use rusqlite::{Connection, params};

use crate::app::domain::ids::PackageId;
use crate::app::domain::search::Search;
use crate::app::store::limits::{
    ERROR_SEARCHED_BYTES, TEXTS_INDEXED_LIMIT, TEXTS_READ_LIMIT, TRIGRAMS_LIMIT,
};
use crate::app::store::list::{Sql, text};
use crate::app::store::store::{Result, Store};

/// What a search for words reads of a package `p`.
pub(super) const PACKAGE_TEXT: &str =
    "lower(p.name || char(10) || coalesce(p.description, '') || char(10) || p.url)";

/// What a search for an error reads of a row `r` of `build_results`.
pub(super) fn error_text() -> String {
    format!("lower(substr(r.error_log, 1, {ERROR_SEARCHED_BYTES}))")
}

/// The packages that may hold all words, by `id`; none where all words are too short for the index.
pub(super) fn of_words(search: &Search) -> Option<Sql> {
    let unindexed = "SELECT id FROM unindexed WHERE kind = 0";
    candidates(
        &search.words,
        "SELECT rowid AS id FROM package_texts WHERE package_texts",
        unindexed,
    )
}

/// The verdicts whose errors may hold that text, by their `id`; none where it is too short for the index.
pub(super) fn of_error(error: &str) -> Option<Sql> {
    candidates(
        &[error.to_string()],
        "SELECT rowid AS id FROM error_texts WHERE error_texts",
        "SELECT id FROM unindexed WHERE kind = 1",
    )
}

fn candidates(words: &[String], indexed: &str, unindexed: &str) -> Option<Sql> {
    let asked = trigrams(words);
    let sql = format!(
        "SELECT id FROM ({indexed} MATCH ? UNION ALL \
         SELECT id FROM ({unindexed} ORDER BY 1 DESC LIMIT {TEXTS_READ_LIMIT}))"
    );
    (!asked.is_empty()).then(|| Sql::new(&sql).then("", [text(&asked)]))
}

/// What the index is asked for: all groups of three characters, each in quotes.
fn trigrams(words: &[String]) -> String {
    let mut all = Vec::new();
    for word in words {
        let chars: Vec<char> = word.chars().collect();
        let groups = chars.windows(3).filter(|group| !group.contains(&'\0'));
        let quoted = groups.map(|group| {
            let group: String = group.iter().collect();
            format!("\"{}\"", group.replace('"', "\"\""))
        });
        all.extend(quoted);
    }
    all.sort();
    all.dedup();
    all.truncate(TRIGRAMS_LIMIT);
    all.join(" ")
}

/// Enters all texts into the indexes, which are empty.
pub(super) fn index_all(db: &Connection) -> Result<()> {
    for kind in [0, 1] {
        let (table, text, rows) = texts(kind);
        let sql = format!("INSERT INTO {table} (rowid, text) SELECT id, {text} FROM {rows}");
        db.execute(&sql, [])?;
    }
    Ok(())
}

/// The index of a kind, the text of its rows, and these rows.
fn texts(kind: i64) -> (&'static str, String, &'static str) {
    match kind {
        0 => (
            "package_texts",
            PACKAGE_TEXT.to_string(),
            "packages p WHERE p.removal IS NULL",
        ),
        _ => (
            "error_texts",
            error_text(),
            "build_results r WHERE r.error_log <> ''",
        ),
    }
}

/// Notes that the text of a new package waits to be indexed.
pub(super) fn note_new(store: &mut Store, package: PackageId) -> Result<()> {
    store.execute("INSERT INTO unindexed (kind, id) VALUES (0, ?1)", [package])?;
    Ok(())
}

/// The same of a verdict that is new, if it has an error.
pub(super) fn note_new_error(store: &mut Store, package: PackageId, version: &str) -> Result<()> {
    let sql = "INSERT INTO unindexed (kind, id) SELECT 1, id FROM build_results \
        WHERE package_id = ?1 AND zig_version = ?2 AND error_log <> '' ON CONFLICT DO NOTHING";
    store.execute(sql, params![package, version])?;
    Ok(())
}

/// True while texts wait to be indexed.
pub fn has_unindexed(store: &Store) -> Result<bool> {
    store.value("SELECT EXISTS (SELECT 1 FROM unindexed)", [])
}

/// Enters some of the texts that changed into the indexes; false once none is left.
pub fn index_some(store: &mut Store) -> Result<bool> {
    let sql = format!("SELECT kind, id FROM unindexed LIMIT {TEXTS_INDEXED_LIMIT}");
    let some: Vec<(i64, i64)> =
        store.rows(&sql, [], |row| Ok((row.get("kind")?, row.get("id")?)))?;
    for (kind, id) in &some {
        index(store, *kind, *id)?;
        let sql = "DELETE FROM unindexed WHERE kind = ?1 AND id = ?2";
        store.execute(sql, params![kind, id])?;
    }
    Ok(some.len() == TEXTS_INDEXED_LIMIT)
}

fn index(store: &mut Store, kind: i64, id: i64) -> Result<()> {
    let (table, text, rows) = texts(kind);
    store.execute(&format!("DELETE FROM {table} WHERE rowid = ?1"), [id])?;
    let sql =
        format!("INSERT INTO {table} (rowid, text) SELECT id, {text} FROM {rows} AND id = ?1");
    store.execute(&sql, [id])?;
    Ok(())
}
