//! Limits of what is shown in text and tables.

/// Lines of the first errors shown under a verdict.
pub const SHOWN_ERRORS_LIMIT_LINES: usize = 6;
/// Longest of them, in characters: what fits a terminal.
pub const SHOWN_ERROR_LIMIT_CHARS: usize = 160;
/// Combining marks on one character. Tibetan stacks three, other scripts at most two.
pub const MARKS_LIMIT_COUNT: usize = 3;
/// Between two columns of a table.
pub const TABLE_GAP_CHARS: usize = 2;
/// A package's name in a table: longer ones are rare, and would push the verdicts out of sight.
pub const SHOWN_PACKAGE_LIMIT_CHARS: usize = 32;
/// What is told of a package in one line: description, author, license.
pub const SHOWN_FACT_LIMIT_CHARS: usize = 160;
/// A URL is of use only whole; no longer one can be submitted.
pub const SHOWN_URL_LIMIT_CHARS: usize = 2_000;
/// A verdict with what stands behind it, or a version.
pub const SHOWN_WORDS_LIMIT_CHARS: usize = 34;
/// Of a commit: what git itself shows of a large repository, and some.
pub const SHOWN_COMMIT_CHARS: usize = 12;
