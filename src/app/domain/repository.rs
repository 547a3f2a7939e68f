//! Which repository a URL means, and whose it is: many URLs lead to one.

use crate::app::domain::limits::USES_LIMIT;
use crate::config::limits::DEPENDENCY_URL_LIMIT_BYTES;

/// Hosts that know a repository by the first two parts of a path, whatever follows.
const OWNER_AND_NAME: [&str; 4] = ["github.com", "codeberg.org", "git.sr.ht", "bitbucket.org"];

/// How the names of archives end: a URL of a git repository hardly does.
const ARCHIVES: [&str; 10] = [
    ".tar", ".tar.gz", ".tgz", ".tar.xz", ".txz", ".tar.zst", ".tzst", ".tar.bz2", ".zip", ".jar",
];

/// Under a repository's own path, where servers keep its archives: Forgejo and sourcehut, cgit,
/// Gitiles; releases of any of them.
const ABOVE_ARCHIVES: [&str; 4] = ["archive", "snapshot", "+archive", "releases"];

/// The URL of the repository that a URL names or has an archive of, in the one form that all of
/// them have in common: `https://host/path`, without credentials, query and `.git`; in lower case
/// where the host does not tell cases apart. A URL of anything else comes out as itself in that
/// form. None for what is no URL of the web or of git.
///
/// ```text
/// git+https://GitHub.com/A/b.git?ref=v1#0a1b     https://github.com/a/b
/// https://github.com/A/b/archive/v1.tar.gz       https://github.com/a/b
/// https://gitlab.com/g/h/P/-/archive/v1/P.zip    https://gitlab.com/g/h/P
/// ```
pub fn repository(url: &str) -> Option<String> {
    let mut one = formed(url)?;
    // Below what was taken away may be more of it (`b.git.git`, `-.git`): what comes out means itself.
    // Each time it is shorter.
    loop {
        let next = formed(&one)?;
        if next == one {
            return Some(one);
        }
        one = next;
    }
}

fn formed(url: &str) -> Option<String> {
    let plain = url.bytes().all(|b| b.is_ascii_graphic());
    if !plain || url.len() > DEPENDENCY_URL_LIMIT_BYTES {
        return None;
    }
    let end = url.find(['?', '#']).unwrap_or(url.len());
    let (scheme, rest) = url[..end].split_once("://")?;
    let scheme = scheme.to_ascii_lowercase();
    let scheme = scheme.strip_prefix("git+").unwrap_or(&scheme);
    let default_port = match scheme {
        "https" => ":443",
        "http" => ":80",
        "git" => ":9418",
        "ssh" => ":22",
        _ => return None,
    };
    let (authority, path) = rest.split_once('/')?;
    let host = authority.rsplit('@').next().unwrap_or("");
    let host = host.to_ascii_lowercase();
    let host = host.strip_suffix(default_port).unwrap_or(&host);
    // What comes out is https: its port is said of none.
    let host = host.trim_end_matches(":443");
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let (host, parts) = at_home(host, &parts);
    let parts = above_archive(host, parts);
    let (last, above) = parts.split_last()?;
    let last = last.strip_suffix(".git").unwrap_or(last);
    if host.is_empty() || last.is_empty() {
        return None;
    }
    let mut path: String = above.iter().flat_map(|part| [*part, "/"]).collect();
    path += last;
    if host == "github.com" {
        path.make_ascii_lowercase();
    }
    Some(format!("https://{host}/{path}"))
}

/// Where a repository is at home, of which another host of the same house has archives.
fn at_home<'h, 'p>(host: &'h str, parts: &'p [&'p str]) -> (&'h str, &'p [&'p str]) {
    match (host, parts) {
        ("api.github.com", ["repos", rest @ ..]) => ("github.com", rest),
        ("codeload.github.com" | "www.github.com", parts) => ("github.com", parts),
        (host, parts) => (host, parts),
    }
}

/// The parts of a path as far as the repository's own path.
fn above_archive<'p>(host: &str, parts: &'p [&'p str]) -> &'p [&'p str] {
    if OWNER_AND_NAME.contains(&host) {
        return &parts[..parts.len().min(2)];
    }
    // GitLab has it behind a dash, or had it once beside the files.
    let dash = parts.iter().position(|part| *part == "-");
    let beside = parts.windows(2).position(|two| {
        let [above, below] = two else { return false };
        *above == "repository" && below.starts_with("archive")
    });
    let is_archive = parts.last().is_some_and(|last| {
        let last = last.to_ascii_lowercase();
        ARCHIVES.iter().any(|end| last.ends_with(end))
    });
    let above = parts.iter().position(|part| ABOVE_ARCHIVES.contains(part));
    let above = above.filter(|_| is_archive);
    let end = [dash, beside, above].into_iter().flatten();
    let end = end.filter(|at| *at > 0).min();
    &parts[..end.unwrap_or(parts.len())]
}

/// Whose the repository of a package is: `host/first part of its path`, such as
/// `github.com/ziglang`.
pub fn owner(url: &str) -> String {
    let url = repository(url).unwrap_or_else(|| url.to_string());
    let (_, rest) = url.split_once("://").unwrap_or(("", &url));
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    // The same machine, whichever of its ports; an IPv6 address has colons of its own.
    let host = match host.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => host,
        _ => host,
    };
    let first = path.split('/').next().unwrap_or("");
    format!("{host}/{first}")
}

/// The repositories of those URLs, each once, in order; no more than are kept.
pub fn repositories(urls: &[String]) -> Vec<String> {
    let mut repositories: Vec<String> = urls.iter().filter_map(|url| repository(url)).collect();
    repositories.sort_unstable();
    repositories.dedup();
    repositories.truncate(USES_LIMIT);
    repositories
}
