//! Networks of client addresses, as quotas name them.

use std::fmt;
use std::net::IpAddr;

use crate::base::client_addr::ClientAddr;

/// An address, or all that begin with the same bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientNet {
    /// The first address.
    first: ClientAddr,
    bits: u32,
}

/// Bits of an IPv4 address, and those of an IPv6 address that tell clients apart.
const WIDTHS: (u32, u32) = (32, 64);

impl ClientNet {
    /// The network of `ADDRESS` or `ADDRESS/BITS`. An IPv6 address alone is its /64, which is one client. None: it is
    /// no network, or one within a /64.
    pub fn parse(text: &str) -> Option<ClientNet> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse().ok()?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let client = ClientAddr::from_forwarded(address);
        let width = width(client);
        let bits = bits.unwrap_or(width);
        // A mapped address has bits of another length than it seems.
        let is_mapped = address.is_ipv6() && matches!(client, ClientAddr::V4(_));
        (bits <= width && !is_mapped).then(|| ClientNet {
            first: masked(client, bits),
            bits,
        })
    }

    pub fn contains(&self, client: ClientAddr) -> bool {
        masked(client, self.bits.min(width(client))) == self.first
    }

    /// How many bits its addresses share: of two networks with one client the one with more is the nearer.
    pub fn bits(&self) -> u32 {
        self.bits
    }
}

fn width(client: ClientAddr) -> u32 {
    match client {
        ClientAddr::V4(_) => WIDTHS.0,
        ClientAddr::V6(_) => WIDTHS.1,
    }
}

fn masked(client: ClientAddr, bits: u32) -> ClientAddr {
    match client {
        ClientAddr::V4(all) => {
            ClientAddr::V4(all & u32::MAX.checked_shl(WIDTHS.0 - bits).unwrap_or(0))
        }
        ClientAddr::V6(all) => {
            ClientAddr::V6(all & u64::MAX.checked_shl(WIDTHS.1 - bits).unwrap_or(0))
        }
    }
}

impl fmt::Display for ClientNet {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        let first = self.first.to_string();
        let address = first.split('/').next().unwrap_or_default();
        match self.first {
            ClientAddr::V4(_) if self.bits == WIDTHS.0 => out.write_str(address),
            _ => write!(out, "{address}/{}", self.bits),
        }
    }
}
