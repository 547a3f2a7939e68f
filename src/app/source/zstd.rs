//! A zstd stream, unpacked in bounded pulls.

use std::fs::File;
use std::io::{BufRead, BufReader};

use zstd::stream::raw::{DParameter, Decoder, InBuffer, Operation, OutBuffer};

use crate::app::source::limits::{ZSTD_FRAME_COST_BYTES, ZSTD_WINDOW_LIMIT_LOG2};

pub struct Unzstd {
    decoder: Decoder<'static>,
    in_frame: bool,
}

impl Unzstd {
    pub fn new() -> std::io::Result<Unzstd> {
        let mut decoder = Decoder::new()?;
        decoder.set_parameter(DParameter::WindowLogMax(ZSTD_WINDOW_LIMIT_LOG2))?;
        Ok(Unzstd {
            decoder,
            in_frame: false,
        })
    }

    /// Appends at most `most` bytes to `out` and returns the work this was; `None` at the end.
    pub fn pull(
        &mut self,
        source: &mut BufReader<File>,
        most: usize,
        out: &mut Vec<u8>,
    ) -> Result<Option<usize>, String> {
        let bytes = source.fill_buf();
        let bytes = bytes.map_err(|e| format!("The archive cannot be read: {e}."))?;
        let at_end = bytes.is_empty();
        if at_end && !self.in_frame {
            return Ok(None);
        }
        let start = out.len();
        out.resize(start + most, 0);
        let mut input = InBuffer::around(bytes);
        let mut output = OutBuffer::around(&mut out[start..]);
        let left = self.decoder.run(&mut input, &mut output);
        let (consumed, produced) = (input.pos(), output.pos());
        out.truncate(start + produced);
        source.consume(consumed);
        let left = left.map_err(|e| format!("The zstd data is damaged: {e}."))?;
        self.in_frame = left != 0;
        if at_end && produced == 0 && most > 0 && self.in_frame {
            return Err("The zstd data ends too early.".to_string());
        }
        let work = consumed + produced;
        Ok(Some(match self.in_frame {
            true => work,
            false => work.max(ZSTD_FRAME_COST_BYTES),
        }))
    }
}
