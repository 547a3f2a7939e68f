//! A file with a secret: one that others can neither read nor write.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::config::token::{TOKEN_LIMIT_BYTES, Token};

/// The text of the file. An error says what is wrong with it.
pub fn read(path: &Path) -> Result<String, String> {
    let file = File::open(path).map_err(|e| e.to_string())?;
    let mut bytes = Vec::new();
    // One byte over the limit shows that the file is too long.
    let read = (&file).take(TOKEN_LIMIT_BYTES + 1).read_to_end(&mut bytes);
    read.map_err(|e| e.to_string())?;
    // The mode of the opened file: another one may be at its path by now.
    let found = file.metadata().map_err(|e| e.to_string())?;
    Token::check_mode(found.mode())?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
