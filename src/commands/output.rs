//! What a command prints.

use std::io::{ErrorKind, Write, stdout};

/// Writes to standard output. Whoever reads it may have read enough, as `head` has.
pub fn print(text: &str) -> Result<(), String> {
    let mut out = stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    match written {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(format!("standard output: {error}"))
        }
        _ => Ok(()),
    }
}
