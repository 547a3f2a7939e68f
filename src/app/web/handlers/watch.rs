//! Answers that go on: logs, events, checks that are followed to their end.

use std::io;

use serde_json::json;

use crate::app::domain::ids::{BuildId, CheckId};
use crate::app::live::feed::Framing;
use crate::app::live::log;
use crate::app::live::logs::Reader;
use crate::app::live::subscription::{CheckWatch, ProgressFormat, WatchMode};
use crate::app::live::waits::Wait;
use crate::app::render::{json, matrix, required};
use crate::app::state::State;
use crate::app::store::checks::{self, CheckRow};
use crate::app::store::{builds, packages};
use crate::app::web::answer::{Answer, Error};
use crate::app::web::conditional::{self, Part, Precondition, Target};
use crate::app::web::handlers::rows::{build_json, build_row};
use crate::app::web::query::bad;
use crate::app::web::request::is_proxied;
use crate::app::web::routes::route::not_tried;
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
        WatchCall::Check { id, watch } => {
            if conditional::has_precondition(request) {
                known_check(state, id)?;
                conditional::check_untagged(request, state.now().unix_ms)?;
            }
            await_end(state, conn, id, watch, None)
        }
        WatchCall::Events {
            mut filter,
            since,
            socket,
        } => {
            if let Some(name) = &filter.package {
                // Where no package has the name, it is that of uploads.
                filter.uploads |= packages::with_name(&state.services.store, name)?.is_none();
            }
            let framing = match socket {
                true => Framing::WebSocket,
                false => {
                    conditional::check_untagged(request, state.now().unix_ms)?;
                    Framing::ServerSent
                }
            };
            let feed = &mut state.services.feed;
            feed.watch_events(conn, filter, since, framing);
            Ok(match socket {
                true => Answer::Upgrade,
                false => endless("text/event-stream", KEEPALIVE),
            })
        }
    }
}

/// A stream whose length is not known yet.
fn endless(content_type: &str, keepalive: &'static str) -> Answer {
    let head = Response::new(200, content_type, Vec::new());
    let body = Streamed {
        length: None,
        keepalive,
    };
    Answer::Stream(head.with("Cache-Control", "no-store"), body)
}

fn known_check(state: &State, id: CheckId) -> Result<CheckRow, Error> {
    let check = checks::by_id(&state.services.store, id)?;
    check.ok_or_else(|| Error::not_found("check"))
}

/// Awaits the end of a check: follows it from event `next` on, without one from its state now; or waits for it.
pub fn await_end(
    state: &mut State,
    conn: Key,
    id: CheckId,
    watch: CheckWatch,
    next: Option<u64>,
) -> Result<Answer, Error> {
    let check = known_check(state, id)?;
    let builds = builds::of_check(&state.services.store, id)?;
    let required = watch.required.of(&builds);
    let required = required.map_err(|version| bad(&not_tried(&version)))?;
    let feed = &mut state.services.feed;
    let format = watch.format;
    if watch.mode == WatchMode::Follow {
        feed.follow(conn, check, &builds, (format, required), next);
        let content_type = match format {
            ProgressFormat::Text => TEXT,
            ProgressFormat::Json => "application/x-ndjson",
        };
        return Ok(endless(content_type, ""));
    }
    let wait = Wait {
        check: id,
        format,
        required,
        is_read: next.is_none(),
    };
    if let Some(response) = end_of(state, &wait)? {
        return Ok(response.into());
    }
    state.services.feed.waits.add(conn, wait);
    Ok(Answer::Later)
}

/// The answer to a client that waits, if its check has ended: 422 where one of the required versions is neither green
/// nor amber.
pub fn end_of(state: &State, wait: &Wait) -> Result<Option<Response>, Error> {
    let check = known_check(state, wait.check)?;
    let builds = builds::of_check(&state.services.store, wait.check)?;
    if !builds.iter().all(|build| build.state.is_final()) {
        return Ok(None);
    }
    let unmet = required::unmet(&wait.required, &builds);
    let status = if unmet.is_empty() { 200 } else { 422 };
    let response = match wait.format {
        ProgressFormat::Text => {
            let closing = required::closing(&wait.required, &builds, builds.len());
            Response::new(status, TEXT, matrix::matrix(&check, &builds) + &closing)
        }
        ProgressFormat::Json => {
            let rows = builds.iter().map(|row| build_json(state, row)).collect();
            let mut value = json::check(&check, rows);
            if !wait.required.is_empty() {
                value["unmet"] = json!(unmet);
            }
            if !unmet.is_empty() {
                value["error"] = json!(format!("required, and not met: {}", unmet.join(", ")));
            }
            Response::json(status, &value)
        }
    };
    let response = response.with("Vary", "Accept");
    Ok(Some(response.with("Cache-Control", "no-store")))
}

fn log(
    state: &mut State,
    conn: Key,
    request: &Head,
    id: BuildId,
    tail: Option<u64>,
) -> Result<Answer, Error> {
    let row = build_row(state, id)?;
    let now_unix_ms = state.now().unix_ms;
    let feed = &mut state.services.feed;
    if !row.state.is_final() {
        conditional::check_untagged(request, now_unix_ms)?;
        let reader = feed.logs.read_live(id, 0, tail, false);
        // A direct client has the head already, and each byte that it gets is one of the log.
        let reader = match is_proxied(request) {
            true => reader.opened_at_once(),
            false => reader,
        };
        feed.watch_log(conn, reader);
        return Ok(endless(TEXT, ""));
    }
    let id = row.log_of();
    let file = feed.logs.open(id).map_err(unreadable)?;
    let end = file.metadata().map_err(unreadable)?.len();
    let start = match tail {
        None => 0,
        Some(lines) => log::tail_start(&file, lines).map_err(unreadable)?,
    };
    // A log is written once, under an id that a data directory gives out once.
    let ended = row.finished_at.unwrap_or_default();
    let etag = format!("\"log-{id}-{end}-{start}-{ended:x}\"");
    let mut head = Response::new(200, TEXT, Vec::new())
        .with("ETag", &etag)
        .with("Cache-Control", "no-cache")
        .with("Accept-Ranges", "bytes");
    match conditional::evaluate(request, Target::Tagged(&etag), ended) {
        Precondition::Holds => {}
        Precondition::NotModified => return Err(conditional::not_modified(head).into()),
        Precondition::Fails(sentence) => return Err(conditional::failed(sentence).into()),
    }
    let bytes = end - start;
    let (from, length) = match conditional::range(request, bytes, &etag) {
        Part::Whole => (0, bytes),
        Part::Range { from, length } => {
            let last = from + length - 1;
            head.status = 206;
            head = head.with("Content-Range", format!("bytes {from}-{last}/{bytes}"));
            (from, length)
        }
        Part::Unsatisfiable => {
            let sentence = format!("the log has {bytes} bytes, and none of those requested");
            let response = Response::error(416, &sentence);
            return Err(response
                .with("Content-Range", format!("bytes */{bytes}"))
                .into());
        }
    };
    let from = start + from;
    feed.watch_log(conn, Reader::stored(id, from, from + length));
    let body = Streamed {
        length: Some(length),
        keepalive: "",
    };
    Ok(Answer::Stream(head, body))
}

/// The reader of a log for a WebSocket, from that offset of the build's output on.
fn read_for_socket(state: &mut State, id: BuildId, from: u64) -> Result<Reader, Error> {
    let row = build_row(state, id)?;
    let logs = &mut state.services.feed.logs;
    if !row.state.is_final() {
        return Ok(logs.read_live(id, from, None, true));
    }
    let id = row.log_of();
    let file = logs.open(id).map_err(unreadable)?;
    let end = file.metadata().map_err(unreadable)?.len();
    Ok(Reader::stored_with_gaps(id, end, from, row.log_bytes))
}

pub fn unreadable(error: io::Error) -> Response {
    match error.kind() {
        io::ErrorKind::NotFound => Response::error(404, "this build left no log"),
        _ => Response::error(503, &format!("the log cannot be read: {error}")),
    }
}
