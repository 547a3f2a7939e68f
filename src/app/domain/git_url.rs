//! Which git URLs and refs may reach a `git` command line.

use crate::config::settings::Hosts;

/// The name of the repository a URL names, or why the URL is refused.
///
/// Taken: `https://HOST[:PORT]/PATH`, and, since neither is protected against what lies between,
/// `http://` and `git://` only to hosts the owner of the server named.
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
        return Err("must not hold credentials".to_string());
    }
    let host = host(authority)?;
    if !hosts.allow(host) {
        return Err(match hosts {
            Hosts::These(known) => format!("the host must be one of {}", known.join(", ")),
            Hosts::Any => unreachable!("any host is allowed"),
        });
    }
    if path.contains(['?', '#']) {
        return Err("must not hold ? or #: a branch or tag goes into ref".to_string());
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

/// A branch, a tag or a commit, as `git check-ref-format` has it, and nothing that could be an
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
