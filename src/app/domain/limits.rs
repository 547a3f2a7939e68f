//! Limits of values: the disk, verdicts, rechecks, popularity.

/// Below so much free space, or such a part of the disk where that is less, nothing new begins. It
/// is what may still be written then: two files of dependencies that are being fetched, the logs of
/// as many builds as there may be, each once more while it is put in order, and the database's log.
pub const DISK_FLOOR_BYTES: u64 = 1 << 30;
pub const DISK_FLOOR_PERCENT: u64 = 5;
/// Such a part of the floor must be free above it before anything begins again.
pub const DISK_MARGIN_PERCENT: u64 = 25;
/// While there is no room, and something waits for it: until the next look.
pub const DISK_PAUSE_MS: u64 = 5_000;
/// What a client is told to wait that was refused for want of room: somebody has to make some.
pub const DISK_RETRY_AFTER_S: u64 = 60;
/// Longest `error_log` kept.
pub const ERROR_LOG_LIMIT_BYTES: usize = 16 << 10;
/// A package's remote is looked at once a day.
pub const RECHECK_EVERY_MS: i64 = 24 * 3_600_000;
/// And not so soon after the last look: each has its own time of the day, wherever that lies.
pub const RECHECK_PAUSE_MS: i64 = RECHECK_EVERY_MS / 2;
/// Repositories a package may use, as far as others' popularity goes; large real ones name twenty.
pub const USES_LIMIT: usize = 256;
/// Packages whose views are counted until something is written: some 32 KiB.
pub const VIEWS_LIMIT: usize = 1_024;
