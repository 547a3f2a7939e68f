//! A zstd stream, decompressed in bounded pulls.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};

use ruzstd::decoding::errors::FrameDecoderError;
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

use crate::app::source::input::{damaged, ends_early, take, unreadable};
use crate::app::source::limits::{
    ZSTD_BLOCK_COST_BYTES, ZSTD_FRAME_COST_BYTES, ZSTD_WINDOW_LIMIT_BYTES,
};

/// The number at the start of a frame. The low four bits of a skippable frame's number are free.
const FRAME_MAGIC: u32 = 0xfd2f_b528;
const SKIPPABLE_MAGIC: std::ops::RangeInclusive<u32> = 0x184d_2a50..=0x184d_2a5f;

/// A flag in the byte after that number that no frame may set. The decoder ignores it.
const RESERVED_FLAG: u8 = 1 << 3;

/// The decoder of a whole file: frames one after another, until the file ends.
pub struct ZstdDecoder {
    frame: FrameDecoder,
    position: Position,
}

enum Position {
    /// Before a frame, or at the end.
    Start,
    /// In a skippable frame; `left` bytes of it remain.
    Skip { left: u32 },
    /// In a frame; `produced` bytes of it were handed out.
    Frame { produced: u64 },
}

impl Default for ZstdDecoder {
    fn default() -> ZstdDecoder {
        let mut frame = FrameDecoder::new();
        frame.set_max_window_size(ZSTD_WINDOW_LIMIT_BYTES);
        ZstdDecoder {
            frame,
            position: Position::Start,
        }
    }
}

impl ZstdDecoder {
    /// Appends at most `limit` bytes to `out` and returns the work this was, in bytes; `None` at the end.
    /// Each call does one thing: it reads a header, decodes one block or hands out decoded bytes.
    pub fn pull(
        &mut self,
        source: &mut BufReader<File>,
        limit: usize,
        out: &mut Vec<u8>,
    ) -> Result<Option<usize>, String> {
        match &mut self.position {
            Position::Start if source.fill_buf().map_err(unreadable)?.is_empty() => Ok(None),
            Position::Start => {
                self.position = start_frame(&mut self.frame, source)?;
                Ok(Some(ZSTD_FRAME_COST_BYTES))
            }
            Position::Skip { left: 0 } => {
                self.position = Position::Start;
                Ok(Some(0))
            }
            Position::Skip { left } => {
                let ready = source.fill_buf().map_err(unreadable)?.len();
                if ready == 0 {
                    return Err(ends_early("zstd"));
                }
                let skipped = ready.min(*left as usize);
                source.consume(skipped);
                *left -= skipped as u32;
                Ok(Some(skipped))
            }
            Position::Frame { produced } => match self.frame.can_collect() {
                0 if self.frame.is_finished() => {
                    check_sums(&self.frame, *produced)?;
                    self.position = Position::Start;
                    Ok(Some(0))
                }
                0 => {
                    let mut input = Input::new(source);
                    let one = BlockDecodingStrategy::UptoBlocks(1);
                    let decoded = self.frame.decode_blocks(&mut input, one);
                    decoded.map_err(|error| input.explain(&error))?;
                    Ok(Some(input.consumed.max(ZSTD_BLOCK_COST_BYTES)))
                }
                ready => {
                    let start = out.len();
                    out.resize(start + ready.min(limit), 0);
                    let read = self.frame.read(&mut out[start..]).map_err(unreadable)?;
                    out.truncate(start + read);
                    *produced += read as u64;
                    Ok(Some(read))
                }
            },
        }
    }
}

/// Reads the header of the next frame.
fn start_frame(frame: &mut FrameDecoder, source: &mut BufReader<File>) -> Result<Position, String> {
    let magic = take("zstd", source)?;
    match u32::from_le_bytes(magic) {
        FRAME_MAGIC => {}
        number if SKIPPABLE_MAGIC.contains(&number) => {
            let left = u32::from_le_bytes(take("zstd", source)?);
            return Ok(Position::Skip { left });
        }
        _ => return Err(damaged("zstd", "no frame begins where one should")),
    }
    let [flags] = take("zstd", source)?;
    if flags & RESERVED_FLAG != 0 {
        return Err(damaged("zstd", "a reserved bit is set"));
    }
    // The decoder parses the whole header itself.
    let [a, b, c, d] = magic;
    let mut input = Input::new(source);
    let started = frame.reset((&[a, b, c, d, flags][..]).chain(&mut input));
    started.map_err(|error| input.explain(&error))?;
    Ok(Position::Frame { produced: 0 })
}

/// Compares the output of a whole frame with the size and the checksum that the frame gives, if any.
fn check_sums(frame: &FrameDecoder, produced: u64) -> Result<(), String> {
    let size = frame.content_size();
    if size != 0 && size != produced {
        return Err(damaged("zstd", "its size does not fit"));
    }
    let sum = frame.get_checksum_from_data();
    if sum.is_some() && sum != frame.get_calculated_checksum() {
        return Err(damaged("zstd", "its checksum does not fit"));
    }
    Ok(())
}

/// The compressed bytes as the decoder reads them. It counts them, and keeps the reason of a failed read, which
/// the decoder's error does not have.
struct Input<'a> {
    source: &'a mut BufReader<File>,
    consumed: usize,
    ended: bool,
    error: Option<io::Error>,
}

impl Input<'_> {
    fn new(source: &mut BufReader<File>) -> Input<'_> {
        Input {
            source,
            consumed: 0,
            ended: false,
            error: None,
        }
    }

    /// The sentence for an error of the decoder.
    fn explain(&mut self, error: &FrameDecoderError) -> String {
        match (self.error.take(), error) {
            (Some(error), _) => unreadable(error),
            (None, FrameDecoderError::WindowSizeTooBig { .. }) => {
                let limit = ZSTD_WINDOW_LIMIT_BYTES >> 20;
                format!("the zstd data needs more memory than the {limit} MiB that are allowed")
            }
            (None, _) if self.ended => ends_early("zstd"),
            (None, error) => damaged("zstd", error),
        }
    }
}

impl Read for Input<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read(buffer);
        match &read {
            Ok(0) => self.ended |= !buffer.is_empty(),
            Ok(count) => self.consumed += count,
            Err(error) => self.error = Some(error.kind().into()),
        }
        read
    }
}
