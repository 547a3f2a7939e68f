//! Limits of settings, and limits that several folders share.

use std::ops::RangeInclusive;

/// `--max-builds`. Two clients of each build run on the server of a cluster, with 4 MB: so many are 4 GB.
pub const MAX_BUILDS: RangeInclusive<usize> = 1..=1_024;
/// The same where one machine builds. More slots than the largest machines have processors serve nobody.
pub const ONE_MACHINE_BUILDS_LIMIT: usize = 64;
/// Memory of the server's machine for each build on a cluster, by default: twice what its clients take.
pub const CLUSTER_BUILD_BYTES: u64 = 8 << 20;
/// The default of `--max-builds`, where memory holds as many containers.
pub const DEFAULT_MAX_BUILDS: usize = 4;
/// `--memory`. Docker refuses less than 6 MiB.
pub const CONTAINER_MEMORY_BYTES: RangeInclusive<u64> = 6 << 20..=1 << 50;
/// `--cpus`. Less than a tenth of a processor builds nothing within a timeout.
pub const CONTAINER_CPUS: RangeInclusive<f64> = 0.1..=1024.0;
/// `--build-timeout` and `--silence-timeout`: up to a day.
pub const TIMEOUT_S: RangeInclusive<u64> = 1..=86_400;
/// `--submit-rate` and `--upload-rate`: far above any use, and small enough to calculate with.
pub const RATE_LIMIT_PER_HOUR: u64 = 1_000_000;
/// `--disk-floor`: a pebibyte, above any disk.
pub const DISK_FLOOR_LIMIT_BYTES: u64 = 1 << 50;
/// The length of a Zig version's name: half of what an image's tag may have.
pub const VERSION_LIMIT_CHARS: usize = 64;
/// Longest name of a host, by the rules of the domain name system.
pub const HOST_LIMIT_CHARS: usize = 253;
/// Longest path of the ssh directory. A socket's path has at most 107 bytes; ssh makes its own as `/control.` with 16
/// characters behind it.
pub const SSH_DIRECTORY_LIMIT_BYTES: usize = 82;

/// Most clients at once, at about 2 KiB each when idle; fewer where the system allows fewer open files. More wait in
/// the backlog.
pub const CONNECTIONS_LIMIT: usize = 16_384;
/// Most addresses in each table of token buckets: as many as there may be connections, at some 100 bytes each.
pub const ADDRESSES_LIMIT: usize = CONNECTIONS_LIMIT;
/// Largest uploaded archive, and largest compressed tree of a fetched source.
pub const SOURCE_LIMIT_BYTES: u64 = 64 << 20;
/// Size of the database above which submissions are refused. The rows of `HISTORY_LIMIT_BUILDS` take a tenth of it,
/// and packages, which are never deleted, 2 KiB each.
pub const DATABASE_LIMIT_BYTES: u64 = 4 << 30;
/// Output kept of an inspection, a request for a slot, or a question to a remote.
pub const ENGINE_OUTPUT_LIMIT_BYTES: usize = 256 << 10;
/// Pause after the first, second and third attempt that ended in an `error`.
pub const RETRY_PAUSE_MS: [u64; 3] = [2_000, 8_000, 32_000];
/// Longest pause that a busy host may ask for (`Retry-After`) before the next attempt.
pub const RETRY_AFTER_LIMIT_MS: u64 = 600_000;
/// Builds that take over the verdict of the build they waited for, in one turn.
pub const WAITERS_LIMIT: usize = 32;
/// Waiting tasks for which a start is estimated. Each package costs a read of its past durations, and tasks further
/// back are hours away.
pub const FORECAST_LIMIT: usize = 256;
/// Events kept for watchers that reconnect: those of some hundred checks, a megabyte of memory.
pub const EVENTS_KEPT: usize = 2_048;
/// How long the engine's last answer counts as its state.
pub const ENGINE_FRESH_MS: u64 = 5_000;
/// The only writable file system of a container. It counts towards the container's memory.
pub const WORK_TMPFS_BYTES: u64 = 1 << 30;
/// Longest URL of a dependency that can name a package: no longer one can be submitted.
pub const DEPENDENCY_URL_LIMIT_BYTES: usize = 2_000;
/// Steps of SQLite's virtual machine that one read may take, some ten milliseconds. What is there takes a tenth of it;
/// a read that would keep all others waiting is cut off.
pub const READ_LIMIT_STEPS: u64 = 500_000;
/// Path of a unix socket: the kernel takes 108 bytes with the closing zero.
pub const SOCKET_PATH_LIMIT_BYTES: usize = 107;
