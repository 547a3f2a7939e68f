//! Limits of the database.

/// Past builds that a duration is averaged over: packages change, and so do machines.
pub const DURATIONS_AVERAGED: u32 = 5;
