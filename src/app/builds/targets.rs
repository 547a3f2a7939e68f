//! How packages compile for other targets: once for each source, under the newest toolchain that it works with.
//!
//! ```text
//!   the last build of a check ends ──> a row, and a task that starts when nothing else may
//!                                        │
//!                                        v                      answered
//!                 (dependencies) ──> a container without network ────────> the field `targets` of the build
//!                                        │ │ ^
//!                                        │ '─' an error with attempts left, or a restart
//!                                        '──> not known: the field stays empty
//! ```
//!
//! The row is written in the transaction of the verdict, and goes in that of the answer. No verdict, event or feed
//! knows of it.

use crate::app::builds::scheduler::Scheduler;
use crate::app::builds::services::Services;
use crate::app::domain::ids::BuildId;
use crate::app::domain::repository::owner;
use crate::app::domain::targets::{self, TargetResult};
use crate::app::domain::task::{Entry, Priority, Task};
use crate::app::domain::verdict::{BuildStatus, ImportStatus, Statuses};
use crate::app::store::builds::{self, BuildRow};
use crate::app::store::checks::{self, CheckRow};
use crate::app::store::{packages, results, store, target_checks};

/// True for a verdict on something that can be analysed.
fn is_usable(statuses: Statuses) -> bool {
    let is_imported = matches!(
        statuses.import,
        Some(ImportStatus::Success | ImportStatus::Partial)
    );
    statuses.build == BuildStatus::Success && is_imported
}

/// All analyses for other targets. They are rows; this is what moves them on.
pub struct Targets<'a> {
    pub scheduler: &'a mut Scheduler,
    pub services: &'a mut Services,
}

impl Targets<'_> {
    /// A build has ended: its source is analysed if that was the last one of its check.
    pub fn request(&mut self, row: &BuildRow) -> store::Result<()> {
        let store = &self.services.store;
        if !self.scheduler.targets
            || row.is_try
            || !builds::open_of_check(store, row.check)?.is_empty()
        {
            return Ok(());
        }
        let Some(build) = self.newest_usable(row)? else {
            return Ok(());
        };
        if target_checks::insert(&mut self.services.store, build)? {
            self.push(build)?;
        }
        Ok(())
    }

    /// The build of this source under the newest version that it works with.
    fn newest_usable(&self, row: &BuildRow) -> store::Result<Option<BuildId>> {
        let store = &self.services.store;
        let mut usable: Vec<(String, BuildId)> = match row.package_id {
            // An older check may have it under a newer version.
            Some(package) => results::of_package(store, package)?
                .into_iter()
                .filter(|shown| shown.commit == row.commit && is_usable(shown.statuses()))
                .filter_map(|shown| Some((shown.zig_version, shown.build_id?)))
                .collect(),
            None if row.uploaded => builds::of_check(store, row.check)?
                .into_iter()
                .filter(|build| is_usable(build.statuses()))
                .map(|build| (build.zig_version, build.id))
                .collect(),
            None => Vec::new(),
        };
        let place = |version: &str| self.scheduler.rechecks.place_of(version);
        usable.retain(|(version, _)| place(version).is_some());
        let newest = usable.iter().min_by_key(|(version, _)| place(version));
        Ok(newest.map(|(_, build)| *build))
    }

    fn push(&mut self, build: BuildId) -> store::Result<()> {
        let store = &self.services.store;
        let row = builds::by_id(store, build)?.expect("it has a verdict");
        let check = checks::by_id(store, row.check)?.expect("a build has its check");
        let entry = Entry {
            task: Task::CheckTargets(build),
            priority: Priority::Targets,
            tenant: tenant(&check),
            popularity: packages::popularity(store, check.package_id)?,
        };
        self.scheduler.push(&entry, None, self.services)
    }

    /// Goes on with what an earlier run of the server was analysing.
    pub fn resume(&mut self) -> store::Result<()> {
        for interrupted in target_checks::interrupted(&self.services.store)? {
            let (build, attempt) = (interrupted.build, interrupted.attempt + 1);
            let store = &mut self.services.store;
            target_checks::set_attempt(store, build, attempt, interrupted.errors)?;
            self.push(build)?;
        }
        Ok(())
    }

    /// The answer about a build is there.
    pub fn on_answer(&mut self, build: BuildId, results: &[TargetResult]) -> store::Result<()> {
        let store = &mut self.services.store;
        target_checks::delete(store, build)?;
        target_checks::set_targets(store, build, &targets::to_text(results))
    }
}

/// The client of an upload, or the owner of a package.
fn tenant(check: &CheckRow) -> String {
    match &check.url {
        Some(url) => owner(url),
        None => check.tenant.clone(),
    }
}
