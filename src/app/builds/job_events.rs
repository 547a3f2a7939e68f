//! What happens to running tasks: the events of their jobs, time, and the engine's answers.

use crate::app::builds::build::Input;
use crate::app::builds::retirement;
use crate::app::builds::running::RunningTask;
use crate::app::builds::scheduler::Scheduler;
use crate::app::builds::services::Services;
use crate::app::domain::task::Task;
use crate::app::engine::commands::Answer;
use crate::app::store::{checks, store};
use crate::interface::event::{Exit, JobId, Pipe};

impl Scheduler {
    pub fn output(
        &mut self,
        job: JobId,
        pipe: Pipe,
        bytes: &[u8],
        services: &mut Services,
    ) -> store::Result<()> {
        let Some(task) = self.jobs.get(&job).copied() else {
            return Ok(());
        };
        let running_task = self.running.get_mut(&task).expect("a job has its task");
        let attempt_state = &mut running_task.attempt_state;
        let cost = attempt_state.output_cost(bytes);
        let mut tests_begin = false;
        match pipe {
            Pipe::Stdout => tests_begin = attempt_state.stdout(bytes),
            Pipe::Stderr => {
                attempt_state.stderr(bytes);
                if let Task::Build(build) = task
                    && attempt_state.is_container_output()
                {
                    services.feed.logs.append(build, bytes, &mut services.out);
                }
            }
        }
        if tests_begin {
            self.step(task, Input::Testing, services)?;
            self.publish_state(task, services)?;
        }
        self.step(task, Input::Output(cost), services)
    }

    pub fn eof(&mut self, job: JobId, pipe: Pipe, services: &mut Services) -> store::Result<()> {
        match self.jobs.get(&job).copied() {
            Some(task) => self.step(task, Input::Eof(pipe), services),
            None => Ok(()),
        }
    }

    pub fn exited(&mut self, job: JobId, exit: Exit, services: &mut Services) -> store::Result<()> {
        match self.jobs.get(&job).copied() {
            Some(task) => self.step(task, Input::Exited(exit), services),
            None => Ok(()),
        }
    }

    /// Notes the peak memory of a container, if the engine could read it, and kills the container.
    pub fn on_peak_memory(
        &mut self,
        task: Task,
        container: &str,
        answer: Answer,
        services: &mut Services,
    ) {
        let text = answer.unwrap_or_default();
        let peak = text.split_whitespace().find_map(|word| word.parse().ok());
        if let Some(running_task) = self.running.get_mut(&task) {
            running_task.attempt_state.peak_bytes = peak;
        }
        services.kill_container(container);
    }

    /// The engine answers again, with its images: detached builds inspect their containers.
    pub fn on_engine_ready(&mut self, services: &mut Services) -> store::Result<()> {
        self.rechecks.on_images(services)?;
        let running = self.running.iter();
        let detached = running.filter(|(_, running_task)| running_task.machine.is_detached());
        let mut detached: Vec<Task> = detached.map(|(task, _)| *task).collect();
        detached.sort_unstable();
        for task in detached {
            self.step(task, Input::Back, services)?;
        }
        Ok(())
    }

    /// Applies time limits, answers waiting builds, and, if the disk `has_space`, enqueues rechecks and rebuilds.
    pub fn on_time(&mut self, has_space: bool, services: &mut Services) -> store::Result<()> {
        let now_ms = services.now.mono_ms;
        let is_due = |(task, running_task): (&Task, &RunningTask)| {
            let deadline = running_task.machine.deadline_ms()?;
            (deadline <= now_ms).then_some(*task)
        };
        let mut due: Vec<Task> = self.running.iter().filter_map(is_due).collect();
        due.sort_unstable();
        for task in due {
            self.step(task, Input::Time, services)?;
        }
        retirement::cancel_next(self, services)?;
        for row in self.verdicts.take_waiters(&mut services.store)? {
            let check = checks::by_id(&services.store, row.check)?;
            let check = check.expect("a build has its check");
            // While its source is fetched again, it waits for that.
            if check.source.is_some() {
                self.enqueue_build(&row, &check, services)?;
            }
        }
        if !has_space {
            return Ok(());
        }
        if services.engine.is_fresh(now_ms) {
            let (queue, running) = (&self.queue, &self.running);
            for entry in self.rechecks.take_due(queue, running, services)? {
                self.push(&entry, None, services)?;
            }
        }
        if services.engine.is_ready() {
            self.rechecks.make_requested_due(services)?;
            let mut checks = self.rechecks.next_rebuilds(services)?;
            checks.extend(self.rechecks.next_of_catalogue(services)?);
            for check in checks {
                self.add(check, services)?;
            }
        }
        Ok(())
    }
}
