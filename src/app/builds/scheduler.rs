//! The work there is: sources to fetch, builds to run, remotes to look at; what has its slot, with
//! its machine and its jobs. What waits is in the database alone.

use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;

use crate::app::builds::attempt::Judge;
use crate::app::builds::build::{Build, Input, JobLimits, Kind, Settled, Step};
use crate::app::builds::running::Active;
use crate::app::domain::task::{Entry, Work};
use crate::app::domain::verdict::{Bounds, State};
use crate::app::engine::Engine;
use crate::app::engine::commands::{ENGINE_LIMITS, Errands, Purpose};
use crate::app::engine::docker::Docker;
use crate::app::engine::job::{End, Limits};
use crate::app::live::feed::Feed;
use crate::app::queue::Queue;
use crate::app::store::{self, BuildRow, CheckRow, Run, Store};
use crate::config::{
    FETCH_TIMEOUT_MS, OUTPUT_LIMIT_BYTES, REST_TIMEOUT_MS, STARTS_LIMIT, Settings,
};
use crate::interface::event::{Action, JobId, Now};
use crate::interface::outbox::Outbox;

/// The rest of the server, as far as work needs it.
pub struct Context<'a> {
    pub store: &'a mut Store,
    pub docker: &'a Docker,
    pub engine: &'a mut Engine,
    pub errands: &'a mut Errands,
    pub feed: &'a mut Feed,
    pub out: &'a mut Outbox,
    pub now: Now,
}

impl Context<'_> {
    /// Writes where a build is, and lets the world know.
    pub(super) fn set_state(
        &mut self,
        build: i64,
        state: State,
        attempt: u32,
    ) -> store::Result<()> {
        match self.store.set_state(build, state, attempt)? {
            true => self.tell(build),
            false => Ok(()),
        }
    }

    pub(super) fn tell(&mut self, build: i64) -> store::Result<()> {
        let row = self.store.build(build)?.expect("it was just written");
        let at = self.now.unix_ms;
        self.feed.changed(self.store, &row, at, self.out)
    }
}

/// All unfinished work. Errors are those of the database.
#[derive(Debug)]
pub struct Works {
    pub(super) queue: Queue,
    /// What has its slot.
    pub(super) active: HashMap<Work, Active>,
    pub(super) jobs: HashMap<JobId, Work>,
    /// Builds that run, by what they are known by in the cache.
    pub(super) keys: HashMap<String, i64>,
    /// Builds that ended while others waited for their verdict.
    pub(super) to_answer: VecDeque<i64>,
    /// Builds still to finish, wherever they are.
    pub(super) open: u64,
    /// How many more may start in this turn.
    pub(super) starts_left: usize,
    /// Packages are being looked through for builds under a toolchain that is new.
    pub(super) sweeping: bool,
    pub(super) zig_versions: Vec<String>,
    pub(super) limits: JobLimits,
    pub(super) bounds: Bounds,
    pub(super) sources: PathBuf,
    /// Names of files in `sources` whose rows went in this turn.
    pub(super) orphans: Vec<String>,
    pub(super) view: crate::app::builds::queue_view::View,
}

impl Works {
    pub(super) fn new(settings: &Settings, queue: Queue, open: u64) -> Works {
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
        Works {
            queue,
            active: HashMap::new(),
            jobs: HashMap::new(),
            keys: HashMap::new(),
            to_answer: VecDeque::new(),
            open,
            starts_left: STARTS_LIMIT,
            sweeping: false,
            zig_versions: settings.zig_versions.clone(),
            limits: JobLimits {
                fetch: all(FETCH_TIMEOUT_MS),
                build,
                look: ENGINE_LIMITS,
                // What there is was counted when it came first.
                rest: Limits {
                    output_bytes: u64::MAX,
                    ..all(REST_TIMEOUT_MS)
                },
            },
            bounds: Bounds {
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
        let active = self.active.values();
        let fed = active.filter_map(|active| active.gathered.dependencies_file());
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
        self.waiting() > 0 || self.sweeping || self.active.values().any(|a| a.machine.is_adrift())
    }

    /// Containers of attempts under way.
    pub fn containers(&self) -> Vec<String> {
        let all = self.active.values().flat_map(|active| &active.containers);
        all.cloned().collect()
    }

    /// When `time` or `start_ready` has something to do next; `ready`: containers may be started.
    pub fn deadline_ms(&self, ready: bool, store: &Store, now: Now) -> Option<u64> {
        if !self.to_answer.is_empty() || (ready && self.sweeping) {
            return Some(now.mono_ms);
        }
        let machines = self.active.values();
        let machines = machines.filter_map(|active| active.machine.deadline_ms());
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
        cx: &mut Context,
    ) -> store::Result<(CheckRow, Vec<BuildRow>)> {
        let check = cx.store.check(check)?.expect("it was just written");
        let rows = cx.store.builds_of(check.id)?;
        self.open += rows.len() as u64;
        if check.source.is_none() {
            let entry = entry(Work::Source(check.id), &check, cx.store)?;
            self.push(&entry, None, cx)?;
        }
        for row in &rows {
            cx.feed.changed(cx.store, row, cx.now.unix_ms, cx.out)?;
            if check.source.is_some() {
                self.line_up(row, &check, cx)?;
            }
        }
        Ok((check, rows))
    }

    pub(super) fn push(
        &mut self,
        entry: &Entry,
        not_before: Option<i64>,
        cx: &mut Context,
    ) -> store::Result<()> {
        self.view.forget();
        self.queue.push(cx.store, entry, not_before, cx.now.unix_ms)
    }

    /// A build that has its source waits for a slot, unless its verdict is known.
    pub(super) fn line_up(
        &mut self,
        row: &BuildRow,
        check: &CheckRow,
        cx: &mut Context,
    ) -> store::Result<()> {
        let key = self.key(check, &row.zig_version, cx.engine);
        if self.answer_known(row.id, key.as_deref(), cx)? {
            return Ok(());
        }
        let entry = entry(Work::Build(row.id), check, cx.store)?;
        self.push(&entry, None, cx)
    }

    // -- starting --

    /// Starts what has a slot and whose time has come; a limited number at a time.
    pub fn start_ready(&mut self, cx: &mut Context) -> store::Result<()> {
        while self.starts_left > 0 {
            let Some(entry) = self.queue.take(cx.store, cx.now.unix_ms)? else {
                return Ok(());
            };
            self.starts_left -= 1;
            self.view.forget();
            let party = entry.party.clone();
            let started = match entry.work {
                Work::Source(check) => self.start_source(entry, check, cx)?,
                Work::Build(build) => self.start_build(entry, build, cx)?,
                Work::Remote(package) => self.start_remote(entry, package, cx)?,
            };
            if !started {
                self.queue.release(&party);
            }
        }
        Ok(())
    }

    pub(super) fn start_source(
        &mut self,
        entry: Entry,
        check: i64,
        cx: &mut Context,
    ) -> store::Result<bool> {
        let row = cx.store.check(check)?.expect("it waited");
        let builds = cx.store.open_builds(check)?;
        let Some(newest) = builds.first() else {
            return Ok(false);
        };
        let version = newest.zig_version.clone();
        let machine = Build::new(row.attempt, row.errors, self.limits);
        let active = Active::new(entry, row, version, machine);
        self.start(active, Kind::Source, cx)?;
        Ok(true)
    }

    pub(super) fn start_build(
        &mut self,
        entry: Entry,
        build: i64,
        cx: &mut Context,
    ) -> store::Result<bool> {
        let row = cx.store.build(build)?.expect("it waited");
        let check = cx.store.check(row.check)?.expect("a build has its check");
        if row.state.is_final() || check.source.is_none() {
            return Ok(false);
        }
        let key = self.key(&check, &row.zig_version, cx.engine);
        if self.answer_known(build, key.as_deref(), cx)? {
            return Ok(false);
        }
        if let Some(runs) = key.as_ref().and_then(|key| self.keys.get(key)) {
            cx.store.share(build, *runs)?;
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
        let mut active = Active::new(entry, check, row.zig_version, machine);
        active.key = key;
        active.own_name = row.own_name;
        let first = self.first_job(&mut active, &image, cx)?;
        self.start(active, first, cx)?;
        Ok(true)
    }

    pub(super) fn start(
        &mut self,
        mut active: Active,
        first: Kind,
        cx: &mut Context,
    ) -> store::Result<()> {
        active.started_unix_ms = cx.now.unix_ms;
        // By its id: what is run is what it is booked under. An engine that has none is told the name,
        // and says so.
        let image = cx.engine.image(&active.zig_version).map(str::to_string);
        active.image = image.unwrap_or_else(|| format!("zigcheck:{}", active.zig_version));
        let work = active.entry.work;
        self.active.insert(work, active);
        self.step(work, Input::Start(first), cx)
    }

    // -- what machines ask for --

    pub(super) fn step(&mut self, work: Work, input: Input, cx: &mut Context) -> store::Result<()> {
        let mut input = Some(input);
        while let Some(active) = self.active.get_mut(&work) {
            let step = match input.take() {
                Some(input) => active.machine.step(input, cx.now.mono_ms),
                None => active.machine.settle(),
            };
            let Some(step) = step else { break };
            input = self.perform(work, step, cx)?;
        }
        if self
            .active
            .get(&work)
            .is_some_and(|a| a.machine.is_adrift())
        {
            cx.engine.doubt();
        }
        Ok(())
    }

    /// Does what a step asks for; gives what the machine is to be told of it.
    pub(super) fn perform(
        &mut self,
        work: Work,
        step: Step,
        cx: &mut Context,
    ) -> store::Result<Option<Input>> {
        match step {
            Step::Run(kind) => self.run(work, kind, cx)?,
            Step::End(kind) => self.end_container(work, kind, cx),
            Step::Kill(_) => self.let_go_of_job(work, cx),
            Step::Settle(_, end) => {
                let settled = self.settle(work, end, cx);
                return Ok(Some(Input::Settled(settled)));
            }
            Step::Ready => self.ready(work, cx)?,
            Step::Finish(verdict) => self.finish(work, &verdict, cx)?,
            Step::Retry { error, at_ms } => self.retry(work, &error, at_ms, cx)?,
        }
        Ok(None)
    }

    pub(super) fn run(&mut self, work: Work, kind: Kind, cx: &mut Context) -> store::Result<()> {
        if kind == Kind::Build {
            self.keep_dependencies(work, cx)?;
        }
        let active = self.active.get_mut(&work).expect("it made this step");
        let (command, container) = active.command(kind, cx.docker, &self.sources);
        active.containers.extend(container);
        active.begin(kind, &self.sources);
        if let Work::Build(build) = work {
            prepare_log(active, build, kind, cx)?;
        }
        let job = cx.out.spawn(command);
        active.job = Some(job);
        self.jobs.insert(job, work);
        self.publish_state(work, cx)
    }

    pub(super) fn end_container(&mut self, work: Work, kind: Kind, cx: &mut Context) {
        let active = &self.active[&work];
        let name = active.container(kind, cx.docker);
        match (kind, active.job) {
            (Kind::Look | Kind::Rest, Some(job)) => cx.out.push(Action::Kill { job }),
            _ => end_by_name(Some(work), name, cx),
        }
    }

    /// Nothing more is to be heard of the job at hand.
    pub(super) fn let_go_of_job(&mut self, work: Work, cx: &mut Context) {
        let active = self.active.get_mut(&work);
        if let Some(job) = active.and_then(|active| active.job.take()) {
            self.jobs.remove(&job);
            cx.out.push(Action::Kill { job });
        }
    }

    /// What a job that ended gave.
    pub(super) fn settle(&mut self, work: Work, end: End, cx: &mut Context) -> Settled {
        let active = self.active.get_mut(&work).expect("it made this step");
        if let Some(job) = active.job.take() {
            self.jobs.remove(&job);
        }
        let build = match work {
            Work::Build(build) => build,
            Work::Source(_) | Work::Remote(_) => 0,
        };
        let judge = Judge {
            seal: cx.docker.seal(build, active.machine.attempt()),
            docker: cx.docker,
            sources: &self.sources,
            bounds: self.bounds,
            early: cx.now.unix_ms < active.early_until_ms,
        };
        let settled = active.gathered.settle(end, &judge);
        active.own_name |= active.gathered.is_name_taken();
        if !active.gathered.is_ours() {
            // Whoever has that name: what is ours is found by its label.
            active.containers.pop();
            cx.engine.sweep_again(cx.now.mono_ms);
        }
        settled
    }

    /// Writes where a build is; while a source is fetched, that is where its builds are.
    pub(super) fn publish_state(&self, work: Work, cx: &mut Context) -> store::Result<()> {
        let active = &self.active[&work];
        let state = active.machine.state();
        match work {
            Work::Build(build) => cx.set_state(build, state, active.machine.attempt()),
            Work::Source(check) => {
                for row in self.builds_behind(check, cx.store)? {
                    cx.set_state(row.id, state, row.attempt)?;
                }
                Ok(())
            }
            Work::Remote(_) => Ok(()),
        }
    }
}

/// Ends a container of that name, if it is ours.
pub(super) fn end_by_name(work: Option<Work>, container: String, cx: &mut Context) {
    let list = cx.docker.list_containers();
    let purpose = Purpose::Doomed { work, container };
    cx.errands.start(list, purpose, cx.out, cx.now.mono_ms);
}

/// What waits for a check or for one of its builds.
pub(super) fn entry(work: Work, check: &CheckRow, store: &Store) -> store::Result<Entry> {
    Ok(Entry {
        work,
        class: check.class,
        party: check.party.clone(),
        popularity: store.popularity(check.package_id)?,
    })
}

/// The log of a build is open, and stands where this job goes on writing.
fn prepare_log(active: &mut Active, build: i64, kind: Kind, cx: &mut Context) -> store::Result<()> {
    let logs = &mut cx.feed.logs;
    logs.begin(build, active.machine.attempt());
    match kind {
        Kind::Build => {
            active.log_start = logs.written(build).unwrap_or(0);
            let run = Run {
                log_start: active.log_start,
                own_name: active.own_name,
                fetched: active.gathered.deps(),
            };
            cx.store.set_run(build, &run, cx.now.unix_ms)
        }
        Kind::Follow | Kind::Rest => {
            let start = logs.rewind(build, active.log_start);
            if start != active.log_start {
                active.log_start = start;
                cx.store.set_log_start(build, start)?;
            }
            Ok(())
        }
        _ => Ok(()),
    }
}
