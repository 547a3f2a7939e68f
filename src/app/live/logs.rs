//! The logs of all builds, for writing and for reading, during a build and after it.
//!
//! A reader is only a cursor; bytes are read from the file when its connection has space. Live and finished logs
//! take the same path.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;

use crate::app::domain::disk_space::is_full;
use crate::app::domain::ids::BuildId;
use crate::app::live::events::RESET;
use crate::app::live::limits::INDEXES_LIMIT;
use crate::app::live::line_index::LineIndex;
use crate::app::live::log::{Cut, Log};
use crate::app::store::builds::LogSize;
use crate::base::files::remove_if_there;
use crate::base::slab::Key;
use crate::interface::event::{Action, Pull};
use crate::interface::outbox::Outbox;

/// The log of a build that has not ended, or that still has readers.
#[derive(Debug, Default)]
struct OpenLog {
    /// `None` before the first byte, and if the file could not be created.
    log: Option<Log>,
    ended: bool,
    /// The build that the verdict comes from, if it was taken from the cache.
    origin: Option<Origin>,
    readers: usize,
    /// Readers that have read everything, to be woken by the next byte.
    parked: BTreeSet<Key>,
}

/// The build whose log is shown for a build with a cached verdict.
#[derive(Debug, Clone, Copy)]
pub struct Origin {
    pub build: BuildId,
    /// Number of bytes that it wrote.
    pub written: u64,
}

#[derive(Debug)]
pub struct Logs {
    dir: PathBuf,
    live: BTreeMap<BuildId, OpenLog>,
    /// A write failed on a full disk since the last `take_full`.
    full: bool,
    /// Indexes of logs that have ended, for those who read them again.
    indexes: RefCell<BTreeMap<BuildId, Arc<LineIndex>>>,
}

/// One reader of one log.
#[derive(Debug)]
pub struct Reader {
    cursor: Cursor,
    /// A cut is reported as a message of its own, not as a line of the log.
    report_gaps: bool,
    /// The client asked for an offset past the end; send `reset` first.
    past_end: bool,
    /// Where there is nothing to read at first, send an empty line.
    opens_at_once: bool,
}

#[derive(Debug)]
enum Cursor {
    /// Offsets are those of the build's output.
    Live { build: BuildId, offset: u64 },
    /// Positions are those of the file; reading stops at `end`. The file is opened for each pull, so thousands of
    /// slow readers hold no descriptors.
    Stored {
        build: BuildId,
        position: u64,
        end: u64,
        cut: Option<Cut>,
    },
}

impl Logs {
    pub fn new(dir: PathBuf) -> Logs {
        Logs {
            dir,
            live: BTreeMap::new(),
            full: false,
            indexes: RefCell::default(),
        }
    }

    fn path(&self, build: BuildId) -> PathBuf {
        self.dir.join(format!("{build}.log"))
    }

    // -- writing --

    /// Opens the log for an attempt. All attempts of a build write to one log.
    pub fn begin(&mut self, build: BuildId, attempt: u32) {
        let path = self.path(build);
        let live = self.live.entry(build).or_default();
        if live.log.is_none() {
            let earlier = match attempt {
                1 => None,
                _ => Log::reopen(&path, 0).ok(),
            };
            let log = earlier.map_or_else(|| Log::create(&path), Ok);
            live.log = log.map_err(|e| report(build, &e, &mut self.full)).ok();
        }
    }

    /// Appends a line of the server's own to the log of a build that will be retried.
    pub fn annotate(&mut self, build: BuildId, attempt: u32, line: &str, out: &mut Outbox) {
        self.begin(build, attempt);
        self.append(build, format!("\n[zigcheck: {line}]\n").as_bytes(), out);
    }

    /// Reopens the log of a build whose container was adopted from an earlier run of the server. The present attempt
    /// began at offset `start`.
    pub fn adopt(&mut self, build: BuildId, start: u64) {
        if let Ok(log) = Log::reopen(&self.path(build), start) {
            self.live.entry(build).or_default().log = Some(log);
        }
        self.begin(build, 1);
    }

    /// Drops the log from offset `start` on, before it is read from the engine again. Returns the new end.
    pub fn rewind(&mut self, build: BuildId, start: u64) -> u64 {
        let live = self.live.get_mut(&build);
        let Some(log) = live.and_then(|live| live.log.as_mut()) else {
            return 0;
        };
        let rewound = log.rewind(start);
        rewound.unwrap_or_else(|error| {
            log::error!("the log of build {build}: {error}");
            log.total_bytes
        })
    }

    /// Appends to an open log, and wakes its parked readers.
    pub fn append(&mut self, build: BuildId, bytes: &[u8], out: &mut Outbox) {
        let Some(live) = self.live.get_mut(&build) else {
            return;
        };
        if let Some(log) = &mut live.log {
            // A failing disk truncates the log and leaves the build alone. Only the first error is returned.
            if let Err(error) = log.append(bytes) {
                report(build, &error, &mut self.full);
            }
            wake(live, out);
        }
    }

    /// Appends a line of the server's own, also where the output before it has no line end.
    pub fn append_line(&mut self, build: BuildId, line: &str, out: &mut Outbox) {
        let live = self.live.get(&build);
        let mut last = Vec::new();
        if let Some(log) = live.and_then(|live| live.log.as_ref())
            && let Err(error) = log.read_at(log.total_bytes.saturating_sub(1), 1, &mut last)
        {
            log::warn!("the log of build {build}: {error}");
        }
        let before = match last[..] {
            [] | [b'\n'] => "",
            _ => "\n",
        };
        self.append(build, format!("{before}{line}\n").as_bytes(), out);
    }

    /// Closes the log of a build that has ended; returns its size.
    pub fn finish(&mut self, build: BuildId, out: &mut Outbox) -> LogSize {
        let size = self.close(build);
        if let Some(live) = self.live.get_mut(&build) {
            live.ended = true;
            wake(live, out);
        }
        self.drop_unread(build);
        size
    }

    /// Completes the file of a log. Without an open log, a file of that name was written before a crash that undid
    /// the row's change: it is removed.
    fn close(&mut self, build: BuildId) -> LogSize {
        let live = self.live.get_mut(&build);
        let Some(log) = live.and_then(|live| live.log.as_mut()) else {
            if let Err(error) = remove_if_there(&self.path(build)) {
                report(build, &error, &mut self.full);
            }
            return LogSize::default();
        };
        if let Err(error) = log.finish() {
            report(build, &error, &mut self.full);
        }
        LogSize {
            written: log.total_bytes,
            is_truncated: log.is_truncated(),
        }
    }

    /// Closes the log of a build with a cached verdict; its readers get the log of `origin`.
    pub fn finish_as(&mut self, build: BuildId, origin: Origin, out: &mut Outbox) {
        if let Some(live) = self.live.get_mut(&build) {
            (live.log, live.origin) = (None, Some(origin));
        }
        self.finish(build, out);
    }

    /// Drops a log that has no readers, unless the build still writes: it holds an open file.
    fn drop_unread(&mut self, build: BuildId) {
        let unread = |live: &OpenLog| live.readers == 0 && (live.ended || live.log.is_none());
        if self.live.get(&build).is_some_and(unread) {
            self.live.remove(&build);
        }
    }

    /// Number of bytes that a build has written, if its log is open.
    pub fn written(&self, build: BuildId) -> Option<u64> {
        let log = self.live.get(&build)?.log.as_ref()?;
        Some(log.total_bytes)
    }

    /// True if a write failed on a full disk since the last call.
    pub fn take_full(&mut self) -> bool {
        std::mem::take(&mut self.full)
    }

    // -- reading --

    /// A reader of a running build's log: from offset `from` on, or from its last `tail` lines.
    pub fn read_live(
        &mut self,
        build: BuildId,
        from: u64,
        tail: Option<u64>,
        report_gaps: bool,
    ) -> Reader {
        let live = self.live.entry(build).or_default();
        live.readers += 1;
        let tail = tail.zip(live.log.as_ref());
        let offset = tail.and_then(|(lines, log)| log.tail_start(lines).ok());
        let offset = offset.unwrap_or(from);
        Reader {
            cursor: Cursor::Live { build, offset },
            report_gaps,
            past_end: false,
            opens_at_once: false,
        }
    }

    /// The file of a finished log.
    pub fn open(&self, build: BuildId) -> io::Result<File> {
        File::open(self.path(build))
    }

    /// Where the lines of a finished log are.
    pub fn index(&self, build: BuildId, file: &File) -> io::Result<Arc<LineIndex>> {
        let mut indexes = self.indexes.borrow_mut();
        if let Some(index) = indexes.get(&build) {
            return Ok(index.clone());
        }
        let index = Arc::new(LineIndex::read(file)?);
        if indexes.len() >= INDEXES_LIMIT {
            indexes.clear();
        }
        indexes.insert(build, index.clone());
        Ok(index)
    }

    /// Appends at most `space` further bytes; with `report_gaps` also messages that report cuts.
    pub fn pull(
        &mut self,
        reader: &mut Reader,
        conn: Key,
        space: usize,
        out: &mut Vec<u8>,
    ) -> Pull {
        if std::mem::take(&mut reader.past_end) {
            out.extend_from_slice(RESET.as_bytes());
            return Pull::Text;
        }
        self.follow_origin(reader, conn);
        let opens_at_once = std::mem::take(&mut reader.opens_at_once);
        let pulled = match &mut reader.cursor {
            Cursor::Stored {
                build,
                position,
                end,
                cut,
            } => match File::open(self.path(*build)) {
                Ok(file) => pull_stored(&file, position, *end, *cut, space, out),
                Err(_) => Pull::End,
            },
            Cursor::Live { build, offset } => {
                let Some(live) = self.live.get_mut(build) else {
                    return Pull::End;
                };
                pull_live(live, offset, reader.report_gaps, conn, space, out)
            }
        };
        if opens_at_once && pulled == Pull::Idle {
            out.push(b'\n');
            return Pull::More;
        }
        pulled
    }

    /// Moves a reader of a build with a cached verdict to the log of the build that the verdict comes from.
    fn follow_origin(&mut self, reader: &mut Reader, conn: Key) {
        let Cursor::Live { build, offset } = reader.cursor else {
            return;
        };
        let Some(origin) = self.live.get(&build).and_then(|live| live.origin) else {
            return;
        };
        let file = File::open(self.path(origin.build)).and_then(|file| file.metadata());
        let end = file.map_or(0, |file| file.len());
        let next = match reader.report_gaps {
            // Bytes that it has read are of an attempt without a verdict.
            true => Reader {
                past_end: offset > 0,
                ..Reader::stored_with_gaps(origin.build, end, 0, origin.written)
            },
            false => Reader::stored(origin.build, 0, end),
        };
        let replaced = std::mem::replace(reader, next);
        self.remove(replaced, conn);
    }

    /// Removes a reader whose connection has closed.
    pub fn remove(&mut self, reader: Reader, conn: Key) {
        if let Cursor::Live { build, .. } = reader.cursor {
            if let Some(live) = self.live.get_mut(&build) {
                live.readers -= 1;
                live.parked.remove(&conn);
            }
            self.drop_unread(build);
        }
    }
}

impl Reader {
    /// The same reader, whose first pull gives a byte at least, unless the log has ended.
    pub fn opened_at_once(self) -> Reader {
        Reader {
            opens_at_once: true,
            ..self
        }
    }

    /// A reader of a finished log, from `position` to `end` in the file.
    pub fn stored(build: BuildId, position: u64, end: u64) -> Reader {
        Reader {
            cursor: Cursor::Stored {
                build,
                position,
                end,
                cut: None,
            },
            report_gaps: false,
            past_end: false,
            opens_at_once: false,
        }
    }

    /// A reader of a finished log that reports its cut. `end` is the size of the file; `from` counts in the build's
    /// output, of `total` bytes.
    pub fn stored_with_gaps(build: BuildId, end: u64, from: u64, total: u64) -> Reader {
        let cut = Cut::of(total, end);
        let (past_end, from) = (from > total, from.min(total));
        let position = match cut {
            Some(cut) if from >= cut.resume => cut.position + cut.line_bytes + (from - cut.resume),
            Some(cut) => from.min(cut.position),
            None => from,
        };
        let cursor = Cursor::Stored {
            build,
            position: position.min(end),
            end,
            cut,
        };
        Reader {
            cursor,
            report_gaps: true,
            past_end,
            opens_at_once: false,
        }
    }
}

fn report(build: BuildId, error: &io::Error, full: &mut bool) {
    log::error!("the log of build {build}: {error}");
    *full |= is_full(error);
}

fn wake(live: &mut OpenLog, out: &mut Outbox) {
    for conn in std::mem::take(&mut live.parked) {
        out.push(Action::Wake { conn });
    }
}

fn pull_live(
    live: &mut OpenLog,
    offset: &mut u64,
    report_gaps: bool,
    conn: Key,
    space: usize,
    out: &mut Vec<u8>,
) -> Pull {
    let before = (*offset, out.len());
    if let Some(log) = &live.log {
        // Bytes lost to a full disk are reported once, at the end.
        if *offset >= log.stored_bytes && log.stored_bytes < log.total_bytes && !live.ended {
            live.parked.insert(conn);
            return Pull::Idle;
        }
        let resume = log.resume(*offset);
        if report_gaps && resume > *offset {
            *offset = resume;
            out.extend_from_slice(cut_text(resume).as_bytes());
            return Pull::Text;
        }
        let read = match report_gaps {
            true => log.read_kept(*offset, space, out),
            false => log.read_at(*offset, space, out),
        };
        // A read error ends the body: the response head was already sent.
        let Ok(next) = read else { return Pull::End };
        // The log may have been rewound to before the client's offset.
        if report_gaps && live.ended && *offset > log.total_bytes {
            *offset = log.total_bytes;
            out.extend_from_slice(RESET.as_bytes());
            return Pull::Text;
        }
        *offset = next.max(*offset);
    }
    if (*offset, out.len()) != before {
        return Pull::More;
    }
    if live.ended {
        return Pull::End;
    }
    live.parked.insert(conn);
    Pull::Idle
}

fn pull_stored(
    file: &File,
    position: &mut u64,
    end: u64,
    cut: Option<Cut>,
    space: usize,
    out: &mut Vec<u8>,
) -> Pull {
    let mut until = end;
    if let Some(cut) = cut {
        if *position == cut.position {
            *position += cut.line_bytes;
            out.extend_from_slice(cut_text(cut.resume).as_bytes());
            return Pull::Text;
        }
        if *position < cut.position {
            until = cut.position;
        }
    }
    let start = out.len();
    let space = (until - *position).min(space as u64) as usize;
    out.resize(start + space, 0);
    let read = file.read_at(&mut out[start..], *position).unwrap_or(0);
    out.truncate(start + read);
    *position += read as u64;
    match read {
        0 => Pull::End,
        _ => Pull::More,
    }
}

fn cut_text(resume: u64) -> String {
    format!("{{\"type\":\"cut\",\"offset\":{resume}}}")
}
