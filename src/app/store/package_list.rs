//! Lists of packages: searched, filtered, sorted.
//!
//! Where one of the filters has few packages, all of them are read and sorted. Else an index in the order of the list
//! is walked, up to a limit: filters that most packages pass fill a page from there.

use rusqlite::types::Value;

use crate::app::domain::search::Search;
use crate::app::domain::verdict::BuildStatus;
use crate::app::store::limits::EXAMINED_LIMIT_ROWS;
use crate::app::store::list::{Page, Paging, Sort, Sql, Walk, is_short, sorted_page, text};
use crate::app::store::packages::{self, PackageRow};
use crate::app::store::search::{self, PACKAGE_TEXT};
use crate::app::store::store::{Result, Store};
use crate::app::store::totals;

#[derive(Debug, Clone, PartialEq, Default)]
pub struct PackageFilter {
    /// As `Search` takes it apart.
    pub search: Option<String>,
    pub zig_version: Option<String>,
    pub status: Option<BuildStatus>,
    pub license: Option<String>,
    pub author: Option<String>,
}

/// The match of the words of a search, then popularity.
pub const RELEVANCE: &str = "relevance";

/// A popularity score is below this: more packages than there are depend on a package of that score.
const SCORES: i64 = 1 << 44;

/// The path of a package's repository, as `packages_by_path` has it.
const PATH: &str = "lower(substr(p.repository, 9 + instr(substr(p.repository, 9), '/')))";

/// One page of the packages that match. None: the page is too far from the beginning to be found by its number.
pub fn page(
    store: &Store,
    filter: &PackageFilter,
    sort: Sort,
    paging: &Paging,
) -> Result<Option<Page<PackageRow>>> {
    let search = Search::parse(filter.search.as_deref().unwrap_or_default());
    let matches = matches(filter, &search);
    let by_words = sort.column == RELEVANCE && !search.words.is_empty();
    let sources = sources(filter, &search);
    let found = if let Some(source) = short(store, &sources)? {
        let key = if by_words {
            relevance(&search)
        } else {
            column(sort)
        };
        Some(sorted_page(
            store,
            &of_source(&key, &matches, &source),
            sort.down,
            paging,
        )?)
    } else if by_words {
        let found = most_popular(&search.words[0]);
        let page = sorted_page(
            store,
            &of_source(&relevance(&search), &matches, &found),
            sort.down,
            paging,
        )?;
        // What is not among them may match as well.
        Some(Page {
            is_bounded: true,
            ..page
        })
    } else {
        walk(store, sort, &matches, paging)?
    };
    let Some(found) = found else {
        return Ok(None);
    };
    let page = found.with_rows(|ids| packages::with_ids(store, ids), |row| row.id.get())?;
    Ok(Some(page))
}

fn walk(store: &Store, sort: Sort, matches: &Sql, paging: &Paging) -> Result<Option<Page<i64>>> {
    let (tables, rows) = match sort.column {
        "name" => ("packages p", "p.name < '~'"),
        "last_updated" => (
            "packages p INDEXED BY packages_by_update",
            "p.removal IS NULL",
        ),
        "popularity_score" | RELEVANCE => (
            "packages p INDEXED BY packages_by_popularity",
            "p.removal IS NULL",
        ),
        _ => ("packages p", "p.removal IS NULL"),
    };
    let walk = Walk {
        tables,
        id: "p.id",
        key: &column(sort).text,
        down: sort.down,
        rows: Sql::new(rows),
        matches: matches.clone(),
    };
    let page = walk.page(store, paging)?;
    if !matches.text.is_empty() {
        return Ok(page);
    }
    let total = totals::packages(store)?;
    Ok(page.map(|page| Page {
        total,
        is_bounded: false,
        ..page
    }))
}

fn column(sort: Sort) -> Sql {
    let column = match sort.column {
        RELEVANCE => "popularity_score",
        column => column,
    };
    Sql::new(&format!("p.{column}"))
}

/// What a package has to be.
fn matches(filter: &PackageFilter, search: &Search) -> Sql {
    let mut sql = Sql::default();
    for word in &search.words {
        sql = sql.and(&format!("instr({PACKAGE_TEXT}, ?) > 0"), [text(word)]);
    }
    for error in &search.errors {
        let of = search::error_text();
        let term = format!(
            "EXISTS (SELECT 1 FROM build_results r WHERE r.package_id = p.id AND instr({of}, ?) > 0)"
        );
        sql = sql.and(&term, [text(error)]);
    }
    for owner in &search.owners {
        sql = sql.and(
            &format!("instr({PATH}, ?) = 1"),
            [text(&format!("{owner}/"))],
        );
    }
    for license in &search.licenses {
        sql = sql.and("lower(p.license) = ?", [text(license)]);
    }
    if let Some(license) = &filter.license {
        sql = sql.and("p.license = ?", [text(license)]);
    }
    if let Some(author) = &filter.author {
        sql = sql.and("p.author = ?", [text(author)]);
    }
    for (version, status) in cells(filter, search) {
        let mut term = Sql::new("EXISTS (SELECT 1 FROM build_results WHERE package_id = p.id");
        if let Some(version) = version {
            term = term.then(" AND zig_version = ?", [text(version)]);
        }
        if let Some(status) = status {
            term = term.then(" AND build_status = ?", [text(status.as_str())]);
        }
        term = term.then(")", []);
        sql = sql.and(&term.text, term.values);
    }
    sql
}

/// The verdicts that are asked for: a version, a status, or both.
fn cells<'a>(
    filter: &'a PackageFilter,
    search: &'a Search,
) -> impl Iterator<Item = (Option<&'a str>, Option<BuildStatus>)> {
    let asked = (filter.zig_version.as_deref(), filter.status);
    let asked = (asked != (None, None)).then_some(asked);
    let searched = search
        .cells
        .iter()
        .map(|(version, status)| (Some(version.as_str()), *status));
    asked.into_iter().chain(searched)
}

/// For each filter that an index serves, the packages that may pass it, by `id`; first those that tend to be few.
fn sources(filter: &PackageFilter, search: &Search) -> Vec<Sql> {
    let mut sources: Vec<Sql> = search
        .errors
        .iter()
        .filter_map(|error| search::of_error(error))
        .collect();
    sources.extend(search::of_words(search));
    for owner in &search.owners {
        // The next character behind the slash.
        let sql = Sql::new(&format!(
            "SELECT p.id FROM packages p WHERE {PATH} >= ? AND {PATH} < ?"
        ));
        sources.push(sql.then("", ["/", "0"].map(|end| text(&format!("{owner}{end}")))));
    }
    if let Some(author) = &filter.author {
        sources.push(Sql::new("SELECT id FROM packages WHERE author = ?").then("", [text(author)]));
    }
    let licenses = filter
        .license
        .iter()
        .map(|license| license.to_ascii_lowercase());
    for license in licenses.chain(search.licenses.iter().cloned()) {
        let sql = "SELECT id FROM packages WHERE lower(license) = ? AND license NOT NULL";
        sources.push(Sql::new(sql).then("", [text(&license)]));
    }
    sources.extend(cells(filter, search).filter_map(|(version, status)| of_cell(version, status)));
    sources
}

/// The packages with such a verdict. None for a version alone, which most packages have, and for what waits for its
/// first verdict.
fn of_cell(version: Option<&str>, status: Option<BuildStatus>) -> Option<Sql> {
    let status = status.filter(|status| *status != BuildStatus::Pending)?;
    let sql =
        Sql::new("SELECT package_id AS id FROM build_results INDEXED BY build_results_by_status ")
            .then(
                "WHERE build_status <> 'pending' AND build_status = ?",
                [text(status.as_str())],
            );
    Some(match version {
        Some(version) => sql.then(" AND zig_version = ?", [text(version)]),
        None => sql,
    })
}

/// The first of these that has few rows.
fn short(store: &Store, sources: &[Sql]) -> Result<Option<Sql>> {
    for source in sources {
        if is_short(store, source)? {
            return Ok(Some(source.clone()));
        }
    }
    Ok(None)
}

/// The packages of a source with what they are sorted by, and whether they match.
fn of_source(key: &Sql, matches: &Sql, source: &Sql) -> Sql {
    let matches = matches.clone().and("p.removal IS NULL", []);
    Sql::new("SELECT p.id AS id, ")
        .then_sql(key)
        .then(" AS key, (", [])
        .then_sql(&matches)
        .then(") AS matches FROM (", [])
        .then_sql(source)
        .then(") s CROSS JOIN packages p ON p.id = s.id", [])
}

/// Where words are too frequent for their index: the most popular packages, and those whose name begins with the word.
fn most_popular(word: &str) -> Sql {
    let half = EXAMINED_LIMIT_ROWS / 2;
    let popular = format!(
        "SELECT id FROM packages WHERE removal IS NULL ORDER BY popularity_score DESC LIMIT {half}"
    );
    let named = format!("SELECT id FROM packages WHERE name >= ? AND name < ? LIMIT {half}");
    let end = format!("{word}\u{10ffff}");
    Sql::new(&format!(
        "SELECT id FROM ({popular}) UNION SELECT id FROM ({named})"
    ))
    .then("", [text(word), Value::Text(end)])
}

/// What packages are sorted by in a search for words: a name that is one of them, that begins with one, that holds one;
/// then popularity.
fn relevance(search: &Search) -> Sql {
    let mut sql = Sql::new("max(0");
    for word in &search.words {
        let term = ", CASE instr(lower(p.name), ?) WHEN 0 THEN 0 WHEN 1 THEN 2 + (length(p.name) = ?) ELSE 1 END";
        let length = Value::Integer(word.chars().count() as i64);
        sql = sql.then(term, [text(word), length]);
    }
    sql.then(
        &format!(", 0) * {SCORES} + min(p.popularity_score, {SCORES} - 1)"),
        [],
    )
}
