//! The page of a check: one row for each toolchain.

use crate::app::domain::ids::{BuildId, CheckId};
use crate::app::domain::verdict::ImportStatus;
use crate::app::render::matrix;
use crate::app::render::sanitize::Clean;
use crate::app::render::view::errors::{ErrorLine, Tree};
use crate::app::render::view::parts::{
    Commit, Link, Mark, Moment, check_path, duration, sign, subject, web_url,
};
use crate::app::render::view::queue::{Progress, QueueRows, Wait};
use crate::app::render::view::site::Site;
use crate::app::store::builds::BuildRow;
use crate::app::store::checks::CheckRow;

#[derive(Debug, Clone, PartialEq)]
pub struct CheckView {
    pub site: Site,
    pub id: CheckId,
    pub title: String,
    pub path: String,
    /// The package; for an upload its name, which leads nowhere else.
    pub subject: Link,
    pub is_package: bool,
    /// The repository, with its address if a browser can open it.
    pub repository: Option<(Clean, Option<String>)>,
    pub reference: Option<Clean>,
    pub dir: Option<Clean>,
    pub commit: Option<Commit>,
    pub started: Moment,
    pub is_finished: bool,
    /// `2 of 4 build`.
    pub result: String,
    pub rows: Vec<BuildLine>,
    pub errors: Vec<ErrorGroup>,
    /// The command that repeats it.
    pub again: Clean,
    /// All of it for a terminal.
    pub matrix: String,
}

/// A build of the check.
#[derive(Debug, Clone, PartialEq)]
pub struct BuildLine {
    pub build: BuildId,
    pub version: Clean,
    pub mark: Mark,
    /// The reason, or the tests.
    pub because: Clean,
    pub import: &'static str,
    pub took: Took,
}

/// How long a build took, or when it will have a verdict.
#[derive(Debug, Clone, PartialEq)]
pub enum Took {
    Time(String),
    /// The verdict is that of another build.
    Cached(Link),
    Running(Progress),
    Waiting(Wait),
    /// It has never run.
    Never,
}

/// What several builds fail with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorGroup {
    /// The versions, each with its build.
    pub versions: Vec<Link>,
    pub lines: Vec<ErrorLine>,
}

/// The rows of a check's page.
pub struct CheckRows {
    pub check: CheckRow,
    pub builds: Vec<BuildRow>,
    /// Its builds that are in the queue.
    pub queue: QueueRows,
}

impl CheckView {
    pub fn new(site: Site, rows: &CheckRows) -> CheckView {
        let (check, now) = (&rows.check, site.now_unix_ms);
        let works = |row: &&BuildRow| row.statuses().works() == Some(true);
        let good = rows.builds.iter().filter(works).count();
        let url = check.url.as_deref();
        let tree = Tree {
            url,
            commit: check.commit.as_deref(),
            dir: check.dir.as_deref(),
        };
        let subject = rows.builds.first().map(subject);
        let mut matrix = matrix::matrix(check, &rows.builds);
        for waiting in &rows.queue.waiting {
            let wait = Wait::new(waiting, now);
            let start = wait
                .start
                .map_or_else(String::new, |start| format!(", starts {}", start.ago));
            let version = Clean::new(&waiting.row.zig_version);
            matrix += &format!("\n{version} waits: {}{start}", wait.reason);
        }
        if !rows.queue.waiting.is_empty() {
            matrix.push('\n');
        }
        CheckView {
            id: check.id,
            title: title(check, &rows.builds),
            path: check_path(check.id),
            is_package: rows
                .builds
                .first()
                .is_some_and(|row| row.package_id.is_some()),
            subject: subject.unwrap_or_else(|| Link::new(&check.package, check_path(check.id))),
            repository: url.map(|url| (Clean::new(url), web_url(url))),
            reference: check.reference.as_deref().map(Clean::new),
            dir: check.dir.as_deref().map(Clean::new),
            commit: check
                .commit
                .as_deref()
                .map(|commit| Commit::new(commit, url)),
            started: Moment::new(check.created_at, now),
            is_finished: rows.builds.iter().all(|row| row.state.is_final()),
            result: format!("{good} of {} build", rows.builds.len()),
            rows: rows
                .builds
                .iter()
                .map(|row| BuildLine::new(row, &rows.queue, now))
                .collect(),
            errors: groups(rows.builds.iter(), &tree),
            again: again(check, &site),
            matrix,
            site,
        }
    }
}

fn title(check: &CheckRow, builds: &[BuildRow]) -> String {
    let mut title = format!("{}:", Clean::new(&check.package));
    for row in builds {
        title += &format!(
            " {} {}",
            Clean::new(&row.zig_version),
            sign(row.statuses().grade())
        );
    }
    title + &format!(", check {}", check.id)
}

fn again(check: &CheckRow, site: &Site) -> Clean {
    let (host, name) = (&site.options.host, &check.package);
    match check.package_id {
        Some(_) => Clean::new(&format!("curl -X POST '{host}/api/packages/{name}/builds'")),
        None => site.check_command(),
    }
}

impl BuildLine {
    fn new(row: &BuildRow, queue: &QueueRows, now: i64) -> BuildLine {
        BuildLine {
            build: row.id,
            version: Clean::new(&row.zig_version),
            mark: Mark::of_build(row),
            because: Clean::new(&matrix::describe(row).1),
            import: import(row.import_status),
            took: took(row, queue, now),
        }
    }
}

/// How a package does as a dependency, in words.
pub fn import(status: Option<ImportStatus>) -> &'static str {
    match status {
        None => "",
        Some(ImportStatus::Success) => "can be used",
        Some(ImportStatus::Partial) => "in part",
        Some(ImportStatus::Failed) => "cannot be used",
        Some(ImportStatus::None) => "exports nothing",
    }
}

/// How long a build took, or what it waits for.
pub fn took(row: &BuildRow, queue: &QueueRows, now: i64) -> Took {
    let running = queue
        .running
        .iter()
        .find(|running| running.row.id == row.id);
    let waiting = queue
        .waiting
        .iter()
        .find(|waiting| waiting.row.id == row.id);
    match (
        running,
        waiting,
        row.cached_from,
        row.started_at,
        row.finished_at,
    ) {
        (Some(running), ..) => Took::Running(Progress::new(running)),
        (_, Some(waiting), ..) => Took::Waiting(Wait::new(waiting, now)),
        (_, _, Some(from), ..) => Took::Cached(Link::to_build(from)),
        (_, _, _, Some(from), Some(to)) => Took::Time(duration((to - from).max(0) as u64)),
        _ => Took::Never,
    }
}

/// The first errors of builds, equal ones once.
pub fn groups<'a>(builds: impl Iterator<Item = &'a BuildRow>, tree: &Tree) -> Vec<ErrorGroup> {
    let mut groups: Vec<ErrorGroup> = Vec::new();
    for row in builds {
        let lines = matrix::first_errors(row);
        if lines.is_empty() {
            continue;
        }
        let lines: Vec<ErrorLine> = lines
            .iter()
            .map(|line| ErrorLine::new(line, tree))
            .collect();
        let version = Link::new(&row.zig_version, super::parts::build_path(row.id));
        match groups.iter_mut().find(|group| group.lines == lines) {
            Some(group) => group.versions.push(version),
            None => groups.push(ErrorGroup {
                versions: vec![version],
                lines,
            }),
        }
    }
    groups
}
