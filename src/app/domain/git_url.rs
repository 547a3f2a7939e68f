//! The git URLs and refs that may reach a `git` command line.

use crate::app::domain::page_url::{self, Place};
use crate::config::settings::Hosts;

/// What a submitted URL names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitUrl {
    /// The URL to fetch from.
    pub url: String,
    /// The repository's name: the last part of the path, without `.git`.
    pub name: String,
    /// Owner and name as one name, for a package whose short name is taken.
    pub long_name: String,
    /// The branch, tag or commit of the page, if the URL is that of a page.
    pub reference: Option<String>,
    /// The folder that the page shows, if it is not the root.
    pub dir: Option<String>,
}

const SCHEMES: &str = "must start with https:// (or http://, git://, ssh://git@, git@)";

/// What a submitted URL names, or the reason why it is refused.
///
/// Accepted: `https://HOST[:PORT]/PATH`, and likewise `http://` and `git://`, all only for the hosts that the owner of
/// the server allows: the last two have no protection against tampering on the way. The server has no keys, so
/// `ssh://git@HOST/PATH` and `git@HOST:PATH` are fetched from `https://HOST/PATH`. The URL of a page that shows a
/// branch, a tag or a commit names the repository and that. A branch with a slash in its name is recognized by
/// `reference`, what was submitted beside the URL: otherwise the branch is the first part, and the rest is a folder.
pub fn parse(url: &str, reference: Option<&str>, hosts: &Hosts) -> Result<GitUrl, String> {
    if url.starts_with('-') {
        return Err("must not start with -".to_string());
    }
    let plain =
        |b: u8| b.is_ascii_graphic() && !matches!(b, b'"' | b'\'' | b'\\' | b'`' | b'<' | b'>');
    if !url.bytes().all(plain) {
        return Err("must be plain ASCII without white space or quotes".to_string());
    }
    let url = https_of_ssh(url).unwrap_or_else(|| url.to_string());
    let (scheme, rest) = url.split_once("://").ok_or(SCHEMES)?;
    let scheme = scheme.to_ascii_lowercase();
    let scheme = match scheme.strip_prefix("git+").unwrap_or(&scheme) {
        scheme @ ("https" | "http" | "git") => scheme,
        _ => return Err(SCHEMES.to_string()),
    };
    let (authority, path) = rest.split_once('/').ok_or("must name a repository")?;
    if authority.contains('@') {
        return Err("must not contain credentials".to_string());
    }
    let authority = &reachable(authority, host(authority)?, hosts)?;
    if let Some(end) = path.find(['?', '#']) {
        let path = &path[..end];
        return Err(format!(
            "must not contain ? or #; send {scheme}://{authority}/{path}, and a branch or tag as ref"
        ));
    }
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let root = format!("{scheme}://{authority}");
    let (url, page) = match page_url::place(&plain_host(authority), &parts)? {
        Place::Repository => (format!("{root}/{path}"), None),
        Place::Page { depth, shown } => {
            let repository = parts[..depth].join("/");
            (format!("{root}/{repository}"), shown)
        }
        Place::Other { depth } => {
            let repository = parts[..depth].join("/");
            return Err(format!(
                "is a page of a repository; send {root}/{repository}, and a branch or tag as ref"
            ));
        }
    };
    let whole = url[root.len()..].trim_matches('/');
    let (owner, last) = whole
        .rsplit_once('/')
        .unwrap_or((authority.as_str(), whole));
    let name = last.strip_suffix(".git").unwrap_or(last).to_string();
    if name.is_empty() {
        return Err("must name a repository".to_string());
    }
    let long_name = long_name(owner, &name);
    let (reference, dir) = match page {
        None => (None, None),
        Some(shown) => shown.split(reference)?,
    };
    Ok(GitUrl {
        url,
        name,
        long_name,
        reference,
        dir,
    })
}

/// `OWNER-NAME`, in the characters of a package's name.
fn long_name(owner: &str, name: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let both = format!("{}-{name}", owner.trim_start_matches('~'));
    both.replace(|c| !is_plain(c), "-")
}

/// The URL of the web for one of ssh; none for any other. The port of ssh is not that of the web.
fn https_of_ssh(url: &str) -> Option<String> {
    let (authority, path) = match url.split_once("://") {
        Some((scheme, rest)) => {
            let scheme = scheme.to_ascii_lowercase();
            if !matches!(scheme.as_str(), "ssh" | "git+ssh") {
                return None;
            }
            rest.split_once('/')?
        }
        // `git@host:path`, as git writes it.
        None => url.strip_prefix("git@")?.split_once(':')?,
    };
    let authority = authority.strip_prefix("git@").unwrap_or(authority);
    let end = authority.find(']').map_or(0, |at| at + 1);
    let port = authority[end..].find(':').map(|at| end + at);
    let host = &authority[..port.unwrap_or(authority.len())];
    Some(format!("https://{host}/{}", path.trim_start_matches('/')))
}

/// The authority, if its host is allowed: as it stands or, if only that is allowed, without `www.`.
fn reachable(authority: &str, host: &str, hosts: &Hosts) -> Result<String, String> {
    let Hosts::These(allowed) = hosts else {
        return Ok(authority.to_string());
    };
    if hosts.allow(host) {
        return Ok(authority.to_string());
    }
    let is_www = host
        .get(..4)
        .is_some_and(|four| four.eq_ignore_ascii_case("www."));
    match is_www && hosts.allow(&host[4..]) {
        true => Ok(authority[4..].to_string()),
        false => Err(format!("the host must be one of {}", allowed.join(", "))),
    }
}

/// The host in lower case, without port and `www.`.
fn plain_host(authority: &str) -> String {
    let host = host(authority).unwrap_or("").to_ascii_lowercase();
    host.strip_prefix("www.").unwrap_or(&host).to_string()
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
