//! The canonical URL of a repository, and its owner.

use crate::app::domain::limits::USES_LIMIT;
use crate::app::domain::page_url::OWNER_AND_NAME;
use crate::config::limits::DEPENDENCY_URL_LIMIT_BYTES;

/// Hosts that ignore the case of a path. On any other, two paths that differ in case are two repositories.
const WITHOUT_CASE: [&str; 4] = ["github.com", "gitlab.com", "codeberg.org", "bitbucket.org"];

/// File name endings of archives, which a repository's own URL hardly has.
pub const ARCHIVE_SUFFIXES: [&str; 10] = [
    ".tar", ".tar.gz", ".tgz", ".tar.xz", ".txz", ".tar.zst", ".tzst", ".tar.bz2", ".zip", ".jar",
];

/// Path parts behind which servers keep the archives of a repository: Forgejo and sourcehut, cgit, Gitiles; releases of
/// any of them.
const ARCHIVE_FOLDERS: [&str; 4] = ["archive", "snapshot", "+archive", "releases"];

/// The canonical URL of the repository that `url` names, or whose archive it names: `https://host/path`, without
/// credentials, `www.`, default port, query and `.git`; in lower case if the host ignores case. It is the identity of a
/// package. Any other URL is returned in the same form. None if it is no URL of the web or of git.
///
/// ```text
/// git+https://GitHub.com/A/b.git?ref=v1#0a1b     https://github.com/a/b
/// https://github.com/A/b/archive/v1.tar.gz       https://github.com/a/b
/// https://gitlab.com/g/h/P/-/archive/v1/P.zip    https://gitlab.com/g/h/P
/// ```
pub fn repository(url: &str) -> Option<String> {
    let mut canonical = strip_once(url)?;
    // Repeated (`b.git.git`, `-.git`) until it is its own canonical form. Each round makes it shorter.
    loop {
        let next = strip_once(&canonical)?;
        if next == canonical {
            return Some(canonical);
        }
        canonical = next;
    }
}

/// The identity of a package with that URL: the canonical URL or, without one, the URL itself.
pub fn identity(url: &str) -> String {
    repository(url).unwrap_or_else(|| url.to_string())
}

fn strip_once(url: &str) -> Option<String> {
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
    // The result is https, so its default port goes as well.
    let host = host.trim_end_matches(":443");
    let host = host.strip_prefix("www.").unwrap_or(host);
    // The root of all names, which browsers keep.
    let host = host.strip_suffix('.').unwrap_or(host);
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let (host, parts) = canonical_host(host, &parts);
    let parts = strip_archive(host, parts);
    let (last, above) = parts.split_last()?;
    let last = last.strip_suffix(".git").unwrap_or(last);
    if host.is_empty() || last.is_empty() {
        return None;
    }
    let mut path: String = above.iter().flat_map(|part| [*part, "/"]).collect();
    path += last;
    if WITHOUT_CASE.contains(&host) {
        path.make_ascii_lowercase();
    }
    Some(format!("https://{host}/{path}"))
}

/// The host and path of a repository, given those of a mirror or archive server of the same provider.
fn canonical_host<'h, 'p>(host: &'h str, parts: &'p [&'p str]) -> (&'h str, &'p [&'p str]) {
    match (host, parts) {
        ("api.github.com", ["repos", rest @ ..]) => ("github.com", rest),
        ("codeload.github.com", parts) => ("github.com", parts),
        (host, parts) => (host, parts),
    }
}

/// The leading parts of a path that name the repository.
fn strip_archive<'p>(host: &str, parts: &'p [&'p str]) -> &'p [&'p str] {
    if OWNER_AND_NAME.contains(&host) {
        return &parts[..parts.len().min(2)];
    }
    // GitLab puts archives behind a dash; older versions put them beside the files.
    let dash = parts.iter().position(|part| *part == "-");
    let beside = parts.windows(2).position(|two| {
        let [above, below] = two else { return false };
        *above == "repository" && below.starts_with("archive")
    });
    let is_archive = parts.last().is_some_and(|last| {
        let last = last.to_ascii_lowercase();
        ARCHIVE_SUFFIXES.iter().any(|end| last.ends_with(end))
    });
    let above = parts.iter().position(|part| ARCHIVE_FOLDERS.contains(part));
    let above = above.filter(|_| is_archive);
    let end = [dash, beside, above].into_iter().flatten();
    let end = end.filter(|at| *at > 0).min();
    &parts[..end.unwrap_or(parts.len())]
}

/// The owner of a repository: `host/first part of its path`, such as `github.com/ziglang`.
pub fn owner(url: &str) -> String {
    let url = identity(url);
    let (_, rest) = url.split_once("://").unwrap_or(("", &url));
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    // Ports of one host belong to one owner. An IPv6 address contains colons itself.
    let host = match host.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => host,
        _ => host,
    };
    let first = path.split('/').next().unwrap_or("");
    format!("{host}/{first}")
}

/// The canonical repositories of those URLs, sorted, without duplicates, at most `USES_LIMIT`.
pub fn repositories(urls: &[String]) -> Vec<String> {
    let mut repositories: Vec<String> = urls.iter().filter_map(|url| repository(url)).collect();
    repositories.sort_unstable();
    repositories.dedup();
    repositories.truncate(USES_LIMIT);
    repositories
}
