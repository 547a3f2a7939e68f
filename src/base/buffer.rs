//! A bounded byte queue: bytes are pushed at the back, read as one slice, and consumed from the front.

/// Holds at most `limit` bytes, in at most four times that memory; no memory while it is empty.
#[derive(Debug)]
pub struct Buffer {
    /// `bytes[..start]` is consumed, `bytes[start..]` waits.
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

    /// A buffer whose callers bound it.
    pub fn unlimited() -> Buffer {
        Buffer::new(usize::MAX)
    }

    pub fn len(&self) -> usize {
        self.bytes.len() - self.start
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many bytes `push` takes now.
    pub fn space(&self) -> usize {
        self.limit - self.len()
    }

    /// Pushes as many of the bytes as there is space for; how many that was.
    #[must_use]
    pub fn push(&mut self, bytes: &[u8]) -> usize {
        let taken = bytes.len().min(self.space());
        // Moves bytes only when at least as many were consumed as wait. So each moved byte stands for a consumed one,
        // and a queue that never runs empty costs no more than one that does.
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

    /// Drops `count` bytes, or all there are, from the front.
    pub fn consume(&mut self, count: usize) {
        self.start += count.min(self.len());
        if self.is_empty() {
            self.clear();
        }
    }

    /// Drops everything and frees the memory.
    pub fn clear(&mut self) {
        self.bytes = Vec::new();
        self.start = 0;
    }

    /// How much memory the queue holds, in bytes.
    pub fn memory(&self) -> usize {
        self.bytes.capacity()
    }
}
