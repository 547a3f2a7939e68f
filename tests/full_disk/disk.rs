//! A disk of some megabytes: a file with a file system in it, mounted for as long as a test runs.

use std::fs::{self, File};
use std::io::{Error, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::common::server::scratch;

pub struct Disk {
    image: PathBuf,
    place: PathBuf,
}

impl Disk {
    /// An empty one, in blocks of that many bytes; what an earlier run has left of that name is gone.
    pub fn mount(name: &str, mib: u64, block: usize) -> Disk {
        assert!(
            rustix::process::geteuid().is_root(),
            "mounting a disk of its own takes root"
        );
        let disk = Disk {
            image: scratch(&format!("{name}.img")),
            place: scratch(&format!("{name}.mount")),
        };
        disk.unmount();
        fs::create_dir_all(&disk.place).expect("a directory");
        let image = File::create(&disk.image).expect("a file");
        image.set_len(mib << 20).expect("a sparse file");
        // Nothing is kept for root: full is full for everybody.
        run(Command::new("mkfs.ext4")
            .args(["-q", "-m", "0", "-b", &block.to_string()])
            .arg(&disk.image));
        run(Command::new("mount")
            .args(["-o", "loop"])
            .args([&disk.image, &disk.place]));
        fs::create_dir(disk.data()).expect("a directory");
        disk
    }

    /// Where a server may have its data.
    pub fn data(&self) -> PathBuf {
        self.place.join("data")
    }

    fn filler(&self) -> PathBuf {
        self.place.join("filler")
    }

    /// Fills the disk to its last byte: the last write of each size fails for want of space.
    pub fn fill(&self) {
        let mut file = match File::options()
            .append(true)
            .create(true)
            .open(self.filler())
        {
            Ok(file) => file,
            // The name may need a block, too.
            Err(error) => return assert_full(&error),
        };
        for size in [1 << 20, 64 << 10, 4 << 10, 512, 1] {
            let bytes = vec![b'x'; size];
            let error = loop {
                if let Err(error) = file.write_all(&bytes) {
                    break error;
                }
            };
            assert_full(&error);
        }
    }

    /// Gives back what `fill` took.
    pub fn free(&self) {
        if let Err(error) = fs::remove_file(self.filler()) {
            assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
        }
    }

    fn unmount(&self) {
        while is_mounted(&self.place) {
            let plain = Command::new("umount").arg(&self.place).output();
            if plain.is_ok_and(|output| output.status.success()) {
                continue;
            }
            // Somebody is still there: it goes when they do.
            run(Command::new("umount").arg("-l").arg(&self.place));
        }
        let _ = fs::remove_file(&self.image);
        let _ = fs::remove_dir(&self.place);
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.unmount();
    }
}

fn assert_full(error: &Error) {
    assert_eq!(error.kind(), ErrorKind::StorageFull, "{error}");
}

fn is_mounted(place: &Path) -> bool {
    let mounts = fs::read_to_string("/proc/self/mounts").expect("the mounts");
    let place = place.display().to_string();
    mounts
        .lines()
        .any(|line| line.split(' ').nth(1) == Some(&place))
}

fn run(command: &mut Command) {
    let output = command.output();
    let output = output.unwrap_or_else(|e| panic!("{command:?}: {e}: this test needs it"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{command:?}: {said}: this test needs it"
    );
}
