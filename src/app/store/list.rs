//! Lists: which rows, in which order, which page of them. A read examines a bounded number of rows, whatever the size
//! of the table.

use std::cmp::Ordering;
use std::fmt;
use std::ops::RangeInclusive;

use data_encoding::BASE64URL_NOPAD;
use rusqlite::types::{FromSql, FromSqlResult, Value, ValueRef};
use rusqlite::{Row, params_from_iter};

use crate::app::store::limits::{EXAMINED_LIMIT_ROWS, SOURCE_LIMIT_ROWS};
use crate::app::store::store::{Result, Store};

/// Which page of a list.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Paging {
    /// From 1.
    pub page: u64,
    pub limit: u64,
    /// The page begins behind this place, whatever its number.
    pub after: Option<Position>,
}

impl Paging {
    /// The rows before the page, counted from where the list begins.
    pub(super) fn skip(&self) -> usize {
        let skip = (self.page - 1).saturating_mul(self.limit);
        match self.after {
            Some(_) => 0,
            None => usize::try_from(skip).unwrap_or(usize::MAX),
        }
    }
}

/// A column of a closed list to sort by, and the direction. The id makes the order total: no page repeats or skips a
/// row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Sort {
    pub column: &'static str,
    pub down: bool,
}

/// A place in a list: what a row is sorted by, and its id.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Position {
    key: SortKey,
    id: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum SortKey {
    Integer(i64),
    Text(String),
}

impl FromSql for SortKey {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<SortKey> {
        Ok(match value {
            ValueRef::Text(_) => SortKey::Text(String::column_result(value)?),
            ValueRef::Null => SortKey::Integer(0),
            number => SortKey::Integer(i64::column_result(number)?),
        })
    }
}

impl From<SortKey> for Value {
    fn from(key: SortKey) -> Value {
        match key {
            SortKey::Integer(key) => Value::Integer(key),
            SortKey::Text(key) => Value::Text(key),
        }
    }
}

impl Position {
    /// The place that was written as this text.
    pub fn parse(text: &str) -> Option<Position> {
        let text = BASE64URL_NOPAD.decode(text.as_bytes()).ok()?;
        let text = String::from_utf8(text).ok()?;
        let (id, key) = text.split_once(' ')?;
        let key = match key.strip_prefix('=') {
            Some(key) => SortKey::Text(key.to_string()),
            None => SortKey::Integer(key.parse().ok()?),
        };
        let id = id.parse().ok()?;
        Some(Position { key, id })
    }

    fn compare(&self, other: &Position) -> Ordering {
        self.key.cmp(&other.key).then(self.id.cmp(&other.id))
    }
}

/// A word without a meaning to anybody else, which any URL takes as it is.
impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let text = match &self.key {
            SortKey::Text(key) => format!("{} ={key}", self.id),
            SortKey::Integer(key) => format!("{} {key}", self.id),
        };
        f.write_str(&BASE64URL_NOPAD.encode(text.as_bytes()))
    }
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    pub rows: Vec<T>,
    /// How many rows match.
    pub total: u64,
    /// `total` counts only those that were examined: there may be more.
    pub is_bounded: bool,
    /// Where the next page begins; none at the end of the list.
    pub next: Option<Position>,
}

impl<T> Page<T> {
    /// The same page with the rows of these ids, in their order.
    pub(super) fn with_rows<R>(
        self,
        read: impl FnOnce(&[T]) -> Result<Vec<R>>,
        id: impl Fn(&R) -> T,
    ) -> Result<Page<R>>
    where
        T: PartialEq,
    {
        let mut rows = read(&self.rows)?;
        rows.sort_by_key(|row| self.rows.iter().position(|known| *known == id(row)));
        Ok(Page {
            rows,
            total: self.total,
            is_bounded: self.is_bounded,
            next: self.next,
        })
    }
}

/// A part of a statement with its values, in the order of their `?`.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Sql {
    pub text: String,
    pub values: Vec<Value>,
}

impl Sql {
    pub fn new(text: &str) -> Sql {
        Sql {
            text: text.to_string(),
            values: Vec::new(),
        }
    }

    /// The same with text and values behind it.
    pub fn then(mut self, text: &str, values: impl IntoIterator<Item = Value>) -> Sql {
        self.text += text;
        self.values.extend(values);
        self
    }

    pub fn then_sql(self, other: &Sql) -> Sql {
        self.then(&other.text, other.values.iter().cloned())
    }

    /// Adds a term that holds.
    pub fn and(self, text: &str, values: impl IntoIterator<Item = Value>) -> Sql {
        let and = if self.text.is_empty() { "" } else { " AND " };
        self.then(&format!("{and}{text}"), values)
    }
}

pub(super) fn text(value: &str) -> Value {
    Value::Text(value.to_string())
}

/// The rows of a table in an order of an index: `SELECT id, key, matches FROM tables WHERE rows ORDER BY key, id`.
pub(super) struct Walk<'a> {
    pub tables: &'a str,
    /// The columns of the id and of what is sorted by.
    pub id: &'a str,
    pub key: &'a str,
    pub down: bool,
    /// Which rows are walked; an index has them.
    pub rows: Sql,
    /// Which of these are listed; empty: all of them.
    pub matches: Sql,
    /// Rows that are examined at most, and those for the total even if the page has all its rows.
    pub examined: usize,
    pub counted: usize,
}

impl Walk<'_> {
    /// The page of the list. None: it is too far from the beginning to be found by its number. Without a condition all
    /// rows before the page are skipped by the index alone, and the caller knows the total.
    pub fn page(&self, store: &Store, paging: &Paging) -> Result<Option<Page<i64>>> {
        let all = self.matches.text.is_empty();
        let limit = paging.limit as usize;
        let (offset, skip) = match all {
            true => (paging.skip(), 0),
            false => (0, paging.skip()),
        };
        // One more than the page has shows where the next one begins.
        let (wanted, counted) = match all {
            true => (limit, 0),
            false => (skip.saturating_add(limit + 1), self.counted),
        };
        let sql = self.sql(paging.after.as_ref(), offset);
        let found = examine(store, &sql, wanted, counted..=self.examined)?;
        Ok(found.page(skip, limit))
    }

    fn sql(&self, after: Option<&Position>, offset: usize) -> Sql {
        let (id, key) = (self.id, self.key);
        let (direction, behind) = if self.down {
            ("DESC", "<")
        } else {
            ("ASC", ">")
        };
        let matches = match self.matches.text.as_str() {
            "" => "1",
            matches => matches,
        };
        let mut rows = self.rows.clone();
        if let Some(after) = after {
            let values = [after.key.clone().into(), after.id.into()];
            rows = rows.and(&format!("({key}, {id}) {behind} (?, ?)"), values);
        }
        let offset = i64::try_from(offset).unwrap_or(i64::MAX);
        Sql::new(&format!("SELECT {id} AS id, {key} AS key, ("))
            .then(matches, self.matches.values.iter().cloned())
            .then(&format!(") AS matches FROM {} WHERE ", self.tables), [])
            .then_sql(&rows)
            .then(
                &format!(" ORDER BY {key} {direction}, {id} {direction}"),
                [],
            )
            .then(" LIMIT -1 OFFSET ?", [offset.into()])
    }
}

/// What a read has found so far, in order.
struct Found {
    rows: Vec<Position>,
    /// The last row that was examined, if others come behind it.
    stopped_at: Option<Position>,
}

impl Found {
    /// The page behind `skip` rows; none if they were not all found.
    fn page(self, skip: usize, limit: usize) -> Option<Page<i64>> {
        if skip > self.rows.len() && self.stopped_at.is_some() {
            return None;
        }
        let rest = self.rows.get(skip..).unwrap_or_default();
        let shown = &rest[..rest.len().min(limit)];
        let next = match rest.len() > limit {
            true => shown.last().cloned(),
            false => self.stopped_at.clone(),
        };
        Some(Page {
            rows: shown.iter().map(|row| row.id).collect(),
            total: self.rows.len() as u64,
            is_bounded: self.stopped_at.is_some(),
            next,
        })
    }
}

/// Reads `id`, `key` and `matches` of so many rows, and ends between these numbers once as many match as are wanted.
fn examine(store: &Store, sql: &Sql, wanted: usize, rows: RangeInclusive<usize>) -> Result<Found> {
    let mut found = Found {
        rows: Vec::new(),
        stopped_at: None,
    };
    let mut examined = 0;
    let mut last = None;
    store.each_row(&sql.text, params_from_iter(&sql.values), |row: &Row| {
        let is_enough = found.rows.len() >= wanted && examined >= *rows.start();
        if is_enough || examined >= *rows.end() {
            found.stopped_at = last.take();
            return Ok(false);
        }
        examined += 1;
        let (id, key) = (row.get("id")?, row.get("key")?);
        let position = Position { key, id };
        // A comparison with a missing value is neither true nor false.
        if row.get::<_, Option<bool>>("matches")? == Some(true) {
            found.rows.push(position.clone());
        }
        last = Some(position);
        Ok(true)
    })?;
    Ok(found)
}

/// True if a statement gives at most `SOURCE_LIMIT_ROWS` rows.
pub(super) fn is_short(store: &Store, rows: &Sql) -> Result<bool> {
    let limit = SOURCE_LIMIT_ROWS + 1;
    let sql = format!("SELECT count(*) FROM ({} LIMIT {limit})", rows.text);
    let count: usize = store.value(&sql, params_from_iter(&rows.values))?;
    Ok(count < limit)
}

/// The page of a list whose rows are few: they are all read, up to `EXAMINED_LIMIT_ROWS`, and sorted here. `sql` gives
/// `id`, `key` and `matches`.
pub(super) fn sorted_page(
    store: &Store,
    sql: &Sql,
    down: bool,
    paging: &Paging,
) -> Result<Page<i64>> {
    let found = examine(store, sql, usize::MAX, 0..=EXAMINED_LIMIT_ROWS)?;
    let (mut rows, is_bounded) = (found.rows, found.stopped_at.is_some());
    rows.sort_by(|a, b| match down {
        true => b.compare(a),
        false => a.compare(b),
    });
    rows.dedup_by_key(|row| row.id);
    let total = rows.len() as u64;
    if let Some(after) = &paging.after {
        let wanted = if down {
            Ordering::Less
        } else {
            Ordering::Greater
        };
        rows.retain(|row| row.compare(after) == wanted);
    }
    let found = Found {
        rows,
        stopped_at: None,
    };
    let page = found.page(paging.skip(), paging.limit as usize);
    let nothing = Page {
        rows: Vec::new(),
        total,
        is_bounded,
        next: None,
    };
    Ok(page.map_or(nothing, |page| Page {
        total,
        is_bounded,
        ..page
    }))
}

/// These ids as a JSON array, which `json_each` makes a table of.
pub(super) fn ids(ids: &[impl fmt::Display]) -> String {
    let ids: Vec<String> = ids.iter().map(|id| id.to_string()).collect();
    format!("[{}]", ids.join(","))
}
