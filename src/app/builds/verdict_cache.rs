//! What need not be done: verdicts that are known, or will be in a moment, and dependencies that
//! were fetched before.

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use crate::app::builds::build::Kind;
use crate::app::builds::running::Active;
use crate::app::builds::scheduler::{Context, Works};
use crate::app::domain::task::Work;
use crate::app::engine::Engine;
use crate::app::engine::docker::SourceFile;
use crate::app::source::archive::Format;
use crate::app::store::{self, CheckRow, KeptDependencies};
use crate::config::{RUNNER_VERSION, SHARERS_LIMIT, WORK_TMPFS_BYTES};

impl Works {
    /// What the verdict of a build depends on, as one word; none while its toolchain is not known.
    pub(crate) fn key(
        &self,
        check: &CheckRow,
        zig_version: &str,
        engine: &Engine,
    ) -> Option<String> {
        let source = &check.source.as_ref()?.hash;
        let image = engine.image(zig_version)?;
        let bounds = &self.bounds;
        let limits = format!(
            "{} {} {} {WORK_TMPFS_BYTES}",
            bounds.memory_bytes, bounds.build_timeout_ms, bounds.silence_timeout_ms
        );
        let text = format!("{source}\n{image}\n{limits}\n{RUNNER_VERSION}\n");
        let digest = Sha256::digest(text.as_bytes());
        Some(HEXLOWER.encode(&digest))
    }

    /// Ends a build with the verdict that is known by that key, if one is.
    pub(crate) fn answer_known(
        &mut self,
        build: i64,
        key: Option<&str>,
        cx: &mut Context,
    ) -> store::Result<bool> {
        let known = key.map(|key| cx.store.cached(key)).transpose()?.flatten();
        let Some(from) = known else {
            return Ok(false);
        };
        cx.store.finish_cached(build, from, cx.now.unix_ms)?;
        let written = cx.store.build(from)?.map_or(0, |origin| origin.log_bytes);
        cx.feed.logs.finish_as(build, (from, written), cx.out);
        self.ended(build, cx)?;
        cx.tell(build)?;
        Ok(true)
    }

    /// A build is over, however: those who waited for its verdict are to be answered.
    pub(crate) fn ended(&mut self, build: i64, cx: &mut Context) -> store::Result<()> {
        self.open = self.open.saturating_sub(1);
        self.view.forget();
        self.keys.retain(|_, runs| *runs != build);
        if !cx.store.sharers(build, 1)?.is_empty() {
            self.to_answer.push_back(build);
        }
        Ok(())
    }

    /// Gives those who waited for a build its verdict, or, where it has none to give, their place
    /// in the queue; a limited number at a time.
    pub(crate) fn answer_sharers(&mut self, cx: &mut Context) -> store::Result<()> {
        let Some(&ended) = self.to_answer.front() else {
            return Ok(());
        };
        let sharers = cx.store.sharers(ended, SHARERS_LIMIT)?;
        if sharers.len() < SHARERS_LIMIT {
            self.to_answer.pop_front();
        }
        for row in sharers {
            cx.store.unshare(row.id)?;
            let check = cx.store.check(row.check)?.expect("a build has its check");
            self.line_up(&row, &check, cx)?;
        }
        Ok(())
    }

    /// The first job of a build: where its dependencies are at hand nothing is fetched.
    pub(crate) fn first_job(
        &mut self,
        active: &mut Active,
        image: &str,
        cx: &mut Context,
    ) -> store::Result<Kind> {
        let source = active.source();
        if !source.dependencies {
            return Ok(Kind::Build);
        }
        let Some(manifest) = source.manifest.clone() else {
            return Ok(Kind::Fetch);
        };
        let Some(kept) = cx.store.kept_dependencies(&manifest, image)? else {
            return Ok(Kind::Fetch);
        };
        let path = self.sources.join(file_of(&kept.hash));
        if !path.is_file() {
            self.forget_dependencies(&manifest, image, cx)?;
            return Ok(Kind::Fetch);
        }
        let at = cx.now.unix_ms;
        cx.store.note_dependencies_used((&manifest, image), at)?;
        active.gathered.use_dependencies(SourceFile {
            path,
            format: Format::TarGz.as_str().to_string(),
            bytes: kept.bytes,
            sha256: kept.hash,
        });
        Ok(Kind::Build)
    }

    pub(crate) fn forget_dependencies(
        &mut self,
        manifest: &str,
        image: &str,
        cx: &mut Context,
    ) -> store::Result<()> {
        let orphan = cx.store.forget_dependencies(manifest, image)?;
        self.orphans.extend(orphan.map(|hash| file_of(&hash)));
        Ok(())
    }

    /// Dependencies that were all there are kept for the next build that asks for the same.
    pub(crate) fn keep_dependencies(&mut self, work: Work, cx: &mut Context) -> store::Result<()> {
        let active = self.active.get_mut(&work).expect("it made this step");
        let manifest = active.source().manifest.clone();
        let image = cx.engine.image(&active.zig_version);
        let (Some(manifest), Some(image)) = (manifest, image) else {
            return Ok(());
        };
        let Some(fetched) = active.gathered.take_fetched() else {
            return Ok(());
        };
        let (hash, bytes) = fetched.finish();
        match fetched.keep(&self.sources, Format::TarGz) {
            Ok(path) => {
                active.gathered.moved(path);
                let image = image.to_string();
                self.forget_dependencies(&manifest, &image, cx)?;
                let kept = KeptDependencies { hash, bytes };
                let at = cx.now.unix_ms;
                self.orphans.retain(|name| *name != file_of(&kept.hash));
                cx.store.keep_dependencies((&manifest, &image), &kept, at)
            }
            Err(error) => {
                // The part file is gone with it: the container will say that its input is not whole.
                log::warn!("dependencies cannot be kept: {error}");
                Ok(())
            }
        }
    }
}

/// The name of a file of dependencies.
fn file_of(hash: &str) -> String {
    format!("{hash}.{}", Format::TarGz.as_str())
}
