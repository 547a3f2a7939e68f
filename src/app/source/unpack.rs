//! A file unpacked in bounded pulls: as it is, from gzip or from zstd, as its first bytes say.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use flate2::{Crc, Decompress, FlushDecompress, Status};

use crate::app::source::limits::{
    GZIP_HEAD_LIMIT_BYTES, GZIP_MEMBER_COST_BYTES, UNPACK_LIMIT_BYTES,
};
use crate::app::source::zstd::Unzstd;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Tar,
    TarGz,
    TarZst,
}

impl Format {
    pub fn as_str(self) -> &'static str {
        match self {
            Format::Tar => "tar",
            Format::TarGz => "tar.gz",
            Format::TarZst => "tar.zst",
        }
    }

    /// Told by the first bytes alone; what is neither gzip nor zstd is taken for a tar.
    fn of(first: &[u8]) -> Format {
        match first {
            [0x1f, 0x8b, ..] => Format::TarGz,
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Format::TarZst,
            _ => Format::Tar,
        }
    }
}

pub struct Unpack {
    source: BufReader<File>,
    format: Format,
    codec: Codec,
}

enum Codec {
    Plain,
    Gzip(Box<Gunzip>),
    Zstd(Box<Unzstd>),
}

impl Unpack {
    pub fn open(path: &Path) -> io::Result<Unpack> {
        let mut source = BufReader::with_capacity(UNPACK_LIMIT_BYTES, File::open(path)?);
        let format = Format::of(source.fill_buf()?);
        let codec = match format {
            Format::Tar => Codec::Plain,
            Format::TarGz => Codec::Gzip(Box::new(Gunzip::new())),
            Format::TarZst => Codec::Zstd(Box::new(Unzstd::new()?)),
        };
        Ok(Unpack {
            source,
            format,
            codec,
        })
    }

    pub fn format(&self) -> Format {
        self.format
    }

    /// Appends the next bytes to `out`, at most `most` and perhaps none, and returns the work this
    /// was, in bytes; `None` at the end. An error is a sentence.
    pub fn pull(&mut self, most: usize, out: &mut Vec<u8>) -> Result<Option<usize>, String> {
        match &mut self.codec {
            Codec::Plain => {
                let bytes = self.source.fill_buf().map_err(unreadable)?;
                let count = bytes.len().min(most);
                out.extend_from_slice(&bytes[..count]);
                self.source.consume(count);
                Ok(Some(count).filter(|count| *count > 0))
            }
            Codec::Gzip(gunzip) => gunzip.pull(&mut self.source, most, out),
            Codec::Zstd(unzstd) => unzstd.pull(&mut self.source, most, out),
        }
    }
}

/// A gzip file: one or more members, then nothing or zeros (padding of tapes and of some tools).
struct Gunzip {
    inflate: Decompress,
    crc: Crc,
    place: Place,
}

enum Place {
    Head { is_first: bool },
    Body,
    Trailer,
    Padding,
}

impl Gunzip {
    fn new() -> Gunzip {
        Gunzip {
            inflate: Decompress::new(false),
            crc: Crc::new(),
            place: Place::Head { is_first: true },
        }
    }

    fn pull(
        &mut self,
        source: &mut BufReader<File>,
        most: usize,
        out: &mut Vec<u8>,
    ) -> Result<Option<usize>, String> {
        match self.place {
            Place::Head { is_first } => {
                let next = source.fill_buf().map_err(unreadable)?.first().copied();
                if !is_first && matches!(next, None | Some(0)) {
                    self.place = Place::Padding;
                    return Ok(Some(0));
                }
                let bytes = read_gzip_head(source)?;
                self.inflate.reset(false);
                self.crc.reset();
                self.place = Place::Body;
                Ok(Some(bytes + GZIP_MEMBER_COST_BYTES))
            }
            Place::Body => self.inflate(source, most, out).map(Some),
            Place::Trailer => {
                self.check_trailer(source)?;
                self.place = Place::Head { is_first: false };
                Ok(Some(0))
            }
            Place::Padding => {
                let bytes = source.fill_buf().map_err(unreadable)?;
                if bytes.iter().any(|byte| *byte != 0) {
                    return Err("Behind the gzip data stands something else.".to_string());
                }
                let count = bytes.len();
                source.consume(count);
                Ok(Some(count).filter(|count| *count > 0))
            }
        }
    }

    fn inflate(
        &mut self,
        source: &mut BufReader<File>,
        most: usize,
        out: &mut Vec<u8>,
    ) -> Result<usize, String> {
        let start = out.len();
        out.resize(start + most, 0);
        let input = source.fill_buf().map_err(unreadable)?;
        let at_end = input.is_empty();
        let (total_in, total_out) = (self.inflate.total_in(), self.inflate.total_out());
        let status = self
            .inflate
            .decompress(input, &mut out[start..], FlushDecompress::None);
        let consumed = (self.inflate.total_in() - total_in) as usize;
        let produced = (self.inflate.total_out() - total_out) as usize;
        out.truncate(start + produced);
        self.crc.update(&out[start..]);
        source.consume(consumed);
        match status {
            // What came before the damage goes out first, so that the answer does not depend on `most`.
            Err(_) if produced == 0 => return Err("The gzip data is damaged.".to_string()),
            Ok(Status::StreamEnd) => self.place = Place::Trailer,
            Ok(_) if consumed + produced == 0 && at_end => return Err(ends_early()),
            Ok(_) if consumed + produced == 0 => {
                return Err("The gzip data is damaged.".to_string());
            }
            _ => {}
        }
        Ok(consumed + produced)
    }

    fn check_trailer(&self, source: &mut BufReader<File>) -> Result<(), String> {
        let sum = u32::from_le_bytes(take(source)?);
        let amount = u32::from_le_bytes(take(source)?);
        if sum != self.crc.sum() || amount != self.crc.amount() {
            return Err("The gzip data is damaged: its checksum does not fit.".to_string());
        }
        Ok(())
    }
}

/// Passes over the head of a member (RFC 1952) and returns its length.
fn read_gzip_head(source: &mut BufReader<File>) -> Result<usize, String> {
    const HAS_HEAD_CRC: u8 = 2;
    const HAS_EXTRA: u8 = 4;
    const HAS_NAME: u8 = 8;
    const HAS_COMMENT: u8 = 16;
    let head: [u8; 10] = take(source)?;
    if head[..2] != [0x1f, 0x8b] {
        return Err("Behind the gzip data stands something else.".to_string());
    }
    let flags = head[3];
    if head[2] != 8 || flags & 0xe0 != 0 {
        return Err("The gzip data is packed in a way that is not known.".to_string());
    }
    let mut bytes = head.len();
    if flags & HAS_EXTRA != 0 {
        for _ in 0..u16::from_le_bytes(take(source)?) {
            take::<1>(source)?;
            bytes += 1;
        }
    }
    for field in [HAS_NAME, HAS_COMMENT] {
        while flags & field != 0 && take(source)? != [0] {
            bytes += 1;
            if bytes > GZIP_HEAD_LIMIT_BYTES {
                return Err("The gzip data has too long a head.".to_string());
            }
        }
    }
    if flags & HAS_HEAD_CRC != 0 {
        take::<2>(source)?;
    }
    Ok(bytes)
}

fn take<const COUNT: usize>(source: &mut BufReader<File>) -> Result<[u8; COUNT], String> {
    let mut bytes = [0; COUNT];
    match source.read_exact(&mut bytes) {
        Ok(()) => Ok(bytes),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(ends_early()),
        Err(error) => Err(unreadable(error)),
    }
}

fn ends_early() -> String {
    "The gzip data ends too early.".to_string()
}

fn unreadable(error: io::Error) -> String {
    format!("The archive cannot be read: {error}.")
}
