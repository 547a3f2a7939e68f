//! What a watcher asks for: of whom, and from where on.

use crate::app::live::subscription::{EventFilter, ProgressFormat};
use crate::app::web::request;
use crate::app::web::routes::{Call, Request_};
use crate::interface::message::Response;

fn filter(asked: &Request_) -> Result<EventFilter, Response> {
    let check = asked.query.number("check", 1, i64::MAX as u64)?;
    Ok(EventFilter {
        package: asked.query.owned("package"),
        check: check.map(|id| id as i64),
    })
}

pub fn watch_events(asked: &Request_) -> Result<Call, Response> {
    let last = asked.head.header("last-event-id");
    // What is no number was no event of ours: the client is told to start over.
    let since = last.map(|last| last.trim().parse().unwrap_or(u64::MAX));
    Ok(Call::WatchEvents {
        filter: filter(asked)?,
        since: since.or(asked.query.number("since", 0, u64::MAX)?),
        socket: false,
    })
}

pub fn watch_socket(asked: &Request_) -> Result<Call, Response> {
    if request::is_foreign(asked.head) {
        let sentence = "a WebSocket is for pages of this host: others may read /api/events";
        return Err(Response::error(403, sentence));
    }
    match asked.query.number("build", 1, i64::MAX as u64)? {
        Some(id) => Ok(Call::WatchLog {
            id: id as i64,
            from: asked.query.number("from", 0, u64::MAX)?.unwrap_or(0),
        }),
        None => Ok(Call::WatchEvents {
            filter: filter(asked)?,
            since: asked.query.number("since", 0, u64::MAX)?,
            socket: true,
        }),
    }
}

/// How the client wants to be told of progress, if its `Accept` says so.
pub fn format(asked: &Request_) -> Option<ProgressFormat> {
    let prefers = |kind: &str| request::prefers(asked.head, kind);
    match () {
        () if prefers("application/x-ndjson") => Some(ProgressFormat::Json),
        () if prefers("text/plain") => Some(ProgressFormat::Text),
        () => None,
    }
}
