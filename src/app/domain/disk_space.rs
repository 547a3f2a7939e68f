//! Is there room on the disk to begin anything?
//!
//! ```text
//!            below the floor, or a write met the end of the disk
//!   roomy ---------------------------------------------------------> low
//!         <--------------------------------------------------------
//!            above the floor and a margin
//! ```
//!
//! While it is low nothing is begun that would need more of it: what is left is for builds that run,
//! whose logs and verdicts are still to be written.

use std::io::{Error, ErrorKind};

use crate::app::domain::limits::{
    DISK_FLOOR_BYTES, DISK_FLOOR_PERCENT, DISK_MARGIN_PERCENT, DISK_PAUSE_MS, DISK_RETRY_AFTER_S,
};
use crate::interface::event::DiskUsage;
use crate::interface::message::Response;

#[derive(Debug)]
pub struct DiskSpace {
    /// As it was set; else it hangs on the size of the disk.
    set_floor_bytes: Option<u64>,
    /// None before the first look.
    usage: Option<DiskUsage>,
    low: bool,
    /// The latest look, or the latest moment at which one was wanted.
    checked_ms: u64,
}

/// True where a disk, or somebody's share of it, has no room left.
pub fn is_full(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded
    )
}

/// The answer to who brings more than there is room for.
pub fn insufficient(sentence: &str) -> Response {
    let response = Response::error(507, sentence);
    response.with("Retry-After", DISK_RETRY_AFTER_S.to_string())
}

impl DiskSpace {
    pub fn new(set_floor_bytes: Option<u64>) -> DiskSpace {
        DiskSpace {
            set_floor_bytes,
            usage: None,
            low: false,
            checked_ms: 0,
        }
    }

    /// Nothing may be begun.
    pub fn is_low(&self) -> bool {
        self.low
    }

    /// As of the latest look.
    pub fn usage(&self) -> Option<DiskUsage> {
        self.usage
    }

    /// Below so much it is low. Known once the disk was looked at.
    pub fn floor_bytes(&self) -> Option<u64> {
        let of_disk =
            |usage: DiskUsage| (usage.total_bytes / 100 * DISK_FLOOR_PERCENT).min(DISK_FLOOR_BYTES);
        self.set_floor_bytes.or_else(|| self.usage.map(of_disk))
    }

    /// The disk was looked at.
    pub fn update(&mut self, usage: DiskUsage, now_ms: u64) {
        self.checked_ms = now_ms;
        self.usage = Some(usage);
        let enough = match self.low {
            true => self.enough_bytes(),
            false => self.floor_bytes().unwrap_or(0),
        };
        let low = usage.free_bytes < enough || (self.low && usage.free_bytes == 0);
        let free_mib = usage.free_bytes >> 20;
        match (std::mem::replace(&mut self.low, low), low) {
            (false, true) => log::error!("{free_mib} MiB of the disk are free: nothing new begins"),
            (true, false) => log::info!("{free_mib} MiB of the disk are free again"),
            _ => {}
        }
    }

    /// So much must be free for it to be roomy again: without a margin what ends and what begins
    /// would take turns at the floor.
    fn enough_bytes(&self) -> u64 {
        let floor = self.floor_bytes().unwrap_or(0);
        floor.saturating_add(floor / 100 * DISK_MARGIN_PERCENT)
    }

    /// While it is low: how much is missing, as of the latest look.
    pub fn shortage_bytes(&self) -> u64 {
        let free = self.usage.map_or(u64::MAX, |usage| usage.free_bytes);
        let missing = self.enough_bytes().saturating_sub(free);
        if self.low { missing } else { 0 }
    }

    /// So much was written since the latest look: before the next one it counts.
    pub fn spend(&mut self, bytes: u64, now_ms: u64) {
        // It makes no room: what is low stays so.
        let Some(usage) = self.usage.filter(|_| !self.low) else {
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

    /// A write met the end of the disk: whatever the latest look said, there is no room.
    pub fn failed(&mut self, now_ms: u64) {
        self.checked_ms = now_ms;
        if !std::mem::replace(&mut self.low, true) {
            log::error!("the disk is full: nothing new begins");
        }
    }

    /// Time has passed: where a look was due and nobody could tell anything, it is due again later.
    pub fn time(&mut self, now_ms: u64) {
        if self.next_check_ms().is_some_and(|at| at <= now_ms) {
            self.checked_ms = now_ms;
        }
    }

    /// While it is low: when who waits for room wants to hear of it.
    pub fn next_check_ms(&self) -> Option<u64> {
        self.low.then_some(self.checked_ms + DISK_PAUSE_MS)
    }

    /// Why nothing new can be taken in, if so.
    pub fn refusal(&self) -> Option<Response> {
        self.low
            .then(|| insufficient("the disk is nearly full: nothing was kept, try again later"))
    }
}
