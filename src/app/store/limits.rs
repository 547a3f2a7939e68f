//! Limits of the database.

/// Past builds that a duration is averaged over: packages change, and so do machines.
pub const DURATIONS_AVERAGED: u32 = 5;
/// Hosts in `refused_hosts`: more than one owner reads; whoever submits packages chooses their names.
pub const REFUSED_HOSTS_LIMIT: usize = 256;
/// Free disk space that an upgrade of the schema needs, as a multiple of the database: a copy, which may grow by half,
/// and afterwards a write-ahead log with every page.
pub const UPGRADE_SPACE_FACTOR: u64 = 2;
/// Cache of the database while its schema is upgraded.
pub const UPGRADE_CACHE_KIB: i64 = 64 << 10;
/// Rows of another database that are read, and taken in one transaction: some MiB of errors at most.
pub const IMPORTED_AT_ONCE_ROWS: usize = 256;
/// Rows that a list examines: 1,000 take 1 to 3 ms.
pub const EXAMINED_LIMIT_ROWS: usize = 1_000;
/// Packages that a list examines for its total alone: less than a millisecond.
pub const COUNTED_LIMIT_ROWS: usize = 250;
/// The same where each has errors to be read, of every version: 2 ms.
pub const ERRORS_EXAMINED_LIMIT_ROWS: usize = 250;
/// Packages of a filter that are all read and sorted: a fortieth of 20,000. A filter with more fills a page from
/// the walk of an index.
pub const SOURCE_LIMIT_ROWS: usize = 500;
/// Rows that `page` may skip: an index skips 20,000 in a millisecond. `after` reaches all others.
pub const PAGE_DEPTH_LIMIT_ROWS: u64 = 20_000;
/// Pages of the write-ahead log that are copied into the database at once: two milliseconds.
pub const CHECKPOINT_PAGES: u64 = 256;
/// The size of a page: SQLite's default.
pub const PAGE_BYTES: u64 = 4 << 10;
/// Size of the file of the write-ahead log that is kept when the log begins anew: four times what a checkpoint copies.
pub const LOG_KEPT_BYTES: u64 = 4 << 20;
/// Size of the write-ahead log that is reported: it begins anew at a hundredth of this unless another program prevents
/// it.
pub const LOG_REPORTED_BYTES: u64 = 64 << 20;
/// Bytes of an error log that a search looks at: the first errors.
pub const ERROR_SEARCHED_BYTES: usize = 2 << 10;
/// Trigrams of a search that the index is asked for. More hardly find less, and each costs a list of rows.
pub const TRIGRAMS_LIMIT: usize = 32;
/// Texts that are entered into the index of searches in one turn: a few milliseconds.
pub const TEXTS_INDEXED_LIMIT: usize = 64;
/// Texts, the newest of those that are not in the index yet, that a search reads one by one.
pub const TEXTS_READ_LIMIT: usize = 200;
/// Checks of a package that are examined for the build before or after one: most checks have one under each version.
pub const NEIGHBOURS_LIMIT_CHECKS: u64 = 32;
/// Changes by admins that are kept: years of a busy server, at some hundred bytes each.
pub const AUDIT_LIMIT_ROWS: i64 = 10_000;
/// Issues that one answer or page shows: a package has one for each version, now and then.
pub const ISSUES_SHOWN_LIMIT: usize = 100;
/// Rows of the history that are examined for packages with the same error: a count above some hundreds says no more.
pub const SAME_ERRORS_LIMIT_ROWS: u64 = 500;
/// Rows of the history that are examined for what was behind a name such as `master` before: a commit under two months
/// of nightly images.
pub const TRIES_LIMIT_ROWS: usize = 64;
/// Versions behind such a name that a package stays compared under: about a week of them.
pub const DATED_LIMIT_VERSIONS: usize = 8;
/// Verdicts on a package under one version that are examined for how it got past an error: two months of daily commits,
/// or the commits of four searches.
pub const GOT_PAST_LIMIT_ROWS: usize = 64;
/// Rows of the history that are entered into the comparisons in one turn, after an upgrade: some milliseconds.
pub const COMPARED_LIMIT_ROWS: usize = 32;
/// Rows of the history that are counted for the shares of packages in one turn, after an upgrade: two milliseconds.
pub const COUNTED_LIMIT_VERDICTS: usize = 64;
/// Sets of packages whose shares are kept. Each has twice as many as the one before it, and each costs a row of a day.
pub const SHARE_SETS_KEPT: i64 = 8;
/// Groups of packages that broke in the same way that are counted and can be paged to: those behind them have a package
/// or two each.
pub const GROUPS_LIMIT_ROWS: u64 = 1_000;
/// Packages of a group that are all read and sorted. A larger group takes its most used packages from the walk of all
/// packages by their use.
pub const GROUP_SORTED_LIMIT_ROWS: u64 = 50;
/// Packages that one comparison names, in all its groups: each costs two lookups of builds.
pub const COMPARISON_NAMES_LIMIT: u64 = 500;
/// Packages that each of many groups names: the rest has an address of its own.
pub const GROUP_NAMES_LIMIT: u64 = 10;
/// Packages that a group names where it was asked for by its error.
pub const ONE_GROUP_NAMES_LIMIT: u64 = 100;
/// Packages that got past an error that are named, and those that are examined and counted for it.
pub const PAST_NAMES_LIMIT: usize = 5;
pub const PAST_EXAMINED_LIMIT_ROWS: usize = 50;
/// Names in the plain list of packages with one outcome: 12 steps each.
pub const OUTCOME_NAMES_LIMIT: u64 = 2_000;
/// The most used packages that are examined for those that fail under a version: hardly one behind them has a user.
pub const BLOCKERS_EXAMINED_LIMIT_ROWS: usize = 1_000;
/// Builds with one verdict that get an answer about other targets: those that were asked for while it was awaited.
pub const TARGETS_SHARED_LIMIT_BUILDS: usize = 64;
/// Commits about which a fetch is asked whether they are in the history of its own: one for each toolchain, of which
/// most servers have four.
pub const KEPT_COMMITS_LIMIT: usize = 8;
