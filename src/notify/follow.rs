//! The stream of events: server-sent events, as they come in pieces.

use crate::notify::limits::{FOLLOW_PAUSE_LIMIT_MS, FOLLOW_PAUSE_MS, LINE_LIMIT_BYTES};

/// One event of the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub id: Option<u64>,
    pub data: String,
}

/// Reads a stream of server-sent events.
#[derive(Debug, Default)]
pub struct Stream {
    line: Vec<u8>,
    id: Option<u64>,
    data: String,
}

impl Stream {
    /// The events that end in these bytes. An error says that this is no such stream.
    pub fn read(&mut self, bytes: &[u8]) -> Result<Vec<Message>, String> {
        let mut messages = Vec::new();
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            if self.line.len() + self.data.len() + piece.len() > LINE_LIMIT_BYTES {
                return Err(format!("an event of more than {LINE_LIMIT_BYTES} bytes"));
            }
            self.line.extend_from_slice(piece);
            if !piece.ends_with(b"\n") {
                break;
            }
            let line = std::mem::take(&mut self.line);
            let line = String::from_utf8_lossy(&line);
            messages.extend(self.take(line.trim_end_matches(['\n', '\r'])));
        }
        Ok(messages)
    }

    /// Takes one line; the event that it ends.
    fn take(&mut self, line: &str) -> Option<Message> {
        if line.is_empty() {
            let data = std::mem::take(&mut self.data);
            let id = self.id.take();
            return (!data.is_empty()).then_some(Message { id, data });
        }
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "id" => self.id = value.parse().ok(),
            "data" if self.data.is_empty() => self.data = value.to_string(),
            "data" => self.data += &format!("\n{value}"),
            // A comment, or a field of no use here.
            _ => {}
        }
        None
    }
}

/// The pause before the next stream, after so many in a row that brought nothing.
pub fn pause_ms(failures: u32) -> u64 {
    let pause = FOLLOW_PAUSE_MS.saturating_mul(1 << failures.min(16));
    pause.min(FOLLOW_PAUSE_LIMIT_MS)
}
