//! Limits of requests and uploads.

use crate::config::limits::SOURCE_LIMIT_BYTES;

/// Largest JSON body. The longest honest submission is well under 8 KiB.
pub const JSON_LIMIT_BYTES: u64 = 64 << 10;
/// How long a browser remembers that it may read `/api` from any page: a day.
pub const PREFLIGHT_AGE_S: u64 = 86_400;
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
/// Work waiting at once, before a submission is answered 503. It waits in the database, some 200
/// bytes each; more would take years.
pub const QUEUE_LIMIT: u64 = 1 << 20;
/// What who comes then is told to wait, and who comes while the engine does not answer: the time of a build.
pub const QUEUE_PAUSE_MS: u64 = 60_000;
/// The latest checks on the first page.
pub const SHOWN_CHECKS_LIMIT: u64 = 5;
