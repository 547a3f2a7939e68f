//! Which client a request counts for: its address, or the one that a trusted proxy reports.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::base::client_addr::ClientAddr;
use crate::config::proxies::Proxies;
use crate::interface::message::{Head, values};

/// The client of a request; none where clients are not counted: the request comes from this machine, and no
/// trusted proxy reports another address.
///
/// Each proxy appends the address of its client to `X-Forwarded-For`. The last address that is not a trusted proxy is
/// therefore the last one that a trusted proxy has seen; the client itself wrote what stands before it. An entry that
/// is no address ends the list: the request then counts for the proxy, even one on this machine.
pub fn identify(peer: Option<IpAddr>, head: &Head, proxies: &Proxies) -> Option<ClientAddr> {
    let lines = values(&head.headers, "x-forwarded-for");
    if lines.is_empty() || !proxies.trust(peer) {
        return peer.and_then(ClientAddr::of);
    }
    let mut entries = lines.iter().rev().flat_map(|line| line.rsplit(','));
    let first_untrusted = entries.find_map(|entry| match address(entry.trim()) {
        Some(address) if proxies.trust(Some(address)) => None,
        other => Some(other),
    });
    let proxy = peer.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let address = first_untrusted.flatten().unwrap_or(proxy);
    Some(ClientAddr::from_forwarded(address))
}

/// True where a request comes from this machine itself: over the loopback or a unix socket, and no header says that a
/// proxy forwards it, whether that is trusted or not.
pub fn is_local(peer: Option<IpAddr>, head: &Head) -> bool {
    let is_here = peer.is_none_or(|address| address.to_canonical().is_loopback());
    let mut names = head.headers.iter().map(|(name, _)| name.as_str());
    let is_forwarded = |name: &str| {
        matches!(name, "forwarded" | "via" | "x-real-ip") || name.starts_with("x-forwarded-")
    };
    is_here && !names.any(is_forwarded)
}

/// An address, with or without a port.
fn address(word: &str) -> Option<IpAddr> {
    let bare = word
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    let bare = bare.filter(|text| text.contains(':')).unwrap_or(word);
    let address = bare.parse::<IpAddr>().ok();
    address.or_else(|| Some(word.parse::<SocketAddr>().ok()?.ip()))
}

/// The tenant that a client is in the queue; all clients on this machine are one.
pub fn tenant(client: Option<ClientAddr>) -> String {
    client.map(|client| client.to_string()).unwrap_or_default()
}
