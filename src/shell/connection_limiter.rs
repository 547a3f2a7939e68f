//! How many connections each address has, and how many come from it: a few clients must not fill the room of all.

use std::collections::HashMap;

use crate::base::client_addr::Home;
use crate::base::token_bucket::{Buckets, Rate};

#[derive(Debug)]
pub struct Crowd {
    limit: usize,
    /// What who has too many is told to wait.
    pause_ms: u64,
    counts: HashMap<Home, usize>,
    /// New ones of each address.
    arrivals: Buckets,
}

impl Crowd {
    /// So many at once from each address, and new ones at that rate; addresses remembered for it
    /// as `Buckets` does.
    pub fn new(limit: usize, pause_ms: u64, rate: Rate, remembered: usize) -> Crowd {
        Crowd {
            limit,
            pause_ms,
            counts: HashMap::new(),
            arrivals: Buckets::new(rate, remembered),
        }
    }

    /// Counts one more, unless it is dropped.
    pub fn enter(&mut self, home: Option<Home>, now_ms: u64) -> Entry {
        let Some(home) = home else {
            return Entry::Welcome;
        };
        let count = self.counts.entry(home).or_default();
        if *count >= 2 * self.limit {
            return Entry::Dropped;
        }
        *count += 1;
        if *count > self.limit {
            let retry_ms = self.pause_ms;
            return Entry::Refused { retry_ms };
        }
        match self.arrivals.take(home, 1, now_ms) {
            Ok(()) => Entry::Welcome,
            Err(retry_ms) => Entry::Refused { retry_ms },
        }
    }

    /// One that was not dropped has left.
    pub fn leave(&mut self, home: Option<Home>) {
        let Some(home) = home else { return };
        let count = self.counts.get_mut(&home).expect("it has entered");
        *count -= 1;
        if *count == 0 {
            self.counts.remove(&home);
        }
    }

    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home(text: &str) -> Option<Home> {
        Home::of(text.parse().unwrap())
    }

    #[test]
    fn networks_are_counted_as_one_and_the_loopback_not_at_all() {
        assert_eq!(home("127.0.0.1"), None);
        assert_eq!(home("::1"), None);
        assert_eq!(home("::ffff:127.0.0.1"), None);
        assert_ne!(home("127.0.0.2"), None);
        assert_eq!(home("::ffff:192.0.2.1"), home("192.0.2.1"));
        assert_eq!(home("2001:db8::1"), home("2001:db8::2:0:0:1"));
        assert_ne!(home("2001:db8::1"), home("2001:db8:0:1::1"));
        assert_ne!(home("192.0.2.1"), home("192.0.2.2"));
        let said = |text: &str| Home::said(text.parse().unwrap());
        assert_eq!(said("::ffff:127.0.0.1"), Home::V4(0x7f00_0001));
        assert_eq!(said("::1"), Home::V6(0));
        assert_eq!(Some(said("192.0.2.1")), home("192.0.2.1"));
    }

    #[test]
    fn who_has_too_many_is_refused_then_dropped_and_let_in_again() {
        let rate = Rate {
            burst: 100,
            per_hour: 1,
        };
        let mut crowd = Crowd::new(2, 9, rate, 10);
        let (a, b) = (home("192.0.2.1"), home("192.0.2.2"));
        let entries: Vec<Entry> = (0..6).map(|_| crowd.enter(a, 0)).collect();
        use Entry::{Dropped, Welcome};
        let refused = Entry::Refused { retry_ms: 9 };
        assert_eq!(
            entries,
            [Welcome, Welcome, refused, refused, Dropped, Dropped]
        );
        assert_eq!(crowd.enter(b, 0), Welcome);
        assert_eq!(crowd.enter(None, 0), Welcome);
        for _ in 0..3 {
            crowd.leave(a);
        }
        assert_eq!(crowd.enter(a, 0), Welcome);
        for home in [a, a, b, None] {
            crowd.leave(home);
        }
        assert!(crowd.is_empty());
    }

    #[test]
    fn who_comes_too_often_is_refused_until_there_is_room_again() {
        let rate = Rate {
            burst: 2,
            per_hour: 3_600,
        };
        let mut crowd = Crowd::new(100, 9, rate, 10);
        let (a, b) = (home("192.0.2.1"), home("192.0.2.2"));
        let mut come = |home, now_ms| {
            let entry = crowd.enter(home, now_ms);
            crowd.leave(home);
            entry
        };
        use Entry::{Refused, Welcome};
        assert_eq!([come(a, 0), come(a, 0)], [Welcome; 2]);
        assert_eq!(come(a, 100), Refused { retry_ms: 900 });
        assert_eq!(come(b, 100), Welcome);
        assert_eq!(come(a, 1_000), Welcome);
        assert_eq!(come(a, 1_001), Refused { retry_ms: 999 });
        for _ in 0..9 {
            assert_eq!(come(None, 1_001), Welcome);
        }
    }
}

/// What becomes of one more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    Welcome,
    /// Over a limit: to be told so, and when it makes sense to come again.
    Refused {
        retry_ms: u64,
    },
    /// Twice over it: not even that.
    Dropped,
}
