//! Limits of engine commands and of containers.

/// Time limit of a short engine command (list, inspect, remove, kill). A healthy engine answers in a tenth of a
/// second, a loaded one took two seconds.
pub const ENGINE_TIMEOUT_MS: u64 = 20_000;
/// Largest answer of a short command. 1,024 nodes with four images each, and reasons, take a third of it.
pub const ANSWER_LIMIT_BYTES: usize = 1 << 20;
/// Time limit for a connection to the machine that builds run on. Less than `ENGINE_TIMEOUT_MS`, so that ssh says what
/// is wrong before it is killed.
pub const SSH_CONNECT_LIMIT_S: u64 = 10;
/// Silence of that machine after which ssh asks it for a sign of life.
pub const SSH_KEEPALIVE_S: u64 = 5;
/// Questions without an answer after which the line is dead: 15 to 20 s after it broke.
pub const SSH_KEEPALIVES_LIMIT: u64 = 3;
/// One task more for so many slots of a cluster, and at least one more.
pub const SPARE_SLOTS_SHARE: usize = 4;
/// From a request for a slot of the cluster, or its answer, to a new list of nodes: most requests are answered sooner.
pub const NODES_DELAY_MS: u64 = 2_000;
/// For which an allocation outlives the time limit of its build: a server that was away reads the container's output
/// until then.
pub const LEASE_GRACE_S: u64 = 3_600;
/// For which a step outlives the time limit of its build: the server's own limit, with the verdict that goes with it,
/// comes first.
pub const STEP_GRACE_S: u64 = 60;
/// Memory of a node that a build takes beside its container: the clients and the engine's processes for it.
pub const NODE_MEMORY_BYTES: u64 = 64 << 20;
/// From `docker kill` to killing the client too.
pub const KILL_GRACE_MS: u64 = 10_000;
/// From a child's exit to the end of waiting for its pipes: a grandchild can hold one.
pub const DRAIN_GRACE_MS: u64 = 2_000;
/// Time limit for reading a container's peak memory before it is killed.
pub const PEAK_TIMEOUT_MS: u64 = 2_000;
/// First and longest pause before asking an unavailable engine again while tasks wait.
pub const ENGINE_RETRY_MS: (u64, u64) = (1_000, 60_000);
/// After a killed client, how long the container that it requested may take to appear.
pub const CLEANUP_DELAY_MS: u64 = 10_000;
/// /dev/shm of a container: what the engine gives by default. It is a part of the container's disk.
pub const SHARED_MEMORY_BYTES: u64 = 64 << 20;
/// Files on the work file system. An inode is memory too: without a limit endless empty files meet the memory limit
/// first, which ends the runner before it can report why.
pub const WORK_TMPFS_INODES: u32 = 256 << 10;
/// Open files of one process in a container. Zig opens some hundred at once.
pub const OPEN_FILES_LIMIT: u32 = 4_096;
/// Processes and threads in one container. A parallel `zig build` uses some dozens.
pub const PIDS_LIMIT: u32 = 512;
/// Processes and threads of the build user in all containers of podman, which counts them together: as many as 64 slots
/// may have. Each container's own limit is `PIDS_LIMIT`.
pub const USER_PROCESSES_LIMIT: u32 = 64 * PIDS_LIMIT;
/// Weight of one container among all that want a processor; the default of everything else is 1,024. Four slots weigh
/// half as much as one service.
pub const CPU_SHARES: u32 = 128;
