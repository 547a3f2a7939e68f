//! The page of a log: the parts of one that has ended, or one that grows.

use crate::app::domain::ids::BuildId;
use crate::app::live::line_index::LineIndex;
use crate::app::live::log_page::{LogPage, SourcePlace};
use crate::app::render::html;
use crate::app::render::view::errors::Tree;
use crate::app::render::view::log::{LineReader, LogPart, LogState, LogView};
use crate::app::render::view::parts::{Link, log_path};
use crate::app::render::view::site::PageOptions;
use crate::app::state::State;
use crate::app::store::builds::{self, BuildRow};
use crate::app::store::checks::{self, CheckRow};
use crate::app::web::answer::Error;
use crate::app::web::handlers::frame::{as_html, site};
use crate::app::web::handlers::rows::build_row;
use crate::app::web::handlers::watch::unreadable;
use crate::app::web::limits::{
    LOG_END_LINES, LOG_PART_LIMIT_BYTES, LOG_PART_LINES, LOG_WHOLE_LIMIT_LINES,
};
use crate::interface::message::Response;

/// The page of a log that has ended: all of it, or the parts around the first error or line `line`, and the end.
pub fn page(
    state: &State,
    id: BuildId,
    line: Option<u64>,
    options: PageOptions,
) -> Result<Response, Error> {
    let row = build_row(state, id)?;
    let check = check_of(state, &row)?;
    let mut view = view(state, &row, options);
    if view.is_growing {
        // This client waits for the end of a page: it reads the text, or loads the page again.
        return Ok(respond(&view));
    }
    let logs = &state.services.feed.logs;
    let file = logs.open(row.log_of()).map_err(unreadable)?;
    let index = logs.index(row.log_of(), &file).map_err(unreadable)?;
    view.first_error = index
        .first_error
        .map(|number| link(id, number, "first error"));
    let tree = Tree {
        url: check.url.as_deref(),
        commit: row.commit.as_deref(),
        dir: check.dir.as_deref(),
    };
    let mut next = 1;
    for (from, to) in ranges(&index, line) {
        if from > next {
            view.parts.push(gap(id, next, from));
        }
        let lines = index.lines(&file, from, to, LOG_PART_LIMIT_BYTES);
        let lines = lines.map_err(unreadable)?;
        let mut reader = LineReader::default();
        let numbered = (from..).zip(&lines);
        let lines = numbered.map(|(number, line)| reader.line(line, Some(number), &tree));
        let lines: Vec<_> = lines.collect();
        next = from + lines.len() as u64;
        view.parts.push(LogPart::Lines(lines));
    }
    if next <= index.lines {
        view.parts.push(gap(id, next, index.lines + 1));
    }
    Ok(respond(&view))
}

fn respond(view: &LogView) -> Response {
    let response = as_html(200, html::log::html(view)).with("Vary", "Accept");
    response.with("Vary", "User-Agent")
}

/// The page of a log that grows: from its first line, or where it is long from one near its end.
pub fn live(state: &mut State, row: &BuildRow, options: PageOptions) -> Result<LogPage, Error> {
    let check = check_of(state, row)?;
    let begin = html::log::begin(&view(state, row, options));
    let logs = &mut state.services.feed.logs;
    let is_whole = logs.written(row.id).unwrap_or(0) <= LOG_PART_LIMIT_BYTES;
    let tail = (!is_whole).then_some(LOG_PART_LINES);
    let reader = logs.read_live(row.id, 0, tail, false);
    let place = SourcePlace {
        url: check.url,
        commit: row.commit.clone(),
        dir: check.dir,
    };
    Ok(LogPage::new(reader, row.id, place, begin, is_whole))
}

fn check_of(state: &State, row: &BuildRow) -> Result<CheckRow, Error> {
    let check = checks::by_id(&state.services.store, row.check)?;
    check.ok_or_else(|| Error::not_found("check"))
}

fn view(state: &State, row: &BuildRow, options: PageOptions) -> LogView {
    LogView {
        site: site(state, options),
        state: LogState::new(row),
        is_growing: !row.state.is_final(),
        first_error: None,
        parts: Vec::new(),
    }
}

/// The lines that are shown, from and to, in order and apart from each other.
fn ranges(index: &LineIndex, line: Option<u64>) -> Vec<(u64, u64)> {
    let last = index.lines;
    if last == 0 {
        return Vec::new();
    }
    if last <= LOG_WHOLE_LIMIT_LINES && index.bytes <= LOG_PART_LIMIT_BYTES {
        return vec![(1, last)];
    }
    let around = line.or(index.first_error).unwrap_or(1).clamp(1, last);
    let from = around.saturating_sub(LOG_PART_LINES / 10).max(1);
    let to = (from + LOG_PART_LINES - 1).min(last);
    let end = last.saturating_sub(LOG_END_LINES - 1).max(1);
    match to + 1 >= end {
        true => vec![(from, last)],
        false => vec![(from, to), (end, last)],
    }
}

fn link(id: BuildId, number: u64, text: &str) -> Link {
    Link::new(text, format!("{}?line={number}#L{number}", log_path(id)))
}

fn gap(id: BuildId, from: u64, to: u64) -> LogPart {
    LogPart::Gap {
        count: to - from,
        first: link(id, from, &format!("lines {from} to {}", to - 1)),
    }
}

/// The row of a build whose log is growing; none if it has ended, or never was.
pub fn growing(state: &State, id: BuildId) -> Result<Option<BuildRow>, Error> {
    let row = builds::by_id(&state.services.store, id)?;
    Ok(row.filter(|row| !row.state.is_final()))
}
