//! A running job as seen from outside: what it was told, and when time alone must move it.

use zigcheck::app::builds::build::{JobKind as Kind, JobLimits};
use zigcheck::app::engine::job::{KillReason, Limits};
use zigcheck::app::engine::limits::{DRAIN_GRACE_MS, KILL_GRACE_MS};
use zigcheck::interface::event::Exit;

/// All different, so that no limit can stand in for another.
pub const LIMITS: JobLimits = JobLimits {
    fetch: limits([5_000, 4_500, 7]),
    place: limits([30_000, 29_000, 17]),
    build: limits([8_000, 3_000, 3]),
    targets: limits([7_000, 3_500, 5]),
    inspect: limits([4_000, 3_900, 11]),
    read_logs: limits([6_000, 5_500, 13]),
};

const fn limits([total_ms, silence_ms, output_bytes]: [u64; 3]) -> Limits {
    Limits {
        total_ms,
        silence_ms,
        output_bytes,
    }
}

pub fn limits_of(kind: Kind) -> Limits {
    match kind {
        kind if kind.is_fetch() => LIMITS.fetch,
        Kind::Place => LIMITS.place,
        Kind::Build | Kind::FollowLogs => LIMITS.build,
        Kind::CheckTargets => LIMITS.targets,
        Kind::Inspect => LIMITS.inspect,
        _ => LIMITS.read_logs,
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RunningJob {
    pub kind: Kind,
    /// When it has run for too long.
    pub until: u64,
    pub heard: u64,
    pub bytes: u64,
    /// The first exit, and when.
    pub exit: Option<(Exit, u64)>,
    /// Why it was to be ended, and when.
    pub why: Option<(KillReason, u64)>,
    pub killed: bool,
    pub open: (bool, bool),
}

impl RunningJob {
    pub fn new(kind: Kind, until: u64, now: u64) -> RunningJob {
        RunningJob {
            kind,
            until,
            heard: now,
            bytes: 0,
            exit: None,
            why: None,
            killed: false,
            open: (true, true),
        }
    }

    /// When time alone must move it.
    pub fn due(&self) -> u64 {
        let limits = limits_of(self.kind);
        match (&self.exit, self.why) {
            (Some((_, at)), _) => at + DRAIN_GRACE_MS,
            (None, Some((_, at))) => at + KILL_GRACE_MS,
            (None, None) => self.until.min(self.heard + limits.silence_ms),
        }
    }

    pub fn has_ended(&self, now: u64, time_told: bool) -> bool {
        let drained = self.open == (false, false) || (time_told && now >= self.due());
        self.killed || (self.exit.is_some() && drained)
    }
}
