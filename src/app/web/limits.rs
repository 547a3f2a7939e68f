//! Limits of requests and uploads.

use crate::config::limits::SOURCE_LIMIT_BYTES;

/// Largest JSON body. The longest honest submission is well under 8 KiB.
pub const JSON_LIMIT_BYTES: u64 = 64 << 10;
/// Largest body of a push hook: GitHub describes each commit of a push in about 1 KiB, Forgejo and GitLab at most
/// twenty of them. A larger push is found by the daily recheck.
pub const HOOK_LIMIT_BYTES: u64 = 256 << 10;
/// Push hooks of one address in an hour that are not signed. The hooks of all packages of a forge come from a few
/// addresses.
pub const HOOKS_PER_HOUR: u64 = 1_200;
/// How long a browser caches the answer to a preflight request: a day.
pub const PREFLIGHT_AGE_S: u64 = 86_400;
/// Bytes of an upload that are unpacked and inspected in one turn: about 3 ms.
pub const INSPECT_BUDGET_BYTES: usize = 1 << 20;
/// An address may use its hourly rate divided by this at once: a quarter.
pub const BURSTS_PER_HOUR: u64 = 4;
/// Uploads of one address at once. Several people may share an address.
pub const ADDRESS_UPLOADS_LIMIT: usize = 16;
/// An address begins no further upload while its uploads hold this many bytes: two of the largest.
pub const ADDRESS_UPLOADS_LIMIT_BYTES: u64 = 2 * SOURCE_LIMIT_BYTES;
/// Uploads at once. Each has an open file.
pub const UPLOADS_LIMIT: usize = 128;
/// No further upload begins while all uploads hold this many bytes on the disk. Each may still grow to
/// `SOURCE_LIMIT_BYTES`.
pub const UPLOADS_LIMIT_BYTES: u64 = 8 * SOURCE_LIMIT_BYTES;
/// Retry-After for an upload over these limits: most uploads take some seconds.
pub const UPLOADS_PAUSE_MS: u64 = 5_000;
/// Waiting tasks above which a submission is answered 503. Each is a row of some 200 bytes; this many take years.
pub const QUEUE_LIMIT: u64 = 1 << 20;
/// Retry-After for a submission to a full queue: about the time of one build.
pub const QUEUE_PAUSE_MS: u64 = 60_000;
/// Longest `dir`: a few nested directories; git itself takes more, and the head of a container at most 8 KiB.
pub const DIR_LIMIT_BYTES: usize = 256;
/// Latest checks on the front page.
pub const SHOWN_CHECKS_LIMIT: u64 = 5;
/// Packages on the front page that are newly broken, and as many that are newly fixed.
pub const SHOWN_TRANSITIONS_LIMIT: usize = 5;
/// Days of the shares of packages, where no number is asked for, and at most: a quarter, and a year.
pub const SHARE_DAYS: u64 = 90;
pub const SHARE_DAYS_LIMIT: u64 = 366;
/// Days of builds that the statistics have: two weeks.
pub const BUILD_DAYS_LIMIT: usize = 14;
/// The slowest builds, and the most common errors, that the statistics have.
pub const STATS_ROWS_LIMIT: usize = 10;
/// Verdicts of the history on the page of a package: some twenty commits under four versions.
pub const SHOWN_HISTORY_LIMIT: u64 = 80;
/// Packages that the page of a package names, of those that use it.
pub const SHOWN_DEPENDENTS_LIMIT: u64 = 20;
/// Packages that the page of a build names, of those with the same error.
pub const SHOWN_SAME_ERRORS_LIMIT: usize = 10;
/// Most used packages that a comparison can be limited to: each costs three lookups.
pub const COMPARED_PACKAGES_LIMIT: u64 = 1_000;
/// Names that a comparison can be limited to: about as many as a URL holds.
pub const COMPARED_NAMES_LIMIT: usize = 100;
/// Packages that may get one name with owner, each with a number of its own: repositories of one owner and name on
/// several hosts.
pub const SAME_NAMES_LIMIT: usize = 9;
/// Longest name with owner that is chosen for a package: a name has 100 bytes, two of which are for the number.
pub const LONG_NAME_LIMIT_BYTES: usize = 98;
/// Longest path of a repository in a request: that of the longest URL.
pub const PATH_LIMIT_BYTES: usize = 2_000;
/// What the reads of one turn may cost before the next read waits for the next turn, in steps of SQLite's virtual
/// machine: half a millisecond, so that a turn has one dear read or two cheap ones. A new client meets three turns: its
/// connection, its request, its answer.
pub const READS_LIMIT_STEPS: u64 = 30_000;
/// What a read costs besides its statements: 0.3 ms to draw a page.
pub const READ_BASE_STEPS: u64 = 15_000;
/// Reads that wait for a later turn. They hold a head each, and take half a second to some seconds together.
pub const WAITING_READS_LIMIT: usize = 2_048;
/// Retry-After where that many wait.
pub const READS_PAUSE_MS: u64 = 2_000;
/// Bytes of kept answers, each with its compressed form: some 200 pages. More are forgotten all at once.
pub const KEPT_LIMIT_BYTES: usize = 4 << 20;
/// What a kept answer takes beside its body: its headers and the call.
pub const KEPT_ANSWER_BYTES: usize = 1 << 10;
/// Entries of a feed: readers ask every hour or so, and each entry costs a lookup of its build.
pub const FEED_LIMIT_ENTRIES: usize = 50;
/// Longest log that is shown whole.
pub const LOG_WHOLE_LIMIT_LINES: u64 = 2_000;
/// Lines of one part of a longer log.
pub const LOG_PART_LINES: u64 = 1_000;
/// Lines of the end of a longer log.
pub const LOG_END_LINES: u64 = 500;
/// Bytes of one part of a log: drawn in a few milliseconds.
pub const LOG_PART_LIMIT_BYTES: u64 = 192 << 10;
/// Tokens at once beside that of the file: some for each person and machine that administers one server. Each call with
/// a token is compared with all of them.
pub const TOKENS_LIMIT: usize = 64;
/// Between two notes that a token was used: its owner wants to know whether it is still needed.
pub const TOKEN_USE_STEP_MS: i64 = 86_400_000;
/// Quotas at once: each submission is compared with all of them.
pub const QUOTAS_LIMIT: usize = 256;
/// Most submissions an hour that a quota allows.
pub const QUOTA_LIMIT_PER_HOUR: u64 = 1_000_000;
/// Longest time for which a quota holds, if it ends: ten years.
pub const QUOTA_HOURS_LIMIT: u64 = 87_600;
/// Longest reason of a quota: one sentence.
pub const QUOTA_REASON_LIMIT_BYTES: usize = 200;
/// Clients of one quota that are counted at once.
pub const QUOTA_CLIENTS_LIMIT: usize = 1_000;
/// Longest reason for which a node is drained: one sentence.
pub const NODE_REASON_LIMIT_BYTES: usize = 200;
/// Hosts at once that are allowed beside those of `--allow-hosts`: each fetch is given all of them.
pub const ALLOWED_HOSTS_LIMIT: usize = 64;
/// Longest name of a host.
pub const HOST_LIMIT_BYTES: usize = 253;
