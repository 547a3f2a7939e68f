//! The tar inside an uploaded file, in bounded pulls: stored plainly, or compressed with gzip or zstd.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use crate::app::source::gzip::GzipDecoder;
use crate::app::source::input::unreadable;
use crate::app::source::limits::UNPACK_LIMIT_BYTES;
use crate::app::source::zstd::ZstdDecoder;

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

    /// The format that the first bytes show. What is neither gzip nor zstd is taken for a tar.
    fn detect(first: &[u8]) -> Format {
        match first {
            [0x1f, 0x8b, ..] => Format::TarGz,
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Format::TarZst,
            _ => Format::Tar,
        }
    }
}

pub struct Unpacker {
    source: BufReader<File>,
    format: Format,
    decoder: Decoder,
}

enum Decoder {
    Plain,
    Gzip(Box<GzipDecoder>),
    Zstd(Box<ZstdDecoder>),
}

impl Unpacker {
    pub fn open(path: &Path) -> io::Result<Unpacker> {
        let mut source = BufReader::with_capacity(UNPACK_LIMIT_BYTES, File::open(path)?);
        let format = Format::detect(source.fill_buf()?);
        let decoder = match format {
            Format::Tar => Decoder::Plain,
            Format::TarGz => Decoder::Gzip(Box::default()),
            Format::TarZst => Decoder::Zstd(Box::default()),
        };
        Ok(Unpacker {
            source,
            format,
            decoder,
        })
    }

    pub fn format(&self) -> Format {
        self.format
    }

    /// Appends the next bytes to `out`, at most `limit` and perhaps none. Returns the work this was, in
    /// bytes; `None` at the end. An error is a sentence.
    pub fn pull(&mut self, limit: usize, out: &mut Vec<u8>) -> Result<Option<usize>, String> {
        match &mut self.decoder {
            Decoder::Plain => {
                let bytes = self.source.fill_buf().map_err(unreadable)?;
                let count = bytes.len().min(limit);
                out.extend_from_slice(&bytes[..count]);
                self.source.consume(count);
                Ok(Some(count).filter(|count| *count > 0))
            }
            Decoder::Gzip(decoder) => decoder.pull(&mut self.source, limit, out),
            Decoder::Zstd(decoder) => decoder.pull(&mut self.source, limit, out),
        }
    }
}
