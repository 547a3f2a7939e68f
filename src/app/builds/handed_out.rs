//! What a runner hands out for the next build of its package: a line of JSON on its standard output, and the bytes that
//! the line announces.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::app::builds::limits::KEPT_CACHE_LIMIT_BYTES;
use crate::app::source::incoming::IncomingFile;

/// Takes one body, whose head has the nonce of the attempt, and drops others.
#[derive(Debug, Default)]
pub struct HandedOut {
    /// The nonce of the attempt; empty: no head is believed.
    nonce: String,
    /// The file that the body goes to; none: it is read and dropped.
    place: Option<(PathBuf, String)>,
    left_bytes: u64,
    sha256: String,
    file: Option<IncomingFile>,
}

impl HandedOut {
    /// Reads what the attempt with that nonce hands out, to the file `name` in `directory`.
    pub fn to_file(nonce: &str, directory: &Path, name: &str) -> HandedOut {
        HandedOut {
            place: Some((directory.to_path_buf(), name.to_string())),
            ..HandedOut::dropped(nonce)
        }
    }

    /// Reads what the attempt with that nonce hands out, and keeps nothing.
    pub fn dropped(nonce: &str) -> HandedOut {
        HandedOut {
            nonce: nonce.to_string(),
            ..HandedOut::default()
        }
    }

    /// True if a line is of this attempt. What the package writes has no nonce.
    pub fn is_own(&self, line: &Value) -> bool {
        !self.nonce.is_empty() && line["nonce"] == *self.nonce
    }

    /// Takes the head of a body; false if it is none.
    pub fn begin(&mut self, head: &Value) -> bool {
        let bytes = head["bytes"].as_u64().unwrap_or(0);
        if !self.is_own(head) || !(1..=KEPT_CACHE_LIMIT_BYTES).contains(&bytes) {
            return false;
        }
        self.left_bytes = bytes;
        self.sha256 = head["sha256"].as_str().unwrap_or_default().to_string();
        // A file that cannot be made costs the next build some seconds.
        self.file = self.place.take().and_then(|(directory, name)| {
            IncomingFile::create(&directory, &name, KEPT_CACHE_LIMIT_BYTES).ok()
        });
        true
    }

    /// Takes what belongs to the body from the front of `bytes`; returns the rest.
    pub fn feed<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let left = usize::try_from(self.left_bytes).unwrap_or(usize::MAX);
        let (body, rest) = bytes.split_at(left.min(bytes.len()));
        self.left_bytes -= body.len() as u64;
        if let Some(file) = &mut self.file
            && file.write(body).is_err()
        {
            self.file = None;
        }
        rest
    }

    /// The file, if the body is complete and the one that its head names.
    pub fn take(&mut self) -> Option<IncomingFile> {
        let file = self.file.take().filter(|_| self.left_bytes == 0)?;
        (file.digest().0 == self.sha256).then_some(file)
    }
}
