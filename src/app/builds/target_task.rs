//! Whether there are analyses for other targets, and the start of one: whether it is still wanted, and its task.

use crate::app::builds::build::{Build, JobLimits};
use crate::app::builds::limits::TARGETS_WAITING_LIMIT;
use crate::app::builds::rechecks::Rechecks;
use crate::app::builds::running::{RunningTask, Subject};
use crate::app::builds::services::Services;
use crate::app::domain::ids::BuildId;
use crate::app::domain::task::{Entry, Priority};
use crate::app::queue::queue::Queue;
use crate::app::store::store::{self, Store};
use crate::app::store::{builds, checks, packages, sources, target_checks};

#[derive(Debug)]
pub struct TargetsMode {
    /// What compiles natively is analysed for other targets.
    pub is_on: bool,
    /// Packages are being examined for sources that were never analysed.
    pub is_examining: bool,
}

impl TargetsMode {
    pub fn open(is_on: bool, store: &Store) -> store::Result<TargetsMode> {
        Ok(TargetsMode {
            is_on,
            is_examining: is_on && target_checks::is_examining(store)?,
        })
    }

    /// True if the next packages are examined now: few analyses wait.
    pub fn examines(&self, queue: &Queue) -> bool {
        self.is_examining && queue.waiting_of(Priority::Targets) < TARGETS_WAITING_LIMIT
    }
}

/// The task, if the settings allow it. None, and no row any more, if its build or its package is gone, or the source,
/// or the version.
pub fn take(
    entry: Entry,
    build: BuildId,
    (is_on, rechecks, limits): (bool, &Rechecks, JobLimits),
    services: &mut Services,
) -> store::Result<Option<RunningTask>> {
    let task = wanted(entry, build, (rechecks, limits), services)?;
    let task = task.filter(|_| is_on);
    if task.is_none() {
        target_checks::delete(&mut services.store, build)?;
    }
    Ok(task)
}

fn wanted(
    entry: Entry,
    build: BuildId,
    (rechecks, limits): (&Rechecks, JobLimits),
    services: &mut Services,
) -> store::Result<Option<RunningTask>> {
    let store = &mut services.store;
    let known = target_checks::by_build(store, build)?;
    let Some((known, row)) = known.zip(builds::by_id(store, build)?) else {
        return Ok(None);
    };
    let check = checks::by_id(store, row.check)?.expect("a build has its check");
    let Some(hash) = check.source.as_ref().map(|source| source.hash.clone()) else {
        return Ok(None);
    };
    let is_there = row.package_id.is_some() || row.uploaded;
    if !is_there
        || packages::paused(store, row.package_id)?.is_some()
        || !rechecks.has_version(&row.zig_version)
        || !sources::is_kept(store, &hash)?
    {
        return Ok(None);
    }
    sources::set_used(store, &hash, services.now.unix_ms)?;
    let machine = Build::new(known.attempt, known.errors, limits);
    let subject = Subject::Check(check);
    Ok(Some(RunningTask::new(
        entry,
        subject,
        row.zig_version,
        machine,
    )))
}
