//! What is past goes at last: old builds with their logs, files that nobody needs, durations of packages
//! not seen for long. A bounded piece of it at a time.
//!
//! Rows go first. Their files follow once that is committed: what a crash leaves between the two is
//! a file without a row, which the next start removes.

use std::fs::{self, ReadDir};
use std::io::{self, ErrorKind};
use std::path::PathBuf;

use crate::app::store::scan::{ScanLimits, ScanResult};
use crate::app::store::store::{self, Store};
use crate::app::store::totals::Totals;
use crate::config::settings::Settings;
use crate::interface::event::Now;

/// Builds that have ended and are kept, with their logs: a year of 270 a day. With logs of usual size
/// some gigabytes.
pub const HISTORY_LIMIT_BUILDS: u64 = 100_000;
/// What their logs may take in all: those of usual size have 50 KiB, and 2,048 of the largest fill it.
pub const LOGS_KEPT_BYTES: u64 = 8 << 30;
/// How long they are kept at most; the latest verdicts stay.
pub const HISTORY_AGE_MS: i64 = 365 * 86_400_000;
/// Files of sources that no build needs any more: the next check of the same finds them there. A
/// usual source has 100 KiB.
pub const SOURCES_KEPT_BYTES: u64 = 2 << 30;
/// The same of fetched dependencies.
pub const DEPENDENCIES_KEPT_BYTES: u64 = 2 << 30;
/// Past durations kept: of 20,000 packages under four toolchains, and of their fetches.
pub const DURATIONS_KEPT: u64 = 100_000;
/// Of each of these so many go in one turn: a millisecond of deletes, and as many files.
pub const DELETE_LIMIT_COUNT: usize = 16;
/// Rows, or names of files, looked at for that in one turn.
pub const SCAN_LIMIT_COUNT: usize = 256;
/// Pause after all were looked at and none could go, although some should.
pub const SCAN_PAUSE_MS: u64 = 60_000;

/// How much of the past is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetentionLimits {
    /// Finished and cancelled ones; it counts those that stay for being needed as well.
    pub builds: u64,
    pub age_ms: i64,
    /// Of their logs.
    pub log_bytes: u64,
    pub source_bytes: u64,
    pub dependency_bytes: u64,
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
            durations: DURATIONS_KEPT,
        }
    }
}

/// A file whose row is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
enum PendingDelete {
    /// Of a log; the name of the file.
    Log(String),
    /// Of a source or of dependencies; the name of the file.
    Source(String),
}

#[derive(Debug)]
pub struct Retention {
    limits: RetentionLimits,
    logs: PathBuf,
    sources: PathBuf,
    of_builds: Scan<i64>,
    of_sources: Scan<(i64, String)>,
    /// Names of logs that were there at the start and are not looked at yet.
    left: Option<ReadDir>,
    pending_deletes: Vec<PendingDelete>,
    /// So much more of the caches is to go, since the disk has no room.
    shortage_bytes: u64,
    /// Nobody is being fed with dependencies that are kept.
    idle: bool,
    /// When there is something to do.
    due_ms: Option<u64>,
}

/// One way through all that may have to go, the oldest first, in as many looks as it takes.
#[derive(Debug, Default)]
struct Scan<Place> {
    after: Place,
    /// Something went.
    found: bool,
    /// Something had to stay.
    blocked: bool,
    /// Not before then.
    rest_ms: u64,
}

const SCAN_LIMITS: ScanLimits = ScanLimits {
    found: DELETE_LIMIT_COUNT,
    examined: SCAN_LIMIT_COUNT,
};

impl<Place: Default> Scan<Place> {
    /// Takes what a look found; when to look again. What goes may have held up something older: a
    /// pass that found something is followed by another.
    fn goes_on<Id>(&mut self, past: ScanResult<Id, Place>, now_ms: u64) -> Option<u64> {
        self.found |= !past.free.is_empty();
        self.blocked |= past.blocked;
        if let Some(after) = past.after {
            self.after = after;
            return Some(0);
        }
        let (found, blocked) = (self.found, self.blocked);
        *self = Scan::default();
        if blocked && !found {
            self.rest_ms = now_ms + SCAN_PAUSE_MS;
        }
        found.then_some(0)
    }
}

impl Retention {
    /// Of a data directory as it is at the start: there may be something to do at once.
    pub fn open(settings: &Settings, limits: RetentionLimits) -> io::Result<Retention> {
        let logs = settings.data.join("logs");
        Ok(Retention {
            limits,
            left: Some(fs::read_dir(&logs)?),
            logs,
            sources: settings.data.join("sources"),
            of_builds: Scan::default(),
            of_sources: Scan::default(),
            pending_deletes: Vec::new(),
            shortage_bytes: 0,
            idle: false,
            due_ms: Some(0),
        })
    }

    /// Builds have ended: there may be something to do.
    pub fn wake(&mut self) {
        self.due_ms = Some(0);
    }

    /// The disk has so much room too little: of what is kept as a cache so much goes, what was used
    /// least lately first. `idle`: nothing runs.
    pub fn want_room(&mut self, shortage_bytes: u64, idle: bool) {
        self.shortage_bytes = shortage_bytes;
        self.idle = idle;
        if shortage_bytes > 0 {
            self.wake();
        }
    }

    /// When `delete_expired` has something to do.
    pub fn deadline_ms(&self) -> Option<u64> {
        self.due_ms
    }

    /// Removes rows of what should go, a bounded number of them.
    pub fn delete_expired(&mut self, store: &mut Store, now: Now) -> store::Result<()> {
        if self.due_ms.is_none_or(|at| at > now.mono_ms) {
            return Ok(());
        }
        let totals = store.totals()?;
        let next = [
            self.delete_expired_builds(store, totals, now)?,
            self.delete_expired_sources(store, totals, now)?,
            self.delete_expired_dependencies(store, totals)?,
            self.delete_expired_durations(store, totals)?,
            self.delete_stray_logs(store)?,
        ];
        if self.shortage_bytes > 0 {
            let left = store.totals()?;
            let gone = totals.cached_bytes().saturating_sub(left.cached_bytes());
            self.shortage_bytes = self.shortage_bytes.saturating_sub(gone);
        }
        self.due_ms = next.into_iter().flatten().min();
        Ok(())
    }

    /// All that was swept is committed: its files go.
    pub fn committed(&mut self, store: &Store) {
        for pending_deletes in std::mem::take(&mut self.pending_deletes) {
            let path = match pending_deletes {
                PendingDelete::Log(name) => self.logs.join(name),
                // The same may have come in again in the same turn, or be kept for another reason.
                PendingDelete::Source(name) if store.keeps_file(&name).unwrap_or(true) => continue,
                PendingDelete::Source(name) => self.sources.join(name),
            };
            match fs::remove_file(&path) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    log::warn!("{}: {error}", path.display());
                }
                _ => {}
            }
        }
    }

    fn delete_expired_builds(
        &mut self,
        store: &mut Store,
        totals: Totals,
        now: Now,
    ) -> store::Result<Option<u64>> {
        let pass = &mut self.of_builds;
        if pass.rest_ms > now.mono_ms {
            return Ok(Some(pass.rest_ms));
        }
        let over = totals.builds.saturating_sub(self.limits.builds);
        // One after another, until their logs have room.
        let over = over.max(u64::from(totals.log_bytes > self.limits.log_bytes));
        let before = now.unix_ms.saturating_sub(self.limits.age_ms);
        let past = store.past_builds(pass.after, over, before, SCAN_LIMITS)?;
        for build in &past.free {
            store.forget_build(*build)?;
            let name = format!("{build}.log");
            self.pending_deletes
                .push(PendingDelete::Log(format!("{name}.part")));
            self.pending_deletes.push(PendingDelete::Log(name));
        }
        Ok(pass.goes_on(past, now.mono_ms))
    }

    fn delete_expired_sources(
        &mut self,
        store: &mut Store,
        totals: Totals,
        now: Now,
    ) -> store::Result<Option<u64>> {
        let pass = &mut self.of_sources;
        let over = totals.source_bytes.saturating_sub(self.limits.source_bytes);
        let over = over.max(self.shortage_bytes.min(totals.source_bytes));
        if over == 0 {
            *pass = Scan::default();
            return Ok(None);
        }
        if pass.rest_ms > now.mono_ms {
            return Ok(Some(pass.rest_ms));
        }
        let past = store.idle_sources(&pass.after, over, SCAN_LIMITS)?;
        for hash in &past.free {
            let name = store.drop_source(hash)?;
            self.pending_deletes.push(PendingDelete::Source(name));
        }
        Ok(pass.goes_on(past, now.mono_ms))
    }

    fn delete_expired_dependencies(
        &mut self,
        store: &mut Store,
        totals: Totals,
    ) -> store::Result<Option<u64>> {
        let kept = self.limits.dependency_bytes;
        let over = totals.dependency_bytes.saturating_sub(kept);
        // While something runs, its file may be on its way into a container.
        let shortage = if self.idle { self.shortage_bytes } else { 0 };
        let over = over.max(shortage.min(totals.dependency_bytes));
        if over == 0 {
            return Ok(None);
        }
        let names = store.drop_dependencies(over, DELETE_LIMIT_COUNT)?;
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
        let gone = store.forget_durations(over.min(DELETE_LIMIT_COUNT as u64))?;
        Ok((gone > 0).then_some(0))
    }

    /// Logs that a crash left: of builds whose rows are gone, and half of what was being put in order.
    fn delete_stray_logs(&mut self, store: &Store) -> store::Result<Option<u64>> {
        let Some(left) = &mut self.left else {
            return Ok(None);
        };
        let mut looks = 0;
        for entry in left.by_ref().take(SCAN_LIMIT_COUNT) {
            looks += 1;
            let name = match &entry {
                Ok(entry) => entry.file_name(),
                Err(error) => {
                    log::warn!("{}: {error}", self.logs.display());
                    self.left = None;
                    return Ok(None);
                }
            };
            let Some(name) = name.to_str() else { continue };
            let (whole, part) = match name.strip_suffix(".part") {
                Some(whole) => (whole, true),
                None => (name, false),
            };
            // What is no log of ours is nothing to us.
            let Some(build) = build_of(whole) else {
                continue;
            };
            if part || !store.is_build(build)? {
                self.pending_deletes
                    .push(PendingDelete::Log(name.to_string()));
            }
        }
        if looks < SCAN_LIMIT_COUNT {
            self.left = None;
        }
        Ok(self.left.is_some().then_some(0))
    }
}

/// The build whose log has that name.
fn build_of(name: &str) -> Option<i64> {
    let digits = name.strip_suffix(".log")?;
    let plain = digits.bytes().all(|b| b.is_ascii_digit());
    digits.parse().ok().filter(|_| plain)
}
