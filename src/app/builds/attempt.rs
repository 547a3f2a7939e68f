//! What the jobs of one attempt have given so far, and what their ends amount to.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::app::builds::build::{Kind, Settled};
use crate::app::builds::judge::{
    Judgement, ended_by_us, judge, judge_container, without_container,
};
use crate::app::builds::limits::{
    DEPENDENCIES_LIMIT_BYTES, LAST_WORDS_LIMIT_BYTES, LINE_COST_BYTES,
};
use crate::app::builds::record::RecordReader;
use crate::app::domain::verdict::{
    DepsOutcome, Reason, ResourceLimits, Verdict, truncate_error_log,
};
use crate::app::engine::docker::{ContainerState, RecordId, SourceFile, container_state, exit};
use crate::app::engine::job::{JobEnd, KillReason};
use crate::app::source::fetch_head::{format_of, is_commit, manifest_of, uses_of};
use crate::app::source::frame::FrameReader;
use crate::app::source::incoming::IncomingFile;
use crate::app::source::unpack::Format;
use crate::app::store::sources::SourceRow;
use crate::config::limits::{ENGINE_OUTPUT_LIMIT_BYTES, SOURCE_LIMIT_BYTES};
use crate::interface::event::Exit;

#[derive(Debug, Default)]
pub struct AttemptState {
    kind: Option<Kind>,
    /// What a fetch sends, and the file it goes to; or why it cannot be used.
    arriving: Option<Result<(FrameReader, IncomingFile), String>>,
    /// What a runner says.
    records: RecordReader,
    /// What a look is answered, or the commit of a remote.
    answer: Vec<u8>,
    /// The last words on standard error, for people.
    words: Vec<u8>,
    /// What the engine complained of when the container was looked at.
    said: Vec<u8>,
    source: Option<Fetched>,
    dependencies: Option<SourceFile>,
    /// What was fetched just now, for as long as the attempt needs it.
    fetched: Option<IncomingFile>,
    /// It is all that the source's manifests name, and whole.
    whole: bool,
    deps: Option<DepsOutcome>,
    /// How the container's client ended, while the container is looked at.
    odd_exit: Option<Exit>,
    /// Why we ended the container.
    why: Option<KillReason>,
    /// A container that was silent was followed to hear whether it is.
    listened: bool,
    /// How the container ended, while the rest of its output is read: its exit code, and whether the
    /// memory limit ended a process in it.
    exited: Option<(i32, bool)>,
    /// Asked before a container is killed: the most memory it used.
    peak_bytes: Option<u64>,
    /// False if the job at hand may have ended before its container was created.
    container_seen: bool,
    /// The source did not reach the container whole: the fault may be that of its file.
    interrupted_builds: bool,
}

/// A source that was fetched.
#[derive(Debug)]
pub struct Fetched {
    pub source: SourceRow,
    pub commit: Option<String>,
    /// The URLs that its manifests name, in whatever form.
    pub uses: Vec<String>,
}

/// Who judges what jobs gave, and by what.
pub struct AttemptContext<'a> {
    pub record_id: RecordId,
    pub sources: &'a Path,
    pub bounds: ResourceLimits,
    /// The container was asked for by an earlier run of the server, and may still come.
    pub not_yet_visible: bool,
}

impl AttemptState {
    /// A job of that kind begins; `part` names the file of what it may send.
    pub fn begin(&mut self, kind: Kind, sources: &Path, part: &str) {
        self.kind = Some(kind);
        self.answer.clear();
        match kind {
            // A look is of the job before it, whose words are still to be told.
            Kind::Inspect => self.said.clear(),
            // Everything is said once more.
            Kind::FollowLogs | Kind::ReadLogs => self.records = RecordReader::default(),
            Kind::Source | Kind::Fetch | Kind::Build | Kind::ResolveRemote => self.words.clear(),
        }
        let limit = match kind {
            Kind::Source => SOURCE_LIMIT_BYTES,
            Kind::Fetch => DEPENDENCIES_LIMIT_BYTES,
            _ => return,
        };
        let incoming = IncomingFile::create(sources, part, limit).map_err(|e| e.to_string());
        self.arriving = Some(incoming.map(|incoming| (FrameReader::new(limit), incoming)));
    }

    /// Takes standard output. True if it says that the tests have begun.
    pub fn stdout(&mut self, bytes: &[u8]) -> bool {
        match self.kind {
            Some(Kind::Build | Kind::FollowLogs | Kind::ReadLogs) => {
                return self.records.take(bytes);
            }
            Some(Kind::Inspect | Kind::ResolveRemote) => {
                let room = ENGINE_OUTPUT_LIMIT_BYTES - self.answer.len();
                self.answer
                    .extend_from_slice(&bytes[..bytes.len().min(room)]);
            }
            Some(Kind::Source | Kind::Fetch) => self.arrive(bytes),
            None => {}
        }
        false
    }

    /// Takes a piece of what a fetch sends. After something went wrong the rest is dropped.
    fn arrive(&mut self, bytes: &[u8]) {
        if let Some(Ok((framed, incoming))) = &mut self.arriving {
            let taken = framed.feed(bytes);
            let kept = taken.and_then(|body| incoming.write(body).map_err(|e| e.to_string()));
            if let Err(wrong) = kept {
                self.arriving = Some(Err(wrong));
            }
        }
    }

    /// What a fetch sent, if it is all there.
    fn arrived(&mut self) -> Result<(Value, IncomingFile), String> {
        let (framed, incoming) = self.arriving.take().expect("a fetch was begun")?;
        let (hash, _) = incoming.digest();
        Ok((framed.finish(&hash)?, incoming))
    }

    /// Takes standard error, of which the last words are kept: those of the container, or, while it
    /// is looked at, those of the engine.
    pub fn stderr(&mut self, bytes: &[u8]) {
        let words = match self.kind {
            Some(Kind::Inspect) => &mut self.said,
            _ => &mut self.words,
        };
        words.extend_from_slice(bytes);
        let over = words.len().saturating_sub(LAST_WORDS_LIMIT_BYTES);
        words.drain(..over);
    }

    /// What the job at hand writes is what a container says.
    pub fn is_of_container(&self) -> bool {
        self.kind != Some(Kind::Inspect)
    }

    /// What a piece of output counts: of a build, what the engine takes to keep it.
    pub fn counted(&self, bytes: &[u8]) -> usize {
        let lines = match self.kind {
            Some(Kind::Build | Kind::FollowLogs | Kind::ReadLogs) => {
                bytes.iter().filter(|byte| **byte == b'\n').count()
            }
            _ => 0,
        };
        bytes.len() + lines * LINE_COST_BYTES
    }

    /// What a fetch said last, for people.
    pub fn words(&self) -> &[u8] {
        &self.words
    }

    /// The dependencies, as the build's container is fed with them.
    pub fn dependencies_file(&self) -> Option<&SourceFile> {
        self.dependencies.as_ref()
    }

    /// Dependencies that were fetched for an earlier build.
    pub fn use_dependencies(&mut self, file: SourceFile) {
        self.dependencies = Some(file);
        self.deps = Some(DepsOutcome::Fetched);
    }

    /// How fetching the dependencies went, where there were any to fetch.
    pub fn deps(&self) -> Option<DepsOutcome> {
        self.deps
    }

    /// An earlier run of the server had fetched them, with that outcome.
    pub fn recall(&mut self, deps: Option<DepsOutcome>) {
        self.deps = deps;
    }

    /// The dependencies that were fetched just now, to be kept: all of them, and whole.
    pub fn take_fetched(&mut self) -> Option<IncomingFile> {
        match self.deps {
            Some(DepsOutcome::Fetched) if self.whole => self.fetched.take(),
            _ => None,
        }
    }

    /// Where the dependencies are now.
    pub fn moved(&mut self, path: PathBuf) {
        if let Some(file) = &mut self.dependencies {
            file.path = path;
        }
    }

    /// The container told how much memory it used.
    pub fn note_peak(&mut self, bytes: Option<u64>) {
        self.peak_bytes = bytes;
    }

    /// The fault may be that of the source's file.
    pub fn is_cut_off(&self) -> bool {
        self.interrupted_builds
    }

    /// The commit that a remote is at.
    pub fn remote_commit(&self) -> Option<String> {
        let text = String::from_utf8_lossy(&self.answer);
        let commit = text.trim();
        is_commit(commit).then(|| commit.to_string())
    }

    /// False if the engine may still create the container that the job at hand asked for.
    pub fn is_container_seen(&self) -> bool {
        self.container_seen
    }

    /// The source a fetch gave.
    pub fn into_source(self) -> Option<Fetched> {
        self.source
    }

    /// What the end of the job at hand amounts to. A source goes to its place in `sources`.
    pub fn settle(&mut self, end: JobEnd, by: &AttemptContext) -> Settled {
        let ran = matches!(end.exit, Some(Exit::Code(code)) if exit::is_of_container(code));
        self.container_seen = match self.kind {
            Some(Kind::Source | Kind::Fetch | Kind::ResolveRemote) => ran,
            // Where the exit of a build is not clear, its container is inspected.
            _ => !matches!(end.exit, Some(Exit::NotStarted(_))),
        };
        match self.kind {
            Some(Kind::Source) => self.settle_source(&end, by.sources),
            Some(Kind::Fetch) => self.settle_dependencies(&end),
            Some(Kind::Build) => self.settle_build(end, by),
            Some(Kind::FollowLogs) => self.settle_follow_logs(&end),
            Some(Kind::Inspect) => self.settle_inspect(&end, by),
            Some(Kind::ReadLogs) => self.settle_read_logs(&end, by),
            Some(Kind::ResolveRemote) => self.settle_remote(&end),
            None => unreachable!("an end without a job"),
        }
    }

    fn settle_source(&mut self, end: &JobEnd, sources: &Path) -> Settled {
        let framed = match self.framed_of(end, Reason::SourceUnavailable) {
            Ok(framed) => framed,
            Err(settled) => return settled,
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
                uses: uses_of(&head),
            })
        });
        match kept {
            Ok(source) => {
                self.source = Some(source);
                Settled::Fetched
            }
            Err(wrong) => Settled::Verdict(Verdict::error(
                Reason::SourceUnavailable,
                format!("the source did not arrive: {wrong}"),
            )),
        }
    }

    fn settle_dependencies(&mut self, end: &JobEnd) -> Settled {
        let framed = match self.framed_of(end, Reason::DependencyUnavailable) {
            Ok(framed) => framed,
            Err(settled) => return settled,
        };
        let (head, incoming) = match framed {
            Ok(framed) => framed,
            Err(wrong) => {
                let sentence = format!("the dependencies did not arrive: {wrong}");
                let reason = Reason::DependencyUnavailable;
                return Settled::Verdict(Verdict::error(reason, sentence));
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
        self.whole = head["whole"] != false;
        self.fetched = Some(incoming);
        Settled::Fetched
    }

    /// What a fetch that exited with 0 sent; what any other end amounts to.
    fn framed_of(
        &mut self,
        end: &JobEnd,
        unavailable: Reason,
    ) -> Result<Result<(Value, IncomingFile), String>, Settled> {
        self.exited_well(end, unavailable).map(|()| self.arrived())
    }

    /// What an end of a fetch amounts to that is not an exit with 0.
    fn exited_well(&mut self, end: &JobEnd, unavailable: Reason) -> Result<(), Settled> {
        let words = String::from_utf8_lossy(&self.words).into_owned();
        let words = truncate_error_log(words.trim_end());
        let error = |reason, words| Settled::Verdict(Verdict::error(reason, words));
        let ended = |why: &str| format!("{words}\n{why}").trim_start().to_string();
        if end.why.is_some() {
            return Err(error(unavailable, ended("ended: fetching took too long")));
        }
        match &end.exit {
            Some(Exit::Code(0)) => Ok(()),
            Some(Exit::Code(exit::UNREACHABLE)) => Err(error(unavailable, words)),
            Some(Exit::Code(exit::NOT_THERE)) => {
                Err(Settled::Final(Verdict::error(unavailable, words)))
            }
            Some(Exit::Code(exit::TOO_LARGE)) => {
                Err(Settled::Final(Verdict::failed(Reason::DiskLimit, words)))
            }
            Some(Exit::Code(exit::CUT_OFF)) => Err(error(Reason::Lost, words)),
            Some(Exit::Code(exit::REFUSED..=127)) => Err(error(Reason::EngineError, words)),
            Some(Exit::NotStarted(why)) => Err(error(Reason::EngineError, why.clone())),
            _ => Err(error(Reason::Lost, ended("the fetch was cut off"))),
        }
    }

    fn settle_build(&mut self, end: JobEnd, by: &AttemptContext) -> Settled {
        self.why = end.why;
        self.interrupted_builds = end.exit == Some(Exit::Code(exit::CUT_OFF));
        let (deps, bounds) = (self.deps_or_none(), self.bounds(by));
        match judge(&by.record_id, &end, &mut self.records, deps, &bounds) {
            Judgement::Verdict(verdict) => Settled::Verdict(verdict),
            Judgement::PageOptions => {
                self.odd_exit = end.exit;
                Settled::Then(Kind::Inspect)
            }
        }
    }

    fn settle_follow_logs(&mut self, end: &JobEnd) -> Settled {
        self.why = end.why.or(self.why);
        match (self.why, &end.exit) {
            (None, exit) if *exit != Some(Exit::Code(0)) => {
                detached("the output of the container cannot be followed")
            }
            _ => Settled::Then(Kind::Inspect),
        }
    }

    fn settle_inspect(&mut self, end: &JobEnd, by: &AttemptContext) -> Settled {
        let answer = String::from_utf8_lossy(&self.answer).into_owned();
        let words = String::from_utf8_lossy(&self.said).into_owned();
        let container = match &end.exit {
            Some(Exit::NotStarted(words)) => ContainerState::Unknown(words.clone()),
            exit => container_state(exit.as_ref(), &answer, &words),
        };
        match container {
            ContainerState::Running => match self.why.take() {
                None => Settled::Then(Kind::FollowLogs),
                // It may be its client that was silent: once it is listened to without that one.
                Some(KillReason::Silent) if !std::mem::replace(&mut self.listened, true) => {
                    Settled::Then(Kind::FollowLogs)
                }
                // It was ended, and does not end: its time is up all the same.
                Some(why) => {
                    let verdict = ended_by_us(why, self.records.testing(), &self.bounds(by));
                    Settled::Verdict(verdict)
                }
            },
            ContainerState::Exited { code, oom_killed } => {
                self.exited = Some((code, oom_killed));
                Settled::Then(Kind::ReadLogs)
            }
            ContainerState::Created | ContainerState::Gone
                if by.not_yet_visible && self.odd_exit.is_none() =>
            {
                Settled::NotYetVisible
            }
            ContainerState::Created | ContainerState::Gone => {
                self.container_seen = container == ContainerState::Created;
                let words = String::from_utf8_lossy(&self.words).into_owned();
                let client = (self.odd_exit.take(), self.why.take());
                let verdict = without_container(client, &words);
                match verdict.reason {
                    Some(Reason::Lost) => Settled::Lost(verdict),
                    _ => Settled::Verdict(verdict),
                }
            }
            ContainerState::Unknown(words) => detached(&words),
        }
    }

    fn settle_read_logs(&mut self, end: &JobEnd, by: &AttemptContext) -> Settled {
        if end.exit != Some(Exit::Code(0)) {
            return detached("the output of the container cannot be read");
        }
        let exited = self
            .exited
            .take()
            .expect("only what has ended is read to its end");
        let (deps, bounds) = (self.deps_or_none(), self.bounds(by));
        let records = &mut self.records;
        let verdict = judge_container(&by.record_id, exited, self.why, records, deps, &bounds);
        match exited.0 {
            // It lost its client, and with it its source, which is as good as it was.
            exit::CUT_OFF => Settled::Lost(verdict),
            _ => Settled::Verdict(verdict),
        }
    }

    fn settle_remote(&mut self, end: &JobEnd) -> Settled {
        match self.exited_well(end, Reason::SourceUnavailable) {
            Err(settled) => settled,
            Ok(()) if self.remote_commit().is_some() => Settled::Fetched,
            Ok(()) => {
                let sentence = "the remote did not say its commit";
                Settled::Verdict(Verdict::error(Reason::SourceUnavailable, sentence))
            }
        }
    }

    fn deps_or_none(&self) -> DepsOutcome {
        self.deps.unwrap_or(DepsOutcome::Fetched)
    }

    fn bounds(&self, by: &AttemptContext) -> ResourceLimits {
        ResourceLimits {
            peak_bytes: self.peak_bytes,
            ..by.bounds
        }
    }
}

fn detached(words: &str) -> Settled {
    let sentence = format!("the engine does not say how the container is: {words}");
    Settled::Detached(Verdict::error(
        Reason::EngineError,
        truncate_error_log(&sentence),
    ))
}
