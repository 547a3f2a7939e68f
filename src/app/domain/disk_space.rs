//! Whether the disk has space for anything new.
//!
//! ```text
//!            below the floor, or a write met the end of the disk
//!     ok ----------------------------------------------------------> low
//!         <---------------------------------------------------------
//!            above the floor and a margin
//! ```
//!
//! While the disk is low, nothing that needs more of it is started. The space that is left is for running builds,
//! which still write their logs and verdicts.

use std::io::{Error, ErrorKind};

use crate::app::domain::limits::{
    DISK_FLOOR_BYTES, DISK_FLOOR_PERCENT, DISK_MARGIN_PERCENT, DISK_PAUSE_MS, DISK_RETRY_AFTER_S,
};
use crate::interface::event::DiskUsage;
use crate::interface::message::Response;

#[derive(Debug)]
pub struct DiskSpace {
    /// The setting; without it the floor depends on the size of the disk.
    configured_floor_bytes: Option<u64>,
    /// None before the first disk check.
    pub usage: Option<DiskUsage>,
    pub is_low: bool,
    /// The time of the latest disk check, or of the latest one that was due and did not happen.
    checked_ms: u64,
}

/// True for an error that means that the disk, or a quota on it, is full.
pub fn is_full(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded
    )
}

/// A 507 response for a request that brings more than fits.
pub fn insufficient(sentence: &str) -> Response {
    let response = Response::error(507, sentence);
    response.with("Retry-After", DISK_RETRY_AFTER_S.to_string())
}

impl DiskSpace {
    pub fn new(configured_floor_bytes: Option<u64>) -> DiskSpace {
        DiskSpace {
            configured_floor_bytes,
            usage: None,
            is_low: false,
            checked_ms: 0,
        }
    }

    /// The free space below which the disk is low. Unknown before the first disk check, unless configured.
    pub fn floor_bytes(&self) -> Option<u64> {
        let default_for =
            |usage: DiskUsage| (usage.total_bytes / 100 * DISK_FLOOR_PERCENT).min(DISK_FLOOR_BYTES);
        self.configured_floor_bytes
            .or_else(|| self.usage.map(default_for))
    }

    /// Takes the result of a disk check.
    pub fn update(&mut self, usage: DiskUsage, now_ms: u64) {
        self.checked_ms = now_ms;
        self.usage = Some(usage);
        let required = match self.is_low {
            true => self.recovery_bytes(),
            false => self.floor_bytes().unwrap_or(0),
        };
        let low = usage.free_bytes < required || (self.is_low && usage.free_bytes == 0);
        let free_mib = usage.free_bytes >> 20;
        match (std::mem::replace(&mut self.is_low, low), low) {
            (false, true) => {
                log::error!("disk space is low ({free_mib} MiB free): nothing new starts")
            }
            (true, false) => log::info!("disk space is sufficient again ({free_mib} MiB free)"),
            _ => {}
        }
    }

    /// The free space at which a low disk recovers. Without the margin, builds that end and builds that start would
    /// make the state flap at the floor.
    fn recovery_bytes(&self) -> u64 {
        let floor = self.floor_bytes().unwrap_or(0);
        floor.saturating_add(floor / 100 * DISK_MARGIN_PERCENT)
    }

    /// The space missing until recovery as of the latest disk check; 0 while the disk is not low.
    pub fn shortage_bytes(&self) -> u64 {
        let free = self.usage.map_or(u64::MAX, |usage| usage.free_bytes);
        let missing = self.recovery_bytes().saturating_sub(free);
        if self.is_low { missing } else { 0 }
    }

    /// Counts bytes written since the latest disk check, so that the next one need not come first.
    pub fn note_written(&mut self, bytes: u64, now_ms: u64) {
        // Writing frees no space: a low disk stays low until the next check.
        let Some(usage) = self.usage.filter(|_| !self.is_low) else {
            return;
        };
        let free_bytes = usage.free_bytes.saturating_sub(bytes);
        let checked_ms = self.checked_ms;
        self.update(
            DiskUsage {
                free_bytes,
                ..usage
            },
            now_ms,
        );
        self.checked_ms = checked_ms;
    }

    /// A write failed for lack of space: the disk is low, whatever the latest check said.
    pub fn note_full(&mut self, now_ms: u64) {
        self.checked_ms = now_ms;
        if !std::mem::replace(&mut self.is_low, true) {
            log::error!("the disk is full: nothing new starts");
        }
    }

    /// Postpones a disk check that is due: the shell checks before this event, or could not.
    pub fn on_time(&mut self, now_ms: u64) {
        if self.next_check_ms().is_some_and(|at| at <= now_ms) {
            self.checked_ms = now_ms;
        }
    }

    /// The time of the next disk check on behalf of waiting work; none while the disk is not low.
    pub fn next_check_ms(&self) -> Option<u64> {
        self.is_low.then_some(self.checked_ms + DISK_PAUSE_MS)
    }

    /// The response to any submission while the disk is low.
    pub fn refusal(&self) -> Option<Response> {
        self.is_low
            .then(|| insufficient("the disk is nearly full: nothing was stored; try again later"))
    }
}
