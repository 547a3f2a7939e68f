//! Feeds: changes of verdicts as Atom (RFC 4287), one entry for each.

use maud::html;

use crate::app::domain::ids::BuildId;
use crate::app::domain::transition::Transition;
use crate::app::domain::verdict::{Grade, Reason, Statuses};
use crate::app::render::json;
use crate::app::render::sanitize::Clean;
use crate::app::render::view::feed::category;
use crate::app::render::view::parts::{build_path, package_path, sign};
use crate::app::render::view::transitions::was;
use crate::app::store::changes::ChangeRow;
use crate::app::store::transitions::TransitionRow;

/// What a feed says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feed {
    pub title: Clean,
    /// The start of absolute URLs of this server: `https://zigcheck.example`.
    pub origin: String,
    /// Its own path with the query that selects its entries.
    pub path: String,
    /// The page that shows the same to people.
    pub page: String,
}

/// A verdict that changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Tells it from all others of its time, for ever.
    key: String,
    name: String,
    zig_version: String,
    word: String,
    /// The verdict before it.
    was: String,
    category: &'static str,
    commit: Option<String>,
    reason: Option<Reason>,
    error_key: Option<String>,
    at: i64,
    /// If that is still kept.
    build: Option<BuildId>,
}

impl Entry {
    pub fn of_change(change: ChangeRow, build: Option<BuildId>) -> Entry {
        let old = change.old_statuses();
        let kind = match old.map(|old| Transition::between(old, change.statuses())) {
            None => "new",
            Some(Some(transition)) => category(transition),
            Some(None) => "other",
        };
        let old = old.map(Statuses::describe);
        Entry {
            key: change.id.to_string(),
            word: change.statuses().describe().to_string(),
            was: old.map_or_else(|| "first verdict".to_string(), |old| format!("was {old}")),
            category: kind,
            name: change.name,
            zig_version: change.zig_version,
            commit: Some(change.commit),
            reason: change.reason,
            error_key: change.error_key,
            at: change.checked_at,
            build,
        }
    }

    pub fn of_transition(row: TransitionRow) -> Entry {
        let build = || format!("build-{}", row.build_id.map_or(0, BuildId::get));
        Entry {
            key: row.history_row.map_or_else(build, |row| row.to_string()),
            was: was(&row),
            category: category(row.transition),
            name: row.name,
            zig_version: row.zig_version,
            word: row.word,
            commit: row.commit,
            reason: row.reason,
            error_key: row.error_key,
            at: row.at,
            build: row.build,
        }
    }
}

/// The feed with these entries, newest first.
pub fn atom(feed: &Feed, entries: &[Entry]) -> String {
    let Feed { origin, .. } = feed;
    let own = format!("{origin}{}", feed.path);
    let updated = entries.first().map_or(0, |one| one.at);
    let body = html! {
        feed xmlns="http://www.w3.org/2005/Atom" xml:lang="en" {
            id { (own) }
            title { (feed.title) }
            updated { (json::time(updated)) }
            author { name { "zigcheck" } }
            (link("self", &own, "application/atom+xml"))
            (link("alternate", &format!("{origin}{}", feed.page), "text/html"))
            @for one in entries {
                entry {
                    id { (id(origin, one)) }
                    title { (title(one)) }
                    updated { (json::time(one.at)) }
                    (link("alternate", &format!("{origin}{}", target(one)), "text/html"))
                    (maud::PreEscaped(format!(r#"<category term="{}"/>"#, one.category)))
                    summary { (summary(one)) }
                }
            }
        }
    };
    format!("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n{}\n", body.0)
}

/// maud writes `link` without an end, as HTML has it.
fn link(rel: &str, target: &str, kind: &str) -> maud::PreEscaped<String> {
    let target = html! { (target) }.0;
    maud::PreEscaped(format!(
        r#"<link rel="{rel}" type="{kind}" href="{target}"/>"#
    ))
}

/// A name that no other entry has, ever, and that stays when builds are deleted (RFC 4151).
fn id(origin: &str, entry: &Entry) -> String {
    let host = origin.split_once("://").map_or(origin, |(_, host)| host);
    // The authority of a tag is a name without a port.
    let host = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    let host = host.trim_matches(['[', ']']).replace(':', ".");
    let time = json::time(entry.at);
    let (date, _) = time.split_once('T').unwrap_or((&time, ""));
    format!("tag:{host},{date}:verdict/{}/{}", entry.key, entry.at)
}

fn target(entry: &Entry) -> String {
    let package = || package_path(&entry.name);
    entry.build.map_or_else(package, build_path)
}

/// `zig-clap under 0.17.1: failed (was success)`.
fn title(entry: &Entry) -> Clean {
    let sign = sign(Grade::of_word(&entry.word));
    let Entry {
        name,
        zig_version,
        word,
        was,
        ..
    } = entry;
    Clean::new(&format!(
        "{sign} {name} under Zig {zig_version}: {word} ({was})"
    ))
}

fn summary(entry: &Entry) -> Clean {
    let reason = entry.reason.map(Reason::as_str);
    let parts = [reason, entry.error_key.as_deref()];
    let why: Vec<&str> = parts.into_iter().flatten().collect();
    let why = match why.is_empty() {
        true => String::new(),
        false => format!(": {}", why.join(", ")),
    };
    let commit = entry.commit.as_deref();
    let at = commit.map_or_else(String::new, |commit| format!(" at commit {commit}"));
    Clean::new(&format!("{}{at}{why}", entry.word))
}
