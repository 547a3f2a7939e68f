//! Calls whose answer goes on: logs, events, checks that are followed to their end.

use std::io;

use crate::app::live::feed::Framing;
use crate::app::live::log;
use crate::app::live::logs::Reader;
use crate::app::live::subscription::ProgressFormat;
use crate::app::state::State;
use crate::app::store::builds::BuildRow;
use crate::app::web::conditional::{self, Part};
use crate::app::web::handlers::{database, open_to_all};
use crate::app::web::routes::Call;
use crate::base::slab::Key;
use crate::interface::event::{Action, Streamed};
use crate::interface::message::{Head, Response};

const TEXT: &str = "text/plain; charset=utf-8";

/// A comment of server-sent events.
const BEAT: &str = ":\n\n";

/// Begins to answer a call that watches something; the answer itself where it cannot be watched.
pub fn watch(state: &mut State, conn: Key, asked: &Head, call: Call) -> Result<(), Response> {
    let (head, body) = match call {
        Call::ShowLog { id, tail } => show_log(state, conn, asked, id, tail)?,
        Call::FollowCheck { id, format } => follow(state, conn, id, format, None)?,
        Call::WatchEvents {
            filter,
            since,
            socket,
        } => {
            let framing = match socket {
                true => Framing::WebSocket,
                false => Framing::ServerSent,
            };
            state
                .services
                .feed
                .watch_events(conn, filter, since, framing);
            if socket {
                state.services.out.push(Action::Upgrade { conn });
                return Ok(());
            }
            events_head()
        }
        Call::WatchLog { id, from } => {
            let reader = log_socket(state, id, from)?;
            state.services.feed.watch_log(conn, reader);
            state.services.out.push(Action::Upgrade { conn });
            return Ok(());
        }
        call => unreachable!("{call:?} watches nothing"),
    };
    stream(state, conn, head, body);
    Ok(())
}

/// Follows a check that was just taken in, from the event of its coming on.
pub fn follow_new(
    state: &mut State,
    conn: Key,
    check: i64,
    format: ProgressFormat,
    next: u64,
) -> Result<(), Response> {
    let (head, body) = follow(state, conn, check, format, Some(next))?;
    stream(state, conn, head, body);
    Ok(())
}

fn stream(state: &mut State, conn: Key, head: Response, body: Streamed) {
    let head = open_to_all(head);
    state.services.out.push(Action::Stream { conn, head, body });
}

fn events_head() -> (Response, Streamed) {
    let head =
        Response::new(200, "text/event-stream", Vec::new()).with("Cache-Control", "no-store");
    let body = Streamed {
        length: None,
        keepalive: BEAT,
    };
    (head, body)
}

/// Follows a check: from event `next` on, or as it is and from now on.
fn follow(
    state: &mut State,
    conn: Key,
    id: i64,
    format: ProgressFormat,
    next: Option<u64>,
) -> Result<(Response, Streamed), Response> {
    let check = state.services.store.check(id).map_err(database)?;
    let check = check.ok_or_else(|| Response::error(404, "there is no such check"))?;
    let builds = state.services.store.builds_of(id).map_err(database)?;
    state
        .services
        .feed
        .follow(conn, check, &builds, format, next);
    let kind = match format {
        ProgressFormat::Text => TEXT,
        ProgressFormat::Json => "application/x-ndjson",
    };
    let head = Response::new(200, kind, Vec::new()).with("Cache-Control", "no-store");
    Ok((head, Streamed::default()))
}

fn build(state: &State, id: i64) -> Result<BuildRow, Response> {
    let row = state.services.store.build(id).map_err(database)?;
    row.ok_or_else(|| Response::error(404, "there is no such build"))
}

fn show_log(
    state: &mut State,
    conn: Key,
    asked: &Head,
    id: i64,
    tail: Option<u64>,
) -> Result<(Response, Streamed), Response> {
    let row = build(state, id)?;
    let head = Response::new(200, TEXT, Vec::new());
    if !row.state.is_final() {
        let reader = state.services.feed.logs.read_live(id, 0, tail, false);
        state.services.feed.watch_log(conn, reader);
        return Ok((head.with("Cache-Control", "no-store"), Streamed::default()));
    }
    let id = row.log_of();
    let file = state.services.feed.logs.open(id).map_err(unreadable)?;
    let bytes = file.metadata().map_err(unreadable)?.len();
    let start = match tail {
        None => 0,
        Some(lines) => log::tail_start(&file, lines).map_err(unreadable)?,
    };
    // Written once, under a number that is given once, in the life of a data directory.
    let ended = row.finished_at.unwrap_or_default();
    let etag = format!("\"log-{id}-{bytes}-{start}-{ended:x}\"");
    let (head, from, length) = part_of_log(asked, head, &etag, bytes - start)?;
    let from = start + from;
    let reader = Reader::stored(id, from, from + length);
    state.services.feed.watch_log(conn, reader);
    let body = Streamed {
        length: Some(length),
        keepalive: "",
    };
    Ok((head, body))
}

/// The head of a stored log's answer, and what is asked for of these bytes: from where, how many.
fn part_of_log(
    asked: &Head,
    head: Response,
    etag: &str,
    bytes: u64,
) -> Result<(Response, u64, u64), Response> {
    let mut head = head
        .with("ETag", etag)
        .with("Cache-Control", "no-cache")
        .with("Accept-Ranges", "bytes");
    if conditional::none_match(asked, etag) {
        return Err(conditional::not_modified(head));
    }
    match conditional::range(asked, bytes, etag) {
        Part::Whole => Ok((head, 0, bytes)),
        Part::Range { from, length } => {
            head.status = 206;
            let range = format!("bytes {from}-{}/{bytes}", from + length - 1);
            Ok((head.with("Content-Range", range), from, length))
        }
        Part::Unsatisfiable => {
            let sentence = format!("the log has {bytes} bytes: none of those asked for");
            let range = format!("bytes */{bytes}");
            Err(Response::error(416, &sentence).with("Content-Range", range))
        }
    }
}

/// The log of a build for a WebSocket, from that offset of its output on.
fn log_socket(state: &mut State, id: i64, from: u64) -> Result<Reader, Response> {
    let row = build(state, id)?;
    if !row.state.is_final() {
        return Ok(state.services.feed.logs.read_live(id, from, None, true));
    }
    let id = row.log_of();
    let file = state.services.feed.logs.open(id).map_err(unreadable)?;
    let end = file.metadata().map_err(unreadable)?.len();
    Ok(Reader::stored_with_gaps(id, end, from, row.log_bytes))
}

fn unreadable(error: io::Error) -> Response {
    match error.kind() {
        io::ErrorKind::NotFound => Response::error(404, "this build left no log"),
        _ => Response::error(503, &format!("the log cannot be read: {error}")),
    }
}
