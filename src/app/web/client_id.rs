//! Who asks: the address a request comes from, or the one that a trusted proxy says.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::base::client_addr::ClientAddr;
use crate::config::proxies::Proxies;
use crate::interface::message::{Head, values};

/// Whose request that is; none where nothing is counted: it comes from this machine, and no
/// trusted proxy has said for whom.
///
/// Each proxy adds the address it was spoken to from at the end of `X-Forwarded-For`, so the last
/// address in it that is no proxy of ours is the last one that anybody knows of. What stands
/// before that is the client's own word. A list that cannot be read says nothing: then it is the
/// proxy that asks, and it is counted, wherever it is.
pub fn identify(peer: Option<IpAddr>, head: &Head, proxies: &Proxies) -> Option<ClientAddr> {
    let own = || peer.and_then(ClientAddr::of);
    if !proxies.trust(peer) {
        return own();
    }
    let lines = values(&head.headers, "x-forwarded-for");
    if lines.is_empty() {
        return own();
    }
    let mut words = lines.iter().rev().flat_map(|line| line.rsplit(','));
    let said = words.find_map(|word| match address(word.trim()) {
        Some(address) if proxies.trust(Some(address)) => None,
        said => Some(said),
    });
    let proxy = peer.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
    Some(ClientAddr::from_forwarded(said.flatten().unwrap_or(proxy)))
}

/// An address, as some proxies write it with a port.
fn address(word: &str) -> Option<IpAddr> {
    let bare = word
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    let bare = bare.filter(|text| text.contains(':')).unwrap_or(word);
    let address = bare.parse::<IpAddr>().ok();
    address.or_else(|| Some(word.parse::<SocketAddr>().ok()?.ip()))
}

/// As whom the queue knows who asks: all who come from this machine are one party.
pub fn tenant(client: Option<ClientAddr>) -> String {
    client.map(|client| client.to_string()).unwrap_or_default()
}
