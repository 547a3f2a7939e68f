//! The list of checksums of a backup, as `sha256sum -c` reads it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Component, Path};

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

/// The file with the list, in the directory that it is about.
pub const LIST: &str = "SHA256SUMS";

/// The most bytes of a list: those of ten million files.
const LIST_LIMIT_BYTES: u64 = 1 << 30;

/// Bytes of a file that are read at once.
const PIECE_BYTES: usize = 256 << 10;

fn of(path: &Path) -> Result<String, String> {
    let named = |error: io::Error| format!("{}: {error}", path.display());
    let mut file = File::open(path).map_err(named)?;
    let mut hash = Sha256::new();
    let mut bytes = vec![0; PIECE_BYTES];
    loop {
        match file.read(&mut bytes).map_err(named)? {
            0 => return Ok(HEXLOWER.encode(&hash.finalize())),
            count => hash.update(&bytes[..count]),
        }
    }
}

/// Writes the list of those files of that directory.
pub fn write(dir: &Path, names: &[String]) -> Result<(), String> {
    let path = dir.join(LIST);
    let named = |error: io::Error| format!("{}: {error}", path.display());
    let mut list = io::BufWriter::new(File::create(&path).map_err(named)?);
    for name in names {
        let sum = of(&dir.join(name))?;
        writeln!(list, "{sum}  {name}").map_err(named)?;
    }
    let list = list
        .into_inner()
        .map_err(|error| named(error.into_error()))?;
    list.sync_all().map_err(named)
}

/// The names in the list of that directory, once each of them was found to be what the list says.
pub fn verified(dir: &Path) -> Result<Vec<String>, String> {
    let path = dir.join(LIST);
    let named = |error: io::Error| format!("{}: {error}", path.display());
    let length = fs::metadata(&path).map_err(named)?.len();
    if length > LIST_LIMIT_BYTES {
        return Err(format!("{}: too long", path.display()));
    }
    let text = fs::read_to_string(&path).map_err(named)?;
    let mut sums = BTreeMap::new();
    for line in text.lines() {
        let parsed = line.split_once("  ").filter(|(_, name)| is_inside(name));
        let (sum, name) = parsed.ok_or_else(|| format!("{}: bad line {line:?}", path.display()))?;
        sums.insert(name, sum);
    }
    for (name, sum) in &sums {
        if of(&dir.join(name))? != *sum {
            return Err(format!(
                "{}: not what was backed up",
                dir.join(name).display()
            ));
        }
    }
    Ok(sums.into_keys().map(str::to_string).collect())
}

/// True of the names that a backup has: they lead nowhere else.
fn is_inside(name: &str) -> bool {
    let is_plain = |part| matches!(part, Component::Normal(_));
    !name.is_empty() && Path::new(name).components().all(is_plain)
}
