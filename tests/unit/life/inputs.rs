//! Everything that a build can be told: by its jobs, by the clock, and of how its jobs have ended.

use zigcheck::app::builds::build::{Input, JobKind as Kind, JobOutcome as Outcome};
use zigcheck::app::domain::verdict::{BuildStatus, Reason, Verdict};
use zigcheck::app::engine::limits::{DRAIN_GRACE_MS, KILL_GRACE_MS};
use zigcheck::interface::event::{Exit, Pipe};

use crate::life::job::LIMITS;

pub fn error() -> Verdict {
    Verdict::error(Reason::Lost, "")
}

pub fn failed() -> Verdict {
    Verdict::failed(Reason::CompileError, "")
}

/// The same, of a build on a cluster: its slot and its node may fail it as well.
pub fn answers_there(kind: Kind) -> Vec<Outcome> {
    let mut all = answers(kind, true, false);
    match kind {
        Kind::Place => return vec![Outcome::Then(Kind::Build), Outcome::Unplaced(error())],
        Kind::Inspect => all.extend([
            Outcome::Vacated(error()),
            Outcome::Then(Kind::FollowLogs),
            Outcome::Silent(error()),
            Outcome::Unheard,
        ]),
        Kind::FollowLogs => all = vec![Outcome::Then(Kind::Inspect), Outcome::Silent(error())],
        Kind::ReadLogs => all.push(Outcome::Silent(error())),
        _ => {}
    }
    all
}

/// Everything a job of that kind may be told to have given. Its container `reuses` what an earlier build left, or not.
pub fn answers(kind: Kind, calm: bool, reuses: bool) -> Vec<Outcome> {
    let mut all = vec![Outcome::Verdict(error()), Outcome::Final(error())];
    match kind {
        Kind::FetchSource | Kind::ResolveRemote | Kind::ListCommits | Kind::CheckTargets => {
            all.extend([Outcome::Fetched, Outcome::Final(failed())]);
        }
        Kind::FetchDependencies => {
            all.extend([Outcome::Then(Kind::Build), Outcome::Final(failed())]);
        }
        Kind::Place => all.push(Outcome::Unplaced(error())),
        Kind::Build => {
            let (reason, build_status) = (None, BuildStatus::Success);
            let success = Verdict {
                reason,
                build_status,
                ..failed()
            };
            all.extend([
                Outcome::Then(Kind::Inspect),
                Outcome::Verdict(success),
                Outcome::Verdict(failed()),
            ]);
        }
        Kind::Inspect => {
            all.extend([
                Outcome::Verdict(failed()),
                Outcome::Lost(error()),
                Outcome::Then(Kind::ReadLogs),
            ]);
            if !calm {
                all.extend([
                    Outcome::Then(Kind::FollowLogs),
                    Outcome::Detached(error()),
                    Outcome::NotYetVisible,
                ]);
            }
        }
        Kind::FollowLogs => all = vec![Outcome::Then(Kind::Inspect), Outcome::Detached(error())],
        Kind::ReadLogs => {
            all.extend([Outcome::Verdict(failed()), Outcome::Lost(error())]);
            if !calm {
                all.push(Outcome::Detached(error()));
            }
        }
    }
    if reuses && matches!(kind, Kind::Build | Kind::Inspect | Kind::ReadLogs) {
        // A verdict on the package, and an error that another attempt would repeat.
        all.extend([failed(), error()].map(Outcome::InDoubt));
    }
    all
}

/// Everything a running job and the clock may do.
pub fn noises() -> Vec<(u64, Input)> {
    let not_started = Exit::NotStarted("no such program".to_string());
    vec![
        (1, Input::Output(1)),
        (0, Input::Output(12)),
        (9_000, Input::Output(1)),
        (0, Input::Testing),
        (0, Input::Eof(Pipe::Stdout)),
        (1, Input::Eof(Pipe::Stderr)),
        (1, Input::Exited(Exit::Code(0))),
        (9_000, Input::Exited(Exit::Code(125))),
        (0, Input::Exited(Exit::Code(137))),
        (0, Input::Exited(not_started)),
        (1, Input::Time),
        (DRAIN_GRACE_MS, Input::Time),
        (LIMITS.build.silence_ms, Input::Time),
        (LIMITS.build.total_ms, Input::Time),
        (KILL_GRACE_MS, Input::Time),
    ]
}
