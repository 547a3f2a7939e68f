//! Limits on the connections of each address: how many at once, and how many new ones in a time.

use std::collections::HashMap;

use crate::base::client_addr::ClientAddr;
use crate::base::token_bucket::{Buckets, Rate};

/// The decision on a new connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admittance {
    Admitted,
    /// Over a limit: answer 429 with this Retry-After.
    Refused {
        retry_ms: u64,
    },
    /// At twice the limit: close it unanswered.
    Dropped,
}

#[derive(Debug)]
pub struct ConnectionLimiter {
    limit: usize,
    /// Retry-After for a client over `limit`.
    retry_ms: u64,
    counts: HashMap<ClientAddr, usize>,
    /// New connections of each address.
    arrivals: Buckets,
}

impl ConnectionLimiter {
    /// Allows each address `limit` connections at once and new ones at `rate`, for which it keeps at most `addresses`
    /// buckets.
    pub fn new(limit: usize, retry_ms: u64, rate: Rate, addresses: usize) -> ConnectionLimiter {
        ConnectionLimiter {
            limit,
            retry_ms,
            counts: HashMap::new(),
            arrivals: Buckets::new(rate, addresses),
        }
    }

    /// Decides on a new connection of `addr`, and counts it unless it is dropped.
    pub fn enter(&mut self, addr: Option<ClientAddr>, now_ms: u64) -> Admittance {
        let Some(client) = addr else {
            return Admittance::Admitted;
        };
        let count = self.counts.entry(client).or_default();
        if *count >= 2 * self.limit {
            return Admittance::Dropped;
        }
        *count += 1;
        if *count > self.limit {
            let retry_ms = self.retry_ms;
            return Admittance::Refused { retry_ms };
        }
        match self.arrivals.take(client, 1, now_ms) {
            Ok(()) => Admittance::Admitted,
            Err(retry_ms) => Admittance::Refused { retry_ms },
        }
    }

    /// A connection that `enter` counted has ended.
    pub fn leave(&mut self, addr: Option<ClientAddr>) {
        let Some(client) = addr else { return };
        let count = self.counts.get_mut(&client).expect("it has entered");
        *count -= 1;
        if *count == 0 {
            self.counts.remove(&client);
        }
    }

    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }
}
