//! How much each address may ask for in a time: token buckets, as many as a table holds.

use std::collections::{BTreeSet, HashMap};

use crate::base::client_addr::ClientAddr;

const HOUR_MS: u64 = 3_600_000;

/// What a bucket holds when it is full, and how much comes into it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    pub burst: u64,
    /// At least 1.
    pub per_hour: u64,
}

/// A bucket for each address that has taken something lately; any other's is full.
///
/// Of a bucket it is kept when it is full again, in ticks of which one millisecond has `per_hour`
/// and one token `HOUR_MS`: all sums are of whole numbers.
#[derive(Debug)]
pub struct Buckets {
    rate: Rate,
    limit: usize,
    full_at: HashMap<ClientAddr, u128>,
    /// The same, the fullest first: those are forgotten first.
    by_time: BTreeSet<(u128, ClientAddr)>,
}

impl Buckets {
    /// At most `limit` buckets that are not full; at least one.
    pub fn new(rate: Rate, limit: usize) -> Buckets {
        Buckets {
            rate,
            limit,
            full_at: HashMap::new(),
            by_time: BTreeSet::new(),
        }
    }

    /// How long until so much is in the bucket of that address: 0 where it is there. More than a
    /// bucket holds counts as a full one.
    pub fn wait_ms(&self, client: ClientAddr, count: u64, now_ms: u64) -> u64 {
        let now = self.ticks(now_ms);
        let over = self
            .taken(client, count, now)
            .saturating_sub(now + self.whole());
        let wait = over.div_ceil(u128::from(self.rate.per_hour.max(1)));
        u64::try_from(wait).unwrap_or(u64::MAX)
    }

    /// Takes so much, or says how long it is not there yet.
    pub fn take(&mut self, client: ClientAddr, count: u64, now_ms: u64) -> Result<(), u64> {
        match self.wait_ms(client, count, now_ms) {
            0 => {}
            wait_ms => return Err(wait_ms),
        }
        let now = self.ticks(now_ms);
        let taken = self.taken(client, count, now);
        if let Some(before) = self.full_at.remove(&client) {
            self.by_time.remove(&(before, client));
        }
        self.forget(now);
        self.full_at.insert(client, taken);
        self.by_time.insert((taken, client));
        Ok(())
    }

    /// How many buckets are kept.
    pub fn len(&self) -> usize {
        self.full_at.len()
    }

    pub fn is_empty(&self) -> bool {
        self.full_at.is_empty()
    }

    /// Makes room for one. Who is full again loses nothing by it; where nobody is, the one who
    /// lacks least is given that. Two at a time, so that a table that was full once empties.
    fn forget(&mut self, now: u128) {
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

    /// When that bucket is full again if so much more is taken.
    fn taken(&self, client: ClientAddr, count: u64, now: u128) -> u128 {
        let full_at = self.full_at.get(&client).copied().unwrap_or(0);
        let count = count.min(self.rate.burst);
        full_at.max(now) + u128::from(count) * u128::from(HOUR_MS)
    }

    fn ticks(&self, ms: u64) -> u128 {
        u128::from(ms) * u128::from(self.rate.per_hour.max(1))
    }

    fn whole(&self) -> u128 {
        u128::from(self.rate.burst) * u128::from(HOUR_MS)
    }
}
