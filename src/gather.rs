//! What the jobs of one attempt have given so far, and what their ends amount to.

use std::path::Path;

use serde_json::Value;

use crate::archive::Format;
use crate::build::{Kind, Settled};
use crate::config::{
    DEPENDENCIES_LIMIT_BYTES, ENGINE_OUTPUT_LIMIT_BYTES, LAST_WORDS_LIMIT_BYTES, SOURCE_LIMIT_BYTES,
};
use crate::docker::{Docker, SourceFile, exit};
use crate::event::Exit;
use crate::job::End;
use crate::source::{Framed, Incoming};
use crate::store::SourceRow;
use crate::verdict::{
    Container, Dependencies, Judgement, Reason, Records, Verdict, after_look, judge, shorten,
};

#[derive(Debug, Default)]
pub struct Gathered {
    kind: Option<Kind>,
    /// What a fetch sends, and the file it goes to; or why it cannot be used.
    arriving: Option<Result<(Framed, Incoming), String>>,
    /// What a runner says.
    records: Records,
    /// What a look is answered.
    answer: Vec<u8>,
    /// The last words on standard error, for people.
    words: Vec<u8>,
    source: Option<(SourceRow, Option<String>)>,
    dependencies: Option<(Dependencies, SourceFile, Incoming)>,
    /// How the container's client ended, while the container is looked at.
    odd_exit: Option<Exit>,
    refused: bool,
}

impl Gathered {
    /// A job of that kind begins; `part` names the file of what it may send.
    pub fn begin(&mut self, kind: Kind, sources: &Path, part: &str) {
        self.kind = Some(kind);
        // A look is of the job before it, whose words are still to be told.
        if kind != Kind::Look {
            self.words.clear();
        }
        let limit = match kind {
            Kind::Source => SOURCE_LIMIT_BYTES,
            Kind::Fetch => DEPENDENCIES_LIMIT_BYTES,
            Kind::Build | Kind::Look => return,
        };
        let incoming = Incoming::create(sources, part, limit).map_err(|e| e.to_string());
        self.arriving = Some(incoming.map(|incoming| (Framed::new(limit), incoming)));
    }

    /// Takes standard output. True if it says that the tests have begun.
    pub fn stdout(&mut self, bytes: &[u8]) -> bool {
        match self.kind {
            Some(Kind::Build) => return self.records.take(bytes),
            Some(Kind::Look) => {
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
    fn arrived(&mut self) -> Result<(Value, Incoming), String> {
        let (framed, incoming) = self.arriving.take().expect("a fetch was begun")?;
        let (hash, _) = incoming.finish();
        Ok((framed.finish(&hash)?, incoming))
    }

    /// Takes standard error, of which the last words are kept.
    pub fn stderr(&mut self, bytes: &[u8]) {
        self.words.extend_from_slice(bytes);
        let over = self.words.len().saturating_sub(LAST_WORDS_LIMIT_BYTES);
        self.words.drain(..over);
    }

    /// What a fetch said last, for people.
    pub fn words(&self) -> &[u8] {
        &self.words
    }

    /// The fetched dependencies, as the build's container is fed with them.
    pub fn dependencies_file(&self) -> Option<&SourceFile> {
        self.dependencies.as_ref().map(|(_, file, _)| file)
    }

    /// The engine refused the job at hand: whatever container has its name is not ours.
    pub fn is_refused(&self) -> bool {
        self.refused
    }

    /// The source a fetch gave, and its commit.
    pub fn into_source(self) -> Option<(SourceRow, Option<String>)> {
        self.source
    }

    /// What the end of the job at hand amounts to. A source goes to its place in `sources`.
    pub fn settle(&mut self, build: i64, end: End, sources: &Path, docker: &Docker) -> Settled {
        let refused = end.exit == Some(Exit::Code(exit::REFUSED));
        // A build's container is looked at first, unless its time was up as well.
        self.refused = refused && (self.kind != Some(Kind::Build) || end.why.is_some());
        match self.kind {
            Some(Kind::Source) => self.settle_source(&end, sources),
            Some(Kind::Fetch) => self.settle_dependencies(&end),
            Some(Kind::Look) => self.settle_look(&end, docker),
            Some(Kind::Build) => self.settle_build(build, end),
            None => unreachable!("an end without a job"),
        }
    }

    fn settle_source(&mut self, end: &End, sources: &Path) -> Settled {
        let framed = match self.framed_of(end, Reason::SourceUnavailable) {
            Ok(framed) => framed,
            Err(settled) => return settled,
        };
        let kept = framed.and_then(|(head, incoming)| {
            let format = format_of(&head)?;
            let (hash, bytes) = incoming.finish();
            incoming.keep(sources, format).map_err(|e| e.to_string())?;
            let source = SourceRow {
                hash,
                format: format.as_str().to_string(),
                bytes,
                dependencies: head["dependencies"] == true,
            };
            let commit = head["commit"].as_str().filter(|commit| is_commit(commit));
            Ok((source, commit.map(str::to_string)))
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

    fn settle_dependencies(&mut self, end: &End) -> Settled {
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
            Some("fetched") => Dependencies::Ready,
            Some("manifest") => Dependencies::Manifest,
            Some("refused") => Dependencies::Refused,
            _ => Dependencies::Unreachable,
        };
        let (sha256, bytes) = incoming.finish();
        let file = SourceFile {
            path: incoming.path().to_path_buf(),
            format: Format::TarGz.as_str().to_string(),
            bytes,
            sha256,
        };
        self.dependencies = Some((dependencies, file, incoming));
        Settled::Fetched
    }

    /// What a fetch that exited with 0 sent; what any other end amounts to.
    fn framed_of(
        &mut self,
        end: &End,
        unavailable: Reason,
    ) -> Result<Result<(Value, Incoming), String>, Settled> {
        let words = String::from_utf8_lossy(&self.words).into_owned();
        let words = shorten(words.trim_end());
        let error = |reason, words| Settled::Verdict(Verdict::error(reason, words));
        if end.why.is_some() {
            let words = format!("{words}\nended: fetching took too long");
            return Err(error(unavailable, words.trim_start().to_string()));
        }
        match &end.exit {
            Some(Exit::Code(0)) => Ok(self.arrived()),
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
            _ => Err(error(
                Reason::Lost,
                format!("{words}\nthe fetch was cut off"),
            )),
        }
    }

    fn settle_build(&mut self, build: i64, end: End) -> Settled {
        let dependencies = self.dependencies.as_ref();
        let dependencies = dependencies.map_or(Dependencies::Ready, |(how, ..)| *how);
        match judge(build, &end, &mut self.records, dependencies) {
            Judgement::Verdict(verdict) => Settled::Verdict(verdict),
            Judgement::Look => {
                self.odd_exit = end.exit;
                Settled::Look
            }
        }
    }

    fn settle_look(&mut self, end: &End, docker: &Docker) -> Settled {
        let container = match end.exit {
            Some(Exit::Code(0)) => docker.container(&String::from_utf8_lossy(&self.answer)),
            _ => Container::Unknown,
        };
        let exit = self.odd_exit.take().expect("only odd exits are looked at");
        let refused = exit == Exit::Code(exit::REFUSED);
        self.refused = refused && container == Container::Unknown;
        let mut verdict = after_look(&exit, &container, self.records.testing());
        if verdict.reason == Some(Reason::EngineError) {
            // What the engine's client complained of.
            let words = String::from_utf8_lossy(&self.words);
            verdict.error_log = shorten(&format!("{}\n{}", verdict.error_log, words.trim()));
        }
        Settled::Verdict(verdict)
    }
}

/// What git calls a commit: 40 hex digits, or 64.
fn is_commit(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|b| b.is_ascii_hexdigit())
}

fn format_of(head: &Value) -> Result<Format, String> {
    let known = [Format::Tar, Format::TarGz, Format::TarZst];
    let found = known
        .into_iter()
        .find(|known| head["format"] == known.as_str());
    found.ok_or_else(|| "it does not say its format".to_string())
}
