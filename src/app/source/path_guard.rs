//! Names in a tree that must not leave it: what a path, a symbolic link or a hard link may say.

use std::collections::BTreeSet;
use std::ops::Bound;

use crate::app::source::limits::{
    LINK_COST_BYTES, LINKS_LIMIT_BYTES, PATH_LIMIT_BYTES, SHOWN_NAME_LIMIT_CHARS,
};

/// The symbolic links seen so far. No one is below another, so that the nearest before a path decides.
#[derive(Debug, Default)]
pub struct Tree {
    /// Plain paths, each with a slash behind it.
    links: BTreeSet<Vec<u8>>,
    links_bytes: usize,
}

/// What is wrong with a name, to be put behind it: "stands outside the tree".
pub type Fault = &'static str;

impl Tree {
    /// The path without `.` and doubled slashes, empty for the root; it is inside and meets no link on its way.
    pub fn place(&self, path: &[u8]) -> Result<Vec<u8>, Fault> {
        let plain = plain(path)?;
        match self.link_above(&plain) {
            true => Err("passes through a link of the same archive"),
            false => Ok(plain),
        }
    }

    /// Remembers a symbolic link at `path`, as `place` gave it, if its target is inside.
    pub fn add_link(&mut self, path: &[u8], target: &[u8]) -> Result<(), Fault> {
        check_target(path, target)?;
        let mut path = path.to_vec();
        path.push(b'/');
        let behind = (Bound::Included(&path[..]), Bound::Unbounded);
        match self.links.range::<[u8], _>(behind).next() {
            Some(known) if *known == path => return Ok(()),
            Some(known) if known.starts_with(&path) => return Err("stands where a directory is"),
            _ => {}
        }
        self.links_bytes += path.len() + LINK_COST_BYTES;
        if self.links_bytes > LINKS_LIMIT_BYTES {
            return Err("is one link too many");
        }
        self.links.insert(path);
        Ok(())
    }

    /// A hard link names a path of the tree; to a symbolic link it would be a second one, elsewhere.
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

/// The target is read from the directory of the link. It may step up at its start only: behind a
/// name that may be a link itself, nobody knows where a step up leads.
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
            b".." if named => return Err("is a link that steps up behind a name"),
            b".." if depth == 0 => return Err("is a link to something outside the tree"),
            b".." => depth -= 1,
            _ => named = true,
        }
    }
    Ok(())
}

/// A name as it may stand in a message: readable, on one line, and not long.
pub fn shown(name: &[u8]) -> String {
    let longest = name.len().min(4 * SHOWN_NAME_LIMIT_CHARS);
    let text = String::from_utf8_lossy(&name[..longest]);
    let mut shown = String::new();
    for (count, letter) in text.chars().enumerate() {
        if count == SHOWN_NAME_LIMIT_CHARS {
            shown.push('…');
            break;
        }
        shown.push(if letter.is_control() {
            '\u{fffd}'
        } else {
            letter
        });
    }
    shown
}
