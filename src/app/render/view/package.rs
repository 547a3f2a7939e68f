//! The page of a package.

use crate::app::domain::ids::BuildId;
use crate::app::domain::popularity;
use crate::app::domain::repository::repository;
use crate::app::domain::verdict::Grade;
use crate::app::render::json::{self, lowest_working};
use crate::app::render::limits::SHOWN_FACT_LIMIT_CHARS;
use crate::app::render::matrix;
use crate::app::render::sanitize::Clean;
use crate::app::render::targets::{Target, targets};
use crate::app::render::view::check::{ErrorGroup, groups, import};
use crate::app::render::view::compat::{self, CompatLine};
use crate::app::render::view::errors::Tree;
use crate::app::render::view::feed::{FeedLink, FeedScope};
use crate::app::render::view::parts::{
    Commit, Link, Mark, Moment, marks, package_path, part, submit_path, web_url,
};
use crate::app::render::view::site::{Site, count};
use crate::app::render::view::upgrade;
use crate::app::store::builds::BuildRow;
use crate::app::store::compat::CompatRow;
use crate::app::store::declared::DeclaredRow;
use crate::app::store::history::HistoryRow;
use crate::app::store::issues::PackageIssue;
use crate::app::store::packages::PackageRow;
use crate::app::store::results::ResultRow;

#[derive(Debug, Clone, PartialEq)]
pub struct PackageView {
    pub site: Site,
    pub name: Link,
    pub url: Clean,
    /// The URL if a browser can open it.
    pub web: Option<String>,
    pub description: Option<Clean>,
    /// What else is known of it, with its word.
    pub facts: Vec<(&'static str, Clean)>,
    /// What was reported to its repository and is open.
    pub issues: Vec<OpenIssue>,
    /// Newest first.
    pub rows: Vec<ToolchainRow>,
    /// The newest commit that works under each toolchain.
    pub compat: Vec<CompatLine>,
    /// What holds it back under the newest version.
    pub upgrade: Option<Link>,
    /// A search may find more.
    pub can_search: bool,
    pub is_paused: bool,
    /// The first errors, equal ones once.
    pub errors: Vec<ErrorGroup>,
    /// The lowest version that its manifest declares, and the lowest that was found to work.
    pub minimum: Option<(Clean, Clean)>,
    /// What earlier commits came to, by version.
    pub history: Vec<Strip>,
    /// Newest first.
    pub toolchains: Vec<Clean>,
    pub dependencies: Vec<Dependency>,
    pub used_by: Vec<Link>,
    pub used_by_count: u64,
    pub feed: FeedLink,
    /// The badge in markup to copy, with the name of its language.
    pub badges: Vec<(&'static str, Clean)>,
}

/// An open issue at its forge.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenIssue {
    pub version: Clean,
    pub url: Clean,
    pub web: Option<String>,
}

/// How the package does under one toolchain.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolchainRow {
    pub version: Clean,
    /// None if it was never tried.
    pub mark: Option<Mark>,
    /// The reason, or the tests.
    pub because: Clean,
    /// How it does as a dependency.
    pub import: &'static str,
    /// Other targets, if they are known.
    pub targets: Vec<Target>,
    pub commit: Option<Commit>,
    pub checked: Option<Moment>,
    /// The build of the verdict; the newest build while there is no verdict.
    pub build: Option<BuildId>,
    /// What happened, and the first errors.
    pub errors: Vec<Clean>,
}

/// What the latest commits came to under one version, the newest first.
#[derive(Debug, Clone, PartialEq)]
pub struct Strip {
    pub version: Clean,
    pub squares: Vec<Square>,
}

/// What one commit came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Square {
    pub commit: Commit,
    pub grade: Grade,
    pub word: &'static str,
    pub checked: Moment,
}

/// A package that this one declares.
#[derive(Debug, Clone, PartialEq)]
pub struct Dependency {
    pub name: Clean,
    /// The page of its package or, if it is unknown, its repository.
    pub target: Option<String>,
    pub is_lazy: bool,
    /// Where an unknown one can be submitted.
    pub submit: Option<String>,
    /// None if it is unknown.
    pub marks: Option<Vec<Option<Mark>>>,
}

/// A package with its latest verdicts.
pub type KnownPackage = (PackageRow, Vec<ResultRow>);

/// The rows of a package's page.
pub struct PackageRows<'a> {
    pub row: PackageRow,
    /// Each verdict under these toolchains, with the build that it comes from.
    pub results: Vec<(ResultRow, Option<BuildRow>)>,
    /// Newest first.
    pub toolchains: &'a [String],
    pub history: Vec<HistoryRow>,
    pub compat: Vec<CompatRow>,
    pub issues: Vec<PackageIssue>,
    /// What it declares, each with its package and the verdicts of that, if it is known.
    pub dependencies: Vec<(DeclaredRow, Option<KnownPackage>)>,
    pub used_by: Vec<PackageRow>,
}

impl PackageView {
    pub fn new(site: Site, rows: &PackageRows) -> PackageView {
        let row = &rows.row;
        let known = rows.toolchains.iter().map(String::as_str);
        let toolchain = |version: &str| {
            let result = rows.results.iter().find(|(r, _)| r.zig_version == version);
            toolchain(site.toolchain(version), result, row, site.now_unix_ms)
        };
        let tree = Tree {
            url: Some(&row.url),
            commit: commit(rows),
            dir: row.dir.as_deref(),
        };
        let rows_of =
            |version: &'_ str| rows.results.iter().find(|(r, _)| r.zig_version == version);
        let in_order = known.clone().filter_map(rows_of);
        let link = |row: &PackageRow| Link::new(&row.name, package_path(&row.name));
        PackageView {
            name: link(row),
            url: Clean::new(&row.url),
            web: web_url(&row.url),
            description: row.description.as_deref().map(fact),
            facts: facts(row),
            issues: rows.issues.iter().filter_map(issue).collect(),
            rows: known.map(toolchain).collect(),
            compat: compat::lines(&rows.compat, &row.url),
            upgrade: upgrade(rows),
            can_search: row.paused_at.is_none() && compat::can_search(&rows.compat),
            is_paused: row.paused_at.is_some(),
            errors: groups(in_order.filter_map(|result| result.1.as_ref()), &tree),
            minimum: minimum(rows),
            history: history(rows, site.now_unix_ms),
            toolchains: rows
                .toolchains
                .iter()
                .map(|version| site.toolchain(version))
                .collect(),
            dependencies: rows
                .dependencies
                .iter()
                .map(|(row, known)| dependency(row, known.as_ref(), rows.toolchains))
                .collect(),
            used_by: rows.used_by.iter().map(link).collect(),
            used_by_count: popularity::users(row.popularity_score).max(0) as u64,
            feed: FeedScope {
                package: Some(&row.name),
                ..FeedScope::default()
            }
            .link(),
            badges: badges(row, &site),
            site,
        }
    }

    /// The verdicts in one line: `zig-clap: 0.17 ✗ 0.16 ✓`.
    pub fn title(&self) -> String {
        let mut title = format!("{}:", self.name.text);
        for row in &self.rows {
            let grade = row.mark.as_ref().map_or(Grade::Grey, |mark| mark.grade);
            title += &format!(" {} {}", row.version, super::parts::sign(grade));
        }
        title
    }
}

fn upgrade(rows: &PackageRows) -> Option<Link> {
    let newest = rows.toolchains.first()?;
    let text = format!("What holds it back under {newest}?");
    Some(Link::new(&text, upgrade::path(&rows.row.name, newest)))
}

fn issue(row: &PackageIssue) -> Option<OpenIssue> {
    let url = row.url.as_deref()?;
    Some(OpenIssue {
        version: Clean::new(&row.zig_version),
        url: fact(url),
        web: web_url(url),
    })
}

fn fact(text: &str) -> Clean {
    Clean::new(text).clipped(SHOWN_FACT_LIMIT_CHARS)
}

fn facts(row: &PackageRow) -> Vec<(&'static str, Clean)> {
    let facts = [
        ("ref", &row.reference),
        ("dir", &row.dir),
        ("description", &row.description),
        ("author", &row.author),
        ("license", &row.license),
    ];
    let known = facts
        .into_iter()
        .filter_map(|(word, text)| Some((word, fact(text.as_deref()?))));
    let users = popularity::users(row.popularity_score).max(0) as u64;
    let users = (users > 0).then(|| ("used by", Clean::new(&count(users, "package"))));
    let paused = row.paused_at.map(|at| {
        let since = json::time(at);
        let text = format!("since {since}: nothing is checked until an administrator resumes it");
        ("paused", Clean::new(&text))
    });
    paused.into_iter().chain(known).chain(users).collect()
}

fn toolchain(
    version: Clean,
    result: Option<&(ResultRow, Option<BuildRow>)>,
    row: &PackageRow,
    now_unix_ms: i64,
) -> ToolchainRow {
    let Some((result, build)) = result else {
        return ToolchainRow {
            version,
            mark: None,
            because: Clean::default(),
            import: "",
            targets: Vec::new(),
            commit: None,
            checked: None,
            build: None,
            errors: Vec::new(),
        };
    };
    let because = build.as_ref().map(|build| matrix::describe(build).1);
    let errors = build.as_ref().map(matrix::first_errors);
    ToolchainRow {
        version,
        mark: Some(Mark::of_result(result)),
        because: Clean::new(&because.unwrap_or_default()),
        import: import(result.import_status),
        targets: targets(&result.targets),
        commit: result
            .commit
            .as_deref()
            .map(|commit| Commit::new(commit, Some(&row.url))),
        checked: result.last_checked.map(|at| Moment::new(at, now_unix_ms)),
        build: result.build_id.or(result.newest_build),
        errors: errors
            .unwrap_or_default()
            .iter()
            .map(|line| Clean::new(line))
            .collect(),
    }
}

/// The commit of all shown verdicts; none if they are of several.
fn commit<'a>(rows: &'a PackageRows) -> Option<&'a str> {
    let mut commits = rows
        .results
        .iter()
        .filter_map(|(row, _)| row.commit.as_deref());
    let first = commits.next()?;
    commits.all(|other| other == first).then_some(first)
}

fn minimum(rows: &PackageRows) -> Option<(Clean, Clean)> {
    let declared = rows.row.minimum_zig_version.as_deref()?;
    let works = lowest_working(rows.results.iter().map(|(row, _)| row));
    Some((Clean::new(declared), Clean::new(works.unwrap_or("none"))))
}

fn history(rows: &PackageRows, now_unix_ms: i64) -> Vec<Strip> {
    let mut strips: Vec<Strip> = Vec::new();
    let mut of_version = |version: &str| {
        let version = Clean::new(version);
        let at = strips.iter().position(|strip| strip.version == version);
        at.unwrap_or_else(|| {
            strips.push(Strip {
                version,
                squares: Vec::new(),
            });
            strips.len() - 1
        })
    };
    let order = rows
        .toolchains
        .iter()
        .chain(rows.history.iter().map(|row| &row.zig_version));
    let places: Vec<usize> = order.map(|version| of_version(version)).collect();
    let places = &places[rows.toolchains.len()..];
    for (row, place) in rows.history.iter().zip(places) {
        let statuses = row.statuses();
        strips[*place].squares.push(Square {
            commit: Commit::new(&row.commit, Some(&rows.row.url)),
            grade: statuses.grade(),
            word: statuses.describe(),
            checked: Moment::new(row.checked_at, now_unix_ms),
        });
    }
    strips.retain(|strip| !strip.squares.is_empty());
    strips
}

fn dependency(
    row: &DeclaredRow,
    known: Option<&KnownPackage>,
    toolchains: &[String],
) -> Dependency {
    let url = repository(&row.url).and_then(|url| web_url(&url));
    Dependency {
        name: fact(&row.name),
        target: match known {
            Some((package, _)) => Some(package_path(&package.name)),
            None => url.clone(),
        },
        is_lazy: row.lazy,
        submit: url.as_deref().filter(|_| known.is_none()).map(submit_path),
        marks: known.map(|(_, results)| marks(results, toolchains)),
    }
}

/// The markup of the badge; none if the client named no host.
fn badges(row: &PackageRow, site: &Site) -> Vec<(&'static str, Clean)> {
    let Some(origin) = &site.options.origin else {
        return Vec::new();
    };
    let page = format!("{origin}{}", package_path(&row.name));
    let image = format!("{origin}/badge/{}.svg", part(&row.name));
    let markup = [
        ("Markdown", format!("[![Zig versions]({image})]({page})")),
        (
            "HTML",
            format!("<a href=\"{page}\"><img src=\"{image}\" alt=\"Zig versions\"></a>"),
        ),
        (
            "AsciiDoc",
            format!("image:{image}[Zig versions,link={page}]"),
        ),
    ];
    markup
        .into_iter()
        .map(|(language, text)| (language, Clean::new(&text)))
        .collect()
}
