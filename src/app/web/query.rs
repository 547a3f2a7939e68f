//! The query of a request: names, values, and errors that name the field.

use crate::app::store::limits::PAGE_DEPTH_LIMIT_ROWS;
use crate::app::store::list::{Paging, Position, Sort};
use crate::interface::message::Response;

/// 400 with a sentence that names the field and the fault.
pub fn bad(sentence: &str) -> Response {
    Response::error(400, sentence)
}

/// 400 for a page that cannot be found by its number.
pub fn too_deep() -> Response {
    bad(
        "page: too far from the first page; go on with after=NEXT, where NEXT is the `next` of the page before",
    )
}

/// The names and values after the `?`, decoded.
pub struct Query(Vec<(String, String)>);

impl Query {
    pub fn read(query: &str) -> Query {
        let pairs = form_urlencoded::parse(query.as_bytes());
        Query(pairs.into_owned().collect())
    }

    /// The value of that name; an empty one counts as absent.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.raw(name).filter(|value| !value.is_empty())
    }

    /// The value of that name; none only where the name is absent.
    pub fn raw(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, v)| v.as_str())
    }

    pub fn owned(&self, name: &str) -> Option<String> {
        self.get(name).map(str::to_string)
    }

    /// True where the name is present, unless with `0` or `false`.
    pub fn flag(&self, name: &str) -> bool {
        self.raw(name)
            .is_some_and(|value| !matches!(value, "0" | "false"))
    }

    pub fn number(&self, name: &str, from: u64, to: u64) -> Result<Option<u64>, Response> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        let number = value.parse().ok().filter(|n| (from..=to).contains(n));
        let sentence = format!("{name}: must be a whole number from {from} to {to}");
        number.map(Some).ok_or_else(|| bad(&sentence))
    }

    /// A value out of a closed list.
    pub fn word<T: Copy>(
        &self,
        name: &str,
        all: &[T],
        as_str: fn(T) -> &'static str,
    ) -> Result<Option<T>, Response> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        let known = all.iter().copied().find(|word| as_str(*word) == value);
        known.map(Some).ok_or_else(|| {
            let words: Vec<&str> = all.iter().map(|word| as_str(*word)).collect();
            bad(&format!("{name}: must be one of {}", words.join(", ")))
        })
    }

    pub fn page(&self) -> Result<Paging, Response> {
        Ok(Paging {
            page: self.number("page", 1, 1 << 40)?.unwrap_or(1),
            limit: self.number("limit", 1, 100)?.unwrap_or(20),
            after: None,
        })
    }

    /// A page by its number, or behind the place that an answer gave as `next`.
    pub fn page_or_after(&self) -> Result<Paging, Response> {
        let page = self.page()?;
        let Some(after) = self.get("after") else {
            return match (page.page - 1).saturating_mul(page.limit) {
                0..=PAGE_DEPTH_LIMIT_ROWS => Ok(page),
                _ => Err(too_deep()),
            };
        };
        let after = Position::parse(after);
        let sentence = "after: must be the `next` of an answer to the same query";
        Ok(Paging {
            after: Some(after.ok_or_else(|| bad(sentence))?),
            ..page
        })
    }

    /// `sort=NAME` sorts upwards, `sort=-NAME` downwards; `columns` maps names to columns.
    pub fn sort(&self, columns: &[(&str, &'static str)], default: &str) -> Result<Sort, Response> {
        let value = self.get("sort").unwrap_or(default);
        let (name, down) = match value.strip_prefix('-') {
            Some(name) => (name, true),
            None => (value, false),
        };
        let known = columns.iter().find(|(known, _)| *known == name);
        known
            .map(|(_, column)| Sort { column, down })
            .ok_or_else(|| {
                let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
                let names = names.join(", ");
                bad(&format!(
                    "sort: must be one of {names}, with - in front to sort downwards"
                ))
            })
    }
}
