//! The outcomes of jobs about the container of a build: its client, an inspection, its output read anew.

use crate::app::builds::attempt::AttemptState;
use crate::app::builds::attempt_context::AttemptContext;
use crate::app::builds::build::{JobKind, JobOutcome};
use crate::app::builds::judge::{
    ContainerExit, Judgement, ended_by_us, judge, judge_container, without_container,
};
use crate::app::builds::outcomes::{detached, with_pause};
use crate::app::domain::verdict::{Reason, ResourceLimits};
use crate::app::engine::container_state::{ContainerState, container_state};
use crate::app::engine::exit;
use crate::app::engine::job::{JobEnd, KillReason};
use crate::interface::event::Exit;

impl AttemptState {
    pub(super) fn build_outcome(&mut self, end: JobEnd, context: &AttemptContext) -> JobOutcome {
        self.why = end.why;
        self.input_truncated = end.exit == Some(Exit::Code(exit::TRUNCATED));
        let limits = self.limits(context);
        let record = context.expected_record();
        match judge(record, &end, &mut self.records, &limits) {
            Judgement::Verdict(verdict) => with_pause(*verdict, self.retry_after),
            Judgement::Inspect => {
                self.client_exit = end.exit;
                JobOutcome::Then(JobKind::Inspect)
            }
        }
    }

    pub(super) fn follow_outcome(&mut self, end: &JobEnd) -> JobOutcome {
        self.why = end.why.or(self.why);
        match (self.why, &end.exit) {
            (None, exit) if *exit != Some(Exit::Code(0)) => {
                detached("the output of the container cannot be followed")
            }
            _ => JobOutcome::Then(JobKind::Inspect),
        }
    }

    pub(super) fn inspect_outcome(&mut self, end: &JobEnd, context: &AttemptContext) -> JobOutcome {
        let answer = String::from_utf8_lossy(&self.answer);
        let stderr = String::from_utf8_lossy(&self.inspect_stderr);
        let container = match &end.exit {
            Some(Exit::NotStarted(why)) => ContainerState::Unknown(why.clone()),
            exit => container_state(exit.as_ref(), &answer, &stderr),
        };
        match container {
            ContainerState::Running => match self.why.take() {
                None => JobOutcome::Then(JobKind::FollowLogs),
                // Only its client may have been silent: follow it once without that client.
                Some(KillReason::Silent)
                    if !std::mem::replace(&mut self.followed_silence, true) =>
                {
                    JobOutcome::Then(JobKind::FollowLogs)
                }
                // It was killed and goes on: the verdict is the same.
                Some(why) => {
                    let verdict = ended_by_us(why, self.records.progress, &self.limits(context));
                    JobOutcome::Verdict(verdict)
                }
            },
            ContainerState::Exited { code, oom_killed } => {
                self.exited = Some(ContainerExit { code, oom_killed });
                JobOutcome::Then(JobKind::ReadLogs)
            }
            ContainerState::Created | ContainerState::Gone
                if context.not_yet_visible && self.client_exit.is_none() =>
            {
                JobOutcome::NotYetVisible
            }
            ContainerState::Created | ContainerState::Gone => {
                self.container_seen = container == ContainerState::Created;
                let stderr = String::from_utf8_lossy(&self.stderr_tail).into_owned();
                let verdict = without_container(self.client_exit.take(), self.why.take(), &stderr);
                match verdict.reason {
                    Some(Reason::Lost) => JobOutcome::Lost(verdict),
                    _ => JobOutcome::Verdict(verdict),
                }
            }
            ContainerState::Unknown(why) => detached(&why),
        }
    }

    pub(super) fn read_outcome(&mut self, end: &JobEnd, context: &AttemptContext) -> JobOutcome {
        if end.exit != Some(Exit::Code(0)) {
            return detached("the output of the container cannot be read");
        }
        let exited = self.exited.take();
        let exited = exited.expect("logs are read after the container has exited");
        let limits = self.limits(context);
        let (record, why) = (context.expected_record(), self.why);
        let records = &mut self.records;
        let verdict = judge_container(record, exited, why, records, &limits);
        match exited.code {
            // Its client was killed before it had sent the source, whose file is as good as it was.
            exit::TRUNCATED => JobOutcome::Lost(verdict),
            _ => with_pause(verdict, self.retry_after),
        }
    }

    /// The outcome of a fetch whose output is its answer.
    fn limits(&self, context: &AttemptContext) -> ResourceLimits {
        ResourceLimits {
            peak_bytes: self.peak_bytes,
            ..context.limits
        }
    }
}
