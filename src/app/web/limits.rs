//! Limits of requests and uploads.

use crate::config::limits::SOURCE_LIMIT_BYTES;

/// Largest JSON body. The longest honest submission is well under 8 KiB.
pub const JSON_LIMIT_BYTES: u64 = 64 << 10;
/// How long a browser caches that any page may read `/api`: a day.
pub const PREFLIGHT_AGE_S: u64 = 86_400;
/// Unpacked bytes of an upload inspected in one turn: about 3 ms of inflating.
pub const CHECK_BUDGET_BYTES: usize = 1 << 20;
/// An address may use this part of its hourly rate at once: a quarter.
pub const BURSTS_PER_HOUR: u64 = 4;
/// Uploads of one address in progress at once: a few people behind it.
pub const ADDRESS_UPLOADS_LIMIT: usize = 16;
/// Bytes of those above which no further one begins: a quarter of all, and still two of the largest.
pub const ADDRESS_UPLOADS_LIMIT_BYTES: u64 = 2 * SOURCE_LIMIT_BYTES;
/// Uploads in progress at once: a file each.
pub const UPLOADS_LIMIT: usize = 128;
/// Bytes of those on the disk above which no further one begins. Each may still grow to `SOURCE_LIMIT_BYTES`.
pub const UPLOADS_LIMIT_BYTES: u64 = 8 * SOURCE_LIMIT_BYTES;
/// Retry-After for an upload over these limits: an upload takes some seconds.
pub const UPLOADS_PAUSE_MS: u64 = 5_000;
/// Waiting tasks above which a submission is answered 503. They wait in the database at some 200 bytes each; more
/// would take years.
pub const QUEUE_LIMIT: u64 = 1 << 20;
/// Retry-After for a submission to a full queue: the time of a build.
pub const QUEUE_PAUSE_MS: u64 = 60_000;
/// Latest checks on the first page.
pub const SHOWN_CHECKS_LIMIT: u64 = 5;
