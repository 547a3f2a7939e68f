//! The page of a build: what happened, and what to do about it.

use serde_json::Value;

use crate::app::domain::ids::BuildId;
use crate::app::domain::verdict::ResourceLimits;
use crate::app::render::json;
use crate::app::render::limits::{SHOWN_ERROR_LIMIT_CHARS, SHOWN_MODULES_LIMIT};
use crate::app::render::sanitize::Clean;
use crate::app::render::targets::{Target, targets};
use crate::app::render::view::check::{Took, import, took};
use crate::app::render::view::errors::{ErrorLine, Tree};
use crate::app::render::view::outcome::{advice, outcome};
use crate::app::render::view::parts::{
    Commit, Link, Mark, Moment, build_path, duration, log_path, package_path, sign, subject,
};
use crate::app::render::view::queue::QueueRows;
use crate::app::render::view::site::Site;
use crate::app::store::builds::BuildRow;
use crate::app::store::checks::CheckRow;
use crate::app::store::packages::PackageRow;

#[derive(Debug, Clone, PartialEq)]
pub struct BuildView {
    pub site: Site,
    pub is_finished: bool,
    pub id: BuildId,
    pub title: String,
    pub path: String,
    pub subject: Link,
    pub check: Link,
    pub version: Clean,
    pub commit: Option<Commit>,
    pub mark: Mark,
    /// The rest of the sentence that begins with package, commit and version.
    pub outcome: String,
    pub ended: Option<Moment>,
    pub took: Took,
    pub advice: Option<&'static str>,
    pub detail: Option<Clean>,
    pub errors: Vec<ErrorLine>,
    pub log: String,
    /// What is known of it, with its word.
    pub facts: Vec<(&'static str, Clean)>,
    pub modules: Vec<Module>,
    /// Other targets, if they are known.
    pub targets: Vec<Target>,
    pub before: Option<Neighbour>,
    pub after: Option<Neighbour>,
    pub same_error: Option<SameError>,
    /// Commands that do the same on the machine of a reader.
    pub reproduce: Vec<Clean>,
}

/// Another build of the same package and version.
#[derive(Debug, Clone, PartialEq)]
pub struct Neighbour {
    pub build: Link,
    pub mark: Mark,
    pub commit: Option<Commit>,
}

/// An exported module or artifact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Module {
    pub name: Clean,
    pub kind: Clean,
    pub status: Clean,
    pub first_error: Clean,
}

/// Other packages that met the same error under the same version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SameError {
    pub key: Clean,
    pub count: usize,
    /// Some of them.
    pub packages: Vec<Link>,
}

/// The rows of a build's page.
pub struct BuildRows {
    pub build: BuildRow,
    pub check: CheckRow,
    /// The build, if it is in the queue.
    pub queue: QueueRows,
    pub before: Option<BuildRow>,
    pub after: Option<BuildRow>,
    /// The key of its first error.
    pub error_key: Option<String>,
    /// How many other packages met it, and some of them.
    pub same_error: (usize, Vec<PackageRow>),
    pub limits: ResourceLimits,
    pub cpus: f64,
}

impl BuildView {
    pub fn new(site: Site, rows: &BuildRows) -> BuildView {
        let (row, check, now) = (&rows.build, &rows.check, site.now_unix_ms);
        let url = check.url.as_deref();
        let tree = Tree {
            url,
            commit: row.commit.as_deref(),
            dir: check.dir.as_deref(),
        };
        let grade = row.statuses().grade();
        let (package, version) = (Clean::new(&row.package), Clean::new(&row.zig_version));
        BuildView {
            is_finished: row.state.is_final(),
            id: row.id,
            title: format!("{package}: {version} {}, build {}", sign(grade), row.id),
            path: build_path(row.id),
            subject: subject(row),
            check: Link::to_check(row.check),
            version,
            commit: row.commit.as_deref().map(|commit| Commit::new(commit, url)),
            mark: Mark {
                target: None,
                ..Mark::of_build(row)
            },
            outcome: outcome(row),
            ended: row.finished_at.map(|at| Moment::new(at, now)),
            took: took(row, &rows.queue, now),
            advice: advice(row),
            detail: (!row.detail.is_empty()).then(|| Clean::new(&row.detail)),
            errors: row
                .error_log
                .lines()
                .map(|line| ErrorLine::new(line, &tree))
                .collect(),
            log: log_path(row.log_of()),
            facts: facts(rows),
            modules: modules(&row.modules),
            targets: targets(&row.targets),
            before: rows.before.as_ref().map(|row| neighbour(row, url)),
            after: rows.after.as_ref().map(|row| neighbour(row, url)),
            same_error: same_error(rows),
            reproduce: reproduce(rows),
            site,
        }
    }
}

fn neighbour(row: &BuildRow, url: Option<&str>) -> Neighbour {
    Neighbour {
        build: Link::to_build(row.id),
        mark: Mark::of_build(row),
        commit: row.commit.as_deref().map(|commit| Commit::new(commit, url)),
    }
}

fn same_error(rows: &BuildRows) -> Option<SameError> {
    let (count, packages) = &rows.same_error;
    let link = |row: &PackageRow| Link::new(&row.name, package_path(&row.name));
    Some(SameError {
        key: Clean::new(rows.error_key.as_deref()?),
        count: *count,
        packages: packages.iter().map(link).collect(),
    })
    .filter(|same| same.count > 0)
}

fn facts(rows: &BuildRows) -> Vec<(&'static str, Clean)> {
    let row = &rows.build;
    let mut facts = Vec::new();
    let mut fact = |word, text: String| facts.push((word, Clean::new(&text)));
    fact("state", row.state.as_str().to_string());
    if let (Some(passed), Some(total)) = (row.tests_passed, row.tests_total) {
        let skipped = match row.tests_skipped {
            Some(skipped) if skipped > 0 => format!(", {skipped} skipped"),
            _ => String::new(),
        };
        fact("tests", format!("{passed} of {total} pass{skipped}"));
    }
    if row.import_status.is_some() {
        fact("as a dependency", import(row.import_status).to_string());
    }
    if let Some(compiled) = row.compiled {
        fact("compile steps", compiled.to_string());
    }
    if row.flaky {
        fact(
            "flaky",
            "the same source came to different verdicts; the newest is shown".to_string(),
        );
    }
    if let Some(commit) = &row.reused_commit {
        let what = "what zig compiled from build.zig and from C at commit";
        fact("reused", format!("{what} {commit}"));
    }
    fact(
        "commands",
        "zig build --summary all; zig build test --summary all; then as a dependency".to_string(),
    );
    let version = format!("zigcheck:{}", row.zig_version);
    let image = match row.toolchain_name.as_deref() {
        Some(recipe) if recipe.starts_with(&version) => recipe.to_string(),
        Some(id) => format!("{version}, {id}"),
        None => version,
    };
    fact("image", image);
    if let Some(node) = &row.node {
        fact("node", node.clone());
    }
    let (limits, memory) = limits(rows);
    fact("limits", limits);
    fact("memory", memory);
    if let Some(source) = &row.source {
        fact("source", source.clone());
    }
    fact("attempt", row.attempt.to_string());
    fact("asked", json::time(row.created_at));
    facts
}

/// The limits of its container, and of its memory what it used.
fn limits(rows: &BuildRows) -> (String, String) {
    let limits = ResourceLimits {
        peak_bytes: rows.build.peak_memory_bytes,
        ..rows.limits
    };
    let (timeout, silence) = (
        duration(limits.build_timeout_ms),
        duration(limits.silence_timeout_ms),
    );
    let cpus = &rows.cpus;
    let memory = limits.describe_memory();
    (
        format!("no network; {cpus} processors; {timeout} in all, {silence} of silence"),
        memory.trim_start_matches("memory: ").to_string(),
    )
}

/// The exported modules as they are stored; none if they were not tried.
fn modules(stored: &str) -> Vec<Module> {
    let Ok(Value::Array(all)) = serde_json::from_str(stored) else {
        return Vec::new();
    };
    let text = |value: &Value| {
        Clean::new(value.as_str().unwrap_or_default()).clipped(SHOWN_ERROR_LIMIT_CHARS)
    };
    let module = |value: &Value| Module {
        name: text(&value["name"]),
        kind: text(&value["kind"]),
        status: text(&value["status"]),
        first_error: text(&value["first_error"]),
    };
    all.iter().take(SHOWN_MODULES_LIMIT).map(module).collect()
}

/// Text that a shell takes as it is.
fn is_plain(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"._-/:+~".contains(&b);
    !text.is_empty() && !text.starts_with('-') && text.bytes().all(plain)
}

fn reproduce(rows: &BuildRows) -> Vec<Clean> {
    let (row, check) = (&rows.build, &rows.check);
    let mut commands = Vec::new();
    match (check.url.as_deref(), row.commit.as_deref()) {
        (Some(url), Some(commit)) if is_plain(url) && is_plain(commit) => {
            commands.push(format!(
                "git clone {url} package && cd package && git checkout {commit}"
            ));
        }
        (Some(_), _) => return Vec::new(),
        (None, _) => {}
    }
    if let Some(dir) = check.dir.as_deref() {
        if !is_plain(dir) {
            return Vec::new();
        }
        commands.push(format!("cd {dir}"));
    }
    if is_plain(&row.zig_version) {
        commands.push(format!("pip install ziglang=={}", row.zig_version));
    }
    commands.push("python3 -m ziglang build --summary all".to_string());
    commands.push("python3 -m ziglang build test --summary all".to_string());
    commands.iter().map(|command| Clean::new(command)).collect()
}
