//! Limits of the notifier.

/// Longest configuration: a thousand packages, each with some addresses.
pub const CONFIG_LIMIT_BYTES: u64 = 1 << 20;
/// Rows for packages, and addresses of one row.
pub const ROWS_LIMIT: usize = 10_000;
pub const ADDRESSES_LIMIT: usize = 20;
pub const FORGES_LIMIT: usize = 100;
/// Longest URL in the configuration: as long as that of a package.
pub const URL_LIMIT_BYTES: usize = 2_000;
/// Longest mail address: RFC 5321, 4.5.3.1.
pub const ADDRESS_LIMIT_BYTES: usize = 254;
/// Pause before the first repetition, unless the configuration says another.
pub const FIRST_PAUSE_S: u64 = 60;
/// Longest pause between two tries of a delivery.
pub const PAUSE_LIMIT_MS: i64 = 6 * 3_600_000;
/// From when a delivery was due first: afterwards it is given up.
pub const GIVE_UP_MS: i64 = 3 * 24 * 3_600_000;
/// Longest time that a receiver may ask to be left alone in one answer.
pub const RETRY_AFTER_LIMIT_S: u64 = 24 * 3_600;
/// Ended tasks are kept that long: each is known as done, whatever the server says again.
pub const KEPT_MS: i64 = 14 * 24 * 3_600_000;
/// Tasks kept at all, ended or not: some hundred MiB at the very most.
pub const KEPT_LIMIT_ROWS: i64 = 200_000;
/// Ended tasks deleted at once.
pub const DELETED_LIMIT_ROWS: i64 = 100;
/// Tasks that wait: from here on no event is taken, and from half of it on again. The server keeps the newest events.
pub const WAITING_LIMIT: usize = 10_000;
/// Deliveries at once, beside one question to the server. There is one for each receiver, which takes `CALL_LIMIT_S`
/// at most.
pub const RUNNING_LIMIT: usize = 16;
/// Time limit of a request.
pub const CALL_LIMIT_S: u64 = 30;
/// Time limit of sendmail, which hands a message to a queue.
pub const MAIL_LIMIT_MS: u64 = 60_000;
/// After its own time limit a request is ended by us.
pub const GRACE_MS: u64 = 5_000;
/// Kept of what a child writes: far above an answer of a forge or of the server.
pub const OUTPUT_LIMIT_BYTES: usize = 1 << 20;
/// Kept of what it says about an error.
pub const ERRORS_LIMIT_BYTES: usize = 8 << 10;
/// Between the end of a stream of events and the next: the first pause, and the longest.
pub const FOLLOW_PAUSE_MS: u64 = 1_000;
pub const FOLLOW_PAUSE_LIMIT_MS: u64 = 60_000;
/// A stream that brings nothing for so long is dead: the server sends a comment every 15 s.
pub const FOLLOW_SILENCE_LIMIT_S: u64 = 60;
/// Longest line of a stream of events: some hundred bytes are usual.
pub const LINE_LIMIT_BYTES: usize = 64 << 10;
/// What repositories asked for is remembered for so long, of so many repositories.
pub const OWNERS_KEPT_MS: u64 = 10 * 60_000;
pub const OWNERS_LIMIT: usize = 1_000;
/// Longest file in a repository that asks for something.
pub const OWNERS_FILE_LIMIT_BYTES: usize = 4 << 10;
/// Longest description of a commit status: that of GitHub.
pub const DESCRIPTION_LIMIT_CHARS: usize = 140;
/// Lines of errors in an issue or a mail, and characters of each.
pub const ERROR_LIMIT_LINES: usize = 30;
pub const ERROR_LINE_LIMIT_CHARS: usize = 200;
