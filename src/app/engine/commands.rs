//! Short engine commands: asked, timed, answered. Removing and killing want no answer.

use std::collections::HashMap;

use crate::app::domain::task::Task;
use crate::app::engine::Answer;
use crate::app::engine::job::{Job, JobEnd, Limits};
use crate::app::engine::limits::{ENGINE_TIMEOUT_MS, PEAK_TIMEOUT_MS};
use crate::config::limits::ENGINE_OUTPUT_LIMIT_BYTES;
use crate::interface::event::{Action, Command, Exit, JobId, Pipe};
use crate::interface::outbox::Outbox;

/// What an answer is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Purpose {
    /// What the engine is, and has.
    Engine,
    /// Whether a container that is to be ended is there, and ours: a name alone may be another's. It
    /// is ended for the time limits of that work, or because nobody wants it any more.
    VerifyThenKill {
        task: Option<Task>,
        container: String,
    },
    /// How much memory a container has used that is to be killed then.
    ReadPeakMemory { task: Task, container: String },
    /// Containers whose work is done go.
    Removal,
    /// Nobody waits for it.
    Nothing,
}

#[derive(Debug)]
struct EngineCommand {
    job: Job,
    purpose: Purpose,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

#[derive(Debug, Default)]
pub struct EngineCommands(HashMap<JobId, EngineCommand>);

/// Of one short command.
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
    /// Starts a command.
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

    pub fn owns(&self, job: JobId) -> bool {
        self.0.contains_key(&job)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

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
            let room = ENGINE_OUTPUT_LIMIT_BYTES - kept.len();
            kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
        }
    }

    pub fn eof(&mut self, job: JobId, pipe: Pipe) -> Option<(Purpose, Answer)> {
        self.0.get_mut(&job)?.job.eof(pipe);
        self.ended(job)
    }

    pub fn exited(&mut self, job: JobId, exit: Exit, now_ms: u64) -> Option<(Purpose, Answer)> {
        self.0.get_mut(&job)?.job.exited(exit, now_ms);
        self.ended(job)
    }

    /// Looks at the time: gives the answers that are now as good as they will get.
    pub fn time(&mut self, out: &mut Outbox, now_ms: u64) -> Vec<(Purpose, Answer)> {
        let due =
            |command: &EngineCommand| command.job.deadline_ms().is_some_and(|at| at <= now_ms);
        let due: Vec<JobId> = self
            .0
            .iter()
            .filter(|(_, e)| due(e))
            .map(|(id, _)| *id)
            .collect();
        let mut answers = Vec::new();
        for job in due {
            let command = self.0.get_mut(&job).expect("it was just found");
            // There is no gentler way to end an errand than to kill it.
            if command.job.time(now_ms).is_some() {
                out.push(Action::Kill { job });
            }
            answers.extend(self.ended(job));
        }
        answers
    }

    fn ended(&mut self, job: JobId) -> Option<(Purpose, Answer)> {
        let end = self.0.get(&job)?.job.ended()?.clone();
        let command = self.0.remove(&job)?;
        let answer = answer(&command, end);
        (command.purpose != Purpose::Nothing).then_some((command.purpose, answer))
    }
}

/// The standard output of a command that exited with 0, else its last words.
fn answer(command: &EngineCommand, end: JobEnd) -> Answer {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match end {
        JobEnd { why: Some(_), .. } | JobEnd { exit: None, .. } => Err(format!(
            "the engine did not answer within {} s",
            ENGINE_TIMEOUT_MS / 1000
        )),
        JobEnd {
            exit: Some(Exit::Code(0)),
            ..
        } => Ok(text(&command.stdout)),
        JobEnd {
            exit: Some(exit), ..
        } => {
            let words = text(&command.stderr);
            // A client ends with where its help is to be found.
            let says = |line: &&str| {
                let hint = ["Run 'docker", "See 'docker"];
                !line.is_empty() && !hint.iter().any(|begin| line.starts_with(begin))
            };
            let last = words.lines().map(str::trim).rfind(says);
            Err(match (last, exit) {
                (Some(line), _) => line.to_string(),
                (None, Exit::NotStarted(words)) => words,
                (None, exit) => format!("the engine's command ended with {exit:?}"),
            })
        }
    }
}
