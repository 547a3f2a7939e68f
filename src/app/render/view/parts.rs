//! Parts that several pages have: verdicts, times, commits, links.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::app::domain::ids::{BuildId, CheckId};
use crate::app::domain::verdict::{Grade, State};
use crate::app::render::json;
use crate::app::render::limits::SHOWN_COMMIT_CHARS;
use crate::app::render::sanitize::Clean;
use crate::app::render::view::forge;
use crate::app::store::builds::BuildRow;
use crate::app::store::results::ResultRow;

/// Text that leads to another page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    pub text: Clean,
    pub target: String,
}

impl Link {
    pub fn new(text: &str, target: impl Into<String>) -> Link {
        Link {
            text: Clean::new(text),
            target: target.into(),
        }
    }

    pub fn to_build(id: BuildId) -> Link {
        Link::new(&format!("build {id}"), build_path(id))
    }

    pub fn to_check(id: CheckId) -> Link {
        Link::new(&format!("check {id}"), check_path(id))
    }
}

/// The package of a build; its check, where it is of none.
pub fn subject(row: &BuildRow) -> Link {
    let target = match row.package_id {
        Some(_) => package_path(&row.package),
        None => check_path(row.check),
    };
    Link::new(&row.package, target)
}

/// A verdict in its words, with the page it leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    pub grade: Grade,
    pub word: &'static str,
    pub target: Option<String>,
    /// A newer build that is under way.
    pub under_way: Option<UnderWay>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnderWay {
    pub build: Option<BuildId>,
    pub state: State,
}

impl Mark {
    /// The latest verdict of a package under a toolchain.
    pub fn of_result(row: &ResultRow) -> Mark {
        Mark {
            grade: row.statuses().grade(),
            word: row.statuses().describe(),
            target: row.build_id.or(row.newest_build).map(build_path),
            under_way: (!row.state.is_final()).then_some(UnderWay {
                build: row.newest_build,
                state: row.state,
            }),
        }
    }

    pub fn of_build(row: &BuildRow) -> Mark {
        let word = match row.statuses().describe() {
            "pending" => row.state.as_str(),
            word => word,
        };
        Mark {
            grade: row.statuses().grade(),
            word,
            target: Some(build_path(row.id)),
            under_way: None,
        }
    }
}

/// The latest verdicts of a package under these toolchains; none where it was never tried.
pub fn marks(results: &[ResultRow], toolchains: &[String]) -> Vec<Option<Mark>> {
    let result = |version: &String| results.iter().find(|row| row.zig_version == *version);
    let marks = toolchains
        .iter()
        .map(|version| result(version).map(Mark::of_result));
    marks.collect()
}

/// The sign of a verdict, which needs no colour.
pub fn sign(grade: Grade) -> &'static str {
    match grade {
        Grade::Green => "\u{2713}",
        Grade::Amber => "~",
        Grade::Red => "\u{2717}",
        Grade::Grey => "\u{b7}",
    }
}

/// The signs, and what they mean.
pub const LEGEND: [(Grade, &str); 4] = [
    (Grade::Green, "works"),
    (
        Grade::Amber,
        "builds, not all of it was tried or can be used",
    ),
    (Grade::Red, "fails"),
    (Grade::Grey, "no verdict: pending, or not its doing"),
];

/// A point in time as people read it, and exactly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moment {
    pub ago: String,
    pub exact: String,
}

impl Moment {
    pub fn new(at: i64, now_unix_ms: i64) -> Moment {
        let seconds = (now_unix_ms - at).max(0) / 1_000;
        let (minutes, hours) = (seconds / 60, seconds / 3_600);
        // What is ahead is an estimate.
        let ahead = (at - now_unix_ms + 999) / 1_000;
        let ago = match () {
            () if ahead > 0 => format!("in about {}", duration(ahead as u64 * 1_000)),
            () if seconds < 60 => format!("{seconds} s ago"),
            () if minutes < 60 => format!("{minutes} min ago"),
            () if hours < 48 => format!("{hours} h ago"),
            () => format!("{} days ago", hours / 24),
        };
        let exact = json::time(at);
        Moment { ago, exact }
    }
}

/// A commit in short, with its address at the forge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    pub short: Clean,
    pub target: Option<String>,
}

impl Commit {
    pub fn new(commit: &str, url: Option<&str>) -> Commit {
        let short: String = commit.chars().take(SHOWN_COMMIT_CHARS).collect();
        Commit {
            short: Clean::new(&short),
            target: url.and_then(|url| forge::commit_url(url, commit)),
        }
    }
}

/// A duration in one unit: `0.4 s`, `27 s`, `5 min`, `2 h`.
pub fn duration(ms: u64) -> String {
    match ms {
        0..10_000 => format!("{}.{} s", ms / 1_000, ms % 1_000 / 100),
        10_000..120_000 => format!("{} s", ms / 1_000),
        120_000..7_200_000 => format!("{} min", ms / 60_000),
        _ => format!("{} h", ms / 3_600_000),
    }
}

// -- addresses --

/// What stays as it is in a part of a path.
const PART: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// A name as a part of a path.
pub fn part(name: &str) -> String {
    utf8_percent_encode(name, PART).to_string()
}

pub fn package_path(name: &str) -> String {
    format!("/packages/{}", part(name))
}

pub fn check_path(id: CheckId) -> String {
    format!("/checks/{id}")
}

pub fn build_path(id: BuildId) -> String {
    format!("/builds/{id}")
}

/// The form that submits a package, with this URL in it.
pub fn submit_path(url: &str) -> String {
    format!("/submit?url={}", part(url))
}

pub fn log_path(id: BuildId) -> String {
    format!("/builds/{id}/log")
}

/// The URL itself if a browser can open it.
pub fn web_url(url: &str) -> Option<String> {
    let is_web = ["https://", "http://"]
        .iter()
        .any(|scheme| url.starts_with(scheme));
    is_web.then(|| Clean::new(url).to_string())
}
