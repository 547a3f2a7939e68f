//! How tasks end: with a source or a commit, with a verdict, with another attempt to come, or cancelled.

use crate::app::builds::commit_searches::Searches;
use crate::app::builds::running::{RunningTask, builds_behind};
use crate::app::builds::scheduler::Scheduler;
use crate::app::builds::services::Services;
use crate::app::builds::targets::Targets;
use crate::app::domain::ids::{BuildId, CheckId, PackageId};
use crate::app::domain::task::{Entry, Task};
use crate::app::domain::transition::Transition;
use crate::app::domain::verdict::{Reason, State, Verdict};
use crate::app::engine::commands::Purpose;
use crate::app::engine::routing::Place;
use crate::app::live::logs::Origin;
use crate::app::store::builds::{self, BuildRow};
use crate::app::store::checks::{self, CheckRow};
use crate::app::store::packages::{self, Holder};
use crate::app::store::removals::{self, REMOVED_BUILDS_LIMIT, Removal};
use crate::app::store::{
    build_counts, catalogue_checks, commit_searches, declared, durations, kept_caches, results,
    store, target_checks, toolchains, uses,
};

impl Scheduler {
    /// A fetch has its source, or another task its answer.
    pub(super) fn on_fetched(&mut self, task: Task, services: &mut Services) -> store::Result<()> {
        let running_task = self.release(task, services);
        let has_moved = running_task.has_moved(&services.store)?;
        let package = match task {
            Task::CheckRemote(package) => package,
            Task::ListCommits(package) if has_moved => {
                return self.searches(services).list(package);
            }
            Task::ListCommits(package) => {
                let commits = running_task.attempt_state.commits();
                return self.searches(services).on_commits(package, &commits);
            }
            Task::CheckTargets(build) => {
                let targets = running_task.attempt_state.targets;
                return self.targets(services).on_answer(build, &targets);
            }
            Task::FetchSource(_) | Task::Build(_) => return self.on_source(running_task, services),
        };
        self.rechecks.on_answer(package, has_moved, services)?;
        if has_moved {
            return Ok(());
        }
        let commit = running_task.attempt_state.remote_commit();
        let commit = commit.expect("the machine has it from its input");
        let answer = (commit.as_str(), running_task.entry.priority);
        match self.rechecks.on_remote_commit(package, answer, services)? {
            Some(check) => self.add(check, services).map(|_| ()),
            None => Ok(()),
        }
    }

    fn on_source(&mut self, task: RunningTask, services: &mut Services) -> store::Result<()> {
        let at = services.now.unix_ms;
        let check = task.check().id;
        let store = &mut services.store;
        durations::add_fetch(store, check, at - task.started_unix_ms)?;
        let fetched = task.attempt_state.source;
        let fetched = fetched.expect("the machine has it from its input");
        let commit = fetched.commit.as_deref();
        checks::set_source(store, check, &fetched.source, commit, at)?;
        checks::set_commit_time(store, check, fetched.commit_time)?;
        checks::set_ancestors(store, check, &fetched.ancestors)?;
        let row = checks::by_id(store, check)?.expect("a source has its check");
        if let Some(package) = row.package_id
            && !row.is_try
            && packages::set_fetched(store, package)?
        {
            uses::set(store, package, &fetched.uses)?;
            declared::set(store, package, &fetched.declared)?;
        }
        for build in builds_behind(&self.running, check, store)? {
            services.set_state(build.id, State::Queued, build.attempt)?;
            if build.waits_for.is_none() {
                self.enqueue_build(&build, &row, services)?;
            }
        }
        Ok(())
    }

    pub(super) fn finish(
        &mut self,
        task: Task,
        verdict: &Verdict,
        services: &mut Services,
    ) -> store::Result<()> {
        invalidate_engine(task, verdict, services);
        let mut running_task = self.release(task, services);
        let has_moved = running_task.has_moved(&services.store)?;
        match task {
            Task::Build(build) => {
                self.keep_cache(build, &mut running_task, verdict, services)?;
                self.finish_build(build, verdict, services)
            }
            Task::FetchSource(check) => {
                // No build without its source: all of them end as the fetch did.
                for row in builds_behind(&self.running, check, &services.store)? {
                    let logs = &mut services.feed.logs;
                    logs.begin(row.id, row.attempt);
                    let text = &running_task.attempt_state.stderr_tail;
                    logs.append(row.id, text, &mut services.out);
                    toolchains::clear(&mut services.store, row.id)?;
                    self.finish_build(row.id, verdict, services)?;
                }
                Ok(())
            }
            Task::CheckRemote(package) => {
                let why = verdict.error_log.lines().last().unwrap_or("");
                log::warn!("the remote of {}: {why}", running_task.package());
                self.rechecks.on_answer(package, has_moved, services)
            }
            Task::ListCommits(package) if has_moved => self.searches(services).list(package),
            Task::ListCommits(package) => self.searches(services).cancel(package),
            Task::CheckTargets(build) => {
                let why = verdict.error_log.lines().last().unwrap_or("");
                log::warn!("build {build} for other targets: {why}");
                self.targets(services).on_answer(build, &[])
            }
        }
    }

    fn finish_build(
        &mut self,
        build: BuildId,
        verdict: &Verdict,
        services: &mut Services,
    ) -> store::Result<()> {
        let log = services.feed.logs.finish(build, &mut services.out);
        let at = services.now.unix_ms;
        let transition = builds::finish(&mut services.store, build, verdict, log, at)?;
        self.on_build_end(build, transition, services)
    }

    /// Finishes a build with the verdict that is known for its key; false if there is none.
    pub(super) fn finish_from_cache(
        &mut self,
        build: BuildId,
        key: Option<&str>,
        services: &mut Services,
    ) -> store::Result<bool> {
        let Some(key) = key else { return Ok(false) };
        let Some(from) = builds::cached(&services.store, key)? else {
            return Ok(false);
        };
        let at = services.now.unix_ms;
        let transition = builds::finish_cached(&mut services.store, build, from, at)?;
        let row = builds::by_id(&services.store, from)?;
        let origin = Origin {
            build: from,
            written: row.map_or(0, |row| row.log_bytes),
        };
        let logs = &mut services.feed.logs;
        logs.finish_as(build, origin, &mut services.out);
        self.on_build_end(build, transition, services)?;
        Ok(true)
    }

    /// The row of a build is final: its waiters get an answer, and its watchers an event.
    fn on_build_end(
        &mut self,
        build: BuildId,
        transition: Option<Transition>,
        services: &mut Services,
    ) -> store::Result<()> {
        self.open_builds = self.open_builds.saturating_sub(1);
        self.ended_builds += 1;
        self.verdicts.finish(build, &services.store)?;
        let row = builds::by_id(&services.store, build)?.expect("it was just written");
        build_counts::count(&mut services.store, &row)?;
        services.times.note(&row);
        services.publish_row(&row, None)?;
        if transition.is_some() {
            services.publish_row(&row, transition)?;
        }
        catalogue_checks::end_build(&mut services.store, build, &row.zig_version)?;
        self.targets(services).request(&row)?;
        self.searches(services).on_build_end(&row)
    }

    pub(super) fn searches<'a>(&'a mut self, services: &'a mut Services) -> Searches<'a> {
        Searches {
            scheduler: self,
            services,
        }
    }

    pub(super) fn targets<'a>(&'a mut self, services: &'a mut Services) -> Targets<'a> {
        Targets {
            scheduler: self,
            services,
        }
    }

    /// Takes its slot and its containers from a task.
    fn release(&mut self, task: Task, services: &mut Services) -> RunningTask {
        let mut running_task = self.running.remove(&task).expect("it made this step");
        self.queue.release(&running_task.entry.tenant);
        let containers = std::mem::take(&mut running_task.containers);
        if !containers.is_empty() {
            for remove in services.docker.removals(&containers) {
                services.start(remove, Purpose::Removal);
            }
        }
        running_task
    }

    /// An attempt ended in an error: the next one may start at `at_ms`.
    pub(super) fn retry(
        &mut self,
        task: Task,
        error: &Verdict,
        at_ms: u64,
        services: &mut Services,
    ) -> store::Result<()> {
        let now = services.now;
        let pause_ms = at_ms.saturating_sub(now.mono_ms);
        let not_before = (pause_ms > 0).then(|| now.unix_ms.saturating_add_unsigned(pause_ms));
        match task {
            // The next recheck is tomorrow.
            Task::CheckRemote(_) => self.finish(task, error, services),
            Task::ListCommits(package) => {
                let running_task = self.end_attempt(task, error, services);
                let errors = running_task.machine.errors;
                commit_searches::set_errors(&mut services.store, package, errors)?;
                self.push(&running_task.entry, not_before, services)
            }
            Task::CheckTargets(build) => {
                let running_task = self.end_attempt(task, error, services);
                let machine = &running_task.machine;
                let (attempt, errors) = (machine.attempt, machine.errors);
                target_checks::set_attempt(&mut services.store, build, attempt, errors)?;
                self.push(&running_task.entry, not_before, services)
            }
            Task::FetchSource(check) => {
                let running_task = self.end_attempt(task, error, services);
                let machine = &running_task.machine;
                let (attempt, errors) = (machine.attempt, machine.errors);
                checks::set_attempt(&mut services.store, check, attempt, errors)?;
                for row in builds_behind(&self.running, check, &services.store)? {
                    services.set_state(row.id, State::Queued, row.attempt)?;
                }
                self.push(&running_task.entry, not_before, services)
            }
            Task::Build(build) => {
                let running_task = self.end_attempt(task, error, services);
                let reason = error.reason.map_or("error", Reason::as_str);
                self.note_attempt(build, &running_task, reason, services)?;
                if running_task.attempt_state.reused_commit.is_some() {
                    self.forget_cache(&running_task, services)?;
                    kept_caches::set_no_reuse(&mut services.store, build)?;
                }
                self.push_again(&running_task, not_before, services)
            }
        }
    }

    /// Enqueues a build once more; its source is fetched again if its file was at fault, or is gone.
    pub(super) fn push_again(
        &mut self,
        running_task: &RunningTask,
        not_before: Option<i64>,
        services: &mut Services,
    ) -> store::Result<()> {
        let check = checks::by_id(&services.store, running_task.check().id)?;
        let check = check.expect("a build has its check");
        // Unless it has been fetched again since.
        let is_same = check.attempt == running_task.check().attempt;
        let is_truncated = running_task.attempt_state.input_truncated;
        let is_at_fault = is_truncated && check.url.is_some() && is_same;
        if is_at_fault || check.source.is_none() {
            return self.fetch_again(running_task, &check, services);
        }
        self.push(&running_task.entry, not_before, services)
    }

    pub(super) fn end_attempt(
        &mut self,
        task: Task,
        error: &Verdict,
        services: &mut Services,
    ) -> RunningTask {
        invalidate_engine(task, error, services);
        let why = error.error_log.lines().next().unwrap_or("");
        log::warn!("{task}: {why}; another attempt follows");
        self.release(task, services)
    }

    /// Notes that another attempt of a build follows, and in one line why.
    pub(super) fn note_attempt(
        &mut self,
        build: BuildId,
        running_task: &RunningTask,
        why: &str,
        services: &mut Services,
    ) -> store::Result<()> {
        self.verdicts.step_down(build);
        let attempt = running_task.machine.attempt;
        // All attempts write to one log: say there why another one follows.
        let line = format!("{why}; attempt {attempt} follows");
        let logs = &mut services.feed.logs;
        logs.annotate(build, attempt, &line, &mut services.out);
        services.set_state(build, State::Queued, attempt)?;
        let errors = running_task.machine.errors;
        builds::set_errors(&mut services.store, build, errors)
    }

    /// Fetches the source of a check again for all its waiting builds: it did not reach a container whole although the
    /// client was not interrupted, so its file is damaged. If that fetch is under way already, they wait for it.
    fn fetch_again(
        &mut self,
        running_task: &RunningTask,
        check: &CheckRow,
        services: &mut Services,
    ) -> store::Result<()> {
        let task = Task::FetchSource(check.id);
        let store = &mut services.store;
        if self.has_task(task, store)? {
            return Ok(());
        }
        if let Some(manifest) = &running_task.source().manifest {
            let image = &running_task.toolchain;
            self.dependencies.forget(manifest, image, store)?;
        }
        checks::clear_source(store, check.id)?;
        checks::set_attempt(store, check.id, check.attempt + 1, check.errors)?;
        for row in builds::open_of_check(store, check.id)? {
            self.queue.remove(store, Task::Build(row.id))?;
        }
        let entry = Entry {
            task,
            ..running_task.entry.clone()
        };
        self.push(&entry, None, services)
    }

    // -- cancelling --

    /// Removes a package: its name and its repository are free at once, and its recheck is dropped.
    pub fn remove_package(
        &mut self,
        package: &Holder,
        removal: Removal,
        services: &mut Services,
    ) -> store::Result<()> {
        self.drop_questions(package.id, services)?;
        removals::begin(&mut services.store, package, removal)?;
        // Its searches are gone: others that wait may begin.
        self.searches(services).start()
    }

    /// Drops what waits to be asked of a remote, and what it is asked.
    pub fn drop_questions(
        &mut self,
        package: PackageId,
        services: &mut Services,
    ) -> store::Result<()> {
        self.drop_task(Task::CheckRemote(package), services)?;
        self.drop_task(Task::ListCommits(package), services)
    }

    /// Cancels some of the unfinished builds of a package that is to be deleted; retention deletes what has ended.
    pub fn cancel_removed(&mut self, services: &mut Services) -> store::Result<()> {
        let Some((package, Removal::Delete)) = removals::next(&services.store)? else {
            return Ok(());
        };
        let newest = removals::newest_builds(&services.store, package, REMOVED_BUILDS_LIMIT)?;
        for row in newest.iter().filter(|row| !row.state.is_final()) {
            self.cancel(row, services)?;
        }
        Ok(())
    }

    /// Cancels an unfinished build, whatever its state.
    pub fn cancel(&mut self, row: &BuildRow, services: &mut Services) -> store::Result<()> {
        assert!(!row.state.is_final(), "build {} has ended", row.id);
        let (build, check) = (row.id, row.check);
        self.drop_task(Task::Build(build), services)?;
        if row.attempt > 1 {
            // The log of earlier attempts may not be open.
            services.feed.logs.begin(build, row.attempt);
        }
        let log = services.feed.logs.finish(build, &mut services.out);
        builds::cancel(&mut services.store, build, log, services.now.unix_ms)?;
        if builds_behind(&self.running, check, &services.store)?.is_empty() {
            // No build waits for the source. One that runs has it fetched again should it need that.
            self.drop_task(Task::FetchSource(check), services)?;
        }
        self.on_build_end(build, None, services)
    }

    /// Cancels a build under a version that the server has no longer; false if it has that version.
    pub(super) fn cancel_if_retired(
        &mut self,
        row: &BuildRow,
        services: &mut Services,
    ) -> store::Result<bool> {
        if self.rechecks.has_version(&row.zig_version) {
            return Ok(false);
        }
        let why = format!("Zig {} was retired from this server", row.zig_version);
        builds::set_detail(&mut services.store, row.id, &why)?;
        self.cancel(row, services)?;
        Ok(true)
    }

    /// Cancels builds that wait for the source of a check, under versions that are gone; gives the others. One that ran
    /// when its version went waits only now.
    pub(super) fn cancel_retired_behind(
        &mut self,
        check: CheckId,
        services: &mut Services,
    ) -> store::Result<Vec<BuildRow>> {
        for row in builds_behind(&self.running, check, &services.store)? {
            // The end of one before it may have ended this one too.
            let row = builds::by_id(&services.store, row.id)?;
            if let Some(row) = row.filter(|row| !row.state.is_final()) {
                self.cancel_if_retired(&row, services)?;
            }
        }
        builds_behind(&self.running, check, &services.store)
    }

    /// Cancels a build that nobody wants at its turn; false if it is to run.
    pub(super) fn cancel_if_unwanted(
        &mut self,
        row: &BuildRow,
        check: &CheckRow,
        services: &mut Services,
    ) -> store::Result<bool> {
        Ok(self.cancel_if_retired(row, services)? || self.cancel_if_paused(check, services)?)
    }

    /// Cancels those builds of a check that wait, if its package is paused; false if it is not.
    pub(super) fn cancel_if_paused(
        &mut self,
        check: &CheckRow,
        services: &mut Services,
    ) -> store::Result<bool> {
        let Some(name) = packages::paused(&services.store, check.package_id)? else {
            return Ok(false);
        };
        let why = format!("{name} is paused on this server");
        for row in builds::open_of_check(&services.store, check.id)? {
            // The end of one before it may have ended this one too.
            let row = builds::by_id(&services.store, row.id)?;
            let row = row.filter(|row| !row.state.is_final());
            if let Some(row) = row.filter(|row| !self.running.contains_key(&Task::Build(row.id))) {
                builds::set_detail(&mut services.store, row.id, &why)?;
                self.cancel(&row, services)?;
                // A build that an admin cancels is not repeated. This one is owed once the package is resumed.
                results::forget_attempt(&mut services.store, row.id)?;
            }
        }
        Ok(true)
    }

    /// Takes a task out of the queue, or out of its slot.
    fn drop_task(&mut self, task: Task, services: &mut Services) -> store::Result<()> {
        if self.running.contains_key(&task) {
            self.detach_job(task, services);
            self.release(task, services);
            // The engine may create the container after the request to remove it.
            services.engine.schedule_cleanup(services.now.mono_ms);
            return Ok(());
        }
        self.queue.remove(&mut services.store, task)?;
        Ok(())
    }
}

/// An error of an engine makes its last answer worthless. Nothing says whether it was a fetch of the task that met it.
fn invalidate_engine(task: Task, verdict: &Verdict, services: &mut Services) {
    if verdict.reason != Some(Reason::EngineError) {
        return;
    }
    let of_builds = services.docker.routing().of_builds();
    if matches!(task, Task::Build(_) | Task::CheckTargets(_)) {
        services.engine.invalidate(of_builds);
    }
    services.engine.invalidate(Place::Here);
}
