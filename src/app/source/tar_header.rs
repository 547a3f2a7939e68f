//! One tar header, and the pax records and GNU long names that override its fields.

use tar::{EntryType, Header};

pub const TAR_BLOCK_BYTES: usize = 512;

/// The fields of a header that are read here.
const NAME: std::ops::Range<usize> = 0..100;
const SIZE: std::ops::Range<usize> = 124..136;
const CHECKSUM: std::ops::Range<usize> = 148..156;
const LINK_NAME: std::ops::Range<usize> = 157..257;
const MAGIC: std::ops::Range<usize> = 257..263;
const PREFIX: std::ops::Range<usize> = 345..500;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    File,
    Directory,
    SymbolicLink,
    HardLink,
    /// GNU: the body is the name, or the link target, of the next entry.
    LongName,
    LongTarget,
    /// pax: the body holds records for the next entry, or for all that follow.
    PaxRecords,
    GlobalPaxRecords,
    /// Not allowed in a source tree; the rest of a sentence that begins with its name.
    Refused(&'static str),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TarHeader {
    pub kind: EntryKind,
    pub path: Vec<u8>,
    pub target: Vec<u8>,
    /// `None` if the field is not a number.
    pub size: Option<u64>,
}

impl TarHeader {
    /// `None` if the checksum does not match.
    pub fn parse(block: &[u8; TAR_BLOCK_BYTES]) -> Option<TarHeader> {
        let header = Header::from_byte_slice(block);
        let spaces = CHECKSUM.len() as u32 * u32::from(b' ');
        let sum = |bytes: &[u8]| bytes.iter().map(|byte| u32::from(*byte)).sum::<u32>();
        let expected = sum(block) - sum(&block[CHECKSUM]) + spaces;
        if header.cksum().ok() != Some(expected) {
            return None;
        }
        let mut path = until_nul(&block[NAME]).to_vec();
        let prefix = until_nul(&block[PREFIX]);
        // Any version of POSIX tar: GNU tar ignores the version too.
        if &block[MAGIC] == b"ustar\0" && !prefix.is_empty() {
            path = [prefix, b"/", &path].concat();
        }
        Some(TarHeader {
            kind: kind(header.entry_type()),
            path,
            target: until_nul(&block[LINK_NAME]).to_vec(),
            size: size(header, &block[SIZE]),
        })
    }
}

fn kind(entry_type: EntryType) -> EntryKind {
    match entry_type {
        EntryType::Regular | EntryType::Continuous => EntryKind::File,
        EntryType::Directory => EntryKind::Directory,
        EntryType::Symlink => EntryKind::SymbolicLink,
        EntryType::Link => EntryKind::HardLink,
        EntryType::GNULongName => EntryKind::LongName,
        EntryType::GNULongLink => EntryKind::LongTarget,
        EntryType::XHeader => EntryKind::PaxRecords,
        EntryType::XGlobalHeader => EntryKind::GlobalPaxRecords,
        EntryType::Char | EntryType::Block => EntryKind::Refused("is a device"),
        EntryType::Fifo => EntryKind::Refused("is a named pipe"),
        EntryType::GNUSparse => EntryKind::Refused("is a sparse file"),
        _ => EntryKind::Refused("is neither file, directory nor link"),
    }
}

fn size(header: &Header, field: &[u8]) -> Option<u64> {
    if field.iter().all(|byte| matches!(byte, 0 | b' ')) {
        return Some(0);
    }
    // Base 256 has 11 bytes, of which the crate reads the last 8.
    let is_binary = field[0] & 0x80 != 0;
    if is_binary && (field[0] != 0x80 || field[1..4] != [0, 0, 0]) {
        return None;
    }
    // A sign is not an octal digit, but the crate and GNU tar each accept one.
    let is_octal = field
        .iter()
        .all(|byte| matches!(byte, b'0'..=b'7' | b' ' | 0));
    header.entry_size().ok().filter(|_| is_binary || is_octal)
}

pub fn until_nul(field: &[u8]) -> &[u8] {
    let end = field.iter().position(|byte| *byte == 0);
    &field[..end.unwrap_or(field.len())]
}

/// Fields given ahead of a header, which replace its own.
#[derive(Debug, Default)]
pub struct Overrides {
    pub path: Option<Vec<u8>>,
    pub target: Option<Vec<u8>>,
    pub size: Option<u64>,
    pub is_sparse: bool,
}

impl Overrides {
    /// Reads the pax records that matter here (`LENGTH KEY=VALUE\n`; the length counts all of it).
    /// `None` if they are malformed.
    pub fn read_records(&mut self, mut records: &[u8]) -> Option<()> {
        while !records.is_empty() {
            let space = records.iter().position(|byte| *byte == b' ')?;
            let length = number(&records[..space])? as usize;
            let record = records.get(space + 1..length)?.strip_suffix(b"\n")?;
            let equals = record.iter().position(|byte| *byte == b'=')?;
            let (key, value) = (&record[..equals], &record[equals + 1..]);
            match key {
                b"path" => self.path = Some(value.to_vec()),
                b"linkpath" => self.target = Some(value.to_vec()),
                b"size" => self.size = Some(number(value)?),
                _ if key.starts_with(b"GNU.sparse.") => self.is_sparse = true,
                _ => {}
            }
            records = &records[length..];
        }
        Some(())
    }

    pub fn is_empty(&self) -> bool {
        self.path.is_none() && self.target.is_none() && self.size.is_none() && !self.is_sparse
    }
}

fn number(digits: &[u8]) -> Option<u64> {
    let all_digits = digits.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(digits)
        .ok()
        .filter(|_| all_digits)?
        .parse()
        .ok()
}
