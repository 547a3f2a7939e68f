//! One build, from queued to finished; the source of a check is fetched by the same machine.
//!
//! ```text
//!             start                 fetched            verdict
//!   Queued ----+----> Fetch ---------------> Build -----------------> Finished
//!     ^        |      (dependencies, where   ^   |                       ^
//!     |        |       the source has any)   |   | odd end               |
//!     |        +-----------------------------'   v          gone         |
//!     |        |                     adopted -> Look --------------------+
//!     |        |                     ^    |  ^  |  |                     |
//!     |        |              back   |    |  |  |  '-- exited --> Rest --+ verdict
//!     |        |                     |    |  |  '-- running -> Follow    |
//!     |        |                   Adrift <  '------- ended -----'       |
//!     |        |                  (the engine does not answer)           |
//!     |        '----> Source, Remote ------------------------------------'
//!     |                                       ready
//!     '---- from any job: an error with attempts left; later, again
//! ```
//!
//! The container is what counts, not its client: where `docker run` ends oddly, or was lost with an
//! earlier run of the server, the container is looked at, its output followed from where it was
//! left, and the rest of it read once it has ended.
//!
//! The machine holds the order of things and the time limits. What a job's output means is
//! settled outside: the machine asks (`Step::Settle`) and is told (`Input::Settled`).

use crate::app::builds::limits::{ERRORS_LIMIT, INSPECTIONS_LIMIT, NOT_YET_VISIBLE_PAUSE_MS};
use crate::app::domain::verdict::{BuildStatus, State, Verdict};
use crate::app::engine::job::{Job, JobAction, JobEnd, Limits};
use crate::config::limits::RETRY_PAUSE_MS;
use crate::interface::event::{Exit, Pipe};

/// The jobs there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The source of a check, in a container with the fetch network.
    Source,
    /// Its dependencies, in a container with the fetch network.
    Fetch,
    /// The build and its tests, in a container without network.
    Build,
    /// A look at the container of a build whose client ended oddly, or is no more.
    Inspect,
    /// Its output, from the beginning and as it comes.
    FollowLogs,
    /// All of its output, once it has ended.
    ReadLogs,
    /// The commit that the remote of a package is at, in a container with the fetch network.
    ResolveRemote,
}

/// What a step asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Start this job.
    Run(Kind),
    /// End the container of this job.
    End(Kind),
    /// SIGKILL to the child of this job; nothing more is heard of it.
    Kill(Kind),
    /// This job has ended so: say by `settled` what it gave.
    Settle(Kind, JobEnd),
    /// The source, or the commit, is there: finished.
    Ready,
    /// It has come to its verdict: finished.
    Finish(Verdict),
    /// The attempt ended in this error; the next may start at that time.
    Retry { error: Verdict, at_ms: u64 },
}

/// What a job that ended gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settled {
    /// What was wanted, as far as it could be had.
    Fetched,
    /// What this job tells next is to be known first.
    Then(Kind),
    /// The engine does not answer; what to say of it if that does not change although it does.
    Detached(Verdict),
    /// What an earlier run of the server asked for a moment ago may still come: to be looked for again.
    NotYetVisible,
    Verdict(Verdict),
    /// An error that has cost no time: another attempt may start at once.
    Lost(Verdict),
    /// A verdict that another attempt would only meet again, even if it is an error.
    Final(Verdict),
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Phase {
    Queued {
        not_before_ms: u64,
    },
    RunningTask {
        kind: Kind,
        job: Job,
    },
    /// Ended, and not yet told what it gave.
    Settling {
        kind: Kind,
    },
    /// There may be a container, and nobody to ask; or not yet.
    Detached {
        look_ms: Option<u64>,
    },
    Finished,
}

/// The limits of each kind of job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct JobLimits {
    pub fetch: Limits,
    pub build: Limits,
    pub look: Limits,
    pub rest: Limits,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Build {
    phase: Phase,
    /// Counts from 1; part of the container's name.
    attempt: u32,
    /// Attempts that ended in an error: not those that a restart of the server has cost.
    errors: u32,
    testing: bool,
    /// When the container of this attempt must have ended, whoever watches it.
    until_ms: u64,
    /// Looks that came to nothing, since its container was last heard.
    looks: u32,
    limits: JobLimits,
}

/// What can happen to a build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// It has a slot, and this is its first job.
    Start(Kind),
    /// So many bytes of output came.
    Output(usize),
    /// The runner says that the tests have begun.
    Testing,
    Eof(Pipe),
    Exited(Exit),
    Settled(Settled),
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
            looks: 0,
            limits,
        }
    }

    /// Its container was left by an earlier run of the server, and may run until `until_ms`.
    pub fn adopted(self, testing: bool, until_ms: u64) -> Build {
        Build {
            phase: Phase::Detached { look_ms: None },
            testing,
            until_ms,
            ..self
        }
    }

    /// It waits for the engine to come back.
    pub fn is_detached(&self) -> bool {
        self.phase == Phase::Detached { look_ms: None }
    }

    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// How many attempts have ended in an error.
    pub fn errors(&self) -> u32 {
        self.errors
    }

    pub fn state(&self) -> State {
        match &self.phase {
            Phase::Queued { .. } => State::Queued,
            Phase::RunningTask { kind, .. } | Phase::Settling { kind } => match kind {
                Kind::Source | Kind::Fetch | Kind::ResolveRemote => State::Fetching,
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

    /// When `Input::Time` is due next at the latest; none where only others can move it.
    pub fn deadline_ms(&self) -> Option<u64> {
        match &self.phase {
            Phase::RunningTask { job, .. } => job.deadline_ms(),
            Phase::Detached { look_ms } => *look_ms,
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

    /// Moves on, and says what is to be done. An input that does not fit the phase says nothing
    /// new (a late end of a killed job) and changes nothing.
    pub fn step(&mut self, input: Input, now_ms: u64) -> Option<Step> {
        match (&mut self.phase, input) {
            (Phase::Queued { .. }, Input::Start(kind)) => Some(self.run(kind, now_ms)),
            (Phase::Detached { look_ms: None }, Input::Back) => {
                Some(self.run(Kind::Inspect, now_ms))
            }
            (Phase::Detached { look_ms: Some(at) }, Input::Time) if now_ms >= *at => {
                Some(self.run(Kind::Inspect, now_ms))
            }
            (Phase::RunningTask { kind, job }, input) => {
                let kind = *kind;
                let runs = matches!(kind, Kind::Build | Kind::FollowLogs | Kind::ReadLogs);
                self.testing |= runs && input == Input::Testing;
                // A look alone may go well each time although what comes after it never does.
                if kind == Kind::FollowLogs && matches!(input, Input::Output(_)) {
                    self.looks = 0;
                }
                match advance(job, input, now_ms) {
                    Some(JobAction::End) => Some(Step::End(kind)),
                    Some(JobAction::Kill) => Some(Step::Kill(kind)),
                    None => self.settle(),
                }
            }
            (Phase::Settling { kind }, Input::Settled(settled)) => {
                let kind = *kind;
                self.settled(kind, settled, now_ms)
            }
            _ => None,
        }
    }

    fn settled(&mut self, kind: Kind, settled: Settled, now_ms: u64) -> Option<Step> {
        Some(match (kind, settled) {
            (Kind::Source | Kind::ResolveRemote, Settled::Fetched) => {
                self.phase = Phase::Finished;
                Step::Ready
            }
            (Kind::Fetch, Settled::Fetched) => self.run(Kind::Build, now_ms),
            (Kind::Build | Kind::FollowLogs, Settled::Then(Kind::Inspect)) => {
                self.run(Kind::Inspect, now_ms)
            }
            (Kind::Inspect, Settled::Then(next @ (Kind::FollowLogs | Kind::ReadLogs))) => {
                self.run(next, now_ms)
            }
            (Kind::Inspect | Kind::FollowLogs | Kind::ReadLogs, Settled::Detached(error)) => {
                self.looks += 1;
                if self.looks >= INSPECTIONS_LIMIT {
                    return Some(self.conclude(error, now_ms, true));
                }
                self.phase = Phase::Detached { look_ms: None };
                return None;
            }
            (Kind::Inspect, Settled::NotYetVisible) => {
                let look_ms = Some(now_ms + NOT_YET_VISIBLE_PAUSE_MS);
                self.phase = Phase::Detached { look_ms };
                return None;
            }
            (_, Settled::Verdict(verdict)) => self.conclude(verdict, now_ms, true),
            (_, Settled::Lost(verdict)) => self.conclude(verdict, now_ms, false),
            (_, Settled::Final(verdict)) => {
                self.phase = Phase::Finished;
                Step::Finish(verdict)
            }
            (kind, settled) => unreachable!("{kind:?} cannot give {settled:?}"),
        })
    }

    /// Asks what the job at hand gave, if it has ended. `Step::Kill` ends a job too: call this
    /// after it.
    pub fn settle(&mut self) -> Option<Step> {
        let Phase::RunningTask { kind, job } = &self.phase else {
            return None;
        };
        let (kind, end) = (*kind, job.ended()?.clone());
        self.phase = Phase::Settling { kind };
        Some(Step::Settle(kind, end))
    }

    fn run(&mut self, kind: Kind, now_ms: u64) -> Step {
        if kind == Kind::Build {
            self.until_ms = now_ms + self.limits.build.total_ms;
        }
        let limits = match kind {
            Kind::Source | Kind::Fetch | Kind::ResolveRemote => self.limits.fetch,
            Kind::Build => self.limits.build,
            // The time of a container does not begin anew with who watches it.
            Kind::FollowLogs => Limits {
                total_ms: self.until_ms.saturating_sub(now_ms),
                ..self.limits.build
            },
            Kind::Inspect => self.limits.look,
            Kind::ReadLogs => self.limits.rest,
        };
        let job = Job::new(limits, now_ms);
        self.phase = Phase::RunningTask { kind, job };
        Step::Run(kind)
    }

    fn conclude(&mut self, verdict: Verdict, now_ms: u64, paused: bool) -> Step {
        if verdict.build_status == BuildStatus::Error && self.errors + 1 < ERRORS_LIMIT {
            let pause_ms = match paused {
                true => RETRY_PAUSE_MS[self.errors as usize],
                false => 0,
            };
            let at_ms = now_ms + pause_ms;
            self.attempt += 1;
            self.errors += 1;
            self.testing = false;
            self.looks = 0;
            self.phase = Phase::Queued {
                not_before_ms: at_ms,
            };
            return Step::Retry {
                error: verdict,
                at_ms,
            };
        }
        self.phase = Phase::Finished;
        Step::Finish(verdict)
    }
}

fn advance(job: &mut Job, input: Input, now_ms: u64) -> Option<JobAction> {
    match input {
        Input::Output(bytes) => return job.output(bytes, now_ms),
        Input::Time => return job.on_time(now_ms),
        Input::Eof(pipe) => job.eof(pipe),
        Input::Exited(exit) => job.exited(exit, now_ms),
        Input::Start(_) | Input::Testing | Input::Settled(_) | Input::Back => {}
    }
    None
}
