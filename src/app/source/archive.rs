//! The inspection of an uploaded archive: a well-formed tar whose entries stay inside its tree, within limits.
//! It runs in slices, between other work.

use std::io;
use std::path::Path;

use crate::app::source::limits::{
    ENTRIES_LIMIT, MANIFEST_LIMIT_BYTES, PATH_LIMIT_BYTES, RECORDS_LIMIT_BYTES, UNPACK_LIMIT_BYTES,
    UNPACKED_LIMIT_BYTES,
};
use crate::app::source::manifest::{ManifestDependencies, names_a_url};
use crate::app::source::path_guard::{PathGuard, display_name};
use crate::app::source::tar_header::{EntryKind, Overrides, TAR_BLOCK_BYTES, TarHeader, until_nul};
use crate::app::source::unpack::{Format, Unpacker};

const MANIFEST_NAME: &[u8] = b"build.zig.zon";

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    More,
    Accepted(Summary),
    /// The reason, in one sentence.
    Rejected(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    pub format: Format,
    pub entries: u32,
    /// Size of the tar, headers and padding included.
    pub unpacked_bytes: u64,
    /// Some `build.zig.zon` of the tree names a URL.
    pub dependencies: bool,
    /// The digest of the dependencies that its manifests name, empty without any; `None` where they could
    /// not all be read.
    pub manifest: Option<String>,
}

/// The inspection of one archive.
pub struct Inspection {
    unpack: Unpacker,
    reader: TarReader,
    /// The bytes of the last pull.
    piece: Vec<u8>,
    result: Option<Progress>,
}

impl Inspection {
    pub fn open(path: &Path) -> io::Result<Inspection> {
        Ok(Inspection {
            unpack: Unpacker::open(path)?,
            reader: TarReader::default(),
            piece: Vec::new(),
            result: None,
        })
    }

    /// Continues for about `budget_bytes` of work; returns after the first pull that reaches them.
    pub fn step(&mut self, budget_bytes: usize) -> Progress {
        let mut spent_bytes = 0;
        let limit = budget_bytes.clamp(1, UNPACK_LIMIT_BYTES);
        while self.result.is_none() && spent_bytes < budget_bytes.max(1) {
            match self.advance(limit) {
                Ok(Some(work_bytes)) => spent_bytes += work_bytes,
                Ok(None) => {
                    let summary = self.reader.finish(self.unpack.format());
                    self.result = Some(summary.map_or_else(Progress::Rejected, Progress::Accepted));
                }
                Err(reason) => self.result = Some(Progress::Rejected(reason)),
            }
        }
        self.result.clone().unwrap_or(Progress::More)
    }

    fn advance(&mut self, limit: usize) -> Result<Option<usize>, String> {
        self.piece.clear();
        let work_bytes = self.unpack.pull(limit, &mut self.piece)?;
        self.reader.feed(&self.piece)?;
        Ok(work_bytes)
    }
}

/// A reader of a tar that arrives in pieces of any size.
#[derive(Default)]
struct TarReader {
    position: Position,
    /// The part of a header that has arrived.
    block: Vec<u8>,
    /// The body being collected, if its content matters.
    body: Vec<u8>,
    /// Fields of the next entry that were given ahead of its header.
    overrides: Overrides,
    paths: PathGuard,
    entries: u32,
    bytes: u64,
    /// Some manifest names a URL.
    names_url: bool,
    dependencies: ManifestDependencies,
    saw_header: bool,
}

#[derive(Clone, Copy, Default)]
enum Position {
    #[default]
    Header,
    Body {
        body: Body,
        left_bytes: u64,
        padding_bytes: u64,
    },
    /// After one block of zeros; a second one is the end.
    HalfEnd,
    /// After the end. Further bytes are counted and ignored.
    End,
}

#[derive(Clone, Copy)]
enum Body {
    Skipped,
    Manifest,
    LongName,
    LongTarget,
    PaxRecords,
    GlobalPaxRecords,
}

impl TarReader {
    fn feed(&mut self, mut bytes: &[u8]) -> Result<(), String> {
        self.bytes += bytes.len() as u64;
        if self.bytes > UNPACKED_LIMIT_BYTES {
            return Err(too_large());
        }
        while !bytes.is_empty() {
            let used = match self.position {
                Position::Header | Position::HalfEnd => self.take_block(bytes)?,
                Position::Body {
                    body,
                    left_bytes,
                    padding_bytes,
                } => self.take_body(body, left_bytes, padding_bytes, bytes)?,
                Position::End => bytes.len(),
            };
            bytes = &bytes[used..];
        }
        Ok(())
    }

    fn finish(&self, format: Format) -> Result<Summary, String> {
        match self.position {
            Position::End if self.entries > 0 => Ok(Summary {
                format,
                entries: self.entries,
                unpacked_bytes: self.bytes,
                dependencies: self.names_url,
                manifest: self.dependencies.digest(),
            }),
            Position::End => Err("the archive holds no entry".to_string()),
            _ if self.bytes == 0 => Err("the archive is empty".to_string()),
            Position::Header if !self.saw_header => Err(no_tar()),
            _ => Err("the archive ends too early".to_string()),
        }
    }

    fn take_block(&mut self, bytes: &[u8]) -> Result<usize, String> {
        let used = bytes.len().min(TAR_BLOCK_BYTES - self.block.len());
        self.block.extend_from_slice(&bytes[..used]);
        let Ok(block) = <&[u8; TAR_BLOCK_BYTES]>::try_from(&self.block[..]) else {
            return Ok(used);
        };
        let is_zero = block.iter().all(|byte| *byte == 0);
        match self.position {
            Position::HalfEnd if is_zero => self.position = Position::End,
            Position::HalfEnd => {
                return Err("the archive continues after a block of zeros".to_string());
            }
            _ if is_zero => self.position = Position::HalfEnd,
            _ => match TarHeader::parse(block) {
                Some(header) => self.take_header(header)?,
                None if self.saw_header => {
                    return Err("the archive is damaged: a head has a wrong checksum".to_string());
                }
                None => return Err(no_tar()),
            },
        }
        self.block.clear();
        Ok(used)
    }

    fn take_header(&mut self, header: TarHeader) -> Result<(), String> {
        self.saw_header = true;
        let size = header.size;
        let (body, size) = match header.kind {
            EntryKind::LongName => (Body::LongName, size),
            EntryKind::LongTarget => (Body::LongTarget, size),
            EntryKind::PaxRecords => (Body::PaxRecords, size),
            EntryKind::GlobalPaxRecords => (Body::GlobalPaxRecords, size),
            _ => self.take_entry(header)?,
        };
        let limit = match body {
            Body::Skipped | Body::Manifest => UNPACKED_LIMIT_BYTES,
            // The longest name and its NUL.
            Body::LongName | Body::LongTarget => PATH_LIMIT_BYTES as u64 + 1,
            Body::PaxRecords | Body::GlobalPaxRecords => RECORDS_LIMIT_BYTES,
        };
        let size = size.ok_or("the archive is damaged: a head has no size")?;
        if size > limit {
            return Err(match body {
                Body::Skipped | Body::Manifest => too_large(),
                Body::LongName | Body::LongTarget => {
                    format!("a name is longer than {PATH_LIMIT_BYTES} bytes")
                }
                _ => format!(
                    "the pax records of an entry are longer than {RECORDS_LIMIT_BYTES} bytes"
                ),
            });
        }
        self.begin_body(body, size)
    }

    /// Checks an entry; returns what its body is, and its size.
    fn take_entry(&mut self, header: TarHeader) -> Result<(Body, Option<u64>), String> {
        let overrides = std::mem::take(&mut self.overrides);
        let path = overrides.path.unwrap_or(header.path);
        let target = overrides.target.unwrap_or(header.target);
        let size = overrides.size.or(header.size);
        let fault = |fault: &str| format!("the entry '{}' {fault}", display_name(&path));
        let kind = match header.kind {
            _ if overrides.is_sparse => EntryKind::Refused("is a sparse file"),
            // Old formats have no directories: a file whose name ends with a slash is one.
            EntryKind::File if path.ends_with(b"/") => EntryKind::Directory,
            kind => kind,
        };
        let plain = self.paths.resolve(&path).map_err(fault)?;
        if plain.is_empty() && kind != EntryKind::Directory {
            return Err(fault("has no name"));
        }
        match kind {
            EntryKind::Refused(what) => return Err(fault(what)),
            EntryKind::SymbolicLink => self.paths.add_link(&plain, &target).map_err(fault)?,
            EntryKind::HardLink => self.paths.check_hard_link(&target).map_err(fault)?,
            _ => {}
        }
        // Unpackers disagree on whether such bytes follow, and so on where the next header is.
        if kind != EntryKind::File && size != Some(0) {
            return Err(fault("has a size without being a file"));
        }
        // The root itself does not count as an entry.
        self.entries += u32::from(!plain.is_empty());
        if self.entries > ENTRIES_LIMIT {
            return Err(format!("the archive has more than {ENTRIES_LIMIT} entries"));
        }
        if plain.rsplit(|byte| *byte == b'/').next() != Some(MANIFEST_NAME) {
            return Ok((Body::Skipped, size));
        }
        match kind {
            EntryKind::File => {
                // The end of a longer one is not read.
                if size.is_some_and(|size| size > MANIFEST_LIMIT_BYTES as u64) {
                    self.dependencies.mark_incomplete();
                }
                return Ok((Body::Manifest, size));
            }
            // Its target may have another name, and so not be read as a manifest.
            EntryKind::SymbolicLink | EntryKind::HardLink => self.dependencies.mark_incomplete(),
            _ => {}
        }
        Ok((Body::Skipped, size))
    }

    fn begin_body(&mut self, body: Body, size: u64) -> Result<(), String> {
        self.body.clear();
        let block = TAR_BLOCK_BYTES as u64;
        self.position = Position::Body {
            body,
            left_bytes: size,
            padding_bytes: size.next_multiple_of(block) - size,
        };
        match size {
            0 => self.end_body(body),
            _ => Ok(()),
        }
    }

    fn take_body(
        &mut self,
        kind: Body,
        left: u64,
        padding: u64,
        bytes: &[u8],
    ) -> Result<usize, String> {
        let used = (bytes.len() as u64).min(left + padding);
        let (left_bytes, padding_bytes) = match left.checked_sub(used) {
            Some(left) => (left, padding),
            None => (0, padding - (used - left)),
        };
        let content = &bytes[..left.min(used) as usize];
        match kind {
            Body::Skipped => {}
            Body::Manifest => {
                let space = MANIFEST_LIMIT_BYTES - self.body.len();
                self.body
                    .extend_from_slice(&content[..content.len().min(space)]);
            }
            _ => self.body.extend_from_slice(content),
        }
        self.position = Position::Body {
            body: kind,
            left_bytes,
            padding_bytes,
        };
        if left_bytes + padding_bytes == 0 {
            self.end_body(kind)?;
        }
        Ok(used as usize)
    }

    fn end_body(&mut self, kind: Body) -> Result<(), String> {
        self.position = Position::Header;
        let body = std::mem::take(&mut self.body);
        match kind {
            Body::Skipped => {}
            Body::Manifest => {
                self.names_url |= names_a_url(&body);
                self.dependencies.read(&body);
            }
            Body::LongName => self.overrides.path = Some(until_nul(&body).to_vec()),
            Body::LongTarget => self.overrides.target = Some(until_nul(&body).to_vec()),
            Body::PaxRecords => self.overrides.read_records(&body).ok_or_else(bad_records)?,
            Body::GlobalPaxRecords => {
                let mut global = Overrides::default();
                global.read_records(&body).ok_or_else(bad_records)?;
                if !global.is_empty() {
                    return Err("the archive gives one name or size to all its entries".to_string());
                }
            }
        }
        Ok(())
    }
}

fn bad_records() -> String {
    "the archive is damaged: its pax records are not well formed".to_string()
}

fn no_tar() -> String {
    "this is not a tar, tar.gz or tar.zst archive".to_string()
}

fn too_large() -> String {
    let limit = UNPACKED_LIMIT_BYTES >> 20;
    format!("the archive unpacks to more than {limit} MiB")
}
