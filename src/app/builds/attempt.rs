//! What the jobs of one attempt have written so far, and the outcome of each job.

use std::path::Path;

use serde_json::Value;

use crate::app::builds::attempt_context::AttemptContext;
use crate::app::builds::build::{JobKind, JobOutcome};
use crate::app::builds::fetched::Fetched;
use crate::app::builds::handed_out::HandedOut;
use crate::app::builds::judge::ContainerExit;
use crate::app::builds::limits::{
    COMMITS_LIMIT_BYTES, DEPENDENCIES_LIMIT_BYTES, LAST_WORDS_LIMIT_BYTES, LINE_COST_BYTES,
};
use crate::app::builds::outcomes::{failed_fetch, in_doubt, not_analysed};
use crate::app::builds::record::RecordReader;
use crate::app::domain::commit_list::CommitList;
use crate::app::domain::targets::TargetResult;
use crate::app::domain::verdict::{DepsOutcome, Reason, Verdict, truncate_error_log};
use crate::app::engine::docker::SourceFile;
use crate::app::engine::exit;
use crate::app::engine::job::{JobEnd, KillReason};
use crate::app::source::fetch_head::{
    ancestors_of, commit_time_of, declared_of, format_of, hosts_refused_of, is_commit, manifest_of,
    retry_after_of, uses_of,
};
use crate::app::source::frame::FrameReader;
use crate::app::source::incoming::IncomingFile;
use crate::app::source::unpack::Format;
use crate::app::store::sources::SourceRow;
use crate::config::limits::{ENGINE_OUTPUT_LIMIT_BYTES, SOURCE_LIMIT_BYTES};
use crate::interface::event::Exit;

#[derive(Debug, Default)]
pub struct AttemptState {
    kind: Option<JobKind>,
    /// What a fetch sends, and the file that it goes to; or why it cannot be used.
    arriving: Option<Result<(FrameReader, IncomingFile), String>>,
    /// The output of a runner.
    pub(super) records: RecordReader,
    /// The standard output of an inspection, a request for a slot, a recheck or a list of commits.
    pub(super) answer: Vec<u8>,
    /// The end of the container's standard error.
    pub stderr_tail: Vec<u8>,
    /// The node of the cluster that it was given.
    pub node: Option<String>,
    /// The end of the standard error of an inspection, or of a request for a slot.
    pub(super) inspect_stderr: Vec<u8>,
    pub source: Option<Fetched>,
    /// How the source compiles for other targets.
    pub targets: Vec<TargetResult>,
    /// What an earlier build left, which the build's container reads.
    pub kept: Option<SourceFile>,
    /// The commit that left it.
    pub reused_commit: Option<String>,
    /// The dependencies that the build's container reads.
    pub dependencies: Option<SourceFile>,
    /// Dependencies fetched by this attempt, whose file goes with it unless they are kept.
    fetched: Option<IncomingFile>,
    /// Those are all that the source's manifests name.
    is_complete: bool,
    /// The outcome of fetching the dependencies, if there were any.
    pub deps: Option<DepsOutcome>,
    /// The seconds for which the busy host of a dependency asked to be left alone.
    pub(super) retry_after: Option<u64>,
    /// The hosts that a fetch of this attempt was not allowed to contact.
    hosts_refused: Vec<String>,
    /// How the container's client exited, while the container is inspected.
    pub(super) client_exit: Option<Exit>,
    /// Why the server ended the container.
    pub(super) why: Option<KillReason>,
    /// A silent container has been followed once, in case only its client was silent.
    pub(super) followed_silence: bool,
    /// Its output has been read to the end once, and held no record.
    pub(super) read_without_record: bool,
    /// How the container exited, while the rest of its output is read.
    pub(super) exited: Option<ContainerExit>,
    /// Read before a container is killed.
    pub peak_bytes: Option<u64>,
    /// False if the job at hand may have ended before its container was created.
    pub container_seen: bool,
    /// The source did not reach the container whole: its file may be damaged.
    pub input_truncated: bool,
}

impl AttemptState {
    /// Prepares for the output of a job; what a fetch sends, or a build with that nonce hands out, goes to the file
    /// `part` in `sources`.
    pub fn begin(&mut self, kind: JobKind, sources: &Path, part: &str, nonce: &str) {
        self.kind = Some(kind);
        self.answer.clear();
        match kind {
            // An inspection runs on behalf of the job before it, whose stderr goes into the error message.
            JobKind::Inspect | JobKind::Place => self.inspect_stderr.clear(),
            // The whole output comes once more.
            JobKind::FollowLogs | JobKind::ReadLogs => {
                self.records = self.records.again(HandedOut::dropped(nonce));
            }
            JobKind::Build => {
                self.records = RecordReader::new(HandedOut::to_file(nonce, sources, part));
                self.stderr_tail.clear();
            }
            JobKind::FetchSource
            | JobKind::FetchDependencies
            | JobKind::ResolveRemote
            | JobKind::ListCommits
            | JobKind::CheckTargets => self.stderr_tail.clear(),
        }
        let limit = match kind {
            JobKind::FetchSource => SOURCE_LIMIT_BYTES,
            JobKind::FetchDependencies => DEPENDENCIES_LIMIT_BYTES,
            _ => return,
        };
        let incoming = IncomingFile::create(sources, part, limit).map_err(|e| e.to_string());
        self.arriving = Some(incoming.map(|incoming| (FrameReader::new(limit), incoming)));
    }

    /// Takes standard output; true if it says that the tests have begun.
    pub fn stdout(&mut self, bytes: &[u8]) -> bool {
        match self.kind {
            Some(JobKind::Build | JobKind::FollowLogs | JobKind::ReadLogs) => {
                return self.records.take(bytes);
            }
            Some(JobKind::Inspect | JobKind::Place | JobKind::ResolveRemote) => {
                self.take_answer(bytes, ENGINE_OUTPUT_LIMIT_BYTES);
            }
            Some(JobKind::ListCommits) => self.take_answer(bytes, COMMITS_LIMIT_BYTES),
            Some(JobKind::CheckTargets) => {
                self.records.take(bytes);
            }
            Some(JobKind::FetchSource | JobKind::FetchDependencies) => self.arrive(bytes),
            None => {}
        }
        false
    }

    fn take_answer(&mut self, bytes: &[u8], limit: usize) {
        let space = limit - self.answer.len();
        self.answer
            .extend_from_slice(&bytes[..bytes.len().min(space)]);
    }

    /// Takes a piece of what a fetch sends. After an error the rest is dropped.
    fn arrive(&mut self, bytes: &[u8]) {
        if let Some(Ok((framed, incoming))) = &mut self.arriving {
            let taken = framed.feed(bytes);
            let kept = taken.and_then(|body| incoming.write(body).map_err(|e| e.to_string()));
            if let Err(wrong) = kept {
                self.arriving = Some(Err(wrong));
            }
        }
    }

    /// What a fetch sent, if it is complete.
    fn arrived(&mut self) -> Result<(Value, IncomingFile), String> {
        let (framed, incoming) = self.arriving.take().expect("a fetch was begun")?;
        let (hash, _) = incoming.digest();
        let head = framed.finish(&hash)?;
        self.retry_after = retry_after_of(&head);
        self.hosts_refused = hosts_refused_of(&head);
        Ok((head, incoming))
    }

    /// Takes standard error and keeps its end.
    pub fn stderr(&mut self, bytes: &[u8]) {
        let tail = match self.kind {
            Some(JobKind::Inspect | JobKind::Place) => &mut self.inspect_stderr,
            _ => &mut self.stderr_tail,
        };
        tail.extend_from_slice(bytes);
        let over = tail.len().saturating_sub(LAST_WORDS_LIMIT_BYTES);
        tail.drain(..over);
    }

    /// True if the output of the job at hand is that of a container.
    pub fn is_container_output(&self) -> bool {
        !matches!(self.kind, Some(JobKind::Inspect | JobKind::Place))
    }

    /// How much a piece of output counts towards the output limit; for a build, what the engine needs to store it.
    pub fn output_cost(&self, bytes: &[u8]) -> usize {
        let lines = match self.kind {
            Some(JobKind::Build | JobKind::FollowLogs | JobKind::ReadLogs) => {
                bytes.iter().filter(|byte| **byte == b'\n').count()
            }
            _ => 0,
        };
        bytes.len() + lines * LINE_COST_BYTES
    }

    /// Uses dependencies that were fetched for an earlier build.
    pub fn use_dependencies(&mut self, file: SourceFile) {
        self.dependencies = Some(file);
        self.deps = Some(DepsOutcome::Fetched);
    }

    /// Takes the dependencies that this attempt fetched, if they are complete.
    pub fn take_fetched(&mut self) -> Option<IncomingFile> {
        match self.deps {
            Some(DepsOutcome::Fetched) if self.is_complete => self.fetched.take(),
            _ => None,
        }
    }

    /// Takes what the build hands out for the next one, if that is complete.
    pub fn take_handed_out(&mut self) -> Option<IncomingFile> {
        self.records.handed_out.take()
    }

    /// True if the container was given what an earlier build left, and did not say that nothing of it fits.
    pub fn reuses(&self) -> bool {
        self.reused_commit.is_some() && self.records.reuses != Some(false)
    }

    /// Takes the hosts that the fetch which has just ended was not allowed to contact.
    pub fn take_hosts_refused(&mut self) -> Vec<String> {
        std::mem::take(&mut self.hosts_refused)
    }

    /// The commit that a remote gave.
    pub fn remote_commit(&self) -> Option<String> {
        let text = String::from_utf8_lossy(&self.answer);
        let commit = text.trim();
        is_commit(commit).then(|| commit.to_string())
    }

    /// The commits that a remote listed, as text.
    pub fn commits(&self) -> String {
        String::from_utf8_lossy(&self.answer).into_owned()
    }

    /// The outcome of a job that ended. A fetched source goes to its place in `sources`.
    pub fn interpret(
        &mut self,
        kind: JobKind,
        end: JobEnd,
        context: &AttemptContext,
    ) -> JobOutcome {
        let ran = matches!(end.exit, Some(Exit::Code(code)) if exit::is_of_container(code));
        self.container_seen = match kind {
            kind if kind.is_fetch() || kind == JobKind::CheckTargets => ran,
            // A build whose exit is not clear has its container inspected.
            _ => !matches!(end.exit, Some(Exit::NotStarted(_))),
        };
        let outcome = self.outcome(kind, end, context);
        match self.reuses() {
            true => in_doubt(outcome),
            false => outcome,
        }
    }

    fn outcome(&mut self, kind: JobKind, end: JobEnd, context: &AttemptContext) -> JobOutcome {
        match kind {
            JobKind::FetchSource => self.source_outcome(&end, context.sources),
            JobKind::FetchDependencies => self.dependencies_outcome(&end, context.next),
            JobKind::Place => self.place_outcome(&end, context),
            JobKind::Build => self.build_outcome(end, context),
            JobKind::FollowLogs => self.follow_outcome(&end, context),
            JobKind::Inspect => self.inspect_outcome(&end, context),
            JobKind::ReadLogs => self.read_outcome(&end, context),
            JobKind::CheckTargets => self.targets_outcome(&end, context),
            JobKind::ResolveRemote => {
                let is_answer = self.remote_commit().is_some();
                self.answer_outcome(&end, is_answer, "the remote did not say its commit")
            }
            JobKind::ListCommits => {
                let is_answer = CommitList::parse(&self.commits()).is_some();
                self.answer_outcome(&end, is_answer, "the remote did not list its commits")
            }
        }
    }

    fn source_outcome(&mut self, end: &JobEnd, sources: &Path) -> JobOutcome {
        let framed = match self.framed_output(end, Reason::SourceUnavailable) {
            Ok(framed) => framed,
            Err(outcome) => return *outcome,
        };
        let kept = framed.and_then(|(head, incoming)| {
            let format = format_of(&head)?;
            let (hash, bytes) = incoming.digest();
            incoming.keep(sources, format).map_err(|e| e.to_string())?;
            let source = SourceRow {
                hash,
                format: format.as_str().to_string(),
                bytes,
                dependencies: head["dependencies"] == true,
                manifest: manifest_of(&head),
            };
            let commit = head["commit"].as_str().filter(|commit| is_commit(commit));
            Ok(Fetched {
                source,
                commit: commit.map(str::to_string),
                commit_time: commit_time_of(&head),
                uses: uses_of(&head),
                declared: declared_of(&head),
                ancestors: ancestors_of(&head),
            })
        });
        match kept {
            Ok(source) => {
                self.source = Some(source);
                JobOutcome::Fetched
            }
            Err(wrong) => JobOutcome::Verdict(Verdict::error(
                Reason::SourceUnavailable,
                format!("the source did not arrive: {wrong}"),
            )),
        }
    }

    fn dependencies_outcome(&mut self, end: &JobEnd, next: JobKind) -> JobOutcome {
        let framed = match self.framed_output(end, Reason::DependencyUnavailable) {
            Ok(framed) => framed,
            Err(outcome) => return *outcome,
        };
        let (head, incoming) = match framed {
            Ok(framed) => framed,
            Err(wrong) => {
                let sentence = format!("the dependencies did not arrive: {wrong}");
                let reason = Reason::DependencyUnavailable;
                return JobOutcome::Verdict(Verdict::error(reason, sentence));
            }
        };
        let dependencies = match head["dependencies"].as_str() {
            Some(word) => DepsOutcome::parse(word).unwrap_or(DepsOutcome::Unreachable),
            None => DepsOutcome::Unreachable,
        };
        let (sha256, bytes) = incoming.digest();
        self.dependencies = Some(SourceFile {
            path: incoming.path().to_path_buf(),
            format: Format::TarGz.as_str().to_string(),
            bytes,
            sha256,
        });
        self.deps = Some(dependencies);
        self.is_complete = head["whole"] != false;
        self.fetched = Some(incoming);
        JobOutcome::Then(next)
    }

    /// What a fetch that exited with 0 sent, or why that is incomplete; else the outcome of the fetch.
    fn framed_output(
        &mut self,
        end: &JobEnd,
        unavailable: Reason,
    ) -> Result<Result<(Value, IncomingFile), String>, Box<JobOutcome>> {
        let Some(outcome) = self.fetch_failure(end, unavailable) else {
            return Ok(self.arrived());
        };
        // A fetch that failed may send a head alone.
        Err(Box::new(match self.arrived() {
            Ok(_) => failed_fetch(outcome, &self.hosts_refused, self.retry_after),
            Err(_) => outcome,
        }))
    }

    /// The outcome of a fetch that did not exit with 0; none of one that did.
    fn fetch_failure(&self, end: &JobEnd, unavailable: Reason) -> Option<JobOutcome> {
        let stderr = String::from_utf8_lossy(&self.stderr_tail).into_owned();
        let stderr = truncate_error_log(stderr.trim_end());
        let error = |reason, log| Some(JobOutcome::Verdict(Verdict::error(reason, log)));
        let ended = |why: &str| format!("{stderr}\n{why}").trim_start().to_string();
        if end.why.is_some() {
            return error(unavailable, ended("ended: fetching took too long"));
        }
        match &end.exit {
            Some(Exit::Code(0)) => None,
            Some(Exit::Code(exit::UNREACHABLE | exit::BUSY)) => error(unavailable, stderr),
            Some(Exit::Code(exit::NOT_THERE)) => {
                Some(JobOutcome::Final(Verdict::error(unavailable, stderr)))
            }
            Some(Exit::Code(exit::TOO_LARGE)) => Some(JobOutcome::Final(Verdict::failed(
                Reason::DiskLimit,
                stderr,
            ))),
            Some(Exit::Code(exit::TRUNCATED)) => error(Reason::Lost, stderr),
            Some(Exit::Code(exit::REFUSED..=127)) => error(Reason::EngineError, stderr),
            Some(Exit::NotStarted(why)) => error(Reason::EngineError, why.clone()),
            _ => error(Reason::Lost, ended("the fetch was cut off")),
        }
    }

    /// The outcome of a fetch whose output is its answer.
    fn answer_outcome(&self, end: &JobEnd, is_answer: bool, without: &str) -> JobOutcome {
        match self.fetch_failure(end, Reason::SourceUnavailable) {
            Some(outcome) => outcome,
            None if is_answer => JobOutcome::Fetched,
            None => JobOutcome::Verdict(Verdict::error(Reason::SourceUnavailable, without)),
        }
    }

    fn targets_outcome(&mut self, end: &JobEnd, context: &AttemptContext) -> JobOutcome {
        let failure = not_analysed(end);
        let failure = failure.or_else(|| self.fetch_failure(end, Reason::SourceUnavailable));
        if let Some(outcome) = failure {
            return outcome;
        }
        match self.records.targets(context.expected_record()) {
            Ok(targets) => {
                self.targets = targets;
                JobOutcome::Fetched
            }
            // A client says 0 for a node that died.
            Err(unusable) if context.is_scheduled => {
                JobOutcome::Vacated(Verdict::error(Reason::Lost, unusable.sentence()))
            }
            Err(unusable) => {
                JobOutcome::Verdict(Verdict::error(Reason::EngineError, unusable.sentence()))
            }
        }
    }
}
