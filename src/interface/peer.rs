//! The other end of a connection.

use std::net::IpAddr;

/// From where a client is connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    Address(IpAddr),
    /// Through a unix socket, which has no addresses.
    Unix,
    /// Through the admin socket, which only this server's user and root can open: this one has.
    Admin {
        uid: u32,
    },
}

impl Peer {
    /// None through a unix socket.
    pub fn address(self) -> Option<IpAddr> {
        match self {
            Peer::Address(address) => Some(address),
            Peer::Unix | Peer::Admin { .. } => None,
        }
    }

    pub fn is_admin(self) -> bool {
        matches!(self, Peer::Admin { .. })
    }
}

impl From<Option<IpAddr>> for Peer {
    fn from(address: Option<IpAddr>) -> Peer {
        address.map_or(Peer::Unix, Peer::Address)
    }
}
