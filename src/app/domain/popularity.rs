//! How popular a package is: who uses it first, how often it is looked at second.

use std::collections::BTreeMap;

use crate::app::domain::limits::VIEWS_LIMIT;
use crate::interface::message::Head;

/// What each known package that uses it adds to the score of a package; what is below is how often
/// it was looked at, which stays below.
pub const USE_SCORE: i64 = 1_000_000;

/// How many known packages use the package of that score.
pub fn users(score: i64) -> i64 {
    score / USE_SCORE
}

/// Whether a request for a package is a look at it. Who asks whether what it has still holds is
/// not counted: each answer would change the next.
pub fn is_view(head: &Head) -> bool {
    head.method == "GET" && head.header("if-none-match").is_none()
}

/// How often packages were looked at since that was last written down. It is written with what is
/// written anyway: that somebody looks is not worth a write to the disk, and a crash forgets it.
#[derive(Debug, Default)]
pub struct Views {
    counts: BTreeMap<i64, i64>,
}

impl Views {
    /// Somebody looks at that package. Where there is no room for another, that takes the place of
    /// one of those least looked at.
    pub fn seen(&mut self, package: i64) {
        let is_full = self.counts.len() >= VIEWS_LIMIT;
        if is_full && !self.counts.contains_key(&package) {
            let least = self.counts.iter().min_by_key(|(_, count)| **count);
            if let Some(least) = least.map(|(package, _)| *package) {
                self.counts.remove(&least);
            }
        }
        *self.counts.entry(package).or_default() += 1;
    }

    /// Up to `limit` packages with their counts, which start anew.
    pub fn take(&mut self, limit: usize) -> Vec<(i64, i64)> {
        std::iter::from_fn(|| self.counts.pop_first())
            .take(limit)
            .collect()
    }
}
