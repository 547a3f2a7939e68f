//! Limits of HTTP and WebSocket connections, in bytes and counts.

/// Request line and headers together: more than any browser sends; the default of nginx and Node.
pub const HEAD_LIMIT_BYTES: usize = 16 << 10;
/// Empty lines before a request: some clients send one behind a body.
pub const EMPTY_LINES_LIMIT_COUNT: usize = 8;
/// The request target alone: the default of Apache and nginx.
pub const TARGET_LIMIT_BYTES: usize = 8 << 10;
/// Headers of one request. Browsers send about twenty.
pub const HEADERS_LIMIT_COUNT: usize = 64;
/// A chunk's size line with its extensions, which honest clients do not send.
pub const CHUNK_LINE_LIMIT_BYTES: usize = 256;
/// All trailer fields of one body. They are read and dropped.
pub const TRAILERS_LIMIT_BYTES: usize = 8 << 10;
/// One piece of a spooled body: as much as one turn reads from a socket.
pub const PIECE_LIMIT_BYTES: usize = 64 << 10;
/// Unparsed input of one connection: one head, and one piece of a body behind it.
pub const INPUT_LIMIT_BYTES: usize = HEAD_LIMIT_BYTES + PIECE_LIMIT_BYTES;
/// Input that is read and dropped behind a last answer. A client whose socket is reset instead never sees the answer,
/// and many send their whole body before they read: the largest upload, and a quarter more.
pub const LINGER_LIMIT_BYTES: usize = 80 << 20;
/// Unsent bytes of a stream: the price of a client that never reads. The socket's own buffer lies behind it, so it
/// need not cover a round trip.
pub const STREAM_LIMIT_BYTES: usize = 32 << 10;
/// Longest message of a WebSocket client. The server needs none of them.
pub const MESSAGE_LIMIT_BYTES: usize = 4 << 10;
/// Read buffer of each WebSocket, the price of an idle watcher: a browser's pongs and its close fit.
pub const SOCKET_INPUT_BYTES: usize = 256;
/// Pings without a byte from a WebSocket client, after which it is gone.
pub const KEEPALIVES_LIMIT: u32 = 4;
/// The next request waits while more than this is unsent. So a client that sends requests and never reads costs this
/// and one answer.
pub const UNSENT_LIMIT_BYTES: usize = 64 << 10;
/// A stream is not pulled with less space: an event, or the line of a cut in a log, fits whole.
pub const PULL_LEAST_BYTES: usize = 1 << 10;
/// Smallest body or piece that is compressed, which costs 55 us at least: one packet holds less.
pub const GZIP_LEAST_BYTES: usize = 1 << 10;
/// Largest whole body that is compressed: 2 ms. A larger one is sent as it is.
pub const GZIP_LIMIT_BYTES: usize = 256 << 10;
/// Bytes of a stream that are compressed for one client in one turn, so that a turn with `WAKES_LIMIT` of them stays at
/// some milliseconds.
pub const GZIP_TURN_LIMIT_BYTES: usize = 16 << 10;
