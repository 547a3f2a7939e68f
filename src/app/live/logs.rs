//! The logs of all builds: written while a build runs, read meanwhile and ever after.
//!
//! A reader has a cursor and nothing else; what it gets is read from the file when its connection
//! has room. History and live are the same code.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use crate::app::domain::disk_space::is_full;
use crate::app::live::events::RESET;
use crate::app::live::log::{Cut, Log};
use crate::base::slab::Key;
use crate::interface::event::{Action, Pull};
use crate::interface::outbox::Outbox;

/// The log of a build that is not finished, or whose readers are not done with it.
#[derive(Debug, Default)]
struct Live {
    /// None before the first byte, and where the file could not be made.
    log: Option<Log>,
    ended: bool,
    /// The verdict is that of another build, and so is the log: which, and how much that wrote.
    origin: Option<(i64, u64)>,
    readers: usize,
    /// Those who have read everything and are to be woken.
    parked: BTreeSet<Key>,
}

#[derive(Debug)]
pub struct Logs {
    dir: PathBuf,
    live: BTreeMap<i64, Live>,
    /// The disk took no more, and nobody has asked since.
    full: bool,
}

/// One reader of one log.
#[derive(Debug)]
pub struct Reader {
    place: Place,
    /// Cuts are told apart from what the build wrote.
    report_gaps: bool,
    /// Its client knows of bytes that are not there, and is to be told so.
    past_end: bool,
}

#[derive(Debug)]
enum Place {
    /// Offsets are those of the build's output.
    Live { build: i64, offset: u64 },
    /// Positions are those of the file; behind `end` nothing is wanted. It is opened for each
    /// pull: thousands of slow readers must not leave the server without open files.
    Stored {
        build: i64,
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
        }
    }

    fn path(&self, build: i64) -> PathBuf {
        self.dir.join(format!("{build}.log"))
    }

    // -- writing --

    /// An attempt begins to write. All attempts of a build write one log.
    pub fn begin(&mut self, build: i64, attempt: u32) {
        let path = self.path(build);
        let live = self.live.entry(build).or_default();
        if live.log.is_none() {
            let earlier = match attempt {
                1 => None,
                _ => Log::reopen(&path, 0).ok(),
            };
            let log = earlier.map_or_else(|| Log::create(&path), Ok);
            live.log = log.map_err(|e| complain(build, &e, &mut self.full)).ok();
        }
    }

    /// Adds a line of ours to the log of a build that is to begin anew.
    pub fn remark(&mut self, build: i64, attempt: u32, line: &str, out: &mut Outbox) {
        self.begin(build, attempt);
        self.append(build, format!("\n[zigcheck: {line}]\n").as_bytes(), out);
    }

    /// A build goes on whose container an earlier run of the server has left, and which began to
    /// write at that offset.
    pub fn adopt(&mut self, build: i64, start: u64) {
        if let Ok(log) = Log::reopen(&self.path(build), start) {
            self.live.entry(build).or_default().log = Some(log);
        }
        self.begin(build, 1);
    }

    /// What was written from that offset on is going to be written again, since the engine knows
    /// better; gives the offset from which on.
    pub fn rewind(&mut self, build: i64, start: u64) -> u64 {
        let live = self.live.get_mut(&build);
        let Some(log) = live.and_then(|live| live.log.as_mut()) else {
            return 0;
        };
        let rewound = log.rewind(start);
        rewound.unwrap_or_else(|error| {
            log::error!("the log of build {build}: {error}");
            log.total_bytes()
        })
    }

    /// Appends to a log that was begun, and wakes who waits for it.
    pub fn append(&mut self, build: i64, bytes: &[u8], out: &mut Outbox) {
        let Some(live) = self.live.get_mut(&build) else {
            return;
        };
        if let Some(log) = &mut live.log {
            // A full disk costs the log, which says so itself, not the build. It complains once.
            if let Err(error) = log.append(bytes) {
                complain(build, &error, &mut self.full);
            }
            wake(live, out);
        }
    }

    /// The build is over: how many bytes it wrote, and whether some of them are not kept.
    pub fn finish(&mut self, build: i64, out: &mut Outbox) -> (u64, bool) {
        let Some(live) = self.live.get_mut(&build) else {
            return (0, false);
        };
        live.ended = true;
        wake(live, out);
        let mut end = (0, false);
        if let Some(log) = &mut live.log {
            if let Err(error) = log.finish() {
                complain(build, &error, &mut self.full);
            }
            end = (log.total_bytes(), log.is_truncated());
        }
        self.drop_unread(build);
        end
    }

    /// The build is over before it wrote anything: its log is that of another, which wrote so much.
    pub fn finish_as(&mut self, build: i64, origin: (i64, u64), out: &mut Outbox) {
        if let Some(live) = self.live.get_mut(&build) {
            (live.log, live.origin) = (None, Some(origin));
        }
        self.finish(build, out);
    }

    /// An open file for each log that nobody reads any more would be too many.
    fn drop_unread(&mut self, build: i64) {
        let unread = |live: &Live| live.readers == 0 && (live.ended || live.log.is_none());
        if self.live.get(&build).is_some_and(unread) {
            self.live.remove(&build);
        }
    }

    /// How much a build has written so far, if its log is open.
    pub fn written(&self, build: i64) -> Option<u64> {
        let log = self.live.get(&build)?.log.as_ref()?;
        Some(log.total_bytes())
    }

    /// The disk took no more of a log since this was asked last.
    pub fn take_full(&mut self) -> bool {
        std::mem::take(&mut self.full)
    }

    // -- reading --

    /// A reader of the log of a build that is not finished: from that offset on, or from its
    /// last `tail` lines.
    pub fn read_live(
        &mut self,
        build: i64,
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
            place: Place::Live { build, offset },
            report_gaps,
            past_end: false,
        }
    }

    /// The file of a finished log.
    pub fn open(&self, build: i64) -> io::Result<File> {
        File::open(self.path(build))
    }

    /// At most `room` further bytes; from a reader that is `report_gaps`, also a text that says where it
    /// goes on behind a cut.
    pub fn pull(&mut self, reader: &mut Reader, conn: Key, room: usize, out: &mut Vec<u8>) -> Pull {
        if std::mem::take(&mut reader.past_end) {
            out.extend_from_slice(RESET.as_bytes());
            return Pull::Text;
        }
        self.follow_origin(reader, conn);
        match &mut reader.place {
            Place::Stored {
                build,
                position,
                end,
                cut,
            } => match File::open(self.path(*build)) {
                Ok(file) => pull_stored(&file, position, *end, *cut, room, out),
                Err(_) => Pull::End,
            },
            Place::Live { build, offset } => {
                let Some(live) = self.live.get_mut(build) else {
                    return Pull::End;
                };
                pull_live(live, offset, reader.report_gaps, conn, room, out)
            }
        }
    }

    /// Whoever waits for the log of a build that has that of another gets that.
    fn follow_origin(&mut self, reader: &mut Reader, conn: Key) {
        let Place::Live { build, offset } = reader.place else {
            return;
        };
        let Some((origin, total)) = self.live.get(&build).and_then(|live| live.origin) else {
            return;
        };
        let file = File::open(self.path(origin)).and_then(|file| file.metadata());
        let end = file.map_or(0, |file| file.len());
        let next = match reader.report_gaps {
            // What it has read is of an attempt that led to nothing.
            true => Reader {
                past_end: offset > 0,
                ..Reader::report_gaps(origin, end, 0, total)
            },
            false => Reader::stored(origin, 0, end),
        };
        let waited = std::mem::replace(reader, next);
        self.leave(waited, conn);
    }

    /// A reader is gone.
    pub fn leave(&mut self, reader: Reader, conn: Key) {
        if let Place::Live { build, .. } = reader.place {
            if let Some(live) = self.live.get_mut(&build) {
                live.readers -= 1;
                live.parked.remove(&conn);
            }
            self.drop_unread(build);
        }
    }
}

impl Reader {
    /// Reads a finished log, from `position` to `end` in the file.
    pub fn stored(build: i64, position: u64, end: u64) -> Reader {
        Reader {
            place: Place::Stored {
                build,
                position,
                end,
                cut: None,
            },
            report_gaps: false,
            past_end: false,
        }
    }

    /// Reads a finished log, a file of `end` bytes, by the offsets of the build's output, of which
    /// there were `total`.
    pub fn report_gaps(build: i64, end: u64, from: u64, total: u64) -> Reader {
        let cut = Cut::of(total, end);
        let (past_end, from) = (from > total, from.min(total));
        let position = match cut {
            Some(cut) if from >= cut.resume => cut.position + cut.line_bytes + (from - cut.resume),
            Some(cut) => from.min(cut.position),
            None => from,
        };
        let place = Place::Stored {
            build,
            position: position.min(end),
            end,
            cut,
        };
        Reader {
            place,
            report_gaps: true,
            past_end,
        }
    }
}

fn complain(build: i64, error: &io::Error, full: &mut bool) {
    log::error!("the log of build {build}: {error}");
    *full |= is_full(error);
}

fn wake(live: &mut Live, out: &mut Outbox) {
    for conn in std::mem::take(&mut live.parked) {
        out.push(Action::Wake { conn });
    }
}

fn pull_live(
    live: &mut Live,
    offset: &mut u64,
    report_gaps: bool,
    conn: Key,
    room: usize,
    out: &mut Vec<u8>,
) -> Pull {
    let before = (*offset, out.len());
    if let Some(log) = &live.log {
        // What a full disk did not take is told of at the end, not piece by piece.
        if *offset >= log.stored_bytes() && log.stored_bytes() < log.total_bytes() && !live.ended {
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
            true => log.read_kept(*offset, room, out),
            false => log.read_at(*offset, room, out),
        };
        // A log that cannot be read any further ends here: its head has long been sent.
        let Ok(next) = read else { return Pull::End };
        // A client may know of bytes that are not there: of a log that had to begin anew.
        if report_gaps && live.ended && *offset > log.total_bytes() {
            *offset = log.total_bytes();
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
    room: usize,
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
    let room = (until - *position).min(room as u64) as usize;
    out.resize(start + room, 0);
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
