//! Limits of values: the disk, verdicts, rechecks, popularity, searches through commits, dependency
//! trees, targets.

/// Free space below which nothing new begins; less on a disk of which `DISK_FLOOR_PERCENT` is less. It covers what
/// may still be written: two archives of dependencies, the logs of all running builds, each once more while it is put
/// in order, and the database's log.
pub const DISK_FLOOR_BYTES: u64 = 1 << 30;
/// The floor as a part of the disk, where that is less than `DISK_FLOOR_BYTES`.
pub const DISK_FLOOR_PERCENT: u64 = 5;
/// Part of the floor that must be free above it before anything begins again.
pub const DISK_MARGIN_PERCENT: u64 = 25;
/// Until the next disk check while tasks wait for space.
pub const DISK_PAUSE_MS: u64 = 5_000;
/// Retry-After for a client that is refused for lack of space: somebody has to free some.
pub const DISK_RETRY_AFTER_S: u64 = 60;
/// Longest texts that are kept of a package.
pub const URL_LIMIT_BYTES: usize = 2_000;
pub const DESCRIPTION_LIMIT_BYTES: usize = 2_000;
pub const AUTHOR_LIMIT_BYTES: usize = 200;
pub const LICENSE_LIMIT_BYTES: usize = 100;
/// Longest `detail` kept: one sentence.
pub const DETAIL_LIMIT_BYTES: usize = 512;
/// Longest `error_log` kept.
pub const ERROR_LOG_LIMIT_BYTES: usize = 16 << 10;
/// Each package's remote is rechecked once a day.
pub const RECHECK_EVERY_MS: i64 = 24 * 3_600_000;
/// Shortest time between two rechecks. Each package has its own time of the day, and a new one may lie close to it.
pub const RECHECK_PAUSE_MS: i64 = RECHECK_EVERY_MS / 2;
/// Repositories that a package may use, for the popularity of others. Large packages use twenty.
pub const USES_LIMIT: usize = 256;
/// Packages whose page views are counted in memory until the next write: some 32 KiB.
pub const VIEWS_LIMIT: usize = 1_024;
/// Longest `error_key`: one message of a compiler, without what is a package's own.
pub const ERROR_KEY_LIMIT_BYTES: usize = 120;
/// Part of a message that its key is made of: names of types fill a few KiB before their arguments are left out.
pub const ERROR_MESSAGE_LIMIT_BYTES: usize = 4 << 10;
/// Longest name of a dependency in the place of an error. Zig allows 32 bytes; a log can name anything.
pub const PLACE_NAME_LIMIT_BYTES: usize = 64;
/// Terms of a search that count; those behind them do not. Nobody types more, and each is a condition of a statement.
pub const SEARCH_LIMIT_TERMS: usize = 16;
/// First parents of a package's latest commit that a search may try: years of all but the busiest packages, in some
/// 300 KiB.
pub const COMMITS_LIMIT: usize = 5_000;
/// Longest name of a tag that is kept.
pub const TAG_LIMIT_BYTES: usize = 64;
/// Commits that a search tries first because they are likely to work: half of its tries.
pub const HINTS_LIMIT: usize = 8;
/// Builds that one search may ask for: enough to halve thirty thousand commits, and two minutes of most packages.
pub const TRIES_LIMIT: u32 = 16;
/// Depth of a dependency tree that is followed: no tree of real packages is half as deep.
pub const UPGRADE_DEPTH_LIMIT: usize = 8;
/// Dependencies of a tree that are followed: the largest applications have some fifty.
pub const UPGRADE_PACKAGES_LIMIT: usize = 100;
/// Declarations in a tree that are followed, most of them of packages that others declare as well.
pub const UPGRADE_EDGES_LIMIT: usize = 1_000;
/// Targets that a package is analysed for: `images/check-targets` names five.
pub const TARGETS_LIMIT: usize = 16;
/// Longest name of a target: `x86_64-windows` has 14 bytes.
pub const TARGET_LIMIT_BYTES: usize = 32;
/// Refs of one push that count. git pushes one or two; a mirror pushes all.
pub const PUSHED_REFS_LIMIT: usize = 1_000;
/// Packages whose views are written with one commit: some 100 us of it.
pub const VIEWS_WRITTEN_LIMIT: usize = 64;
