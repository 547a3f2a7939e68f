//! The pages for people: `/` and `/packages/NAME`.

use crate::app::domain::ids::BuildId;
use crate::app::domain::popularity;
use crate::app::domain::verdict::Grade;
use crate::app::render::limits::{
    SHOWN_COMMIT_CHARS, SHOWN_FACT_LIMIT_CHARS, SHOWN_PACKAGE_LIMIT_CHARS, SHOWN_URL_LIMIT_CHARS,
    SHOWN_WORDS_LIMIT_CHARS,
};
use crate::app::render::matrix;
use crate::app::render::page::{Block, Page, PageOptions};
use crate::app::render::table::{Align, Cell, Style, Table};
use crate::app::store::builds::BuildRow;
use crate::app::store::checks::CheckLine;
use crate::app::store::list::Paging;
use crate::app::store::packages::PackageRow;
use crate::app::store::results::ResultRow;

/// The content of the front page.
pub struct FrontPage<'a> {
    /// Slots in use.
    pub running: usize,
    /// Builds in the queue.
    pub waiting: usize,
    pub slots: usize,
    pub engine_is_up: bool,
    /// Newest first.
    pub toolchains: &'a [String],
    pub packages: Vec<(PackageRow, Vec<ResultRow>)>,
    /// Number of packages on all pages of the list.
    pub total: u64,
    pub paging: Paging,
    pub search: Option<&'a str>,
    pub checks: Vec<CheckLine>,
    pub options: &'a PageOptions,
    pub now_unix_ms: i64,
}

/// The content of a package's page.
pub struct PackagePage<'a> {
    pub row: PackageRow,
    /// Each verdict, with the build that it comes from.
    pub results: Vec<(ResultRow, Option<BuildRow>)>,
    /// Newest first.
    pub toolchains: &'a [String],
    pub options: &'a PageOptions,
    pub now_unix_ms: i64,
}

pub fn front(front: &FrontPage) -> Page {
    let (running, waiting, slots) = (front.running, front.waiting, front.slots);
    let version = env!("CARGO_PKG_VERSION");
    let mut lead = format!("zigcheck {version}: {running} of {slots} slots in use, ");
    lead += &count(waiting as i64, "build");
    lead += " waiting";
    if !front.engine_is_up {
        lead += "; the container engine is unavailable";
    }
    let mut blocks = vec![Block::Gap, packages(front)];
    if !front.checks.is_empty() {
        blocks.extend([Block::Gap, Block::Table(checks(front))]);
    }
    let host = &front.options.host;
    blocks.extend([
        Block::Gap,
        Block::Line(vec![Cell::new("Check the tree you are in:")]),
        Block::Command(format!(
            "git archive HEAD | curl -sN --data-binary @- '{host}/api/check?name=NAME&follow'"
        )),
        Block::Line(vec![
            Cell::new("More: /packages/NAME, "),
            link("/api/packages"),
            Cell::new(", "),
            link("/api/queue"),
        ]),
    ]);
    blocks.extend(next_page(front));
    Page {
        title: "zigcheck".to_string(),
        lead: Cell::new(&lead).linked("/"),
        blocks,
    }
}

/// A path that links to itself.
fn link(path: &str) -> Cell {
    Cell::new(path).linked(path)
}

/// A number of things: `1 build`, `2 builds`.
fn count(number: i64, noun: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{ending}")
}

/// The packages of this page, or a line that says why there are none.
fn packages(front: &FrontPage) -> Block {
    if front.packages.is_empty() {
        let reason = match (front.search, front.total) {
            (Some(search), 0) => format!("No package matches {search}"),
            (None, 0) if front.checks.is_empty() => "No packages and no checks yet.".to_string(),
            (None, 0) => "No packages yet.".to_string(),
            _ => format!(
                "There is no page {}: the last is {}.",
                front.paging.page,
                page_count(front)
            ),
        };
        let reason = Cell::new(&reason).clipped(SHOWN_FACT_LIMIT_CHARS);
        return Block::Line(vec![reason.styled(Style::Dim)]);
    }
    let mut table = Table::default().column("PACKAGE", Align::Left, SHOWN_PACKAGE_LIMIT_CHARS);
    for version in front.toolchains {
        table = table.column(version, Align::Left, SHOWN_WORDS_LIMIT_CHARS);
    }
    table = table.column("CHECKED", Align::Left, SHOWN_WORDS_LIMIT_CHARS);
    for (row, results) in &front.packages {
        let mut cells = vec![Cell::new(&row.name).linked(format!("/packages/{}", row.name))];
        for version in front.toolchains {
            let result = results.iter().find(|r| r.zig_version == *version);
            cells.push(result.map_or_else(|| dim("-"), verdict));
        }
        let checked = results.iter().filter_map(|result| result.last_checked);
        cells.push(age(checked.max(), front.now_unix_ms));
        table.push(cells, Vec::new());
    }
    Block::Table(table)
}

/// The latest verdict, and the state of a newer build if one is under way.
fn verdict(result: &ResultRow) -> Cell {
    let word = result.statuses().describe();
    let state = result.state.as_str();
    let text = match (word, result.state.is_final()) {
        ("pending", false) => format!("{state}\u{2026}"),
        (word, false) => format!("{word}, {state}\u{2026}"),
        (word, true) => word.to_string(),
    };
    Cell::new(&text).styled(style(result.statuses().grade()))
}

fn style(grade: Grade) -> Style {
    match grade {
        Grade::Green => Style::Good,
        Grade::Amber => Style::Doubtful,
        Grade::Red => Style::Bad,
        Grade::Grey => Style::Dim,
    }
}

fn dim(text: &str) -> Cell {
    Cell::new(text).styled(Style::Dim)
}

fn checks(front: &FrontPage) -> Table {
    let mut table = Table::default()
        .column("CHECK", Align::Right, SHOWN_WORDS_LIMIT_CHARS)
        .column("NAME", Align::Left, SHOWN_PACKAGE_LIMIT_CHARS)
        .column("BUILDS", Align::Left, SHOWN_WORDS_LIMIT_CHARS)
        .column("STARTED", Align::Left, SHOWN_WORDS_LIMIT_CHARS);
    for check in &front.checks {
        let mut builds = format!("{} of {} build", check.good, check.builds);
        if check.open > 0 {
            builds += &format!(", {} to come", check.open);
        }
        let style = match check {
            CheckLine { open: 1.., .. } => Style::Dim,
            CheckLine { good: 0, .. } => Style::Bad,
            // Never green: a build that succeeded may have failed its tests, or compiled nothing.
            _ => Style::Plain,
        };
        let cells = vec![
            Cell::new(&check.id.to_string()).linked(format!("/api/checks/{}", check.id)),
            Cell::new(&check.package),
            Cell::new(&builds).styled(style),
            age(Some(check.created_at), front.now_unix_ms),
        ];
        table.push(cells, Vec::new());
    }
    table
}

fn page_count(front: &FrontPage) -> u64 {
    front.total.div_ceil(front.paging.limit).max(1)
}

/// A link to the next page of the list, if there is one.
fn next_page(front: &FrontPage) -> Option<Block> {
    let (next, last) = (front.paging.page + 1, page_count(front));
    if next > last {
        return None;
    }
    let mut query = form_urlencoded::Serializer::new(String::new());
    if let Some(search) = front.search {
        query.append_pair("search", search);
    }
    query.append_pair("limit", &front.paging.limit.to_string());
    query.append_pair("page", &next.to_string());
    if front.options.color {
        query.append_key_only("color");
    }
    let target = format!("/?{}", query.finish());
    let command = format!("curl '{}{target}'", front.options.host);
    Some(Block::Line(vec![
        Cell::new(&format!("Page {next} of {last}: ")),
        Cell::new(&command).linked(target),
    ]))
}

/// The time since `at`, in one unit.
fn age(at: Option<i64>, now_unix_ms: i64) -> Cell {
    let Some(at) = at else {
        return dim("-");
    };
    let seconds = (now_unix_ms - at).max(0) / 1_000;
    let (minutes, hours) = (seconds / 60, seconds / 3_600);
    Cell::new(&match () {
        () if seconds < 60 => format!("{seconds} s ago"),
        () if minutes < 60 => format!("{minutes} min ago"),
        () if hours < 48 => format!("{hours} h ago"),
        () => format!("{} days ago", hours / 24),
    })
}

// -- one package --

/// The page for a package that does not exist.
pub fn missing(name: &str) -> Page {
    Page {
        title: "zigcheck".to_string(),
        lead: Cell::new(&format!("There is no package {name}.")).linked("/"),
        blocks: Vec::new(),
    }
}

pub fn package(page: &PackagePage) -> Page {
    let name = &page.row.name;
    Page {
        title: format!("{name}: zigcheck"),
        lead: Cell::new(name),
        blocks: vec![
            Block::Table(facts(&page.row)),
            Block::Gap,
            Block::Table(verdicts(page)),
            Block::Gap,
            Block::Line(vec![Cell::new("Check it again:")]),
            Block::Command(format!(
                "curl -X POST '{}/api/packages/{name}/builds'",
                page.options.host
            )),
            Block::Line(vec![
                Cell::new("More: "),
                link(&format!("/api/packages/{name}")),
                Cell::new(", all packages at "),
                link("/"),
            ]),
        ],
    }
}

fn facts(row: &PackageRow) -> Table {
    let mut table = Table::default()
        .column("", Align::Left, SHOWN_WORDS_LIMIT_CHARS)
        .column("", Align::Left, SHOWN_URL_LIMIT_CHARS);
    let schemes = ["https://", "http://"];
    let is_web = schemes.iter().any(|scheme| row.url.starts_with(scheme));
    let mut url = Cell::new(&row.url);
    url.link = is_web.then(|| row.url.clone());
    table.push(vec![dim("url"), url], Vec::new());
    for (name, fact) in [
        ("ref", &row.reference),
        ("dir", &row.dir),
        ("description", &row.description),
        ("author", &row.author),
        ("license", &row.license),
    ] {
        if let Some(fact) = fact {
            let fact = Cell::new(fact).clipped(SHOWN_FACT_LIMIT_CHARS);
            table.push(vec![dim(name), fact], Vec::new());
        }
    }
    let users = popularity::users(row.popularity_score);
    if users > 0 {
        let users = Cell::new(&count(users, "package"));
        table.push(vec![dim("used by"), users], Vec::new());
    }
    table
}

fn verdicts(page: &PackagePage) -> Table {
    let mut table = Table::default();
    for title in [
        "ZIG", "VERDICT", "BECAUSE", "COMMIT", "CHECKED", "BUILD", "LOG",
    ] {
        let align = if title == "BUILD" {
            Align::Right
        } else {
            Align::Left
        };
        table = table.column(title, align, SHOWN_WORDS_LIMIT_CHARS);
    }
    let known = page.toolchains.iter().map(String::as_str);
    // Verdicts under toolchains that this server no longer has come last.
    let versions = page.results.iter().map(|(row, _)| row.zig_version.as_str());
    let gone = versions.filter(|version| !page.toolchains.iter().any(|known| known == version));
    for version in known.chain(gone) {
        let result = page.results.iter().find(|(r, _)| r.zig_version == version);
        let (cells, notes) = toolchain(version, result, page.now_unix_ms);
        table.push(cells, notes);
    }
    table
}

/// The row of one toolchain, and the notes under it.
fn toolchain(
    version: &str,
    result: Option<&(ResultRow, Option<BuildRow>)>,
    now_unix_ms: i64,
) -> (Vec<Cell>, Vec<Cell>) {
    let Some((result, build)) = result else {
        let mut cells = vec![Cell::new(version)];
        cells.extend(["-", "", "", "-", "", ""].map(dim));
        return (cells, Vec::new());
    };
    let detail = build.as_ref().map(|build| matrix::describe(build).1);
    let commit = result.commit.as_deref().unwrap_or("");
    let commit: String = commit.chars().take(SHOWN_COMMIT_CHARS).collect();
    // A build without a verdict already has a log.
    let shown = result.build_id.or(result.newest_build);
    let (id, log) = match shown {
        None => (dim(""), dim("")),
        Some(id) => (
            Cell::new(&id.to_string()).linked(format!("/api/builds/{id}")),
            link(&log_path(id)),
        ),
    };
    let cells = vec![
        Cell::new(version),
        verdict(result),
        Cell::new(&detail.unwrap_or_default()),
        Cell::new(&commit),
        age(result.last_checked, now_unix_ms),
        id,
        log,
    ];
    let errors = build.as_ref().map(matrix::first_errors);
    let errors = errors.unwrap_or_default();
    let mut notes: Vec<Cell> = errors.iter().map(|line| Cell::new(line)).collect();
    if let Some(id) = result.newest_build
        && !result.state.is_final()
        && Some(id) != shown
    {
        let state = result.state.as_str();
        let text = format!("build {id} is {state}: {}", log_path(id));
        notes.push(dim(&text).linked(log_path(id)));
    }
    (cells, notes)
}

fn log_path(id: BuildId) -> String {
    format!("/api/builds/{id}/log")
}
