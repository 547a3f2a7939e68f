//! The front page: packages with their verdicts, the latest checks, and how to check a tree.

use crate::app::domain::verdict::Grade;
use crate::app::render::limits::SHOWN_FACT_LIMIT_CHARS;
use crate::app::render::sanitize::Clean;
use crate::app::render::targets::TargetStrip;
use crate::app::render::view::compare::Headline;
use crate::app::render::view::parts::{Link, Mark, Moment, check_path, marks, package_path};
use crate::app::render::view::queue::{RunningLine, RunningRow};
use crate::app::render::view::site::Site;
use crate::app::render::view::transitions::TransitionLine;
use crate::app::store::checks::CheckLine;
use crate::app::store::list::Paging;
use crate::app::store::packages::PackageRow;
use crate::app::store::results::ResultRow;
use crate::app::store::transitions::TransitionRow;

#[derive(Debug, Clone, PartialEq)]
pub struct FrontView {
    pub site: Site,
    pub search: Option<Clean>,
    /// Newest first.
    pub toolchains: Vec<Clean>,
    pub packages: Vec<PackageLine>,
    /// How far the images are, while some are missing.
    pub images: Option<String>,
    /// What the newest Zig version breaks.
    pub headlines: Vec<Headline>,
    /// Why there are no packages.
    pub nothing: Option<Clean>,
    /// Number of packages on all pages of the list.
    pub total: u64,
    pub page: u64,
    pub last_page: u64,
    /// The address of the next page of the list.
    pub next: Option<String>,
    /// Newest first.
    pub broken: Vec<TransitionLine>,
    pub fixed: Vec<TransitionLine>,
    pub running: Vec<RunningLine>,
    pub checks: Vec<CheckEntry>,
}

/// A package with its verdict under each toolchain.
#[derive(Debug, Clone, PartialEq)]
pub struct PackageLine {
    pub name: Link,
    pub description: Option<Clean>,
    pub marks: Vec<Option<Mark>>,
    pub targets: Option<TargetStrip>,
    pub checked: Option<Moment>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct CheckEntry {
    pub check: Link,
    /// The package; the check, where it is of none.
    pub name: Link,
    pub outcome: String,
    /// None where there is nothing to say at a glance: a build that succeeded may have failed its tests.
    pub grade: Option<Grade>,
    pub started: Moment,
}

/// The rows of the front page.
pub struct FrontRows<'a> {
    pub toolchains: &'a [String],
    pub packages: Vec<(PackageRow, Vec<ResultRow>)>,
    pub total: u64,
    pub paging: Paging,
    pub search: Option<&'a str>,
    pub images: Option<String>,
    /// On the first page, unless there is a search.
    pub headlines: Vec<Headline>,
    /// The newest, on the same page: what is newly broken, and newly fixed.
    pub broken: Vec<TransitionRow>,
    pub fixed: Vec<TransitionRow>,
    pub running: Vec<RunningRow>,
    pub checks: Vec<CheckLine>,
}

impl FrontView {
    pub fn new(site: Site, rows: &FrontRows) -> FrontView {
        let now = site.now_unix_ms;
        let last_page = rows.total.div_ceil(rows.paging.limit).max(1);
        let packages = rows.packages.iter();
        let line = |(row, results): &(PackageRow, Vec<ResultRow>)| {
            package_line(row, results, rows.toolchains, now)
        };
        FrontView {
            search: rows
                .search
                .map(|search| Clean::new(search).clipped(SHOWN_FACT_LIMIT_CHARS)),
            toolchains: rows
                .toolchains
                .iter()
                .map(|version| site.toolchain(version))
                .collect(),
            packages: packages.map(line).collect(),
            images: rows.images.clone(),
            headlines: rows.headlines.clone(),
            nothing: rows.packages.is_empty().then(|| nothing(rows, last_page)),
            total: rows.total,
            page: rows.paging.page,
            last_page,
            next: (rows.paging.page < last_page).then(|| next(rows, site.options.color)),
            broken: transitions(&rows.broken, now),
            fixed: transitions(&rows.fixed, now),
            running: rows.running.iter().map(RunningLine::new).collect(),
            checks: rows
                .checks
                .iter()
                .map(|check| check_entry(check, now))
                .collect(),
            site,
        }
    }

    /// The columns behind those of the versions: one for other targets only where a package has some.
    pub fn last_columns(&self) -> &'static [&'static str] {
        match self.has_targets() {
            true => &["Other targets", "Checked"],
            false => &["Checked"],
        }
    }

    pub fn has_targets(&self) -> bool {
        self.packages.iter().any(|line| line.targets.is_some())
    }
}

fn transitions(rows: &[TransitionRow], now: i64) -> Vec<TransitionLine> {
    let lines = rows.iter().map(|row| TransitionLine::new(row, now));
    lines.collect()
}

fn package_line(
    row: &PackageRow,
    results: &[ResultRow],
    toolchains: &[String],
    now: i64,
) -> PackageLine {
    let checked = results
        .iter()
        .filter_map(|result| result.last_checked)
        .max();
    let description = row.description.as_deref();
    PackageLine {
        name: Link::new(&row.name, package_path(&row.name)),
        description: description.map(|text| Clean::new(text).clipped(SHOWN_FACT_LIMIT_CHARS)),
        marks: marks(results, toolchains),
        targets: TargetStrip::newest(results, toolchains),
        checked: checked.map(|at| Moment::new(at, now)),
    }
}

fn check_entry(check: &CheckLine, now: i64) -> CheckEntry {
    let mut outcome = format!("{} of {} build", check.good, check.builds);
    if check.open > 0 {
        outcome += &format!(", {} to come", check.open);
    }
    let target = match check.is_known {
        true => package_path(&check.package),
        false => check_path(check.id),
    };
    CheckEntry {
        check: Link::new(&check.id.to_string(), check_path(check.id)),
        name: Link::new(&check.package, target),
        outcome,
        grade: match check {
            CheckLine { open: 1.., .. } => Some(Grade::Grey),
            CheckLine { good: 0, .. } => Some(Grade::Red),
            _ => None,
        },
        started: Moment::new(check.created_at, now),
    }
}

/// The sentence in place of the packages.
fn nothing(rows: &FrontRows, last_page: u64) -> Clean {
    let sentence = match (rows.search, rows.total) {
        (Some(search), 0) => format!("No package matches {search}"),
        (None, 0) if rows.checks.is_empty() => "No packages and no checks yet.".to_string(),
        (None, 0) => "No packages yet.".to_string(),
        _ => format!(
            "There is no page {}: the last is {last_page}.",
            rows.paging.page
        ),
    };
    Clean::new(&sentence).clipped(SHOWN_FACT_LIMIT_CHARS)
}

fn next(rows: &FrontRows, color: bool) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    if let Some(search) = rows.search {
        query.append_pair("search", search);
    }
    query.append_pair("limit", &rows.paging.limit.to_string());
    query.append_pair("page", &(rows.paging.page + 1).to_string());
    if color {
        query.append_key_only("color");
    }
    format!("/?{}", query.finish())
}
