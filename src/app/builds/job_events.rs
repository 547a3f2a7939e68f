//! What jobs do, and what the clock and the engine say meanwhile.

use crate::app::builds::build::Input;
use crate::app::builds::running::Active;
use crate::app::builds::scheduler::{Context, Works};
use crate::app::domain::task::Work;
use crate::app::domain::verdict::State;
use crate::app::engine::commands::Purpose;
use crate::app::engine::{Answer, docker};
use crate::app::store;
use crate::interface::event::{Exit, JobId, Pipe};

impl Works {
    pub fn output(
        &mut self,
        job: JobId,
        pipe: Pipe,
        bytes: &[u8],
        cx: &mut Context,
    ) -> store::Result<()> {
        let Some(work) = self.jobs.get(&job).copied() else {
            return Ok(());
        };
        let active = self.active.get_mut(&work).expect("a job has its work");
        let counted = active.gathered.counted(bytes);
        let mut testing = false;
        match pipe {
            Pipe::Stdout => testing = active.gathered.stdout(bytes),
            Pipe::Stderr => {
                active.gathered.stderr(bytes);
                if let (Work::Build(build), true) = (work, active.gathered.is_of_container()) {
                    cx.feed.logs.append(build, bytes, cx.out);
                }
            }
        }
        if testing {
            self.step(work, Input::Testing, cx)?;
            self.publish_state(work, cx)?;
        }
        self.step(work, Input::Output(counted), cx)
    }

    pub fn eof(&mut self, job: JobId, pipe: Pipe, cx: &mut Context) -> store::Result<()> {
        match self.jobs.get(&job).copied() {
            Some(work) => self.step(work, Input::Eof(pipe), cx),
            None => Ok(()),
        }
    }

    pub fn exited(&mut self, job: JobId, exit: Exit, cx: &mut Context) -> store::Result<()> {
        match self.jobs.get(&job).copied() {
            Some(work) => self.step(work, Input::Exited(exit), cx),
            None => Ok(()),
        }
    }

    /// The containers of ours are told: if the one that is to be ended is among them, it is. Of a
    /// build it is asked first how much memory it used.
    pub fn doomed_found(
        &mut self,
        work: Option<Work>,
        container: String,
        answer: Answer,
        cx: &mut Context,
    ) {
        let ours = docker::containers(&answer.unwrap_or_default());
        let active = work.and_then(|work| Some((work, self.active.get(&work)?)));
        // Its attempt may have ended meanwhile: then it is being removed.
        let under_way = active.is_some_and(|(_, active)| active.containers.contains(&container));
        if !ours.contains(&container) || (work.is_some() && !under_way) {
            return;
        }
        let (command, purpose) = match active {
            Some((work @ Work::Build(_), active)) if active.machine.state() != State::Fetching => (
                cx.docker.peak(&container),
                Purpose::Peak { work, container },
            ),
            _ => (cx.docker.kill(&container), Purpose::Nothing),
        };
        cx.errands.start(command, purpose, cx.out, cx.now.mono_ms);
    }

    /// A container that is to be killed has said how much memory it used, or has not.
    pub fn peak_told(&mut self, work: Work, container: &str, answer: Answer, cx: &mut Context) {
        let words = answer.unwrap_or_default();
        let peak = words.split_whitespace().find_map(|word| word.parse().ok());
        if let Some(active) = self.active.get_mut(&work) {
            active.gathered.note_peak(peak);
        }
        let kill = cx.docker.kill(container);
        cx.errands
            .start(kill, Purpose::Nothing, cx.out, cx.now.mono_ms);
    }

    /// The engine answers: what lost its container from sight looks for it.
    pub fn engine_is_back(&mut self, cx: &mut Context) -> store::Result<()> {
        let adrift = self.active.iter().filter(|(_, a)| a.machine.is_adrift());
        let mut adrift: Vec<Work> = adrift.map(|(work, _)| *work).collect();
        adrift.sort_unstable();
        for work in adrift {
            self.step(work, Input::Back, cx)?;
        }
        Ok(())
    }

    /// `roomy`: what nobody asked for may begin.
    pub fn time(&mut self, roomy: bool, cx: &mut Context) -> store::Result<()> {
        let due = |(work, active): (&Work, &Active)| {
            let deadline = active.machine.deadline_ms()?;
            (deadline <= cx.now.mono_ms).then_some(*work)
        };
        let mut due: Vec<Work> = self.active.iter().filter_map(due).collect();
        due.sort_unstable();
        for work in due {
            self.step(work, Input::Time, cx)?;
        }
        self.answer_sharers(cx)?;
        if !roomy {
            return Ok(());
        }
        if cx.engine.known(cx.now.mono_ms).is_some() {
            self.look_due(cx)?;
        }
        if cx.engine.is_ready() {
            self.sweep(cx)?;
        }
        Ok(())
    }
}
