//! Lists of packages: searched, filtered, sorted.
//!
//! Where one of the filters has few packages, all of them are read and sorted. Else an index in the order of the list
//! is walked, up to a limit: filters that most packages pass fill a page from there.

use rusqlite::types::Value;

use crate::app::domain::search::Search;
use crate::app::domain::verdict::BuildStatus;
use crate::app::store::limits::{
    COUNTED_LIMIT_ROWS, ERRORS_EXAMINED_LIMIT_ROWS, EXAMINED_LIMIT_ROWS, SOURCE_LIMIT_ROWS,
};
use crate::app::store::list::{Page, Paging, Sort, Sql, Walk, is_short, sorted_page, text};
use crate::app::store::packages::{self, PackageRow};
use crate::app::store::search::{self, PACKAGE_TEXT};
use crate::app::store::store::{Result, Store};
use crate::app::store::totals;

#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
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
    let terms = terms(filter, &search);
    let found = found(store, &search, &terms, sort, paging)?;
    let Some(found) = found else {
        return Ok(None);
    };
    let page = found.with_rows(|ids| packages::with_ids(store, ids), |row| row.id.get())?;
    Ok(Some(page))
}

fn found(
    store: &Store,
    search: &Search,
    terms: &[Term],
    sort: Sort,
    paging: &Paging,
) -> Result<Option<Page<i64>>> {
    let by_words = sort.column == RELEVANCE && !search.words.is_empty();
    let key = match by_words {
        true => relevance(search),
        false => column(sort),
    };
    let short = short(store, terms)?;
    let source = short.and_then(|nth| terms[nth].source.as_ref());
    if let Some(source) = source {
        let others = terms.iter().enumerate();
        let others = others.filter(|(nth, _)| Some(*nth) != short || !source.is_exact);
        let matches = all_of(others.map(|(_, term)| term));
        let sql = of_source(&key, &matches, &source.packages);
        return sorted_page(store, &sql, sort.down, paging).map(Some);
    }
    let matches = all_of(terms);
    if !by_words {
        let limits = match search.errors.is_empty() {
            true => (EXAMINED_LIMIT_ROWS, COUNTED_LIMIT_ROWS),
            false => (ERRORS_EXAMINED_LIMIT_ROWS, ERRORS_EXAMINED_LIMIT_ROWS / 2),
        };
        return walk(store, sort, matches, limits, paging);
    }
    let sql = of_source(&key, &matches, &most_popular(&search.words[0]));
    let page = sorted_page(store, &sql, sort.down, paging)?;
    // What is not among them may match as well.
    Ok(Some(Page {
        is_bounded: true,
        ..page
    }))
}

fn all_of<'a>(terms: impl IntoIterator<Item = &'a Term>) -> Sql {
    let add = |all: Sql, term: &Term| all.and(&term.matches.text, term.matches.values.clone());
    terms.into_iter().fold(Sql::default(), add)
}

fn walk(
    store: &Store,
    sort: Sort,
    matches: Sql,
    (examined, counted): (usize, usize),
    paging: &Paging,
) -> Result<Option<Page<i64>>> {
    let is_whole = matches.text.is_empty();
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
        matches,
        examined,
        counted,
    };
    let page = walk.page(store, paging)?;
    if !is_whole {
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

/// A part of what is asked for.
struct Term {
    matches: Sql,
    /// The packages that may match, where an index has them.
    source: Option<Source>,
}

/// Where a read may begin.
struct Source {
    /// Counted to learn whether they are few.
    candidates: Sql,
    /// The `id` of packages.
    packages: Sql,
    /// All these packages match.
    is_exact: bool,
}

impl Term {
    fn new(matches: &str, values: impl IntoIterator<Item = Value>) -> Term {
        Term {
            matches: Sql::default().and(matches, values),
            source: None,
        }
    }

    /// The same where these packages may match.
    fn among(self, packages: Option<Sql>) -> Term {
        let source = packages.map(|packages| Source {
            candidates: packages.clone(),
            packages,
            is_exact: false,
        });
        Term { source, ..self }
    }
}

/// What a package has to be; first what tends to have few packages.
fn terms(filter: &PackageFilter, search: &Search) -> Vec<Term> {
    let mut terms: Vec<Term> = search.errors.iter().map(|error| of_error(error)).collect();
    if !search.words.is_empty() {
        let mut matches = Sql::default();
        for word in &search.words {
            matches = matches.and(&format!("instr({PACKAGE_TEXT}, ?) > 0"), [text(word)]);
        }
        let term = Term {
            matches,
            source: None,
        };
        terms.push(term.among(search::of_words(search)));
    }
    terms.extend(search.owners.iter().map(|owner| of_owner(owner)));
    if let Some(author) = &filter.author {
        let source = Sql::new("SELECT id FROM packages WHERE author = ?").then("", [text(author)]);
        terms.push(Term::new("p.author = ?", [text(author)]).among(Some(source)));
    }
    if let Some(license) = &filter.license {
        terms.push(Term::new("p.license = ?", [text(license)]).among(of_license(license)));
    }
    for license in &search.licenses {
        let term = Term::new("lower(p.license) = ?", [text(license)]);
        terms.push(term.among(of_license(license)));
    }
    terms.extend(cells(filter, search).map(|(version, status)| {
        let matches = has_cell(version, status);
        let source = of_cell(version, status);
        Term {
            matches,
            source: None,
        }
        .among(source)
    }));
    terms
}

/// A text in the errors of a package. As a source it reads only the verdicts that the index names, else all of them.
fn of_error(error: &str) -> Term {
    let holds = format!("instr({}, ?) > 0", search::error_text());
    let matches =
        format!("EXISTS (SELECT 1 FROM build_results r WHERE r.package_id = p.id AND {holds})");
    let source = search::of_error(error).map(|candidates| Source {
        packages: Sql::new("SELECT DISTINCT r.package_id AS id FROM (")
            .then_sql(&candidates)
            .then(") e CROSS JOIN build_results r ON r.id = e.id WHERE ", [])
            .then(&holds, [text(error)]),
        candidates,
        is_exact: true,
    });
    Term {
        source,
        ..Term::new(&matches, [text(error)])
    }
}

fn of_owner(owner: &str) -> Term {
    let sql = format!("SELECT p.id FROM packages p WHERE {PATH} >= ? AND {PATH} < ?");
    // The next character behind the slash.
    let ends = ["/", "0"].map(|end| text(&format!("{owner}{end}")));
    let term = Term::new(
        &format!("instr({PATH}, ?) = 1"),
        [text(&format!("{owner}/"))],
    );
    term.among(Some(Sql::new(&sql).then("", ends)))
}

fn of_license(license: &str) -> Option<Sql> {
    let sql = "SELECT id FROM packages WHERE lower(license) = ? AND license NOT NULL";
    Some(Sql::new(sql).then("", [text(&license.to_ascii_lowercase())]))
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

/// True where a package has such a verdict: by indexes alone, since each row holds an error.
fn has_cell(version: Option<&str>, status: Option<BuildStatus>) -> Sql {
    let status = status.map(|status| text(status.as_str()));
    let of_version = |version: &str| Sql::new(" AND zig_version = ?").then("", [text(version)]);
    let cell = match (status, version) {
        (None, version) => {
            Sql::new("build_results WHERE 1").then_sql(&version.map(of_version).unwrap_or_default())
        }
        (Some(status), Some(version)) => Sql::new(OF_STATUS)
            .then("", [status])
            .then_sql(&of_version(version)),
        (Some(status), None) => Sql::new(OF_STATUS)
            .then("", [status.clone()])
            .then_sql(&in_versions(&status)),
    };
    Sql::new("EXISTS (SELECT 1 FROM ")
        .then_sql(&cell)
        .then(" AND package_id = p.id)", [])
}

const OF_STATUS: &str = "build_results INDEXED BY build_results_by_status WHERE build_status = ?";

/// The versions under which there is a verdict of a status, each found behind the one before it.
fn in_versions(status: &Value) -> Sql {
    let sql = format!(
        " AND zig_version IN (WITH RECURSIVE v (version) AS (\
             SELECT min(zig_version) FROM {OF_STATUS} UNION ALL \
             SELECT (SELECT min(zig_version) FROM {OF_STATUS} AND zig_version > version) FROM v \
                 WHERE version NOT NULL) \
         SELECT version FROM v)"
    );
    Sql::new(&sql).then("", [status.clone(), status.clone()])
}

/// The packages with such a verdict. None for a version alone, which most packages have.
fn of_cell(version: Option<&str>, status: Option<BuildStatus>) -> Option<Sql> {
    let sql = Sql::new(&format!("SELECT package_id AS id FROM {OF_STATUS}"))
        .then("", [text(status?.as_str())]);
    Some(match version {
        Some(version) => sql.then(" AND zig_version = ?", [text(version)]),
        None => sql,
    })
}

/// The first term whose source has few rows.
fn short(store: &Store, terms: &[Term]) -> Result<Option<usize>> {
    for (nth, term) in terms.iter().enumerate() {
        if let Some(source) = &term.source
            && is_short(store, &source.candidates)?
        {
            return Ok(Some(nth));
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
    let half = SOURCE_LIMIT_ROWS / 2;
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
