//! The unsent bytes of one connection: whole answers and streams are framed into them.

use crate::base::buffer::Buffer;
use crate::http::gzip::{self, Gzip};
use crate::http::limits::{
    GZIP_LEAST_BYTES, GZIP_LIMIT_BYTES, GZIP_TURN_LIMIT_BYTES, PULL_LEAST_BYTES, STREAM_LIMIT_BYTES,
};
use crate::interface::message::Response;

/// A chunk's frame with eight digits, and the last chunk.
const CHUNK_FRAME_BYTES: usize = 8 + 2 + 2 + 5;

const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";
/// The end of a chunked body.
const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

#[derive(Debug)]
pub struct Output {
    unsent: Buffer,
    /// The current request is HTTP/1.0: a stream ends with the connection, not in chunks.
    http10: bool,
    /// The current request is a HEAD: its answer has no body.
    head_only: bool,
    /// The client of the current request takes gzip.
    takes_gzip: bool,
    /// The current stream is sent in chunks.
    chunked: bool,
    /// The current stream is compressed.
    gzip: Option<Gzip>,
}

impl Default for Output {
    fn default() -> Output {
        Output {
            // An answer is queued whole; `stream_space` limits streams.
            unsent: Buffer::unlimited(),
            http10: false,
            head_only: false,
            takes_gzip: false,
            chunked: false,
            gzip: None,
        }
    }
}

impl Output {
    /// Sets the properties of the request that its answer depends on.
    pub fn set_request(&mut self, http10: bool, head_only: bool, takes_gzip: bool) {
        self.http10 = http10;
        self.head_only = head_only;
        self.takes_gzip = takes_gzip;
    }

    /// Queues `100 Continue`: the client may send the body.
    pub fn send_continue(&mut self) {
        self.send(CONTINUE);
    }

    /// Queues a whole answer; with `last` the connection closes after it.
    pub fn send_response(&mut self, mut answer: Response, last: bool, date: &str) {
        self.encode(&mut answer);
        let answer = &answer;
        let ending = if is_bodiless(answer.status) {
            Ending::Bodiless
        } else {
            Ending::Length(answer.body.len() as u64)
        };
        self.send(&answer_head(answer, ending, self.after(last), date));
        if ending != Ending::Bodiless && !self.head_only {
            self.send(&answer.body);
        }
    }

    /// Compresses the body where the client takes that and it is worth it.
    fn encode(&self, answer: &mut Response) {
        let bytes = answer.body.len();
        let is_body = (GZIP_LEAST_BYTES..=GZIP_LIMIT_BYTES).contains(&bytes);
        let is_worth = is_body && gzip::is_worth(answer);
        // It stands for an answer of which nothing is known here but its tag.
        if answer.status == 304 || is_worth {
            gzip::set_headers(answer, self.takes_gzip);
        }
        if is_worth && self.takes_gzip {
            answer.body = answer.compressed.get_or_make(|| gzip::whole(&answer.body));
        }
    }

    /// True where a stream of that length can only end with the connection.
    pub fn stream_is_last(&self, length: Option<u64>) -> bool {
        self.http10 && length.is_none()
    }

    /// Queues the head of a stream. False where the answer has no body: then it is complete.
    pub fn start_stream(
        &mut self,
        mut head: Response,
        length: Option<u64>,
        last: bool,
        date: &str,
    ) -> bool {
        let is_worth = length.is_none_or(|length| length >= GZIP_LEAST_BYTES as u64);
        let is_worth = is_worth && gzip::is_worth(&head);
        let is_gzip = is_worth && self.takes_gzip;
        if is_worth {
            gzip::set_headers(&mut head, is_gzip);
        }
        self.gzip = is_gzip.then(Gzip::default);
        // How long it will be is not known.
        let length = length.filter(|_| !is_gzip);
        let head = &head;
        let ending = match length {
            _ if is_bodiless(head.status) => Ending::Bodiless,
            Some(length) => Ending::Length(length),
            None if self.http10 => Ending::Close,
            None => Ending::Chunked,
        };
        self.chunked = ending == Ending::Chunked;
        self.send(&answer_head(head, ending, self.after(last), date));
        ending != Ending::Bodiless && !self.head_only
    }

    /// How many bytes `push` takes now: enough for one event, or 0.
    pub fn stream_space(&self) -> usize {
        let frame = CHUNK_FRAME_BYTES + gzip::OVERHEAD_BYTES;
        let space = STREAM_LIMIT_BYTES.saturating_sub(self.unsent.len() + frame);
        let space = match self.gzip {
            Some(_) => space.min(GZIP_TURN_LIMIT_BYTES),
            None => space,
        };
        if space < PULL_LEAST_BYTES { 0 } else { space }
    }

    /// Bytes of the stream that one turn may take.
    pub fn turn_limit(&self) -> usize {
        match self.gzip {
            Some(_) => GZIP_TURN_LIMIT_BYTES,
            None => usize::MAX,
        }
    }

    /// Queues a piece of the stream, at most `stream_space()` bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        debug_assert!(bytes.len() <= self.stream_space());
        if bytes.is_empty() {
            return;
        }
        match &mut self.gzip {
            None => self.send_chunk(bytes),
            Some(gzip) => {
                let mut piece = Vec::new();
                gzip.push(bytes, &mut piece);
                self.send_chunk(&piece);
            }
        }
    }

    /// Sends bytes that are not empty: an empty chunk would end the body.
    fn send_chunk(&mut self, bytes: &[u8]) {
        if !self.chunked {
            return self.send(bytes);
        }
        self.send(format!("{:x}\r\n", bytes.len()).as_bytes());
        self.send(bytes);
        self.send(b"\r\n");
    }

    pub fn end_stream(&mut self) {
        if let Some(mut gzip) = self.gzip.take() {
            let mut end = Vec::new();
            gzip.end(&mut end);
            self.send_chunk(&end);
        }
        if self.chunked {
            self.send(LAST_CHUNK);
        }
    }

    pub fn unsent(&self) -> &[u8] {
        self.unsent.as_slice()
    }

    /// The bytes themselves, for a WebSocket.
    pub fn queue(&mut self) -> &mut Buffer {
        &mut self.unsent
    }

    /// How much memory the buffer holds beside its own size, in bytes.
    pub fn memory(&self) -> usize {
        self.unsent.memory()
    }

    /// `count` bytes were sent.
    pub fn sent(&mut self, count: usize) {
        self.unsent.consume(count);
    }

    fn after(&self, last: bool) -> After {
        match (last, self.http10) {
            (true, _) => After::Close,
            (false, true) => After::KeepAlive,
            (false, false) => After::Open,
        }
    }

    fn send(&mut self, bytes: &[u8]) {
        let taken = self.unsent.push(bytes);
        debug_assert_eq!(taken, bytes.len());
    }
}

/// How an answer marks the end of its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    Length(u64),
    Chunked,
    /// The connection ends with the body.
    Close,
    /// There is no body and no header about one.
    Bodiless,
}

/// What the answer says about the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum After {
    Close,
    /// It stays open; an HTTP/1.0 client needs a header for that.
    KeepAlive,
    /// It stays open, the default of HTTP/1.1.
    Open,
}

/// Status line and headers, with the empty line behind them. Headers that the connection sets itself are left out. A
/// control character in a value becomes a space, so that no value can end its line.
fn answer_head(answer: &Response, ending: Ending, after: After, date: &str) -> Vec<u8> {
    let status = answer.status;
    let mut text = format!("HTTP/1.1 {status} {}\r\nDate: {date}\r\n", reason(status));
    if status >= 200 {
        // A browser must not guess the type of what a package wrote.
        text.push_str("X-Content-Type-Options: nosniff\r\n");
    }
    for (name, value) in &answer.headers {
        if is_set_here(name) {
            continue;
        }
        text.push_str(name);
        text.push_str(": ");
        text.extend(value.chars().map(|c| if c.is_control() { ' ' } else { c }));
        text.push_str("\r\n");
    }
    match ending {
        Ending::Length(length) => text.push_str(&format!("Content-Length: {length}\r\n")),
        Ending::Chunked => text.push_str("Transfer-Encoding: chunked\r\n"),
        Ending::Close | Ending::Bodiless => {}
    }
    let keep = match after {
        After::Close => Some("close"),
        After::KeepAlive => Some("keep-alive"),
        After::Open => None,
    };
    // An answer with Upgrade has to list it here, or a proxy may pass it on.
    let upgrade = answer.headers.iter().any(|(name, _)| *name == "Upgrade");
    let words: Vec<&str> = keep
        .into_iter()
        .chain(upgrade.then_some("Upgrade"))
        .collect();
    if !words.is_empty() {
        text.push_str(&format!("Connection: {}\r\n", words.join(", ")));
    }
    text.push_str("\r\n");
    text.into_bytes()
}

/// True for headers that the connection sets itself.
fn is_set_here(name: &str) -> bool {
    let set_here = ["content-length", "transfer-encoding", "connection", "date"];
    set_here.iter().any(|word| name.eq_ignore_ascii_case(word))
}

/// True for a status that never has a body.
fn is_bodiless(status: u16) -> bool {
    matches!(status, 100..=199 | 204 | 304)
}

fn reason(status: u16) -> &'static str {
    match status {
        100 => "Continue",
        101 => "Switching Protocols",
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        206 => "Partial Content",
        304 => "Not Modified",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        409 => "Conflict",
        411 => "Length Required",
        412 => "Precondition Failed",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        416 => "Range Not Satisfiable",
        417 => "Expectation Failed",
        422 => "Unprocessable Content",
        426 => "Upgrade Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        505 => "HTTP Version Not Supported",
        507 => "Insufficient Storage",
        _ => "",
    }
}
