//! Which commit of a package is tried next, to find the newest one that works under a toolchain.
//!
//! ```text
//!   commits, newest first:   0 1 2 3 4 5 6 7 8 ...
//!
//!   nothing works yet    1, 2, 4, 8, ... back and the last, then the middle of the widest run that was not tried;
//!                        of three tries the first goes to a hint: a tag, a change of the declared minimum
//!   w works, w-1 not tried:  the middle between w and the oldest newer commit that was tried
//!   w works, w-1 fails       hints newer than w, then the middle of the widest run newer than w: a history is
//!                            not monotonic, and a newer commit may work
//!   0 works, nothing is left to try, or no tries are left: the end
//! ```
//!
//! The choice depends on the results alone: after a restart the search goes on where it was, and a result that came
//! otherwise counts like a try.

use std::collections::BTreeMap;

use crate::app::domain::verdict::{Statuses, str_enum};

str_enum! {
    /// The progress of a search.
    SearchState {
        Waiting = "waiting",
        Listing = "listing",
        Trying = "trying",
        Finished = "finished",
        Cancelled = "cancelled",
    }
}

str_enum! {
    /// What is known of the commits of a package under one toolchain.
    CompatState {
        Works = "works",
        Searching = "searching",
        None = "none",
        Unknown = "unknown",
    }
}

impl SearchState {
    /// True if it goes on by itself.
    pub fn is_open(self) -> bool {
        matches!(
            self,
            SearchState::Waiting | SearchState::Listing | SearchState::Trying
        )
    }
}

/// What a try says of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TryResult {
    Works,
    Fails,
    /// It says nothing of the package: an error of the machine or of a host, or cancelled.
    Unclear,
}

impl TryResult {
    /// The result of an ended build. A package works if it builds, no test fails, and it compiles as a dependency.
    pub fn new(statuses: Statuses) -> TryResult {
        match statuses.works() {
            Some(true) => TryResult::Works,
            Some(false) => TryResult::Fails,
            None => TryResult::Unclear,
        }
    }
}

/// What is known of the commits of a package under one toolchain. A commit is its index in the list, newest first.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// How many commits there are.
    pub commits: usize,
    /// Commits that are more likely to work than others, the most promising first.
    pub hints: &'a [usize],
    pub results: &'a BTreeMap<usize, TryResult>,
}

impl Known<'_> {
    /// The newest commit that works.
    pub fn answer(&self) -> Option<usize> {
        let mut results = self.results.iter();
        let (commit, _) = results.find(|(_, result)| **result == TryResult::Works)?;
        Some(*commit)
    }

    /// The commit to try next; none if no try could make the answer better.
    pub fn next_try(&self) -> Option<usize> {
        if self.commits == 0 {
            return None;
        }
        if !self.results.contains_key(&0) {
            return Some(0);
        }
        let Some(works) = self.answer() else {
            // One try of three: tags that are all too old do not take those of the latest commits.
            let hint = self.hint_before(self.commits);
            let other = self.further_back();
            let other = other.or_else(|| self.middle_before(self.commits));
            return match self.results.len() % 3 {
                1 => hint.or(other),
                _ => other,
            };
        };
        self.halfway(works)
            .or_else(|| self.hint_before(works))
            .or_else(|| self.middle_before(works))
    }

    /// About how many tries are left until the answer has a neighbour that fails.
    pub fn tries_to_answer(&self) -> usize {
        let bits = |n: usize| (usize::BITS - n.leading_zeros()) as usize;
        match self.answer() {
            Some(works) => bits(self.gap_before(works)),
            None => bits(self.commits.saturating_sub(self.results.len())),
        }
    }

    /// How many commits between this one and the oldest newer one with a result have none.
    fn gap_before(&self, commit: usize) -> usize {
        let newer = self.results.range(..commit).next_back();
        newer.map_or(commit, |(newer, _)| commit - newer - 1)
    }

    fn halfway(&self, works: usize) -> Option<usize> {
        let gap = self.gap_before(works);
        (gap > 0).then(|| works - gap.div_ceil(2))
    }

    /// The first hint without a result among the commits that are newer than this one.
    fn hint_before(&self, commit: usize) -> Option<usize> {
        let newer = self.hints.iter().filter(|hint| **hint < commit);
        newer.copied().find(|hint| !self.results.contains_key(hint))
    }

    /// The first of 1, 2, 4, 8, ... and the last that was not tried.
    fn further_back(&self) -> Option<usize> {
        let last = self.commits - 1;
        let doubled = std::iter::successors(Some(1usize), |step| step.checked_mul(2));
        let mut steps = doubled.take_while(|step| *step < last).chain([last]);
        steps.find(|step| !self.results.contains_key(step))
    }

    /// The middle of the widest run without results among the commits that are newer than this one; of two that are as
    /// wide that of the newer commits. A run is as wide as it is long for its distance from the latest commit: what
    /// works is rather near than far.
    fn middle_before(&self, commit: usize) -> Option<usize> {
        let tried = self.results.range(..commit).map(|(tried, _)| *tried);
        let mut begin = 0;
        let mut widest: Option<(usize, usize)> = None;
        for end in tried.chain([commit]) {
            let width = 2 * (end - begin) / begin.max(1);
            if end > begin && widest.is_none_or(|(_, known)| width > known) {
                widest = Some(((begin + end) / 2, width));
            }
            begin = end + 1;
        }
        widest.map(|(middle, _)| middle)
    }
}
