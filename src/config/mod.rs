//! Every setting and every limit, with its unit in its name.

mod flags;
mod proxies;
mod token;

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::base::token_bucket::Rate;
pub use flags::{Asked, help, is_version, parse};
pub use proxies::Proxies;
pub use token::{TOKEN_LIMIT_BYTES, Token};

// -- connections ------------------------------------------------------------------------------

/// Most clients at once: about 2 KiB each idle; fewer where the system allows fewer open files.
/// More wait in the backlog.
pub const CONNECTIONS_LIMIT: usize = 16_384;
/// Of these from one address (IPv6: one /64): many browsers' tabs. The loopback and trusted proxies
/// are exempt, since all clients of a proxy share its address.
pub const ADDRESS_CONNECTIONS_LIMIT: usize = 256;
/// What who has more is told to wait: the patience of a script.
pub const ADDRESS_RETRY_MS: u64 = 10_000;
/// New ones from one address: 64 a second, far above any script that asks one thing after another,
/// and a burst for the tabs of an office behind one address.
pub const ARRIVALS: Rate = Rate {
    burst: 1_024,
    per_hour: 64 * 3_600,
};
/// Addresses of which is remembered what they took of one kind: as many as there may be
/// connections, some 100 bytes each. Who is forgotten may begin anew.
pub const ADDRESSES_LIMIT: usize = CONNECTIONS_LIMIT;
/// Most connections accepted in one turn, so that a burst does not hold up who is here.
pub const ACCEPTS_LIMIT: usize = 64;
/// Connections that wait to be accepted; a burst above it is delayed, not refused.
pub const BACKLOG: i32 = 512;
/// Pause after an `accept` that failed for want of descriptors or memory: no hot loop.
pub const ACCEPT_PAUSE_MS: u64 = 1_000;
/// Request line and headers together; the default of nginx and Node, and enough for any browser.
pub const HEAD_LIMIT_BYTES: usize = 16 << 10;
/// Empty lines before a request: some clients send one behind a body.
pub const EMPTY_LINES_LIMIT_COUNT: usize = 8;
/// The request target alone.
pub const TARGET_LIMIT_BYTES: usize = 8 << 10;
/// Browsers send about twenty.
pub const HEADERS_LIMIT_COUNT: usize = 64;
/// A chunk's size with its extensions, which nobody sends but who wants to waste our time.
pub const CHUNK_LINE_LIMIT_BYTES: usize = 256;
/// All trailer fields of one body; they are read and dropped.
pub const TRAILERS_LIMIT_BYTES: usize = 8 << 10;
/// One piece of a spooled body; as much as is read from a socket in one turn.
pub const PIECE_LIMIT_BYTES: usize = 64 << 10;
/// One head, and one piece of a body behind it.
pub const INPUT_LIMIT_BYTES: usize = HEAD_LIMIT_BYTES + PIECE_LIMIT_BYTES;
/// What is read and dropped behind an early answer. A client that gets a reset instead of time
/// to stop never sees the answer.
pub const LINGER_LIMIT_BYTES: usize = 1 << 20;
/// Bytes of a stream waiting to be sent: behind it stands the socket's own buffer, so this is
/// no round trip's worth but what a pull brings, and the price of a browser that never reads.
pub const STREAM_LIMIT_BYTES: usize = 32 << 10;
/// What a WebSocket client may say in one message. Nothing it says is needed.
pub const MESSAGE_LIMIT_BYTES: usize = 4 << 10;
/// What a WebSocket keeps at hand to read into: a browser's pongs and its close fit, and it is
/// the price of every idle watcher.
pub const SOCKET_INPUT_BYTES: usize = 256;
/// A watcher that had nothing to send for so long is shown that the connection lives: a comment
/// line, or a ping. Proxies give up after 30 to 60 s.
pub const KEEPALIVE_MS: u64 = 15_000;
/// Beats of a WebSocket without a byte from its client, after which there is no client any more.
pub const KEEPALIVES_LIMIT: u32 = 4;
/// The next request waits while more than this is unsent, so that a client that asks and never
/// reads costs this and one answer.
pub const UNSENT_LIMIT_BYTES: usize = 64 << 10;
/// From its first byte to the end of a request's head, however slowly it comes.
pub const HEAD_LIMIT_MS: u64 = 10_000;
/// Without a byte of a body that is on its way.
pub const BODY_STALL_LIMIT_MS: u64 = 30_000;
/// What a body must bring on average behind its first `BODY_STALL_LIMIT_MS`, so that a byte now
/// and then does not hold an upload for years. A modem brings as much.
pub const BODY_RATE_LIMIT_BYTES_PER_S: u64 = 4 << 10;
/// Between two requests, and before the first.
pub const IDLE_LIMIT_MS: u64 = 60_000;
/// Without a byte taken of what there is to send.
pub const SEND_STALL_LIMIT_MS: u64 = 60_000;
/// From the last byte sent to the client's hanging up.
pub const LINGER_LIMIT_MS: u64 = 2_000;
/// How long the end waits for the requests of clients that were let in already: a successor on the
/// same socket cannot answer those.
pub const LAST_REQUESTS_LIMIT_MS: u64 = 300;
/// How long clients may take, at the end, to read what is left for them.
pub const DRAIN_LIMIT_MS: u64 = 3_000;
/// Between two tellings of how much runs and waits, for the service manager.
pub const STATUS_STEP_MS: u64 = 1_000;
/// Largest JSON body. The longest honest submission is well under 8 KiB.
pub const JSON_LIMIT_BYTES: u64 = 64 << 10;

/// How long a browser remembers that it may read `/api` from any page: a day.
pub const PREFLIGHT_AGE_S: u64 = 86_400;

// -- the turn --------------------------------------------------------------------------------------

/// Events taken in one turn; more wait in the kernel.
pub const EVENTS_LIMIT: usize = 256;
/// Time limits of clients are looked at in such steps, so that thousands of watchers that are due
/// one after another do not wake the server for each.
pub const TIMEOUT_STEP_MS: u64 = 250;
/// Open files that are kept for children (four each), logs, the database.
pub const RESERVED_FILES: usize = 512;
/// Clients heard in one turn, and the time after which no further one is; more wait for the next.
pub const CLIENTS_READ_LIMIT: usize = 256;
pub const CLIENTS_READ_LIMIT_MS: u64 = 4;
/// Clients, besides, that are only sent more of what they watch or download. Each is sent at most
/// `TURN_LIMIT_BYTES`, so a turn stays at some milliseconds, and an event for ten thousand watchers
/// does not hold up who asks for something.
pub const WAKES_LIMIT: usize = 64;
/// Most children at once: far above slots and uploads, below the usual limit of 1024 open
/// files, of which each takes four.
pub const PROCESSES_LIMIT: usize = 128;
/// Read and written of one source in one turn, at most, so that a flood delays its neighbours
/// by microseconds. Also the capacity of a pipe.
pub const TURN_LIMIT_BYTES: usize = 64 << 10;
/// What a short read or write costs of that: else one byte at a time would be 65,536 calls.
pub const CALL_COST_BYTES: usize = 4 << 10;
/// Read of a file at once, on its way to a child's standard input: what a pipe holds.
pub const FILE_PIECE_BYTES: usize = 64 << 10;

// -- sources ----------------------------------------------------------------------------------

/// Largest uploaded archive, and largest compressed tree of a fetched one.
pub const SOURCE_LIMIT_BYTES: u64 = 64 << 20;
/// Largest archive of fetched dependencies; several toolchains' SDK packages pass 100 MiB.
pub const DEPENDENCIES_LIMIT_BYTES: u64 = 256 << 20;
/// Longest head of what a fetch container sends: 8 KiB of URLs, which it keeps to, and what else
/// there is to say.
pub const FRAME_HEAD_LIMIT_BYTES: usize = 16 << 10;
/// URLs in it of packages that the source uses.
pub const FRAME_USES_LIMIT: usize = 64;
/// Unpacked bytes of an upload looked at per turn: about 3 ms of inflating.
pub const CHECK_BUDGET_BYTES: usize = 1 << 20;
/// What an address may have taken in at once of what it may in an hour: a quarter.
pub const BURSTS_PER_HOUR: u64 = 4;
/// Uploads of one address being received or looked at, at once: a few people behind it.
pub const ADDRESS_UPLOADS_LIMIT: usize = 16;
/// Where those hold so much, no further one of it begins: a quarter of what all may hold, and still
/// two of the largest.
pub const ADDRESS_UPLOADS_LIMIT_BYTES: u64 = 2 * SOURCE_LIMIT_BYTES;
/// Uploads being received or looked at, at once: a file each.
pub const UPLOADS_LIMIT: usize = 128;
/// Where they hold so much of the disk, no further one begins; those that have begun may bring up
/// to `SOURCE_LIMIT_BYTES` each.
pub const UPLOADS_LIMIT_BYTES: u64 = 8 * SOURCE_LIMIT_BYTES;
/// What who comes on top of these limits is told to wait: an upload takes some seconds.
pub const UPLOADS_PAUSE_MS: u64 = 5_000;

// -- the disk ---------------------------------------------------------------------------------

/// Below so much free space, or such a part of the disk where that is less, nothing new begins. It
/// is what may still be written then: two files of dependencies that are being fetched, the logs of
/// as many builds as there may be, each once more while it is put in order, and the database's log.
pub const DISK_FLOOR_BYTES: u64 = 1 << 30;
pub const DISK_FLOOR_PERCENT: u64 = 5;
/// Such a part of the floor must be free above it before anything begins again.
pub const DISK_MARGIN_PERCENT: u64 = 25;
/// The disk is looked at in turns that come anyway, and not more often: a system call of some us.
pub const DISK_CHECK_MS: u64 = 1_000;
/// A file of so much is kept, and given up where a commit has met the end of the disk: the next
/// start has room for what it must write before it can make more, which takes some hundred KiB.
pub const DISK_RESERVE_BYTES: u64 = 1 << 20;
/// While there is no room, and something waits for it: until the next look.
pub const DISK_PAUSE_MS: u64 = 5_000;
/// What a client is told to wait that was refused for want of room: somebody has to make some.
pub const DISK_RETRY_AFTER_S: u64 = 60;

// -- history ----------------------------------------------------------------------------------

/// Builds that have ended and are kept, with their logs: a year of 270 a day. With logs of usual size
/// some gigabytes.
pub const HISTORY_LIMIT_BUILDS: u64 = 100_000;
/// What their logs may take in all: those of usual size have 50 KiB, and 2,048 of the largest fill it.
pub const LOGS_KEPT_BYTES: u64 = 8 << 30;
/// The database may take so much before nobody is taken in any more: the rows of so many builds take a
/// tenth of it, and packages, of which none ever goes, 2 KiB each.
pub const DATABASE_LIMIT_BYTES: u64 = 4 << 30;
/// How long they are kept at most; the latest verdicts stay.
pub const HISTORY_AGE_MS: i64 = 365 * 86_400_000;
/// Files of sources that no build needs any more: the next check of the same finds them there. A
/// usual source has 100 KiB.
pub const SOURCES_KEPT_BYTES: u64 = 2 << 30;
/// The same of fetched dependencies.
pub const DEPENDENCIES_KEPT_BYTES: u64 = 2 << 30;
/// Past durations kept: of 20,000 packages under four toolchains, and of their fetches.
pub const DURATIONS_KEPT: u64 = 100_000;
/// Of each of these so many go in one turn: a millisecond of deletes, and as many files.
pub const DELETE_LIMIT_COUNT: usize = 16;
/// Rows, or names of files, looked at for that in one turn.
pub const SCAN_LIMIT_COUNT: usize = 256;
/// Pause after all were looked at and none could go, although some should.
pub const SCAN_PAUSE_MS: u64 = 60_000;

// -- archives --------------------------------------------------------------------------------------

/// The whole tar, unpacked: half of the room a build has for it, and an end for decompression bombs.
pub const UNPACKED_LIMIT_BYTES: u64 = 512 * 1024 * 1024;
/// Files, directories and links of one tree: each takes an inode, and so memory, where it is unpacked. Of
/// a repository, and of all dependencies of a source, as many: `images/fetch-*` have the same limits.
pub const ENTRIES_LIMIT: u32 = 100_000;
/// Submodules of a repository, and how deep one may be in another; real ones have a handful. They are in
/// `images/fetch-source`.
pub const SUBMODULES_LIMIT: u32 = 256;
pub const SUBMODULES_DEPTH_LIMIT: u32 = 8;
/// Of a `build.zig.zon` so much is looked at: real ones take a few KiB.
pub const MANIFEST_LIMIT_BYTES: usize = 256 * 1024;
/// Dependencies that all manifests of one tree name, and the URLs and hashes of all: a hundred
/// bytes each. `images/common.sh` has the same limits.
pub const ASKED_LIMIT: usize = 1024;
pub const ASKED_LIMIT_BYTES: usize = 256 * 1024;
/// The pax records of one head: names and times, and attributes that some systems add.
pub const RECORDS_LIMIT_BYTES: u64 = 256 * 1024;
/// What the kernel takes as a path, and no more.
pub const PATH_LIMIT_BYTES: usize = 4096;
/// Memory for the links of one tree, each counted with its path and what the set takes for it:
/// ten thousand links of usual length. Real trees have a handful.
pub const LINKS_LIMIT_BYTES: usize = 1024 * 1024;
pub const LINK_COST_BYTES: usize = 64;
/// A name in a message is no longer, in characters.
pub const SHOWN_NAME_LIMIT_CHARS: usize = 100;
/// What one pull gives at most: what a pipe gives at most, too.
pub const UNPACK_LIMIT_BYTES: usize = 64 * 1024;
/// Names and extra fields before gzip data; real ones are a file name long.
pub const GZIP_HEAD_LIMIT_BYTES: usize = 64 * 1024;
/// What a gzip member costs at least, in bytes of work: a file may hold millions of empty ones.
pub const GZIP_MEMBER_COST_BYTES: usize = 4 * 1024;
/// How far back a frame may reach, and so the memory it takes, as a power of two: 8 MiB, what zstd
/// uses up to its level 19.
pub const ZSTD_WINDOW_LIMIT_LOG2: u32 = 23;
/// What a frame costs at least, in bytes of work: a file may hold millions of empty ones.
pub const ZSTD_FRAME_COST_BYTES: usize = 4 * 1024;

// -- jobs -------------------------------------------------------------------------------------

/// Whole time of one source or dependency fetch.
pub const FETCH_TIMEOUT_MS: u64 = 300_000;
/// Whole time of a short engine command (list, look, remove, kill). A healthy engine answers
/// in a tenth of a second; a loaded one was seen to take two.
pub const ENGINE_TIMEOUT_MS: u64 = 20_000;
/// From `docker kill` to giving up on the client and killing that too.
pub const KILL_GRACE_MS: u64 = 10_000;
/// From a child's exit to not waiting for its pipes any longer: a grandchild can hold one.
pub const DRAIN_GRACE_MS: u64 = 2_000;
/// Output after which a build is ended as `output_limit`: far above any honest log, of which 4 MiB
/// are kept, and what the engine keeps of it until the build is done is on our disk.
pub const OUTPUT_LIMIT_BYTES: u64 = 256 << 20;
/// What each line of it counts besides its own bytes: the engine takes 28 bytes more to keep it, so that
/// a flood of empty lines would take 26 times its size, and 7 us to give it back, some half a minute for
/// the most lines there can be.
pub const LINE_COST_BYTES: usize = 64;
/// What is kept of the output of a short engine command.
pub const ENGINE_OUTPUT_LIMIT_BYTES: usize = 256 << 10;
/// The last words of a job on standard error that are kept for `error_log`.
pub const LAST_WORDS_LIMIT_BYTES: usize = 16 << 10;
/// Attempts of one build or fetch that end in an `error`, of which the last is final.
pub const ERRORS_LIMIT: u32 = 4;
/// Pause behind the first, second and third of them.
pub const RETRY_PAUSE_MS: [u64; 3] = [2_000, 8_000, 32_000];
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
/// How long a container may take to say how much memory it used, before it is killed.
pub const PEAK_TIMEOUT_MS: u64 = 2_000;
/// Work waiting at once, before a submission is answered 503. It waits in the database, some 200
/// bytes each; more would take years.
pub const QUEUE_LIMIT: u64 = 1 << 20;
/// What who comes then is told to wait, and who comes while the engine does not answer: the time of a build.
pub const QUEUE_PAUSE_MS: u64 = 60_000;
/// How long a class of work (a person, an admin, a new toolchain, the daily look) may wait without a
/// start while others come first: an admin looks on; a new toolchain and the daily look take a day.
pub const PRIORITY_WAIT_LIMIT_MS: [Option<i64>; 4] =
    [None, Some(60_000), Some(600_000), Some(1_800_000)];
/// Parties served in one round before those who come new join the next: more than come within the
/// time of a build, and some KiB of names.
pub const ROUND_LIMIT_TENANTS: usize = 256;
/// Works held back that join the queue at once when their time has come: some milliseconds.
pub const DUE_LIMIT: usize = 256;
/// Packages that begin to wait for their daily look in one turn.
pub const DUE_CHECKS_LIMIT: usize = 16;
/// Pieces of work that get their slot, or their verdict from the cache, in one turn.
pub const STARTS_LIMIT: usize = 64;
/// Builds that are given the verdict of another, which they waited for, in one turn.
pub const WAITERS_LIMIT: usize = 32;
/// Rises when the runner, or what is read from its record, comes to other verdicts than before.
pub const RUNNER_VERSION: u32 = 1;
/// Builds deeper in the queue than that are only told that there are as many before them.
pub const RANK_LIMIT: u64 = 10_000;
/// From `SIGTERM` to the end of errands to the engine: with `LAST_REQUESTS_LIMIT_MS` and
/// `DRAIN_LIMIT_MS` below 5 s.
pub const STOP_LIMIT_MS: u64 = 1_500;
/// Builds over which a past duration is averaged: packages change, and so do machines.
pub const DURATIONS_AVERAGED: u32 = 5;
/// Work looked at to say when what waits will start: each package costs a look-up of its past, and
/// what stands behind so much is hours away.
pub const FORECAST_LIMIT: usize = 256;

// -- logs ------------------------------------------------------------------------------------------

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

// -- watching ---------------------------------------------------------------------------------

/// Events kept for those who come back: those of some hundred checks, a megabyte of memory.
pub const EVENTS_KEPT: usize = 2_048;
/// Nothing is pulled for a connection with less room: an event, or a cut line, fits into it whole.
pub const PULL_LEAST_BYTES: usize = 1 << 10;

// -- engine -----------------------------------------------------------------------------------

/// How long an answer of the engine stays good enough to accept a submission on.
pub const ENGINE_FRESH_MS: u64 = 5_000;
/// First and longest pause before asking an engine again that did not answer while work waits.
pub const ENGINE_RETRY_MS: (u64, u64) = (1_000, 60_000);
/// How long after a client was killed the container it may have asked for is there at the latest.
pub const CLEANUP_DELAY_MS: u64 = 10_000;
/// Requests waiting for the engine's answer at once.
pub const HELD_LIMIT: usize = 64;

// -- containers -------------------------------------------------------------------------------

/// The only writable place of a container. It counts towards the container's memory.
pub const WORK_TMPFS_BYTES: u64 = 1 << 30;
/// Files in it: an inode is memory too, and without a limit endless empty files meet the memory
/// limit first, which ends the runner before it can say why.
pub const WORK_TMPFS_INODES: u32 = 256 << 10;
/// Open files of one process in a container: Zig opens some hundred at once.
pub const OPEN_FILES_LIMIT: u32 = 4_096;
/// Processes and threads in one container; a parallel `zig build` uses some dozens.
pub const PIDS_LIMIT: u32 = 512;

// -- records ----------------------------------------------------------------------------------

/// Longest line a runner may write on its standard output.
pub const RECORD_LIMIT_BYTES: usize = 64 << 10;
/// Longest `error_log` kept.
pub const ERROR_LOG_LIMIT_BYTES: usize = 16 << 10;

// -- packages --------------------------------------------------------------------------------------

/// A package's remote is looked at once a day.
pub const RECHECK_EVERY_MS: i64 = 24 * 3_600_000;
/// And not so soon after the last look: each has its own time of the day, wherever that lies.
pub const RECHECK_PAUSE_MS: i64 = RECHECK_EVERY_MS / 2;
/// Behind the beginning of a look, when it is made again if the server ended meanwhile: later than any
/// look ends.
pub const RECHECK_RETRY_MS: i64 = 2 * FETCH_TIMEOUT_MS as i64;
/// Packages looked through in one turn for builds under a new toolchain: two milliseconds or so,
/// with a hundred thousand builds behind them.
pub const REBUILD_LIMIT: usize = 16;
/// Repositories a package may use, as far as others' popularity goes; large real ones name twenty.
pub const USES_LIMIT: usize = 256;
/// A longer URL of a dependency leads to no package: none can be submitted.
pub const DEPENDENCY_URL_LIMIT_BYTES: usize = 2_000;
/// Packages whose views are counted until something is written: some 32 KiB.
pub const VIEWS_LIMIT: usize = 1_024;
/// Of these are written with one commit: some 100 us of it.
pub const VIEWS_WRITTEN_LIMIT: usize = 64;

// -- what people see -------------------------------------------------------------------------------

/// Lines of the first errors shown under a verdict.
pub const SHOWN_ERRORS_LIMIT_LINES: usize = 6;
/// Longest of them, in characters: what fits a terminal.
pub const SHOWN_ERROR_LIMIT_CHARS: usize = 160;
/// Marks upon one character: some languages write two.
pub const MARKS_LIMIT_COUNT: usize = 2;
/// Between two columns of a table.
pub const TABLE_GAP_CHARS: usize = 2;
/// A package's name in a table: longer ones are rare, and would push the verdicts out of sight.
pub const SHOWN_PACKAGE_LIMIT_CHARS: usize = 32;
/// What is told of a package in one line: description, author, license.
pub const SHOWN_FACT_LIMIT_CHARS: usize = 160;
/// A URL is of use only whole; no longer one can be submitted.
pub const SHOWN_URL_LIMIT_CHARS: usize = 2_000;
/// A verdict with what stands behind it, or a version.
pub const SHOWN_WORDS_LIMIT_CHARS: usize = 34;
/// Of a commit: what git itself shows of a large repository, and some.
pub const SHOWN_COMMIT_CHARS: usize = 12;
/// The latest checks on the first page.
pub const SHOWN_CHECKS_LIMIT: u64 = 5;

/// Where the server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listen {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// Hosts a git URL, submodules and dependencies may name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hosts {
    Any,
    These(Vec<String>),
}

impl Hosts {
    pub fn allow(&self, host: &str) -> bool {
        match self {
            Hosts::Any => true,
            Hosts::These(known) => known.iter().any(|k| k.eq_ignore_ascii_case(host)),
        }
    }
}

impl std::fmt::Display for Hosts {
    fn fmt(&self, out: &mut std::fmt::Formatter) -> std::fmt::Result {
        match self {
            Hosts::Any => out.write_str("*"),
            Hosts::These(known) => out.write_str(&known.join(",")),
        }
    }
}

/// What the machine has, read once at start.
#[derive(Debug, Clone, Copy)]
pub struct Machine {
    pub cpus: usize,
    pub memory_bytes: u64,
}

/// Every setting. Flags win over the environment, the environment over the default.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    pub listen: Listen,
    pub data: PathBuf,
    /// The command that speaks docker's language.
    pub docker: String,
    /// Newest first.
    pub zig_versions: Vec<String>,
    /// Slots.
    pub max_builds: usize,
    /// Of each container.
    pub memory_bytes: u64,
    /// Of each container; never more than the machine has, which docker refuses.
    pub cpus: f64,
    pub build_timeout_ms: u64,
    pub silence_timeout_ms: u64,
    /// Docker network of fetch containers; build containers have none.
    pub fetch_network: String,
    pub allow_hosts: Hosts,
    /// Who may say for whom it asks.
    pub trusted_proxies: Proxies,
    /// Submissions of one address in an hour; 0: any number.
    pub submit_rate: u64,
    /// Bytes of uploads of one address in an hour; 0: any number.
    pub upload_rate_bytes: u64,
    /// Free bytes of the disk below which nothing new begins; without it that hangs on the disk's size.
    pub disk_floor_bytes: Option<u64>,
    /// No flag: see `DATABASE_LIMIT_BYTES`.
    pub database_limit_bytes: u64,
    pub admin_token_file: Option<PathBuf>,
    /// What that file holds, once it was read; without it nobody may make an admin call.
    pub admin_token: Option<Token>,
    pub log_level: log::LevelFilter,
}

impl Settings {
    /// Fetch containers have a network of their own, which must lead to public addresses alone. The
    /// engine's own networks, which lead wherever this machine does, are the owner's explicit choice.
    pub fn guards_fetches(&self) -> bool {
        !matches!(self.fetch_network.as_str(), "bridge" | "default" | "host")
    }
}
