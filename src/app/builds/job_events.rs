//! What happens to running tasks: the events of their jobs, time, the engine's answers, and what a build reuses.

use std::path::Path;

use crate::app::builds::attempt_context::AttemptContext;
use crate::app::builds::build::{Input, JobKind, JobOutcome};
use crate::app::builds::limits::{KEPT_CACHE_LIMIT_BYTES, STARTS_LIMIT};
use crate::app::builds::retirement;
use crate::app::builds::running::RunningTask;
use crate::app::builds::scheduler::Scheduler;
use crate::app::builds::services::Services;
use crate::app::domain::ids::BuildId;
use crate::app::domain::task::Task;
use crate::app::domain::verdict::{BuildStatus, Reason, Verdict};
use crate::app::engine::commands::{Answer, Purpose};
use crate::app::engine::job::{JobEnd, KillReason};
use crate::app::render::limits::SHOWN_COMMIT_CHARS;
use crate::app::store::{checks, kept_caches, store};
use crate::interface::event::{Action, Exit, JobId, Pipe};

impl Scheduler {
    // -- builds that reuse what earlier ones left: given at the start, in doubt if they fail, kept with the verdict --

    /// Gives the container of a build what an earlier one left, if there is something for it.
    pub(super) fn give_cache(&mut self, task: Task, services: &mut Services) -> store::Result<()> {
        let running_task = self.running.get_mut(&task).expect("it made this step");
        let (Task::Build(build), Some(kept_caches)) = (task, &mut self.kept_caches) else {
            return Ok(());
        };
        // Without a key its toolchain is unknown.
        if running_task.check().package_id.is_none() || running_task.key.is_none() {
            return Ok(());
        }
        running_task.kept_limit_bytes = KEPT_CACHE_LIMIT_BYTES;
        if !running_task.may_reuse {
            return Ok(());
        }
        let Some(given) = kept_caches.find(running_task, services)? else {
            return Ok(());
        };
        kept_caches::set_reused(&mut services.store, build, Some(&given.commit))?;
        running_task.attempt_state.kept = Some(given.file);
        running_task.attempt_state.reused_commit = Some(given.commit);
        Ok(())
    }

    /// A build has its verdict: keeps what it leaves, and notes if it used nothing of what it was given.
    pub(super) fn keep_cache(
        &mut self,
        build: BuildId,
        running_task: &mut RunningTask,
        verdict: &Verdict,
        services: &mut Services,
    ) -> store::Result<()> {
        let attempt_state = &running_task.attempt_state;
        let is_error = verdict.build_status == BuildStatus::Error;
        if attempt_state.reused_commit.is_some() && (is_error || !attempt_state.reuses()) {
            kept_caches::set_reused(&mut services.store, build, None)?;
        }
        match &mut self.kept_caches {
            Some(kept_caches) if !is_error && !verdict.fails() => {
                kept_caches.keep(running_task, services)
            }
            _ => Ok(()),
        }
    }

    /// Removes what a task was given by an earlier build.
    pub(super) fn forget_cache(
        &mut self,
        running_task: &RunningTask,
        services: &mut Services,
    ) -> store::Result<()> {
        match &mut self.kept_caches {
            Some(kept_caches) => kept_caches.forget_given(running_task, services),
            None => Ok(()),
        }
    }

    /// A build did not succeed with what an earlier one left: that goes, and the build waits for an attempt without it.
    pub(super) fn run_without_cache(
        &mut self,
        task: Task,
        verdict: &Verdict,
        services: &mut Services,
    ) -> store::Result<()> {
        let Task::Build(build) = task else {
            return Ok(());
        };
        let running_task = self.end_attempt(task, verdict, services);
        self.forget_cache(&running_task, services)?;
        let reason = verdict.reason.map_or("no success", Reason::as_str);
        let commit = running_task.attempt_state.reused_commit.as_deref();
        let commit = commit.unwrap_or_default();
        let commit = commit.get(..SHOWN_COMMIT_CHARS).unwrap_or(commit);
        let line = format!("{reason}, with what the build of commit {commit} left");
        self.note_attempt(build, &running_task, &line, services)?;
        kept_caches::set_no_reuse(&mut services.store, build)?;
        self.push_again(&running_task, None, services)
    }

    /// The files that running tasks were given: the client of a container opens each when it comes to it.
    pub fn files_in_use(&self) -> impl Iterator<Item = &Path> {
        let states = self.running.values().map(|task| &task.attempt_state);
        let files = states.flat_map(|state| state.dependencies.iter().chain(&state.kept));
        files.map(|file| file.path.as_path())
    }

    // -- jobs --

    /// What the end of a job means.
    pub(super) fn interpret(
        &mut self,
        task: Task,
        kind: JobKind,
        end: JobEnd,
        services: &mut Services,
    ) -> JobOutcome {
        let running_task = self.running.get_mut(&task).expect("it made this step");
        if let Some(job) = running_task.job.take() {
            self.jobs.remove(&job);
        }
        let context = AttemptContext {
            record_id: running_task.record_id(&services.docker),
            next: running_task.next_job(&services.docker),
            main: running_task.main_job(),
            is_scheduled: services.docker.routing().cluster().is_some(),
            sources: &self.sources,
            limits: self.resource_limits,
            not_yet_visible: services.now.unix_ms < running_task.not_yet_visible_until_ms,
        };
        let outcome = running_task.attempt_state.interpret(kind, end, &context);
        if !running_task.attempt_state.container_seen {
            services.engine.schedule_cleanup(services.now.mono_ms);
        }
        outcome
    }

    /// Ends the container of a job.
    pub(super) fn end_container(&mut self, task: Task, kind: JobKind, services: &mut Services) {
        let running_task = &self.running[&task];
        let container = running_task.container(kind, &services.docker);
        let is_silent = running_task.machine.kill_reason() == Some(KillReason::Silent);
        match (kind, running_task.job) {
            (JobKind::Place | JobKind::Inspect | JobKind::ReadLogs, Some(job)) => {
                services.out.push(Action::Kill { job });
            }
            // Its client on the node may be silent alone: the container is followed without it, and ended if it is
            // silent then.
            (JobKind::Build, Some(job))
                if is_silent && services.docker.routing().cluster().is_some() =>
            {
                services.out.push(Action::Kill { job });
            }
            (JobKind::Build | JobKind::FollowLogs, _) => {
                // The engine forgets the peak memory of a container that has ended: read it first.
                let command = services.docker.peak_memory(&container);
                services.start(command, Purpose::ReadPeakMemory { task, container });
            }
            _ => services.kill_container(&container),
        }
    }

    /// Stops listening to the job at hand.
    pub(super) fn detach_job(&mut self, task: Task, services: &mut Services) {
        let running_task = self.running.get_mut(&task);
        if let Some(job) = running_task.and_then(|running_task| running_task.job.take()) {
            self.jobs.remove(&job);
            services.out.push(Action::Kill { job });
        }
    }

    pub fn output(
        &mut self,
        job: JobId,
        pipe: Pipe,
        bytes: &[u8],
        services: &mut Services,
    ) -> store::Result<()> {
        let Some(task) = self.jobs.get(&job).copied() else {
            return Ok(());
        };
        let running_task = self.running.get_mut(&task).expect("a job has its task");
        let attempt_state = &mut running_task.attempt_state;
        let cost = attempt_state.output_cost(bytes);
        let mut tests_begin = false;
        match pipe {
            Pipe::Stdout => tests_begin = attempt_state.stdout(bytes),
            Pipe::Stderr => {
                attempt_state.stderr(bytes);
                if let Task::Build(build) = task
                    && attempt_state.is_container_output()
                {
                    services.feed.logs.append(build, bytes, &mut services.out);
                }
            }
        }
        if tests_begin {
            self.step(task, Input::Testing, services)?;
            self.publish_state(task, services)?;
        }
        self.step(task, Input::Output(cost), services)
    }

    pub fn eof(&mut self, job: JobId, pipe: Pipe, services: &mut Services) -> store::Result<()> {
        match self.jobs.get(&job).copied() {
            Some(task) => self.step(task, Input::Eof(pipe), services),
            None => Ok(()),
        }
    }

    pub fn exited(&mut self, job: JobId, exit: Exit, services: &mut Services) -> store::Result<()> {
        match self.jobs.get(&job).copied() {
            Some(task) => self.step(task, Input::Exited(exit), services),
            None => Ok(()),
        }
    }

    /// Notes the peak memory of a container, if the engine could read it, and kills the container.
    pub fn on_peak_memory(
        &mut self,
        task: Task,
        container: &str,
        answer: Answer,
        services: &mut Services,
    ) {
        let text = answer.unwrap_or_default();
        let peak = text.split_whitespace().find_map(|word| word.parse().ok());
        if let Some(running_task) = self.running.get_mut(&task) {
            running_task.attempt_state.peak_bytes = peak;
        }
        services.kill_container(container);
    }

    /// The engine answers again, with its images: detached builds inspect their containers.
    pub fn on_engine_ready(&mut self, services: &mut Services) -> store::Result<()> {
        self.rechecks.on_images(services)?;
        self.cancel_outdated(services);
        let running = self.running.iter();
        let detached = running.filter(|(_, running_task)| running_task.machine.is_detached());
        let mut detached: Vec<Task> = detached.map(|(task, _)| *task).collect();
        detached.sort_unstable();
        for task in detached {
            self.step(task, Input::Back, services)?;
        }
        Ok(())
    }

    /// Cancels the requests for a slot with an image that was replaced, or that no node in service has: they are made
    /// anew once one has theirs.
    fn cancel_outdated(&self, services: &mut Services) {
        if services.docker.routing().cluster().is_none() {
            return;
        }
        let running = self.running.values();
        let waiting = running.filter(|task| task.machine.is_placing());
        let outdated = waiting.filter(|task| {
            let (engine, version) = (&services.engine, &task.zig_version);
            let is_served = engine.served_toolchain(version).is_some();
            let images = engine.images(version).filter(|_| is_served);
            images.is_none_or(|(image, _)| image != task.image)
        });
        let names = outdated.map(|task| task.container(task.main_job(), &services.docker));
        let mut names: Vec<String> = names.collect();
        names.sort_unstable();
        for command in services.docker.removals(&names) {
            services.start(command, Purpose::Nothing);
        }
    }

    /// Takes back requests for a slot of the cluster, some a turn: a server that drains starts nothing any more.
    pub fn withdraw_requests(&mut self, services: &mut Services) -> store::Result<()> {
        let running = self.running.iter();
        let placing = running.filter(|(_, running_task)| running_task.machine.is_placing());
        let mut placing: Vec<Task> = placing.map(|(task, _)| *task).collect();
        placing.sort_unstable();
        let error = Verdict::error(Reason::Lost, "the server drains");
        for task in placing.into_iter().take(STARTS_LIMIT) {
            self.detach_job(task, services);
            let running_task = self.running.get_mut(&task).expect("it waits for a slot");
            running_task.machine.withdraw();
            let now_ms = services.now.mono_ms;
            self.retry(task, &error, now_ms, services)?;
            // Slurm may hear of the request after it has cancelled it.
            services.engine.schedule_cleanup(now_ms);
        }
        Ok(())
    }

    /// Applies time limits, answers waiting builds, and, if the disk `has_space`, enqueues rechecks and rebuilds.
    pub fn on_time(&mut self, has_space: bool, services: &mut Services) -> store::Result<()> {
        let now_ms = services.now.mono_ms;
        let is_due = |(task, running_task): (&Task, &RunningTask)| {
            let deadline = running_task.machine.deadline_ms()?;
            (deadline <= now_ms).then_some(*task)
        };
        let mut due: Vec<Task> = self.running.iter().filter_map(is_due).collect();
        due.sort_unstable();
        for task in due {
            self.step(task, Input::Time, services)?;
        }
        retirement::cancel_next(self, services)?;
        for row in self.verdicts.take_waiters(&mut services.store)? {
            let check = checks::by_id(&services.store, row.check)?;
            let check = check.expect("a build has its check");
            // While its source is fetched again, it waits for that.
            if check.source.is_some() {
                self.enqueue_build(&row, &check, services)?;
            }
        }
        if !has_space {
            return Ok(());
        }
        if services.engine.is_fresh(now_ms) {
            let (queue, running) = (&self.queue, &self.running);
            for entry in self.rechecks.take_due(queue, running, services)? {
                self.push(&entry, None, services)?;
            }
        }
        if services.engine.is_ready() {
            self.rechecks.make_requested_due(services)?;
            self.rechecks.make_retries_due(services)?;
            let mut checks = self.rechecks.next_rebuilds(services)?;
            checks.extend(self.rechecks.next_of_catalogue(services)?);
            for check in checks {
                self.add(check, services)?;
            }
            self.targets(services).examine()?;
        }
        Ok(())
    }
}
