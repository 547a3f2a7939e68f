//! When a package is rechecked, and which builds follow.
//!
//! ```text
//!   next_check comes: the remote is asked for its commit
//!     no answer ---------------------------------> nothing, until the next recheck
//!     another commit than the latest known ------> a check under all toolchains
//!     the same commit ---------------------------> a check under the toolchains that lack a verdict on it
//!   a toolchain is new: all packages are gone through, by id, a few at a time
//!     no build under it, or of an older commit --> a check under those toolchains
//! ```

use crate::app::domain::ids::PackageId;
use crate::app::domain::limits::{RECHECK_EVERY_MS, RECHECK_PAUSE_MS};
use crate::app::domain::verdict::{BuildStatus, State};

const MINUTE_MS: i64 = 60_000;

/// The time of the next recheck of a package, in unix milliseconds: once a day, at a minute of the day that depends on
/// its id, and not within the next `RECHECK_PAUSE_MS`.
pub fn next_check(package: PackageId, now_unix_ms: i64) -> i64 {
    // Multiples of the golden ratio spread evenly over any interval, however many there are.
    let hash = (package.get() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    let minutes = (RECHECK_EVERY_MS / MINUTE_MS) as u64;
    let minute = ((hash * minutes) >> 32) as i64;
    let earliest = now_unix_ms + RECHECK_PAUSE_MS;
    earliest + (minute * MINUTE_MS - earliest).rem_euclid(RECHECK_EVERY_MS)
}

/// A Zig version that has an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Toolchain {
    pub zig_version: String,
    /// What its current image is known by: its recipe, or an id.
    pub image: String,
}

/// A package under a toolchain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    pub toolchain: Toolchain,
    /// The newest build of the package under this version.
    pub newest: Option<Newest>,
    /// The image of the build whose verdict is shown.
    pub shown: Option<String>,
    /// The commit of that verdict.
    pub shown_commit: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Newest {
    pub state: State,
    pub build_status: BuildStatus,
    /// The image it ran under; none if it never started.
    pub toolchain: Option<String>,
    /// Its source is not fetched yet, and will be that of the package's remote. A build whose source is there, or that
    /// was asked for before the remote was changed, builds another one.
    pub fetches_remote: bool,
}

impl Cell {
    /// True if the current image has neither a verdict nor an attempt, and none is about to come.
    pub fn is_stale(&self) -> bool {
        let image = Some(&self.toolchain.image);
        match &self.newest {
            None => true,
            // A waiting build takes the image that is current when it starts. A running build has taken its
            // image, and its verdict will replace the one shown.
            Some(newest) if !newest.state.is_final() => {
                let started = newest.state != State::Queued && newest.toolchain.is_some();
                started && newest.toolchain.as_ref() != image
            }
            Some(newest) => newest.toolchain.as_ref() != image && self.shown.as_ref() != image,
        }
    }

    /// True if the verdict under the current image is on another commit than that one, and no build under way will
    /// bring one on it: the image was missing when that commit was found, or a check under other versions alone has
    /// found it.
    pub fn is_behind(&self, commit: Option<&str>) -> bool {
        let has_ended = |newest: &Newest| {
            newest.state == State::Finished && newest.build_status != BuildStatus::Error
        };
        let is_shown = self.shown.as_ref() == Some(&self.toolchain.image);
        let commits = self.shown_commit.as_deref().zip(commit);
        let is_other = commits.is_some_and(|(shown, latest)| shown != latest);
        self.newest.as_ref().is_some_and(has_ended) && is_shown && is_other
    }

    /// True if the cell needs a build although the remote has nothing newer than that commit: it is stale or behind, or
    /// its latest attempt ended in an error that is not the package's. A cancelled build is not repeated.
    pub fn lacks_verdict(&self, commit: &str) -> bool {
        match &self.newest {
            Some(newest) if newest.state == State::Cancelled => false,
            Some(newest) if newest.state == State::Finished => {
                let is_error = newest.build_status == BuildStatus::Error;
                is_error || self.is_stale() || self.is_behind(Some(commit))
            }
            _ => self.is_stale(),
        }
    }

    /// True if the package has no verdict under the current image for its latest known commit, and no build under way
    /// will bring one.
    pub fn lacks_latest(&self, commit: Option<&str>) -> bool {
        let is_shown = self.shown.as_ref() == Some(&self.toolchain.image);
        let is_latest = commit.is_none() || self.shown_commit.as_deref() == commit;
        match &self.newest {
            Some(newest) if newest.state == State::Finished => {
                newest.build_status == BuildStatus::Error || !is_shown || !is_latest
            }
            Some(newest) if newest.state == State::Cancelled => !is_shown || !is_latest,
            _ => self.is_stale(),
        }
    }

    /// True if an unfinished build will fetch the remote's current commit anyway.
    fn will_fetch(&self) -> bool {
        let newest = self.newest.as_ref();
        newest.is_some_and(|newest| !newest.state.is_final() && newest.fetches_remote)
    }
}

/// What follows from a recheck.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing needs a build.
    Unchanged,
    /// The remote has a new commit: check it under these versions.
    NewCommit(Vec<String>),
    /// The remote has the same commit as before: check it again under these versions.
    Incomplete(Vec<String>),
}

/// Compares the commit of the remote with the newest known one of the package. `cells` are those of the toolchains that
/// have an image.
pub fn outcome(commit: &str, known: Option<&str>, cells: &[Cell]) -> Outcome {
    let versions = |selected: &dyn Fn(&Cell) -> bool| -> Vec<String> {
        let cells = cells.iter().filter(|cell| selected(cell));
        cells
            .map(|cell| cell.toolchain.zig_version.clone())
            .collect()
    };
    let outcome = match known {
        Some(known) if known == commit => {
            Outcome::Incomplete(versions(&|cell| cell.lacks_verdict(commit)))
        }
        _ => Outcome::NewCommit(versions(&|cell| !cell.will_fetch())),
    };
    match outcome {
        Outcome::Incomplete(versions) | Outcome::NewCommit(versions) if versions.is_empty() => {
            Outcome::Unchanged
        }
        outcome => outcome,
    }
}
