//! How much room there is on the disk that holds the data.

use std::path::{Path, PathBuf};

use crate::config::DISK_LOOK_MS;
use crate::event::Room;

/// Looked at in turns that come anyway, and not in each: whoever is idle looks at nothing.
#[derive(Debug)]
pub struct Disk {
    data: PathBuf,
    looked_ms: Option<u64>,
    /// The system does not tell, and that was said.
    silent: bool,
}

impl Disk {
    /// The disk that `data` is on.
    pub fn of(data: &Path) -> Disk {
        Disk {
            data: data.to_path_buf(),
            looked_ms: None,
            silent: false,
        }
    }

    /// The room there is, unless the last look was a moment ago.
    pub fn look(&mut self, now_ms: u64) -> Option<Room> {
        let is_old = |at: u64| now_ms >= at + DISK_LOOK_MS;
        if !self.looked_ms.is_none_or(is_old) {
            return None;
        }
        self.looked_ms = Some(now_ms);
        match rustix::fs::statvfs(&self.data) {
            Ok(stat) => {
                self.silent = false;
                Some(Room {
                    // Without what is kept for root.
                    free_bytes: stat.f_bavail.saturating_mul(stat.f_frsize),
                    total_bytes: stat.f_blocks.saturating_mul(stat.f_frsize),
                })
            }
            Err(error) => {
                if !std::mem::replace(&mut self.silent, true) {
                    log::warn!("{}: how full is it? {error}", self.data.display());
                }
                None
            }
        }
    }
}
