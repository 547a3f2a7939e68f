//! The received bytes of one connection that are not parsed yet; heads and bodies are read out of them.

use crate::base::buffer::Buffer;
use crate::http::body::Body;
use crate::http::fault::{Fault, fault};
use crate::http::head::{self, ReadHead};
use crate::http::limits::{
    EMPTY_LINES_LIMIT_COUNT, HEAD_LIMIT_BYTES, INPUT_LIMIT_BYTES, LINGER_LIMIT_BYTES,
    PIECE_LIMIT_BYTES,
};

/// A head without a new line is parsed again whenever it has grown by this.
const PARSE_STEP_BYTES: usize = 1 << 10;

#[derive(Debug)]
pub struct InputBuffer {
    bytes: Buffer,
    /// How many of the bytes were parsed and do not complete a head.
    parsed: usize,
    /// Empty lines seen before the next head.
    empty_lines: usize,
    /// Where set, input is dropped: how many more bytes of it are received.
    dropping: Option<usize>,
    pub has_ended: bool,
}

impl Default for InputBuffer {
    fn default() -> InputBuffer {
        InputBuffer {
            bytes: Buffer::new(INPUT_LIMIT_BYTES),
            parsed: 0,
            empty_lines: 0,
            dropping: None,
            has_ended: false,
        }
    }
}

impl InputBuffer {
    /// How many bytes `receive` takes now.
    pub fn space(&self) -> usize {
        match self.dropping {
            _ if self.has_ended => 0,
            Some(left) => left.min(PIECE_LIMIT_BYTES),
            None => self.bytes.space(),
        }
    }

    pub fn receive(&mut self, bytes: &[u8]) {
        debug_assert!(bytes.len() <= self.space());
        match &mut self.dropping {
            Some(left) => *left = left.saturating_sub(bytes.len()),
            None => {
                let taken = self.bytes.push(bytes);
                debug_assert_eq!(taken, bytes.len());
            }
        }
    }

    /// The client sends no more.
    pub fn end(&mut self) {
        self.has_ended = true;
    }

    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The bytes themselves, for a WebSocket.
    pub fn bytes(&mut self) -> &mut Buffer {
        &mut self.bytes
    }

    /// How much memory the buffer holds beside its own size, in bytes.
    pub fn memory(&self) -> usize {
        self.bytes.memory()
    }

    /// Drops what is there, and everything that follows.
    pub fn drop_rest(&mut self) {
        self.bytes.clear();
        self.dropping.get_or_insert(LINGER_LIMIT_BYTES);
    }

    /// The next request's head; none where more bytes are needed.
    pub fn read_head(&mut self) -> Result<Option<ReadHead>, Fault> {
        self.skip_empty_lines()?;
        // A head is parsed when it gets a new line, not at every byte: a slow sender must not cost the square of its
        // length. It is also parsed at its first bytes (they show whether this is HTTP), at its last ones, and while a
        // line grows (a target may be too long).
        let bytes = self.bytes.as_slice();
        let fresh = &bytes[self.parsed..];
        let first = self.parsed == 0 && !bytes.is_empty();
        let grown = bytes.len() / PARSE_STEP_BYTES > self.parsed / PARSE_STEP_BYTES;
        let full = bytes.len() >= HEAD_LIMIT_BYTES;
        self.parsed = bytes.len();
        if !(first || grown || full || self.has_ended || fresh.contains(&b'\n')) {
            return Ok(None);
        }
        let read = head::read_head(bytes)?;
        if let Some(read) = &read {
            self.bytes.consume(read.length);
            self.parsed = 0;
            self.empty_lines = 0;
        }
        Ok(read)
    }

    /// True where the head that has begun to arrive is that of a HEAD request.
    pub fn asks_for_head(&self) -> bool {
        self.bytes.as_slice().starts_with(b"HEAD ")
    }

    /// Skips empty lines: some clients send one behind a body. A bare line feed is none and makes the head malformed.
    fn skip_empty_lines(&mut self) -> Result<(), Fault> {
        while self.bytes.as_slice().starts_with(b"\r\n") {
            self.bytes.consume(2);
            self.parsed = self.parsed.saturating_sub(2);
            self.empty_lines += 1;
            if self.empty_lines > EMPTY_LINES_LIMIT_COUNT {
                return Err(fault(
                    400,
                    "there are too many empty lines before the request",
                ));
            }
        }
        Ok(())
    }

    /// Moves body bytes into `into` until it holds `most` bytes, or no more have arrived.
    pub fn read_body(
        &mut self,
        body: &mut Body,
        into: &mut Vec<u8>,
        most: usize,
    ) -> Result<(), Fault> {
        while into.len() < most {
            let (used, data) = body.step(self.bytes.as_slice(), most - into.len())?;
            if used == 0 {
                break;
            }
            into.extend_from_slice(data);
            self.bytes.consume(used);
        }
        Ok(())
    }
}
