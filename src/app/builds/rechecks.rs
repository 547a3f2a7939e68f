//! Checks of many packages: the daily recheck of each, builds under new toolchains, and all under one toolchain.

use std::collections::HashMap;

use crate::app::builds::limits::{
    DUE_CHECKS_LIMIT, REBUILD_LIMIT, RECHECK_RETRY_MS, REQUESTED_CHECKS_LIMIT, RETRY_LIMIT,
};
use crate::app::builds::missing_images;
use crate::app::builds::pushes::Pushes;
use crate::app::builds::running::RunningTask;
use crate::app::builds::services::Services;
use crate::app::domain::ids::{CheckId, PackageId};
use crate::app::domain::recheck::{self, Outcome, Toolchain};
use crate::app::domain::repository::owner;
use crate::app::domain::task::{Entry, Priority, Task};
use crate::app::engine::engines::Engines;
use crate::app::engine::listings::Image;
use crate::app::queue::queue::Queue;
use crate::app::store::checks::NewCheck;
use crate::app::store::packages::{self, RecheckRow};
use crate::app::store::store::{self, Store};
use crate::app::store::{builds, catalogue_checks, results, toolchains};

#[derive(Debug)]
pub struct Rechecks {
    zig_versions: Vec<String>,
    pub(super) pushes: Pushes,
    /// How many questions to remotes have begun since the start of the server.
    questions: u32,
    /// Packages are being gone through for builds under a new toolchain.
    pub is_rebuilding: bool,
    /// An admin asked for the rechecks of all packages, and some are not due yet.
    is_requested: bool,
    /// The versions under which all packages are to be checked, while packages are left to examine and the version
    /// has an image as far as the engine has answered.
    catalogue: Vec<String>,
    /// A version is missing there until the engine lists its image.
    lacks_image: bool,
    /// The last one since the start of the server.
    pub retry: Option<Retry>,
}

/// How far the retry of all packages with errors is. It takes seconds, and a restart ends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    pub requested_at: i64,
    /// The package examined last; none once all have been.
    after: Option<PackageId>,
    pub examined: u64,
    /// Those whose recheck was made due.
    pub found: u64,
}

impl Retry {
    pub fn is_running(&self) -> bool {
        self.after.is_some()
    }
}

impl Rechecks {
    pub fn open(zig_versions: &[String], store: &Store) -> store::Result<Rechecks> {
        let mut rechecks = Rechecks {
            zig_versions: zig_versions.to_vec(),
            pushes: Pushes::default(),
            questions: 0,
            is_rebuilding: toolchains::is_rebuilding(store)?,
            is_requested: packages::has_requested_rechecks(store)?,
            catalogue: Vec::new(),
            lacks_image: false,
            retry: None,
        };
        rechecks.read_catalogue(store)?;
        Ok(rechecks)
    }

    pub fn versions(&self) -> &[String] {
        &self.zig_versions
    }

    /// True if the server checks under that version.
    pub fn has_version(&self, zig_version: &str) -> bool {
        self.zig_versions.iter().any(|known| known == zig_version)
    }

    /// The place of a version among those of the server, the newest first.
    pub fn place_of(&self, zig_version: &str) -> Option<usize> {
        let mut versions = self.zig_versions.iter();
        versions.position(|known| known == zig_version)
    }

    /// The toolchains that have an image.
    fn toolchains(&self, engine: &Engines) -> Vec<Toolchain> {
        let versions = self.zig_versions.iter();
        let with_image = versions.filter_map(|version| {
            Some(Toolchain {
                zig_version: version.clone(),
                image: engine.toolchain(version)?.to_string(),
            })
        });
        with_image.collect()
    }

    /// The newest version that has an image: remotes are asked in it.
    pub fn newest_version(&self, engine: &Engines) -> Option<&String> {
        let mut versions = self.zig_versions.iter();
        versions.find(|version| engine.toolchain(version).is_some())
    }

    /// True while there is work for each turn: packages to go through.
    pub fn has_work(&self) -> bool {
        let retries = self.retry.is_some_and(|retry| retry.is_running());
        self.is_rebuilding || self.is_requested || retries || !self.catalogue.is_empty()
    }

    /// True while the check of all packages waits for an image.
    pub fn lacks_image(&self) -> bool {
        self.lacks_image
    }

    // -- rechecks of all packages --

    /// Asks for the rechecks of all packages; gives their number. A package whose recheck waits is not checked twice.
    pub fn request_all(&mut self, services: &mut Services) -> store::Result<u64> {
        self.is_requested = true;
        packages::request_rechecks(&mut services.store)
    }

    /// Makes the next requested rechecks due.
    pub fn make_requested_due(&mut self, services: &mut Services) -> store::Result<()> {
        if self.is_requested {
            let (store, now) = (&mut services.store, services.now.unix_ms);
            self.is_requested = packages::make_some_due(store, now, REQUESTED_CHECKS_LIMIT)?;
        }
        Ok(())
    }

    // -- packages with errors --

    /// Begins the retry of all packages with errors, unless it is under way; true if it begins.
    pub fn retry_errors(&mut self, at: i64) -> bool {
        if self.retry.is_some_and(|retry| retry.is_running()) {
            return false;
        }
        self.retry = Some(Retry {
            requested_at: at,
            after: Some(PackageId(0)),
            examined: 0,
            found: 0,
        });
        true
    }

    /// Makes the rechecks of the next packages with errors due: an unchanged one is built where its latest attempt
    /// ended in an error.
    pub fn make_retries_due(&mut self, services: &mut Services) -> store::Result<()> {
        let Some(retry) = &mut self.retry else {
            return Ok(());
        };
        let Some(after) = retry.after else {
            return Ok(());
        };
        let (store, now) = (&mut services.store, services.now.unix_ms);
        let some = packages::with_errors(store, after, &self.zig_versions, RETRY_LIMIT)?;
        for (package, has_error) in &some {
            if *has_error {
                packages::set_next_check(store, *package, now)?;
                retry.found += 1;
            }
        }
        retry.examined += some.len() as u64;
        let last = some.last().filter(|_| some.len() == RETRY_LIMIT);
        retry.after = last.map(|(package, _)| *package);
        Ok(())
    }

    // -- all packages under one toolchain --

    /// Begins the check of all packages under that version, unless it is under way; true if it begins.
    pub fn check_all(&mut self, zig_version: &str, services: &mut Services) -> store::Result<bool> {
        let (store, now) = (&mut services.store, services.now.unix_ms);
        let known = catalogue_checks::by_version(store, zig_version)?;
        if known.is_some_and(|row| row.is_running()) {
            return Ok(false);
        }
        catalogue_checks::request(store, zig_version, now)?;
        self.read_catalogue(store)?;
        Ok(true)
    }

    /// Examines the next packages; returns new checks for those that lack a verdict on their latest commit.
    pub fn next_of_catalogue(&mut self, services: &mut Services) -> store::Result<Vec<CheckId>> {
        let Some(version) = self.catalogue.first().cloned() else {
            return Ok(Vec::new());
        };
        let Some(image) = services.engine.toolchain(&version) else {
            // It goes on when the engine lists the image again.
            self.catalogue.remove(0);
            self.lacks_image = true;
            missing_images::want(services);
            return Ok(Vec::new());
        };
        let toolchain = Toolchain {
            zig_version: version.clone(),
            image: image.to_string(),
        };
        let page = catalogue_checks::examine(&mut services.store, &toolchain, REBUILD_LIMIT)?;
        if page.done {
            self.catalogue.remove(0);
        }
        let mut checks = Vec::new();
        let versions = [version];
        for row in page.packages {
            let check = insert_check(&row, &versions, Priority::Toolchain, services)?;
            if page.is_counted {
                catalogue_checks::note_build(&mut services.store, row.id, &versions[0])?;
            }
            checks.push(check);
        }
        Ok(checks)
    }

    fn read_catalogue(&mut self, store: &Store) -> store::Result<()> {
        let rows = catalogue_checks::all(store)?.into_iter();
        let rows = rows.filter(|row| row.after.is_some());
        let versions = rows.map(|row| row.zig_version);
        self.lacks_image = false;
        self.catalogue = versions
            .filter(|version| self.zig_versions.contains(version))
            .collect();
        Ok(())
    }

    // -- daily rechecks --

    /// Entries for up to `DUE_CHECKS_LIMIT` packages whose recheck is due and neither waits nor runs.
    pub fn take_due(
        &self,
        queue: &Queue,
        running: &HashMap<Task, RunningTask>,
        services: &mut Services,
    ) -> store::Result<Vec<Entry>> {
        let now = services.now.unix_ms;
        let mut due = Vec::new();
        for package in packages::due(&services.store, now, DUE_CHECKS_LIMIT)? {
            let task = Task::CheckRemote(package.id);
            if running.contains_key(&task) {
                schedule_retry(package.id, services)?;
                continue;
            }
            schedule_next(package.id, services)?;
            if queue.is_waiting(&services.store, task)? {
                continue;
            }
            due.push(Entry {
                task,
                priority: Priority::Recheck,
                tenant: owner(&package.url),
                popularity: package.popularity_score,
            });
        }
        Ok(due)
    }

    /// The number of a question that begins, for the name of its container: one question may follow another at once,
    /// while the engine still removes the container of that.
    pub fn next_question(&mut self) -> u32 {
        self.questions = self.questions.wrapping_add(1);
        self.questions
    }

    /// The question to a remote has ended: the next one is tomorrow, or now if there was a push meanwhile, or the
    /// package has another remote since.
    pub fn on_answer(
        &mut self,
        package: PackageId,
        has_moved: bool,
        services: &mut Services,
    ) -> store::Result<()> {
        let was_pushed = self.pushes.during_question.remove(&package);
        match was_pushed || has_moved {
            true => {
                let now = services.now.unix_ms;
                packages::set_next_check(&mut services.store, package, now)
            }
            false => schedule_next(package, services),
        }
    }

    /// Takes the commit of a remote, which was asked at that priority; returns the new check if one is needed.
    pub fn on_remote_commit(
        &self,
        package: PackageId,
        (commit, priority): (&str, Priority),
        services: &mut Services,
    ) -> store::Result<Option<CheckId>> {
        let Some(row) = packages::recheck(&services.store, package)? else {
            return Ok(None);
        };
        let toolchains = self.toolchains(&services.engine);
        let cells = results::cells(&services.store, package, &toolchains)?;
        match recheck::outcome(commit, row.commit.as_deref(), &cells) {
            Outcome::Unchanged => Ok(None),
            Outcome::NewCommit(versions) | Outcome::Incomplete(versions) => {
                insert_check(&row, &versions, priority, services).map(Some)
            }
        }
    }

    // -- new toolchains --

    /// The engine has listed its images: a new one means that all packages are gone through. One that is known by its
    /// id is not new when it gets a recipe.
    pub fn on_images(&mut self, services: &mut Services) -> store::Result<()> {
        let now = services.now.unix_ms;
        for version in &self.zig_versions {
            let Some(image) = services.engine.newly_named(version) else {
                continue;
            };
            let Image { name, id } = image.clone();
            if toolchains::name_recipe(&mut services.store, version, &id, &name)? {
                log::info!("zig {version} is known by its recipe, {name}");
                services.engine.set_first_id(name, id);
            }
        }
        for toolchain in self.toolchains(&services.engine) {
            if toolchains::insert(&mut services.store, &toolchain, now)? {
                log::info!("zig {} has a new image", toolchain.zig_version);
            }
        }
        self.is_rebuilding = toolchains::is_rebuilding(&services.store)?;
        self.read_catalogue(&services.store)
    }

    /// Goes through the next packages; returns new checks for those that have no build under a current image.
    pub fn next_rebuilds(&mut self, services: &mut Services) -> store::Result<Vec<CheckId>> {
        let toolchains = self.toolchains(&services.engine);
        if !self.is_rebuilding || toolchains.is_empty() {
            // Without an image it goes on when the engine lists one.
            self.is_rebuilding = false;
            return Ok(Vec::new());
        }
        let store = &mut services.store;
        let page = toolchains::next_to_rebuild(store, REBUILD_LIMIT, &toolchains)?;
        self.is_rebuilding = !page.done;
        let mut checks = Vec::new();
        for (row, versions) in page.packages {
            checks.push(insert_check(
                &row,
                &versions,
                Priority::Toolchain,
                services,
            )?);
        }
        Ok(checks)
    }
}

/// A recheck that runs is not in the queue: should the server end now, it is due again by this.
pub(super) fn schedule_retry(package: PackageId, services: &mut Services) -> store::Result<()> {
    let retry_at = services.now.unix_ms + RECHECK_RETRY_MS;
    packages::set_next_check(&mut services.store, package, retry_at)
}

/// A recheck has ended, or has its place in the queue: the next one is tomorrow.
fn schedule_next(package: PackageId, services: &mut Services) -> store::Result<()> {
    let next = recheck::next_check(package, services.now.unix_ms);
    packages::set_next_check(&mut services.store, package, next)
}

fn insert_check(
    row: &RecheckRow,
    versions: &[String],
    priority: Priority,
    services: &mut Services,
) -> store::Result<CheckId> {
    let tenant = owner(&row.url);
    let new = NewCheck {
        package_id: Some(row.id),
        package: &row.name,
        git: Some((&row.url, row.reference.as_deref())),
        dir: row.dir.as_deref(),
        fresh: false,
        priority,
        tenant: &tenant,
    };
    let at = services.now.unix_ms;
    builds::insert_with_check(&mut services.store, &new, versions, at)
}
