//! Limits of the reactor, its clients and its children.

use crate::base::token_bucket::Rate;

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
/// Most connections accepted in one turn, so that a burst does not hold up who is here.
pub const ACCEPTS_LIMIT: usize = 64;
/// Connections that wait to be accepted; a burst above it is delayed, not refused.
pub const BACKLOG: i32 = 512;
/// Pause after an `accept` that failed for want of descriptors or memory: no hot loop.
pub const ACCEPT_PAUSE_MS: u64 = 1_000;
/// A watcher that had nothing to send for so long is shown that the connection lives: a comment
/// line, or a ping. Proxies give up after 30 to 60 s.
pub const KEEPALIVE_MS: u64 = 15_000;
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
/// The disk is looked at in turns that come anyway, and not more often: a system call of some us.
pub const DISK_CHECK_MS: u64 = 1_000;
/// A file of so much is kept, and given up where a commit has met the end of the disk: the next
/// start has room for what it must write before it can make more, which takes some hundred KiB.
pub const DISK_RESERVE_BYTES: u64 = 1 << 20;
