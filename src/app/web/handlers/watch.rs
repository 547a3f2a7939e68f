//! Answers that go on: logs, events, checks that are followed to their end.

use std::io;

use crate::app::domain::ids::{BuildId, CheckId};
use crate::app::live::feed::Framing;
use crate::app::live::log;
use crate::app::live::logs::Reader;
use crate::app::live::subscription::ProgressFormat;
use crate::app::state::State;
use crate::app::store::builds::{self, BuildRow};
use crate::app::store::checks;
use crate::app::web::answer::{Answer, Error};
use crate::app::web::conditional::{self, Part};
use crate::app::web::routes::watch::WatchCall;
use crate::base::slab::Key;
use crate::interface::event::Streamed;
use crate::interface::message::{Head, Response};

const TEXT: &str = "text/plain; charset=utf-8";

/// A comment of server-sent events.
const KEEPALIVE: &str = ":\n\n";

/// Adds a watcher for that connection.
pub fn watch(
    state: &mut State,
    conn: Key,
    request: &Head,
    call: WatchCall,
) -> Result<Answer, Error> {
    match call {
        WatchCall::Log { id, tail } => log(state, conn, request, id, tail),
        WatchCall::LogSocket { id, from } => {
            let reader = read_for_socket(state, id, from)?;
            state.services.feed.watch_log(conn, reader);
            Ok(Answer::Upgrade)
        }
        WatchCall::Check { id, format } => follow(state, conn, id, format, None),
        WatchCall::Events {
            filter,
            since,
            socket,
        } => {
            let framing = match socket {
                true => Framing::WebSocket,
                false => Framing::ServerSent,
            };
            let feed = &mut state.services.feed;
            feed.watch_events(conn, filter, since, framing);
            Ok(match socket {
                true => Answer::Upgrade,
                false => events_head(),
            })
        }
    }
}

fn events_head() -> Answer {
    let head =
        Response::new(200, "text/event-stream", Vec::new()).with("Cache-Control", "no-store");
    let body = Streamed {
        length: None,
        keepalive: KEEPALIVE,
    };
    Answer::Stream(head, body)
}

/// Follows a check from event `next` on; without one, from its state now.
pub fn follow(
    state: &mut State,
    conn: Key,
    id: CheckId,
    format: ProgressFormat,
    next: Option<u64>,
) -> Result<Answer, Error> {
    let store = &state.services.store;
    let check = checks::by_id(store, id)?;
    let check = check.ok_or_else(|| Error::not_found("check"))?;
    let builds = builds::of_check(store, id)?;
    state
        .services
        .feed
        .follow(conn, check, &builds, format, next);
    let kind = match format {
        ProgressFormat::Text => TEXT,
        ProgressFormat::Json => "application/x-ndjson",
    };
    let head = Response::new(200, kind, Vec::new()).with("Cache-Control", "no-store");
    Ok(Answer::Stream(head, Streamed::default()))
}

fn build(state: &State, id: BuildId) -> Result<BuildRow, Error> {
    let row = builds::by_id(&state.services.store, id)?;
    row.ok_or_else(|| Error::not_found("build"))
}

fn log(
    state: &mut State,
    conn: Key,
    request: &Head,
    id: BuildId,
    tail: Option<u64>,
) -> Result<Answer, Error> {
    let row = build(state, id)?;
    let feed = &mut state.services.feed;
    let head = Response::new(200, TEXT, Vec::new());
    if !row.state.is_final() {
        let reader = feed.logs.read_live(id, 0, tail, false);
        feed.watch_log(conn, reader);
        let head = head.with("Cache-Control", "no-store");
        return Ok(Answer::Stream(head, Streamed::default()));
    }
    let id = row.log_of();
    let file = feed.logs.open(id).map_err(unreadable)?;
    let bytes = file.metadata().map_err(unreadable)?.len();
    let start = match tail {
        None => 0,
        Some(lines) => log::tail_start(&file, lines).map_err(unreadable)?,
    };
    // A log is written once, under an id that a data directory gives out once.
    let ended = row.finished_at.unwrap_or_default();
    let etag = format!("\"log-{id}-{bytes}-{start}-{ended:x}\"");
    let part = select_part(request, head, &etag, bytes - start)?;
    let from = start + part.from;
    let reader = Reader::stored(id, from, from + part.length);
    feed.watch_log(conn, reader);
    let body = Streamed {
        length: Some(part.length),
        keepalive: "",
    };
    Ok(Answer::Stream(part.head, body))
}

/// The part of a stored log that a request asks for, with the head of its answer.
struct LogPart {
    head: Response,
    from: u64,
    length: u64,
}

fn select_part(
    request: &Head,
    head: Response,
    etag: &str,
    bytes: u64,
) -> Result<LogPart, Response> {
    let mut head = head
        .with("ETag", etag)
        .with("Cache-Control", "no-cache")
        .with("Accept-Ranges", "bytes");
    if conditional::none_match(request, etag) {
        return Err(conditional::not_modified(head));
    }
    match conditional::range(request, bytes, etag) {
        Part::Whole => Ok(LogPart {
            head,
            from: 0,
            length: bytes,
        }),
        Part::Range { from, length } => {
            head.status = 206;
            let range = format!("bytes {from}-{}/{bytes}", from + length - 1);
            let head = head.with("Content-Range", range);
            Ok(LogPart { head, from, length })
        }
        Part::Unsatisfiable => {
            let sentence = format!("the log has {bytes} bytes, and none of those requested");
            let range = format!("bytes */{bytes}");
            Err(Response::error(416, &sentence).with("Content-Range", range))
        }
    }
}

/// The reader of a log for a WebSocket, from that offset of the build's output on.
fn read_for_socket(state: &mut State, id: BuildId, from: u64) -> Result<Reader, Error> {
    let row = build(state, id)?;
    let logs = &mut state.services.feed.logs;
    if !row.state.is_final() {
        return Ok(logs.read_live(id, from, None, true));
    }
    let id = row.log_of();
    let file = logs.open(id).map_err(unreadable)?;
    let end = file.metadata().map_err(unreadable)?.len();
    Ok(Reader::stored_with_gaps(id, end, from, row.log_bytes))
}

fn unreadable(error: io::Error) -> Response {
    match error.kind() {
        io::ErrorKind::NotFound => Response::error(404, "this build left no log"),
        _ => Response::error(503, &format!("the log cannot be read: {error}")),
    }
}
