//! Which commit of a package works with which Zig: on its page, and in JSON.

use serde_json::{Value, json};

use crate::app::domain::commit_search::CompatState;
use crate::app::domain::limits::TRIES_LIMIT;
use crate::app::domain::verdict::Reason;
use crate::app::render::json::time;
use crate::app::render::limits::SHOWN_FACT_LIMIT_CHARS;
use crate::app::render::sanitize::Clean;
use crate::app::render::view::forge;
use crate::app::render::view::parts::Commit;
use crate::app::render::view::site::count;
use crate::app::store::compat::{CompatRow, FailingCommit, WorkingCommit};

/// What is known under one toolchain.
#[derive(Debug, Clone, PartialEq)]
pub struct CompatLine {
    pub version: Clean,
    pub commit: Option<Commit>,
    /// Its tag, and its day.
    pub tag: Option<Clean>,
    pub day: Option<String>,
    pub sentence: Clean,
    /// What changed between it and the next one, which fails, at the forge.
    pub diff: Option<String>,
    /// The command that takes that commit as a dependency.
    pub fetch: Option<Clean>,
}

/// A line for each toolchain under which something is known.
pub fn lines(rows: &[CompatRow], url: &str) -> Vec<CompatLine> {
    let known = rows.iter().filter(|row| row.state != CompatState::Unknown);
    known.map(|row| CompatLine::new(row, url)).collect()
}

/// True if a search may find more.
pub fn can_search(rows: &[CompatRow]) -> bool {
    let mut rows = rows.iter();
    rows.any(|row| matches!(row.state, CompatState::None | CompatState::Unknown))
}

impl CompatLine {
    fn new(row: &CompatRow, url: &str) -> CompatLine {
        let works = row.works.as_ref();
        let next = row.next_failing.as_ref();
        let diff = works.zip(next);
        CompatLine {
            version: Clean::new(&row.zig_version),
            commit: works.map(|works| Commit::new(&works.commit, Some(url))),
            tag: works.and_then(|works| Some(Clean::new(works.tag.as_deref()?))),
            day: works.and_then(|works| day(works.commit_time?)),
            sentence: Clean::new(&sentence(row)).clipped(SHOWN_FACT_LIMIT_CHARS),
            diff: diff.and_then(|(old, new)| forge::diff_url(url, &old.commit, &new.commit)),
            fetch: works.and_then(|works| Some(Clean::new(&fetch(url, &works.commit)?))),
        }
    }
}

fn day(seconds: i64) -> Option<String> {
    let text = time(seconds.saturating_mul(1_000));
    text.split('T').next().map(str::to_string)
}

/// The command that adds that commit to the dependencies of a package; none if Zig cannot fetch from there.
fn fetch(url: &str, commit: &str) -> Option<String> {
    let is_known = ["https://", "http://"]
        .iter()
        .any(|scheme| url.starts_with(scheme));
    is_known.then(|| format!("zig fetch --save git+{url}#{commit}"))
}

fn sentence(row: &CompatRow) -> String {
    let progress = format!(
        "{} of about {} tries",
        row.tried,
        row.expected.max(row.tried)
    );
    let searching = match row.tried {
        0 => "a search has begun".to_string(),
        _ => format!("searching: {progress}"),
    };
    let behind = match row.behind {
        Some(behind) => format!("{} behind the latest", count(behind as u64, "commit")),
        None => "an older commit".to_string(),
    };
    let next = row.works.as_ref().zip(row.next_failing.as_ref());
    let next = next.map_or_else(String::new, |(works, next)| fails(works, next));
    match (row.state, &row.works) {
        _ if row.is_head => "the latest commit".to_string(),
        (CompatState::Searching, None) => searching,
        (CompatState::Searching, Some(_)) => format!("{behind}{next}; {searching}"),
        (_, Some(_)) => format!("{behind}{next}"),
        (CompatState::None, None) => {
            format!(
                "none of {} that were tried works",
                count(row.tried.into(), "commit")
            )
        }
        (_, None) => "not known".to_string(),
    }
}

/// What the commit behind it that was tried came to.
fn fails(works: &WorkingCommit, next: &FailingCommit) -> String {
    let is_next = works.position.zip(next.position);
    let which = match is_next.is_some_and(|(works, next)| next == works + 1) {
        true => "the next one",
        false => "a later one",
    };
    let short: String = next.commit.chars().take(7).collect();
    let reason = next.reason.map(Reason::as_str);
    let why = next
        .error_key
        .as_deref()
        .or(reason)
        .unwrap_or("no reason given");
    format!("; {which}, {short}, fails: {why}")
}

/// An entry of `compat` in the API.
pub fn json(row: &CompatRow, url: &str) -> Value {
    let works = row.works.as_ref();
    json!({
        "zig_version": row.zig_version,
        "state": row.state.as_str(),
        "commit": works.map(|works| &works.commit),
        "commit_time": works.and_then(|works| Some(time(works.commit_time?.saturating_mul(1_000)))),
        "tag": works.and_then(|works| works.tag.as_deref()),
        "is_head": row.is_head,
        "behind": row.behind,
        "tried": row.tried,
        "expected": row.expected,
        "budget": TRIES_LIMIT,
        "next_failing": row.next_failing.as_ref().map(|next| json!({
            "commit": next.commit,
            "reason": next.reason.map(Reason::as_str),
            "error_key": next.error_key,
        })),
        "fetch": works.and_then(|works| fetch(url, &works.commit)),
    })
}
