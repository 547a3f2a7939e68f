//! Fetched dependencies, kept for later builds with the same manifests under the same toolchain.

use std::path::PathBuf;

use crate::app::builds::build::JobKind;
use crate::app::builds::running::RunningTask;
use crate::app::builds::services::Services;
use crate::app::engine::docker::SourceFile;
use crate::app::source::unpack::Format;
use crate::app::store::dependencies::{self, KeptDependencies};
use crate::app::store::store::{self, Store};

#[derive(Debug)]
pub struct DependencyCache {
    /// The folder of the files.
    sources: PathBuf,
    /// Names of files whose rows were deleted in this turn.
    orphans: Vec<String>,
}

impl DependencyCache {
    pub fn new(sources: PathBuf) -> DependencyCache {
        DependencyCache {
            sources,
            orphans: Vec::new(),
        }
    }

    /// The first job of a task whose source is there: to fetch its dependencies, unless there are none to fetch.
    pub fn first_job(
        &mut self,
        running_task: &mut RunningTask,
        services: &mut Services,
    ) -> store::Result<JobKind> {
        if !running_task.source().dependencies {
            return Ok(running_task.next_job(&services.docker));
        }
        let image = services.engine.toolchain(&running_task.zig_version);
        let image = image.unwrap_or("").to_string();
        Ok(match self.find(running_task, &image, services)? {
            Some(file) => {
                running_task.attempt_state.use_dependencies(file);
                running_task.next_job(&services.docker)
            }
            None => JobKind::FetchDependencies,
        })
    }

    /// The file with the dependencies of a task's source; none if they must be fetched.
    fn find(
        &mut self,
        running_task: &RunningTask,
        image: &str,
        services: &mut Services,
    ) -> store::Result<Option<SourceFile>> {
        let Some(manifest) = &running_task.source().manifest else {
            return Ok(None);
        };
        let Some(kept) = dependencies::find(&services.store, manifest, image)? else {
            return Ok(None);
        };
        let path = self.sources.join(file_name(&kept.hash));
        if !path.is_file() {
            self.forget(manifest, image, &mut services.store)?;
            return Ok(None);
        }
        let at = services.now.unix_ms;
        dependencies::set_used(&mut services.store, manifest, image, at)?;
        Ok(Some(SourceFile {
            path,
            format: Format::TarGz.as_str().to_string(),
            bytes: kept.bytes,
            sha256: kept.hash,
        }))
    }

    pub fn forget(&mut self, manifest: &str, image: &str, store: &mut Store) -> store::Result<()> {
        let orphan = dependencies::delete(store, manifest, image)?;
        self.orphans.extend(orphan.map(|hash| file_name(&hash)));
        Ok(())
    }

    /// Keeps the dependencies that a task has just fetched, if they are complete.
    pub fn keep(
        &mut self,
        running_task: &mut RunningTask,
        services: &mut Services,
    ) -> store::Result<()> {
        let Some(manifest) = running_task.source().manifest.clone() else {
            return Ok(());
        };
        // The image may have been replaced since.
        let image = running_task.toolchain.clone();
        let Some(fetched) = running_task.attempt_state.take_fetched() else {
            return Ok(());
        };
        let (hash, bytes) = fetched.digest();
        match fetched.keep(&self.sources, Format::TarGz) {
            Ok(path) => {
                if let Some(file) = &mut running_task.attempt_state.dependencies {
                    file.path = path;
                }
                self.forget(&manifest, &image, &mut services.store)?;
                let kept = KeptDependencies { hash, bytes };
                let at = services.now.unix_ms;
                let store = &mut services.store;
                dependencies::insert(store, &manifest, &image, &kept, at)
            }
            Err(error) => {
                // The part file is gone as well, so the container will report a truncated input.
                log::warn!("cannot keep dependencies: {error}");
                Ok(())
            }
        }
    }

    /// Takes the names of files whose rows were deleted, some of which other rows may name by now.
    pub fn take_orphans(&mut self) -> Vec<String> {
        std::mem::take(&mut self.orphans)
    }
}

fn file_name(hash: &str) -> String {
    format!("{hash}.{}", Format::TarGz.as_str())
}
