//! What need not be done: verdicts that are known, or will be in a moment, and dependencies that
//! were fetched before.

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use crate::app::builds::build::Kind;
use crate::app::builds::limits::RUNNER_VERSION;
use crate::app::builds::running::RunningTask;
use crate::app::builds::scheduler::Scheduler;
use crate::app::builds::services::Services;
use crate::app::domain::task::Task;
use crate::app::engine::docker::SourceFile;
use crate::app::engine::engine::Engine;
use crate::app::live::logs::Origin;
use crate::app::source::unpack::Format;
use crate::app::store::checks::CheckRow;
use crate::app::store::dependencies::KeptDependencies;
use crate::app::store::store;
use crate::config::limits::{WAITERS_LIMIT, WORK_TMPFS_BYTES};

impl Scheduler {
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
        cx: &mut Services,
    ) -> store::Result<bool> {
        let known = key.map(|key| cx.store.cached(key)).transpose()?.flatten();
        let Some(from) = known else {
            return Ok(false);
        };
        cx.store.finish_cached(build, from, cx.now.unix_ms)?;
        let written = cx.store.build(from)?.map_or(0, |origin| origin.log_bytes);
        let origin = Origin {
            build: from,
            written,
        };
        cx.feed.logs.finish_as(build, origin, &mut cx.out);
        self.ended(build, cx)?;
        cx.publish(build)?;
        Ok(true)
    }

    /// A build is over, however: those who waited for its verdict are to be answered.
    pub(crate) fn ended(&mut self, build: i64, cx: &mut Services) -> store::Result<()> {
        self.open = self.open.saturating_sub(1);
        self.view.forget();
        self.keys.retain(|_, runs| *runs != build);
        if !cx.store.waiters(build, 1)?.is_empty() {
            self.finished_leaders.push_back(build);
        }
        Ok(())
    }

    /// Gives those who waited for a build its verdict, or, where it has none to give, their place
    /// in the queue; a limited number at a time.
    pub(crate) fn answer_waiters(&mut self, cx: &mut Services) -> store::Result<()> {
        let Some(&ended) = self.finished_leaders.front() else {
            return Ok(());
        };
        let waiters = cx.store.waiters(ended, WAITERS_LIMIT)?;
        if waiters.len() < WAITERS_LIMIT {
            self.finished_leaders.pop_front();
        }
        for row in waiters {
            cx.store.stop_waiting(row.id)?;
            let check = cx.store.check(row.check)?.expect("a build has its check");
            self.enqueue_build(&row, &check, cx)?;
        }
        Ok(())
    }

    /// The first job of a build: where its dependencies are at hand nothing is fetched.
    pub(crate) fn first_job(
        &mut self,
        running_task: &mut RunningTask,
        image: &str,
        cx: &mut Services,
    ) -> store::Result<Kind> {
        let source = running_task.source();
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
        cx.store.note_dependencies_used(&manifest, image, at)?;
        running_task.attempt_state.use_dependencies(SourceFile {
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
        cx: &mut Services,
    ) -> store::Result<()> {
        let orphan = cx.store.forget_dependencies(manifest, image)?;
        self.orphans.extend(orphan.map(|hash| file_of(&hash)));
        Ok(())
    }

    /// Dependencies that were all there are kept for the next build that asks for the same.
    pub(crate) fn keep_dependencies(&mut self, task: Task, cx: &mut Services) -> store::Result<()> {
        let running_task = self.running.get_mut(&task).expect("it made this step");
        let manifest = running_task.source().manifest.clone();
        let image = cx.engine.image(&running_task.zig_version);
        let (Some(manifest), Some(image)) = (manifest, image) else {
            return Ok(());
        };
        let Some(fetched) = running_task.attempt_state.take_fetched() else {
            return Ok(());
        };
        let (hash, bytes) = fetched.digest();
        match fetched.keep(&self.sources, Format::TarGz) {
            Ok(path) => {
                running_task.attempt_state.moved(path);
                let image = image.to_string();
                self.forget_dependencies(&manifest, &image, cx)?;
                let kept = KeptDependencies { hash, bytes };
                let at = cx.now.unix_ms;
                self.orphans.retain(|name| *name != file_of(&kept.hash));
                cx.store.keep_dependencies(&manifest, &image, &kept, at)
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
