//! Limits of builds, fetches and rechecks.

/// Largest archive of fetched dependencies. SDK packages of several toolchains exceed 100 MiB.
pub const DEPENDENCIES_LIMIT_BYTES: u64 = 256 << 20;
/// Largest archive of what a build leaves for the next one. Two programs made from a build.zig take 5 to 11 MiB, the
/// objects of a large C library as much again.
pub const KEPT_CACHE_LIMIT_BYTES: u64 = 32 << 20;
/// Time limit of one fetch of a source or of dependencies.
pub const FETCH_TIMEOUT_MS: u64 = 300_000;
/// Output after which a build ends as `output_limit`: far above any honest log, of which 4 MiB are kept. The engine
/// keeps all of it on our disk until the build is done.
pub const OUTPUT_LIMIT_BYTES: u64 = 256 << 20;
/// Added cost of each line: the engine stores 28 bytes more for it, so a flood of empty lines would take 26 times its
/// size, and 7 us to read back, half a minute for the most lines there can be.
pub const LINE_COST_BYTES: usize = 64;
/// End of a job's standard error that is kept for `error_log`.
pub const LAST_WORDS_LIMIT_BYTES: usize = 16 << 10;
/// Attempts of one build or fetch that may end in an `error`; the last of them is final.
pub const ERRORS_LIMIT: u32 = 4;
/// Failed inspections of one container in a row, while the engine answers other commands.
pub const INSPECTIONS_LIMIT: u32 = 5;
/// Time limit of one request for a slot of the cluster, which is then made anew: a cluster may be full or drained for
/// days.
pub const PLACE_TIMEOUT_MS: u64 = 7 * 24 * 3_600_000;
/// After a request that the cluster refused: it has no node that is large enough, or none with the image.
pub const UNPLACED_PAUSE_MS: u64 = 60_000;
/// Between two inspections of a container whose node or scheduler is silent.
pub const SILENT_NODE_PAUSE_MS: u64 = 5_000;
/// How long a node may be silent that the scheduler does not give up: it gives up one without power within a minute.
pub const SILENT_NODE_LIMIT_MS: u64 = 600_000;
/// Attempts of one build that may end without an error of its own: with their nodes, by a restart of the server. Then
/// it may be the build that ends the nodes.
pub const VACATED_LIMIT: u32 = 8;
/// How long a requested container may be missing or not started: the client of a killed server goes on. A loaded
/// engine took two seconds.
pub const NOT_YET_VISIBLE_LIMIT_MS: i64 = 5_000;
/// Between two inspections of such a container.
pub const NOT_YET_VISIBLE_PAUSE_MS: u64 = 500;
/// Time limit for reading all output of a container again. The most there can be took half a minute on a busy
/// machine.
pub const READ_LOGS_TIMEOUT_MS: u64 = 120_000;
/// Packages whose daily recheck is queued in one turn.
pub const DUE_CHECKS_LIMIT: usize = 16;
/// Tasks that start, or take a verdict from the cache, in one turn.
pub const STARTS_LIMIT: usize = 64;
/// Deepest position in the queue that is counted exactly. Each build of a list that waits further back costs a walk of
/// so many rows.
pub const RANK_LIMIT: u64 = 1_000;
/// Longest list of exported modules and artifacts that is kept, as JSON: a hundred with their first errors.
pub const MODULES_LIMIT_BYTES: usize = 32 << 10;
/// Names of the steps of one build, as its row and its history have them. `zig init` makes four, of 26 bytes.
pub const STEPS_LIMIT_BYTES: usize = 256;
/// A declared version of Zig. `0.16.0-dev.1234+0123456789` has 26 bytes.
pub const VERSION_LIMIT_BYTES: usize = 64;
/// Longest line of a runner's standard output.
pub const RECORD_LIMIT_BYTES: usize = 64 << 10;
/// From the start of a recheck to its repetition, should the server end meanwhile: later than any recheck ends.
pub const RECHECK_RETRY_MS: i64 = 2 * FETCH_TIMEOUT_MS as i64;
/// Between two questions to the remote of one package that pushes lead to: whoever pushes again and again waits no
/// longer than a build takes.
pub const PUSH_PAUSE_MS: u64 = 60_000;
/// Rechecks that an admin asked for and that are made due in one turn: a millisecond.
pub const REQUESTED_CHECKS_LIMIT: usize = 128;
/// Packages examined in one turn for errors that an admin wants to be tried again: a millisecond.
pub const RETRY_LIMIT: usize = 64;
/// Packages inspected in one turn for builds under a new toolchain: two milliseconds, with a hundred thousand builds.
pub const REBUILD_LIMIT: usize = 16;
/// Builds that wait and are examined in one turn, and cancelled if their Zig version is gone: a few milliseconds.
pub const RETIRED_LIMIT: usize = 16;
/// Longest list of commits: `COMMITS_LIMIT` of them with tags and versions of 64 bytes.
pub const COMMITS_LIMIT_BYTES: usize = 1 << 20;
/// Packages whose commits are searched at one time, for each priority. Each keeps its list, of at most
/// `COMMITS_LIMIT_BYTES`, until its searches have ended.
pub const SEARCHES_LIMIT_PACKAGES: u64 = 16;
/// Time limit of the analysis for other targets: `images/check-targets` gives each of five at most twice 60 s, and
/// takes 15 s for most packages.
pub const TARGETS_TIMEOUT_MS: u64 = 600_000;
/// Analyses that wait while no more packages are examined for one: each takes a slot for a quarter of a minute, so
/// that the next ones are there before these have started.
pub const TARGETS_WAITING_LIMIT: u64 = 4;
/// How long a task waits whose image is missing, before the engine lists its images anew: to make one takes minutes.
pub const MISSING_IMAGE_PAUSE_MS: u64 = 30_000;
