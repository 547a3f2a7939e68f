//! A byte queue with a cap: bytes are put behind, looked at in one piece, and taken from the front.

/// Holds at most `limit` bytes, in at most four times that memory, and in none while it is empty.
#[derive(Debug)]
pub struct Buffer {
    /// `bytes[..start]` is taken already, `bytes[start..]` waits.
    bytes: Vec<u8>,
    start: usize,
    limit: usize,
}

impl Buffer {
    pub fn new(limit: usize) -> Buffer {
        Buffer {
            bytes: Vec::new(),
            start: 0,
            limit,
        }
    }

    /// For what is bounded elsewhere.
    pub fn unlimited() -> Buffer {
        Buffer::new(usize::MAX)
    }

    pub fn len(&self) -> usize {
        self.bytes.len() - self.start
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many bytes it takes now.
    pub fn room(&self) -> usize {
        self.limit - self.len()
    }

    /// How many of the bytes were taken: all that there is room for.
    #[must_use]
    pub fn push(&mut self, bytes: &[u8]) -> usize {
        let taken = bytes.len().min(self.room());
        // Moving only when at least as much was taken as waits: every byte moved was paid for
        // by one that left, so a queue that never runs empty costs no more than one that does.
        if self.start > 0 && self.start >= self.len() {
            self.bytes.copy_within(self.start.., 0);
            self.bytes.truncate(self.len());
            self.start = 0;
        }
        self.bytes.extend_from_slice(&bytes[..taken]);
        taken
    }

    pub fn as_slice(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    /// Takes `count` bytes, or all there are, from the front.
    pub fn consume(&mut self, count: usize) {
        self.start += count.min(self.len());
        if self.is_empty() {
            self.clear();
        }
    }

    /// Forgets everything and gives the memory back.
    pub fn clear(&mut self) {
        self.bytes = Vec::new();
        self.start = 0;
    }

    /// How much memory is held, in bytes.
    pub fn memory(&self) -> usize {
        self.bytes.capacity()
    }
}
