//! The bytes of one build's output, by absolute offset, capped: head and tail are kept, a cut
//! between them is said.
//!
//! While the build runs, its file is
//!
//! `| head: the first bytes | tail: the last bytes, a ring |`
//!
//! so a build that floods rewrites the same pages and its file never grows. Offsets count every byte
//! the build ever wrote, kept or not; `Layout` says where in the file a kept one stands.
//! `finish` puts the file into plain order: then it is simply a text.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::app::live::limits::{
    CUT_LINE_LIMIT_BYTES, LOG_HEAD_BYTES, LOG_STEP_BYTES, LOG_TAIL_BYTES,
};

/// Where the bytes stand in the file of a running build. Arithmetic only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    pub head_bytes: u64,
    /// At least 1.
    pub tail_bytes: u64,
}

impl Default for Layout {
    fn default() -> Layout {
        Layout {
            head_bytes: LOG_HEAD_BYTES,
            tail_bytes: LOG_TAIL_BYTES,
        }
    }
}

/// A run of bytes that stand side by side in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    pub position: u64,
    pub bytes: u64,
}

impl Layout {
    /// The longest run from `offset` on that is contiguous in the file, at most `bytes` long.
    pub fn range(&self, offset: u64, bytes: u64) -> Range {
        let (position, room) = match offset.checked_sub(self.head_bytes) {
            None => (offset, self.head_bytes - offset),
            Some(behind) => {
                let slot = behind % self.tail_bytes;
                (self.head_bytes + slot, self.tail_bytes - slot)
            }
        };
        Range {
            position,
            bytes: bytes.min(room),
        }
    }

    /// The offset of the first byte behind the head that is still there after `written` bytes.
    pub fn tail_start(&self, written: u64) -> u64 {
        written.saturating_sub(self.tail_bytes).max(self.head_bytes)
    }

    pub fn is_wrapped(&self, written: u64) -> bool {
        self.tail_start(written) > self.head_bytes
    }

    /// The first offset at or behind `offset` that is still there; `offset` is below `written`.
    pub fn next_kept(&self, offset: u64, written: u64) -> u64 {
        if offset < self.head_bytes {
            return offset;
        }
        offset.max(self.tail_start(written))
    }
}

/// The log of a running build. Dropping it leaves the file as it is.
#[derive(Debug)]
pub struct Log {
    path: PathBuf,
    file: File,
    layout: Layout,
    /// All the build wrote.
    total: u64,
    /// How much of it, from its start, went to the disk; behind `total` once the disk has failed.
    stored: u64,
}

impl Log {
    /// An empty log; an older file of that name is gone.
    pub fn create(path: &Path) -> io::Result<Log> {
        Log::with_layout(path, Layout::default())
    }

    /// The log that an earlier run of the server left unfinished, to be gone on with. Where bytes of
    /// it may be overwritten already nobody knows how many there were: then its first `keep` bytes
    /// are left, as far as they stand in its head, or none.
    pub fn reopen(path: &Path, keep: u64) -> io::Result<Log> {
        let mut log = Log {
            path: path.to_path_buf(),
            file: OpenOptions::new().read(true).write(true).open(path)?,
            layout: Layout::default(),
            total: 0,
            stored: 0,
        };
        let bytes = log.file.metadata()?.len();
        (log.total, log.stored) = (bytes, bytes);
        if bytes >= log.layout.head_bytes + log.layout.tail_bytes {
            // As good as any number that is too large.
            (log.total, log.stored) = (u64::MAX, u64::MAX);
            log.rewind(keep)?;
        }
        Ok(log)
    }

    /// Forgets what was written from `offset` on; gives where it goes on: at `offset`, or, where what
    /// stands before that is lost as well, at the beginning.
    pub fn rewind(&mut self, offset: u64) -> io::Result<u64> {
        let wrapped = self.layout.is_wrapped(self.total);
        let offset = match wrapped && offset > self.layout.head_bytes {
            true => 0,
            false => offset.min(self.stored),
        };
        self.file.set_len(offset)?;
        (self.total, self.stored) = (offset, offset);
        Ok(offset)
    }

    pub fn with_layout(path: &Path, layout: Layout) -> io::Result<Log> {
        assert!(layout.tail_bytes > 0, "a ring has at least one slot");
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(true);
        Ok(Log {
            path: path.to_path_buf(),
            file: options.open(path)?,
            layout,
            total: 0,
            stored: 0,
        })
    }

    /// All that was appended, kept or not: the offset of the next byte.
    pub fn total_bytes(&self) -> u64 {
        self.total
    }

    /// How many of them, from the first on, the disk took.
    pub fn stored_bytes(&self) -> u64 {
        self.stored
    }

    /// Some bytes in the middle or at the end are not kept.
    pub fn is_truncated(&self) -> bool {
        self.layout.is_wrapped(self.stored) || self.disk_failed()
    }

    fn disk_failed(&self) -> bool {
        self.stored < self.total
    }

    /// Appends. An error is for the operator to hear of, and comes once: the log goes on counting,
    /// writes nothing any more and is truncated. The build is none of the disk's business.
    pub fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let failed_before = self.disk_failed();
        self.total += bytes.len() as u64;
        if failed_before {
            return Ok(());
        }
        let start = self.stored;
        while self.stored < self.total {
            let rest = &bytes[(self.stored - start) as usize..];
            let range = self.layout.range(self.stored, rest.len() as u64);
            match self
                .file
                .write_at(&rest[..range.bytes as usize], range.position)
            {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(written) => self.stored += written as u64,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Appends to `out` what stands from `offset` on, at most `room` bytes, and returns the offset
    /// to go on from, never beyond `total_bytes`. Bytes that are gone are skipped with a line that
    /// says so, which needs a room of `CUT_LINE_LIMIT_BYTES`: with less, nothing comes at a cut.
    pub fn read_at(&self, offset: u64, room: usize, out: &mut Vec<u8>) -> io::Result<u64> {
        let room_end = out.len() + room;
        let mut next = offset.min(self.total);
        while next < self.total && out.len() < room_end {
            next = self.read_kept(next, room_end - out.len(), out)?;
            let resume = self.resume(next);
            if resume > next {
                if room_end - out.len() < CUT_LINE_LIMIT_BYTES {
                    break;
                }
                out.extend_from_slice(cut_line(resume - next).as_bytes());
                next = resume;
            }
        }
        Ok(next)
    }

    /// Like `read_at`, but stops where bytes are gone: there `resume` says where it goes on.
    pub fn read_kept(&self, offset: u64, room: usize, out: &mut Vec<u8>) -> io::Result<u64> {
        let room_end = out.len() + room;
        let mut next = offset.min(self.total);
        while next < self.total && out.len() < room_end && self.resume(next) == next {
            let room = room_end - out.len();
            next += self.read_run(next, room as u64, out)?;
        }
        Ok(next)
    }

    /// The offset of the last `lines` lines, or of the first byte behind the last cut if that is nearer.
    pub fn tail_start(&self, lines: u64) -> io::Result<u64> {
        if self.disk_failed() {
            return Ok(self.stored);
        }
        let floor = match self.layout.is_wrapped(self.stored) {
            true => self.layout.tail_start(self.stored),
            false => 0,
        };
        last_lines(floor, self.stored, lines, |from, bytes, out| {
            while (out.len() as u64) < bytes {
                let have = out.len() as u64;
                self.read_run(from + have, bytes - have, out)?;
            }
            Ok(())
        })
    }

    /// Puts the file into plain order, cuts said; to be called once, behind the last append. Readers
    /// of this `Log` go on as before. On an error the log is no longer than its head, but plain.
    pub fn finish(&mut self) -> io::Result<()> {
        if !self.layout.is_wrapped(self.stored) {
            return match self.disk_failed() {
                true => self
                    .file
                    .write_all_at(cut_line(self.total - self.stored).as_bytes(), self.stored),
                false => Ok(()),
            };
        }
        let mut name = self.path.clone().into_os_string();
        name.push(".part");
        let part = PathBuf::from(name);
        let written = self
            .write_plain(&part)
            .and_then(|()| fs::rename(&part, &self.path));
        if written.is_err() {
            let _ = fs::remove_file(&part);
            self.fall_back_to_head()?;
        }
        written
    }

    fn write_plain(&self, part: &Path) -> io::Result<()> {
        // Our own file stays open: readers that are behind find every byte where it was.
        let mut plain = File::create(part)?;
        let mut piece = Vec::new();
        let mut next = 0;
        while next < self.total {
            piece.clear();
            next = self.read_at(next, LOG_STEP_BYTES as usize, &mut piece)?;
            plain.write_all(&piece)?;
        }
        Ok(())
    }

    /// No room for a second file: the tail is given up, since in ring order nobody could read it.
    fn fall_back_to_head(&mut self) -> io::Result<()> {
        self.stored = self.layout.head_bytes;
        self.file.set_len(self.stored)?;
        let line = cut_line(self.total - self.stored);
        self.file.write_all_at(line.as_bytes(), self.stored)
    }

    /// The offset of the first byte that can be read from `offset` on, or the end of all.
    pub fn resume(&self, offset: u64) -> u64 {
        match offset < self.stored {
            true => self.layout.next_kept(offset, self.stored),
            false => self.total,
        }
    }

    /// Reads a run of at most `room` bytes that are there, at least one, and returns its length.
    fn read_run(&self, offset: u64, room: u64, out: &mut Vec<u8>) -> io::Result<u64> {
        let range = self.layout.range(offset, room.min(self.stored - offset));
        read_append(&self.file, range, out)?;
        Ok(range.bytes)
    }
}

/// Where a finished log has its cut line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    pub position: u64,
    pub line_bytes: u64,
    /// The offset, in all that the build wrote, of the byte behind the line.
    pub resume: u64,
}

impl Cut {
    /// The cut in a file of that size, after a build that wrote `total` bytes. None where nothing
    /// was cut, and where the disk failed: then offsets mean positions in the file.
    pub fn of(total: u64, file_bytes: u64) -> Option<Cut> {
        let Layout {
            head_bytes,
            tail_bytes,
        } = Layout::default();
        let resume = total.checked_sub(tail_bytes)?;
        let skipped = resume.checked_sub(head_bytes).filter(|count| *count > 0)?;
        let line_bytes = cut_line(skipped).len() as u64;
        (file_bytes == head_bytes + line_bytes + tail_bytes).then_some(Cut {
            position: head_bytes,
            line_bytes,
            resume,
        })
    }
}

/// The position from which a finished log holds its last `lines` lines.
pub fn tail_start(file: &File, lines: u64) -> io::Result<u64> {
    let end = file.metadata()?.len();
    last_lines(0, end, lines, |position, bytes, out| {
        read_append(file, Range { position, bytes }, out)
    })
}

/// Looks backwards from `end`, step by step, but not beyond `floor`, for the start of the last
/// `lines` lines. A line that was not ended counts; what the last newline ends is no further line.
fn last_lines<R>(floor: u64, end: u64, lines: u64, mut read: R) -> io::Result<u64>
where
    R: FnMut(u64, u64, &mut Vec<u8>) -> io::Result<()>,
{
    if lines == 0 {
        return Ok(end);
    }
    let mut ends_seen = 0;
    let mut step = Vec::new();
    let mut start = end;
    while start > floor {
        let bytes = LOG_STEP_BYTES.min(start - floor);
        start -= bytes;
        step.clear();
        read(start, bytes, &mut step)?;
        for (index, byte) in step.iter().enumerate().rev() {
            let behind = start + index as u64 + 1;
            if *byte != b'\n' || behind == end {
                continue;
            }
            ends_seen += 1;
            if ends_seen == lines {
                return Ok(behind);
            }
        }
    }
    Ok(floor)
}

fn read_append(file: &File, range: Range, out: &mut Vec<u8>) -> io::Result<()> {
    let start = out.len();
    out.resize(start + range.bytes as usize, 0);
    let read = file.read_exact_at(&mut out[start..], range.position);
    if read.is_err() {
        out.truncate(start);
    }
    read
}

fn cut_line(bytes: u64) -> String {
    format!("\n[zigcheck: {bytes} bytes cut here]\n")
}
