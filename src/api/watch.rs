//! What a watcher asks for: of whom, and from where on.

use super::{Asked, Call, Telling, Watched};
use crate::message::{Head, Response, values};
use crate::target;

fn watched(asked: &Asked) -> Result<Watched, Response> {
    let check = asked.query.number("check", 1, i64::MAX as u64)?;
    Ok(Watched {
        package: asked.query.owned("package"),
        check: check.map(|id| id as i64),
    })
}

pub fn watch_events(asked: &Asked) -> Result<Call, Response> {
    let last = asked.head.header("last-event-id");
    // What is no number was no event of ours: the client is told to start over.
    let since = last.map(|last| last.trim().parse().unwrap_or(u64::MAX));
    Ok(Call::WatchEvents {
        watched: watched(asked)?,
        since: since.or(asked.query.number("since", 0, u64::MAX)?),
        socket: false,
    })
}

/// Lets pass who is no page, and our own pages. A browser lets any page open a WebSocket anywhere, and
/// says only here whose it is; behind a proxy with TLS the scheme is another.
fn check_origin(head: &Head) -> Result<(), Response> {
    let origins = values(&head.headers, "origin");
    let [origin] = origins[..] else {
        return match origins.is_empty() {
            true => Ok(()),
            false => Err(foreign()),
        };
    };
    let (scheme, host) = origin.split_once("://").unwrap_or_default();
    let port = match scheme {
        "https" | "wss" => ":443",
        _ => ":80",
    };
    let bare = |host: &str| host.strip_suffix(port).unwrap_or(host).to_ascii_lowercase();
    let own = head.header("host").map(bare);
    let same = !host.is_empty() && own == Some(bare(host));
    same.then_some(()).ok_or_else(foreign)
}

fn foreign() -> Response {
    Response::error(
        403,
        "a WebSocket is for pages of this host: others may read /api/events",
    )
}

pub fn watch_socket(asked: &Asked) -> Result<Call, Response> {
    check_origin(asked.head)?;
    match asked.query.number("build", 1, i64::MAX as u64)? {
        Some(id) => Ok(Call::WatchLog {
            id: id as i64,
            from: asked.query.number("from", 0, u64::MAX)?.unwrap_or(0),
        }),
        None => Ok(Call::WatchEvents {
            watched: watched(asked)?,
            since: asked.query.number("since", 0, u64::MAX)?,
            socket: true,
        }),
    }
}

/// How the client wants to be told of progress, if its `Accept` says so.
pub fn telling(asked: &Asked) -> Option<Telling> {
    let prefers = |kind: &str| target::prefers(asked.head, kind);
    match () {
        () if prefers("application/x-ndjson") => Some(Telling::Json),
        () if prefers("text/plain") => Some(Telling::Text),
        () => None,
    }
}
