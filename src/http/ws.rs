//! The server's end of a WebSocket, between two byte queues: handshake, frames in, frames out.

use std::io::{self, ErrorKind, Read, Write};

use data_encoding::BASE64;
use sha1::{Digest, Sha1};
use tungstenite::Error;
use tungstenite::protocol::frame::coding::{CloseCode, Control, Data, OpCode};
use tungstenite::protocol::frame::{CloseFrame, FrameHeader, Utf8Bytes};
use tungstenite::protocol::{Role, WebSocketConfig, WebSocketContext};

use crate::base::buffer::Buffer;
use crate::http::fault::{Fault, fault};
use crate::http::head::{Framing, lists};
use crate::http::limits::{
    KEEPALIVES_LIMIT, MESSAGE_LIMIT_BYTES, SOCKET_INPUT_BYTES, UNSENT_LIMIT_BYTES,
};
use crate::interface::message::{Head, Response, values};

// ---- the handshake ----

/// `Sec-WebSocket-Accept`, derived from the client's key: it proves that the server speaks WebSocket.
pub type Accept = [u8; 28];

/// Whether a request can become a WebSocket; the fault is the answer where it cannot.
pub type Handshake = Result<Accept, Fault>;

pub const NOT_ASKED: Fault = fault(426, "this is a WebSocket: send an upgrade request");

/// Fixed by RFC 6455.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Reads the handshake out of a request's head. HTTP/1.0 has no upgrades.
pub fn read_handshake(head: &Head, framing: Framing) -> Handshake {
    let listed = |name: &str, word: &str| lists(&head.headers, name, word);
    if head.http10 || !listed("connection", "upgrade") || !listed("upgrade", "websocket") {
        return Err(NOT_ASKED);
    }
    if values(&head.headers, "sec-websocket-version") != ["13"] {
        return Err(fault(426, "the WebSocket version must be 13"));
    }
    if head.method != "GET" || framing != Framing::Length(0) {
        return Err(fault(400, "a WebSocket begins with a GET without a body"));
    }
    match values(&head.headers, "sec-websocket-key").as_slice() {
        [key] if is_key(key) => Ok(accept(key)),
        _ => Err(fault(
            400,
            "the Sec-WebSocket-Key must be 16 bytes of Base64",
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

/// The response that completes the handshake.
pub fn accept_response(accept: &Accept) -> Response {
    let accept = String::from_utf8_lossy(accept);
    let answer = Response {
        status: 101,
        ..Response::default()
    };
    answer
        .with("Upgrade", "websocket")
        .with("Sec-WebSocket-Accept", accept)
}

/// The response to a failed handshake.
pub fn error_response(fault: Fault) -> Response {
    let answer = Response::error(fault.status, &fault.sentence);
    match fault.status {
        426 => answer
            .with("Upgrade", "websocket")
            .with("Sec-WebSocket-Version", "13"),
        _ => answer,
    }
}

// ---- the socket ----

/// The type of one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Text,
    Binary,
}

/// The result of `handle_input`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Received {
    /// Every whole frame was handled.
    All,
    /// Frames are left: the client has to read its answers first.
    Held,
    /// Both sides have sent a close.
    Closed,
    /// A frame breaks the protocol or is too large. A close with the reason was sent; nothing behind it can be read.
    Broken,
}

/// The server's end of one WebSocket.
///
/// Input goes through tungstenite, which answers pings and closes. Output is framed here, into the connection's own
/// queue: the library would keep a buffer as large as the largest message ever sent, for each of thousands of watchers.
#[derive(Debug)]
pub struct Socket {
    context: WebSocketContext,
    /// Pings since the last byte from the client.
    unanswered_pings: u32,
    /// We have sent a close: no message follows.
    pub is_closing: bool,
    pub is_held: bool,
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
            unanswered_pings: 0,
            is_closing: false,
            is_held: false,
        }
    }
}

impl Socket {
    /// Bytes were received: the client is alive.
    pub fn note_received(&mut self) {
        self.unanswered_pings = 0;
    }

    /// Handles the frames in `input`. Pings and closes are answered; messages are dropped.
    pub fn handle_input(&mut self, input: &mut Buffer, output: &mut Buffer) -> Received {
        let mut wire = Wire { input, output };
        loop {
            self.is_held = wire.output.len() > UNSENT_LIMIT_BYTES;
            if self.is_held {
                return Received::Held;
            }
            match self.context.read(&mut wire) {
                // tungstenite answers a ping at the next read.
                Ok(_) => {}
                Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => {
                    return Received::All;
                }
                Err(Error::ConnectionClosed | Error::AlreadyClosed) => return Received::Closed,
                Err(error) => {
                    let (code, why) = close_reason(&error);
                    self.send_close(code, why, wire.output);
                    return Received::Broken;
                }
            }
        }
    }

    /// Queues one message. A text has to be UTF-8.
    pub fn send_message(&mut self, kind: Kind, bytes: &[u8], output: &mut Buffer) {
        debug_assert!(!self.is_closing);
        let data = match kind {
            Kind::Text => {
                debug_assert!(str::from_utf8(bytes).is_ok());
                Data::Text
            }
            Kind::Binary => Data::Binary,
        };
        send(OpCode::Data(data), bytes, output);
    }

    /// Queues a ping. False where the client has not answered several of them: it is gone.
    #[must_use]
    pub fn ping(&mut self, output: &mut Buffer) -> bool {
        if self.unanswered_pings >= KEEPALIVES_LIMIT {
            return false;
        }
        self.unanswered_pings += 1;
        send(OpCode::Control(Control::Ping), b"", output);
        true
    }

    /// Queues a close: no message follows. The socket is closed once the client closes too.
    pub fn close(&mut self, output: &mut Buffer) {
        self.send_close(CloseCode::Normal, "", output);
    }

    /// Queues a close that says that the server ends.
    pub fn drain_and_close(&mut self, output: &mut Buffer) {
        self.send_close(CloseCode::Away, "the server ends", output);
    }

    /// Queues the close. Later calls send nothing.
    fn send_close(&mut self, code: CloseCode, why: &'static str, output: &mut Buffer) {
        self.is_closing = true;
        let mut input = Buffer::new(0);
        let mut wire = Wire {
            input: &mut input,
            output,
        };
        let frame = CloseFrame {
            code,
            reason: Utf8Bytes::from_static(why),
        };
        // A pong that is due goes first: nothing may follow a close. The queue takes everything: both calls fail only
        // after the client's close, where they report just that.
        let _ = self.context.flush(&mut wire);
        let _ = self.context.close(&mut wire, Some(frame));
    }
}

fn close_reason(error: &Error) -> (CloseCode, &'static str) {
    match error {
        Error::Capacity(_) => (CloseCode::Size, "the message is too large"),
        Error::Utf8(_) => (CloseCode::Invalid, "the text is not UTF-8"),
        _ => (CloseCode::Protocol, "the frame violates RFC 6455"),
    }
}

/// Queues one whole frame; a server does not mask.
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

/// The longest head of an unmasked frame: two bytes, and eight of length.
const FRAME_HEAD_LIMIT_BYTES: usize = 10;

/// The connection's queues as the stream that tungstenite needs. A read of the empty input would block, a write never
/// fails.
struct Wire<'a> {
    input: &'a mut Buffer,
    output: &'a mut Buffer,
}

impl Read for Wire<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.input.is_empty() {
            // Zero bytes would mean that the client hung up.
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
