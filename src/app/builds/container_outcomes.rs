//! The outcomes of jobs about the container of a build: its client, an inspection, its output read anew.

use crate::app::builds::attempt::AttemptState;
use crate::app::builds::attempt_context::AttemptContext;
use crate::app::builds::build::{JobKind, JobOutcome};
use crate::app::builds::judge::{
    ContainerExit, Judgement, ended_by_us, judge, judge_container, without_container,
};
use crate::app::builds::outcomes::{silent_or_detached, with_pause};
use crate::app::domain::verdict::{Reason, ResourceLimits, Verdict, truncate_error_log};
use crate::app::engine::container_state::{ContainerState, container_state};
use crate::app::engine::exit;
use crate::app::engine::job::{JobEnd, KillReason};
use crate::app::engine::slurm;
use crate::interface::event::Exit;

impl AttemptState {
    /// The outcome of a request for a slot of the cluster.
    pub(super) fn place_outcome(&mut self, end: &JobEnd, context: &AttemptContext) -> JobOutcome {
        let answer = String::from_utf8_lossy(&self.answer);
        let node = slurm::node_of(&answer).filter(|_| end.exit == Some(Exit::Code(0)));
        self.node = node.map(str::to_string);
        if self.node.is_some() {
            return JobOutcome::Then(context.main);
        }
        let stderr = String::from_utf8_lossy(&self.inspect_stderr);
        let why = match (&end.exit, stderr.trim()) {
            (Some(Exit::NotStarted(why)), _) => why,
            (_, "") => "the allocation was cancelled",
            (_, why) => why,
        };
        let sentence = truncate_error_log(&format!("the cluster gave no slot: {why}"));
        JobOutcome::Unplaced(Verdict::error(Reason::EngineError, sentence))
    }

    pub(super) fn build_outcome(&mut self, end: JobEnd, context: &AttemptContext) -> JobOutcome {
        self.why = end.why;
        self.input_truncated = end.exit == Some(Exit::Code(exit::TRUNCATED));
        let limits = self.limits(context);
        let record = context.expected_record();
        // Behind `srun` 0 may stand for a node that died, and each other code may be its own.
        let is_doubtful = context.is_scheduled
            && is_of_node(&end)
            && (end.exit != Some(Exit::Code(0)) || self.records.record(record).is_err());
        let judgement = match is_doubtful {
            true => Judgement::Inspect,
            false => judge(record, &end, &mut self.records, &limits),
        };
        match judgement {
            Judgement::Verdict(verdict) => with_pause(*verdict, self.retry_after),
            Judgement::Inspect => {
                self.client_exit = end.exit;
                JobOutcome::Then(JobKind::Inspect)
            }
        }
    }

    pub(super) fn follow_outcome(&mut self, end: &JobEnd, context: &AttemptContext) -> JobOutcome {
        self.why = end.why.or(self.why);
        match (self.why, &end.exit) {
            (None, exit) if *exit != Some(Exit::Code(0)) => {
                silent_or_detached("the output of the container cannot be followed", context)
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
            ContainerState::Vacated => {
                let sentence = "its node is out of service, or its allocation was cancelled";
                JobOutcome::Vacated(Verdict::error(Reason::Lost, sentence))
            }
            ContainerState::Unplaced => JobOutcome::Unheard,
            ContainerState::Unknown(why) => silent_or_detached(&why, context),
        }
    }

    pub(super) fn read_outcome(&mut self, end: &JobEnd, context: &AttemptContext) -> JobOutcome {
        if end.exit != Some(Exit::Code(0)) {
            return silent_or_detached("the output of the container cannot be read", context);
        }
        let exited = self.exited.take();
        let exited = exited.expect("logs are read after the container has exited");
        let limits = self.limits(context);
        let (record, why) = (context.expected_record(), self.why);
        let is_cut = context.is_scheduled && self.records.record(record).is_err();
        if is_cut && !std::mem::replace(&mut self.read_without_record, true) {
            // The client says 0 as well of a node that died while its output was read.
            return JobOutcome::Then(JobKind::Inspect);
        }
        let records = &mut self.records;
        let verdict = judge_container(record, exited, why, records, &limits);
        match exited.code {
            // Its client was killed before it had sent the source, whose file is as good as it was.
            exit::TRUNCATED => JobOutcome::Lost(verdict),
            _ => with_pause(verdict, self.retry_after),
        }
    }

    fn limits(&self, context: &AttemptContext) -> ResourceLimits {
        ResourceLimits {
            peak_bytes: self.peak_bytes,
            ..context.limits
        }
    }
}

/// True for an end that the client of a node gave, and not the server.
fn is_of_node(end: &JobEnd) -> bool {
    end.why.is_none() && !matches!(end.exit, Some(Exit::NotStarted(_)))
}
