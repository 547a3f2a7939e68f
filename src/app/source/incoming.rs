//! A source being received into a file: counted, hashed, and named by its hash once complete.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use crate::app::source::unpack::Format;

/// A file that is being received. It is removed on drop unless it was kept.
#[derive(Debug)]
pub struct IncomingFile {
    part: PathBuf,
    file: File,
    hash: Sha256,
    pub bytes: u64,
    limit_bytes: u64,
}

/// Why bytes were not written.
#[derive(Debug)]
pub enum WriteError {
    TooLarge { limit_bytes: u64 },
    Disk(io::Error),
}

impl std::fmt::Display for WriteError {
    fn fmt(&self, out: &mut std::fmt::Formatter) -> std::fmt::Result {
        match self {
            WriteError::TooLarge { limit_bytes } => write!(out, "it is over {limit_bytes} bytes"),
            WriteError::Disk(error) => error.fmt(out),
        }
    }
}

impl IncomingFile {
    /// An empty file `name` in `directory`, in place of any older one.
    pub fn create(directory: &Path, name: &str, limit_bytes: u64) -> io::Result<IncomingFile> {
        let part = directory.join(name);
        Ok(IncomingFile {
            file: File::create(&part)?,
            part,
            hash: Sha256::new(),
            bytes: 0,
            limit_bytes,
        })
    }

    /// Writes all of `bytes`. After an error the file is useless: drop it.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), WriteError> {
        let limit_bytes = self.limit_bytes;
        if self.bytes + bytes.len() as u64 > limit_bytes {
            return Err(WriteError::TooLarge { limit_bytes });
        }
        self.file.write_all(bytes).map_err(WriteError::Disk)?;
        self.hash.update(bytes);
        self.bytes += bytes.len() as u64;
        Ok(())
    }

    /// The path of the file until it is kept; an inspection reads it there.
    pub fn path(&self) -> &Path {
        &self.part
    }

    /// The sha256 in hex, and the number, of the bytes written so far.
    pub fn digest(&self) -> (String, u64) {
        let digest = self.hash.clone().finalize();
        (HEXLOWER.encode(&digest), self.bytes)
    }

    /// Renames the file to its hash, in a `directory` on the same disk. It replaces any file of that name, which
    /// may be damaged; a job that has that file open can read on.
    pub fn keep(self, directory: &Path, format: Format) -> io::Result<PathBuf> {
        let (hash, _) = self.digest();
        let kept = directory.join(format!("{hash}.{}", format.as_str()));
        // Not synced, which could take a second: each reader compares the hash.
        fs::rename(&self.part, &kept)?;
        Ok(kept)
    }
}

impl Drop for IncomingFile {
    fn drop(&mut self) {
        // After `keep` it is not there; another error cannot be reported.
        let _ = fs::remove_file(&self.part);
    }
}

/// Removes files that are no source that is kept: incomplete ones of an earlier run, and those whose row was never
/// committed.
pub fn remove_strays(sources: &Path, keeps: impl Fn(&str) -> bool) -> io::Result<()> {
    for entry in fs::read_dir(sources)? {
        let entry = entry?;
        if !entry.file_name().to_str().is_some_and(&keeps) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}
