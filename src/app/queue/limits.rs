//! Limits of the queue.

/// How long a class of work (a person, an admin, a new toolchain, the daily look) may wait without a
/// start while others come first: an admin looks on; a new toolchain and the daily look take a day.
pub const PRIORITY_WAIT_LIMIT_MS: [Option<i64>; 4] =
    [None, Some(60_000), Some(600_000), Some(1_800_000)];
/// Parties served in one round before those who come new join the next: more than come within the
/// time of a build, and some KiB of names.
pub const ROUND_LIMIT_TENANTS: usize = 256;
/// Works held back that join the queue at once when their time has come: some milliseconds.
pub const DUE_LIMIT: usize = 256;
