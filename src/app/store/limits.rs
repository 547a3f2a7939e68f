//! Limits of the database.

/// Past builds that a duration is averaged over: packages change, and so do machines.
pub const DURATIONS_AVERAGED: u32 = 5;
/// Hosts in `refused_hosts`: more than one owner reads; whoever submits packages chooses their names.
pub const REFUSED_HOSTS_LIMIT: usize = 256;
