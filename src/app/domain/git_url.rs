//! The git URLs and refs that may reach a `git` command line.

use crate::config::settings::Hosts;

/// The last part of the path of a URL (the repository's name), or the reason why the URL is refused.
///
/// Accepted: `https://HOST[:PORT]/PATH`, and likewise `http://` and `git://`, all only for the hosts that the owner of
/// the server allows: the last two have no protection against tampering on the way.
pub fn check(url: &str, hosts: &Hosts) -> Result<String, String> {
    if url.starts_with('-') {
        return Err("must not start with -".to_string());
    }
    let plain =
        |b: u8| b.is_ascii_graphic() && !matches!(b, b'"' | b'\'' | b'\\' | b'`' | b'<' | b'>');
    if !url.bytes().all(plain) {
        return Err("must be plain ASCII without white space or quotes".to_string());
    }
    let schemes = "must start with https:// (or http://, git://)";
    let (scheme, rest) = url.split_once("://").ok_or(schemes)?;
    if !matches!(scheme, "https" | "http" | "git") {
        return Err(schemes.to_string());
    }
    let (authority, path) = rest.split_once('/').ok_or("must name a repository")?;
    if authority.contains('@') {
        return Err("must not contain credentials".to_string());
    }
    let host = host(authority)?;
    if let Hosts::These(allowed) = hosts
        && !hosts.allow(host)
    {
        return Err(format!("the host must be one of {}", allowed.join(", ")));
    }
    if path.contains(['?', '#']) {
        return Err("must not contain ? or #; a branch or tag goes into ref".to_string());
    }
    let last = path.trim_end_matches('/').rsplit('/').next().unwrap_or("");
    let name = last.strip_suffix(".git").unwrap_or(last);
    if name.is_empty() {
        return Err("must name a repository".to_string());
    }
    Ok(name.to_string())
}

/// The host of `HOST`, `HOST:PORT` or `[V6]:PORT`, without the port.
fn host(authority: &str) -> Result<&str, String> {
    let after_v6 = authority.find(']').map_or(0, |at| at + 1);
    let (host, port) = match authority[after_v6..].split_once(':') {
        None => (authority, None),
        Some((rest, port)) => (&authority[..after_v6 + rest.len()], Some(port)),
    };
    let host_ok = match host.strip_prefix('[').and_then(|h| h.strip_suffix(']')) {
        Some(v6) => v6.parse::<std::net::Ipv6Addr>().is_ok(),
        None => {
            let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-');
            !host.is_empty() && !host.starts_with('-') && host.bytes().all(plain)
        }
    };
    let port_ok =
        port.is_none_or(|p| p.bytes().all(|b| b.is_ascii_digit()) && p.parse::<u16>().is_ok());
    if !host_ok || !port_ok {
        return Err("does not name a host".to_string());
    }
    Ok(host)
}

/// Accepts a branch, a tag or a commit by the rules of `git check-ref-format`, and nothing that git could take for an
/// option.
pub fn check_ref(reference: &str) -> Result<(), String> {
    let plain = |b: u8| b.is_ascii_graphic() && !b"~^:?*[\\\"'`".contains(&b);
    let parts = || reference.split('/');
    let good = !reference.starts_with('-')
        && reference.bytes().all(plain)
        && !reference.contains("..")
        && !reference.contains("@{")
        && !reference.ends_with('.')
        && parts()
            .all(|part| !part.is_empty() && !part.starts_with('.') && !part.ends_with(".lock"));
    match good {
        true => Ok(()),
        false => Err("must be a branch, a tag or a commit".to_string()),
    }
}
