//! The limits of connections by address: how many at once, and how many in a time.

use zigcheck::base::client_addr::ClientAddr;
use zigcheck::base::token_bucket::Rate;
use zigcheck::shell::connection_limiter::{Admittance, ConnectionLimiter};

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
