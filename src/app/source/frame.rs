//! A framed file: a line of JSON that gives `bytes` and `sha256` of the body, then the body.

use serde_json::Value;

use crate::app::source::limits::FRAME_HEAD_LIMIT_BYTES;

/// Every error is final, and a sentence.
#[derive(Debug)]
pub struct FrameReader {
    limit_bytes: u64,
    /// The part of the head line that has arrived.
    line: Vec<u8>,
    head: Option<Value>,
    sha256: String,
    left_bytes: u64,
}

impl FrameReader {
    /// A reader of a frame whose body may have up to `limit_bytes`.
    pub fn new(limit_bytes: u64) -> FrameReader {
        FrameReader {
            limit_bytes,
            line: Vec::new(),
            head: None,
            sha256: String::new(),
            left_bytes: 0,
        }
    }

    /// Takes the next bytes of the frame; returns the part of them that is body.
    pub fn feed<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], String> {
        let body = match self.head {
            Some(_) => bytes,
            None => self.read_head(bytes)?,
        };
        let left = self.left_bytes.checked_sub(body.len() as u64);
        self.left_bytes = left.ok_or("the body is longer than its head says")?;
        Ok(body)
    }

    /// The head, once its line is complete.
    pub fn head(&self) -> Option<&Value> {
        self.head.as_ref()
    }

    /// At the end of the frame: the head, if the body is complete and `sha256` is its hash.
    pub fn finish(self, sha256: &str) -> Result<Value, String> {
        let head = self.head.ok_or("it ended within its head line")?;
        if self.left_bytes > 0 {
            return Err(format!("it ended {} bytes too early", self.left_bytes));
        }
        if self.sha256 != sha256 {
            return Err("the body is not the one its head names: its sha256 differs".to_string());
        }
        Ok(head)
    }

    /// Collects the head line; returns the bytes after it.
    fn read_head<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], String> {
        let end = bytes.iter().position(|byte| *byte == b'\n');
        let line = &bytes[..end.unwrap_or(bytes.len())];
        if self.line.len() + line.len() > FRAME_HEAD_LIMIT_BYTES {
            return Err(format!(
                "the head line is longer than {FRAME_HEAD_LIMIT_BYTES} bytes"
            ));
        }
        self.line.extend_from_slice(line);
        let Some(end) = end else { return Ok(&[]) };
        let head: Value = serde_json::from_slice(&self.line)
            .map_err(|error| format!("the head line is not JSON: {error}"))?;
        self.left_bytes = head["bytes"]
            .as_u64()
            .ok_or("the head does not say how many `bytes` follow")?;
        if self.left_bytes > self.limit_bytes {
            return Err(format!(
                "the body has {} bytes, {} are allowed",
                self.left_bytes, self.limit_bytes
            ));
        }
        let sha256 = head["sha256"]
            .as_str()
            .ok_or("the head does not say the `sha256` of the body")?;
        self.sha256 = sha256.to_string();
        self.head = Some(head);
        Ok(&bytes[end + 1..])
    }
}
