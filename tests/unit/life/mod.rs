//! One life of a build as seen from outside: by what went in and what came out alone. Every claim
//! of the machine is checked on the way.

pub mod inputs;
mod job;

use zigcheck::app::builds::build::JobKind as Kind;
use zigcheck::app::builds::build::{Build, Input, JobOutcome as Outcome, Step};
use zigcheck::app::builds::limits::{
    ERRORS_LIMIT, INSPECTIONS_LIMIT, NOT_YET_VISIBLE_PAUSE_MS, SILENT_NODE_LIMIT_MS,
    SILENT_NODE_PAUSE_MS, UNPLACED_PAUSE_MS, VACATED_LIMIT,
};
use zigcheck::app::domain::verdict::{BuildStatus, State};
use zigcheck::app::engine::job::{JobEnd, KillReason};
use zigcheck::config::limits::RETRY_PAUSE_MS;
use zigcheck::interface::event::{Exit, Pipe};

use crate::life::inputs::{answers, answers_there, noises};
use crate::life::job::{LIMITS, RunningJob, limits_of};

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum At {
    Waiting(u64),
    Running(RunningJob),
    Settling(Kind),
    /// The state of its container is unknown.
    Detached,
    /// Its container may still come.
    NotYetVisible(u64),
    Over,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Life {
    machine: Build,
    pub at: At,
    first: Kind,
    /// No look finds a container that runs, or an engine that does not answer: else a life may go
    /// round for ever.
    calm: bool,
    /// The container of this attempt was given the cache of an earlier build.
    reuses: bool,
    attempt: u32,
    errors: u32,
    /// When the container of this attempt must have ended.
    until: u64,
    /// Looks in a row that were not answered.
    looks: u32,
    /// Since when its node was silent.
    silent_since: Option<u64>,
    /// The most bytes that one follower gave.
    followed: u64,
    testing: bool,
    now: u64,
}

impl Life {
    pub fn new(first: Kind) -> Life {
        Life {
            machine: Build::new(1, 0, LIMITS),
            at: At::Waiting(0),
            first,
            calm: false,
            reuses: false,
            attempt: 1,
            errors: 0,
            until: 0,
            looks: 0,
            silent_since: None,
            followed: 0,
            testing: false,
            now: 50,
        }
    }

    pub fn calm(first: Kind) -> Life {
        Life {
            calm: true,
            ..Life::new(first)
        }
    }

    /// The same, given the cache of an earlier build.
    pub fn reusing(self) -> Life {
        Life {
            reuses: true,
            ..self
        }
    }

    /// One whose container was left by an earlier run of the server.
    pub fn adopted((attempt, errors): (u32, u32), testing: bool, until: u64) -> Life {
        Life {
            machine: Build::new(attempt, errors, LIMITS).adopted(testing, until),
            at: At::Detached,
            attempt,
            errors,
            until,
            testing,
            ..Life::new(Kind::Build)
        }
    }

    /// What it can be told next: what a running job may do, or else what moves it on.
    pub fn letters(&self, of_job: &[(u64, Input)]) -> Vec<(u64, Input)> {
        match &self.at {
            At::Waiting(from) => {
                let pause = from.saturating_sub(self.now);
                vec![(pause, Input::Start(self.first))]
            }
            At::Running(_) => of_job.to_vec(),
            At::Settling(kind) => {
                let answers = match self.first {
                    Kind::Place => answers_there(*kind),
                    _ => answers(*kind, self.calm, self.reuses),
                };
                answers
                    .into_iter()
                    .map(|given| (1, Input::Interpreted(given)))
                    .collect()
            }
            At::Detached => vec![(7, Input::Back)],
            At::NotYetVisible(at) => vec![(at.saturating_sub(self.now), Input::Time)],
            At::Over => Vec::new(),
        }
    }

    /// The life after that input, as the shell would drive it; every claim is checked.
    pub fn told(&self, after_ms: u64, input: &Input) -> Life {
        let mut life = self.clone();
        life.now += after_ms;
        let now = life.now;
        let mut over = false;
        if let At::Running(job) = &mut life.at {
            match input {
                Input::Output(bytes) => {
                    job.heard = now;
                    job.bytes += *bytes as u64;
                    // A look alone may go well each time although what comes after it never does, or gives
                    // the same words each time.
                    if job.kind == Kind::FollowLogs && job.bytes > life.followed {
                        life.followed = job.bytes;
                        (life.looks, life.silent_since) = (0, None);
                    }
                    let limit = limits_of(job.kind).output_bytes;
                    over = job.bytes > limit && job.why.is_none() && job.exit.is_none();
                }
                Input::Eof(Pipe::Stdout) => job.open.0 = false,
                Input::Eof(Pipe::Stderr) => job.open.1 = false,
                Input::Exited(exit) if job.exit.is_none() => {
                    if matches!(exit, Exit::NotStarted(_)) {
                        job.open = (false, false);
                    }
                    job.exit = Some((exit.clone(), now));
                }
                Input::Testing => {
                    life.testing |=
                        matches!(job.kind, Kind::Build | Kind::FollowLogs | Kind::ReadLogs);
                }
                _ => {}
            }
        }
        let timed = *input == Input::Time;
        let overdue = |at: &At| {
            matches!(at, At::Running(job) if job.has_ended(now, timed)
                || (job.exit.is_none() && (over || (timed && now >= job.due()))))
        };
        let drifts = matches!(input, Input::Interpreted(Outcome::Detached(_)));
        let drifts = drifts && life.looks + 1 < INSPECTIONS_LIMIT;
        let again = match input {
            Input::Interpreted(Outcome::NotYetVisible) => Some(NOT_YET_VISIBLE_PAUSE_MS),
            Input::Interpreted(Outcome::Unheard) => Some(SILENT_NODE_PAUSE_MS),
            Input::Interpreted(Outcome::Silent(_)) => {
                let since = *life.silent_since.get_or_insert(now);
                (now < since + SILENT_NODE_LIMIT_MS).then_some(SILENT_NODE_PAUSE_MS)
            }
            _ => None,
        };
        let early = again.is_some();
        let told = matches!(input, Input::Start(_) | Input::Interpreted(_) | Input::Back);
        let told = told || matches!(life.at, At::NotYetVisible(at) if timed && now >= at);
        let must_move = overdue(&life.at) || (told && !drifts && !early);
        let mut step = life.machine.step(input.clone(), now);
        assert_eq!(step.is_some(), must_move, "{input:?} in {self:?}");
        if let Some(pause) = again {
            life.at = At::NotYetVisible(now + pause);
        }
        if drifts {
            life.looks += 1;
            life.at = At::Detached;
        }
        while let Some(made) = step {
            life.made(made, input);
            step = life.machine.take_ended();
        }
        life.agrees();
        life
    }

    /// Checks one step against what may come at this point.
    fn made(&mut self, step: Step, input: &Input) {
        let now = self.now;
        match (&mut self.at, step) {
            (At::Running(job), Step::End(kind)) => {
                assert_eq!((kind, &job.exit, job.why), (job.kind, &None, None));
                let limits = limits_of(kind);
                let why = if job.bytes > limits.output_bytes {
                    KillReason::OutputLimit
                } else if now >= job.until {
                    KillReason::Timeout
                } else {
                    assert!(now >= job.heard + limits.silence_ms, "nothing was passed");
                    KillReason::Silent
                };
                job.why = Some((why, now));
            }
            (At::Running(job), Step::Kill(kind)) => {
                assert_eq!((kind, job.killed), (job.kind, false));
                assert!(
                    job.why.is_some() || job.exit.is_some(),
                    "never asked to end"
                );
                assert!(now >= job.due(), "killed too early");
                job.killed = true;
            }
            (At::Running(job), Step::Interpret(kind, end)) => {
                let seen = JobEnd {
                    exit: job.exit.as_ref().map(|(exit, _)| exit.clone()),
                    why: job.why.map(|(why, _)| why),
                };
                assert_eq!((kind, end), (job.kind, seen));
                // A pipe that is still open is let go of before.
                assert!(job.killed || job.open == (false, false), "left open");
                self.at = At::Settling(kind);
            }
            (At::Waiting(from), Step::Run(kind)) => {
                assert_eq!((kind, now >= *from), (self.first, true));
                self.at = self.running(kind);
            }
            (At::Detached | At::NotYetVisible(_), Step::Run(kind)) => {
                assert_eq!(kind, Kind::Inspect);
                self.at = self.running(kind);
            }
            (At::Settling(kind), step) => {
                let Input::Interpreted(given) = input else {
                    panic!("{step:?} without an answer");
                };
                let retried = self.errors + 1 < ERRORS_LIMIT;
                let kind = *kind;
                if matches!(given, Outcome::Detached(_)) {
                    assert_eq!(self.looks + 1, INSPECTIONS_LIMIT, "given up too early");
                }
                if matches!(step, Step::Retry { .. } | Step::Doubt(_) | Step::Finish(_)) {
                    (self.looks, self.followed, self.silent_since) = (0, 0, None);
                }
                self.at = match (kind, given, step) {
                    (_, Outcome::Fetched, Step::Ready) => At::Over,
                    (_, Outcome::Then(next), Step::Run(kind)) => {
                        assert_eq!(kind, *next);
                        self.running(kind)
                    }
                    (_, Outcome::Unplaced(given), Step::Retry { error, at_ms }) => {
                        assert_eq!((&error, at_ms), (given, now + UNPLACED_PAUSE_MS));
                        self.next_attempt(at_ms)
                    }
                    (_, Outcome::Vacated(given), Step::Retry { error, at_ms })
                        if self.attempt - self.errors <= VACATED_LIMIT =>
                    {
                        assert_eq!((&error, at_ms), (given, now));
                        self.next_attempt(now)
                    }
                    (
                        _,
                        Outcome::Verdict(given)
                        | Outcome::Lost(given)
                        | Outcome::Detached(given)
                        | Outcome::Vacated(given)
                        | Outcome::Silent(given),
                        Step::Retry { error, at_ms },
                    ) => {
                        assert_eq!((given.build_status, &error), (BuildStatus::Error, given));
                        assert!(retried, "more attempts than there may be");
                        let pause = match input {
                            Input::Interpreted(Outcome::Lost(_)) => 0,
                            _ => RETRY_PAUSE_MS[self.errors as usize],
                        };
                        assert_eq!(at_ms, now + pause);
                        self.errors += 1;
                        self.next_attempt(at_ms)
                    }
                    (_, Outcome::InDoubt(given), Step::Doubt(verdict)) => {
                        assert!(self.reuses, "in doubt without a cause");
                        assert_eq!(&verdict, given);
                        self.next_attempt(now)
                    }
                    (
                        _,
                        Outcome::Verdict(given)
                        | Outcome::Lost(given)
                        | Outcome::Detached(given)
                        | Outcome::Vacated(given)
                        | Outcome::Silent(given),
                        Step::Finish(verdict),
                    ) => {
                        assert!(!retried || given.build_status != BuildStatus::Error);
                        assert_eq!(&verdict, given);
                        At::Over
                    }
                    (_, Outcome::Final(given), Step::Finish(verdict)) => {
                        assert_eq!(&verdict, given);
                        At::Over
                    }
                    (kind, given, step) => panic!("{kind:?} gave {given:?}: {step:?}"),
                };
            }
            (at, step) => panic!("{step:?} in {at:?}"),
        }
    }

    /// It waits for another attempt, which is given no cache.
    fn next_attempt(&mut self, at_ms: u64) -> At {
        self.attempt += 1;
        (self.testing, self.reuses) = (false, false);
        At::Waiting(at_ms)
    }

    /// A job of that kind, begun now. The time of a container does not begin anew with who watches it.
    fn running(&mut self, kind: Kind) -> At {
        let total = self.now + limits_of(kind).total_ms;
        if kind == Kind::Build {
            self.until = total;
        }
        let until = match kind {
            Kind::FollowLogs => self.until.max(self.now),
            _ => total,
        };
        At::Running(RunningJob::new(kind, until, self.now))
    }

    /// What the machine says of itself is what was seen of it.
    fn agrees(&self) {
        let machine = &self.machine;
        let (state, deadline, from) = match &self.at {
            At::Waiting(from) => (State::Queued, None, Some(*from)),
            At::Over => (State::Finished, None, None),
            At::Detached if self.testing => (State::Testing, None, None),
            At::Detached => (State::Building, None, None),
            At::NotYetVisible(at) if self.testing => (State::Testing, Some(*at), None),
            At::NotYetVisible(at) => (State::Building, Some(*at), None),
            At::Running(RunningJob { kind, .. }) | At::Settling(kind) => {
                let state = match kind {
                    kind if kind.is_fetch() => State::Fetching,
                    Kind::Place => State::Queued,
                    _ if self.testing => State::Testing,
                    _ => State::Building,
                };
                let due = match &self.at {
                    At::Running(job) => Some(job.due()),
                    _ => None,
                };
                (state, due, None)
            }
        };
        let said = (machine.state(), machine.deadline_ms());
        assert_eq!(said, (state, deadline), "{self:?}");
        assert_eq!(machine.is_detached(), self.at == At::Detached);
        let said = (machine.not_before_ms(), machine.attempt, machine.errors);
        assert_eq!(said, (from, self.attempt, self.errors), "{self:?}");
    }

    /// What does not fit changes nothing.
    pub fn is_deaf_to_strays(&self) {
        let mut strays = vec![Input::Start(Kind::Build)];
        if !matches!(self.at, At::Running(_) | At::NotYetVisible(_)) {
            strays.extend(noises().into_iter().map(|(_, input)| input));
        }
        if !matches!(self.at, At::Settling(_)) {
            strays.extend(
                answers(Kind::Build, true, true)
                    .into_iter()
                    .map(Input::Interpreted),
            );
        }
        if self.at != At::Detached {
            strays.push(Input::Back);
        }
        if matches!(self.at, At::Waiting(_)) {
            strays.remove(0);
        }
        for stray in strays {
            let mut machine = self.machine.clone();
            let said = machine.step(stray.clone(), self.now + 1);
            assert_eq!((said, machine.take_ended()), (None, None), "{stray:?}");
            assert_eq!(machine, self.machine, "{stray:?} changed something");
        }
    }

    /// Time alone ends a job: by its limit, by giving up, by draining, and never early.
    pub fn ends_by_time_alone(&self) {
        let mut life = self.clone();
        for _ in 0..2 {
            let At::Running(job) = &life.at else { return };
            let wait = job.due().saturating_sub(life.now);
            if wait > 0 {
                let early = life.told(wait - 1, &Input::Time);
                assert_eq!(early.at, life.at, "time did something before it was due");
            }
            life = life.told(wait, &Input::Time);
        }
        assert!(matches!(life.at, At::Settling(_)), "{life:?} does not end");
    }
}
