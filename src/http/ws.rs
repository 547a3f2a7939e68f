//! A WebSocket over two byte queues: its handshake, what its client says, what it is told.

use std::io::{self, ErrorKind, Read, Write};

use data_encoding::BASE64;
use sha1::{Digest, Sha1};
use tungstenite::Error;
use tungstenite::protocol::frame::coding::{CloseCode, Control, Data, OpCode};
use tungstenite::protocol::frame::{CloseFrame, FrameHeader, Utf8Bytes};
use tungstenite::protocol::{Role, WebSocketConfig, WebSocketContext};

use crate::base::buffer::Buffer;
use crate::http::head::{Fault, Framing, fault, lists};
use crate::http::limits::{
    KEEPALIVES_LIMIT, MESSAGE_LIMIT_BYTES, SOCKET_INPUT_BYTES, UNSENT_LIMIT_BYTES,
};
use crate::interface::message::{Head, Response, values};

// ---- the handshake ----

/// The answer to a client's key. It proves to the client that a WebSocket was understood.
pub type Accept = [u8; 28];

/// What asking for a WebSocket with this request comes to.
pub type Handshake = Result<Accept, Fault>;

pub const NOT_ASKED: Fault = fault(426, "Here is a WebSocket: ask for an upgrade to it.");

/// Fixed by RFC 6455.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// What the head of a request says about becoming a WebSocket. `http10` is HTTP/1.0, which has no
/// upgrades.
pub fn read_handshake(head: &Head, http10: bool, framing: Framing) -> Handshake {
    let asks = |name: &str, word: &str| lists(&head.headers, name, word);
    if http10 || !asks("connection", "upgrade") || !asks("upgrade", "websocket") {
        return Err(NOT_ASKED);
    }
    if values(&head.headers, "sec-websocket-version") != ["13"] {
        return Err(fault(426, "The only WebSocket version known is 13."));
    }
    if head.method != "GET" || framing != Framing::Length(0) {
        return Err(fault(400, "A WebSocket begins with a GET without a body."));
    }
    match values(&head.headers, "sec-websocket-key").as_slice() {
        [key] if is_key(key) => Ok(accept(key)),
        _ => Err(fault(
            400,
            "The Sec-WebSocket-Key is not 16 bytes of Base64.",
        )),
    }
}

fn is_key(text: &str) -> bool {
    let decoded = BASE64.decode(text.as_bytes());
    decoded.is_ok_and(|bytes| bytes.len() == 16)
}

fn accept(key: &str) -> Accept {
    let hash = Sha1::new().chain_update(key).chain_update(GUID).finalize();
    let mut accept = [0; 28];
    BASE64.encode_mut(&hash, &mut accept);
    accept
}

pub fn accepted(accept: &Accept) -> Response {
    let accept = String::from_utf8_lossy(accept);
    let answer = Response {
        status: 101,
        ..Response::default()
    };
    answer
        .with("Upgrade", "websocket")
        .with("Sec-WebSocket-Accept", accept)
}

pub fn refused(fault: Fault) -> Response {
    let answer = Response::error(fault.status, fault.sentence);
    match fault.status {
        426 => answer
            .with("Upgrade", "websocket")
            .with("Sec-WebSocket-Version", "13"),
        _ => answer,
    }
}

// ---- the socket ----

/// What one message is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Text,
    Binary,
}

/// What hearing the client came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Received {
    /// All that came, as far as it makes whole frames.
    All,
    /// Not all: the client has to take its answers first.
    Held,
    /// Both sides have said that they close.
    Closed,
    /// What came is no WebSocket's, or too large. The client was told so; what follows cannot be
    /// understood.
    Broken,
}

/// The server's end of one WebSocket.
///
/// What the client says goes through tungstenite, which answers pings and closes. What the client
/// is told is framed here, into the connection's own queue: the library would keep a buffer as
/// large as the largest message ever sent, for each of thousands of watchers.
#[derive(Debug)]
pub struct Socket {
    context: WebSocketContext,
    /// Beats since the last byte from the client.
    unheard: u32,
    /// We have sent a close: no message follows.
    closing: bool,
    held: bool,
}

impl Default for Socket {
    fn default() -> Socket {
        let config = WebSocketConfig::default()
            .read_buffer_size(SOCKET_INPUT_BYTES)
            .write_buffer_size(0)
            .max_message_size(Some(MESSAGE_LIMIT_BYTES))
            .max_frame_size(Some(MESSAGE_LIMIT_BYTES));
        Socket {
            context: WebSocketContext::new(Role::Server, Some(config)),
            unheard: 0,
            closing: false,
            held: false,
        }
    }
}

impl Socket {
    /// Bytes have come: the client is there.
    pub fn note_received(&mut self) {
        self.unheard = 0;
    }

    /// Takes what the client said out of `input`. Pings and closes are answered; nothing else
    /// that a client says is of use.
    pub fn handle_input(&mut self, input: &mut Buffer, output: &mut Buffer) -> Received {
        let mut wire = Wire { input, output };
        loop {
            self.held = wire.output.len() > UNSENT_LIMIT_BYTES;
            if self.held {
                return Received::Held;
            }
            match self.context.read(&mut wire) {
                // A ping among them is answered at the next step.
                Ok(_) => {}
                Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => {
                    return Received::All;
                }
                Err(Error::ConnectionClosed | Error::AlreadyClosed) => return Received::Closed,
                Err(error) => {
                    let (code, why) = complaint(&error);
                    self.send_close(code, why, wire.output);
                    return Received::Broken;
                }
            }
        }
    }

    /// Something the client said waits for room in the output.
    pub fn is_held(&self) -> bool {
        self.held
    }

    pub fn is_closing(&self) -> bool {
        self.closing
    }

    /// One message. A text has to be UTF-8.
    pub fn say(&mut self, kind: Kind, bytes: &[u8], output: &mut Buffer) {
        debug_assert!(!self.closing);
        let data = match kind {
            Kind::Text => {
                debug_assert!(str::from_utf8(bytes).is_ok());
                Data::Text
            }
            Kind::Binary => Data::Binary,
        };
        send(OpCode::Data(data), bytes, output);
    }

    /// Asks the client for a sign of life. False where it has not given any for too long.
    #[must_use]
    pub fn ping(&mut self, output: &mut Buffer) -> bool {
        if self.unheard >= KEEPALIVES_LIMIT {
            return false;
        }
        self.unheard += 1;
        send(OpCode::Control(Control::Ping), b"", output);
        true
    }

    /// Says that no more follows; done when the client says so too.
    pub fn close(&mut self, output: &mut Buffer) {
        self.send_close(CloseCode::Normal, "", output);
    }

    /// The same, because the server ends.
    pub fn drain_and_close(&mut self, output: &mut Buffer) {
        self.send_close(CloseCode::Away, "The server ends.", output);
    }

    /// Once: later calls send nothing.
    fn send_close(&mut self, code: CloseCode, why: &'static str, output: &mut Buffer) {
        self.closing = true;
        let mut input = Buffer::new(0);
        let mut wire = Wire {
            input: &mut input,
            output,
        };
        let frame = CloseFrame {
            code,
            reason: Utf8Bytes::from_static(why),
        };
        // A pong that is due goes first: nothing may follow a close. Neither call can fail, as
        // the queue takes everything; after the client's close they say that all is closed.
        let _ = self.context.flush(&mut wire);
        let _ = self.context.close(&mut wire, Some(frame));
    }
}

fn complaint(error: &Error) -> (CloseCode, &'static str) {
    match error {
        Error::Capacity(_) => (CloseCode::Size, "That is too large."),
        Error::Utf8(_) => (CloseCode::Invalid, "That text is not UTF-8."),
        _ => (CloseCode::Protocol, "That is not what RFC 6455 says."),
    }
}

/// One whole frame; a server's are not masked.
fn send(opcode: OpCode, payload: &[u8], output: &mut Buffer) {
    let header = FrameHeader {
        is_final: true,
        opcode,
        ..FrameHeader::default()
    };
    let mut head = Vec::with_capacity(FRAME_HEAD_LIMIT_BYTES);
    // Writing to memory does not fail.
    let formatted = header.format(payload.len() as u64, &mut head);
    debug_assert!(formatted.is_ok() && head.len() <= FRAME_HEAD_LIMIT_BYTES);
    for bytes in [&head, payload] {
        let taken = output.push(bytes);
        debug_assert_eq!(taken, bytes.len());
    }
}

/// A server's frame: two bytes, and eight of length.
const FRAME_HEAD_LIMIT_BYTES: usize = 10;

/// The connection's queues as the stream that tungstenite wants: it has nothing to read where
/// the input is empty, and takes everything.
struct Wire<'a> {
    input: &'a mut Buffer,
    output: &'a mut Buffer,
}

impl Read for Wire<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.input.is_empty() {
            // Zero bytes would mean that the client has hung up.
            return Err(ErrorKind::WouldBlock.into());
        }
        let waiting = self.input.as_slice();
        let count = waiting.len().min(into.len());
        into[..count].copy_from_slice(&waiting[..count]);
        self.input.consume(count);
        Ok(count)
    }
}

impl Write for Wire<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(self.output.push(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
