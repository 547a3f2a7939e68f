//! A dependency as a manifest declares it.

use crate::app::domain::repository::ARCHIVE_SUFFIXES;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declared {
    /// The name that the manifest gives it.
    pub name: String,
    pub url: String,
    pub hash: Option<String>,
    /// It is fetched only if `build.zig` asks for it.
    pub lazy: bool,
}

/// The commit, tag or branch that the URL of a dependency names, if it does: its fragment, `ref` in its query, or the
/// name of an archive.
pub fn reference(url: &str) -> Option<&str> {
    let (url, fragment) = url.split_once('#').unwrap_or((url, ""));
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    let named = query.split('&').find_map(|pair| pair.strip_prefix("ref="));
    let file = path.rsplit('/').next().unwrap_or_default();
    let mut endings = ARCHIVE_SUFFIXES.iter();
    let archive = endings.find_map(|ending| file.strip_suffix(ending));
    let found = [
        Some(fragment),
        named,
        archive.filter(|_| path.contains("/archive/")),
    ];
    found.into_iter().flatten().find(|text| !text.is_empty())
}
