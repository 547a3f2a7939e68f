//! Addresses of commits and files at the hosts of repositories.

use crate::app::domain::repository::repository;

/// How a host writes the address of a commit, of what changed between two, and of a line of a file in one, behind that
/// of the repository.
struct Forge {
    host: &'static str,
    commit: &'static str,
    /// None where the host has no such page.
    diff: Option<&'static str>,
    file: (&'static str, &'static str),
}

const FORGES: [Forge; 4] = [
    Forge {
        host: "github.com",
        commit: "/commit/",
        diff: Some("/compare/"),
        file: ("/blob/", "/"),
    },
    Forge {
        host: "gitlab.com",
        commit: "/-/commit/",
        diff: Some("/-/compare/"),
        file: ("/-/blob/", "/"),
    },
    Forge {
        host: "codeberg.org",
        commit: "/commit/",
        diff: Some("/compare/"),
        file: ("/src/commit/", "/"),
    },
    Forge {
        host: "git.sr.ht",
        commit: "/commit/",
        diff: None,
        file: ("/tree/", "/item/"),
    },
];

/// The address of a commit; none if the host is unknown.
pub fn commit_url(url: &str, commit: &str) -> Option<String> {
    let (repository, forge) = find(url, commit)?;
    Some(format!("{repository}{}{commit}", forge.commit))
}

/// The address of what changed from one commit to another; none if the host is unknown, or has no such page.
pub fn diff_url(url: &str, from: &str, to: &str) -> Option<String> {
    let (repository, forge) = find(url, from)?;
    find(url, to)?;
    Some(format!("{repository}{}{from}...{to}", forge.diff?))
}

/// The address of a line of a file of a repository at a commit; none if the host is unknown, or the path leaves the
/// repository.
pub fn line_url(url: &str, commit: &str, path: &str, line: u32) -> Option<String> {
    let (repository, forge) = find(url, commit)?;
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"._-/+".contains(&b);
    let odd = |part: &str| matches!(part, "" | "." | "..");
    if !path.bytes().all(is_plain) || path.split('/').any(odd) {
        return None;
    }
    let (before, behind) = forge.file;
    Some(format!(
        "{repository}{before}{commit}{behind}{path}#L{line}"
    ))
}

fn find(url: &str, commit: &str) -> Option<(String, &'static Forge)> {
    let is_hash = commit.len() >= 40 && commit.bytes().all(|b| b.is_ascii_hexdigit());
    let repository = repository(url).filter(|_| is_hash)?;
    let host = repository.strip_prefix("https://")?.split('/').next()?;
    let forge = FORGES.iter().find(|forge| forge.host == host)?;
    Some((repository, forge))
}
