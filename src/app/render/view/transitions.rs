//! Packages that stopped to work under a version, or began to, as lines of a page.

use crate::app::domain::verdict::Grade;
use crate::app::render::sanitize::Clean;
use crate::app::render::view::forge;
use crate::app::render::view::parts::{Commit, Link, Moment, build_path, package_path};
use crate::app::store::transitions::TransitionRow;

#[derive(Debug, Clone, PartialEq)]
pub struct TransitionLine {
    pub name: Link,
    pub zig_version: Clean,
    pub grade: Grade,
    pub word: Clean,
    /// As `was` says it.
    pub was: Clean,
    /// The build of the verdict, if it is still kept.
    pub build: Option<String>,
    /// The commit before and that of the verdict: one and the same, where the package did not change.
    pub commits: Vec<Commit>,
    /// What changed between them, at the forge.
    pub diff: Option<String>,
    pub at: Moment,
}

/// The verdict before it: `was success`, with the version if that is another one.
pub fn was(row: &TransitionRow) -> String {
    let was = format!("was {}", row.old_word);
    match row.old_version == row.zig_version {
        true => was,
        false => format!("{was} under {}", row.old_version),
    }
}

impl TransitionLine {
    pub fn new(row: &TransitionRow, now_unix_ms: i64) -> TransitionLine {
        let mut commits: Vec<&String> = [&row.old_commit, &row.commit]
            .into_iter()
            .flatten()
            .collect();
        commits.dedup();
        let diff = match commits[..] {
            [from, to] => forge::diff_url(&row.url, from, to),
            _ => None,
        };
        let commit = |commit: &&String| Commit::new(commit, Some(&row.url));
        TransitionLine {
            name: Link::new(&row.name, package_path(&row.name)),
            zig_version: Clean::new(&row.zig_version),
            grade: Grade::of_word(&row.word),
            word: Clean::new(&row.word),
            was: Clean::new(&was(row)),
            build: row.build.map(build_path),
            commits: commits.iter().map(commit).collect(),
            diff,
            at: Moment::new(row.at, now_unix_ms),
        }
    }

    /// The commits in short: `1f2e3d4` or `1f2e3d4..5c6b7a8`.
    pub fn range(&self) -> String {
        let commits: Vec<&str> = self.commits.iter().map(|one| one.short.as_str()).collect();
        commits.join("..")
    }
}
