//! Limits of build logs.

/// What the log of one build may take on disk (a cut line of a finished log comes on top).
pub const LOG_LIMIT_BYTES: u64 = LOG_HEAD_BYTES + LOG_TAIL_BYTES;
/// Kept from the start: where the first error of a compiler stands.
pub const LOG_HEAD_BYTES: u64 = 1024 * 1024;
/// Kept from the end: where the summary stands. Larger than the head, as floods come late.
pub const LOG_TAIL_BYTES: u64 = 3 * 1024 * 1024;
/// One step of copying, and of looking backwards for line ends: what a pipe gives at most.
pub const LOG_STEP_BYTES: u64 = 64 * 1024;
/// No cut line is longer (20 digits and 30 letters): the room a reader needs to get past a cut.
pub const CUT_LINE_LIMIT_BYTES: usize = 64;
