//! A client on a plain socket: answers, chunks and WebSocket frames are taken apart by hand, so that
//! it can stop reading, read slowly, and see what a proper client hides.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};

use rustix::net::{AddressFamily, SocketType, sockopt};

use crate::common::server::{PATIENCE, Server};

pub const TEXT: u8 = 1;
pub const BINARY: u8 = 2;
pub const CLOSE: u8 = 8;
pub const PING: u8 = 9;

pub fn address(server: &Server) -> SocketAddr {
    let address = server.url.trim_start_matches("http://");
    address.parse().expect("an address")
}

/// A connection from that address of this machine, whose socket holds about so many unread bytes.
pub fn connect(to: SocketAddr, from: Ipv4Addr, unread: Option<usize>) -> io::Result<TcpStream> {
    let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None)?;
    if let Some(bytes) = unread {
        // Before it connects: the window is agreed on then.
        sockopt::set_socket_recv_buffer_size(&socket, bytes)?;
    }
    rustix::net::bind(&socket, &SocketAddr::from((from, 0)))?;
    rustix::net::connect(&socket, &to)?;
    Ok(TcpStream::from(socket))
}

pub fn handshake(target: &str) -> String {
    format!(
        "GET {target} HTTP/1.1\r\nHost: here\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
}

/// What the server must say to that key, by RFC 6455.
pub const ACCEPTED: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// The first frame of `bytes`: its kind, its payload, and how many bytes it takes; none where it is
/// not whole yet. Servers do not mask, and this one has no use for fragments.
pub fn frame(bytes: &[u8]) -> Option<(u8, &[u8], usize)> {
    let (first, second) = (*bytes.first()?, *bytes.get(1)?);
    assert_eq!(first & 0xf0, 0x80, "a whole message, without extensions");
    assert_eq!(second & 0x80, 0, "a server's frame is not masked");
    let (start, length) = match second {
        126 => (4, big_endian(bytes.get(2..4)?)),
        127 => (10, big_endian(bytes.get(2..10)?)),
        short => (2, usize::from(short)),
    };
    let payload = bytes.get(start..start + length)?;
    Some((first & 0x0f, payload, start + length))
}

fn big_endian(bytes: &[u8]) -> usize {
    bytes
        .iter()
        .fold(0, |sum, byte| sum << 8 | usize::from(*byte))
}

/// A client's frame; a mask of zeros leaves the payload as it is.
pub fn masked(kind: u8, payload: &[u8]) -> Vec<u8> {
    assert!(payload.len() < 126);
    let mut bytes = vec![0x80 | kind, 0x80 | payload.len() as u8, 0, 0, 0, 0];
    bytes.extend(payload);
    bytes
}

pub fn pong(payload: &[u8]) -> Vec<u8> {
    masked(10, payload)
}

#[derive(Debug)]
pub struct Head {
    pub status: u16,
    pub text: String,
}

impl Head {
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.text, name)
    }
}

pub fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let fields = head.lines().filter_map(|line| line.split_once(':'));
    let mut named = fields.filter(|(known, _)| known.eq_ignore_ascii_case(name));
    named.next().map(|(_, value)| value.trim())
}

#[derive(Debug, PartialEq)]
pub enum Chunk {
    Bytes(Vec<u8>),
    End,
    Cut,
}

pub struct Wire {
    pub stream: TcpStream,
    unseen: Vec<u8>,
}

impl Wire {
    pub fn open(server: &Server) -> Wire {
        Wire::over(connect(address(server), Ipv4Addr::LOCALHOST, None).expect("it listens"))
    }

    pub fn over(stream: TcpStream) -> Wire {
        // For a hang to become a failure.
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
        stream.set_nodelay(true).expect("a socket");
        Wire {
            stream,
            unseen: Vec::new(),
        }
    }

    pub fn socket(server: &Server, target: &str) -> Wire {
        Wire::open(server).upgraded(target)
    }

    pub fn upgraded(mut self, target: &str) -> Wire {
        self.send(handshake(target).as_bytes());
        let head = self.head();
        assert_eq!(head.status, 101, "{target}: {}", head.text);
        assert_eq!(head.header("Sec-WebSocket-Accept"), Some(ACCEPTED));
        self
    }

    pub fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("it is open");
    }

    pub fn get(&mut self, target: &str) {
        self.send(format!("GET {target} HTTP/1.1\r\nHost: here\r\n\r\n").as_bytes());
    }

    pub fn more(&mut self) -> bool {
        let start = self.unseen.len();
        self.unseen.resize(start + (16 << 10), 0);
        let read = match self.stream.read(&mut self.unseen[start..]) {
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::ConnectionReset => 0,
            Err(error) => panic!("nothing came: {error}"),
        };
        self.unseen.truncate(start + read);
        read > 0
    }

    fn take(&mut self, count: usize) -> Vec<u8> {
        self.unseen.drain(..count).collect()
    }

    pub fn head(&mut self) -> Head {
        loop {
            let mut ends = self.unseen.windows(4);
            if let Some(end) = ends.position(|four| four == b"\r\n\r\n") {
                let text = String::from_utf8(self.take(end + 4)).expect("a head");
                let status = text.split(' ').nth(1).and_then(|word| word.parse().ok());
                let status = status.expect("a status");
                return Head { status, text };
            }
            let seen = String::from_utf8_lossy(&self.unseen).into_owned();
            assert!(self.more(), "the connection ended in a head: {seen:?}");
        }
    }

    pub fn exactly(&mut self, count: usize) -> Vec<u8> {
        while self.unseen.len() < count {
            assert!(self.more(), "the connection ended in a body");
        }
        self.take(count)
    }

    pub fn answer(&mut self) -> (Head, Vec<u8>) {
        let head = self.head();
        let length = head.header("Content-Length").expect("a length");
        let body = self.exactly(length.parse().expect("a number"));
        (head, body)
    }

    pub fn chunk(&mut self) -> Chunk {
        loop {
            if let Some((size, start)) = chunk_size(&self.unseen) {
                let whole = start + size + 2;
                if self.unseen.len() >= whole {
                    let mut bytes = self.take(whole);
                    assert!(bytes.ends_with(b"\r\n"), "the end of a chunk");
                    bytes.truncate(whole - 2);
                    bytes.drain(..start);
                    return match size {
                        0 => Chunk::End,
                        _ => Chunk::Bytes(bytes),
                    };
                }
            }
            if !self.more() {
                return Chunk::Cut;
            }
        }
    }

    pub fn chunks(&mut self) -> (Vec<u8>, Chunk) {
        let mut all = Vec::new();
        loop {
            match self.chunk() {
                Chunk::Bytes(bytes) => all.extend(bytes),
                end => return (all, end),
            }
        }
    }

    /// The next WebSocket frame, pings answered; none where the connection has ended.
    pub fn frame(&mut self) -> Option<(u8, Vec<u8>)> {
        loop {
            let (kind, payload) = self.any_frame()?;
            if kind != PING {
                return Some((kind, payload));
            }
            self.send(&pong(&payload));
        }
    }

    pub fn any_frame(&mut self) -> Option<(u8, Vec<u8>)> {
        loop {
            if let Some((kind, payload, taken)) = frame(&self.unseen) {
                let payload = payload.to_vec();
                self.take(taken);
                return Some((kind, payload));
            }
            if !self.more() {
                return None;
            }
        }
    }
}

fn chunk_size(bytes: &[u8]) -> Option<(usize, usize)> {
    let end = bytes.windows(2).position(|two| two == b"\r\n")?;
    let line = std::str::from_utf8(&bytes[..end]).expect("a size");
    let size = usize::from_str_radix(line, 16).expect("a size");
    Some((size, end + 2))
}
