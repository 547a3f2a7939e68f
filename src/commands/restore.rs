//! `zigcheck restore`: puts a backup in place of a data directory, whose server does not run.
//!
//! All of the backup is examined before anything is replaced. What was there is moved aside, not deleted. If that is
//! cut off in the middle, the same command once more ends it: the database comes last.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::Path;

use crate::app::store::backup;
use crate::commands::backup::{named, stamp, sync};
use crate::commands::checksums;
use crate::interface::event::Now;
use crate::shell::disk;

/// What a data directory consists of, in the order in which it is replaced.
const PARTS: [&str; 5] = [
    "logs",
    "sources",
    "zigcheck.db-wal",
    "zigcheck.db-shm",
    "zigcheck.db",
];

/// Restores the backup `from`. Gives a sentence for people.
pub fn run(data: &Path, from: &Path, now: Now) -> Result<String, String> {
    let names = checksums::verified(from)?;
    if !names.iter().any(|name| name == "zigcheck.db") {
        return Err(format!("{}: it has no database", from.display()));
    }
    let db = from.join("zigcheck.db");
    backup::examine(&db).map_err(|error| format!("{}: {error}", db.display()))?;

    fs::create_dir_all(data).map_err(named(data))?;
    let _lock = disk::lock(data).map_err(|error| format!("--data {}: {error}", data.display()))?;
    let part = data.join("restore.part");
    if part.exists() {
        fs::remove_dir_all(&part).map_err(named(&part))?;
    }
    for dir in [part.clone(), part.join("logs"), part.join("sources")] {
        fs::create_dir(&dir).map_err(named(&dir))?;
        own_as(data, &dir)?;
    }
    for name in &names {
        let (from, to) = (from.join(name), part.join(name));
        fs::copy(&from, &to).map_err(named(&to))?;
        let synced = File::open(&to).and_then(|file| file.sync_all());
        synced.map_err(named(&to))?;
        own_as(data, &to)?;
    }
    for dir in [part.join("logs"), part.join("sources"), part.clone()] {
        sync(&dir)?;
    }
    let aside = data.join(format!("replaced-{}", stamp(now)));
    let was_there = replace(data, &part, &aside)?;
    let files = names.len() - 1;
    let mut sentence = format!("{}: the database and {files} files", data.display());
    if was_there {
        sentence += &format!("; what was there is in {}", aside.display());
    }
    Ok(sentence)
}

/// Moves what is in `data` to `aside`, and what is in `part` to `data`. True if anything was there.
fn replace(data: &Path, part: &Path, aside: &Path) -> Result<bool, String> {
    let mut was_there = false;
    for name in PARTS {
        let (old, new) = (data.join(name), part.join(name));
        if old.exists() {
            if !was_there {
                fs::create_dir_all(aside).map_err(named(aside))?;
                was_there = true;
            }
            fs::rename(&old, aside.join(name)).map_err(named(&old))?;
        }
        if new.exists() {
            fs::rename(&new, &old).map_err(named(&old))?;
        }
        sync(data)?;
    }
    fs::remove_dir(part).map_err(named(part))?;
    Ok(was_there)
}

/// Gives what root has written to the owner of the data directory.
pub fn own_as(data: &Path, path: &Path) -> Result<(), String> {
    let owner = fs::metadata(data).map_err(named(data))?;
    match chown(path, Some(owner.uid()), Some(owner.gid())) {
        // Everybody else writes as that owner already.
        Err(error) if error.kind() != io::ErrorKind::PermissionDenied => Err(named(path)(error)),
        _ => Ok(()),
    }
}
