//! The packages that hold back most under a Zig version: their page, and in JSON.

use serde_json::{Value, json};

use crate::app::domain::popularity;
use crate::app::render::sanitize::Clean;
use crate::app::render::view::parts::{Link, package_path};
use crate::app::render::view::site::{Site, count};
use crate::app::render::view::upgrade::{Outcome, blockers_link, path, status};
use crate::app::store::limits::BLOCKERS_EXAMINED_LIMIT_ROWS;
use crate::app::store::list::{Page, Paging};
use crate::app::store::upgrade::UpgradeStatus;

#[derive(Debug, Clone, PartialEq)]
pub struct BlockersView {
    pub site: Site,
    pub version: Clean,
    /// The address of the page.
    pub path: String,
    /// The most used first.
    pub lines: Vec<BlockerLine>,
    pub summary: String,
    /// The next page.
    pub next: Option<String>,
}

/// A package that fails.
#[derive(Debug, Clone, PartialEq)]
pub struct BlockerLine {
    pub package: Link,
    /// Known packages that depend on it.
    pub users: u64,
    pub outcome: Outcome,
    /// What holds it back itself.
    pub upgrade: String,
}

impl BlockersView {
    pub fn new(
        site: Site,
        found: &Page<UpgradeStatus>,
        zig_version: &str,
        asked: &Paging,
    ) -> BlockersView {
        let path = blockers_link(zig_version).target;
        let has_next = asked.page.saturating_mul(asked.limit) < found.total;
        let next =
            has_next.then(|| format!("{path}?limit={}&page={}", asked.limit, asked.page + 1));
        let failing = count(found.total, "package");
        let fail = if found.total == 1 { "fails" } else { "fail" };
        let among = match found.is_bounded {
            true => format!("{failing} of the {BLOCKERS_EXAMINED_LIMIT_ROWS} most used"),
            false => format!("{failing} that others depend on"),
        };
        BlockersView {
            site,
            version: Clean::new(zig_version),
            lines: found
                .rows
                .iter()
                .map(|row| BlockerLine::new(row, zig_version))
                .collect(),
            summary: format!("{among} {fail} at the latest commit"),
            next,
            path,
        }
    }
}

impl BlockerLine {
    fn new(row: &UpgradeStatus, zig_version: &str) -> BlockerLine {
        let name = &row.package.name;
        BlockerLine {
            package: Link::new(name, package_path(name)),
            users: popularity::users(row.package.popularity_score).max(0) as u64,
            outcome: Outcome::new(row),
            upgrade: path(name, zig_version),
        }
    }
}

/// The list of the API.
pub fn json(found: &Page<UpgradeStatus>, zig_version: &str, asked: &Paging) -> Value {
    let row = |row: &UpgradeStatus| {
        let users = popularity::users(row.package.popularity_score);
        let package = ("package".to_string(), json!(row.package.name));
        let dependents = ("dependents".to_string(), json!(users));
        let fields = [package, dependents].into_iter().chain(status(row));
        Value::Object(fields.collect())
    };
    json!({
        "zig_version": zig_version,
        "blockers": found.rows.iter().map(row).collect::<Vec<Value>>(),
        "total": found.total,
        "total_is_bounded": found.is_bounded,
        "page": asked.page,
        "limit": asked.limit,
    })
}
