//! How much room there is on the disk that holds the data, and a little of it kept for bad times.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::FallocateFlags;

use crate::interface::event::DiskUsage;
use crate::shell::limits::{DISK_CHECK_MS, DISK_RESERVE_BYTES};

/// Looked at in turns that come anyway, and not in each: whoever is idle looks at nothing.
#[derive(Debug)]
pub struct Disk {
    data: PathBuf,
    looked_ms: Option<u64>,
    /// The system does not tell, and that was said.
    silent: bool,
    reserved: bool,
}

impl Disk {
    /// The disk that `data` is on.
    pub fn of(data: &Path) -> Disk {
        Disk {
            data: data.to_path_buf(),
            looked_ms: None,
            silent: false,
            reserved: false,
        }
    }

    /// The room there is, unless the last look was a moment ago.
    pub fn look(&mut self, now_ms: u64) -> Option<DiskUsage> {
        let is_old = |at: u64| now_ms >= at + DISK_CHECK_MS;
        if !self.looked_ms.is_none_or(is_old) {
            return None;
        }
        self.looked_ms = Some(now_ms);
        match rustix::fs::statvfs(&self.data) {
            Ok(stat) => {
                self.silent = false;
                // Without what is kept for root.
                let free_bytes = stat.f_bavail.saturating_mul(stat.f_frsize);
                if !self.reserved && free_bytes >= 4 * DISK_RESERVE_BYTES {
                    self.reserved = true;
                    // Where the file system knows no such thing there is none.
                    let _ = reserve(&self.data);
                }
                Some(DiskUsage {
                    free_bytes,
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

fn place(data: &Path) -> PathBuf {
    data.join("reserve")
}

/// Takes room of the disk into a file of its own.
fn reserve(data: &Path) -> io::Result<()> {
    let path = place(data);
    let file = File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)?;
    let taken = rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, DISK_RESERVE_BYTES);
    taken.map_err(|error| {
        let _ = fs::remove_file(&path);
        error.into()
    })
}

/// Gives the reserve back to the disk: whoever cannot write the database ends, and the next start
/// may need it to go on.
pub fn give_up_reserve(data: &Path) {
    // Where there is none, none was made.
    let _ = fs::remove_file(place(data));
}
