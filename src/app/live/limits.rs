//! Limits of build logs and live pages.

/// Most that the log of one build takes on disk, without the cut line of a finished log.
pub const LOG_LIMIT_BYTES: u64 = LOG_HEAD_BYTES + LOG_TAIL_BYTES;
/// Bytes kept from the start, where a compiler prints its first error.
pub const LOG_HEAD_BYTES: u64 = 1024 * 1024;
/// Bytes kept from the end, with the summary. Larger than the head, since floods of output come late.
pub const LOG_TAIL_BYTES: u64 = 3 * 1024 * 1024;
/// One step of copying, and of searching backwards for line ends: as much as a pipe holds.
pub const LOG_STEP_BYTES: u64 = 64 * 1024;
/// Longest cut line (20 digits and 30 letters): the space that a reader needs to get past a cut.
pub const CUT_LINE_LIMIT_BYTES: usize = 64;
/// Versions of one live page before the browser is asked to load it anew: it keeps them all, and each has a slot inside
/// that of the next (browsers nest 200 boxes and more).
pub const VERSIONS_LIMIT: usize = 100;
/// Rendered versions that are kept for others who watch the same, of some 5 KiB each.
pub const PIECES_LIMIT: usize = 64;
/// Lines between two offsets that an index of a log keeps: 128 KiB for the most lines that a log can have.
pub const INDEX_STEP_LINES: u64 = 256;
/// Indexes that are kept.
pub const INDEXES_LIMIT: usize = 16;
/// Bytes of a growing log that become HTML at once: a few hundred kilobytes of it where each line is empty.
pub const LOG_PAGE_STEP_BYTES: usize = 4 << 10;
/// Longest line of a growing log on its page; a longer one becomes several.
pub const LINE_LIMIT_BYTES: usize = 16 << 10;
