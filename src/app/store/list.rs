//! Lists: which rows, in which order, which page of them.

use std::fmt;

use rusqlite::types::Value;
use rusqlite::{Row, params_from_iter};

use crate::app::store::store::{Result, Store};

/// One page of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paging {
    /// From 1.
    pub page: u64,
    pub limit: u64,
}

/// A column of a closed list to sort by, and the direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sort {
    pub column: &'static str,
    pub down: bool,
}

/// The condition of a list, put together from what was asked.
#[derive(Default)]
pub struct Condition {
    terms: Vec<String>,
    values: Vec<Value>,
}

impl Condition {
    /// A condition that begins with a term without a value.
    pub fn of(term: &str) -> Condition {
        Condition {
            terms: vec![term.to_string()],
            values: Vec::new(),
        }
    }

    /// Adds a term that holds `?` twice, both for that value.
    pub fn and_both(&mut self, term: &str, value: &str) {
        self.terms.push(term.to_string());
        self.values
            .extend([value, value].map(|v| v.to_string().into()));
    }

    /// Adds a term that holds `?` once, if there is a value for it.
    pub fn and(&mut self, term: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.terms.push(term.to_string());
            self.values.push(value.into());
        }
    }

    /// Adds `term IN (query)`, where the condition of the query is `inner`; nothing if that is empty.
    pub fn and_in(&mut self, term: &str, query: &str, inner: Condition) {
        if !inner.terms.is_empty() {
            self.terms
                .push(format!("{term} IN ({query}{})", inner.sql()));
            self.values.extend(inner.values);
        }
    }

    fn sql(&self) -> String {
        match self.terms.is_empty() {
            true => String::new(),
            false => format!(" WHERE {}", self.terms.join(" AND ")),
        }
    }
}

/// The number of rows; `query` ends before its condition.
pub(super) fn count(store: &Store, query: &str, condition: &Condition) -> Result<u64> {
    let sql = format!("{query}{}", condition.sql());
    store.value(&sql, params_from_iter(&condition.values))
}

/// One page of the rows; `query` ends before its condition, and `key` is the column of the row id.
pub(super) fn page<T>(
    store: &Store,
    (query, key): (&str, &str),
    condition: &Condition,
    sort: Sort,
    page: Paging,
    read: fn(&Row) -> Result<T>,
) -> Result<Vec<T>> {
    let sql = format!("{query}{}{}", condition.sql(), ordered(sort, key, page));
    store.rows(&sql, params_from_iter(&condition.values), read)
}

/// The key as second column makes the order total: no page repeats or skips a row.
fn ordered(sort: Sort, key: &str, page: Paging) -> String {
    let direction = if sort.down { "DESC" } else { "ASC" };
    let skip = (page.page - 1)
        .saturating_mul(page.limit)
        .min(i64::MAX as u64);
    let (column, limit) = (sort.column, page.limit);
    format!(" ORDER BY {column} {direction}, {key} {direction} LIMIT {limit} OFFSET {skip}")
}

/// These ids as a JSON array, which `json_each` makes a table of.
pub(super) fn ids(ids: &[impl fmt::Display]) -> String {
    let ids: Vec<String> = ids.iter().map(|id| id.to_string()).collect();
    format!("[{}]", ids.join(","))
}

/// A LIKE pattern for texts that contain `part` literally; the escape character is a backslash.
pub fn contains(part: &str) -> String {
    let mut pattern = String::from("%");
    for c in part.chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern + "%"
}
