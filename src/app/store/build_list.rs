//! Lists of builds: filtered, sorted.

use crate::app::domain::ids::CheckId;
use crate::app::domain::verdict::{BuildStatus, State};
use crate::app::store::builds::{self, BuildRow};
use crate::app::store::limits::EXAMINED_LIMIT_ROWS;
use crate::app::store::list::{Page, Paging, Sort, Sql, Walk, sorted_page, text};
use crate::app::store::packages;
use crate::app::store::store::{Result, Store};
use crate::app::store::totals;

#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct BuildFilter {
    /// Those of the package of that name; where there is none, and with `uploads`, the uploads that bear the name.
    pub package: Option<String>,
    pub uploads: bool,
    pub check: Option<CheckId>,
    pub zig_version: Option<String>,
    pub status: Option<BuildStatus>,
    pub state: Option<State>,
}

/// One page of the builds that match. None: the page is too far from the beginning to be found by its number.
pub fn page(
    store: &Store,
    filter: &BuildFilter,
    sort: Sort,
    paging: &Paging,
) -> Result<Option<Page<BuildRow>>> {
    let matches = matches(store, filter)?;
    let by_id = sort.column == "b.id";
    let found = match scope(store, filter)? {
        Scope::One(rows) if by_id => {
            let walk = Walk {
                tables: CHECKED,
                id: "b.id",
                // Builds are made with their checks, so this is the order of their ids.
                key: "c.id",
                down: sort.down,
                rows,
                matches: matches.unwrap_or(Sql::new("1")),
                examined: EXAMINED_LIMIT_ROWS,
                counted: EXAMINED_LIMIT_ROWS,
            };
            walk.page(store, paging)?
        }
        Scope::One(rows) => Some(newest(store, &[rows], sort, matches, paging)?),
        Scope::Two(rows) => Some(newest(store, &rows, sort, matches, paging)?),
        Scope::All => walk(store, filter, sort, matches, paging)?,
    };
    let Some(found) = found else {
        return Ok(None);
    };
    let page = found.with_rows(|ids| builds::with_ids(store, ids), |row| row.id.get())?;
    Ok(Some(page))
}

const CHECKED: &str = "checks c CROSS JOIN builds b ON b.check_id = c.id";
const OF_PACKAGE: &str = "c.package_id = ?";
const OF_UPLOADS: &str = "c.package = ? AND c.package_id IS NULL AND c.url IS NULL";

/// The checks whose builds are asked for, as conditions on rows of `CHECKED`.
enum Scope {
    All,
    One(Sql),
    Two([Sql; 2]),
}

fn scope(store: &Store, filter: &BuildFilter) -> Result<Scope> {
    if let Some(check) = filter.check {
        return Ok(Scope::One(
            Sql::new("c.id = ?").then("", [check.get().into()]),
        ));
    }
    let Some(name) = &filter.package else {
        return Ok(Scope::All);
    };
    let of_uploads = Sql::new(OF_UPLOADS).then("", [text(name)]);
    Ok(match packages::with_name(store, name)? {
        None => Scope::One(of_uploads),
        Some(package) => {
            let of_package = Sql::new(OF_PACKAGE).then("", [package.id.get().into()]);
            match filter.uploads {
                true => Scope::Two([of_package, of_uploads]),
                false => Scope::One(of_package),
            }
        }
    })
}

/// The page out of the newest builds of these scopes.
fn newest(
    store: &Store,
    scopes: &[Sql],
    sort: Sort,
    matches: Option<Sql>,
    paging: &Paging,
) -> Result<Page<i64>> {
    // One more than is examined of one scope shows that there are more.
    let limit = EXAMINED_LIMIT_ROWS / scopes.len() + 1;
    let mut sql = Sql::new(&format!("SELECT b.id AS id, {} AS key, (", sort.column))
        .then_sql(&matches.unwrap_or(Sql::new("1")))
        .then(") AS matches FROM (", []);
    for (nth, rows) in scopes.iter().enumerate() {
        let union = if nth > 0 { " UNION ALL " } else { "" };
        sql = sql
            .then(
                &format!("{union}SELECT * FROM (SELECT b.id FROM {CHECKED} WHERE "),
                [],
            )
            .then_sql(rows)
            .then(
                &format!(" ORDER BY c.id DESC, b.id DESC LIMIT {limit})"),
                [],
            );
    }
    let sql = sql.then(") s CROSS JOIN builds b ON b.id = s.id", []);
    sorted_page(store, &sql, sort.down, paging)
}

/// What a build `b` has to be; none where all are listed.
fn matches(store: &Store, filter: &BuildFilter) -> Result<Option<Sql>> {
    let mut sql = Sql::default();
    if filter.package.is_some() && filter.check.is_some() {
        let alone = BuildFilter {
            check: None,
            ..filter.clone()
        };
        let of_name = match scope(store, &alone)? {
            Scope::All => return Ok(None),
            Scope::One(rows) => rows,
            Scope::Two([a, b]) => Sql::new("(")
                .then_sql(&a)
                .then(" OR ", [])
                .then_sql(&b)
                .then(")", []),
        };
        let term = Sql::new("EXISTS (SELECT 1 FROM checks c WHERE c.id = b.check_id AND ")
            .then_sql(&of_name);
        let term = term.then(")", []);
        sql = sql.and(&term.text, term.values);
    }
    if let Some(version) = &filter.zig_version {
        sql = sql.and("b.zig_version = ?", [text(version)]);
    }
    if let Some(status) = filter.status {
        sql = sql.and("b.build_status = ?", [text(status.as_str())]);
    }
    if let Some(state) = filter.state {
        sql = sql.and("b.state = ?", [text(state.as_str())]);
    }
    Ok((!sql.text.is_empty()).then_some(sql))
}

/// Walks an index in the order of the list: by id that of the filter that tends to have the fewest builds.
fn walk(
    store: &Store,
    filter: &BuildFilter,
    sort: Sort,
    matches: Option<Sql>,
    paging: &Paging,
) -> Result<Option<Page<i64>>> {
    let (index, rows) = match sort.column {
        "b.id" => narrowest(filter),
        "b.zig_version" => ("INDEXED BY builds_by_version", Sql::new("1")),
        _ => ("INDEXED BY builds_by_end", Sql::new("1")),
    };
    let is_whole = matches.is_none();
    let walk = Walk {
        tables: &format!("builds b {index}"),
        id: "b.id",
        key: sort.column,
        down: sort.down,
        rows,
        matches: matches.unwrap_or_default(),
        examined: EXAMINED_LIMIT_ROWS,
        counted: EXAMINED_LIMIT_ROWS,
    };
    let page = walk.page(store, paging)?;
    if !is_whole {
        return Ok(page);
    }
    let total = totals::builds(store)?;
    Ok(page.map(|page| Page {
        total,
        is_bounded: false,
        ..page
    }))
}

fn narrowest(filter: &BuildFilter) -> (&'static str, Sql) {
    let rare = |status| matches!(status, BuildStatus::Pending | BuildStatus::Error);
    let state = filter.state.filter(|state| *state != State::Finished);
    if let Some(state) = state {
        let sql = Sql::new("b.state = ?").then("", [text(state.as_str())]);
        return ("INDEXED BY builds_by_state", sql);
    }
    if let Some(status) = filter
        .status
        .filter(|status| rare(*status) || filter.zig_version.is_none())
    {
        let sql = Sql::new("b.build_status = ?").then("", [text(status.as_str())]);
        return ("INDEXED BY builds_by_status", sql);
    }
    if let Some(version) = &filter.zig_version {
        let sql = Sql::new("b.zig_version = ?").then("", [text(version)]);
        return ("INDEXED BY builds_by_version", sql);
    }
    ("", Sql::new("1"))
}
