//! The page of a log that grows: lines of HTML, as the log is written.

use crate::app::domain::ids::BuildId;
use crate::app::live::limits::{LINE_LIMIT_BYTES, LOG_PAGE_STEP_BYTES};
use crate::app::live::logs::{Logs, Reader};
use crate::app::render::html;
use crate::app::render::view::errors::Tree;
use crate::app::render::view::log::{LineReader, LogState};
use crate::app::render::view::outcome::outcome;
use crate::app::store::builds;
use crate::app::store::store::Store;
use crate::base::slab::Key;
use crate::interface::event::Pull;

/// The cursor of one watcher.
#[derive(Debug)]
pub struct LogPage {
    pub reader: Reader,
    pub build: BuildId,
    place: SourcePlace,
    lines: LineReader,
    /// The number of the last line; none where it is not known.
    number: Option<u64>,
    /// The beginning of a line whose end has not come.
    rest: Vec<u8>,
    /// HTML that is to be sent, and how much of it was.
    pending: Vec<u8>,
    sent: usize,
    has_ended: bool,
}

/// Where the source of the build is.
#[derive(Debug, Default)]
pub struct SourcePlace {
    pub url: Option<String>,
    pub commit: Option<String>,
    pub dir: Option<String>,
}

impl LogPage {
    /// A page that begins with this text; `is_whole`: the reader begins at the first line.
    pub fn new(
        reader: Reader,
        build: BuildId,
        place: SourcePlace,
        begin: String,
        is_whole: bool,
    ) -> LogPage {
        LogPage {
            reader,
            build,
            place,
            lines: LineReader::default(),
            number: is_whole.then_some(0),
            rest: Vec::new(),
            pending: begin.into_bytes(),
            sent: 0,
            has_ended: false,
        }
    }

    /// Appends at most `space` bytes.
    pub fn pull(
        &mut self,
        logs: &mut Logs,
        store: &Store,
        conn: Key,
        space: usize,
        out: &mut Vec<u8>,
    ) -> Pull {
        if self.sent == self.pending.len() {
            self.pending.clear();
            self.sent = 0;
            if self.has_ended {
                return Pull::End;
            }
            let mut bytes = Vec::new();
            match logs.pull(&mut self.reader, conn, LOG_PAGE_STEP_BYTES, &mut bytes) {
                Pull::Idle => return Pull::Idle,
                Pull::More | Pull::Text => self.add(&bytes),
                Pull::End | Pull::Unfinished => {
                    self.add(&bytes);
                    self.finish(store);
                }
            }
        }
        let rest = &self.pending[self.sent..];
        let taken = rest.len().min(space);
        out.extend_from_slice(&rest[..taken]);
        self.sent += taken;
        Pull::More
    }

    fn add(&mut self, bytes: &[u8]) {
        self.rest.extend_from_slice(bytes);
        let rest = std::mem::take(&mut self.rest);
        let mut lines = rest.split(|byte| *byte == b'\n');
        let last = lines.next_back().unwrap_or_default();
        for line in lines {
            self.add_line(line);
        }
        let mut last = last;
        while last.len() > LINE_LIMIT_BYTES {
            let (line, behind) = last.split_at(LINE_LIMIT_BYTES);
            self.add_line(line);
            last = behind;
        }
        self.rest = last.to_vec();
    }

    fn add_line(&mut self, line: &[u8]) {
        self.number = self.number.map(|number| number + 1);
        let tree = Tree {
            url: self.place.url.as_deref(),
            commit: self.place.commit.as_deref(),
            dir: self.place.dir.as_deref(),
        };
        let line = self.lines.line(line, self.number, &tree);
        let html = html::log::log_line(&line);
        self.pending.extend_from_slice(html.0.as_bytes());
    }

    fn finish(&mut self, store: &Store) {
        let rest = std::mem::take(&mut self.rest);
        if !rest.is_empty() {
            self.add_line(&rest);
        }
        let row = builds::by_id(store, self.build).ok().flatten();
        let end = match row {
            Some(row) => html::log::end(&LogState::new(&row), &outcome(&row)),
            None => html::log::end_of_deleted(),
        };
        self.pending.extend_from_slice(end.as_bytes());
        self.has_ended = true;
    }
}
