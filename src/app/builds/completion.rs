//! How work ends: with what was wanted, with a verdict, with another attempt to come, or because
//! somebody does not want it any more.

use crate::app::builds::running::RunningTask;
use crate::app::builds::scheduler::Scheduler;
use crate::app::builds::services::Services;
use crate::app::domain::task::{Entry, Task};
use crate::app::domain::verdict::{Reason, State, Verdict};
use crate::app::engine::commands::Purpose;
use crate::app::store::builds::{BuildRow, Finished};
use crate::app::store::checks::CheckRow;
use crate::app::store::store::{self, Store};

impl Scheduler {
    pub(crate) fn ready(&mut self, task: Task, cx: &mut Services) -> store::Result<()> {
        let running_task = self.leave(task, cx);
        match task {
            Task::CheckRemote(package) => {
                let commit = running_task.attempt_state.remote_commit();
                let commit = commit.expect("a commit that is ready");
                self.recheck_ended(package, cx)?;
                self.on_remote_commit(package, &commit, cx)
            }
            _ => self.source_ready(running_task, cx),
        }
    }

    fn source_ready(&mut self, running_task: RunningTask, cx: &mut Services) -> store::Result<()> {
        let at = cx.now.unix_ms;
        let check = running_task.check.id;
        cx.store
            .note_fetch(check, at - running_task.started_unix_ms)?;
        let fetched = running_task.attempt_state.into_source();
        let fetched = fetched.expect("a source that is ready");
        let commit = fetched.commit.as_deref();
        cx.store.set_source(check, &fetched.source, commit, at)?;
        let row = cx.store.check(check)?.expect("it is being worked on");
        if let Some(package) = row.package_id {
            cx.store.set_uses(package, &fetched.uses)?;
        }
        for build in self.builds_behind(check, &cx.store)? {
            cx.set_state(build.id, State::Queued, build.attempt)?;
            if build.waits_for.is_none() {
                self.enqueue_build(&build, &row, cx)?;
            }
        }
        Ok(())
    }

    pub(crate) fn finish(
        &mut self,
        task: Task,
        verdict: &Verdict,
        cx: &mut Services,
    ) -> store::Result<()> {
        self.doubt(verdict, cx);
        let running_task = self.leave(task, cx);
        match task {
            Task::Build(build) => self.finish_build(build, verdict, cx),
            Task::FetchSource(check) => {
                // No build without its source: all of them end as the fetch did.
                for row in self.builds_behind(check, &cx.store)? {
                    cx.feed.logs.begin(row.id, row.attempt);
                    cx.feed
                        .logs
                        .append(row.id, running_task.attempt_state.words(), &mut cx.out);
                    cx.store.forget_toolchain(row.id)?;
                    self.finish_build(row.id, verdict, cx)?;
                }
                Ok(())
            }
            Task::CheckRemote(package) => {
                let why = verdict.error_log.lines().last().unwrap_or("");
                log::warn!("the remote of {}: {why}", running_task.check.package);
                self.recheck_ended(package, cx)
            }
        }
    }

    fn finish_build(
        &mut self,
        build: i64,
        verdict: &Verdict,
        cx: &mut Services,
    ) -> store::Result<()> {
        let log = cx.feed.logs.finish(build, &mut cx.out);
        let end = Finished {
            build,
            verdict,
            log_bytes: log.written,
            log_truncated: log.is_truncated,
        };
        cx.store.finish_build(&end, cx.now.unix_ms)?;
        self.ended(build, cx)?;
        cx.publish(build)
    }

    /// Takes the slot and the containers from work that needs them no more.
    fn leave(&mut self, task: Task, cx: &mut Services) -> RunningTask {
        let mut running_task = self.running.remove(&task).expect("it made this step");
        self.queue.release(&running_task.entry.tenant);
        self.view.forget();
        let containers = std::mem::take(&mut running_task.containers);
        if !containers.is_empty() {
            let remove = cx.docker.remove(&containers);
            cx.start(remove, Purpose::Removal);
        }
        running_task
    }

    pub(crate) fn retry(
        &mut self,
        task: Task,
        error: &Verdict,
        at_ms: u64,
        cx: &mut Services,
    ) -> store::Result<()> {
        if let Task::CheckRemote(_) = task {
            // There is another look tomorrow.
            return self.finish(task, error, cx);
        }
        self.doubt(error, cx);
        let why = error.error_log.lines().next().unwrap_or("");
        log::warn!("{task:?}: {why}; another attempt follows");
        let running_task = self.leave(task, cx);
        let (attempt, errors) = (
            running_task.machine.attempt(),
            running_task.machine.errors(),
        );
        let pause_ms = at_ms.saturating_sub(cx.now.mono_ms);
        let at = (pause_ms > 0).then(|| cx.now.unix_ms.saturating_add_unsigned(pause_ms));
        match task {
            Task::FetchSource(check) => {
                cx.store.set_check_attempt(check, attempt, errors)?;
                for row in self.builds_behind(check, &cx.store)? {
                    cx.set_state(row.id, State::Queued, row.attempt)?;
                }
            }
            Task::Build(build) => {
                self.keys.retain(|_, runs| *runs != build);
                // All attempts stand in one log: who reads it sees why there is another.
                let reason = error.reason.map_or("error", Reason::as_str);
                let line = format!("{reason}; attempt {attempt} follows");
                cx.feed.logs.annotate(build, attempt, &line, &mut cx.out);
                cx.set_state(build, State::Queued, attempt)?;
                cx.store.count_error(build, errors)?;
                let check = cx
                    .store
                    .check(running_task.check.id)?
                    .expect("it has its check");
                // Unless it was fetched again meanwhile.
                let same = check.attempt == running_task.check.attempt;
                let at_fault =
                    running_task.attempt_state.is_cut_off() && check.url.is_some() && same;
                if at_fault || check.source.is_none() {
                    return self.fetch_again(&running_task, &check, cx);
                }
            }
            Task::CheckRemote(_) => unreachable!("a look is not repeated"),
        }
        self.push(&running_task.entry, at, cx)
    }

    /// The builds of a check that wait for its source. Where that is fetched for the second time,
    /// others are on their way.
    pub(crate) fn builds_behind(&self, check: i64, store: &Store) -> store::Result<Vec<BuildRow>> {
        let mut rows = store.open_builds(check)?;
        rows.retain(|row| !self.running.contains_key(&Task::Build(row.id)));
        Ok(rows)
    }

    /// The source did not reach a container whole although nobody stood between them: its file is
    /// at fault, and it is fetched again for all builds of its check that wait. Where that is under
    /// way they wait for it.
    fn fetch_again(
        &mut self,
        running_task: &RunningTask,
        check: &CheckRow,
        cx: &mut Services,
    ) -> store::Result<()> {
        let task = Task::FetchSource(check.id);
        if self.running.contains_key(&task) || self.queue.is_waiting(&cx.store, task)? {
            return Ok(());
        }
        let source = running_task.source();
        let image = cx.engine.image(&running_task.zig_version);
        if let (Some(manifest), Some(image)) = (&source.manifest, image) {
            let image = image.to_string();
            self.forget_dependencies(manifest, &image, cx)?;
        }
        cx.store.forget_source(check.id)?;
        cx.store
            .set_check_attempt(check.id, check.attempt + 1, check.errors)?;
        for row in cx.store.open_builds(check.id)? {
            self.queue.remove(&mut cx.store, Task::Build(row.id))?;
        }
        let entry = Entry {
            task,
            ..running_task.entry.clone()
        };
        self.push(&entry, None, cx)
    }

    fn doubt(&self, verdict: &Verdict, cx: &mut Services) {
        if verdict.reason == Some(Reason::EngineError) {
            cx.engine.invalidate();
        }
    }

    // -- cancelling --

    /// Ends a build that has not ended, in whatever state it is.
    pub fn cancel(&mut self, row: &BuildRow, cx: &mut Services) -> store::Result<()> {
        assert!(!row.state.is_final(), "build {} has ended", row.id);
        let (build, check) = (row.id, row.check);
        self.drop_task(Task::Build(build), cx)?;
        if row.attempt > 1 {
            // What earlier attempts wrote is there, though nobody may have it open.
            cx.feed.logs.begin(build, row.attempt);
        }
        let log = cx.feed.logs.finish(build, &mut cx.out);
        cx.store
            .cancel_build(build, (log.written, log.is_truncated), cx.now.unix_ms)?;
        self.ended(build, cx)?;
        if self.builds_behind(check, &cx.store)?.is_empty() {
            // Nobody is left who would need its source; one that runs asks for it anew if it does.
            self.drop_task(Task::FetchSource(check), cx)?;
        }
        cx.publish(build)
    }

    /// Work that waits or runs does neither any more.
    fn drop_task(&mut self, task: Task, cx: &mut Services) -> store::Result<()> {
        self.view.forget();
        if self.running.contains_key(&task) {
            self.detach_job(task, cx);
            self.leave(task, cx);
            // The engine may create the container after it was told to remove it.
            cx.engine.schedule_cleanup(cx.now.mono_ms);
            return Ok(());
        }
        self.queue.remove(&mut cx.store, task)?;
        Ok(())
    }
}
