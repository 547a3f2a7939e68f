//! How long builds waited and ran, since the start of the server.

use crate::app::domain::verdict::BuildStatus;
use crate::app::store::builds::BuildRow;
use crate::base::histogram::Histogram;

const SECOND_MS: u64 = 1_000;
const HOUR_MS: u64 = 3_600_000;

/// Bounds of how long builds ran, in milliseconds: a small package takes seconds, and twenty minutes are the default
/// limit of one.
const RUN_BOUNDS_MS: [u64; 10] = [
    SECOND_MS,
    5 * SECOND_MS,
    10 * SECOND_MS,
    30 * SECOND_MS,
    60 * SECOND_MS,
    120 * SECOND_MS,
    300 * SECOND_MS,
    600 * SECOND_MS,
    1_200 * SECOND_MS,
    HOUR_MS,
];
/// Bounds of how long builds waited, in milliseconds: clients wait seconds, all packages under a new Zig some days.
const WAIT_BOUNDS_MS: [u64; 9] = [
    SECOND_MS,
    10 * SECOND_MS,
    60 * SECOND_MS,
    300 * SECOND_MS,
    900 * SECOND_MS,
    HOUR_MS,
    4 * HOUR_MS,
    24 * HOUR_MS,
    72 * HOUR_MS,
];

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildTimes {
    /// From the last start to the verdict, of builds that came to one by themselves.
    pub runs: Histogram<{ RUN_BOUNDS_MS.len() }>,
    /// From the request to the last start, of the same builds.
    pub waits: Histogram<{ WAIT_BOUNDS_MS.len() }>,
}

impl Default for BuildTimes {
    fn default() -> BuildTimes {
        BuildTimes {
            runs: Histogram::new(RUN_BOUNDS_MS),
            waits: Histogram::new(WAIT_BOUNDS_MS),
        }
    }
}

impl BuildTimes {
    /// Counts a build that has ended. One that was cancelled or took its verdict from another one says nothing.
    pub fn note(&mut self, build: &BuildRow) {
        let is_own = build.cached_from.is_none() && build.build_status != BuildStatus::Pending;
        if let (true, Some(started), Some(finished)) = (is_own, build.started_at, build.finished_at)
        {
            let between = |from: i64, to: i64| (to - from).max(0) as u64;
            self.runs.add(between(started, finished));
            self.waits.add(between(build.created_at, started));
        }
    }
}
