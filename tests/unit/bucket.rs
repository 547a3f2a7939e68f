//! Token buckets: against a naive model by chance, and what a full table forgets.

use std::collections::BTreeMap;

use crate::common::seed::Seed;
use zigcheck::base::client_addr::ClientAddr;
use zigcheck::base::token_bucket::{Buckets, Rate};

const HOUR_MS: u64 = 3_600_000;

/// Each bucket filled millisecond by millisecond, as one would by hand; a token has `HOUR_MS` drops.
struct Naive {
    rate: Rate,
    drops: BTreeMap<ClientAddr, u64>,
}

impl Naive {
    fn passes(&mut self, ms: u64) {
        let whole = self.rate.burst * HOUR_MS;
        for drops in self.drops.values_mut() {
            for _ in 0..ms {
                *drops = (*drops + self.rate.per_hour).min(whole);
            }
        }
    }

    /// Whether so much is there, and then it is taken.
    fn take(&mut self, client: ClientAddr, count: u64) -> bool {
        let whole = self.rate.burst * HOUR_MS;
        let drops = self.drops.entry(client).or_insert(whole);
        let wanted = count.min(self.rate.burst) * HOUR_MS;
        let there = *drops >= wanted;
        if there {
            *drops -= wanted;
        }
        there
    }
}

#[test]
fn buckets_do_what_a_naive_model_does() {
    let (mut granted, mut refused) = (0, 0);
    for nth in 0..300 {
        let mut seed = Seed(nth);
        let rate = Rate {
            burst: seed.between(1, 9) as u64,
            // From one in five hours' worth of this test to some in each of its steps.
            per_hour: *seed.pick(&[1, 7, 3_600, 40_000, 3_600_000, 9_999_999]),
        };
        let mut buckets = Buckets::new(rate, 100);
        let mut naive = Naive {
            rate,
            drops: BTreeMap::new(),
        };
        let mut now_ms = seed.below(1 << 40) as u64;
        for step in 0..200 {
            let passed = seed.below(400) as u64;
            now_ms += passed;
            naive.passes(passed);
            let client = ClientAddr::V4(seed.below(4) as u32);
            let count = seed.between(1, 10) as u64;
            let looked = buckets.wait_ms(client, count, now_ms);
            let taken = buckets.take(client, count, now_ms);
            assert_eq!(taken.err().unwrap_or(0), looked, "seed {nth}, step {step}");
            let there = naive.take(client, count);
            assert_eq!(taken.is_ok(), there, "seed {nth}, step {step}");
            match taken {
                Ok(()) => granted += 1,
                Err(wait_ms) => {
                    refused += 1;
                    // It is there then, and not a millisecond before.
                    assert_eq!(buckets.wait_ms(client, count, now_ms + wait_ms), 0);
                    assert_eq!(buckets.wait_ms(client, count, now_ms + wait_ms - 1), 1);
                }
            }
        }
    }
    assert!(granted > 5_000 && refused > 5_000, "{granted} {refused}");
}

#[test]
fn a_full_table_forgets_who_lacks_least() {
    let rate = Rate {
        burst: 10,
        per_hour: 3_600,
    };
    let mut buckets = Buckets::new(rate, 3);
    let [a, b, c, d] = [1, 2, 3, 4].map(ClientAddr::V4);
    for (client, count) in [(a, 10), (b, 2), (c, 5)] {
        assert_eq!(buckets.take(client, count, 0), Ok(()));
    }
    assert_eq!(buckets.take(d, 10, 0), Ok(()));
    assert_eq!(buckets.len(), 3);
    assert_eq!(
        buckets.take(a, 1, 0),
        Err(1_000),
        "who has taken most is known"
    );
    assert_eq!(
        buckets.wait_ms(b, 10, 0),
        0,
        "who lacked least has all again"
    );
    assert_eq!(buckets.wait_ms(c, 6, 0), 1_000);
    // A bucket that has refilled is evicted.
    assert_eq!(buckets.take(a, 1, 20_000), Ok(()));
    assert_eq!(buckets.len(), 1);
}

/// Somebody with a network of addresses fills the table, and no more than that.
#[test]
fn the_table_never_grows_over_its_limit() {
    let rate = Rate {
        burst: 3,
        per_hour: 1,
    };
    let mut buckets = Buckets::new(rate, 1_000);
    let one = ClientAddr::V4(7);
    for _ in 0..3 {
        assert_eq!(buckets.take(one, 1, 0), Ok(()));
    }
    for nth in 0..100_000 {
        assert_eq!(buckets.take(ClientAddr::V6(nth), 1, nth), Ok(()));
    }
    assert_eq!(buckets.len(), 1_000);
    assert!(buckets.take(one, 1, 100_000).is_err(), "known all the same");
}
