//! Limits of the database.

/// Builds over which a past duration is averaged: packages change, and so do machines.
pub const DURATIONS_AVERAGED: u32 = 5;
