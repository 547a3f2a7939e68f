//! A gzip stream, decompressed in bounded pulls.

use std::fs::File;
use std::io::{BufRead, BufReader};

use flate2::{Crc, Decompress, FlushDecompress, Status};

use crate::app::source::input::{damaged, ends_early, take, unreadable};
use crate::app::source::limits::{GZIP_HEADER_LIMIT_BYTES, GZIP_MEMBER_COST_BYTES};

/// A gzip file: one or more members, then nothing or zeros (padding of tapes and of some tools).
pub struct GzipDecoder {
    inflate: Decompress,
    crc: Crc,
    position: Position,
}

enum Position {
    Header { is_first: bool },
    Body,
    Trailer,
    Padding,
}

impl Default for GzipDecoder {
    fn default() -> GzipDecoder {
        GzipDecoder {
            inflate: Decompress::new(false),
            crc: Crc::new(),
            position: Position::Header { is_first: true },
        }
    }
}

impl GzipDecoder {
    /// Appends at most `limit` bytes to `out`; returns the work this was, in bytes, or `None` at the end.
    pub fn pull(
        &mut self,
        source: &mut BufReader<File>,
        limit: usize,
        out: &mut Vec<u8>,
    ) -> Result<Option<usize>, String> {
        match self.position {
            Position::Header { is_first } => {
                let next = source.fill_buf().map_err(unreadable)?.first().copied();
                if !is_first && matches!(next, None | Some(0)) {
                    self.position = Position::Padding;
                    return Ok(Some(0));
                }
                let bytes = skip_gzip_header(source)?;
                self.inflate.reset(false);
                self.crc.reset();
                self.position = Position::Body;
                Ok(Some(bytes + GZIP_MEMBER_COST_BYTES))
            }
            Position::Body => self.inflate(source, limit, out).map(Some),
            Position::Trailer => {
                self.check_trailer(source)?;
                self.position = Position::Header { is_first: false };
                Ok(Some(0))
            }
            Position::Padding => {
                let bytes = source.fill_buf().map_err(unreadable)?;
                if bytes.iter().any(|byte| *byte != 0) {
                    return Err("something else follows the gzip data".to_string());
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
        limit: usize,
        out: &mut Vec<u8>,
    ) -> Result<usize, String> {
        let start = out.len();
        out.resize(start + limit, 0);
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
            // Output before the damage is returned first, so that the result does not depend on `limit`.
            Err(_) if produced == 0 => return Err("the gzip data is damaged".to_string()),
            Ok(Status::StreamEnd) => self.position = Position::Trailer,
            Ok(_) if consumed + produced == 0 && at_end => return Err(ends_early("gzip")),
            Ok(_) if consumed + produced == 0 => {
                return Err("the gzip data is damaged".to_string());
            }
            _ => {}
        }
        Ok(consumed + produced)
    }

    fn check_trailer(&self, source: &mut BufReader<File>) -> Result<(), String> {
        let sum = u32::from_le_bytes(take("gzip", source)?);
        let amount = u32::from_le_bytes(take("gzip", source)?);
        if sum != self.crc.sum() || amount != self.crc.amount() {
            return Err(damaged("gzip", "its checksum does not fit"));
        }
        Ok(())
    }
}

/// Skips the header of a member (RFC 1952); returns its length.
fn skip_gzip_header(source: &mut BufReader<File>) -> Result<usize, String> {
    const HAS_HEADER_CRC: u8 = 2;
    const HAS_EXTRA: u8 = 4;
    const HAS_NAME: u8 = 8;
    const HAS_COMMENT: u8 = 16;
    let header: [u8; 10] = take("gzip", source)?;
    if header[..2] != [0x1f, 0x8b] {
        return Err("something else follows the gzip data".to_string());
    }
    let flags = header[3];
    if header[2] != 8 || flags & 0xe0 != 0 {
        return Err("the gzip data is packed in a way that is not known".to_string());
    }
    let mut bytes = header.len();
    if flags & HAS_EXTRA != 0 {
        for _ in 0..u16::from_le_bytes(take("gzip", source)?) {
            take::<1>("gzip", source)?;
            bytes += 1;
        }
    }
    for field in [HAS_NAME, HAS_COMMENT] {
        while flags & field != 0 && take("gzip", source)? != [0] {
            bytes += 1;
            if bytes > GZIP_HEADER_LIMIT_BYTES {
                return Err("the gzip data has too long a head".to_string());
            }
        }
    }
    if flags & HAS_HEADER_CRC != 0 {
        take::<2>("gzip", source)?;
    }
    Ok(bytes)
}
