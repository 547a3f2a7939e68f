//! The paths of an archive: no entry and no link leads out of the tree that it is unpacked into.

use std::collections::BTreeSet;
use std::ops::Bound;

use crate::app::source::limits::{
    LINK_COST_BYTES, LINKS_LIMIT_BYTES, PATH_LIMIT_BYTES, SHOWN_NAME_LIMIT_CHARS,
};

/// The symbolic links seen so far. None is below another, so only the one sorted last before a path can be
/// above it.
#[derive(Debug, Default)]
pub struct PathGuard {
    /// Plain paths, each with a trailing slash.
    links: BTreeSet<Vec<u8>>,
    links_bytes: usize,
}

/// What is wrong with an entry, as the rest of a sentence that begins with its name.
pub type Fault = &'static str;

impl PathGuard {
    /// The path without `.` and doubled slashes, empty for the root. An error if it leaves the tree or passes
    /// through a link.
    pub fn resolve(&self, path: &[u8]) -> Result<Vec<u8>, Fault> {
        let plain = plain(path)?;
        match self.link_above(&plain) {
            true => Err("passes through a link of the same archive"),
            false => Ok(plain),
        }
    }

    /// Records a symbolic link at `path`, as `resolve` returned it. An error if its target is outside.
    pub fn add_link(&mut self, path: &[u8], target: &[u8]) -> Result<(), Fault> {
        check_target(path, target)?;
        let mut path = path.to_vec();
        path.push(b'/');
        let following = (Bound::Included(&path[..]), Bound::Unbounded);
        match self.links.range::<[u8], _>(following).next() {
            Some(known) if *known == path => return Ok(()),
            Some(known) if known.starts_with(&path) => {
                return Err("is a link in place of a directory");
            }
            _ => {}
        }
        self.links_bytes += path.len() + LINK_COST_BYTES;
        if self.links_bytes > LINKS_LIMIT_BYTES {
            return Err("is one link too many");
        }
        self.links.insert(path);
        Ok(())
    }

    /// An error unless the hard link leads to a path of the tree. A hard link to a symbolic link would be a
    /// second one, for which the target was not checked.
    pub fn check_hard_link(&self, target: &[u8]) -> Result<(), Fault> {
        let fault = "is a hard link to something outside the tree, or to a link";
        let mut plain = plain(target).map_err(|_| fault)?;
        plain.push(b'/');
        match self.link_above(&plain) {
            true => Err(fault),
            false => Ok(()),
        }
    }

    fn link_above(&self, path: &[u8]) -> bool {
        let before = (Bound::Unbounded, Bound::Included(path));
        let nearest = self.links.range::<[u8], _>(before).next_back();
        nearest.is_some_and(|link| path.starts_with(link))
    }
}

fn plain(path: &[u8]) -> Result<Vec<u8>, Fault> {
    match path {
        [] => return Err("has no name"),
        [b'/', ..] => return Err("is an absolute path"),
        _ if path.len() > PATH_LIMIT_BYTES => return Err("is longer than 4096 bytes"),
        _ if path.contains(&0) => return Err("holds a NUL byte"),
        _ => {}
    }
    let mut plain = Vec::with_capacity(path.len());
    for part in path.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => return Err("steps up with '..'"),
            _ if plain.is_empty() => plain.extend_from_slice(part),
            _ => {
                plain.push(b'/');
                plain.extend_from_slice(part);
            }
        }
    }
    Ok(plain)
}

/// An error if the target, seen from the directory of the link, is outside the tree. `..` is allowed at its
/// start only: after a name that may itself be a link, its meaning is unknown.
fn check_target(link: &[u8], target: &[u8]) -> Result<(), Fault> {
    match target {
        [] => return Err("is a link to nothing"),
        [b'/', ..] => return Err("is a link to an absolute path"),
        _ if target.len() > PATH_LIMIT_BYTES => {
            return Err("is a link to a path longer than 4096 bytes");
        }
        _ if target.contains(&0) => return Err("is a link to a path with a NUL byte"),
        _ => {}
    }
    let mut depth = link.iter().filter(|byte| **byte == b'/').count();
    let mut named = false;
    for part in target.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." if named => return Err("is a link with '..' after a name"),
            b".." if depth == 0 => return Err("is a link to something outside the tree"),
            b".." => depth -= 1,
            _ => named = true,
        }
    }
    Ok(())
}

/// A name for a message: printable, on one line, and clipped.
pub fn display_name(name: &[u8]) -> String {
    let longest = name.len().min(4 * SHOWN_NAME_LIMIT_CHARS);
    let text = String::from_utf8_lossy(&name[..longest]);
    let mut display = String::new();
    for (count, letter) in text.chars().enumerate() {
        if count == SHOWN_NAME_LIMIT_CHARS {
            display.push('…');
            break;
        }
        display.push(if letter.is_control() {
            '\u{fffd}'
        } else {
            letter
        });
    }
    display
}
