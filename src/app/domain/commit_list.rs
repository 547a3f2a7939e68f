//! The first parents of a package's latest commit, newest first, as its repository listed them.
//!
//! ```text
//!   complete                                    or `truncated`: there are older ones
//!   HASH SECONDS TAG MINIMUM                    one line a commit, `-` for none
//! ```
//!
//! SECONDS is the time of the commit, since 1970. MINIMUM is the Zig version that its manifest declares from there on,
//! `none` for none, where the commit changes the manifest.

use crate::app::domain::limits::{COMMITS_LIMIT, HINTS_LIMIT, TAG_LIMIT_BYTES};
use crate::app::domain::zig_version::{compare, is_named_by};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedCommit {
    pub hash: String,
    /// In seconds since 1970.
    pub time: i64,
    pub tag: Option<String>,
    /// The Zig version that it declares as its minimum.
    minimum: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitList {
    /// No commit is missing at the end.
    pub is_complete: bool,
    /// Newest first.
    pub commits: Vec<ListedCommit>,
}

impl CommitList {
    /// The list in a text; none if it is not one.
    pub fn parse(text: &str) -> Option<CommitList> {
        let (first, rest) = text.split_once('\n')?;
        let is_complete = match first {
            "complete" => true,
            "truncated" => false,
            _ => return None,
        };
        let rows: Option<Vec<_>> = rest.lines().map(parse_line).collect();
        let rows = rows.filter(|rows| (1..=COMMITS_LIMIT).contains(&rows.len()))?;
        let mut commits = Vec::with_capacity(rows.len());
        let mut minimum = None;
        for (commit, declared) in rows.into_iter().rev() {
            if let Some(declared) = declared {
                minimum = Some(declared.to_string()).filter(|declared| declared != "none");
            }
            let minimum = minimum.clone();
            commits.push(ListedCommit { minimum, ..commit });
        }
        commits.reverse();
        Some(CommitList {
            is_complete,
            commits,
        })
    }

    /// How many first parents that commit has; none if the list does not say.
    pub fn position(&self, commit: usize) -> Option<i64> {
        self.is_complete
            .then(|| (self.commits.len() - 1 - commit) as i64)
    }

    /// Commits that are more likely to work under a version than others, the most promising first: what is tagged for
    /// it, the last one before a minimum that is too new for it, and the newest tags.
    pub fn hints(&self, zig_version: &str) -> Vec<usize> {
        let is_too_new = |commit: &ListedCommit| {
            let minimum = commit.minimum.as_deref();
            minimum.is_some_and(|minimum| compare(minimum, zig_version).is_gt())
        };
        let all = || self.commits.iter().enumerate();
        let tagged = all().filter(|(_, commit)| {
            let tag = commit.tag.as_deref();
            tag.is_some_and(|tag| is_named_by(zig_version, tag))
        });
        let before = all().filter(|(at, commit)| {
            let newer = at.checked_sub(1).map(|newer| &self.commits[newer]);
            !is_too_new(commit) && newer.is_some_and(is_too_new)
        });
        let tags = all().filter(|(_, commit)| commit.tag.is_some() && !is_too_new(commit));
        let half = HINTS_LIMIT / 2;
        let likely = tagged.take(half).chain(before.take(half));
        let mut hints: Vec<usize> = Vec::new();
        for (at, _) in likely.chain(tags) {
            if hints.len() < HINTS_LIMIT && !hints.contains(&at) {
                hints.push(at);
            }
        }
        hints
    }
}

fn parse_line(line: &str) -> Option<(ListedCommit, Option<&str>)> {
    let mut words = line.split(' ');
    let (hash, time, tag, declared) = (words.next()?, words.next()?, words.next()?, words.next()?);
    let is_hash = hash.len() == 40 && hash.bytes().all(|b| b.is_ascii_hexdigit());
    if !is_hash || words.next().is_some() {
        return None;
    }
    let some = |word| Some(word).filter(|word| *word != "-");
    let commit = ListedCommit {
        hash: hash.to_ascii_lowercase(),
        time: time.parse().ok().filter(|time| *time >= 0)?,
        tag: some(tag)
            .filter(|tag| tag.len() <= TAG_LIMIT_BYTES)
            .map(str::to_string),
        minimum: None,
    };
    Some((commit, some(declared)))
}
