//! The output of one build, addressed by offset and bounded: its head and tail are kept, with a line that
//! reports the cut between them.
//!
//! While the build runs, its file is
//!
//! `| head: the first bytes | tail: the last bytes, a ring |`
//!
//! so a flood of output overwrites the ring and the file never grows. Offsets count every byte that the build
//! wrote, kept or not; `Layout` maps the offset of a kept byte to its position in the file. `finish` puts the
//! file into plain order, after which it is simply a text.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::app::live::limits::{
    CUT_LINE_LIMIT_BYTES, LOG_HEAD_BYTES, LOG_STEP_BYTES, LOG_TAIL_BYTES,
};

/// The positions of bytes in the file of a running build. Arithmetic only.
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

/// A contiguous run of bytes in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    pub position: u64,
    pub bytes: u64,
}

impl Layout {
    /// The longest run from `offset` on that is contiguous in the file, at most `bytes` long.
    pub fn range(&self, offset: u64, bytes: u64) -> Range {
        let (position, space) = match offset.checked_sub(self.head_bytes) {
            None => (offset, self.head_bytes - offset),
            Some(tail_offset) => {
                let slot = tail_offset % self.tail_bytes;
                (self.head_bytes + slot, self.tail_bytes - slot)
            }
        };
        Range {
            position,
            bytes: bytes.min(space),
        }
    }

    /// The offset of the first byte after the head that is still kept after `written` bytes.
    pub fn tail_start(&self, written: u64) -> u64 {
        written.saturating_sub(self.tail_bytes).max(self.head_bytes)
    }

    pub fn is_wrapped(&self, written: u64) -> bool {
        self.tail_start(written) > self.head_bytes
    }

    /// The first offset from `offset` on that is still kept; `offset` is below `written`.
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
    /// Bytes that the build wrote.
    pub total_bytes: u64,
    /// Bytes of them, from the first on, that reached the disk; below `total` once the disk has failed.
    pub stored_bytes: u64,
}

impl Log {
    /// An empty log, in place of any older file of that name.
    pub fn create(path: &Path) -> io::Result<Log> {
        Log::with_layout(path, Layout::default())
    }

    /// The unfinished log of an earlier run of the server. If its ring may have wrapped, its total is unknown: then
    /// it is cut to its first `keep` bytes, or emptied if those reach into the ring.
    pub fn reopen(path: &Path, keep: u64) -> io::Result<Log> {
        let mut log = Log {
            path: path.to_path_buf(),
            file: OpenOptions::new().read(true).write(true).open(path)?,
            layout: Layout::default(),
            total_bytes: 0,
            stored_bytes: 0,
        };
        let bytes = log.file.metadata()?.len();
        (log.total_bytes, log.stored_bytes) = (bytes, bytes);
        if bytes >= log.layout.head_bytes + log.layout.tail_bytes {
            // Any total that counts as wrapped will do.
            (log.total_bytes, log.stored_bytes) = (u64::MAX, u64::MAX);
            log.rewind(keep)?;
        }
        Ok(log)
    }

    /// Drops everything from `offset` on. Returns the new end: `offset`, or 0 if bytes before it are lost too.
    pub fn rewind(&mut self, offset: u64) -> io::Result<u64> {
        let wrapped = self.layout.is_wrapped(self.total_bytes);
        let offset = match wrapped && offset > self.layout.head_bytes {
            true => 0,
            false => offset.min(self.stored_bytes),
        };
        self.file.set_len(offset)?;
        (self.total_bytes, self.stored_bytes) = (offset, offset);
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
            total_bytes: 0,
            stored_bytes: 0,
        })
    }

    /// True if some bytes in the middle or at the end are not kept.
    pub fn is_truncated(&self) -> bool {
        self.layout.is_wrapped(self.stored_bytes) || self.disk_failed()
    }

    fn disk_failed(&self) -> bool {
        self.stored_bytes < self.total_bytes
    }

    /// Appends. The first disk error is returned; after it the log only counts, and is truncated. The build is not
    /// affected.
    pub fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let failed_before = self.disk_failed();
        self.total_bytes += bytes.len() as u64;
        if failed_before {
            return Ok(());
        }
        let start = self.stored_bytes;
        while self.stored_bytes < self.total_bytes {
            let rest = &bytes[(self.stored_bytes - start) as usize..];
            let range = self.layout.range(self.stored_bytes, rest.len() as u64);
            match self
                .file
                .write_at(&rest[..range.bytes as usize], range.position)
            {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(written) => self.stored_bytes += written as u64,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Appends to `out` at most `space` bytes from `offset` on; returns the offset to continue from, never beyond
    /// `total_bytes`. A cut is replaced by a line that reports it, and needs `CUT_LINE_LIMIT_BYTES` of space.
    pub fn read_at(&self, offset: u64, space: usize, out: &mut Vec<u8>) -> io::Result<u64> {
        let space_end = out.len() + space;
        let mut next = offset.min(self.total_bytes);
        while next < self.total_bytes && out.len() < space_end {
            next = self.read_kept(next, space_end - out.len(), out)?;
            let resume = self.resume(next);
            if resume > next {
                if space_end - out.len() < CUT_LINE_LIMIT_BYTES {
                    break;
                }
                out.extend_from_slice(cut_line(resume - next).as_bytes());
                next = resume;
            }
        }
        Ok(next)
    }

    /// Like `read_at`, but stops at a cut; `resume` returns the offset after it.
    pub fn read_kept(&self, offset: u64, space: usize, out: &mut Vec<u8>) -> io::Result<u64> {
        let space_end = out.len() + space;
        let mut next = offset.min(self.total_bytes);
        while next < self.total_bytes && out.len() < space_end && self.resume(next) == next {
            let space = space_end - out.len();
            next += self.read_run(next, space as u64, out)?;
        }
        Ok(next)
    }

    /// The offset of the last `lines` lines, but not before the first byte after the cut.
    pub fn tail_start(&self, lines: u64) -> io::Result<u64> {
        if self.disk_failed() {
            return Ok(self.stored_bytes);
        }
        let floor = match self.layout.is_wrapped(self.stored_bytes) {
            true => self.layout.tail_start(self.stored_bytes),
            false => 0,
        };
        last_lines(floor, self.stored_bytes, lines, |from, bytes, out| {
            while (out.len() as u64) < bytes {
                let have = out.len() as u64;
                self.read_run(from + have, bytes - have, out)?;
            }
            Ok(())
        })
    }

    /// Puts the file into plain order, with a line for the cut. Call it once, after the last append. Readers of this
    /// `Log` are not affected. After an error the file is in plain order too, but has only the head.
    pub fn finish(&mut self) -> io::Result<()> {
        if !self.layout.is_wrapped(self.stored_bytes) {
            return match self.disk_failed() {
                true => self.file.write_all_at(
                    cut_line(self.total_bytes - self.stored_bytes).as_bytes(),
                    self.stored_bytes,
                ),
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
        // The old file stays open for readers of this `Log`: their positions remain valid.
        let mut plain = File::create(part)?;
        let mut piece = Vec::new();
        let mut next = 0;
        while next < self.total_bytes {
            piece.clear();
            next = self.read_at(next, LOG_STEP_BYTES as usize, &mut piece)?;
            plain.write_all(&piece)?;
        }
        Ok(())
    }

    /// Without space for a second file the tail is dropped: in ring order it cannot be read.
    fn fall_back_to_head(&mut self) -> io::Result<()> {
        self.stored_bytes = self.layout.head_bytes;
        self.file.set_len(self.stored_bytes)?;
        let line = cut_line(self.total_bytes - self.stored_bytes);
        self.file.write_all_at(line.as_bytes(), self.stored_bytes)
    }

    /// The offset of the first kept byte from `offset` on, or the total.
    pub fn resume(&self, offset: u64) -> u64 {
        match offset < self.stored_bytes {
            true => self.layout.next_kept(offset, self.stored_bytes),
            false => self.total_bytes,
        }
    }

    /// Reads a run of 1 to `space` kept bytes; returns its length.
    fn read_run(&self, offset: u64, space: u64, out: &mut Vec<u8>) -> io::Result<u64> {
        let range = self
            .layout
            .range(offset, space.min(self.stored_bytes - offset));
        read_append(&self.file, range, out)?;
        Ok(range.bytes)
    }
}

/// The cut line of a finished log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    pub position: u64,
    pub line_bytes: u64,
    /// The offset, in the build's output, of the byte after the line.
    pub resume: u64,
}

impl Cut {
    /// The cut in a file of `file_bytes`, for a build that wrote `total` bytes. `None` if nothing was cut, and if
    /// the disk failed: then offsets are positions in the file.
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

/// The position of the last `lines` lines of a finished log.
pub fn tail_start(file: &File, lines: u64) -> io::Result<u64> {
    let end = file.metadata()?.len();
    last_lines(0, end, lines, |position, bytes, out| {
        read_append(file, Range { position, bytes }, out)
    })
}

/// Searches backwards from `end`, but not beyond `floor`, for the start of the last `lines` lines. An unfinished
/// last line counts as one.
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
            let line_start = start + index as u64 + 1;
            if *byte != b'\n' || line_start == end {
                continue;
            }
            ends_seen += 1;
            if ends_seen == lines {
                return Ok(line_start);
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
