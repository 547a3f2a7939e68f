//! What jobs do, and what the clock and the engine say meanwhile.

use crate::app::builds::build::Input;
use crate::app::builds::running::RunningTask;
use crate::app::builds::scheduler::{Scheduler, kill_container};
use crate::app::builds::services::Services;
use crate::app::domain::task::Task;
use crate::app::engine::commands::Answer;
use crate::app::store::store;
use crate::interface::event::{Exit, JobId, Pipe};

impl Scheduler {
    pub fn output(
        &mut self,
        job: JobId,
        pipe: Pipe,
        bytes: &[u8],
        cx: &mut Services,
    ) -> store::Result<()> {
        let Some(task) = self.jobs.get(&job).copied() else {
            return Ok(());
        };
        let running_task = self.running.get_mut(&task).expect("a job has its work");
        let counted = running_task.attempt_state.counted(bytes);
        let mut testing = false;
        match pipe {
            Pipe::Stdout => testing = running_task.attempt_state.stdout(bytes),
            Pipe::Stderr => {
                running_task.attempt_state.stderr(bytes);
                if let (Task::Build(build), true) =
                    (task, running_task.attempt_state.is_of_container())
                {
                    cx.feed.logs.append(build, bytes, &mut cx.out);
                }
            }
        }
        if testing {
            self.step(task, Input::Testing, cx)?;
            self.publish_state(task, cx)?;
        }
        self.step(task, Input::Output(counted), cx)
    }

    pub fn eof(&mut self, job: JobId, pipe: Pipe, cx: &mut Services) -> store::Result<()> {
        match self.jobs.get(&job).copied() {
            Some(task) => self.step(task, Input::Eof(pipe), cx),
            None => Ok(()),
        }
    }

    pub fn exited(&mut self, job: JobId, exit: Exit, cx: &mut Services) -> store::Result<()> {
        match self.jobs.get(&job).copied() {
            Some(task) => self.step(task, Input::Exited(exit), cx),
            None => Ok(()),
        }
    }

    /// A container that is to be killed has said how much memory it used, or has not.
    pub fn on_peak_memory(
        &mut self,
        task: Task,
        container: &str,
        answer: Answer,
        cx: &mut Services,
    ) {
        let words = answer.unwrap_or_default();
        let peak = words.split_whitespace().find_map(|word| word.parse().ok());
        if let Some(running_task) = self.running.get_mut(&task) {
            running_task.attempt_state.note_peak(peak);
        }
        kill_container(container, cx);
    }

    /// The engine answers: what lost its container from sight looks for it.
    pub fn engine_is_back(&mut self, cx: &mut Services) -> store::Result<()> {
        let detached = self.running.iter().filter(|(_, a)| a.machine.is_detached());
        let mut detached: Vec<Task> = detached.map(|(task, _)| *task).collect();
        detached.sort_unstable();
        for task in detached {
            self.step(task, Input::Back, cx)?;
        }
        Ok(())
    }

    /// `has_space`: what nobody asked for may begin.
    pub fn time(&mut self, has_space: bool, cx: &mut Services) -> store::Result<()> {
        let due = |(task, running_task): (&Task, &RunningTask)| {
            let deadline = running_task.machine.deadline_ms()?;
            (deadline <= cx.now.mono_ms).then_some(*task)
        };
        let mut due: Vec<Task> = self.running.iter().filter_map(due).collect();
        due.sort_unstable();
        for task in due {
            self.step(task, Input::Time, cx)?;
        }
        self.answer_waiters(cx)?;
        if !has_space {
            return Ok(());
        }
        if cx.engine.is_fresh(cx.now.mono_ms) {
            self.start_due_rechecks(cx)?;
        }
        if cx.engine.is_ready() {
            self.rebuild_for_toolchain(cx)?;
        }
        Ok(())
    }
}
