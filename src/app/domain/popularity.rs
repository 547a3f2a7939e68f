//! The popularity of a package: first the number of packages that use it, then its page views.

use std::collections::BTreeMap;

use crate::app::domain::ids::PackageId;
use crate::app::domain::limits::VIEWS_LIMIT;
use crate::interface::message::Head;

/// The share of each dependent package in a popularity score. Page views count 1 each and stay below it.
pub const USE_SCORE: i64 = 1_000_000;

/// The number of known packages that use a package with that score.
pub fn users(score: i64) -> i64 {
    score / USE_SCORE
}

/// Page views since they were last written to the database. They are written only along with something else: a view
/// alone is not worth a disk write, and a crash may lose it.
#[derive(Debug, Default)]
pub struct Views {
    counts: BTreeMap<PackageId, i64>,
}

impl Views {
    /// Counts an answered request as a view of a package. A conditional request is none: a counted view changes the
    /// score, and with it the answer to the next conditional request. A full table evicts one of the packages with the
    /// fewest views.
    pub fn count(&mut self, package: PackageId, request: &Head) {
        if request.method != "GET" || request.header("if-none-match").is_some() {
            return;
        }
        let is_full = self.counts.len() >= VIEWS_LIMIT;
        if is_full && !self.counts.contains_key(&package) {
            let least = self.counts.iter().min_by_key(|(_, count)| **count);
            if let Some(least) = least.map(|(package, _)| *package) {
                self.counts.remove(&least);
            }
        }
        *self.counts.entry(package).or_default() += 1;
    }

    /// Removes up to `limit` packages and returns them with their counts.
    pub fn take(&mut self, limit: usize) -> Vec<(PackageId, i64)> {
        std::iter::from_fn(|| self.counts.pop_first())
            .take(limit)
            .collect()
    }
}
