//! Limits of the reactor, its clients and its children.

use crate::base::token_bucket::Rate;

/// Connections of one address (IPv6: one /64): the tabs of many browsers. The loopback and trusted proxies are
/// exempt, since all clients of a proxy share its address.
pub const ADDRESS_CONNECTIONS_LIMIT: usize = 256;
/// Retry-After for a client over its connection limit. Ten seconds: long enough that a script backs off.
pub const ADDRESS_RETRY_MS: u64 = 10_000;
/// Connections kept for the admin socket besides those of all clients: some shells, while a flood has the others.
pub const ADMIN_CONNECTIONS_LIMIT: usize = 16;
/// New connections of one address: 64 a second, far above a script that sends one request after another, and a burst
/// for the tabs of an office behind one address.
pub const ARRIVALS: Rate = Rate {
    burst: 1_024,
    per_hour: 64 * 3_600,
};
/// Connections accepted in one turn, so that a burst does not delay the clients that are connected.
pub const ACCEPTS_LIMIT: usize = 64;
/// Connections that wait for `accept` in the kernel. A burst above it is delayed, not refused.
pub const BACKLOG: i32 = 512;
/// Pause after an `accept` that failed for lack of descriptors or memory, in place of a busy loop.
pub const ACCEPT_PAUSE_MS: u64 = 1_000;
/// Silence of a stream or WebSocket after which a comment line or a ping is sent. Proxies give up after 30 to 60 s.
pub const KEEPALIVE_MS: u64 = 15_000;
/// From the first byte of a request's head to its end.
pub const HEAD_LIMIT_MS: u64 = 10_000;
/// Without a byte of a body.
pub const BODY_STALL_LIMIT_MS: u64 = 30_000;
/// Average rate of a body after its first `BODY_STALL_LIMIT_MS`: a client that sends a byte now and then must not
/// hold an upload for years. A modem is faster.
pub const BODY_RATE_LIMIT_BYTES_PER_S: u64 = 4 << 10;
/// Between two requests, and before the first.
pub const IDLE_LIMIT_MS: u64 = 60_000;
/// Without a byte of the output taken by the client.
pub const SEND_STALL_LIMIT_MS: u64 = 60_000;
/// Behind a last answer, without a byte of what the client still sends; its own end comes within a round trip. The
/// default of nginx.
pub const LINGER_STALL_LIMIT_MS: u64 = 5_000;
/// From a last answer until the client hangs up: the largest upload passes at 10 Mbit/s.
pub const LINGER_LIMIT_MS: u64 = 60_000;
/// Until the first byte of a request that will be answered 429: the answer depends on its method.
pub const REJECTED_IDLE_LIMIT_MS: u64 = 2_000;
/// Wait at shutdown for requests on open connections: a successor on the same socket cannot answer those.
pub const LAST_REQUESTS_LIMIT_MS: u64 = 300;
/// Wait at shutdown for clients to read the output that is left.
pub const DRAIN_LIMIT_MS: u64 = 3_000;
/// Between two status lines for the service manager.
pub const STATUS_STEP_MS: u64 = 1_000;
/// Events taken from the poll in one turn. More wait in the kernel.
pub const EVENTS_LIMIT: usize = 256;
/// Granularity of the clients' time limits: thousands of watchers that are due one after another must not wake the
/// reactor for each.
pub const TIMEOUT_STEP_MS: u64 = 250;
/// Children at once beside those of tasks: far above uploads and short commands.
pub const OTHER_CHILDREN_LIMIT: usize = 120;
/// Children of one task: its client, and a command about its container.
pub const TASK_CHILDREN: usize = 2;
/// Open files of one child. Not all children are there at once, which leaves some for logs and the database.
pub const CHILD_FILES: usize = 4;
/// Clients read in one turn. More wait for the next turn.
pub const CLIENTS_READ_LIMIT: usize = 256;
/// Time after which a turn reads no further client.
pub const CLIENTS_READ_LIMIT_MS: u64 = 4;
/// Clients, besides, that one turn only sends to. Each gets at most `TURN_LIMIT_BYTES`, so a turn stays at some
/// milliseconds: an event for ten thousand watchers does not delay requests.
pub const WAKES_LIMIT: usize = 64;
/// Bytes read and written of one descriptor in one turn: a flood delays its neighbours by microseconds. It is also
/// the capacity of a pipe.
pub const TURN_LIMIT_BYTES: usize = 64 << 10;
/// Least cost of a read or write in that budget: one byte at a time would be 65,536 calls.
pub const CALL_COST_BYTES: usize = 4 << 10;
/// Piece of a file read for a child's standard input: the capacity of a pipe.
pub const FILE_PIECE_BYTES: usize = 64 << 10;
/// Between two disk checks, which happen in turns that come anyway: a system call of some microseconds.
pub const DISK_CHECK_MS: u64 = 1_000;
/// Size of the reserve file, removed when a commit meets a full disk. The next start writes some hundred KiB before
/// it can free more.
pub const DISK_RESERVE_BYTES: u64 = 1 << 20;
/// Kept of each pipe of a command that a program waits for: as much as of an engine's short command.
pub const ONE_SHOT_OUTPUT_LIMIT_BYTES: usize = 256 << 10;
/// Reply that a program of ours waits for: far above the longest list.
pub const REPLY_LIMIT_BYTES: usize = 16 << 20;
/// Header lines of such a reply: a server sends some ten.
pub const REPLY_HEADERS_LIMIT: usize = 64;
