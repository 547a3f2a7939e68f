//! Short commands to the engine: started, timed, answered.

use std::collections::HashMap;

use crate::app::domain::task::Task;
use crate::app::engine::job::{Job, JobEnd, Limits};
use crate::app::engine::limits::{ANSWER_LIMIT_BYTES, ENGINE_TIMEOUT_MS, PEAK_TIMEOUT_MS};
use crate::app::engine::routing::Place;
use crate::base::slab::Key;
use crate::interface::event::{Action, Command, Exit, JobId, Pipe};
use crate::interface::outbox::Outbox;

/// The standard output of a command that succeeded, or why there is none.
pub type Answer = Result<String, String>;

/// What the answer to a command is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Purpose {
    /// The state of an engine.
    Engine(Place),
    /// The peak memory of a container, which is killed afterwards.
    ReadPeakMemory { task: Task, container: String },
    /// A node of the cluster is drained or resumed, for the client of that connection.
    SetNode {
        conn: Key,
        name: String,
        drained: bool,
    },
    /// Containers of attempts that are over.
    Removal,
    /// The answer is not used.
    Nothing,
}

/// A command that has ended.
#[derive(Debug)]
pub struct Answered {
    pub purpose: Purpose,
    pub answer: Answer,
}

#[derive(Debug)]
struct EngineCommand {
    job: Job,
    purpose: Purpose,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

/// The commands in progress.
#[derive(Debug, Default)]
pub struct EngineCommands(HashMap<JobId, EngineCommand>);

/// The limits of one short command.
pub const ENGINE_LIMITS: Limits = Limits {
    total_ms: ENGINE_TIMEOUT_MS,
    silence_ms: ENGINE_TIMEOUT_MS,
    output_bytes: u64::MAX,
};

const PEAK_LIMITS: Limits = Limits {
    total_ms: PEAK_TIMEOUT_MS,
    silence_ms: PEAK_TIMEOUT_MS,
    output_bytes: u64::MAX,
};

impl EngineCommands {
    pub fn start(&mut self, command: Command, purpose: Purpose, out: &mut Outbox, now_ms: u64) {
        let job = out.spawn(command);
        let limits = match purpose {
            Purpose::ReadPeakMemory { .. } => PEAK_LIMITS,
            _ => ENGINE_LIMITS,
        };
        let command = EngineCommand {
            job: Job::new(limits, now_ms),
            purpose,
            stdout: Vec::new(),
            stderr: Vec::new(),
        };
        self.0.insert(job, command);
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// When `on_time` is due next.
    pub fn deadline_ms(&self) -> Option<u64> {
        self.0.values().filter_map(|e| e.job.deadline_ms()).min()
    }

    pub fn output(&mut self, job: JobId, pipe: Pipe, bytes: &[u8], now_ms: u64) {
        if let Some(command) = self.0.get_mut(&job) {
            command.job.output(bytes.len(), now_ms);
            let kept = match pipe {
                Pipe::Stdout => &mut command.stdout,
                Pipe::Stderr => &mut command.stderr,
            };
            let space = ANSWER_LIMIT_BYTES + 1 - kept.len();
            kept.extend_from_slice(&bytes[..bytes.len().min(space)]);
        }
    }

    /// Returns the answer if the command has ended with this.
    pub fn eof(&mut self, job: JobId, pipe: Pipe) -> Option<Answered> {
        self.0.get_mut(&job)?.job.eof(pipe);
        self.take_ended(job)
    }

    /// Returns the answer if the command has ended with this.
    pub fn exited(&mut self, job: JobId, exit: Exit, now_ms: u64) -> Option<Answered> {
        self.0.get_mut(&job)?.job.exited(exit, now_ms);
        self.take_ended(job)
    }

    /// Applies the time limits; returns the answers of the commands that ended by them.
    pub fn on_time(&mut self, out: &mut Outbox, now_ms: u64) -> Vec<Answered> {
        let mut due = Vec::new();
        for (job, command) in &mut self.0 {
            if command.job.deadline_ms().is_some_and(|at| at <= now_ms) {
                // A client has no gentler end than SIGKILL.
                if command.job.on_time(now_ms).is_some() {
                    out.push(Action::Kill { job: *job });
                }
                due.push(*job);
            }
        }
        let ended = due.into_iter().filter_map(|job| self.take_ended(job));
        ended.collect()
    }

    fn take_ended(&mut self, job: JobId) -> Option<Answered> {
        let end = self.0.get(&job)?.job.ended()?.clone();
        let command = self.0.remove(&job)?;
        let answer = answer(&command, end);
        let purpose = command.purpose;
        (purpose != Purpose::Nothing).then_some(Answered { purpose, answer })
    }
}

fn answer(command: &EngineCommand, end: JobEnd) -> Answer {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let exit = match end {
        JobEnd {
            why: None,
            exit: Some(exit),
        } => exit,
        JobEnd { why: Some(_), .. } | JobEnd { exit: None, .. } => {
            let seconds = ENGINE_TIMEOUT_MS / 1000;
            return Err(format!("the engine did not answer within {seconds} s"));
        }
    };
    match exit {
        Exit::Code(0) if command.stdout.len() > ANSWER_LIMIT_BYTES => Err(format!(
            "the engine's answer is longer than {} MiB",
            ANSWER_LIMIT_BYTES >> 20
        )),
        Exit::Code(0) => Ok(text(&command.stdout)),
        exit => {
            let stderr = text(&command.stderr);
            Err(match (last_line(&stderr), exit) {
                (Some(line), _) => line.to_string(),
                (None, Exit::NotStarted(why)) => why,
                (None, exit) => format!("the engine's command ended with {exit:?}"),
            })
        }
    }
}

/// The last line of an error, without the hint where to find help that some clients end with.
fn last_line(stderr: &str) -> Option<&str> {
    let is_error = |line: &&str| {
        let hints = ["Run 'docker", "See 'docker", "See 'podman"];
        !line.is_empty() && !hints.iter().any(|hint| line.starts_with(hint))
    };
    stderr.lines().map(str::trim).rfind(is_error)
}
