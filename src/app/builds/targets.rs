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
//!
//! Packages whose verdicts came before that, or while it was switched off, are examined a few a turn, and only while
//! few analyses wait. A source whose file is gone waits for the next check that fetches it.

use crate::app::builds::limits::REBUILD_LIMIT;
use crate::app::builds::scheduler::Scheduler;
use crate::app::builds::services::Services;
use crate::app::domain::ids::BuildId;
use crate::app::domain::repository::owner;
use crate::app::domain::targets::{self, TargetResult};
use crate::app::domain::task::{Entry, Priority, Task};
use crate::app::domain::verdict::{BuildStatus, ImportStatus, Statuses};
use crate::app::store::builds::{self, BuildRow};
use crate::app::store::checks::{self, CheckRow};
use crate::app::store::packages::{self, RecheckRow};
use crate::app::store::results::{self, ResultRow};
use crate::app::store::{store, target_checks};

/// True for a verdict on something that can be analysed.
fn is_usable(statuses: Statuses) -> bool {
    let is_imported = matches!(
        statuses.import,
        Some(ImportStatus::Success | ImportStatus::Partial)
    );
    statuses.build == BuildStatus::Success && is_imported
}

/// The verdicts that a package shows on that commit, as far as that can be analysed.
fn usable(shown: &[ResultRow], commit: Option<&str>) -> Vec<(String, BuildId)> {
    let shown = shown.iter().filter(|row| row.commit.as_deref() == commit);
    let usable = shown.filter(|row| is_usable(row.statuses()));
    let builds = usable.filter_map(|row| Some((row.zig_version.clone(), row.build_id?)));
    builds.collect()
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
        if !self.scheduler.targets.is_on
            || row.is_try
            || !builds::open_of_check(store, row.check)?.is_empty()
        {
            return Ok(());
        }
        match self.newest_usable(row)? {
            Some(build) => self.insert(build),
            None => Ok(()),
        }
    }

    fn insert(&mut self, build: BuildId) -> store::Result<()> {
        match target_checks::insert(&mut self.services.store, build)? {
            true => self.push(build),
            false => Ok(()),
        }
    }

    /// The build of this source under the newest version that it works with.
    fn newest_usable(&self, row: &BuildRow) -> store::Result<Option<BuildId>> {
        let store = &self.services.store;
        let usable: Vec<(String, BuildId)> = match row.package_id {
            // An older check may have it under a newer version.
            Some(package) => usable(&results::of_package(store, package)?, row.commit.as_deref()),
            None if row.uploaded => builds::of_check(store, row.check)?
                .into_iter()
                .filter(|build| is_usable(build.statuses()))
                .map(|build| (build.zig_version, build.id))
                .collect(),
            None => Vec::new(),
        };
        Ok(self.newest(usable))
    }

    /// The one of these builds, each with its version, that is under the newest version which the server has.
    fn newest(&self, builds: Vec<(String, BuildId)>) -> Option<BuildId> {
        let place = |version: &str| self.scheduler.rechecks.place_of(version);
        let known = builds
            .iter()
            .filter(|(version, _)| place(version).is_some());
        let newest = known.min_by_key(|(version, _)| place(version));
        newest.map(|(_, build)| *build)
    }

    /// Examines the next packages for sources that were never analysed, if few analyses wait.
    pub fn examine(&mut self) -> store::Result<()> {
        if !self.scheduler.targets.examines(&self.scheduler.queue) {
            return Ok(());
        }
        let store = &mut self.services.store;
        let (packages, is_done) = target_checks::next_to_examine(store, REBUILD_LIMIT)?;
        self.scheduler.targets.is_examining = !is_done;
        for package in &packages {
            self.examine_package(package)?;
        }
        Ok(())
    }

    fn examine_package(&mut self, package: &RecheckRow) -> store::Result<()> {
        let store = &self.services.store;
        let shown = results::of_package(store, package.id)?;
        // The end of a build that is under way asks for it.
        if shown.iter().any(|row| !row.state.is_final()) {
            return Ok(());
        }
        match self.newest(usable(&shown, package.commit.as_deref())) {
            Some(build) => self.insert(build),
            None => Ok(()),
        }
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

    /// Goes on with what an earlier run of the server was analysing. While this is switched off, verdicts come without
    /// an analysis: packages are examined once it is switched on.
    pub fn resume(&mut self) -> store::Result<()> {
        if !self.scheduler.targets.is_on {
            target_checks::examine_all(&mut self.services.store)?;
        }
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
