//! Time limits of the doctor's questions.

/// A question to the engine, the server or the system. A healthy one answers in a tenth of a second, a loaded engine
/// took two seconds.
pub const ANSWER_LIMIT_MS: u64 = 10_000;
/// The container that probes the network: it waits 2 s for an address that does not answer.
pub const PROBE_LIMIT_MS: u64 = 20_000;
/// A build, which takes some 5 s on two processors: others may run beside it.
pub const BUILD_LIMIT_MS: u64 = 120_000;
/// The examination of the database: some gigabytes from a fast disk.
pub const DATABASE_LIMIT_MS: u64 = 10_000;
