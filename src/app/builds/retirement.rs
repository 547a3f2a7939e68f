//! Zig versions that this server has no longer: what waits for one of them ends.
//!
//! Verdicts and history stay. Builds that run go on: their containers do not need the server's list of versions. What
//! waits is cancelled, a few builds a turn. The versions are forgotten last, so that a restart begins again; their
//! images are forgotten first, so that a version that comes back has a new one at any time: packages without a verdict
//! under it are built.

use crate::app::builds::limits::RETIRED_LIMIT;
use crate::app::builds::scheduler::Scheduler;
use crate::app::builds::services::Services;
use crate::app::domain::ids::BuildId;
use crate::app::store::store::{self, Store};
use crate::app::store::{builds, commit_searches, toolchains};

/// Ends the searches under versions that are gone; `cancel_next` then goes through the builds that wait.
pub(super) fn begin(scheduler: &mut Scheduler, services: &mut Services) -> store::Result<()> {
    let versions = scheduler.rechecks.versions();
    toolchains::insert_versions(&mut services.store, versions)?;
    let retired = retired(scheduler, &services.store)?;
    for version in &retired {
        let at = services.now.unix_ms;
        commit_searches::cancel_version(&mut services.store, version, at)?;
        toolchains::delete(&mut services.store, version)?;
    }
    toolchains::insert_versions(&mut services.store, &retired)?;
    scheduler.retiring = retired.first().map(|_| BuildId(0));
    Ok(())
}

/// The versions that the server had, and that the settings do not name.
fn retired(scheduler: &Scheduler, store: &Store) -> store::Result<Vec<String>> {
    let mut versions = toolchains::versions(store)?;
    versions.retain(|version| !scheduler.rechecks.has_version(version));
    Ok(versions)
}

/// Goes through the next builds that wait, and cancels those under a version that is gone.
pub(super) fn cancel_next(scheduler: &mut Scheduler, services: &mut Services) -> store::Result<()> {
    let Some(after) = scheduler.retiring else {
        return Ok(());
    };
    let rows = builds::queued_after(&services.store, after, RETIRED_LIMIT)?;
    scheduler.retiring = rows.last().map(|row| row.id);
    for row in &rows {
        // The end of one before it may have ended this one too.
        let row = builds::by_id(&services.store, row.id)?;
        if let Some(row) = row.filter(|row| !row.state.is_final()) {
            scheduler.cancel_if_retired(&row, services)?;
        }
    }
    if scheduler.retiring.is_none() {
        for version in retired(scheduler, &services.store)? {
            toolchains::delete(&mut services.store, &version)?;
            log::info!("zig {version} is retired");
        }
    }
    Ok(())
}
