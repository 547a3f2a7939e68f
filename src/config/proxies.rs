//! Trusted proxies: the peers whose `X-Forwarded-For` is believed.

use std::net::IpAddr;

/// A network: an address, and the length of its prefix in bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Net {
    address: IpAddr,
    bits: u8,
}

/// The peers that may name a client in `X-Forwarded-For`; none by default.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Proxies {
    /// Peers through a unix socket.
    unix: bool,
    nets: Vec<Net>,
}

impl Proxies {
    /// Reads a list with commas of addresses, networks, `loopback` and `unix`; none where an item is something else.
    pub fn read(list: &str) -> Option<Proxies> {
        let mut proxies = Proxies::default();
        for word in list.split(',').map(str::trim) {
            match word {
                "unix" => proxies.unix = true,
                "loopback" => proxies
                    .nets
                    .extend(["127.0.0.0/8", "::1"].map(net).into_iter().flatten()),
                _ => proxies.nets.push(net(word)?),
            }
        }
        Some(proxies)
    }

    /// True where the peer is one of them. A peer through a unix socket has no address.
    pub fn trust(&self, peer: Option<IpAddr>) -> bool {
        match peer {
            None => self.unix,
            Some(address) => self.nets.iter().any(|net| net.holds(address)),
        }
    }
}

/// Reads a network. A prefix of 0 bits is refused: every client would be believed.
fn net(word: &str) -> Option<Net> {
    let (address, bits) = match word.split_once('/') {
        None => (word.parse::<IpAddr>().ok()?.to_canonical(), None),
        Some((address, bits)) => (address.parse().ok()?, Some(bits.parse().ok()?)),
    };
    let most = if address.is_ipv4() { 32 } else { 128 };
    let bits = bits.unwrap_or(most);
    (1..=most).contains(&bits).then_some(Net { address, bits })
}

impl Net {
    fn holds(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(of), IpAddr::V4(v4)) => {
                (of.to_bits() ^ v4.to_bits()) >> (32 - self.bits) == 0
            }
            (IpAddr::V6(of), IpAddr::V6(v6)) => {
                (of.to_bits() ^ v6.to_bits()) >> (128 - self.bits) == 0
            }
            _ => false,
        }
    }
}
