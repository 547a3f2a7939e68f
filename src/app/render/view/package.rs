//! The page of a package.

use crate::app::domain::ids::BuildId;
use crate::app::domain::popularity;
use crate::app::domain::verdict::Grade;
use crate::app::render::limits::SHOWN_FACT_LIMIT_CHARS;
use crate::app::render::matrix;
use crate::app::render::sanitize::Clean;
use crate::app::render::view::parts::{Commit, Link, Mark, Moment, package_path, web_url};
use crate::app::render::view::site::{Site, count};
use crate::app::store::builds::BuildRow;
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
    /// Newest first; toolchains that this server no longer has come last.
    pub rows: Vec<ToolchainRow>,
}

/// How the package does under one toolchain.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolchainRow {
    pub version: Clean,
    /// None if it was never tried.
    pub mark: Option<Mark>,
    /// The reason, or the tests.
    pub because: Clean,
    pub commit: Option<Commit>,
    pub checked: Option<Moment>,
    /// The build of the verdict; the newest build while there is no verdict.
    pub build: Option<BuildId>,
    /// What happened, and the first errors.
    pub errors: Vec<Clean>,
}

/// The rows of a package's page.
pub struct PackageRows<'a> {
    pub row: PackageRow,
    /// Each verdict, with the build that it comes from.
    pub results: Vec<(ResultRow, Option<BuildRow>)>,
    /// Newest first.
    pub toolchains: &'a [String],
}

impl PackageView {
    pub fn new(site: Site, rows: &PackageRows) -> PackageView {
        let row = &rows.row;
        let known = rows.toolchains.iter().map(String::as_str);
        let versions = rows.results.iter().map(|(row, _)| row.zig_version.as_str());
        let gone = versions.filter(|version| !rows.toolchains.iter().any(|known| known == version));
        let toolchain = |version: &str| {
            let result = rows.results.iter().find(|(r, _)| r.zig_version == version);
            toolchain(version, result, row, site.now_unix_ms)
        };
        PackageView {
            name: Link {
                text: Clean::new(&row.name),
                target: package_path(&row.name),
            },
            url: Clean::new(&row.url),
            web: web_url(&row.url),
            description: row.description.as_deref().map(fact),
            facts: facts(row),
            rows: known.chain(gone).map(toolchain).collect(),
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
    known.chain(users).collect()
}

fn toolchain(
    version: &str,
    result: Option<&(ResultRow, Option<BuildRow>)>,
    row: &PackageRow,
    now_unix_ms: i64,
) -> ToolchainRow {
    let version = Clean::new(version);
    let Some((result, build)) = result else {
        return ToolchainRow {
            version,
            mark: None,
            because: Clean::default(),
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
