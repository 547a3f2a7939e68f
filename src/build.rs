//! One build, from queued to finished; the source of a check is fetched by the same machine.
//!
//! ```text
//!             start                 fetched             verdict
//!   Queued ----+----> Fetch ---------------> Build ----------------> Finished
//!     ^        |      (dependencies, where   ^   |                      ^
//!     |        |       the source has any)   |   | look        verdict  |
//!     |        +-----------------------------'   '------> Look ---------+
//!     |        |                                              ready     |
//!     |        '----> Source -------------------------------------------'
//!     |
//!     '---- from any job: an error with attempts left; later, again
//! ```
//!
//! The machine holds the order of things and the time limits. What a job's output means is
//! settled outside: the machine asks (`Step::Settle`) and is told (`Input::Settled`).

use crate::config::{ATTEMPTS_LIMIT, RETRY_PAUSE_MS};
use crate::event::{Exit, Pipe};
use crate::job::{End, Job, Limits, Order};
use crate::verdict::{BuildStatus, Verdict, words};

words! {
    /// Where a build is, as everybody sees it.
    State {
        Queued = "queued",
        Fetching = "fetching",
        Building = "building",
        Testing = "testing",
        Finished = "finished",
        Cancelled = "cancelled",
    }
}

impl State {
    /// Nothing more happens to a build in this state.
    pub fn is_final(self) -> bool {
        matches!(self, State::Finished | State::Cancelled)
    }
}

/// The jobs there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The source of a check, in a container with the fetch network.
    Source,
    /// Its dependencies, in a container with the fetch network.
    Fetch,
    /// The build and its tests, in a container without network.
    Build,
    /// A look at a container whose client ended oddly.
    Look,
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
    Settle(Kind, End),
    /// The source is there: finished.
    Ready,
    /// It has come to its verdict: finished.
    Finish(Verdict),
    /// The attempt ended in this error; the next may start at that time.
    Retry { error: Verdict, at_ms: u64 },
}

/// What a job that ended gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settled {
    /// The source, or the dependencies as far as they could be had.
    Fetched,
    /// Only the container can say how it ended.
    Look,
    Verdict(Verdict),
    /// A verdict that another attempt would only meet again, even if it is an error.
    Final(Verdict),
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Phase {
    Queued {
        not_before_ms: u64,
    },
    Active {
        kind: Kind,
        job: Job,
    },
    /// Ended, and not yet told what it gave.
    Settling {
        kind: Kind,
    },
    Finished,
}

/// The limits of each kind of job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct JobLimits {
    pub fetch: Limits,
    pub build: Limits,
    pub look: Limits,
}

impl JobLimits {
    fn of(&self, kind: Kind) -> Limits {
        match kind {
            Kind::Source | Kind::Fetch => self.fetch,
            Kind::Build => self.build,
            Kind::Look => self.look,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Build {
    phase: Phase,
    /// Counts from 1; part of the container's name.
    attempt: u32,
    testing: bool,
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
    Time,
}

impl Build {
    pub fn new(attempt: u32, limits: JobLimits) -> Build {
        Build {
            phase: Phase::Queued { not_before_ms: 0 },
            attempt,
            testing: false,
            limits,
        }
    }

    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    pub fn state(&self) -> State {
        match &self.phase {
            Phase::Queued { .. } => State::Queued,
            Phase::Active { kind, .. } | Phase::Settling { kind } => match kind {
                Kind::Source | Kind::Fetch => State::Fetching,
                _ if self.testing => State::Testing,
                _ => State::Building,
            },
            Phase::Finished => State::Finished,
        }
    }

    /// When `Input::Time` is due next at the latest; none where only others can move it.
    pub fn deadline_ms(&self) -> Option<u64> {
        match &self.phase {
            Phase::Active { job, .. } => job.deadline_ms(),
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
            (Phase::Active { kind, job }, input) => {
                let kind = *kind;
                self.testing |= kind == Kind::Build && input == Input::Testing;
                match advance(job, input, now_ms) {
                    Some(Order::End) => Some(Step::End(kind)),
                    Some(Order::Kill) => Some(Step::Kill(kind)),
                    None => self.settle(),
                }
            }
            (Phase::Settling { kind }, Input::Settled(settled)) => match (*kind, settled) {
                (Kind::Source, Settled::Fetched) => {
                    self.phase = Phase::Finished;
                    Some(Step::Ready)
                }
                (Kind::Fetch, Settled::Fetched) => Some(self.run(Kind::Build, now_ms)),
                (Kind::Build, Settled::Look) => Some(self.run(Kind::Look, now_ms)),
                (_, Settled::Verdict(verdict)) => Some(self.conclude(verdict, now_ms)),
                (_, Settled::Final(verdict)) => {
                    self.phase = Phase::Finished;
                    Some(Step::Finish(verdict))
                }
                (kind, settled) => unreachable!("{kind:?} cannot give {settled:?}"),
            },
            _ => None,
        }
    }

    /// Asks what the job at hand gave, if it has ended. `Step::Kill` ends a job too: call this
    /// after it.
    pub fn settle(&mut self) -> Option<Step> {
        let Phase::Active { kind, job } = &self.phase else {
            return None;
        };
        let (kind, end) = (*kind, job.ended()?.clone());
        self.phase = Phase::Settling { kind };
        Some(Step::Settle(kind, end))
    }

    fn run(&mut self, kind: Kind, now_ms: u64) -> Step {
        let job = Job::new(self.limits.of(kind), now_ms);
        self.phase = Phase::Active { kind, job };
        Step::Run(kind)
    }

    fn conclude(&mut self, verdict: Verdict, now_ms: u64) -> Step {
        if verdict.build_status == BuildStatus::Error && self.attempt < ATTEMPTS_LIMIT {
            let at_ms = now_ms + RETRY_PAUSE_MS[(self.attempt - 1) as usize];
            self.attempt += 1;
            self.testing = false;
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

fn advance(job: &mut Job, input: Input, now_ms: u64) -> Option<Order> {
    match input {
        Input::Output(bytes) => return job.output(bytes, now_ms),
        Input::Time => return job.time(now_ms),
        Input::Eof(pipe) => job.eof(pipe),
        Input::Exited(exit) => job.exited(exit, now_ms),
        Input::Start(_) | Input::Testing | Input::Settled(_) => {}
    }
    None
}
