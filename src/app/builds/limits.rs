//! Limits of builds, fetches and rechecks.

/// Largest archive of fetched dependencies; several toolchains' SDK packages pass 100 MiB.
pub const DEPENDENCIES_LIMIT_BYTES: u64 = 256 << 20;
/// Whole time of one source or dependency fetch.
pub const FETCH_TIMEOUT_MS: u64 = 300_000;
/// Output after which a build is ended as `output_limit`: far above any honest log, of which 4 MiB
/// are kept, and what the engine keeps of it until the build is done is on our disk.
pub const OUTPUT_LIMIT_BYTES: u64 = 256 << 20;
/// What each line of it counts besides its own bytes: the engine takes 28 bytes more to keep it, so that
/// a flood of empty lines would take 26 times its size, and 7 us to give it back, some half a minute for
/// the most lines there can be.
pub const LINE_COST_BYTES: usize = 64;
/// The last words of a job on standard error that are kept for `error_log`.
pub const LAST_WORDS_LIMIT_BYTES: usize = 16 << 10;
/// Attempts of one build or fetch that end in an `error`, of which the last is final.
pub const ERRORS_LIMIT: u32 = 4;
/// Looks at a container in a row that an engine, which answers else, may leave unanswered.
pub const INSPECTIONS_LIMIT: u32 = 5;
/// How long after it was asked for a container that is not there, or not started, may still come:
/// the client of a server that was killed goes on. A loaded engine took two seconds for it.
pub const NOT_YET_VISIBLE_LIMIT_MS: i64 = 5_000;
/// Until it is looked for again.
pub const NOT_YET_VISIBLE_PAUSE_MS: u64 = 500;
/// Whole time of reading what a container has said, all of it: the most it may say was read in half a
/// minute, on a busy machine.
pub const READ_LOGS_TIMEOUT_MS: u64 = 120_000;
/// Packages that begin to wait for their daily look in one turn.
pub const DUE_CHECKS_LIMIT: usize = 16;
/// Pieces of work that get their slot, or their verdict from the cache, in one turn.
pub const STARTS_LIMIT: usize = 64;
/// Rises when the runner, or what is read from its record, comes to other verdicts than before.
pub const RUNNER_VERSION: u32 = 1;
/// Builds deeper in the queue than that are only told that there are as many before them.
pub const RANK_LIMIT: u64 = 10_000;
/// Longest line a runner may write on its standard output.
pub const RECORD_LIMIT_BYTES: usize = 64 << 10;
/// Behind the beginning of a look, when it is made again if the server ended meanwhile: later than any
/// look ends.
pub const RECHECK_RETRY_MS: i64 = 2 * FETCH_TIMEOUT_MS as i64;
/// Packages looked through in one turn for builds under a new toolchain: two milliseconds or so,
/// with a hundred thousand builds behind them.
pub const REBUILD_LIMIT: usize = 16;
