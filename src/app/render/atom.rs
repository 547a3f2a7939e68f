//! Feeds: changes of verdicts as Atom (RFC 4287), one entry for each.

use maud::html;

use crate::app::domain::ids::BuildId;
use crate::app::domain::verdict::{Grade, Reason, Statuses};
use crate::app::render::json;
use crate::app::render::sanitize::Clean;
use crate::app::render::view::parts::{build_path, package_path, sign};
use crate::app::store::changes::ChangeRow;

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

/// The feed with these changes, newest first, each with its build if that is still kept.
pub fn atom(feed: &Feed, changes: &[(ChangeRow, Option<BuildId>)]) -> String {
    let Feed { origin, .. } = feed;
    let own = format!("{origin}{}", feed.path);
    let updated = changes.first().map_or(0, |(change, _)| change.checked_at);
    let body = html! {
        feed xmlns="http://www.w3.org/2005/Atom" xml:lang="en" {
            id { (own) }
            title { (feed.title) }
            updated { (json::time(updated)) }
            author { name { "zigcheck" } }
            (link("self", &own, "application/atom+xml"))
            (link("alternate", &format!("{origin}{}", feed.page), "text/html"))
            @for (change, build) in changes {
                entry {
                    id { (id(origin, change)) }
                    title { (title(change)) }
                    updated { (json::time(change.checked_at)) }
                    (link("alternate", &format!("{origin}{}", target(change, *build)), "text/html"))
                    (category(change))
                    summary { (summary(change)) }
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
fn id(origin: &str, change: &ChangeRow) -> String {
    let host = origin.split_once("://").map_or(origin, |(_, host)| host);
    // The authority of a tag is a name without a port.
    let host = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    let host = host.trim_matches(['[', ']']).replace(':', ".");
    let time = json::time(change.checked_at);
    let (date, _) = time.split_once('T').unwrap_or((&time, ""));
    format!(
        "tag:{host},{date}:verdict/{}/{}",
        change.id, change.checked_at
    )
}

fn target(change: &ChangeRow, build: Option<BuildId>) -> String {
    build.map_or_else(|| package_path(&change.name), build_path)
}

/// `zig-clap under 0.17.1: failed (was success)`.
fn title(change: &ChangeRow) -> Clean {
    let word = change.statuses().describe();
    let old = change.old_statuses().map(Statuses::describe);
    let was = old.map_or_else(|| "first verdict".to_string(), |old| format!("was {old}"));
    let ChangeRow {
        name, zig_version, ..
    } = change;
    let sign = sign(change.statuses().grade());
    Clean::new(&format!(
        "{sign} {name} under Zig {zig_version}: {word} ({was})"
    ))
}

fn category(change: &ChangeRow) -> maud::PreEscaped<String> {
    let works = |statuses: Statuses| matches!(statuses.grade(), Grade::Green | Grade::Amber);
    let term = match (change.old_statuses(), change.statuses()) {
        (None, _) => "new",
        _ if change.is_broken() => "broken",
        (Some(old), now) if !works(old) && works(now) => "fixed",
        (Some(_), _) => "other",
    };
    maud::PreEscaped(format!(r#"<category term="{term}"/>"#))
}

fn summary(change: &ChangeRow) -> Clean {
    let reason = change.reason.map(Reason::as_str);
    let parts = [reason, change.error_key.as_deref()];
    let why: Vec<&str> = parts.into_iter().flatten().collect();
    let why = match why.is_empty() {
        true => String::new(),
        false => format!(": {}", why.join(", ")),
    };
    let word = change.statuses().describe();
    Clean::new(&format!("{} at commit {}{why}", word, change.commit))
}
