//! Limits of the dispatcher.

/// From `SIGTERM` to the end of engine commands: with `LAST_REQUESTS_LIMIT_MS` and `DRAIN_LIMIT_MS` below 5 s.
pub const STOP_LIMIT_MS: u64 = 1_500;
/// Requests that wait for the engine's answer at once.
pub const ENGINE_WAITERS_LIMIT: usize = 64;
/// Pause between two turns that enter texts into the indexes of searches, and before the first after a change: they
/// take at most a twentieth of the time, also while thousands of packages are submitted.
pub const INDEX_PAUSE_MS: u64 = 50;
/// Clients that wait for the end of a check and are answered in one turn: each takes some 30 µs.
pub const WAITS_ANSWERED_LIMIT: usize = 64;
