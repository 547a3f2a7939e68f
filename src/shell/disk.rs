//! The data directory: its lock, the free space of its disk, and a reserve file for the moment when the disk is full.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use rustix::fs::FallocateFlags;

use crate::interface::event::DiskUsage;
use crate::shell::limits::{DISK_CHECK_MS, DISK_RESERVE_BYTES};

/// Makes a directory, if it is missing, that only this user may enter.
pub fn make_private_directory(path: &Path) -> io::Result<()> {
    let mut directory = fs::DirBuilder::new();
    directory.recursive(true).mode(0o700).create(path)
}

/// Measured in turns that come anyway, once in `DISK_CHECK_MS` at most: an idle server measures nothing.
#[derive(Debug)]
pub struct Disk {
    data: PathBuf,
    measured_ms: Option<u64>,
    /// The last measurement failed, and a warning was logged.
    failed: bool,
    reserved: bool,
}

impl Disk {
    /// The disk that `data` is on.
    pub fn of(data: &Path) -> Disk {
        Disk {
            data: data.to_path_buf(),
            measured_ms: None,
            failed: false,
            reserved: false,
        }
    }

    /// The disk's usage; none within `DISK_CHECK_MS` of the last measurement, or where it failed.
    pub fn measure(&mut self, now_ms: u64) -> Option<DiskUsage> {
        let is_due = |at: u64| now_ms >= at + DISK_CHECK_MS;
        if !self.measured_ms.is_none_or(is_due) {
            return None;
        }
        self.measured_ms = Some(now_ms);
        match space(&self.data) {
            Ok(Space { usage, .. }) => {
                self.failed = false;
                if !self.reserved && usage.free_bytes >= 4 * DISK_RESERVE_BYTES {
                    self.reserved = true;
                    // Fails on a file system without fallocate. Then there is no reserve.
                    let _ = reserve(&self.data);
                }
                Some(usage)
            }
            Err(error) => {
                if !std::mem::replace(&mut self.failed, true) {
                    log::warn!(
                        "cannot measure the disk of {}: {error}",
                        self.data.display()
                    );
                }
                None
            }
        }
    }
}

/// The space on a disk, and the files that it has space for.
#[derive(Debug, Clone, Copy)]
pub struct Space {
    pub usage: DiskUsage,
    pub free_files: u64,
    /// 0: the file system has no such limit.
    pub all_files: u64,
}

/// The space on the disk of that directory.
pub fn space(data: &Path) -> io::Result<Space> {
    let stat = rustix::fs::statvfs(data)?;
    Ok(Space {
        usage: DiskUsage {
            // Without the blocks that are kept for root.
            free_bytes: stat.f_bavail.saturating_mul(stat.f_frsize),
            total_bytes: stat.f_blocks.saturating_mul(stat.f_frsize),
        },
        free_files: stat.f_favail,
        all_files: stat.f_files,
    })
}

/// Locks the data directory for as long as the program runs: two servers on one directory would build everything twice
/// and remove each other's containers.
pub fn lock(data: &Path) -> Result<File, String> {
    let dir = File::open(data).map_err(|e| e.to_string())?;
    match dir.try_lock() {
        Ok(()) => Ok(dir),
        Err(_) => Err("another zigcheck is using it".to_string()),
    }
}

fn reserve_path(data: &Path) -> PathBuf {
    data.join("reserve")
}

/// Allocates the reserve file.
fn reserve(data: &Path) -> io::Result<()> {
    let path = reserve_path(data);
    let file = File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)?;
    let allocated = rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, DISK_RESERVE_BYTES);
    allocated.map_err(|error| {
        let _ = fs::remove_file(&path);
        error.into()
    })
}

/// Removes the reserve file. A server that cannot write its database ends; its next start may need the space.
pub fn give_up_reserve(data: &Path) {
    // Fails where there is no reserve.
    let _ = fs::remove_file(reserve_path(data));
}
