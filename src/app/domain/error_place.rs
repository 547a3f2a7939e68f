//! Where an error is: in the package, in a dependency, in `build.zig` or in `build.zig.zon`.

use std::fmt;

use crate::app::domain::limits::PLACE_NAME_LIMIT_BYTES;

/// The file of an error. The text form is that of the database and of JSON.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Place {
    Package,
    /// The name of a dependency; of one whose hash has no name, the first characters of the hash.
    Dependency(String),
    BuildScript,
    Manifest,
}

const DEPENDENCY: &str = "dependency:";
/// As many characters of a hash as tell two apart.
const HASH_PREFIX_BYTES: usize = 12;
/// The digest at the end of a hash such as `leaf-0.1.0-EREREQwHAABDP6sG1r8YDTYeGCYvJY3_aKH573P1PIHF`.
const DIGEST_BYTES: usize = 44;
/// A hash of the old form: `1220` and a SHA-256 in hex.
const OLD_HASH_BYTES: usize = 68;

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Place::Package => f.write_str("package"),
            Place::Dependency(name) => write!(f, "{DEPENDENCY}{name}"),
            Place::BuildScript => f.write_str("build.zig"),
            Place::Manifest => f.write_str("build.zig.zon"),
        }
    }
}

impl Place {
    /// The place with that text form, if there is one.
    pub fn parse(text: &str) -> Option<Place> {
        match text {
            "package" => Some(Place::Package),
            "build.zig" => Some(Place::BuildScript),
            "build.zig.zon" => Some(Place::Manifest),
            _ => {
                let name = text.strip_prefix(DEPENDENCY)?;
                (!name.is_empty()).then(|| Place::dependency(name))
            }
        }
    }

    /// A dependency of that name, cut to `PLACE_NAME_LIMIT_BYTES`.
    pub fn dependency(name: &str) -> Place {
        Place::Dependency(name[..name.floor_char_boundary(PLACE_NAME_LIMIT_BYTES)].to_string())
    }

    /// The place of a file; none for one of Zig, of the system, or made by the build: an error there is of the code
    /// that uses it. `own` is the hash of the package itself, where it is built as a dependency.
    pub fn of_file(path: &str, own: Option<&str>) -> Option<Place> {
        match package_hash(path) {
            Some(hash) if own != Some(hash) => return Some(Place::dependency(name_of(hash))),
            Some(_) => {}
            None => {
                let foreign = ["/opt/zig/", "/usr/", "/work/run/", "?", "<"];
                if foreign.iter().any(|start| path.starts_with(start))
                    || path.contains(".zig-cache/")
                {
                    return None;
                }
            }
        }
        Some(match path.rsplit('/').next() {
            Some("build.zig") => Place::BuildScript,
            Some("build.zig.zon") => Place::Manifest,
            _ => Place::Package,
        })
    }
}

/// The hash of the package whose file this is, if it is one in Zig's cache.
pub fn package_hash(path: &str) -> Option<&str> {
    let mut parts = path.split('/');
    while let Some(part) = parts.next() {
        if part == "p" || part.ends_with("zig-pkg") {
            let hash = parts.clone().next()?;
            if is_hash(hash) {
                return Some(hash);
            }
        }
    }
    None
}

/// True for the hash of a package, in the form of any Zig version.
pub fn is_hash(word: &str) -> bool {
    let bytes = word.as_bytes();
    let plain = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    if bytes.len() == OLD_HASH_BYTES && word.starts_with("1220") {
        return bytes.iter().all(u8::is_ascii_hexdigit);
    }
    let Some(name_end) = bytes.len().checked_sub(DIGEST_BYTES + 1) else {
        return false;
    };
    name_end > 0
        && bytes[name_end] == b'-'
        && bytes[name_end..].iter().all(plain)
        && bytes[..name_end].iter().all(u8::is_ascii_graphic)
}

fn name_of(hash: &str) -> &str {
    match hash.split_once('-') {
        Some((name, _)) if !name.is_empty() && !hash.starts_with("N-V-") => name,
        _ => &hash[..HASH_PREFIX_BYTES],
    }
}

/// The path and the rest of a text that begins with `PATH:LINE: ` or `PATH:LINE:COLUMN: `.
pub fn split_location(text: &str) -> Option<(&str, &str)> {
    let (location, rest) = text.split_once(": ")?;
    Some((path_of(location)?, rest))
}

/// The path of `PATH:LINE` or `PATH:LINE:COLUMN`.
pub fn path_of(location: &str) -> Option<&str> {
    let is_number =
        |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit() || b == b'?');
    let (before, last) = location.rsplit_once(':')?;
    if !is_number(last) {
        return None;
    }
    let path = match before.rsplit_once(':') {
        Some((path, line)) if is_number(line) => path,
        _ => before,
    };
    (!path.is_empty()).then_some(path)
}
