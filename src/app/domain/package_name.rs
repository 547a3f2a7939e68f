//! The names that a package may have.

const NAME_LIMIT_BYTES: usize = 100;

/// What `is_name` wants, behind "must be".
pub const RULE: &str = "1 to 100 of A-Z a-z 0-9 . _ -, and not . or ..";

/// True of the name of a package: `[A-Za-z0-9._-]{1,100}`, without the two names that no path can hold.
pub fn is_name(name: &str) -> bool {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    let fits = (1..=NAME_LIMIT_BYTES).contains(&name.len());
    fits && name.bytes().all(is_plain) && !matches!(name, "." | "..")
}
