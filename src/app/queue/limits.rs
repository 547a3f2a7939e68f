//! Limits of the queue.

use crate::app::domain::task::Priority;

/// Longest wait of each priority without a start while others come first (interactive, admin, new toolchain, daily
/// recheck, search, targets). An admin is watching; the next two take a day anyway, and searches take what is left.
/// The analysis for other targets is of no use to anyone who waits.
pub const PRIORITY_WAIT_LIMIT_MS: [Option<i64>; Priority::COUNT] = [
    None,
    Some(60_000),
    Some(600_000),
    Some(1_800_000),
    Some(3_600_000),
    None,
];
/// Tenants served in one round before newcomers join the next: more than arrive within the time of a build, and some
/// KiB of names.
pub const ROUND_LIMIT_TENANTS: usize = 256;
/// Backed-off tasks that return to the queue at once when they are due: some milliseconds.
pub const DUE_LIMIT: usize = 256;
