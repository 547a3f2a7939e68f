//! One source on its way to disk: counted, hashed, named by its hash when whole; and the framed
//! files they come in.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::app::source::archive::Format;
use crate::app::source::limits::FRAME_HEAD_LIMIT_BYTES;

/// A file that is being received. Dropped before it was kept, it leaves nothing behind.
#[derive(Debug)]
pub struct Incoming {
    part: PathBuf,
    file: File,
    hash: Sha256,
    bytes: u64,
    limit_bytes: u64,
}

/// Why bytes were not taken.
#[derive(Debug)]
pub enum Refused {
    TooLarge { limit_bytes: u64 },
    Disk(io::Error),
}

impl std::fmt::Display for Refused {
    fn fmt(&self, out: &mut std::fmt::Formatter) -> std::fmt::Result {
        match self {
            Refused::TooLarge { limit_bytes } => write!(out, "it is over {limit_bytes} bytes"),
            Refused::Disk(error) => error.fmt(out),
        }
    }
}

impl Incoming {
    /// An empty file `name` in `directory`; an older one of that name is gone.
    pub fn create(directory: &Path, name: &str, limit_bytes: u64) -> io::Result<Incoming> {
        let part = directory.join(name);
        Ok(Incoming {
            file: File::create(&part)?,
            part,
            hash: Sha256::new(),
            bytes: 0,
            limit_bytes,
        })
    }

    /// Takes all of `bytes` or refuses. After a refusal the file is of no use: drop it.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Refused> {
        let limit_bytes = self.limit_bytes;
        if self.bytes + bytes.len() as u64 > limit_bytes {
            return Err(Refused::TooLarge { limit_bytes });
        }
        self.file.write_all(bytes).map_err(Refused::Disk)?;
        self.hash.update(bytes);
        self.bytes += bytes.len() as u64;
        Ok(())
    }

    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Where the bytes are until they are kept: to be read by a check of them.
    pub fn path(&self) -> &Path {
        &self.part
    }

    /// The sha256 of what was written so far, in hex, and how much that is.
    pub fn finish(&self) -> (String, u64) {
        let digest = self.hash.clone().finalize();
        (HEXLOWER.encode(&digest), self.bytes)
    }

    /// Names the file by its hash, in `directory` of the same disk. It takes the place of one of that
    /// name, which may be damaged; a job that reads that one reads on.
    pub fn keep(self, directory: &Path, format: Format) -> io::Result<PathBuf> {
        let (hash, _) = self.finish();
        let kept = directory.join(format!("{hash}.{}", format.as_str()));
        // Not synced to the disk, which could take a second: whoever reads it compares its hash.
        fs::rename(&self.part, &kept)?;
        Ok(kept)
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        // Renamed away, it is not there; else there is nobody to tell.
        let _ = fs::remove_file(&self.part);
    }
}

/// Removes what is not a known source: parts of an earlier run, and files whose row was never
/// committed.
pub fn remove_strays(sources: &Path, known: &[String]) -> io::Result<()> {
    let known: HashSet<&str> = known.iter().map(String::as_str).collect();
    for entry in fs::read_dir(sources)? {
        let entry = entry?;
        let name = entry.file_name();
        if !name.to_str().is_some_and(|name| known.contains(name)) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// A reader of one framed file: a line of JSON that says `bytes` and `sha256`, then the bytes.
/// Every error is a reason in words, and final.
#[derive(Debug)]
pub struct Framed {
    limit_bytes: u64,
    /// The head line, as far as it is here.
    line: Vec<u8>,
    head: Option<Value>,
    sha256: String,
    left_bytes: u64,
}

impl Framed {
    /// A body may have `limit_bytes`.
    pub fn new(limit_bytes: u64) -> Framed {
        Framed {
            limit_bytes,
            line: Vec::new(),
            head: None,
            sha256: String::new(),
            left_bytes: 0,
        }
    }

    /// Takes the next bytes of the file and returns those of them that are body.
    pub fn feed<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], String> {
        let body = match self.head {
            Some(_) => bytes,
            None => self.read_head(bytes)?,
        };
        let left = self.left_bytes.checked_sub(body.len() as u64);
        self.left_bytes = left.ok_or("There is more behind the body than its head says.")?;
        Ok(body)
    }

    /// The head, once its line is whole.
    pub fn head(&self) -> Option<&Value> {
        self.head.as_ref()
    }

    /// At the end of the file: the head, if the body was whole and `sha256` is its hash.
    pub fn finish(self, sha256: &str) -> Result<Value, String> {
        let head = self.head.ok_or("It ended within its head line.")?;
        if self.left_bytes > 0 {
            return Err(format!("It ended {} bytes too early.", self.left_bytes));
        }
        if self.sha256 != sha256 {
            return Err("The body is not the one its head names: its sha256 differs.".to_string());
        }
        Ok(head)
    }

    /// Collects the head line; what stands behind it is returned.
    fn read_head<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], String> {
        let end = bytes.iter().position(|byte| *byte == b'\n');
        let line = &bytes[..end.unwrap_or(bytes.len())];
        if self.line.len() + line.len() > FRAME_HEAD_LIMIT_BYTES {
            return Err(format!(
                "The head line is longer than {FRAME_HEAD_LIMIT_BYTES} bytes."
            ));
        }
        self.line.extend_from_slice(line);
        let Some(end) = end else { return Ok(&[]) };
        let head: Value = serde_json::from_slice(&self.line)
            .map_err(|error| format!("The head line is not JSON: {error}."))?;
        self.left_bytes = head["bytes"]
            .as_u64()
            .ok_or("The head does not say how many `bytes` follow.")?;
        if self.left_bytes > self.limit_bytes {
            return Err(format!(
                "The body has {} bytes, {} are allowed.",
                self.left_bytes, self.limit_bytes
            ));
        }
        let sha256 = head["sha256"]
            .as_str()
            .ok_or("The head does not say the `sha256` of the body.")?;
        self.sha256 = sha256.to_string();
        self.head = Some(head);
        Ok(&bytes[end + 1..])
    }
}
