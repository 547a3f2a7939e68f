//! What nobody asked for: the daily look at the remotes of packages, and builds under toolchains
//! that are new.

use crate::app::builds::build::{Build, Kind};
use crate::app::builds::limits::{DUE_CHECKS_LIMIT, REBUILD_LIMIT, RECHECK_RETRY_MS};
use crate::app::builds::running::RunningTask;
use crate::app::builds::scheduler::Scheduler;
use crate::app::builds::services::Services;
use crate::app::domain::recheck::{self, Outcome};
use crate::app::domain::repository::owner;
use crate::app::domain::task::{Entry, Priority, Task};
use crate::app::store::checks::{CheckRow, NewCheck};
use crate::app::store::packages::RecheckRow;
use crate::app::store::store;

impl Scheduler {
    /// The toolchains that have an image, each with it.
    fn toolchains(&self, cx: &Services) -> Vec<(String, String)> {
        let versions = self.zig_versions.iter();
        let with_image = versions.filter_map(|version| {
            let image = cx.engine.image(version)?;
            Some((version.clone(), image.to_string()))
        });
        with_image.collect()
    }

    // -- looks at remotes --

    /// Lets packages wait for their daily look that are due for it; a limited number at a time.
    pub(crate) fn start_due_rechecks(&mut self, cx: &mut Services) -> store::Result<()> {
        for recheck_row in cx.store.packages_due(cx.now.unix_ms, DUE_CHECKS_LIMIT)? {
            let task = Task::CheckRemote(recheck_row.id);
            if self.running.contains_key(&task) {
                self.recheck_begins(recheck_row.id, cx)?;
                continue;
            }
            self.recheck_ended(recheck_row.id, cx)?;
            if self.queue.is_waiting(&cx.store, task)? {
                continue;
            }
            let entry = Entry {
                task,
                priority: Priority::Recheck,
                tenant: owner(&recheck_row.url),
                popularity: recheck_row.popularity_score,
            };
            self.push(&entry, None, cx)?;
        }
        Ok(())
    }

    pub(crate) fn start_remote(
        &mut self,
        entry: Entry,
        package: i64,
        cx: &mut Services,
    ) -> store::Result<bool> {
        let newest = self.toolchains(cx).into_iter().next();
        let (Some(recheck_row), Some((version, _))) = (cx.store.recheck_row(package)?, newest)
        else {
            return Ok(false);
        };
        self.recheck_begins(package, cx)?;
        let check = CheckRow {
            id: 0,
            package_id: Some(package),
            package: recheck_row.name,
            url: Some(recheck_row.url),
            reference: recheck_row.reference,
            source: None,
            commit: None,
            attempt: 1,
            errors: 0,
            priority: entry.priority,
            tenant: entry.tenant.clone(),
            created_at: cx.now.unix_ms,
        };
        let running_task = RunningTask::new(entry, check, version, Build::new(1, 0, self.limits));
        self.start(running_task, Kind::ResolveRemote, cx)?;
        Ok(true)
    }

    /// A look that is under way waits nowhere: if the server ends now, the next one knows by this that
    /// it is owed.
    fn recheck_begins(&mut self, package: i64, cx: &mut Services) -> store::Result<()> {
        let again = cx.now.unix_ms + RECHECK_RETRY_MS;
        cx.store.set_next_check(package, again)
    }

    /// A look is over, whatever it came to, or has its place in the queue: the next one is tomorrow.
    pub(crate) fn recheck_ended(&mut self, package: i64, cx: &mut Services) -> store::Result<()> {
        let next = recheck::next_check(package, cx.now.unix_ms);
        cx.store.set_next_check(package, next)
    }

    /// The remote has said its commit.
    pub(crate) fn on_remote_commit(
        &mut self,
        package: i64,
        commit: &str,
        cx: &mut Services,
    ) -> store::Result<()> {
        let Some(recheck_row) = cx.store.recheck_row(package)? else {
            return Ok(());
        };
        let cells = cx.store.cells(package, &self.toolchains(cx))?;
        match recheck::outcome(commit, recheck_row.commit.as_deref(), &cells) {
            Outcome::Unchanged => Ok(()),
            Outcome::NewCommit(versions) | Outcome::Incomplete(versions) => {
                self.check_again(&recheck_row, &versions, Priority::Recheck, cx)
            }
        }
    }

    // -- new toolchains --

    /// The engine has said which images it has: where one is new, all packages are looked through.
    pub fn on_images(&mut self, cx: &mut Services) -> store::Result<()> {
        for (version, image) in self.toolchains(cx) {
            if cx.store.see_toolchain(&version, &image, cx.now.unix_ms)? {
                log::info!("zig {version} has a new image");
                self.rebuilding = true;
            }
        }
        Ok(())
    }

    /// Looks through the next few packages for those that were not built under a toolchain there is.
    pub(crate) fn rebuild_for_toolchain(&mut self, cx: &mut Services) -> store::Result<()> {
        let toolchains = self.toolchains(cx);
        if !self.rebuilding || toolchains.is_empty() {
            return Ok(());
        }
        let swept = cx.store.packages_to_rebuild(REBUILD_LIMIT, &toolchains)?;
        self.rebuilding = !swept.done;
        for (recheck_row, versions) in swept.packages {
            self.check_again(&recheck_row, &versions, Priority::Toolchain, cx)?;
        }
        Ok(())
    }

    /// A check of a known package that nobody asked for.
    fn check_again(
        &mut self,
        recheck_row: &RecheckRow,
        versions: &[String],
        priority: Priority,
        cx: &mut Services,
    ) -> store::Result<()> {
        let tenant = owner(&recheck_row.url);
        let new = NewCheck {
            package_id: Some(recheck_row.id),
            package: &recheck_row.name,
            git: Some((&recheck_row.url, recheck_row.reference.as_deref())),
            priority,
            tenant: &tenant,
        };
        let check = cx.store.begin_check(&new, versions, cx.now.unix_ms)?;
        self.add(check, cx)?;
        Ok(())
    }
}
