//! Client addresses, as limits on clients use them.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The clients that limits count as one: an IPv4 address, or an IPv6 /64, the least that a provider gives one customer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ClientAddr {
    V4(u32),
    V6(u64),
}

impl ClientAddr {
    /// The client behind a peer's address; none for the loopback, which all clients of a proxy on this machine share.
    pub fn of(address: IpAddr) -> Option<ClientAddr> {
        let here = [
            IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(Ipv6Addr::LOCALHOST),
        ];
        (!here.contains(&address.to_canonical())).then(|| ClientAddr::from_forwarded(address))
    }

    /// The client behind an address that a proxy named. The loopback counts like any other address.
    pub fn from_forwarded(address: IpAddr) -> ClientAddr {
        match address.to_canonical() {
            IpAddr::V4(v4) => ClientAddr::V4(v4.to_bits()),
            IpAddr::V6(v6) => ClientAddr::V6((v6.to_bits() >> 64) as u64),
        }
    }
}

impl fmt::Display for ClientAddr {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        match self {
            ClientAddr::V4(bits) => Ipv4Addr::from_bits(*bits).fmt(out),
            ClientAddr::V6(bits) => {
                write!(out, "{}/64", Ipv6Addr::from_bits(u128::from(*bits) << 64))
            }
        }
    }
}
