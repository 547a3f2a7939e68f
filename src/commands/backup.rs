//! `zigcheck backup`: copies a data directory while its server runs.
//!
//! The database is copied as it is at one moment; the files are those that this copy refers to. They never change, so a
//! directory on the same file system has links to them and costs the database alone. A backup is whole or not there: it
//! has its name once everything is on the disk.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use crate::app::store::backup;
use crate::commands::checksums;
use crate::interface::event::Now;

/// Copies of the database until one is found with all of its files: the server deletes some now and then.
const TRIES: usize = 3;

/// Makes a backup in the directory `to` and, where `keep` says so, removes all but the newest ones. Gives a sentence
/// for people.
pub fn run(data: &Path, to: &Path, keep: Option<usize>, now: Now) -> Result<String, String> {
    let db = data.join("zigcheck.db");
    if !db.exists() {
        return Err(format!("{}: there is no database", db.display()));
    }
    fs::create_dir_all(to).map_err(named(to))?;
    let lock = File::open(to).map_err(named(to))?;
    if lock.try_lock().is_err() {
        return Err(format!("{}: another backup is being made", to.display()));
    }
    let name = format!("zigcheck-{}", stamp(now));
    let (whole, part) = (to.join(&name), to.join("backup.part"));
    if whole.exists() {
        return Err(format!("{}: it is there already", whole.display()));
    }
    // That of a run that was cut off.
    remove(&part)?;
    let made = fill(data, &db, &part);
    let count = made.inspect_err(|_| drop(fs::remove_dir_all(&part)))?;
    fs::rename(&part, &whole).map_err(named(&whole))?;
    sync(to)?;
    if let Some(keep) = keep {
        remove_oldest(to, keep)?;
    }
    Ok(format!(
        "{}: the database and {count} files",
        whole.display()
    ))
}

/// Fills the directory `part`, and gives the number of files beside the database.
fn fill(data: &Path, db: &Path, part: &Path) -> Result<usize, String> {
    for _ in 0..TRIES {
        remove(part)?;
        for dir in [part.to_path_buf(), part.join("logs"), part.join("sources")] {
            fs::create_dir(&dir).map_err(named(&dir))?;
        }
        let copy = part.join("zigcheck.db");
        backup::copy(db, &copy)?;
        let mut names = vec!["zigcheck.db".to_string()];
        for log in backup::ended_logs(&copy)? {
            // Old logs are deleted, and a build that never started has none.
            if take(data, part, &format!("logs/{log}"))? {
                names.push(format!("logs/{log}"));
            }
        }
        let files = backup::kept_files(&copy)?;
        let files: Vec<String> = files.iter().map(|file| format!("sources/{file}")).collect();
        let mut is_whole = true;
        for file in &files {
            is_whole &= take(data, part, file)?;
        }
        if is_whole {
            names.extend(files);
            checksums::write(part, &names)?;
            for dir in [part.join("logs"), part.join("sources"), part.to_path_buf()] {
                sync(&dir)?;
            }
            return Ok(names.len() - 1);
        }
    }
    Err(format!(
        "{}: files that the database refers to are missing in sources/",
        data.display()
    ))
}

/// Links that file or, on another file system, copies it. False if it is not there.
fn take(data: &Path, part: &Path, name: &str) -> Result<bool, String> {
    let (from, to) = (data.join(name), part.join(name));
    match fs::hard_link(&from, &to) {
        Ok(()) => return Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(_) => {}
    }
    match fs::copy(&from, &to) {
        Ok(_) => File::open(&to)
            .and_then(|file| file.sync_all())
            .map_err(named(&to))?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(named(&to)(error)),
    }
    Ok(true)
}

/// Removes all backups of that directory but the newest ones.
fn remove_oldest(to: &Path, keep: usize) -> Result<(), String> {
    let mut backups: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(to).map_err(named(to))? {
        let entry = entry.map_err(named(to))?;
        if entry.file_name().to_str().is_some_and(is_backup) {
            backups.push(entry.path());
        }
    }
    backups.sort();
    let over = backups.len().saturating_sub(keep);
    backups[..over].iter().try_for_each(|old| remove(old))
}

/// True of the names that `run` gives.
fn is_backup(name: &str) -> bool {
    let stamp = name.strip_prefix("zigcheck-").unwrap_or("");
    stamp.len() == "20260301T120000Z".len()
        && stamp.starts_with(|first: char| first.is_ascii_digit())
}

/// When the backup of that name was made; none of other names.
fn made_unix_ms(name: &str) -> Option<i64> {
    let stamp = name.strip_prefix("zigcheck-").filter(|_| is_backup(name))?;
    // As `stamp` writes it, with the characters that it leaves out.
    let parts = (stamp.get(..4)?, stamp.get(4..6)?, stamp.get(6..8)?);
    let time = (stamp.get(9..11)?, stamp.get(11..13)?, stamp.get(13..15)?);
    let ((year, month, day), (hour, minute, second)) = (parts, time);
    let text = format!("{year}-{month}-{day}T{hour}:{minute}:{second}Z");
    let since_1970 = humantime::parse_rfc3339(&text)
        .ok()?
        .duration_since(UNIX_EPOCH);
    i64::try_from(since_1970.ok()?.as_millis()).ok()
}

/// When the newest backup in that directory was made; none: there is none.
pub fn newest_unix_ms(dir: &Path) -> Result<Option<i64>, String> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        entries => entries.map_err(named(dir))?,
    };
    let times = entries.map_while(Result::ok);
    let times = times.filter_map(|entry| made_unix_ms(entry.file_name().to_str()?));
    Ok(times.max())
}

/// That moment without characters that a file system or a shell might not take, as `20260301T120000Z`.
pub fn stamp(now: Now) -> String {
    let since_1970 = Duration::from_millis(u64::try_from(now.unix_ms).unwrap_or(0));
    let text = humantime::format_rfc3339_seconds(UNIX_EPOCH + since_1970).to_string();
    text.replace(['-', ':'], "")
}

fn remove(dir: &Path) -> Result<(), String> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(named(dir)(error)),
        _ => Ok(()),
    }
}

/// The names in that directory are on the disk.
pub fn sync(dir: &Path) -> Result<(), String> {
    let synced = File::open(dir).and_then(|dir| dir.sync_all());
    synced.map_err(named(dir))
}

/// An error of that path, for people.
pub fn named(path: &Path) -> impl Fn(io::Error) -> String {
    move |error| format!("{}: {error}", path.display())
}
