//! Limits of the dispatcher.

/// From `SIGTERM` to the end of errands to the engine: with `LAST_REQUESTS_LIMIT_MS` and
/// `DRAIN_LIMIT_MS` below 5 s.
pub const STOP_LIMIT_MS: u64 = 1_500;
/// Requests waiting for the engine's answer at once.
pub const HELD_LIMIT: usize = 64;
/// Of these are written with one commit: some 100 us of it.
pub const VIEWS_WRITTEN_LIMIT: usize = 64;
