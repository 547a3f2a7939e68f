//! When a package is looked at again, and what is to be built then.
//!
//! ```text
//!   next_check comes: the remote is asked for its commit
//!     no answer ---------------------------------> nothing, until the next time
//!     another commit than the latest known ------> a check under all toolchains
//!     the same commit ---------------------------> a check under those that are owed a build
//!   an image is new: packages are swept, by id, some at a time
//!     no build under that image -----------------> a check under those toolchains
//! ```

use crate::app::domain::limits::{RECHECK_EVERY_MS, RECHECK_PAUSE_MS};
use crate::app::domain::verdict::{BuildStatus, State};

pub use crate::app::domain::repository::owner;

const MINUTE_MS: i64 = 60_000;

/// When that package is looked at next, in unix milliseconds: once a day, at a minute of the day of
/// its own, and not within the next `RECHECK_PAUSE_MS`.
pub fn next_check(package: i64, now_unix_ms: i64) -> i64 {
    // Multiples of the golden ratio lie evenly in every interval, however many there are.
    let hash = (package as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    let minutes = (RECHECK_EVERY_MS / MINUTE_MS) as u64;
    let minute = ((hash * minutes) >> 32) as i64;
    let soonest = now_unix_ms + RECHECK_PAUSE_MS;
    soonest + (minute * MINUTE_MS - soonest).rem_euclid(RECHECK_EVERY_MS)
}

/// A package under a toolchain whose image is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    pub zig_version: String,
    /// The id of the image there is.
    pub image: String,
    /// The newest build of the package under this version.
    pub newest: Option<Newest>,
    /// The image under which the build ran whose verdict is shown.
    pub shown: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Newest {
    pub state: State,
    pub build_status: BuildStatus,
    /// The image it ran under; none where it did not come to that.
    pub toolchain: Option<String>,
    /// Its source is there, whatever the remote has by now.
    pub is_fetched: bool,
}

impl Cell {
    /// Whether neither a verdict nor an attempt is there under this image, nor one to come.
    pub fn is_stale(&self) -> bool {
        let image = Some(&self.image);
        match &self.newest {
            None => true,
            // What waits will start under the image there is then. What runs has made its choice, and
            // its verdict will replace the one shown.
            Some(newest) if !newest.state.is_final() => {
                let started = newest.state != State::Queued && newest.toolchain.is_some();
                started && newest.toolchain.as_ref() != image
            }
            Some(newest) => newest.toolchain.as_ref() != image && self.shown.as_ref() != image,
        }
    }

    /// Whether it is to be built though the remote has nothing new: under this image there is no
    /// verdict on the package, or the latest attempt ended in an error of ours. What somebody
    /// cancelled stays so.
    pub fn is_owed(&self) -> bool {
        match &self.newest {
            Some(newest) if newest.state == State::Cancelled => false,
            Some(newest) if newest.state == State::Finished => {
                newest.build_status == BuildStatus::Error || self.is_stale()
            }
            _ => self.is_stale(),
        }
    }

    /// Whether a build is to come that will fetch what the remote has by then.
    fn will_fetch(&self) -> bool {
        let newest = self.newest.as_ref();
        newest.is_some_and(|newest| !newest.state.is_final() && !newest.is_fetched)
    }
}

/// What a look at the remote of a package comes to. In each case the next look is at `next_check`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// The remote gave no commit. What is known of the package stays.
    Unreachable,
    /// Nothing is to be built.
    Unchanged,
    /// A new commit, to be checked under these versions.
    Changed(Vec<String>),
    /// The same commit as before, to be checked once more under these versions.
    Owed(Vec<String>),
}

/// `commit`: of the remote, if it answered; `known`: of the newest check that has one; `cells`: of
/// the toolchains there are.
pub fn found(commit: Option<&str>, known: Option<&str>, cells: &[Cell]) -> Found {
    let those = |wanted: fn(&Cell) -> bool| -> Vec<String> {
        let cells = cells.iter().filter(|cell| wanted(cell));
        cells.map(|cell| cell.zig_version.clone()).collect()
    };
    let found = match commit {
        None => return Found::Unreachable,
        Some(_) if commit == known => Found::Owed(those(Cell::is_owed)),
        Some(_) => Found::Changed(those(|cell| !cell.will_fetch())),
    };
    match found {
        Found::Owed(versions) | Found::Changed(versions) if versions.is_empty() => Found::Unchanged,
        found => found,
    }
}
