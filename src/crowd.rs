//! How many connections each address has: a few clients must not fill the room of all.

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whose connections are counted together: an IPv4 address, or an IPv6 network of 64 bits, which
/// is what one customer of a provider has at least.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Home {
    V4(u32),
    V6(u64),
}

impl Home {
    /// None for the loopback: all clients of a proxy on this machine come from there.
    pub fn of(address: IpAddr) -> Option<Home> {
        match address.to_canonical() {
            IpAddr::V4(v4) if v4 == std::net::Ipv4Addr::LOCALHOST => None,
            IpAddr::V6(v6) if v6.is_loopback() => None,
            IpAddr::V4(v4) => Some(Home::V4(v4.to_bits())),
            IpAddr::V6(v6) => Some(Home::V6((v6.to_bits() >> 64) as u64)),
        }
    }
}

impl fmt::Display for Home {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Home::V4(bits) => Ipv4Addr::from_bits(*bits).fmt(out),
            Home::V6(bits) => write!(out, "{}/64", Ipv6Addr::from_bits(u128::from(*bits) << 64)),
        }
    }
}

/// What becomes of one more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    Welcome,
    /// Over the limit: to be told so.
    Refused,
    /// Twice over it: not even that.
    Dropped,
}

#[derive(Debug)]
pub struct Crowd {
    limit: usize,
    counts: HashMap<Home, usize>,
}

impl Crowd {
    pub fn new(limit: usize) -> Crowd {
        Crowd {
            limit,
            counts: HashMap::new(),
        }
    }

    /// Counts one more, unless it is dropped.
    pub fn enter(&mut self, home: Option<Home>) -> Entry {
        let Some(home) = home else {
            return Entry::Welcome;
        };
        let count = self.counts.entry(home).or_default();
        if *count >= 2 * self.limit {
            return Entry::Dropped;
        }
        *count += 1;
        match *count > self.limit {
            true => Entry::Refused,
            false => Entry::Welcome,
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
    }

    #[test]
    fn who_has_too_many_is_refused_then_dropped_and_let_in_again() {
        let mut crowd = Crowd::new(2);
        let (a, b) = (home("192.0.2.1"), home("192.0.2.2"));
        let entries: Vec<Entry> = (0..6).map(|_| crowd.enter(a)).collect();
        use Entry::{Dropped, Refused, Welcome};
        assert_eq!(
            entries,
            [Welcome, Welcome, Refused, Refused, Dropped, Dropped]
        );
        assert_eq!(crowd.enter(b), Welcome);
        assert_eq!(crowd.enter(None), Welcome);
        for _ in 0..3 {
            crowd.leave(a);
        }
        assert_eq!(crowd.enter(a), Welcome);
        for home in [a, a, b, None] {
            crowd.leave(home);
        }
        assert!(crowd.is_empty());
    }
}
