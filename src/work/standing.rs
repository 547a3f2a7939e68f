//! Who runs and who waits, in order: the queue as others see it, in builds.

use super::Works;
use crate::queue::Work;

/// A piece of work that holds a slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Running<'w> {
    pub work: Work,
    /// The build it is; while a source is fetched, the first build of its check stands for it.
    pub build: i64,
    pub package: &'w str,
    /// Of a source: empty.
    pub zig_version: &'w str,
    pub started_unix_ms: i64,
    /// Builds that wait for this source.
    pub behind: Vec<(i64, &'w str)>,
}

/// A piece of work that waits for a slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting<'w> {
    pub work: Work,
    pub package: &'w str,
    /// Of a source: empty.
    pub zig_version: &'w str,
    /// In the time of the queue.
    pub not_before_ms: u64,
    /// The attempt it waits for, from 1.
    pub attempt: u32,
    /// Of a source: the builds that wait for it.
    pub behind: Vec<(i64, &'w str)>,
}

impl Works {
    pub fn slots(&self) -> usize {
        self.queue.slots()
    }

    /// Where a build stands in the queue, from 1. While its source is still waited for, it stands
    /// where that does; while that is fetched, at the end, where it will join. None for what runs,
    /// and for the build that stands for the source meanwhile.
    pub fn position(&self, build: i64) -> Option<usize> {
        let of_source = || {
            let active = self.active.get(&Work::Build(build))?;
            let source = self.active.get(&Work::Source(active.check))?;
            match source.started_unix_ms {
                None => self.queue.position(Work::Source(active.check)),
                Some(_) if self.checks.get(&active.check)?.open.first() == Some(&build) => None,
                Some(_) => Some(self.queue.waiting() + 1),
            }
        };
        self.queue.position(Work::Build(build)).or_else(of_source)
    }

    /// What holds a slot, longest first.
    pub fn running_work(&self) -> Vec<Running<'_>> {
        let running = self.active.iter().filter_map(|(work, active)| {
            let behind = self.behind(*work);
            let build = match work {
                Work::Build(build) => *build,
                Work::Source(_) => behind.first()?.0,
            };
            Some(Running {
                work: *work,
                build,
                package: self.package(active.check),
                zig_version: self.version(*work),
                started_unix_ms: active.started_unix_ms?,
                behind,
            })
        });
        let mut running: Vec<Running> = running.collect();
        running.sort_unstable_by_key(|running| (running.started_unix_ms, running.work));
        running
    }

    /// The first `limit` pieces of work that wait, in the order of the queue.
    pub fn waiting_work(&self, limit: usize) -> impl Iterator<Item = Waiting<'_>> {
        self.queue
            .in_order()
            .take(limit)
            .map(|(work, not_before_ms)| {
                let active = &self.active[&work];
                Waiting {
                    work,
                    package: self.package(active.check),
                    zig_version: self.version(work),
                    not_before_ms,
                    attempt: active.machine.attempt(),
                    behind: self.behind(work),
                }
            })
    }

    /// Builds that wait: as such, for a source that waits, or for one that is being fetched.
    pub fn waiting_builds(&self) -> usize {
        let open: usize = self.checks.values().map(|check| check.open.len()).sum();
        open.saturating_sub(self.queue.running())
    }

    fn package(&self, check: i64) -> &str {
        self.checks
            .get(&check)
            .map_or("", |check| check.row.package.as_str())
    }

    fn version(&self, work: Work) -> &str {
        match work {
            Work::Source(_) => "",
            Work::Build(_) => self.active[&work].zig_version.as_str(),
        }
    }

    /// The builds of the check of a source, with their versions.
    fn behind(&self, work: Work) -> Vec<(i64, &str)> {
        let Work::Source(check) = work else {
            return Vec::new();
        };
        let open = self.checks.get(&check).map(|check| check.open.as_slice());
        let open = open.unwrap_or_default().iter();
        open.map(|build| (*build, self.version(Work::Build(*build))))
            .collect()
    }
}
