//! One child process as the core sees it: its output, its limits, its end.
//!
//! ```text
//!              limit passed                    give-up time
//!   Running ----------------> Killing(why) -------------------> Ended
//!      |                         |                                ^
//!      | exited                  | exited                         |
//!      v                         v                                |
//!   Draining <-------------------+-- both pipes ended, or grace --+
//! ```
//!
//! Exit and end of pipe are separate events, and either may come first: a grandchild can hold a pipe after the exit,
//! and a child can close its pipes and run on. A job has ended when both were seen or its time is up.

use crate::app::engine::limits::{DRAIN_GRACE_MS, KILL_GRACE_MS};
use crate::interface::event::{Exit, Pipe};

/// The limits of a job. Zero means no time at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Limits {
    pub total_ms: u64,
    pub silence_ms: u64,
    pub output_bytes: u64,
}

/// Why the server ended a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KillReason {
    Timeout,
    Silent,
    OutputLimit,
}

/// What the caller does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JobAction {
    /// End the container that the child is a client of, and with it the child.
    End,
    /// Give up waiting: close the child's pipes and, if it has not exited, send it SIGKILL. No event of it follows.
    Kill,
}

/// How a job ended: the exit, if it was seen, and why the server ended it, if it did.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct JobEnd {
    pub exit: Option<Exit>,
    pub why: Option<KillReason>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Phase {
    Running,
    Killing { why: KillReason, give_up_ms: u64 },
    Draining { end: JobEnd, until_ms: u64 },
    Ended(JobEnd),
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Job {
    limits: Limits,
    started_ms: u64,
    /// When it started or wrote last.
    output_ms: u64,
    output_bytes: u64,
    stdout_open: bool,
    stderr_open: bool,
    phase: Phase,
}

impl Job {
    pub fn new(limits: Limits, now_ms: u64) -> Job {
        Job {
            limits,
            started_ms: now_ms,
            output_ms: now_ms,
            output_bytes: 0,
            stdout_open: true,
            stderr_open: true,
            phase: Phase::Running,
        }
    }

    /// Bytes of output so far.
    pub fn output_bytes(&self) -> u64 {
        self.output_bytes
    }

    /// Why the server ends it, while it does.
    pub fn kill_reason(&self) -> Option<KillReason> {
        match &self.phase {
            Phase::Killing { why, .. } => Some(*why),
            _ => None,
        }
    }

    /// How it ended, once it has.
    pub fn ended(&self) -> Option<&JobEnd> {
        match &self.phase {
            Phase::Ended(end) => Some(end),
            _ => None,
        }
    }

    /// When `on_time` is due; none once the job has ended.
    pub fn deadline_ms(&self) -> Option<u64> {
        match &self.phase {
            Phase::Running => Some(self.total_at().min(self.silence_at())),
            Phase::Killing { give_up_ms, .. } => Some(*give_up_ms),
            Phase::Draining { until_ms, .. } => Some(*until_ms),
            Phase::Ended(_) => None,
        }
    }

    fn total_at(&self) -> u64 {
        self.started_ms + self.limits.total_ms
    }

    fn silence_at(&self) -> u64 {
        self.output_ms + self.limits.silence_ms
    }

    pub fn output(&mut self, bytes: usize, now_ms: u64) -> Option<JobAction> {
        self.output_ms = now_ms;
        self.output_bytes = self.output_bytes.saturating_add(bytes as u64);
        match self.phase {
            Phase::Running if self.output_bytes > self.limits.output_bytes => {
                Some(self.begin_kill(KillReason::OutputLimit, now_ms))
            }
            _ => None,
        }
    }

    pub fn eof(&mut self, pipe: Pipe) {
        match pipe {
            Pipe::Stdout => self.stdout_open = false,
            Pipe::Stderr => self.stderr_open = false,
        }
        self.end_if_drained();
    }

    pub fn exited(&mut self, exit: Exit, now_ms: u64) {
        let why = match self.phase {
            Phase::Running => None,
            Phase::Killing { why, .. } => Some(why),
            Phase::Draining { .. } | Phase::Ended(_) => return,
        };
        if matches!(exit, Exit::NotStarted(_)) {
            self.stdout_open = false;
            self.stderr_open = false;
        }
        self.phase = Phase::Draining {
            end: JobEnd {
                exit: Some(exit),
                why,
            },
            until_ms: now_ms + DRAIN_GRACE_MS,
        };
        self.end_if_drained();
    }

    /// Applies the time limits.
    pub fn on_time(&mut self, now_ms: u64) -> Option<JobAction> {
        match &self.phase {
            Phase::Running if now_ms >= self.total_at() => {
                Some(self.begin_kill(KillReason::Timeout, now_ms))
            }
            Phase::Running if now_ms >= self.silence_at() => {
                Some(self.begin_kill(KillReason::Silent, now_ms))
            }
            Phase::Killing { why, give_up_ms } if now_ms >= *give_up_ms => {
                self.phase = Phase::Ended(JobEnd {
                    exit: None,
                    why: Some(*why),
                });
                Some(JobAction::Kill)
            }
            Phase::Draining { end, until_ms } if now_ms >= *until_ms => {
                self.phase = Phase::Ended(end.clone());
                Some(JobAction::Kill)
            }
            _ => None,
        }
    }

    fn begin_kill(&mut self, why: KillReason, now_ms: u64) -> JobAction {
        self.phase = Phase::Killing {
            why,
            give_up_ms: now_ms + KILL_GRACE_MS,
        };
        JobAction::End
    }

    fn end_if_drained(&mut self) {
        if let Phase::Draining { end, .. } = &self.phase
            && !self.stdout_open
            && !self.stderr_open
        {
            self.phase = Phase::Ended(end.clone());
        }
    }
}
