//! What one connection has received and not yet understood: heads and bodies are read out of it.

use crate::base::buffer::Buffer;
use crate::http::body::Body;
use crate::http::head::{self, Fault, ReadHead, fault};
use crate::http::limits::{
    EMPTY_LINES_LIMIT_COUNT, HEAD_LIMIT_BYTES, INPUT_LIMIT_BYTES, LINGER_LIMIT_BYTES,
    PIECE_LIMIT_BYTES,
};

// ---- limits ----

/// A line without an end is looked at again whenever it has grown by so much.
const LOOK_AGAIN_BYTES: usize = 1 << 10;

#[derive(Debug)]
pub struct InputBuffer {
    input: Buffer,
    /// How many bytes of the input are known not to complete a head.
    looked: usize,
    /// Empty lines seen before the next head.
    empty_lines: usize,
    /// What the client still sends is dropped, so many bytes of it at most.
    dropping: Option<usize>,
    ended: bool,
}

impl Default for InputBuffer {
    fn default() -> InputBuffer {
        InputBuffer {
            input: Buffer::new(INPUT_LIMIT_BYTES),
            looked: 0,
            empty_lines: 0,
            dropping: None,
            ended: false,
        }
    }
}

impl InputBuffer {
    /// How many bytes `receive` takes now.
    pub fn room(&self) -> usize {
        match self.dropping {
            _ if self.ended => 0,
            Some(left) => left.min(PIECE_LIMIT_BYTES),
            None => self.input.room(),
        }
    }

    pub fn receive(&mut self, bytes: &[u8]) {
        debug_assert!(bytes.len() <= self.room());
        match &mut self.dropping {
            Some(left) => *left = left.saturating_sub(bytes.len()),
            None => {
                let taken = self.input.push(bytes);
                debug_assert_eq!(taken, bytes.len());
            }
        }
    }

    /// Nothing more will be received.
    pub fn end(&mut self) {
        self.ended = true;
    }

    pub fn has_ended(&self) -> bool {
        self.ended
    }

    pub fn is_empty(&self) -> bool {
        self.input.is_empty()
    }

    /// The bytes themselves, for who understands them otherwise.
    pub fn bytes(&mut self) -> &mut Buffer {
        &mut self.input
    }

    /// How much memory is held beside its own size, in bytes.
    pub fn memory(&self) -> usize {
        self.input.memory()
    }

    /// From here on nothing of what the client sends is understood.
    pub fn drop_rest(&mut self) {
        self.input.clear();
        self.dropping.get_or_insert(LINGER_LIMIT_BYTES);
    }

    pub fn is_dropping(&self) -> bool {
        self.dropping.is_some()
    }

    /// The next request's head; `None` where more bytes are needed.
    pub fn read_head(&mut self) -> Result<Option<ReadHead>, Fault> {
        self.skip_empty_lines()?;
        // A head is parsed when it gets a new line, not at every byte: a slow sender must not
        // cost the square of its head. The first bytes can show that this is no HTTP, what the
        // last ones show has to be found now, and a target may be too long without a line end.
        let bytes = self.input.as_slice();
        let fresh = &bytes[self.looked..];
        let first = self.looked == 0 && !bytes.is_empty();
        let grown = bytes.len() / LOOK_AGAIN_BYTES > self.looked / LOOK_AGAIN_BYTES;
        let full = bytes.len() >= HEAD_LIMIT_BYTES;
        self.looked = bytes.len();
        if !(first || grown || full || self.ended || fresh.contains(&b'\n')) {
            return Ok(None);
        }
        let read = head::read_head(bytes)?;
        if let Some(read) = &read {
            self.input.consume(read.length);
            self.looked = 0;
            self.empty_lines = 0;
        }
        Ok(read)
    }

    /// Some clients send an empty line behind a body. A bare line feed is none: it stays, and is
    /// found to be no head.
    fn skip_empty_lines(&mut self) -> Result<(), Fault> {
        while self.input.as_slice().starts_with(b"\r\n") {
            self.input.consume(2);
            self.looked = self.looked.saturating_sub(2);
            self.empty_lines += 1;
            if self.empty_lines > EMPTY_LINES_LIMIT_COUNT {
                return Err(fault(400, "There are too many empty lines."));
            }
        }
        Ok(())
    }

    /// Moves body bytes out of the input until there are `most` of them, or no more for now.
    pub fn read_body(
        &mut self,
        body: &mut Body,
        into: &mut Vec<u8>,
        most: usize,
    ) -> Result<(), Fault> {
        while into.len() < most {
            let (used, data) = body.step(self.input.as_slice(), most - into.len())?;
            if used == 0 {
                break;
            }
            into.extend_from_slice(data);
            self.input.consume(used);
        }
        Ok(())
    }
}
