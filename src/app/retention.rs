//! Retention: deletes old builds with their logs, files that no build needs, and durations of packages not seen
//! for long, a bounded number in each turn.
//!
//! Rows are deleted first, and their files once that is committed. A crash between the two leaves files without
//! rows, which the next start removes.

use std::collections::HashSet;
use std::fs::{self, ReadDir};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use crate::app::domain::ids::BuildId;
use crate::app::store::removals::{self, REMOVED_BUILDS_LIMIT, Removal};
use crate::app::store::scan::{ScanLimits, ScanResult};
use crate::app::store::store::{self, Store};
use crate::app::store::totals::{self, Totals};
use crate::app::store::{builds, dependencies, durations, kept_caches, sources};
use crate::base::files::remove_if_there;
use crate::config::settings::Settings;
use crate::interface::event::Now;

/// Ended builds that are kept, with their logs: a year of 270 a day. With logs of usual size some gigabytes.
pub const HISTORY_LIMIT_BUILDS: u64 = 100_000;
/// Size of all their logs: a usual one has 50 KiB, and 2,048 of the largest reach the limit.
pub const LOGS_KEPT_BYTES: u64 = 8 << 30;
/// Age at which they are deleted; the latest verdicts stay.
pub const HISTORY_AGE_MS: i64 = 365 * 86_400_000;
/// Size of the sources that no build needs any more, kept as a cache for later checks. A usual source has 100 KiB.
pub const SOURCES_KEPT_BYTES: u64 = 2 << 30;
/// The same for fetched dependencies.
pub const DEPENDENCIES_KEPT_BYTES: u64 = 2 << 30;
/// The same for what builds leave to later ones, 3 to 11 MiB each: those of two hundred busy cells.
pub const KEPT_CACHES_KEPT_BYTES: u64 = 2 << 30;
/// Past durations: of 20,000 packages under four toolchains, and of their fetches.
pub const DURATIONS_KEPT: u64 = 100_000;
/// Rows of each kind deleted in one turn: a millisecond of deletes, and as many files.
pub const DELETE_LIMIT_COUNT: usize = 16;
/// Rows, or file names, examined in one turn.
pub const SCAN_LIMIT_COUNT: usize = 256;
/// Until the next attempt to delete builds of a package that is gone, all of which were in use.
pub const REMOVAL_PAUSE_MS: u64 = 50;
/// Pause after a full scan that found rows to delete, all of them in use.
pub const SCAN_PAUSE_MS: u64 = 60_000;

/// How much is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetentionLimits {
    /// Finished and cancelled builds, including those that are still in use.
    pub builds: u64,
    pub age_ms: i64,
    /// Size of their logs.
    pub log_bytes: u64,
    pub source_bytes: u64,
    pub dependency_bytes: u64,
    pub kept_bytes: u64,
    pub durations: u64,
}

impl Default for RetentionLimits {
    fn default() -> RetentionLimits {
        RetentionLimits {
            builds: HISTORY_LIMIT_BUILDS,
            age_ms: HISTORY_AGE_MS,
            log_bytes: LOGS_KEPT_BYTES,
            source_bytes: SOURCES_KEPT_BYTES,
            dependency_bytes: DEPENDENCIES_KEPT_BYTES,
            kept_bytes: KEPT_CACHES_KEPT_BYTES,
            durations: DURATIONS_KEPT,
        }
    }
}

/// A file whose row was deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
enum PendingDelete {
    /// The file name of a log.
    Log(String),
    /// The file name of a source or of dependencies.
    Source(String),
}

#[derive(Debug)]
pub struct Retention {
    limits: RetentionLimits,
    logs: PathBuf,
    sources: PathBuf,
    build_scan: Scan<BuildId>,
    source_scan: Scan<(i64, String)>,
    /// Log files of earlier runs that were not examined yet.
    log_files: Option<ReadDir>,
    pending_deletes: Vec<PendingDelete>,
    /// Bytes to delete from the caches, since the disk is nearly full.
    shortage_bytes: u64,
    ended_builds: u64,
    /// When `delete_expired` has work again.
    pub due_ms: Option<u64>,
}

/// A scan of a table, oldest rows first, over several turns.
#[derive(Debug, Default)]
struct Scan<Position> {
    /// Where the next step continues.
    after: Position,
    /// Some row was deleted.
    found: bool,
    /// Some row should be deleted but is in use.
    blocked: bool,
    /// The next step is not before then.
    resume_ms: u64,
}

const SCAN_LIMITS: ScanLimits = ScanLimits {
    found: DELETE_LIMIT_COUNT,
    examined: SCAN_LIMIT_COUNT,
};

impl<Position: Default> Scan<Position> {
    /// Records the result of one step; returns when the next is due. A deleted row may have kept an older one in use,
    /// so a scan that deleted something is followed by another.
    fn record<Id>(&mut self, result: ScanResult<Id, Position>, now_ms: u64) -> Option<u64> {
        self.found |= !result.free.is_empty();
        self.blocked |= result.blocked;
        if let Some(after) = result.after {
            self.after = after;
            return Some(0);
        }
        let (found, blocked) = (self.found, self.blocked);
        *self = Scan::default();
        if blocked && !found {
            self.resume_ms = now_ms + SCAN_PAUSE_MS;
        }
        found.then_some(0)
    }
}

impl Retention {
    /// Retention for the data directory of `settings`, with its first work due at once.
    pub fn open(settings: &Settings, limits: RetentionLimits) -> io::Result<Retention> {
        let logs = settings.data.join("logs");
        Ok(Retention {
            limits,
            log_files: Some(fs::read_dir(&logs)?),
            logs,
            sources: settings.data.join("sources"),
            build_scan: Scan::default(),
            source_scan: Scan::default(),
            pending_deletes: Vec::new(),
            shortage_bytes: 0,
            ended_builds: 0,
            due_ms: Some(0),
        })
    }

    /// Makes work due.
    pub fn wake(&mut self) {
        self.due_ms = Some(0);
    }

    /// Makes work due if builds have ended since the last call; `ended_builds` counts all that have.
    pub fn note_ended(&mut self, ended_builds: u64) {
        if std::mem::replace(&mut self.ended_builds, ended_builds) != ended_builds {
            self.wake();
        }
    }

    /// Sets how many bytes to delete from the caches together.
    pub fn set_shortage(&mut self, shortage_bytes: u64) {
        self.shortage_bytes = shortage_bytes;
        if shortage_bytes > 0 {
            self.wake();
        }
    }

    /// Deletes a bounded number of expired rows.
    pub fn delete_expired(&mut self, store: &mut Store, now: Now) -> store::Result<()> {
        if self.due_ms.is_none_or(|at| at > now.mono_ms) {
            return Ok(());
        }
        let totals = totals::read(store)?;
        let builds = self.delete_expired_builds(store, totals, now)?;
        // On a shortage the caches go in the order of what it costs to do without them.
        let kept_caches = self.delete_expired_kept_caches(store, totals)?;
        let totals = self.reduce_shortage(store, totals)?;
        let dependencies = self.delete_expired_dependencies(store, totals)?;
        let totals = self.reduce_shortage(store, totals)?;
        let sources = self.delete_expired_sources(store, totals, now)?;
        let totals = self.reduce_shortage(store, totals)?;
        let next = [
            builds,
            kept_caches,
            dependencies,
            sources,
            self.delete_expired_durations(store, totals)?,
            self.delete_stray_logs(store)?,
            self.delete_removed(store, now)?,
        ];
        self.due_ms = next.into_iter().flatten().min();
        Ok(())
    }

    /// Takes from the shortage what the caches have lost since they had `before`; gives what they have now.
    fn reduce_shortage(&mut self, store: &Store, before: Totals) -> store::Result<Totals> {
        if self.shortage_bytes == 0 {
            return Ok(before);
        }
        let left = totals::read(store)?;
        let gone = before.cached_bytes().saturating_sub(left.cached_bytes());
        self.shortage_bytes = self.shortage_bytes.saturating_sub(gone);
        Ok(left)
    }

    /// Removes the files of deleted rows, once that is committed; `orphans` are those of rows that others deleted. A
    /// file in use stays until it is not.
    pub fn committed<'a>(
        &mut self,
        store: &Store,
        orphans: Vec<String>,
        in_use: impl Iterator<Item = &'a Path>,
    ) {
        let orphans = orphans.into_iter().map(PendingDelete::Source);
        self.pending_deletes.extend(orphans);
        if self.pending_deletes.is_empty() {
            return;
        }
        let in_use: HashSet<&Path> = in_use.collect();
        for pending in std::mem::take(&mut self.pending_deletes) {
            let path = match &pending {
                PendingDelete::Log(name) => self.logs.join(name),
                PendingDelete::Source(name) => self.sources.join(name),
            };
            if let PendingDelete::Source(name) = &pending {
                if in_use.contains(path.as_path()) {
                    self.pending_deletes.push(pending);
                    continue;
                }
                // The same content may have arrived again in this turn, or another row may use the file.
                if sources::keeps_file(store, name).unwrap_or(true) {
                    continue;
                }
            }
            if let Err(error) = remove_if_there(&path) {
                log::warn!("{}: {error}", path.display());
            }
        }
    }

    fn delete_expired_builds(
        &mut self,
        store: &mut Store,
        totals: Totals,
        now: Now,
    ) -> store::Result<Option<u64>> {
        let scan = &mut self.build_scan;
        if scan.resume_ms > now.mono_ms {
            return Ok(Some(scan.resume_ms));
        }
        let over = totals.builds.saturating_sub(self.limits.builds);
        // While the logs are too large, one build in each step.
        let over = over.max(u64::from(totals.log_bytes > self.limits.log_bytes));
        let before = now.unix_ms.saturating_sub(self.limits.age_ms);
        let result = builds::expired(store, scan.after, over, before, SCAN_LIMITS)?;
        for build in &result.free {
            builds::delete(store, *build)?;
            self.pending_deletes.extend(log_of(*build));
        }
        Ok(scan.record(result, now.mono_ms))
    }

    /// Deletes some of what is left of packages that are gone.
    fn delete_removed(&mut self, store: &mut Store, now: Now) -> store::Result<Option<u64>> {
        let Some((package, removal)) = removals::next(store)? else {
            return Ok(None);
        };
        for name in kept_caches::delete_all(store, package)? {
            self.pending_deletes.push(PendingDelete::Source(name));
        }
        if removal == Removal::Detach {
            if removals::detach_checks(store, package, SCAN_LIMIT_COUNT)? == 0 {
                removals::finish(store, package, DELETE_LIMIT_COUNT)?;
            }
            return Ok(Some(0));
        }
        let newest = removals::newest_builds(store, package, REMOVED_BUILDS_LIMIT)?;
        if newest.is_empty() {
            removals::finish(store, package, DELETE_LIMIT_COUNT)?;
            return Ok(Some(0));
        }
        let (mut progress, mut pause_ms) = (false, REMOVAL_PAUSE_MS);
        for row in newest.iter().filter(|row| row.state.is_final()) {
            if !self.hand_over_log(store, row.id)? {
                pause_ms = SCAN_PAUSE_MS;
                continue;
            }
            let Some(deleted) = removals::delete_build(store, row)? else {
                continue;
            };
            progress = true;
            self.pending_deletes.extend(log_of(deleted.build));
            self.pending_deletes
                .extend(deleted.source.map(PendingDelete::Source));
        }
        // Unfinished builds are cancelled, and waiting ones let go, in other turns.
        let pause_ms = if progress { 0 } else { pause_ms };
        Ok(Some(now.mono_ms + pause_ms))
    }

    /// Makes other builds that have the verdict of that one the origin of it, with the log; false if the log cannot be
    /// handed over now.
    fn hand_over_log(&mut self, store: &mut Store, build: BuildId) -> store::Result<bool> {
        let Some(heir) = removals::heir(store, build)? else {
            return Ok(true);
        };
        let file = |build: BuildId| self.logs.join(format!("{build}.log"));
        if let Err(error) = bequeath(&file(build), &file(heir)) {
            log::warn!("the log of build {build} for build {heir}: {error}");
            return Ok(false);
        }
        removals::inherit(store, build, heir, SCAN_LIMIT_COUNT)?;
        Ok(true)
    }

    fn delete_expired_sources(
        &mut self,
        store: &mut Store,
        totals: Totals,
        now: Now,
    ) -> store::Result<Option<u64>> {
        let scan = &mut self.source_scan;
        let over = totals.source_bytes.saturating_sub(self.limits.source_bytes);
        let over = over.max(self.shortage_bytes.min(totals.source_bytes));
        if over == 0 {
            *scan = Scan::default();
            return Ok(None);
        }
        if scan.resume_ms > now.mono_ms {
            return Ok(Some(scan.resume_ms));
        }
        let result = sources::idle(store, &scan.after, over, SCAN_LIMITS)?;
        for hash in &result.free {
            let name = sources::delete_file(store, hash)?;
            self.pending_deletes.push(PendingDelete::Source(name));
        }
        Ok(scan.record(result, now.mono_ms))
    }

    fn delete_expired_dependencies(
        &mut self,
        store: &mut Store,
        totals: Totals,
    ) -> store::Result<Option<u64>> {
        let kept = self.limits.dependency_bytes;
        let over = totals.dependency_bytes.saturating_sub(kept);
        let over = over.max(self.shortage_bytes.min(totals.dependency_bytes));
        if over == 0 {
            return Ok(None);
        }
        let names = dependencies::delete_idle(store, over, DELETE_LIMIT_COUNT)?;
        let more = !names.is_empty();
        self.pending_deletes
            .extend(names.into_iter().map(PendingDelete::Source));
        Ok(more.then_some(0))
    }

    fn delete_expired_kept_caches(
        &mut self,
        store: &mut Store,
        totals: Totals,
    ) -> store::Result<Option<u64>> {
        let over = totals.kept_bytes.saturating_sub(self.limits.kept_bytes);
        let over = over.max(self.shortage_bytes.min(totals.kept_bytes));
        if over == 0 {
            return Ok(None);
        }
        let names = kept_caches::delete_idle(store, over, DELETE_LIMIT_COUNT)?;
        let more = !names.is_empty();
        self.pending_deletes
            .extend(names.into_iter().map(PendingDelete::Source));
        Ok(more.then_some(0))
    }

    fn delete_expired_durations(
        &mut self,
        store: &mut Store,
        totals: Totals,
    ) -> store::Result<Option<u64>> {
        let over = totals.durations.saturating_sub(self.limits.durations);
        if over == 0 {
            return Ok(None);
        }
        let gone = durations::delete_oldest(store, over.min(DELETE_LIMIT_COUNT as u64))?;
        Ok((gone > 0).then_some(0))
    }

    /// Deletes logs that a crash left: those of builds without a row, and incomplete copies.
    fn delete_stray_logs(&mut self, store: &Store) -> store::Result<Option<u64>> {
        let Some(log_files) = &mut self.log_files else {
            return Ok(None);
        };
        let mut examined = 0;
        for entry in log_files.by_ref().take(SCAN_LIMIT_COUNT) {
            examined += 1;
            let name = match &entry {
                Ok(entry) => entry.file_name(),
                Err(error) => {
                    log::warn!("{}: {error}", self.logs.display());
                    self.log_files = None;
                    return Ok(None);
                }
            };
            let Some(name) = name.to_str() else { continue };
            let (whole, part) = match name.strip_suffix(".part") {
                Some(whole) => (whole, true),
                None => (name, false),
            };
            // Other files are left alone.
            let Some(build) = build_of(whole) else {
                continue;
            };
            if part || !builds::exists(store, build)? {
                self.pending_deletes
                    .push(PendingDelete::Log(name.to_string()));
            }
        }
        if examined < SCAN_LIMIT_COUNT {
            self.log_files = None;
        }
        Ok(self.log_files.is_some().then_some(0))
    }
}

/// Gives a log, if there is one, a second name. A file that has this name is one that a crash left: no row names it.
fn bequeath(log: &Path, name: &Path) -> io::Result<()> {
    remove_if_there(name)?;
    // Not every file system has links.
    let linked = fs::hard_link(log, name).or_else(|_| fs::copy(log, name).map(|_| ()));
    match linked {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        linked => linked,
    }
}

/// The files of a build's log.
fn log_of(build: BuildId) -> [PendingDelete; 2] {
    ["log", "log.part"].map(|end| PendingDelete::Log(format!("{build}.{end}")))
}

/// The build whose log has this file name.
fn build_of(name: &str) -> Option<BuildId> {
    let digits = name.strip_suffix(".log")?;
    let plain = digits.bytes().all(|b| b.is_ascii_digit());
    digits.parse().ok().filter(|_| plain).map(BuildId)
}
