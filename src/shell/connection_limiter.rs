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

#[cfg(test)]
mod tests {
    use super::*;

    fn client(text: &str) -> Option<ClientAddr> {
        ClientAddr::of(text.parse().unwrap())
    }

    #[test]
    fn networks_are_counted_as_one_and_the_loopback_not_at_all() {
        assert_eq!(client("127.0.0.1"), None);
        assert_eq!(client("::1"), None);
        assert_eq!(client("::ffff:127.0.0.1"), None);
        assert_ne!(client("127.0.0.2"), None);
        assert_eq!(client("::ffff:192.0.2.1"), client("192.0.2.1"));
        assert_eq!(client("2001:db8::1"), client("2001:db8::2:0:0:1"));
        assert_ne!(client("2001:db8::1"), client("2001:db8:0:1::1"));
        assert_ne!(client("192.0.2.1"), client("192.0.2.2"));
        let forwarded = |text: &str| ClientAddr::from_forwarded(text.parse().unwrap());
        assert_eq!(forwarded("::ffff:127.0.0.1"), ClientAddr::V4(0x7f00_0001));
        assert_eq!(forwarded("::1"), ClientAddr::V6(0));
        assert_eq!(Some(forwarded("192.0.2.1")), client("192.0.2.1"));
    }

    #[test]
    fn over_the_limit_connections_are_refused_then_dropped_until_others_leave() {
        let rate = Rate {
            burst: 100,
            per_hour: 1,
        };
        let mut limiter = ConnectionLimiter::new(2, 9, rate, 10);
        let (a, b) = (client("192.0.2.1"), client("192.0.2.2"));
        let entries: Vec<Admittance> = (0..6).map(|_| limiter.enter(a, 0)).collect();
        use Admittance::{Admitted, Dropped};
        let refused = Admittance::Refused { retry_ms: 9 };
        assert_eq!(
            entries,
            [Admitted, Admitted, refused, refused, Dropped, Dropped]
        );
        assert_eq!(limiter.enter(b, 0), Admitted);
        assert_eq!(limiter.enter(None, 0), Admitted);
        for _ in 0..3 {
            limiter.leave(a);
        }
        assert_eq!(limiter.enter(a, 0), Admitted);
        for client in [a, a, b, None] {
            limiter.leave(client);
        }
        assert!(limiter.is_empty());
    }

    #[test]
    fn over_the_rate_connections_are_refused_until_the_bucket_refills() {
        let rate = Rate {
            burst: 2,
            per_hour: 3_600,
        };
        let mut limiter = ConnectionLimiter::new(100, 9, rate, 10);
        let (a, b) = (client("192.0.2.1"), client("192.0.2.2"));
        let mut connect = |client, now_ms| {
            let entry = limiter.enter(client, now_ms);
            limiter.leave(client);
            entry
        };
        use Admittance::{Admitted, Refused};
        assert_eq!([connect(a, 0), connect(a, 0)], [Admitted; 2]);
        assert_eq!(connect(a, 100), Refused { retry_ms: 900 });
        assert_eq!(connect(b, 100), Admitted);
        assert_eq!(connect(a, 1_000), Admitted);
        assert_eq!(connect(a, 1_001), Refused { retry_ms: 999 });
        for _ in 0..9 {
            assert_eq!(connect(None, 1_001), Admitted);
        }
    }
}
