//! Limits of text and tables for people, and of metrics.

/// Lines of the first errors shown under a verdict.
pub const SHOWN_ERRORS_LIMIT_LINES: usize = 6;
/// Longest of them: about the width of a terminal.
pub const SHOWN_ERROR_LIMIT_CHARS: usize = 160;
/// Combining marks on one character. Tibetan stacks three, other scripts at most two.
pub const MARKS_LIMIT_COUNT: usize = 3;
/// Spaces between two columns of a table.
pub const TABLE_GAP_CHARS: usize = 2;
/// Longest package name in a table: longer ones are rare, and would push the verdicts off the screen.
pub const SHOWN_PACKAGE_LIMIT_CHARS: usize = 32;
/// Longest description, author or license.
pub const SHOWN_FACT_LIMIT_CHARS: usize = 160;
/// Longest URL. A clipped one is useless, and no longer one can be submitted.
pub const SHOWN_URL_LIMIT_CHARS: usize = 2_000;
/// Longest verdict with its explanation, or version.
pub const SHOWN_WORDS_LIMIT_CHARS: usize = 34;
/// Shown digits of a commit: about as many as git abbreviates to in a large repository.
pub const SHOWN_COMMIT_CHARS: usize = 12;
/// How long a badge may be shown without a question whether it has changed. Proxies of forges (GitHub's camo) keep an
/// image that long, and every reader of a README asks for it: two minutes are soon enough for a verdict that changes
/// with a commit, and one request in two minutes is what a README costs behind such a proxy.
pub const BADGE_CACHE_S: u64 = 120;
/// Exported modules that the page of a build lists. Few packages have more than ten.
pub const SHOWN_MODULES_LIMIT: usize = 50;
/// Series that the metrics of one server have. Each costs the one who collects them a few KiB of memory, and they are
/// all that the server says at a scrape.
pub const METRICS_LIMIT_SERIES: usize = 200;
/// Zig versions with series of their own, the newest of those that the server checks under: twice as many as a server
/// has. The others share one label.
pub const METRICS_LIMIT_VERSIONS: usize = 8;
