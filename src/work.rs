//! The work there is: sources to fetch and builds to run, each with its machine and its jobs.

mod standing;

use std::collections::HashMap;
use std::path::PathBuf;

use crate::build::{Input, JobLimits, Kind, Settled, State, Step};
use crate::check::{Active, Check};
use crate::config::{FETCH_TIMEOUT_MS, OUTPUT_LIMIT_BYTES, Settings};
use crate::docker::Docker;
use crate::engine::Engine;
use crate::errand::{ENGINE_LIMITS, Errands};
use crate::event::{Action, Exit, JobId, Now, Pipe};
use crate::feed::Feed;
use crate::gather::Gathered;
use crate::job::{End, Limits};
use crate::outbox::Outbox;
use crate::queue::{Queue, Work};
use crate::store::{self, CheckRow, Finished, Store};
use crate::verdict::{Reason, Verdict};
pub use standing::{Running, Waiting};

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
    fn set_state(&mut self, build: i64, state: State, attempt: u32) -> store::Result<()> {
        match self.store.set_state(build, state, attempt)? {
            true => self.tell(build),
            false => Ok(()),
        }
    }

    fn tell(&mut self, build: i64) -> store::Result<()> {
        let row = self.store.build(build)?.expect("it was just written");
        let at = self.now.unix_ms;
        self.feed.changed(self.store, &row, at, self.out)
    }
}

/// All unfinished work. Errors are those of the database.
#[derive(Debug)]
pub struct Works {
    queue: Queue,
    checks: HashMap<i64, Check>,
    active: HashMap<Work, Active>,
    jobs: HashMap<JobId, Work>,
    limits: JobLimits,
    sources: PathBuf,
}

impl Works {
    pub fn new(settings: &Settings) -> Works {
        let fetch = Limits {
            total_ms: FETCH_TIMEOUT_MS,
            silence_ms: FETCH_TIMEOUT_MS,
            output_bytes: OUTPUT_LIMIT_BYTES,
        };
        let build = Limits {
            total_ms: settings.build_timeout_ms,
            silence_ms: settings.silence_timeout_ms,
            output_bytes: OUTPUT_LIMIT_BYTES,
        };
        Works {
            queue: Queue::new(settings.max_builds),
            checks: HashMap::new(),
            active: HashMap::new(),
            jobs: HashMap::new(),
            limits: JobLimits {
                fetch,
                build,
                look: ENGINE_LIMITS,
            },
            sources: settings.data.join("sources"),
        }
    }

    pub fn waiting(&self) -> usize {
        self.queue.waiting()
    }

    pub fn running(&self) -> usize {
        self.queue.running()
    }

    /// Containers of attempts under way.
    pub fn containers(&self) -> Vec<String> {
        let all = self.active.values().flat_map(|active| &active.containers);
        all.cloned().collect()
    }

    /// When `time` or `start_ready` has something to do next; `ready`: containers may be started.
    pub fn deadline_ms(&self, ready: bool) -> Option<u64> {
        let machines = self.jobs.values().filter_map(|work| {
            let active = self.active.get(work)?;
            active.machine.deadline_ms()
        });
        let queue = self.queue.deadline_ms().filter(|_| ready);
        machines.chain(queue).min()
    }

    /// Takes a check whose rows are written: its unfinished builds by id, version and attempt.
    pub fn add(&mut self, row: CheckRow, builds: Vec<(i64, String, u32)>) {
        let (check, fetched, attempt) = (row.id, row.source.is_some(), row.attempt);
        let open = builds.iter().map(|(build, ..)| *build).collect();
        self.checks.insert(check, Check { row, open });
        if let (false, Some((_, newest, _))) = (fetched, builds.first()) {
            let work = Work::Source(check);
            self.insert(work, check, newest.clone(), attempt);
            self.queue.push(work, 0);
        }
        for (build, version, attempt) in builds {
            let work = Work::Build(build);
            self.insert(work, check, version, attempt);
            if fetched {
                self.queue.push(work, 0);
            }
        }
    }

    fn insert(&mut self, work: Work, check: i64, zig_version: String, attempt: u32) {
        let active = Active::new(check, zig_version, attempt, self.limits);
        self.active.insert(work, active);
    }

    /// Starts what has a slot and whose time has come.
    pub fn start_ready(&mut self, cx: &mut Context) -> store::Result<()> {
        while let Some(work) = self.queue.take(cx.now.mono_ms) {
            let active = self.active.get_mut(&work).expect("it waited");
            active.started_unix_ms = Some(cx.now.unix_ms);
            let first = match work {
                Work::Source(_) => Kind::Source,
                Work::Build(build) => {
                    let image = cx.engine.image(&active.zig_version).unwrap_or("");
                    cx.store.set_started(build, image, cx.now.unix_ms)?;
                    self.checks[&active.check].first_job()
                }
            };
            self.step(work, Input::Start(first), cx)?;
        }
        Ok(())
    }

    // -- what jobs do --

    pub fn output(
        &mut self,
        job: JobId,
        pipe: Pipe,
        bytes: &[u8],
        cx: &mut Context,
    ) -> store::Result<()> {
        let Some(work) = self.jobs.get(&job).copied() else {
            return Ok(());
        };
        let active = self.active.get_mut(&work).expect("a job has its work");
        let mut testing = false;
        match pipe {
            Pipe::Stdout => testing = active.gathered.stdout(bytes),
            Pipe::Stderr => {
                active.gathered.stderr(bytes);
                if let Work::Build(build) = work {
                    cx.feed.logs.append(build, bytes, cx.out);
                }
            }
        }
        if testing {
            self.step(work, Input::Testing, cx)?;
            self.publish_state(work, cx)?;
        }
        self.step(work, Input::Output(bytes.len()), cx)
    }

    pub fn eof(&mut self, job: JobId, pipe: Pipe, cx: &mut Context) -> store::Result<()> {
        match self.jobs.get(&job).copied() {
            Some(work) => self.step(work, Input::Eof(pipe), cx),
            None => Ok(()),
        }
    }

    pub fn exited(&mut self, job: JobId, exit: Exit, cx: &mut Context) -> store::Result<()> {
        match self.jobs.get(&job).copied() {
            Some(work) => self.step(work, Input::Exited(exit), cx),
            None => Ok(()),
        }
    }

    pub fn time(&mut self, cx: &mut Context) -> store::Result<()> {
        let due = |work: &Work| {
            let deadline = self.active.get(work)?.machine.deadline_ms()?;
            (deadline <= cx.now.mono_ms).then_some(*work)
        };
        let mut due: Vec<Work> = self.jobs.values().filter_map(due).collect();
        due.sort_unstable();
        for work in due {
            self.step(work, Input::Time, cx)?;
        }
        Ok(())
    }

    // -- what machines ask for --

    fn step(&mut self, work: Work, input: Input, cx: &mut Context) -> store::Result<()> {
        let mut input = Some(input);
        while let Some(active) = self.active.get_mut(&work) {
            let step = match input.take() {
                Some(input) => active.machine.step(input, cx.now.mono_ms),
                None => active.machine.settle(),
            };
            let Some(step) = step else { break };
            input = self.perform(work, step, cx)?;
        }
        Ok(())
    }

    /// Does what a step asks for; gives what the machine is to be told of it.
    fn perform(
        &mut self,
        work: Work,
        step: Step,
        cx: &mut Context,
    ) -> store::Result<Option<Input>> {
        match step {
            Step::Run(kind) => self.run(work, kind, cx)?,
            Step::End(kind) => self.end_container(work, kind, cx),
            Step::Kill(_) => {
                let active = self.active.get_mut(&work).expect("it made this step");
                if let Some(job) = active.job.take() {
                    self.jobs.remove(&job);
                    cx.out.push(Action::Kill { job });
                }
            }
            Step::Settle(_, end) => {
                let settled = self.settle(work, end, cx.docker);
                return Ok(Some(Input::Settled(settled)));
            }
            Step::Ready => self.source_ready(work, cx)?,
            Step::Finish(verdict) => self.finish(work, &verdict, cx)?,
            Step::Retry { error, at_ms } => self.retry(work, &error, at_ms, cx)?,
        }
        Ok(None)
    }

    fn run(&mut self, work: Work, kind: Kind, cx: &mut Context) -> store::Result<()> {
        let active = self.active.get_mut(&work).expect("it made this step");
        let check = &self.checks[&active.check];
        let (command, container) = check.command(work, kind, active, cx.docker, &self.sources);
        active.containers.extend(container);
        active.begin(work, kind, &self.sources);
        if let Work::Build(build) = work {
            cx.feed.logs.begin(build);
        }
        let job = cx.out.spawn(command);
        active.job = Some(job);
        self.jobs.insert(job, work);
        self.publish_state(work, cx)
    }

    fn end_container(&mut self, work: Work, kind: Kind, cx: &mut Context) {
        let active = &self.active[&work];
        match (kind, active.containers.last(), active.job) {
            (Kind::Look, _, Some(job)) => cx.out.push(Action::Kill { job }),
            (_, Some(name), _) => {
                let kill = cx.docker.kill(name);
                cx.errands.start(kill, false, cx.out, cx.now.mono_ms);
            }
            _ => {}
        }
    }

    /// What a job that ended gave.
    fn settle(&mut self, work: Work, end: End, docker: &Docker) -> Settled {
        let active = self.active.get_mut(&work).expect("it made this step");
        if let Some(job) = active.job.take() {
            self.jobs.remove(&job);
        }
        let build = match work {
            Work::Build(build) => build,
            Work::Source(_) => 0,
        };
        let settled = active.gathered.settle(build, end, &self.sources, docker);
        if active.gathered.is_refused() {
            active.refused = true;
            active.containers.pop();
        }
        settled
    }

    fn source_ready(&mut self, work: Work, cx: &mut Context) -> store::Result<()> {
        let (active, builds) = self.leave(work, cx);
        let at = cx.now.unix_ms;
        let since = active.started_unix_ms.unwrap_or(at);
        cx.store.note_fetch(active.check, at - since)?;
        let (source, commit) = active
            .gathered
            .into_source()
            .expect("a source that is ready");
        cx.store
            .set_source(active.check, &source, commit.as_deref(), at)?;
        if let Some(check) = self.checks.get_mut(&active.check) {
            check.row.source = Some(source);
            check.row.commit = commit;
        }
        for build in builds {
            cx.set_state(build, State::Queued, self.attempt(build))?;
            self.queue.push(Work::Build(build), cx.now.mono_ms);
        }
        Ok(())
    }

    fn attempt(&self, build: i64) -> u32 {
        let active = self.active.get(&Work::Build(build));
        active.map_or(1, |active| active.machine.attempt())
    }

    fn finish(&mut self, work: Work, verdict: &Verdict, cx: &mut Context) -> store::Result<()> {
        self.doubt(verdict, cx);
        let (active, builds) = self.leave(work, cx);
        match work {
            Work::Build(build) => self.finish_build(build, active.check, verdict, cx),
            Work::Source(_) => {
                // No build without its source: all of them end as the fetch did.
                for build in builds {
                    self.active.remove(&Work::Build(build));
                    cx.feed.logs.begin(build);
                    let words = active.gathered.words();
                    cx.feed.logs.append(build, words, cx.out);
                    self.finish_build(build, active.check, verdict, cx)?;
                }
                Ok(())
            }
        }
    }

    fn finish_build(
        &mut self,
        build: i64,
        check: i64,
        verdict: &Verdict,
        cx: &mut Context,
    ) -> store::Result<()> {
        let (log_bytes, log_truncated) = cx.feed.logs.finish(build, cx.out);
        let end = Finished {
            build,
            verdict,
            log_bytes,
            log_truncated,
        };
        cx.store.finish_build(&end, cx.now.unix_ms)?;
        if let Some(row) = self.checks.get_mut(&check) {
            row.open.retain(|open| *open != build);
            if row.open.is_empty() {
                self.checks.remove(&check);
            }
        }
        cx.tell(build)
    }

    /// Lets go of the slot and the containers of work that needs them no more; gives the builds
    /// of its check that are still to finish.
    fn leave(&mut self, work: Work, cx: &mut Context) -> (Active, Vec<i64>) {
        let mut active = self.active.remove(&work).expect("it made this step");
        self.release(&mut active, cx);
        let open = self
            .checks
            .get(&active.check)
            .map(|check| check.open.clone());
        (active, open.unwrap_or_default())
    }

    fn release(&mut self, active: &mut Active, cx: &mut Context) {
        self.queue.release();
        let containers = std::mem::take(&mut active.containers);
        if !containers.is_empty() {
            let remove = cx.docker.remove(&containers);
            cx.errands.start(remove, false, cx.out, cx.now.mono_ms);
        }
    }

    fn retry(
        &mut self,
        work: Work,
        error: &Verdict,
        at_ms: u64,
        cx: &mut Context,
    ) -> store::Result<()> {
        self.doubt(error, cx);
        let why = error.error_log.lines().next().unwrap_or("");
        log::warn!("{work:?}: {why}; another attempt follows");
        let mut active = self.active.remove(&work).expect("it made this step");
        self.release(&mut active, cx);
        active.gathered = Gathered::default();
        active.started_unix_ms = None;
        let attempt = active.machine.attempt();
        match work {
            Work::Source(check) => cx.store.set_check_attempt(check, attempt)?,
            // All attempts stand in one log: who reads it sees why there is another.
            Work::Build(build) => {
                let reason = error.reason.map_or("error", Reason::as_str);
                let line = format!("\n[zigcheck: {reason}; attempt {attempt} follows]\n");
                cx.feed.logs.append(build, line.as_bytes(), cx.out);
            }
        }
        self.active.insert(work, active);
        self.queue.push(work, at_ms);
        self.publish_state(work, cx)
    }

    fn doubt(&self, verdict: &Verdict, cx: &mut Context) {
        if verdict.reason == Some(Reason::EngineError) {
            cx.engine.doubt();
        }
    }

    /// Writes where a build is; while a source is fetched, that is where its builds are.
    fn publish_state(&self, work: Work, cx: &mut Context) -> store::Result<()> {
        let state = self.active[&work].machine.state();
        match work {
            Work::Build(build) => cx.set_state(build, state, self.attempt(build)),
            Work::Source(check) => {
                for build in &self.checks[&check].open {
                    cx.set_state(*build, state, self.attempt(*build))?;
                }
                Ok(())
            }
        }
    }
}
