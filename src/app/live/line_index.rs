//! Where the lines of a log are that has ended.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use memchr::{memchr_iter, memmem};

use crate::app::live::limits::{INDEX_STEP_LINES, LOG_STEP_BYTES};

/// Offsets of some lines: enough to find each with one short read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LineIndex {
    /// The offset of every `INDEX_STEP_LINES`th line, from the first on.
    marks: Vec<u64>,
    pub lines: u64,
    pub bytes: u64,
    /// The number of the first line that says `error: `, from 1.
    pub first_error: Option<u64>,
}

impl LineIndex {
    /// Reads the whole file, some megabytes at most: about two milliseconds.
    pub fn read(file: &File) -> io::Result<LineIndex> {
        let mut index = LineIndex {
            marks: vec![0],
            ..LineIndex::default()
        };
        let finder = memmem::Finder::new(b"error: ");
        let mut ends = 0;
        // The end of each step, in which a word may begin that the next step ends.
        let mut bytes = Vec::new();
        loop {
            let kept = bytes.len();
            bytes.resize(kept + LOG_STEP_BYTES as usize, 0);
            let read = file.read_at(&mut bytes[kept..], index.bytes)?;
            bytes.truncate(kept + read);
            if read == 0 {
                break;
            }
            if index.first_error.is_none()
                && let Some(at) = finder.find(&bytes)
            {
                let before = memchr_iter(b'\n', &bytes[kept.min(at)..at]).count() as u64;
                index.first_error = Some(ends + before + 1);
            }
            for at in memchr_iter(b'\n', &bytes[kept..]) {
                ends += 1;
                if ends % INDEX_STEP_LINES == 0 {
                    index.marks.push(index.bytes + at as u64 + 1);
                }
            }
            index.bytes += read as u64;
            index.lines = ends + u64::from(bytes.last() != Some(&b'\n'));
            let rest = bytes.len().saturating_sub(finder.needle().len() - 1);
            bytes.drain(..rest);
        }
        Ok(index)
    }

    /// Lines `from` (from 1) to `to`, at most so many bytes of them.
    pub fn lines(&self, file: &File, from: u64, to: u64, limit: u64) -> io::Result<Vec<Vec<u8>>> {
        let step = ((from - 1) / INDEX_STEP_LINES) as usize;
        let Some(mark) = self.marks.get(step) else {
            return Ok(Vec::new());
        };
        let first = step as u64 * INDEX_STEP_LINES + 1;
        let mut bytes = vec![0; limit.min(self.bytes - mark) as usize];
        let read = file.read_at(&mut bytes, *mark)?;
        bytes.truncate(read);
        let lines = bytes.split(|byte| *byte == b'\n');
        let wanted = lines.skip((from - first) as usize);
        let wanted = wanted.take((to + 1 - from) as usize);
        Ok(wanted.map(<[u8]>::to_vec).collect())
    }
}
