//! Limits of engine commands and of containers.

/// Whole time of a short engine command (list, look, remove, kill). A healthy engine answers
/// in a tenth of a second; a loaded one was seen to take two.
pub const ENGINE_TIMEOUT_MS: u64 = 20_000;
/// From `docker kill` to giving up on the client and killing that too.
pub const KILL_GRACE_MS: u64 = 10_000;
/// From a child's exit to not waiting for its pipes any longer: a grandchild can hold one.
pub const DRAIN_GRACE_MS: u64 = 2_000;
/// How long a container may take to say how much memory it used, before it is killed.
pub const PEAK_TIMEOUT_MS: u64 = 2_000;
/// First and longest pause before asking an engine again that did not answer while work waits.
pub const ENGINE_RETRY_MS: (u64, u64) = (1_000, 60_000);
/// How long after a client was killed the container it may have asked for is there at the latest.
pub const CLEANUP_DELAY_MS: u64 = 10_000;
/// Files in it: an inode is memory too, and without a limit endless empty files meet the memory
/// limit first, which ends the runner before it can say why.
pub const WORK_TMPFS_INODES: u32 = 256 << 10;
/// Open files of one process in a container: Zig opens some hundred at once.
pub const OPEN_FILES_LIMIT: u32 = 4_096;
/// Processes and threads in one container; a parallel `zig build` uses some dozens.
pub const PIDS_LIMIT: u32 = 512;
