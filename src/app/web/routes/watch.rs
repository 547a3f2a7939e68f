//! Calls that watch: what is watched, and from where on.

use crate::app::domain::ids::{BuildId, CheckId};
use crate::app::live::subscription::EventFilter;
use crate::app::web::call::{Call, WatchCall};
use crate::app::web::request;
use crate::app::web::routes::route_request::RouteRequest;
use crate::interface::message::Response;

fn filter(request: &RouteRequest) -> Result<EventFilter, Response> {
    let check = request.query.number("check", 1, i64::MAX as u64)?;
    Ok(EventFilter {
        package: request.query.owned("package"),
        check: check.map(|id| CheckId(id as i64)),
    })
}

pub fn log(request: &RouteRequest) -> Result<Call, Response> {
    Ok(Call::Watch(WatchCall::Log {
        id: BuildId(request.id()?),
        tail: request.query.number("tail", 1, 1_000_000)?,
    }))
}

pub fn events(request: &RouteRequest) -> Result<Call, Response> {
    let last = request.head.header("last-event-id");
    // An id that is not a number is none of ours: past the end, so that the client is told to start over.
    let since = last.map(|last| last.trim().parse().unwrap_or(u64::MAX));
    Ok(Call::Watch(WatchCall::Events {
        filter: filter(request)?,
        since: since.or(request.query.number("since", 0, u64::MAX)?),
        socket: false,
    }))
}

pub fn socket(request: &RouteRequest) -> Result<Call, Response> {
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
    Ok(Call::Watch(call))
}
