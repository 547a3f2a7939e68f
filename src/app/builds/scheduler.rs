//! The work there is: sources to fetch, builds to run, remotes to look at; what has its slot, with
//! its machine and its jobs. What waits is in the database alone.

use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;

use crate::app::builds::attempt::AttemptContext;
use crate::app::builds::build::{Build, Input, JobLimits, Kind, Settled, Step};
use crate::app::builds::limits::{
    FETCH_TIMEOUT_MS, OUTPUT_LIMIT_BYTES, READ_LOGS_TIMEOUT_MS, STARTS_LIMIT,
};
use crate::app::builds::running::RunningTask;
use crate::app::builds::services::Services;
use crate::app::domain::task::{Entry, Task};
use crate::app::domain::verdict::ResourceLimits;
use crate::app::engine::commands::{ENGINE_LIMITS, Purpose};
use crate::app::engine::job::{JobEnd, Limits};
use crate::app::queue::queue::Queue;
use crate::app::store::builds::{BuildRow, Run};
use crate::app::store::checks::CheckRow;
use crate::app::store::store::{self, Store};
use crate::config::settings::Settings;
use crate::interface::event::{Action, JobId, Now};

/// All unfinished work. Errors are those of the database.
#[derive(Debug)]
pub struct Scheduler {
    pub(super) queue: Queue,
    /// What has its slot.
    pub(super) running: HashMap<Task, RunningTask>,
    pub(super) jobs: HashMap<JobId, Task>,
    /// Builds that run, by what they are known by in the cache.
    pub(super) keys: HashMap<String, i64>,
    /// Builds that ended while others waited for their verdict.
    pub(super) finished_leaders: VecDeque<i64>,
    /// Builds still to finish, wherever they are.
    pub(super) open: u64,
    /// How many more may start in this turn.
    pub(super) starts_left: usize,
    /// Packages are being looked through for builds under a toolchain that is new.
    pub(super) rebuilding: bool,
    pub(super) zig_versions: Vec<String>,
    pub(super) limits: JobLimits,
    pub(super) bounds: ResourceLimits,
    pub(super) sources: PathBuf,
    /// Names of files in `sources` whose rows went in this turn.
    pub(super) orphans: Vec<String>,
    pub(super) view: crate::app::builds::queue_view::View,
}

impl Scheduler {
    pub(super) fn new(settings: &Settings, queue: Queue, open: u64) -> Scheduler {
        let all = |total_ms| Limits {
            total_ms,
            silence_ms: total_ms,
            output_bytes: OUTPUT_LIMIT_BYTES,
        };
        let build = Limits {
            total_ms: settings.build_timeout_ms,
            silence_ms: settings.silence_timeout_ms,
            output_bytes: OUTPUT_LIMIT_BYTES,
        };
        Scheduler {
            queue,
            running: HashMap::new(),
            jobs: HashMap::new(),
            keys: HashMap::new(),
            finished_leaders: VecDeque::new(),
            open,
            starts_left: STARTS_LIMIT,
            rebuilding: false,
            zig_versions: settings.zig_versions.clone(),
            limits: JobLimits {
                fetch: all(FETCH_TIMEOUT_MS),
                build,
                look: ENGINE_LIMITS,
                // What there is was counted when it came first.
                rest: Limits {
                    output_bytes: u64::MAX,
                    ..all(READ_LOGS_TIMEOUT_MS)
                },
            },
            bounds: ResourceLimits {
                memory_bytes: settings.memory_bytes,
                build_timeout_ms: settings.build_timeout_ms,
                silence_timeout_ms: settings.silence_timeout_ms,
                peak_bytes: None,
            },
            sources: settings.data.join("sources"),
            orphans: Vec::new(),
            view: crate::app::builds::queue_view::View::default(),
        }
    }

    /// Pieces of work that wait for a slot.
    pub fn waiting(&self) -> u64 {
        self.queue.waiting()
    }

    pub fn running(&self) -> usize {
        self.queue.running()
    }

    /// The turn is committed: there is time again, and files that no row names any more go.
    pub fn turn_ends(&mut self) {
        self.starts_left = STARTS_LIMIT;
        if self.orphans.is_empty() {
            return;
        }
        // A container may still be fed with one.
        let running_task = self.running.values();
        let fed =
            running_task.filter_map(|running_task| running_task.attempt_state.dependencies_file());
        let fed: Vec<&PathBuf> = fed.map(|file| &file.path).collect();
        self.orphans.retain(|name| {
            let path = self.sources.join(name);
            let stays = fed.contains(&&path);
            if !stays {
                // What cannot be removed goes at the next start.
                let _ = std::fs::remove_file(path);
            }
            stays
        });
    }

    /// Something needs the engine, if it does not answer.
    pub fn wants_engine(&self) -> bool {
        self.waiting() > 0
            || self.rebuilding
            || self.running.values().any(|a| a.machine.is_detached())
    }

    /// Containers of attempts under way.
    pub fn containers(&self) -> Vec<String> {
        let all = self
            .running
            .values()
            .flat_map(|running_task| &running_task.containers);
        all.cloned().collect()
    }

    /// When `time` or `start_ready` has something to do next; `ready`: containers may be started.
    pub fn deadline_ms(&self, ready: bool, store: &Store, now: Now) -> Option<u64> {
        if !self.finished_leaders.is_empty() || (ready && self.rebuilding) {
            return Some(now.mono_ms);
        }
        let machines = self.running.values();
        let machines = machines.filter_map(|running_task| running_task.machine.deadline_ms());
        let queue = self.queue.deadline().filter(|_| ready);
        // Where the database fails, the next turn finds out. Looks that are due wait for the engine.
        let look = store.next_check_due().ok().flatten();
        let look = look.filter(|at| ready || *at > now.unix_ms);
        let later = queue.into_iter().chain(look);
        let later = later.map(|at| now.mono_ms + at.saturating_sub(now.unix_ms).max(0) as u64);
        machines.chain(later).min()
    }

    /// Takes a check that was just written, with its builds; gives their rows.
    pub fn add(
        &mut self,
        check: i64,
        cx: &mut Services,
    ) -> store::Result<(CheckRow, Vec<BuildRow>)> {
        let check = cx.store.check(check)?.expect("it was just written");
        let rows = cx.store.builds_of(check.id)?;
        self.open += rows.len() as u64;
        if check.source.is_none() {
            let entry = entry(Task::FetchSource(check.id), &check, &cx.store)?;
            self.push(&entry, None, cx)?;
        }
        for row in &rows {
            cx.feed
                .publish(&mut cx.store, row, cx.now.unix_ms, &mut cx.out)?;
            if check.source.is_some() {
                self.enqueue_build(row, &check, cx)?;
            }
        }
        Ok((check, rows))
    }

    pub(super) fn push(
        &mut self,
        entry: &Entry,
        not_before: Option<i64>,
        cx: &mut Services,
    ) -> store::Result<()> {
        self.view.forget();
        self.queue
            .push(&mut cx.store, entry, not_before, cx.now.unix_ms)
    }

    /// A build that has its source waits for a slot, unless its verdict is known.
    pub(super) fn enqueue_build(
        &mut self,
        row: &BuildRow,
        check: &CheckRow,
        cx: &mut Services,
    ) -> store::Result<()> {
        let key = self.key(check, &row.zig_version, &cx.engine);
        if self.answer_known(row.id, key.as_deref(), cx)? {
            return Ok(());
        }
        let entry = entry(Task::Build(row.id), check, &cx.store)?;
        self.push(&entry, None, cx)
    }

    // -- starting --

    /// Starts what has a slot and whose time has come; a limited number at a time.
    pub fn start_ready(&mut self, cx: &mut Services) -> store::Result<()> {
        while self.starts_left > 0 {
            let Some(entry) = self.queue.take(&mut cx.store, cx.now.unix_ms)? else {
                return Ok(());
            };
            self.starts_left -= 1;
            self.view.forget();
            let tenant = entry.tenant.clone();
            let started = match entry.task {
                Task::FetchSource(check) => self.start_source(entry, check, cx)?,
                Task::Build(build) => self.start_build(entry, build, cx)?,
                Task::CheckRemote(package) => self.start_remote(entry, package, cx)?,
            };
            if !started {
                self.queue.release(&tenant);
            }
        }
        Ok(())
    }

    pub(super) fn start_source(
        &mut self,
        entry: Entry,
        check: i64,
        cx: &mut Services,
    ) -> store::Result<bool> {
        let row = cx.store.check(check)?.expect("it waited");
        let builds = cx.store.open_builds(check)?;
        let Some(newest) = builds.first() else {
            return Ok(false);
        };
        let version = newest.zig_version.clone();
        let machine = Build::new(row.attempt, row.errors, self.limits);
        let running_task = RunningTask::new(entry, row, version, machine);
        self.start(running_task, Kind::Source, cx)?;
        Ok(true)
    }

    pub(super) fn start_build(
        &mut self,
        entry: Entry,
        build: i64,
        cx: &mut Services,
    ) -> store::Result<bool> {
        let row = cx.store.build(build)?.expect("it waited");
        let check = cx.store.check(row.check)?.expect("a build has its check");
        if row.state.is_final() || check.source.is_none() {
            return Ok(false);
        }
        let key = self.key(&check, &row.zig_version, &cx.engine);
        if self.answer_known(build, key.as_deref(), cx)? {
            return Ok(false);
        }
        if let Some(runs) = key.as_ref().and_then(|key| self.keys.get(key)) {
            cx.store.wait_for(build, *runs)?;
            return Ok(false);
        }
        let image = cx.engine.image(&row.zig_version).unwrap_or("").to_string();
        let at = cx.now.unix_ms;
        cx.store.set_started(build, &image, key.as_deref(), at)?;
        let source = check.source.as_ref().map_or("", |source| &source.hash);
        cx.store.note_source_used(source, at)?;
        if let Some(key) = &key {
            self.keys.insert(key.clone(), build);
        }
        let machine = Build::new(row.attempt, row.errors, self.limits);
        let mut running_task = RunningTask::new(entry, check, row.zig_version, machine);
        running_task.key = key;
        let first = self.first_job(&mut running_task, &image, cx)?;
        self.start(running_task, first, cx)?;
        Ok(true)
    }

    pub(super) fn start(
        &mut self,
        mut running_task: RunningTask,
        first: Kind,
        cx: &mut Services,
    ) -> store::Result<()> {
        running_task.started_unix_ms = cx.now.unix_ms;
        // By its id: what is run is what it is booked under. An engine that has none is told the name,
        // and says so.
        let image = cx
            .engine
            .image(&running_task.zig_version)
            .map(str::to_string);
        running_task.image =
            image.unwrap_or_else(|| format!("zigcheck:{}", running_task.zig_version));
        let task = running_task.entry.task;
        self.running.insert(task, running_task);
        self.step(task, Input::Start(first), cx)
    }

    // -- what machines ask for --

    pub(super) fn step(
        &mut self,
        task: Task,
        input: Input,
        cx: &mut Services,
    ) -> store::Result<()> {
        let mut input = Some(input);
        while let Some(running_task) = self.running.get_mut(&task) {
            let step = match input.take() {
                Some(input) => running_task.machine.step(input, cx.now.mono_ms),
                None => running_task.machine.settle(),
            };
            let Some(step) = step else { break };
            input = self.perform(task, step, cx)?;
        }
        if self
            .running
            .get(&task)
            .is_some_and(|a| a.machine.is_detached())
        {
            cx.engine.invalidate();
        }
        Ok(())
    }

    /// Does what a step asks for; gives what the machine is to be told of it.
    pub(super) fn perform(
        &mut self,
        task: Task,
        step: Step,
        cx: &mut Services,
    ) -> store::Result<Option<Input>> {
        match step {
            Step::Run(kind) => self.run(task, kind, cx)?,
            Step::End(kind) => self.end_container(task, kind, cx),
            Step::Kill(_) => self.detach_job(task, cx),
            Step::Settle(_, end) => {
                let settled = self.settle(task, end, cx);
                return Ok(Some(Input::Settled(settled)));
            }
            Step::Ready => self.ready(task, cx)?,
            Step::Finish(verdict) => self.finish(task, &verdict, cx)?,
            Step::Retry { error, at_ms } => self.retry(task, &error, at_ms, cx)?,
        }
        Ok(None)
    }

    pub(super) fn run(&mut self, task: Task, kind: Kind, cx: &mut Services) -> store::Result<()> {
        if kind == Kind::Build {
            self.keep_dependencies(task, cx)?;
        }
        let running_task = self.running.get_mut(&task).expect("it made this step");
        let (command, container) = running_task.command(kind, &cx.docker, &self.sources);
        running_task.containers.extend(container);
        running_task.begin(kind, &self.sources);
        if let Task::Build(build) = task {
            prepare_log(running_task, build, kind, cx)?;
        }
        let job = cx.out.spawn(command);
        running_task.job = Some(job);
        self.jobs.insert(job, task);
        self.publish_state(task, cx)
    }

    pub(super) fn end_container(&mut self, task: Task, kind: Kind, cx: &mut Services) {
        let running_task = &self.running[&task];
        let name = running_task.container(kind, &cx.docker);
        match (kind, running_task.job) {
            (Kind::Inspect | Kind::ReadLogs, Some(job)) => cx.out.push(Action::Kill { job }),
            (Kind::Build | Kind::FollowLogs, _) => {
                // The engine forgets the peak memory of a container that has ended: read it first.
                let command = cx.docker.peak_memory(&name);
                let container = name;
                let purpose = Purpose::ReadPeakMemory { task, container };
                cx.start(command, purpose);
            }
            _ => kill_container(&name, cx),
        }
    }

    /// Nothing more is to be heard of the job at hand.
    pub(super) fn detach_job(&mut self, task: Task, cx: &mut Services) {
        let running_task = self.running.get_mut(&task);
        if let Some(job) = running_task.and_then(|running_task| running_task.job.take()) {
            self.jobs.remove(&job);
            cx.out.push(Action::Kill { job });
        }
    }

    /// What a job that ended gave.
    pub(super) fn settle(&mut self, task: Task, end: JobEnd, cx: &mut Services) -> Settled {
        let running_task = self.running.get_mut(&task).expect("it made this step");
        if let Some(job) = running_task.job.take() {
            self.jobs.remove(&job);
        }
        let build = match task {
            Task::Build(build) => build,
            Task::FetchSource(_) | Task::CheckRemote(_) => 0,
        };
        let judge = AttemptContext {
            record_id: cx.docker.record_id(build, running_task.machine.attempt()),
            sources: &self.sources,
            bounds: self.bounds,
            not_yet_visible: cx.now.unix_ms < running_task.not_yet_visible_until_ms,
        };
        let settled = running_task.attempt_state.settle(end, &judge);
        if !running_task.attempt_state.is_container_seen() {
            cx.engine.schedule_cleanup(cx.now.mono_ms);
        }
        settled
    }

    /// Writes where a build is; while a source is fetched, that is where its builds are.
    pub(super) fn publish_state(&self, task: Task, cx: &mut Services) -> store::Result<()> {
        let running_task = &self.running[&task];
        let state = running_task.machine.state();
        match task {
            Task::Build(build) => cx.set_state(build, state, running_task.machine.attempt()),
            Task::FetchSource(check) => {
                for row in self.builds_behind(check, &cx.store)? {
                    cx.set_state(row.id, state, row.attempt)?;
                }
                Ok(())
            }
            Task::CheckRemote(_) => Ok(()),
        }
    }
}

pub(super) fn kill_container(name: &str, cx: &mut Services) {
    let kill = cx.docker.kill(name);
    cx.start(kill, Purpose::Nothing);
}

/// What waits for a check or for one of its builds.
pub(super) fn entry(task: Task, check: &CheckRow, store: &Store) -> store::Result<Entry> {
    Ok(Entry {
        task,
        priority: check.priority,
        tenant: check.tenant.clone(),
        popularity: store.popularity(check.package_id)?,
    })
}

/// The log of a build is open, and stands where this job goes on writing.
fn prepare_log(
    running_task: &mut RunningTask,
    build: i64,
    kind: Kind,
    cx: &mut Services,
) -> store::Result<()> {
    let logs = &mut cx.feed.logs;
    logs.begin(build, running_task.machine.attempt());
    match kind {
        Kind::Build => {
            running_task.log_offset = logs.written(build).unwrap_or(0);
            let run = Run {
                log_offset: running_task.log_offset,
                deps_outcome: running_task.attempt_state.deps(),
            };
            cx.store.set_run(build, &run, cx.now.unix_ms)
        }
        Kind::FollowLogs | Kind::ReadLogs => {
            let start = logs.rewind(build, running_task.log_offset);
            if start != running_task.log_offset {
                running_task.log_offset = start;
                cx.store.set_log_offset(build, start)?;
            }
            Ok(())
        }
        _ => Ok(()),
    }
}
