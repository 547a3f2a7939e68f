//! What the decoders of gzip and zstd share: reads of fixed size, and the sentences for what can be wrong.

use std::fmt::Display;
use std::fs::File;
use std::io::{self, BufReader, ErrorKind, Read};

/// The next bytes of a file in this compression format.
pub fn take<const COUNT: usize>(
    format: &str,
    source: &mut BufReader<File>,
) -> Result<[u8; COUNT], String> {
    let mut bytes = [0; COUNT];
    match source.read_exact(&mut bytes) {
        Ok(()) => Ok(bytes),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Err(ends_early(format)),
        Err(error) => Err(unreadable(error)),
    }
}

pub fn ends_early(format: &str) -> String {
    format!("the {format} data ends too early")
}

pub fn damaged(format: &str, why: impl Display) -> String {
    format!("the {format} data is damaged: {why}")
}

pub fn unreadable(error: io::Error) -> String {
    format!("the archive cannot be read: {error}")
}
