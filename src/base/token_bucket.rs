//! Token buckets: how much each client may take in a time. The number of buckets is bounded.

use std::collections::{BTreeSet, HashMap};

use crate::base::client_addr::ClientAddr;

const HOUR_MS: u64 = 3_600_000;

/// The size of a bucket and its refill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Tokens in a full bucket.
    pub burst: u64,
    /// At least 1.
    pub per_hour: u64,
}

/// A bucket for each client that took tokens lately. The bucket of every other client is full.
///
/// A bucket is stored as the time at which it is full again, in ticks: `per_hour` ticks are a millisecond, `HOUR_MS`
/// ticks refill one token. So all arithmetic is exact.
#[derive(Debug)]
pub struct Buckets {
    rate: Rate,
    limit: usize,
    full_at: HashMap<ClientAddr, u128>,
    /// The same buckets, fullest first: the order of eviction.
    by_time: BTreeSet<(u128, ClientAddr)>,
}

impl Buckets {
    /// Keeps at most `limit` buckets that are not full; at least one.
    pub fn new(rate: Rate, limit: usize) -> Buckets {
        Buckets {
            rate,
            limit,
            full_at: HashMap::new(),
            by_time: BTreeSet::new(),
        }
    }

    /// How long until the client's bucket holds `count` tokens; 0 where it does. A count over the bucket's size means a
    /// full bucket.
    pub fn wait_ms(&self, client: ClientAddr, count: u64, now_ms: u64) -> u64 {
        let now = self.ticks(now_ms);
        let over = self
            .full_at_after(client, count, now)
            .saturating_sub(now + self.refill_ticks());
        let wait = over.div_ceil(u128::from(self.rate.per_hour.max(1)));
        u64::try_from(wait).unwrap_or(u64::MAX)
    }

    /// Takes `count` tokens. An error says after how many milliseconds the bucket holds them.
    pub fn take(&mut self, client: ClientAddr, count: u64, now_ms: u64) -> Result<(), u64> {
        match self.wait_ms(client, count, now_ms) {
            0 => {}
            wait_ms => return Err(wait_ms),
        }
        let now = self.ticks(now_ms);
        let full_at = self.full_at_after(client, count, now);
        if let Some(before) = self.full_at.remove(&client) {
            self.by_time.remove(&(before, client));
        }
        self.evict(now);
        self.full_at.insert(client, full_at);
        self.by_time.insert((full_at, client));
        Ok(())
    }

    /// How many buckets are kept.
    pub fn len(&self) -> usize {
        self.full_at.len()
    }

    pub fn is_empty(&self) -> bool {
        self.full_at.is_empty()
    }

    /// Evicts up to two buckets: those that have refilled (dropping them changes nothing), else, if the table is at its
    /// limit, the fullest. Two per insert, so the table shrinks again after a burst.
    fn evict(&mut self, now: u128) {
        for _ in 0..2 {
            let Some((full_at, client)) = self.by_time.first().copied() else {
                return;
            };
            if full_at <= now || self.full_at.len() >= self.limit.max(1) {
                self.by_time.remove(&(full_at, client));
                self.full_at.remove(&client);
            }
        }
    }

    /// When the client's bucket is full again after taking `count` tokens, in ticks.
    fn full_at_after(&self, client: ClientAddr, count: u64, now: u128) -> u128 {
        let full_at = self.full_at.get(&client).copied().unwrap_or(0);
        let count = count.min(self.rate.burst);
        full_at.max(now) + u128::from(count) * u128::from(HOUR_MS)
    }

    fn ticks(&self, ms: u64) -> u128 {
        u128::from(ms) * u128::from(self.rate.per_hour.max(1))
    }

    /// How long an empty bucket takes to refill, in ticks.
    fn refill_ticks(&self) -> u128 {
        u128::from(self.rate.burst) * u128::from(HOUR_MS)
    }
}
