//! What builds of a package leave for the next one: which of it a build is given, and what becomes of what it leaves.
//!
//! A build is given what an earlier commit left under the same toolchain, where that commit is known to be in the
//! history of its own: by the list of a search, or by the fetch of its source. Uploads and fresh checks get nothing.

use std::path::PathBuf;

use crate::app::builds::running::RunningTask;
use crate::app::builds::services::Services;
use crate::app::engine::docker::SourceFile;
use crate::app::source::unpack::Format;
use crate::app::store::checks::CheckRow;
use crate::app::store::commit_searches;
use crate::app::store::kept_caches::{self, KeptCache, file_name};
use crate::app::store::store::{self, Store};

#[derive(Debug)]
pub struct KeptCaches {
    /// The folder of the files.
    folder: PathBuf,
    /// Names of files whose rows were deleted in this turn.
    orphans: Vec<String>,
}

/// What a build is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    pub file: SourceFile,
    /// The commit that left it.
    pub commit: String,
}

impl KeptCaches {
    pub fn new(folder: PathBuf) -> KeptCaches {
        KeptCaches {
            folder,
            orphans: Vec::new(),
        }
    }

    /// What the build of a task is given; none if there is nothing for it.
    pub fn find(
        &mut self,
        task: &RunningTask,
        services: &mut Services,
    ) -> store::Result<Option<Given>> {
        let check = task.check();
        let Some(package) = check.package_id.filter(|_| !check.fresh) else {
            return Ok(None);
        };
        let version = &task.zig_version;
        let kept = kept_caches::find(&services.store, package, version)?;
        let Some(kept) = kept.filter(|kept| kept.toolchain == task.toolchain) else {
            return Ok(None);
        };
        if !is_in_history(check, &kept.commit, &services.store)? {
            return Ok(None);
        }
        let path = self.folder.join(file_name(&kept.hash));
        if !path.is_file() {
            self.forget(task, services)?;
            return Ok(None);
        }
        let at = services.now.unix_ms;
        kept_caches::set_used(&mut services.store, package, version, at)?;
        Ok(Some(Given {
            file: SourceFile {
                path,
                format: Format::TarZst.as_str().to_string(),
                bytes: kept.bytes,
                sha256: kept.hash,
            },
            commit: kept.commit,
        }))
    }

    /// Removes what is kept for the package and the version of a task.
    pub fn forget(&mut self, task: &RunningTask, services: &mut Services) -> store::Result<()> {
        let Some(package) = task.check().package_id else {
            return Ok(());
        };
        let orphan = kept_caches::delete(&mut services.store, package, &task.zig_version)?;
        self.orphans.extend(orphan);
        Ok(())
    }

    /// Removes what a task was given, unless another build has left something in its place.
    pub fn forget_given(
        &mut self,
        task: &RunningTask,
        services: &mut Services,
    ) -> store::Result<()> {
        let Some(package) = task.check().package_id else {
            return Ok(());
        };
        let kept = kept_caches::find(&services.store, package, &task.zig_version)?;
        if kept.map(|kept| kept.commit) != task.attempt_state.reused_commit {
            return Ok(());
        }
        self.forget(task, services)
    }

    /// Keeps what a build that did not fail handed out, in place of what was there. After one that failed the next
    /// commit mostly fails too, and what fails is built twice.
    pub fn keep(&mut self, task: &mut RunningTask, services: &mut Services) -> store::Result<()> {
        let Some(file) = task.attempt_state.take_handed_out() else {
            return Ok(());
        };
        let (package, commit) = (task.check().package_id, task.check().commit.clone());
        let (Some(package), Some(commit)) = (package, commit) else {
            return Ok(());
        };
        self.forget(task, services)?;
        let (hash, bytes) = file.digest();
        if let Err(error) = file.keep(&self.folder, Format::TarZst) {
            log::warn!("cannot keep the cache of a build: {error}");
            return Ok(());
        }
        let kept = KeptCache {
            toolchain: task.toolchain.clone(),
            commit,
            hash,
            bytes,
        };
        // If the package is gone, no row names the file.
        self.orphans.push(file_name(&kept.hash));
        let at = services.now.unix_ms;
        kept_caches::insert(&mut services.store, package, &task.zig_version, &kept, at)
    }

    /// Takes the names of files whose rows were deleted, some of which other rows may name.
    pub fn take_orphans(&mut self) -> Vec<String> {
        std::mem::take(&mut self.orphans)
    }
}

/// True if that commit is known to be the one of the check, or before it.
fn is_in_history(check: &CheckRow, commit: &str, store: &Store) -> store::Result<bool> {
    let package = check.package_id.filter(|_| check.is_try);
    match package {
        _ if check.commit.as_deref() == Some(commit) => Ok(true),
        // A search goes back and forth through one history.
        Some(package) => commit_searches::lists(store, package, commit),
        None => Ok(check.ancestors.split(' ').any(|known| known == commit)),
    }
}
