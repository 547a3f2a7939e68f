//! One request to a server of ours, for a program that has nothing else to do meanwhile.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use crate::config::settings::Listen;
use crate::shell::clock::Clock;
use crate::shell::limits::{REPLY_HEADERS_LIMIT, REPLY_LIMIT_BYTES};

/// What is asked.
#[derive(Debug, Clone, Default)]
pub struct Question {
    pub method: &'static str,
    /// With its query.
    pub path: String,
    pub token: Option<String>,
    /// JSON; empty: none.
    pub body: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    pub status: u16,
    /// How long the server asks to wait, if it does.
    pub retry_after_s: Option<u64>,
    pub body: String,
}

/// The name of an address in messages.
pub fn name_of(at: &Listen) -> String {
    match at {
        Listen::Tcp(address) => reachable(*address).to_string(),
        Listen::Unix(path) => format!("unix:{}", path.display()),
    }
}

/// Whether a server takes connections there. An error says why not.
pub fn check_socket(path: &Path) -> Result<(), String> {
    let connected = UnixStream::connect(path);
    connected
        .map(drop)
        .map_err(|error| format!("{}: {error}", path.display()))
}

/// Asks the server that listens there. An error says why there is no reply.
pub fn ask(at: &Listen, question: &Question, limit_ms: u64) -> Result<Reply, String> {
    let named = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut => {
            format!("{}: no reply within {} s", name_of(at), limit_ms / 1_000)
        }
        _ => format!("{}: {error}", name_of(at)),
    };
    let limit = Some(Duration::from_millis(limit_ms));
    match at {
        Listen::Tcp(address) => {
            let address = reachable(*address);
            let timeout = Duration::from_millis(limit_ms);
            let stream = TcpStream::connect_timeout(&address, timeout).map_err(named)?;
            let limits = stream.set_read_timeout(limit);
            let limits = limits.and_then(|()| stream.set_write_timeout(limit));
            limits.map_err(named)?;
            exchange(stream, &address.to_string(), question, limit_ms).map_err(named)
        }
        Listen::Unix(path) => {
            let stream = UnixStream::connect(path).map_err(named)?;
            let limits = stream.set_read_timeout(limit);
            let limits = limits.and_then(|()| stream.set_write_timeout(limit));
            limits.map_err(named)?;
            exchange(stream, "localhost", question, limit_ms).map_err(named)
        }
    }
}

/// Where a server that listens on that address can be reached from its machine.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    address
}

fn exchange(
    mut stream: impl Read + Write,
    host: &str,
    question: &Question,
    limit_ms: u64,
) -> std::io::Result<Reply> {
    let clock = Clock::start();
    stream.write_all(request(host, question).as_bytes())?;
    let mut bytes = Vec::new();
    let mut piece = [0; 16 << 10];
    loop {
        match stream.read(&mut piece)? {
            0 => break,
            count => bytes.extend_from_slice(&piece[..count]),
        }
        if bytes.len() > REPLY_LIMIT_BYTES {
            return Err(std::io::Error::other("the reply is too long"));
        }
        if clock.now().mono_ms > limit_ms {
            return Err(std::io::ErrorKind::TimedOut.into());
        }
    }
    reply(&bytes).ok_or_else(|| std::io::Error::other("the reply is not HTTP"))
}

/// HTTP/1.0: the reply ends with the connection, in one piece.
fn request(host: &str, question: &Question) -> String {
    let Question {
        method,
        path,
        token,
        body,
    } = question;
    let mut text =
        format!("{method} {path} HTTP/1.0\r\nHost: {host}\r\nAccept: application/json\r\n");
    if let Some(token) = token {
        text += &format!("Authorization: Bearer {token}\r\n");
    }
    if !body.is_empty() {
        text += "Content-Type: application/json\r\n";
    }
    if *method != "GET" {
        text += &format!("Content-Length: {}\r\n", body.len());
    }
    format!("{text}\r\n{body}")
}

fn reply(bytes: &[u8]) -> Option<Reply> {
    let mut headers = [httparse::EMPTY_HEADER; REPLY_HEADERS_LIMIT];
    let mut head = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(length) = head.parse(bytes).ok()? else {
        return None;
    };
    let is_wait = |header: &&httparse::Header| header.name.eq_ignore_ascii_case("retry-after");
    let wait = head.headers.iter().find(is_wait);
    let wait = wait.and_then(|header| std::str::from_utf8(header.value).ok());
    Some(Reply {
        status: head.code?,
        retry_after_s: wait.and_then(|seconds| seconds.trim().parse().ok()),
        body: String::from_utf8_lossy(bytes.get(length..)?).into_owned(),
    })
}
