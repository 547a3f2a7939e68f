//! Calls that watch: what is watched, and from where on.

use crate::app::domain::ids::{BuildId, CheckId};
use crate::app::live::subscription::{CheckWatch, EventFilter};
use crate::app::web::request;
use crate::app::web::routes::route::{Route, RouteRequest, get};
use crate::interface::message::Response;

/// Answered by a body that goes on while something happens.
#[derive(Debug, Clone, PartialEq)]
pub enum WatchCall {
    Log {
        id: BuildId,
        /// Only so many lines of its end.
        tail: Option<u64>,
    },
    /// The log of a build over a WebSocket, from this offset on.
    LogSocket { id: BuildId, from: u64 },
    /// A check from its state now to its end.
    Check { id: CheckId, watch: CheckWatch },
    /// Events as they come, over SSE or a WebSocket.
    Events {
        filter: EventFilter,
        /// The number of the last event that the client has: the events after it are replayed. None: only new events.
        since: Option<u64>,
        socket: bool,
    },
}

pub const fn routes<C: From<WatchCall>>() -> [Route<C>; 3] {
    [
        get("/api/builds/*/log", log),
        get("/api/events", events),
        get("/ws", socket),
    ]
}

fn filter(request: &RouteRequest) -> Result<EventFilter, Response> {
    let check = request.query.number("check", 1, i64::MAX as u64)?;
    Ok(EventFilter {
        package: request.query.owned("package"),
        uploads: request.query.flag("uploads"),
        check: check.map(|id| CheckId(id as i64)),
    })
}

/// The log of a build, as text.
pub fn log<C: From<WatchCall>>(request: &RouteRequest) -> Result<C, Response> {
    Ok(C::from(WatchCall::Log {
        id: BuildId(request.id()?),
        tail: request.query.number("tail", 1, 1_000_000)?,
    }))
}

fn events<C: From<WatchCall>>(request: &RouteRequest) -> Result<C, Response> {
    let last = request.head.header("last-event-id");
    // An id that is not a number is none of ours. It counts as past the end: the client gets a reset.
    let since = last.map(|last| last.trim().parse().unwrap_or(u64::MAX));
    Ok(C::from(WatchCall::Events {
        filter: filter(request)?,
        since: since.or(request.query.number("since", 0, u64::MAX)?),
        socket: false,
    }))
}

fn socket<C: From<WatchCall>>(request: &RouteRequest) -> Result<C, Response> {
    if request::is_foreign(request.head) {
        let sentence = "a WebSocket is for pages of this host; other pages may read /api/events";
        return Err(Response::error(403, sentence));
    }
    let call = match request.query.number("build", 1, i64::MAX as u64)? {
        Some(id) => WatchCall::LogSocket {
            id: BuildId(id as i64),
            from: request.query.number("from", 0, u64::MAX)?.unwrap_or(0),
        },
        None => WatchCall::Events {
            filter: filter(request)?,
            since: request.query.number("since", 0, u64::MAX)?,
            socket: true,
        },
    };
    Ok(C::from(call))
}
