//! All unfinished tasks. Those that hold a slot are here, each with its state machine and its job; those that wait are
//! in the database.

use std::collections::HashMap;
use std::path::PathBuf;

use crate::app::builds::build::{Build, Input, JobKind, JobLimits, Step};
use crate::app::builds::dependency_cache::DependencyCache;
use crate::app::builds::kept_caches::KeptCaches;
use crate::app::builds::limits::STARTS_LIMIT;
use crate::app::builds::missing_images;
use crate::app::builds::queue_view::{OrderCache, QueueView};
use crate::app::builds::rechecks::{self, Rechecks};
use crate::app::builds::running::{RunningTask, Subject, builds_behind, entry, prepare_log};
use crate::app::builds::services::Services;
use crate::app::builds::target_task::{self, TargetsMode};
use crate::app::builds::verdict_cache::VerdictCache;
use crate::app::domain::ids::{BuildId, CheckId, PackageId};
use crate::app::domain::task::{Entry, Priority, Task};
use crate::app::domain::verdict::ResourceLimits;
use crate::app::engine::limits::NODES_DELAY_MS;
use crate::app::queue::queue::Queue;
use crate::app::store::builds::{self, BuildRow};
use crate::app::store::checks::{self, CheckRow};
use crate::app::store::store::{self, Store};
use crate::app::store::{commit_searches, kept_caches, packages, refused_hosts, sources};
use crate::config::settings::Settings;
use crate::interface::event::JobId;

/// Errors are those of the database.
#[derive(Debug)]
pub struct Scheduler {
    pub queue: Queue,
    /// The tasks that hold a slot.
    pub(super) running: HashMap<Task, RunningTask>,
    pub(super) jobs: HashMap<JobId, Task>,
    pub(super) verdicts: VerdictCache,
    pub(super) dependencies: DependencyCache,
    /// None: builds leave nothing and are given nothing.
    pub(super) kept_caches: Option<KeptCaches>,
    pub rechecks: Rechecks,
    /// While builds under versions that are gone are cancelled: the one examined last.
    pub(super) retiring: Option<BuildId>,
    /// Unfinished builds, wherever they are.
    pub(super) open_builds: u64,
    /// Builds that have ended since the start of the server.
    pub ended_builds: u64,
    /// How many more tasks may start in this turn.
    starts_left: usize,
    pub(super) job_limits: JobLimits,
    /// A search begins by itself where the latest commit of a package fails.
    pub(super) searches: bool,
    pub(super) targets: TargetsMode,
    pub(super) resource_limits: ResourceLimits,
    pub(super) sources: PathBuf,
    order_cache: OrderCache,
}

impl Scheduler {
    /// The scheduler of a database, without the tasks that an earlier run left: `recovery` adds those.
    pub(super) fn new(settings: &Settings, services: &Services) -> store::Result<Scheduler> {
        let (store, unix_ms) = (&services.store, services.now.unix_ms);
        let slots = services.engine.slots(settings.max_builds);
        let resource_limits = ResourceLimits {
            memory_bytes: settings.memory_bytes,
            build_timeout_ms: settings.build_timeout_ms,
            silence_timeout_ms: settings.silence_timeout_ms,
            peak_bytes: None,
        };
        let sources = settings.data.join("sources");
        Ok(Scheduler {
            queue: Queue::open(slots, store, unix_ms)?,
            running: HashMap::new(),
            jobs: HashMap::new(),
            verdicts: VerdictCache::open(resource_limits, store)?,
            dependencies: DependencyCache::new(sources.clone()),
            kept_caches: settings
                .keep_caches
                .then(|| KeptCaches::new(sources.clone())),
            rechecks: Rechecks::open(&settings.zig_versions, store)?,
            retiring: None,
            open_builds: builds::count_open(store)?,
            ended_builds: 0,
            starts_left: STARTS_LIMIT,
            job_limits: JobLimits::new(settings),
            searches: settings.commit_search,
            targets: TargetsMode::open(settings.targets, store)?,
            resource_limits,
            sources,
            order_cache: OrderCache::default(),
        })
    }

    /// The number of builds that wait: for a slot, for their source, or for the verdict of another build.
    pub fn waiting_builds(&self) -> u64 {
        let running = self.running.values().filter(|task| task.is_running_build());
        self.open_builds.saturating_sub(running.count() as u64)
    }

    /// True while a task waits for a slot of the cluster.
    pub fn is_placing(&self) -> bool {
        let mut running = self.running.values();
        running.any(|task| task.machine.is_placing())
    }

    /// The largest position that a new task of that priority can have.
    pub fn last_place(&self, priority: Priority) -> usize {
        let priorities = Priority::ALL.iter().filter(|before| **before <= priority);
        priorities
            .map(|priority| self.queue.waiting_of(*priority))
            .sum::<u64>() as usize
    }

    pub fn view<'a>(&'a self, store: &'a Store) -> QueueView<'a> {
        QueueView {
            queue: &self.queue,
            running: &self.running,
            store,
            open_builds: self.open_builds,
            cache: &self.order_cache,
        }
    }

    /// The turn is committed: more tasks may start. Gives the names of files whose rows were deleted in it.
    pub fn on_commit(&mut self) -> Vec<String> {
        self.starts_left = STARTS_LIMIT;
        let mut orphans = self.dependencies.take_orphans();
        let kept_caches = self.kept_caches.iter_mut();
        orphans.extend(kept_caches.flat_map(KeptCaches::take_orphans));
        orphans
    }

    /// True if an engine that does not answer should be asked again.
    pub fn wants_engine(&self) -> bool {
        let mut running = self.running.values();
        self.queue.waiting() > 0
            || self.rechecks.has_work()
            || self.rechecks.lacks_image()
            || self.targets.is_examining
            || self.is_placing()
            || running.any(|task| task.machine.is_detached())
    }

    /// The containers of attempts in progress.
    pub fn containers(&self) -> Vec<String> {
        let running = self.running.values();
        running.flat_map(|task| &task.containers).cloned().collect()
    }

    /// When `on_time` or `start_ready` is due next. `ready`: containers may be started.
    pub fn deadline_ms(&self, ready: bool, services: &Services) -> Option<u64> {
        let (store, now) = (&services.store, services.now);
        let ready = ready && self.rechecks.newest_version(&services.engine).is_some();
        let is_busy = self.verdicts.has_waiters() || self.retiring.is_some();
        let has_work = self.rechecks.has_work() || self.targets.examines(&self.queue);
        if is_busy || (ready && has_work) {
            return Some(now.mono_ms);
        }
        let running = self.running.values();
        let machines = running.filter_map(|task| task.machine.deadline_ms());
        let queue = self.queue.deadline().filter(|_| ready);
        // A database error is met again by the turn itself. A recheck that is due waits for the engine.
        let recheck = packages::next_check_due(store).ok().flatten();
        let recheck = recheck.filter(|at| ready || *at > now.unix_ms);
        let later = queue.into_iter().chain(recheck);
        let later = later.map(|at| now.mono_ms + at.saturating_sub(now.unix_ms).max(0) as u64);
        machines.chain(later).min()
    }

    // -- enqueueing --

    /// Enqueues a check that was just written, with its builds; returns their rows.
    pub fn add(
        &mut self,
        check: CheckId,
        services: &mut Services,
    ) -> store::Result<(CheckRow, Vec<BuildRow>)> {
        let check = checks::by_id(&services.store, check)?.expect("it was just written");
        let rows = builds::of_check(&services.store, check.id)?;
        self.open_builds += rows.len() as u64;
        if check.source.is_none() {
            let entry = entry(Task::FetchSource(check.id), &check, &services.store)?;
            self.push(&entry, None, services)?;
        }
        for row in &rows {
            services.publish_row(row, None)?;
            if check.source.is_some() {
                self.enqueue_build(row, &check, services)?;
            }
        }
        Ok((check, rows))
    }

    /// True if a task waits or has a slot.
    pub(super) fn has_task(&self, task: Task, store: &Store) -> store::Result<bool> {
        Ok(self.running.contains_key(&task) || self.queue.is_waiting(store, task)?)
    }

    pub(super) fn push(
        &mut self,
        entry: &Entry,
        not_before: Option<i64>,
        services: &mut Services,
    ) -> store::Result<()> {
        let now = services.now.unix_ms;
        self.queue.push(&mut services.store, entry, not_before, now)
    }

    /// Enqueues a build whose source is fetched, or finishes it with a known verdict.
    pub(super) fn enqueue_build(
        &mut self,
        row: &BuildRow,
        check: &CheckRow,
        services: &mut Services,
    ) -> store::Result<()> {
        let key = self.verdicts.key(check, &row.zig_version, &services.engine);
        if !check.fresh && self.finish_from_cache(row.id, key.as_deref(), services)? {
            return Ok(());
        }
        let entry = entry(Task::Build(row.id), check, &services.store)?;
        self.push(&entry, None, services)
    }

    // -- starting --

    /// Starts tasks while slots are free, at most `STARTS_LIMIT` a turn. Without any image all stay in the queue.
    pub fn start_ready(&mut self, services: &mut Services) -> store::Result<()> {
        let Some(newest) = self.rechecks.newest_version(&services.engine).cloned() else {
            missing_images::want(services);
            return Ok(());
        };
        while self.starts_left > 0 {
            let now = services.now.unix_ms;
            let Some(entry) = self.queue.take(&mut services.store, now)? else {
                return Ok(());
            };
            self.starts_left -= 1;
            let tenant = entry.tenant.clone();
            let started = match entry.task {
                Task::FetchSource(check) => self.start_fetch(entry, check, services)?,
                Task::Build(build) => self.start_build(entry, build, services)?,
                Task::CheckRemote(package) | Task::ListCommits(package) => {
                    self.start_question(entry, package, newest.clone(), services)?
                }
                Task::CheckTargets(build) => self.start_targets(entry, build, services)?,
            };
            if !started {
                self.queue.release(&tenant);
            }
        }
        Ok(())
    }

    /// False if no build needs the source any more, or no image is there to fetch it with.
    fn start_fetch(
        &mut self,
        entry: Entry,
        check: CheckId,
        services: &mut Services,
    ) -> store::Result<bool> {
        let row = checks::by_id(&services.store, check)?.expect("it waited");
        let wanted = self.cancel_retired_behind(check, services)?;
        if wanted.is_empty() || self.cancel_if_paused(&row, services)? {
            return Ok(false);
        }
        let mut versions = wanted.into_iter().map(|build| build.zig_version);
        let Some(version) = versions.find(|version| services.engine.toolchain(version).is_some())
        else {
            return missing_images::put_back(&mut self.queue, &entry, services);
        };
        let machine = Build::new(row.attempt, row.errors, self.job_limits);
        let package = row.package_id.filter(|_| !row.is_try && !row.fresh);
        let mut running_task = RunningTask::new(entry, Subject::Check(row), version, machine);
        if let Some(package) = package
            && self.kept_caches.is_some()
        {
            running_task.asked_commits = kept_caches::commits(&services.store, package)?;
        }
        self.start(running_task, JobKind::FetchSource, services)?;
        Ok(true)
    }

    /// False if the build is over, its verdict is known, another build of its key runs, or its image is missing.
    fn start_build(
        &mut self,
        entry: Entry,
        build: BuildId,
        services: &mut Services,
    ) -> store::Result<bool> {
        let row = builds::by_id(&services.store, build)?.expect("it waited");
        let check = checks::by_id(&services.store, row.check)?.expect("a build has its check");
        let Some(source) = &check.source else {
            return Ok(false);
        };
        if row.state.is_final() || self.cancel_if_unwanted(&row, &check, services)? {
            return Ok(false);
        }
        let Some(image) = services
            .engine
            .served_toolchain(&row.zig_version)
            .map(str::to_string)
        else {
            return missing_images::put_back(&mut self.queue, &entry, services);
        };
        let key = self
            .verdicts
            .key(&check, &row.zig_version, &services.engine);
        if !check.fresh {
            if self.finish_from_cache(build, key.as_deref(), services)? {
                return Ok(false);
            }
            if let Some(leader) = self.verdicts.leader(key.as_deref()) {
                builds::wait_for(&mut services.store, build, leader)?;
                return Ok(false);
            }
        }
        let at = services.now.unix_ms;
        builds::set_started(&mut services.store, build, &image, key.as_deref(), at)?;
        sources::set_used(&mut services.store, &source.hash, at)?;
        self.verdicts.lead(key.as_deref(), build, check.fresh);
        let machine = Build::new(row.attempt, row.errors, self.job_limits);
        let mut running_task =
            RunningTask::new(entry, Subject::Check(check), row.zig_version, machine);
        running_task.key = key;
        running_task.may_reuse = !row.no_reuse;
        let first = self.dependencies.first_job(&mut running_task, services)?;
        self.start(running_task, first, services)?;
        Ok(true)
    }

    /// Asks a remote. False if no search waits for its commits, or the package is gone: then its searches end.
    fn start_question(
        &mut self,
        entry: Entry,
        package: PackageId,
        zig_version: String,
        services: &mut Services,
    ) -> store::Result<bool> {
        let is_list = entry.task == Task::ListCommits(package);
        if is_list && !commit_searches::is_listing(&services.store, package)? {
            return Ok(false);
        }
        let Some(row) = packages::recheck(&services.store, package)? else {
            self.searches(services).cancel(package)?;
            return Ok(false);
        };
        let (first, errors) = if is_list {
            let errors = commit_searches::errors(&services.store, package)?;
            (JobKind::ListCommits, errors)
        } else {
            rechecks::schedule_retry(package, services)?;
            (JobKind::ResolveRemote, 0)
        };
        let machine = Build::new(self.rechecks.next_question(), errors, self.job_limits);
        let running_task = RunningTask::new(entry, Subject::Package(row), zig_version, machine);
        self.start(running_task, first, services)?;
        Ok(true)
    }

    /// False if there is nothing to analyse any more, which then stays unknown, or its image is missing.
    fn start_targets(
        &mut self,
        entry: Entry,
        build: BuildId,
        services: &mut Services,
    ) -> store::Result<bool> {
        let context = (self.targets.is_on, &self.rechecks, self.job_limits);
        let Some(mut running_task) = target_task::take(entry, build, context, services)? else {
            return Ok(false);
        };
        if services
            .engine
            .served_toolchain(&running_task.zig_version)
            .is_none()
        {
            return missing_images::put_back(&mut self.queue, &running_task.entry, services);
        }
        let first = self.dependencies.first_job(&mut running_task, services)?;
        self.start(running_task, first, services)?;
        Ok(true)
    }

    fn start(
        &mut self,
        mut running_task: RunningTask,
        first: JobKind,
        services: &mut Services,
    ) -> store::Result<()> {
        running_task.started_unix_ms = services.now.unix_ms;
        // By recipe or id, so that the image that runs is the one in the row.
        let images = services.engine.images(&running_task.zig_version);
        (running_task.image, running_task.fetch_image) = images.expect("else it is put back");
        let toolchain = services.engine.toolchain(&running_task.zig_version);
        running_task.toolchain = toolchain.unwrap_or_default().to_string();
        let task = running_task.entry.task;
        self.running.insert(task, running_task);
        self.step(task, Input::Start(first), services)
    }

    // -- the steps of state machines --

    pub(super) fn step(
        &mut self,
        task: Task,
        input: Input,
        services: &mut Services,
    ) -> store::Result<()> {
        let mut input = Some(input);
        while let Some(running_task) = self.running.get_mut(&task) {
            let step = match input.take() {
                Some(input) => running_task.machine.step(input, services.now.mono_ms),
                None => running_task.machine.take_ended(),
            };
            let Some(step) = step else { break };
            input = self.perform(task, step, services)?;
        }
        let running_task = self.running.get(&task);
        if running_task.is_some_and(|running_task| running_task.machine.is_detached()) {
            let place = services.docker.routing().of_builds();
            services.engine.invalidate(place);
        }
        Ok(())
    }

    /// Performs a step; returns the next input of the machine, if the step has one.
    fn perform(
        &mut self,
        task: Task,
        step: Step,
        services: &mut Services,
    ) -> store::Result<Option<Input>> {
        match step {
            Step::Run(kind) => self.run(task, kind, services)?,
            Step::End(kind) => self.end_container(task, kind, services),
            Step::Kill(_) => self.detach_job(task, services),
            Step::Interpret(kind, end) => {
                let outcome = self.interpret(task, kind, end, services);
                let running_task = self.running.get_mut(&task).expect("it made this step");
                for host in running_task.attempt_state.take_hosts_refused() {
                    refused_hosts::note(&mut services.store, &host, services.now.unix_ms)?;
                }
                return Ok(Some(Input::Interpreted(outcome)));
            }
            Step::Ready => self.on_fetched(task, services)?,
            Step::Finish(verdict) => self.finish(task, &verdict, services)?,
            Step::Retry { error, at_ms } => self.retry(task, &error, at_ms, services)?,
            Step::Doubt(verdict) => self.run_without_cache(task, &verdict, services)?,
        }
        Ok(None)
    }

    fn run(&mut self, task: Task, kind: JobKind, services: &mut Services) -> store::Result<()> {
        let running_task = self.running.get_mut(&task).expect("it made this step");
        if kind == JobKind::Place || kind == running_task.main_job() {
            let at_ms = services.now.mono_ms + NODES_DELAY_MS;
            services.engine.want_nodes(at_ms);
        }
        if kind == running_task.main_job() {
            self.dependencies.keep(running_task, services)?;
            self.give_cache(task, services)?;
        }
        let running_task = self.running.get_mut(&task).expect("it made this step");
        let job = running_task.job_command(kind, &services.docker, &self.sources);
        let new = job.new_container;
        let new = new.filter(|name| !running_task.containers.contains(name));
        running_task.containers.extend(new);
        running_task.begin(kind, &self.sources, &services.docker);
        if let Task::Build(build) = task {
            prepare_log(running_task, build, kind, services)?;
        }
        let job = services.out.spawn(job.command);
        running_task.job = Some(job);
        self.jobs.insert(job, task);
        self.publish_state(task, services)
    }

    /// Stores the state of a build; the state of a fetch is that of all builds that wait for it.
    pub(super) fn publish_state(&self, task: Task, services: &mut Services) -> store::Result<()> {
        let running_task = &self.running[&task];
        let state = running_task.machine.state();
        match task {
            Task::Build(build) => services.set_state(build, state, running_task.machine.attempt),
            Task::FetchSource(check) => {
                for row in builds_behind(&self.running, check, &services.store)? {
                    services.set_state(row.id, state, row.attempt)?;
                }
                Ok(())
            }
            Task::CheckRemote(_) | Task::ListCommits(_) | Task::CheckTargets(_) => Ok(()),
        }
    }
}
