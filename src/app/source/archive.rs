//! Does an uploaded tree stay inside itself? Its archive is read in slices, between other work.

use std::io;
use std::path::Path;

use crate::app::source::limits::{
    ENTRIES_LIMIT, MANIFEST_LIMIT_BYTES, PATH_LIMIT_BYTES, RECORDS_LIMIT_BYTES, UNPACK_LIMIT_BYTES,
    UNPACKED_LIMIT_BYTES,
};
use crate::app::source::path_guard::{Tree, shown};
use crate::app::source::tar_header::{Head, Kind, Overrides, TAR_BLOCK_BYTES, until_nul};
use crate::app::source::unpack::Unpacker;

pub use super::manifest::{Asked, names_a_url};
pub use crate::app::source::unpack::Format;

const MANIFEST_NAME: &[u8] = b"build.zig.zon";

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    More,
    Good(Summary),
    /// Why not, in one sentence.
    Bad(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    pub format: Format,
    pub entries: u32,
    /// Of the tar, its heads and padding included.
    pub unpacked_bytes: u64,
    /// Some `build.zig.zon` of the tree names a URL.
    pub dependencies: bool,
    /// The hash of all that its manifests ask for, empty where that is nothing; none where not all
    /// of it is known.
    pub manifest: Option<String>,
}

/// One archive being checked.
pub struct Check {
    unpack: Unpacker,
    walk: Walk,
    /// What the last pull gave.
    piece: Vec<u8>,
    verdict: Option<Progress>,
}

impl Check {
    pub fn open(path: &Path) -> io::Result<Check> {
        Ok(Check {
            unpack: Unpacker::open(path)?,
            walk: Walk::default(),
            piece: Vec::new(),
            verdict: None,
        })
    }

    /// Goes on for about `budget_bytes` of unpacked data: it ends with the first pull that reaches them.
    pub fn step(&mut self, budget_bytes: usize) -> Progress {
        let mut spent_bytes = 0;
        let most = budget_bytes.clamp(1, UNPACK_LIMIT_BYTES);
        while self.verdict.is_none() && spent_bytes < budget_bytes.max(1) {
            match self.advance(most) {
                Ok(Some(work_bytes)) => spent_bytes += work_bytes,
                Ok(None) => {
                    let summary = self.walk.finish(self.unpack.format());
                    self.verdict = Some(summary.map_or_else(Progress::Bad, Progress::Good));
                }
                Err(reason) => self.verdict = Some(Progress::Bad(reason)),
            }
        }
        self.verdict.clone().unwrap_or(Progress::More)
    }

    fn advance(&mut self, most: usize) -> Result<Option<usize>, String> {
        self.piece.clear();
        let work_bytes = self.unpack.pull(most, &mut self.piece)?;
        self.walk.feed(&self.piece)?;
        Ok(work_bytes)
    }
}

/// A walk over the blocks of a tar that comes in pieces of any size.
#[derive(Default)]
struct Walk {
    place: Place,
    /// The part of a head that is here.
    block: Vec<u8>,
    /// The body being collected, where it is one that matters.
    body: Vec<u8>,
    /// For the next entry.
    overrides: Overrides,
    tree: Tree,
    entries: u32,
    bytes: u64,
    dependencies: bool,
    asked: Asked,
    saw_head: bool,
}

#[derive(Clone, Copy, Default)]
enum Place {
    #[default]
    Head,
    Body {
        of: Body,
        left_bytes: u64,
        padding_bytes: u64,
    },
    /// Behind one block of zeros: a second one is the end.
    HalfEnd,
    /// What comes now is no longer the archive; it is counted and that is all.
    End,
}

#[derive(Clone, Copy)]
enum Body {
    Skipped,
    Manifest,
    LongName,
    LongTarget,
    Records,
    GlobalRecords,
}

impl Walk {
    fn feed(&mut self, mut bytes: &[u8]) -> Result<(), String> {
        self.bytes += bytes.len() as u64;
        if self.bytes > UNPACKED_LIMIT_BYTES {
            return Err(too_large());
        }
        while !bytes.is_empty() {
            let used = match self.place {
                Place::Head | Place::HalfEnd => self.take_block(bytes)?,
                Place::Body {
                    of,
                    left_bytes,
                    padding_bytes,
                } => self.take_body(of, left_bytes, padding_bytes, bytes)?,
                Place::End => bytes.len(),
            };
            bytes = &bytes[used..];
        }
        Ok(())
    }

    fn finish(&self, format: Format) -> Result<Summary, String> {
        match self.place {
            Place::End if self.entries > 0 => Ok(Summary {
                format,
                entries: self.entries,
                unpacked_bytes: self.bytes,
                dependencies: self.dependencies,
                manifest: self.asked.digest(),
            }),
            Place::End => Err("The archive holds no entry.".to_string()),
            _ if self.bytes == 0 => Err("The archive is empty.".to_string()),
            Place::Head if !self.saw_head => Err(no_tar()),
            _ => Err("The archive ends too early.".to_string()),
        }
    }

    fn take_block(&mut self, bytes: &[u8]) -> Result<usize, String> {
        let used = bytes.len().min(TAR_BLOCK_BYTES - self.block.len());
        self.block.extend_from_slice(&bytes[..used]);
        let Ok(block) = <&[u8; TAR_BLOCK_BYTES]>::try_from(&self.block[..]) else {
            return Ok(used);
        };
        let is_zero = block.iter().all(|byte| *byte == 0);
        match self.place {
            Place::HalfEnd if is_zero => self.place = Place::End,
            Place::HalfEnd => {
                return Err("The archive goes on behind a block of zeros.".to_string());
            }
            _ if is_zero => self.place = Place::HalfEnd,
            _ => match Head::read(block) {
                Some(head) => self.take_head(head)?,
                None if self.saw_head => {
                    return Err("The archive is damaged: a head has a wrong checksum.".to_string());
                }
                None => return Err(no_tar()),
            },
        }
        self.block.clear();
        Ok(used)
    }

    fn take_head(&mut self, head: Head) -> Result<(), String> {
        self.saw_head = true;
        let size = head.size;
        let (of, size) = match head.kind {
            Kind::LongName => (Body::LongName, size),
            Kind::LongTarget => (Body::LongTarget, size),
            Kind::Records => (Body::Records, size),
            Kind::GlobalRecords => (Body::GlobalRecords, size),
            _ => self.take_entry(head)?,
        };
        let limit = match of {
            Body::Skipped | Body::Manifest => UNPACKED_LIMIT_BYTES,
            // A name of the limit and its NUL.
            Body::LongName | Body::LongTarget => PATH_LIMIT_BYTES as u64 + 1,
            Body::Records | Body::GlobalRecords => RECORDS_LIMIT_BYTES,
        };
        let size = size.ok_or("The archive is damaged: a head has no size.")?;
        if size > limit {
            return Err(match of {
                Body::Skipped | Body::Manifest => too_large(),
                Body::LongName | Body::LongTarget => {
                    format!("A name is longer than {PATH_LIMIT_BYTES} bytes.")
                }
                _ => format!(
                    "The pax records of an entry are longer than {RECORDS_LIMIT_BYTES} bytes."
                ),
            });
        }
        self.begin_body(of, size)
    }

    /// Judges an entry and returns what is to be done with its body.
    fn take_entry(&mut self, head: Head) -> Result<(Body, Option<u64>), String> {
        let overrides = std::mem::take(&mut self.overrides);
        let path = overrides.path.unwrap_or(head.path);
        let target = overrides.target.unwrap_or(head.target);
        let size = overrides.size.or(head.size);
        let fault = |fault: &str| format!("The entry '{}' {fault}.", shown(&path));
        let kind = match head.kind {
            _ if overrides.is_sparse => Kind::Refused("is a sparse file"),
            // Older writers know no directories, only files with a slash behind.
            Kind::File if path.ends_with(b"/") => Kind::Directory,
            kind => kind,
        };
        let place = self.tree.place(&path).map_err(fault)?;
        if place.is_empty() && kind != Kind::Directory {
            return Err(fault("has no name"));
        }
        match kind {
            Kind::Refused(what) => return Err(fault(what)),
            Kind::SymbolicLink => self.tree.add_link(&place, &target).map_err(fault)?,
            Kind::HardLink => self.tree.check_hard_link(&target).map_err(fault)?,
            _ => {}
        }
        // Unpackers do not agree on whether such bytes are there: what they would take for heads differs.
        if kind != Kind::File && size != Some(0) {
            return Err(fault("has a size without being a file"));
        }
        // The root itself is nothing that was packed.
        self.entries += u32::from(!place.is_empty());
        if self.entries > ENTRIES_LIMIT {
            return Err(format!(
                "The archive has more than {ENTRIES_LIMIT} entries."
            ));
        }
        if place.rsplit(|byte| *byte == b'/').next() != Some(MANIFEST_NAME) {
            return Ok((Body::Skipped, size));
        }
        match kind {
            Kind::File => {
                // Of a longer one the end is not seen.
                if size.is_some_and(|size| size > MANIFEST_LIMIT_BYTES as u64) {
                    self.asked.give_up();
                }
                return Ok((Body::Manifest, size));
            }
            // What it leads to may have another name.
            Kind::SymbolicLink | Kind::HardLink => self.asked.give_up(),
            _ => {}
        }
        Ok((Body::Skipped, size))
    }

    fn begin_body(&mut self, of: Body, size: u64) -> Result<(), String> {
        self.body.clear();
        let block = TAR_BLOCK_BYTES as u64;
        self.place = Place::Body {
            of,
            left_bytes: size,
            padding_bytes: size.next_multiple_of(block) - size,
        };
        match size {
            0 => self.end_body(of),
            _ => Ok(()),
        }
    }

    fn take_body(
        &mut self,
        of: Body,
        left: u64,
        padding: u64,
        bytes: &[u8],
    ) -> Result<usize, String> {
        let used = (bytes.len() as u64).min(left + padding);
        let (left_bytes, padding_bytes) = match left.checked_sub(used) {
            Some(left) => (left, padding),
            None => (0, padding - (used - left)),
        };
        let ours = &bytes[..left.min(used) as usize];
        match of {
            Body::Skipped => {}
            Body::Manifest => {
                let room = MANIFEST_LIMIT_BYTES - self.body.len();
                self.body.extend_from_slice(&ours[..ours.len().min(room)]);
            }
            _ => self.body.extend_from_slice(ours),
        }
        self.place = Place::Body {
            of,
            left_bytes,
            padding_bytes,
        };
        if left_bytes + padding_bytes == 0 {
            self.end_body(of)?;
        }
        Ok(used as usize)
    }

    fn end_body(&mut self, of: Body) -> Result<(), String> {
        self.place = Place::Head;
        let body = std::mem::take(&mut self.body);
        match of {
            Body::Skipped => {}
            Body::Manifest => {
                self.dependencies |= names_a_url(&body);
                self.asked.read(&body);
            }
            Body::LongName => self.overrides.path = Some(until_nul(&body).to_vec()),
            Body::LongTarget => self.overrides.target = Some(until_nul(&body).to_vec()),
            Body::Records => self.overrides.read_records(&body).ok_or_else(bad_records)?,
            Body::GlobalRecords => {
                let mut for_all = Overrides::default();
                for_all.read_records(&body).ok_or_else(bad_records)?;
                if !for_all.is_empty() {
                    return Err(
                        "The archive gives one name or size to all its entries.".to_string()
                    );
                }
            }
        }
        Ok(())
    }
}

fn bad_records() -> String {
    "The archive is damaged: its pax records are not well formed.".to_string()
}

fn no_tar() -> String {
    "This is not a tar, tar.gz or tar.zst archive.".to_string()
}

fn too_large() -> String {
    let limit = UNPACKED_LIMIT_BYTES >> 20;
    format!("The archive unpacks to more than {limit} MiB.")
}
