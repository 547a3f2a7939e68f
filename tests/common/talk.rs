//! A WebSocket played by hand: its client's frames are made here and the server's are read here,
//! byte by byte as RFC 6455 draws them, so that the code under test is not asked about itself.

use zigcheck::http::conn::{Conn, Incoming, Waiting};
use zigcheck::http::limits::{INPUT_LIMIT_BYTES, STREAM_LIMIT_BYTES, UNSENT_LIMIT_BYTES};
use zigcheck::interface::message::{Admission, Head};

use crate::common::play::DATE;

pub const HANDSHAKE: &str = "GET /ws HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\n\
    Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

pub const TEXT: u8 = 0x81;
pub const BINARY: u8 = 0x82;
pub const CLOSE: u8 = 0x88;
pub const PING: u8 = 0x89;
pub const PONG: u8 = 0x8a;
/// Without the bit that says that a frame is the last of its message.
pub const TEXT_BEGINS: u8 = 0x01;
pub const BINARY_BEGINS: u8 = 0x02;
pub const GOES_ON: u8 = 0x00;
pub const GOES_ON_LAST: u8 = 0x80;

pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = head(first, payload.len() as u64);
    let mask = [0x37, 0xfa, 0x21, 0x3d];
    frame.extend(mask);
    let masked = payload.iter().zip(mask.iter().cycle());
    frame.extend(masked.map(|(byte, mask)| byte ^ mask));
    frame
}

pub fn head(first: u8, length: u64) -> Vec<u8> {
    let mut head = vec![first];
    match length {
        0..126 => head.push(0x80 | length as u8),
        126..0x10000 => {
            head.push(0x80 | 126);
            head.extend((length as u16).to_be_bytes());
        }
        _ => {
            head.push(0x80 | 127);
            head.extend(length.to_be_bytes());
        }
    }
    head
}

pub fn close(code: u16, reason: &[u8]) -> Vec<u8> {
    frame(CLOSE, &[&code.to_be_bytes(), reason].concat())
}

pub type Frame = (u8, Vec<u8>);

/// Frames as the server sent them: none masked, none cut, lengths in their shortest form.
fn read_frames(mut sent: &[u8]) -> Vec<Frame> {
    let mut frames = Vec::new();
    while let [first, second, rest @ ..] = sent {
        let (length, rest) = match second {
            0..126 => (usize::from(*second), rest),
            126 => {
                let length = u16::from_be_bytes([rest[0], rest[1]]);
                assert!(length >= 126);
                (usize::from(length), &rest[2..])
            }
            _ => panic!("masked, or longer than any message: {second:x}"),
        };
        let (payload, rest) = rest.split_at(length);
        frames.push((*first, payload.to_vec()));
        sent = rest;
    }
    assert!(sent.is_empty(), "half a frame");
    frames
}

#[derive(Default)]
pub struct Talk {
    pub conn: Conn,
    pub sent: Vec<u8>,
    pub gone: usize,
    /// Nothing is taken of what there is to send.
    pub deaf: bool,
    upgraded: bool,
}

impl Talk {
    pub fn new() -> Talk {
        let mut talk = Talk::default();
        talk.feed(HANDSHAKE.as_bytes(), || usize::MAX);
        assert!(talk.upgraded);
        talk
    }

    pub fn feed<'a>(&mut self, mut bytes: &'a [u8], mut size: impl FnMut() -> usize) -> &'a [u8] {
        while !bytes.is_empty() && self.conn.space() > 0 {
            let count = size().min(self.conn.space()).min(bytes.len());
            self.conn.receive(&bytes[..count]);
            bytes = &bytes[count..];
            self.settle();
        }
        bytes
    }

    pub fn hang_up(&mut self) {
        self.conn.half_closed();
        self.settle();
    }

    pub fn settle(&mut self) {
        loop {
            self.listen();
            self.check();
            let count = self.conn.output().len();
            if self.deaf || count == 0 {
                return;
            }
            self.sent.extend_from_slice(self.conn.output());
            self.conn.sent(count);
        }
    }

    pub fn listen(&mut self) {
        let mut admit = |_: &Head| Admission::Collect { limit_bytes: 9 };
        while let Some(incoming) = self.conn.next(DATE, &mut admit) {
            match incoming {
                Incoming::Request(_) => {
                    assert!(self.conn.upgrade(DATE));
                    assert!(!self.upgraded, "a request from a socket");
                    self.upgraded = true;
                }
                Incoming::Aborted => self.gone += 1,
                other => panic!("{other:?}"),
            }
        }
    }

    pub fn check(&self) {
        let conn = &self.conn;
        // A pong and a close may stand behind what stops the reading.
        let most = UNSENT_LIMIT_BYTES + STREAM_LIMIT_BYTES;
        assert!(conn.output().len() <= most);
        assert!(conn.stream_space() == 0 || conn.is_with_app());
        assert!(conn.memory() <= 4 * (INPUT_LIMIT_BYTES + most));
        assert!(self.gone <= 1);
        if conn.is_done() {
            assert!(conn.space() == 0 && conn.output().is_empty());
        }
    }

    pub fn frames(&self) -> Vec<Frame> {
        let end = self.sent.windows(4).position(|four| four == b"\r\n\r\n");
        read_frames(&self.sent[end.expect("the head of the answer") + 4..])
    }
}

pub fn talked(input: &[u8], size: impl FnMut() -> usize) -> Talk {
    let mut talk = Talk::default();
    talk.feed(&[HANDSHAKE.as_bytes(), input].concat(), size);
    talk
}

/// Plays what the client says behind its handshake whole, byte by byte, and with a ping behind
/// it, which is answered where the socket stays open and only there. What came of the first way
/// is given.
pub fn any_way(input: &[u8], stays_open: bool) -> Talk {
    let whole = talked(input, || usize::MAX);
    let frames = whole.frames();
    let longer = [input, &frame(PING, b"behind")].concat();
    for size in [usize::MAX, 1, 7] {
        let pieces = talked(input, || size);
        assert_eq!(pieces.frames(), frames, "{input:x?} by {size}");
        assert_eq!(pieces.gone, whole.gone, "{input:x?} by {size}");
        let mut behind = talked(&longer, || size);
        let mut expected = frames.clone();
        if stays_open {
            expected.push((PONG, b"behind".to_vec()));
        }
        assert_eq!(behind.frames(), expected, "{input:x?} by {size}");
        behind.hang_up();
        assert_eq!(behind.frames(), expected, "{input:x?} by {size}");
        assert!(behind.conn.is_done() && behind.gone == 1);
    }
    let open = whole.conn.waiting_for() == Waiting::Keepalive;
    assert_eq!(open, stays_open, "{input:x?}");
    assert_eq!(whole.gone, usize::from(!stays_open), "{input:x?}");
    whole
}
