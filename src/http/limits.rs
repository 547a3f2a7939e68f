//! Limits of HTTP and WebSocket connections, in bytes and counts.

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
/// Beats of a WebSocket without a byte from its client, after which there is no client any more.
pub const KEEPALIVES_LIMIT: u32 = 4;
/// The next request waits while more than this is unsent, so that a client that asks and never
/// reads costs this and one answer.
pub const UNSENT_LIMIT_BYTES: usize = 64 << 10;
/// Nothing is pulled for a connection with less room: an event, or a cut line, fits into it whole.
pub const PULL_LEAST_BYTES: usize = 1 << 10;
