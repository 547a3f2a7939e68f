//! The logs of all builds: written while a build runs, read meanwhile and ever after.
//!
//! A reader has a cursor and nothing else; what it gets is read from the file when its connection
//! has room. History and live are the same code.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use crate::changes::RESET;
use crate::event::{Action, Pull};
use crate::log::{Cut, Log};
use crate::outbox::Outbox;
use crate::slab::Key;

/// The log of a build that is not finished, or whose readers are not done with it.
#[derive(Debug, Default)]
struct Live {
    /// None before the first byte, and where the file could not be made.
    log: Option<Log>,
    ended: bool,
    readers: usize,
    /// Those who have read everything and are to be woken.
    asleep: BTreeSet<Key>,
}

#[derive(Debug)]
pub struct Logs {
    dir: PathBuf,
    live: BTreeMap<i64, Live>,
}

/// One reader of one log.
#[derive(Debug)]
pub struct Reader {
    place: Place,
    /// Cuts are told apart from what the build wrote.
    apart: bool,
    /// Its client knows of bytes that are not there, and is to be told so.
    astray: bool,
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
        }
    }

    fn path(&self, build: i64) -> PathBuf {
        self.dir.join(format!("{build}.log"))
    }

    // -- writing --

    /// A build begins to write. All its attempts write one log.
    pub fn begin(&mut self, build: i64) {
        let path = self.path(build);
        let live = self.live.entry(build).or_default();
        if live.log.is_none() {
            let log = Log::create(&path);
            live.log = log
                .map_err(|e| log::error!("the log of build {build}: {e}"))
                .ok();
        }
    }

    /// A build goes on that an earlier run of the server had begun: with its log, if it left one.
    pub fn resume(&mut self, build: i64, attempt: u32) {
        if let Ok(mut log) = Log::reopen(&self.path(build)) {
            let line =
                format!("\n[zigcheck: the server was restarted; attempt {attempt} follows]\n");
            let _ = log.append(line.as_bytes());
            self.live.entry(build).or_default().log = Some(log);
        }
    }

    /// Appends to a log that was begun, and wakes who waits for it.
    pub fn append(&mut self, build: i64, bytes: &[u8], out: &mut Outbox) {
        let Some(live) = self.live.get_mut(&build) else {
            return;
        };
        if let Some(log) = &mut live.log {
            // A full disk costs the log, which says so itself, not the build.
            let _ = log.append(bytes);
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
                log::error!("the log of build {build}: {error}");
            }
            end = (log.total_bytes(), log.is_truncated());
        }
        self.drop_unread(build);
        end
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

    // -- reading --

    /// A reader of the log of a build that is not finished: from that offset on, or from its
    /// last `tail` lines.
    pub fn read_live(&mut self, build: i64, from: u64, tail: Option<u64>, apart: bool) -> Reader {
        let live = self.live.entry(build).or_default();
        live.readers += 1;
        let tail = tail.zip(live.log.as_ref());
        let offset = tail.and_then(|(lines, log)| log.tail_start(lines).ok());
        let offset = offset.unwrap_or(from);
        Reader {
            place: Place::Live { build, offset },
            apart,
            astray: false,
        }
    }

    /// The file of a finished log.
    pub fn open(&self, build: i64) -> io::Result<File> {
        File::open(self.path(build))
    }

    /// At most `room` further bytes; from a reader that is `apart`, also a text that says where it
    /// goes on behind a cut.
    pub fn pull(&mut self, reader: &mut Reader, conn: Key, room: usize, out: &mut Vec<u8>) -> Pull {
        if std::mem::take(&mut reader.astray) {
            out.extend_from_slice(RESET.as_bytes());
            return Pull::Text;
        }
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
                pull_live(live, offset, reader.apart, conn, room, out)
            }
        }
    }

    /// A reader is gone.
    pub fn leave(&mut self, reader: Reader, conn: Key) {
        if let Place::Live { build, .. } = reader.place {
            if let Some(live) = self.live.get_mut(&build) {
                live.readers -= 1;
                live.asleep.remove(&conn);
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
            apart: false,
            astray: false,
        }
    }

    /// Reads a finished log, a file of `end` bytes, by the offsets of the build's output, of which
    /// there were `total`.
    pub fn stored_apart(build: i64, end: u64, from: u64, total: u64) -> Reader {
        let cut = Cut::of(total, end);
        let (astray, from) = (from > total, from.min(total));
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
            apart: true,
            astray,
        }
    }
}

fn wake(live: &mut Live, out: &mut Outbox) {
    for conn in std::mem::take(&mut live.asleep) {
        out.push(Action::Wake { conn });
    }
}

fn pull_live(
    live: &mut Live,
    offset: &mut u64,
    apart: bool,
    conn: Key,
    room: usize,
    out: &mut Vec<u8>,
) -> Pull {
    let before = (*offset, out.len());
    if let Some(log) = &live.log {
        // What a full disk did not take is told of at the end, not piece by piece.
        if *offset >= log.stored_bytes() && log.stored_bytes() < log.total_bytes() && !live.ended {
            live.asleep.insert(conn);
            return Pull::Idle;
        }
        let resume = log.resume(*offset);
        if apart && resume > *offset {
            *offset = resume;
            out.extend_from_slice(cut_text(resume).as_bytes());
            return Pull::Text;
        }
        let read = match apart {
            true => log.read_kept(*offset, room, out),
            false => log.read_at(*offset, room, out),
        };
        // A log that cannot be read any further ends here: its head has long been sent.
        let Ok(next) = read else { return Pull::End };
        // A client may know of bytes that are not there: of a log that had to begin anew.
        if apart && live.ended && *offset > log.total_bytes() {
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
    live.asleep.insert(conn);
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
