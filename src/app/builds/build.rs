//! The state machine of one task: a build from queued to finished, and likewise the fetch of a source and a recheck.
//!
//! ```text
//!             start                 fetched            verdict
//!   Queued ----+----> FetchDependencies ----> Build ----------------> Finished
//!     ^        |      (if the source          ^   |                       ^
//!     |        |       has any)               |   | unclear exit          |
//!     |        +------------------------------'   v          gone         |
//!     |        |                     adopted -> Inspect ------------------+
//!     |        |                     ^    |  ^  |  |                      |
//!     |        |              back   |    |  |  |  '- exited -> ReadLogs -+ verdict
//!     |        |                     |    |  |  '- running -> FollowLogs  |
//!     |        |                Detached <   '------- ended ----'         |
//!     |        |               (the engine does not answer)               |
//!     |        '----> FetchSource, ResolveRemote, ListCommits,
//!     |               CheckTargets (after its dependencies) ------------'
//!     |                                       ready
//!     '---- from any job: an error with attempts left; later, again
//!     '---- in doubt: no success, and a cache of an earlier build was reused; at once, again without it
//! ```
//!
//! In a cluster a job `Place` comes before Build and CheckTargets: it waits for a slot of the scheduler, and the build
//! is still queued. There a silent node is asked again later, until it answers or the scheduler has given it up.
//!
//! The container counts, not its client: if `docker run` exits in an unclear way, or was lost with an earlier run of
//! the server, the container is inspected, its output is followed from where that was left, and once the container has
//! ended the rest of its output is read.
//!
//! The machine decides the order of jobs and applies time limits. What the output of a job means is decided outside:
//! the machine asks (`Step::Interpret`) and is answered (`Input::Interpreted`).

use crate::app::builds::limits::{
    ERRORS_LIMIT, FETCH_TIMEOUT_MS, INSPECTIONS_LIMIT, NOT_YET_VISIBLE_PAUSE_MS,
    OUTPUT_LIMIT_BYTES, PLACE_TIMEOUT_MS, READ_LOGS_TIMEOUT_MS, SILENT_NODE_LIMIT_MS,
    SILENT_NODE_PAUSE_MS, TARGETS_TIMEOUT_MS, UNPLACED_PAUSE_MS, VACATED_LIMIT,
};
use crate::app::domain::verdict::{BuildStatus, State, Verdict};
use crate::app::engine::commands::ENGINE_LIMITS;
use crate::app::engine::job::{Job, JobAction, JobEnd, KillReason, Limits};
use crate::config::limits::{RETRY_AFTER_LIMIT_MS, RETRY_PAUSE_MS};
use crate::config::settings::Settings;
use crate::interface::event::{Exit, Pipe};

/// The kinds of jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JobKind {
    /// Fetch the source of a check, in a container with the fetch network.
    FetchSource,
    /// Fetch the dependencies of a build, in a container with the fetch network.
    FetchDependencies,
    /// Wait for a slot of the cluster.
    Place,
    /// Build and test, in a container without network.
    Build,
    /// Ask for the state of a container whose client exited in an unclear way, or is gone.
    Inspect,
    /// Read the output of a container from its beginning and as it comes.
    FollowLogs,
    /// Read all output of a container that has exited.
    ReadLogs,
    /// Ask the remote of a package for its commit, in a container with the fetch network.
    ResolveRemote,
    /// List the commits of a package, in a container with the fetch network.
    ListCommits,
    /// Analyse a source for other targets, in a container without network.
    CheckTargets,
}

impl JobKind {
    /// True for what reaches another host.
    pub fn is_fetch(self) -> bool {
        matches!(
            self,
            JobKind::FetchSource
                | JobKind::FetchDependencies
                | JobKind::ResolveRemote
                | JobKind::ListCommits
        )
    }
}

/// What the caller does next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Start this job.
    Run(JobKind),
    /// End the container of this job.
    End(JobKind),
    /// Send SIGKILL to the child of this job; no event of it follows.
    Kill(JobKind),
    /// Answer with the outcome of this job, which has ended.
    Interpret(JobKind, JobEnd),
    /// Finished: the source is fetched, or what was asked for is known.
    Ready,
    /// Finished, with this verdict.
    Finish(Verdict),
    /// The attempt ended in this error; the next may start at that time.
    Retry { error: Verdict, at_ms: u64 },
    /// The attempt ended in this verdict, which does not count: the next one is given no cache of an earlier build.
    Doubt(Verdict),
}

/// The outcome of a job that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobOutcome {
    /// The source, the commit of the remote, the list of its commits or the answer about other targets is there.
    Fetched,
    /// This job comes next.
    Then(JobKind),
    /// The engine does not answer. The verdict counts if it does not say more after several inspections.
    Detached(Verdict),
    /// The engine may still create the container that an earlier run of the server asked for: inspect again later.
    NotYetVisible,
    Verdict(Verdict),
    /// The same, of an attempt whose host asked to be left alone for that long.
    Busy {
        error: Verdict,
        pause_ms: u64,
    },
    /// An error that cost no time: another attempt may start at once.
    Lost(Verdict),
    /// The cluster gave no slot. The build has no part in that: another attempt asks again a little later.
    Unplaced(Verdict),
    /// The node is gone with its container. The build has no part in that, unless it happens again and again.
    Vacated(Verdict),
    /// The node does not answer: inspect again later. The verdict counts if that goes on for too long.
    Silent(Verdict),
    /// The scheduler does not say which node it is: inspect again later, however long that goes on.
    Unheard,
    /// A verdict that another attempt would only repeat, even if it is an error.
    Final(Verdict),
    /// No success, of a container that reused the cache of an earlier build.
    InDoubt(Verdict),
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Phase {
    Queued {
        not_before_ms: u64,
    },
    Running {
        kind: JobKind,
        job: Job,
    },
    /// The job has ended; its outcome is awaited.
    Interpreting {
        kind: JobKind,
    },
    /// The state of the container is unknown: inspect it at that time or, without one, once the engine answers.
    Detached {
        inspect_ms: Option<u64>,
    },
    Finished,
}

/// The limits of each kind of job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct JobLimits {
    pub fetch: Limits,
    pub place: Limits,
    pub build: Limits,
    pub targets: Limits,
    pub inspect: Limits,
    pub read_logs: Limits,
}

impl JobLimits {
    pub fn new(settings: &Settings) -> JobLimits {
        let total = |total_ms| Limits {
            total_ms,
            silence_ms: total_ms,
            output_bytes: OUTPUT_LIMIT_BYTES,
        };
        JobLimits {
            fetch: total(FETCH_TIMEOUT_MS),
            place: total(PLACE_TIMEOUT_MS),
            build: Limits {
                total_ms: settings.build_timeout_ms,
                silence_ms: settings.silence_timeout_ms,
                output_bytes: OUTPUT_LIMIT_BYTES,
            },
            targets: total(TARGETS_TIMEOUT_MS),
            inspect: ENGINE_LIMITS,
            // The output was counted when it first came.
            read_logs: Limits {
                output_bytes: u64::MAX,
                ..total(READ_LOGS_TIMEOUT_MS)
            },
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Build {
    phase: Phase,
    /// Counts from 1; part of the container's name.
    pub attempt: u32,
    /// Attempts that ended in an error: not those that a restart of the server has cost.
    pub errors: u32,
    testing: bool,
    /// When the container of this attempt must have ended, whichever client watches it.
    until_ms: u64,
    /// Inspections without an answer since more of the container's output was followed than before.
    failed_inspections: u32,
    /// Since when its node has been silent, unless more of the container's output was followed since.
    silent_since_ms: Option<u64>,
    /// The most output of the container that one `FollowLogs` gave: each begins at the beginning.
    followed_bytes: u64,
    limits: JobLimits,
}

/// What can happen to a build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// It has a slot, and this is its first job.
    Start(JobKind),
    /// The number of bytes of output that came.
    Output(usize),
    /// The runner says that the tests have begun.
    Testing,
    Eof(Pipe),
    Exited(Exit),
    Interpreted(JobOutcome),
    /// The engine answers again.
    Back,
    Time,
}

impl Build {
    pub fn new(attempt: u32, errors: u32, limits: JobLimits) -> Build {
        Build {
            phase: Phase::Queued { not_before_ms: 0 },
            attempt,
            errors,
            testing: false,
            until_ms: 0,
            failed_inspections: 0,
            silent_since_ms: None,
            followed_bytes: 0,
            limits,
        }
    }

    /// A build whose container an earlier run of the server left, and which may run until `until_ms`.
    pub fn adopted(self, testing: bool, until_ms: u64) -> Build {
        Build {
            phase: Phase::Detached { inspect_ms: None },
            testing,
            until_ms,
            ..self
        }
    }

    /// True while it waits for the engine to come back.
    pub fn is_detached(&self) -> bool {
        self.phase == Phase::Detached { inspect_ms: None }
    }

    /// True while it waits for a slot of the cluster.
    pub fn is_placing(&self) -> bool {
        matches!(
            self.phase,
            Phase::Running {
                kind: JobKind::Place,
                ..
            }
        )
    }

    /// Why its job is being ended, if it is.
    pub fn kill_reason(&self) -> Option<KillReason> {
        match &self.phase {
            Phase::Running { job, .. } => job.kill_reason(),
            _ => None,
        }
    }

    pub fn state(&self) -> State {
        match &self.phase {
            Phase::Queued { .. } => State::Queued,
            Phase::Running { kind, .. } | Phase::Interpreting { kind } => match kind {
                kind if kind.is_fetch() => State::Fetching,
                JobKind::Place => State::Queued,
                _ => self.running_state(),
            },
            Phase::Detached { .. } => self.running_state(),
            Phase::Finished => State::Finished,
        }
    }

    fn running_state(&self) -> State {
        match self.testing {
            true => State::Testing,
            false => State::Building,
        }
    }

    /// When `Input::Time` is due; none if time does not move it.
    pub fn deadline_ms(&self) -> Option<u64> {
        match &self.phase {
            Phase::Running { job, .. } => job.deadline_ms(),
            Phase::Detached { inspect_ms } => *inspect_ms,
            _ => None,
        }
    }

    /// The earliest time of the next start of a queued build.
    pub fn not_before_ms(&self) -> Option<u64> {
        match self.phase {
            Phase::Queued { not_before_ms } => Some(not_before_ms),
            _ => None,
        }
    }

    /// Takes an input and returns the next step, if there is one. An input that does not fit the phase, such as a late
    /// event of a killed job, is ignored.
    pub fn step(&mut self, input: Input, now_ms: u64) -> Option<Step> {
        match (&mut self.phase, input) {
            (Phase::Queued { .. }, Input::Start(kind)) => Some(self.run(kind, now_ms)),
            (Phase::Detached { inspect_ms: None }, Input::Back) => {
                Some(self.run(JobKind::Inspect, now_ms))
            }
            (
                Phase::Detached {
                    inspect_ms: Some(at),
                },
                Input::Time,
            ) if now_ms >= *at => Some(self.run(JobKind::Inspect, now_ms)),
            (Phase::Running { kind, job }, input) => {
                let kind = *kind;
                let runs = matches!(
                    kind,
                    JobKind::Build | JobKind::FollowLogs | JobKind::ReadLogs
                );
                self.testing |= runs && input == Input::Testing;
                let action = advance(job, input, now_ms);
                // Not reset by an inspection, nor by words that are the same each time: the one may succeed while the
                // job after it never does, the other may be all that this job ever gives.
                if kind == JobKind::FollowLogs && job.output_bytes() > self.followed_bytes {
                    self.followed_bytes = job.output_bytes();
                    self.failed_inspections = 0;
                    self.silent_since_ms = None;
                }
                match action {
                    Some(JobAction::End) => Some(Step::End(kind)),
                    Some(JobAction::Kill) => Some(Step::Kill(kind)),
                    None => self.take_ended(),
                }
            }
            (Phase::Interpreting { .. }, Input::Interpreted(outcome)) => {
                self.on_outcome(outcome, now_ms)
            }
            _ => None,
        }
    }

    fn on_outcome(&mut self, outcome: JobOutcome, now_ms: u64) -> Option<Step> {
        match outcome {
            JobOutcome::Fetched => {
                self.phase = Phase::Finished;
                Some(Step::Ready)
            }
            JobOutcome::Then(next) => Some(self.run(next, now_ms)),
            JobOutcome::Detached(error) => {
                self.failed_inspections += 1;
                if self.failed_inspections >= INSPECTIONS_LIMIT {
                    return Some(self.conclude(error, now_ms, self.pause_ms()));
                }
                self.phase = Phase::Detached { inspect_ms: None };
                None
            }
            JobOutcome::NotYetVisible => self.inspect_at(now_ms + NOT_YET_VISIBLE_PAUSE_MS),
            JobOutcome::Silent(error) => {
                let since_ms = *self.silent_since_ms.get_or_insert(now_ms);
                match now_ms >= since_ms + SILENT_NODE_LIMIT_MS {
                    true => Some(self.conclude(error, now_ms, self.pause_ms())),
                    false => self.inspect_at(now_ms + SILENT_NODE_PAUSE_MS),
                }
            }
            JobOutcome::Unheard => self.inspect_at(now_ms + SILENT_NODE_PAUSE_MS),
            JobOutcome::Verdict(verdict) => Some(self.conclude(verdict, now_ms, self.pause_ms())),
            JobOutcome::Busy { error, pause_ms } => {
                let pause_ms = pause_ms.min(RETRY_AFTER_LIMIT_MS).max(self.pause_ms());
                Some(self.conclude(error, now_ms, pause_ms))
            }
            JobOutcome::Lost(verdict) => Some(self.conclude(verdict, now_ms, 0)),
            JobOutcome::Unplaced(error) => Some(self.repeat(error, now_ms + UNPLACED_PAUSE_MS)),
            // A build that takes one node after the other with it is no bad luck.
            JobOutcome::Vacated(error) if self.attempt - self.errors > VACATED_LIMIT => {
                Some(self.conclude(error, now_ms, self.pause_ms()))
            }
            JobOutcome::Vacated(error) => Some(self.repeat(error, now_ms)),
            JobOutcome::Final(verdict) => {
                self.phase = Phase::Finished;
                Some(Step::Finish(verdict))
            }
            JobOutcome::InDoubt(verdict) => {
                self.begin_attempt(now_ms);
                Some(Step::Doubt(verdict))
            }
        }
    }

    /// Asks for the outcome of the job at hand, if it has ended. Call this after `Step::Kill` too: that ends a job.
    pub fn take_ended(&mut self) -> Option<Step> {
        let Phase::Running { kind, job } = &self.phase else {
            return None;
        };
        let (kind, end) = (*kind, job.ended()?.clone());
        self.phase = Phase::Interpreting { kind };
        Some(Step::Interpret(kind, end))
    }

    fn run(&mut self, kind: JobKind, now_ms: u64) -> Step {
        if kind == JobKind::Build {
            self.until_ms = now_ms + self.limits.build.total_ms;
        }
        let limits = match kind {
            JobKind::FetchSource
            | JobKind::FetchDependencies
            | JobKind::ResolveRemote
            | JobKind::ListCommits => self.limits.fetch,
            JobKind::Place => self.limits.place,
            JobKind::Build => self.limits.build,
            JobKind::CheckTargets => self.limits.targets,
            // A new client does not give the container more time.
            JobKind::FollowLogs => Limits {
                total_ms: self.until_ms.saturating_sub(now_ms),
                ..self.limits.build
            },
            JobKind::Inspect => self.limits.inspect,
            JobKind::ReadLogs => self.limits.read_logs,
        };
        let job = Job::new(limits, now_ms);
        self.phase = Phase::Running { kind, job };
        Step::Run(kind)
    }

    /// The pause after an error of this attempt.
    fn pause_ms(&self) -> u64 {
        let last = RETRY_PAUSE_MS.len() - 1;
        RETRY_PAUSE_MS[(self.errors as usize).min(last)]
    }

    fn conclude(&mut self, verdict: Verdict, now_ms: u64, pause_ms: u64) -> Step {
        if verdict.build_status == BuildStatus::Error && self.errors + 1 < ERRORS_LIMIT {
            self.errors += 1;
            return self.repeat(verdict, now_ms + pause_ms);
        }
        self.phase = Phase::Finished;
        Step::Finish(verdict)
    }

    fn repeat(&mut self, error: Verdict, at_ms: u64) -> Step {
        self.begin_attempt(at_ms);
        Step::Retry { error, at_ms }
    }

    /// Gives this attempt up before anything of it ran, at no cost: another one follows.
    pub fn withdraw(&mut self) {
        assert!(self.is_placing(), "it may have a container");
        self.begin_attempt(0);
    }

    /// Inspects the container at that time.
    fn inspect_at(&mut self, at_ms: u64) -> Option<Step> {
        let inspect_ms = Some(at_ms);
        self.phase = Phase::Detached { inspect_ms };
        None
    }

    /// Waits for the start of the next attempt.
    fn begin_attempt(&mut self, not_before_ms: u64) {
        self.attempt += 1;
        self.testing = false;
        self.failed_inspections = 0;
        self.silent_since_ms = None;
        self.followed_bytes = 0;
        self.phase = Phase::Queued { not_before_ms };
    }
}

fn advance(job: &mut Job, input: Input, now_ms: u64) -> Option<JobAction> {
    match input {
        Input::Output(bytes) => return job.output(bytes, now_ms),
        Input::Time => return job.on_time(now_ms),
        Input::Eof(pipe) => job.eof(pipe),
        Input::Exited(exit) => job.exited(exit, now_ms),
        Input::Start(_) | Input::Testing | Input::Interpreted(_) | Input::Back => {}
    }
    None
}
