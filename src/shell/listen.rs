//! The socket the server listens on (an address, a path, or one handed over by systemd), and
//! the door that lets clients in through it.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::{env, fs};

use mio::event::Event;
use mio::{Interest, Registry, Token};
use rustix::io::Errno;

use crate::config::limits::CONNECTIONS_LIMIT;
use crate::config::settings::Listen;
use crate::shell::limits::{ACCEPT_PAUSE_MS, BACKLOG, RESERVED_FILES};
use crate::shell::pollable::{Accepted, Pollable};

/// Where systemd puts the first socket it hands over: sd_listen_fds(3).
const FIRST_HANDED_FD: RawFd = 3;

pub struct Listener {
    pub fd: OwnedFd,
    /// What to call it in a message: `127.0.0.1:3000`, `unix:PATH`.
    pub name: String,
}

impl Listener {
    /// The socket handed over, where there is one; else a new one. Errors are one line.
    pub fn open(listen: &Listen) -> Result<Listener, String> {
        if let Some(count) = handed_over()? {
            return take_over(count);
        }
        match listen {
            Listen::Tcp(address) => bind_tcp(*address),
            Listen::Unix(path) => bind_unix(path),
        }
    }
}

fn bind_tcp(address: SocketAddr) -> Result<Listener, String> {
    let say = |error| format!("cannot listen on {address}: {error}");
    let socket = TcpListener::bind(address).map_err(say)?;
    let address = socket.local_addr().map_err(say)?;
    ready(socket.into(), address.to_string())
}

fn bind_unix(path: &Path) -> Result<Listener, String> {
    let name = format!("unix:{}", path.display());
    remove_dead(path).map_err(|why| format!("cannot listen on {name}: {why}"))?;
    let socket = UnixListener::bind(path);
    let socket = socket.map_err(|error| format!("cannot listen on {name}: {error}"))?;
    ready(socket.into(), name)
}

/// Makes way for a new socket at `path`, or says why it must not.
fn remove_dead(path: &Path) -> Result<(), String> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error.to_string()),
        Ok(found) if !found.file_type().is_socket() => {
            return Err("there is a file of that name".to_string());
        }
        Ok(_) => {}
    }
    match UnixStream::connect(path) {
        Ok(_) => Err("another server is listening there".to_string()),
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(|error| error.to_string())
        }
        Err(error) => Err(error.to_string()),
    }
}

/// How many sockets were handed over to this very process.
fn handed_over() -> Result<Option<usize>, String> {
    let pid = env::var("LISTEN_PID").unwrap_or_default();
    if pid != std::process::id().to_string() {
        return Ok(None);
    }
    let count = env::var("LISTEN_FDS").unwrap_or_default();
    let number = count.parse().map(Some);
    number.map_err(|_| format!("LISTEN_FDS={count}: must be a number"))
}

fn take_over(count: usize) -> Result<Listener, String> {
    if count != 1 {
        return Err(format!(
            "LISTEN_FDS={count}: must be 1, one socket to listen on"
        ));
    }
    // SAFETY: used within this function only; whether it is open is the first thing asked.
    let handed = unsafe { BorrowedFd::borrow_raw(FIRST_HANDED_FD) };
    rustix::io::fcntl_setfd(handed, rustix::io::FdFlags::CLOEXEC)
        .map_err(|error| format!("LISTEN_FDS: the socket handed over: {error}"))?;
    if !rustix::net::sockopt::socket_acceptconn(handed).unwrap_or(false) {
        return Err("LISTEN_FDS: what was handed over is not a listening socket".to_string());
    }
    // SAFETY: it is open, and by the protocol of LISTEN_PID it is ours alone; taken once, at
    // start, before anything else could own that number.
    let fd = unsafe { OwnedFd::from_raw_fd(FIRST_HANDED_FD) };
    ready(fd, "the socket handed over".to_string())
}

fn ready(fd: OwnedFd, name: String) -> Result<Listener, String> {
    let listening = rustix::net::listen(&fd, BACKLOG);
    listening.map_err(|error| format!("cannot listen on {name}: {error}"))?;
    Ok(Listener { fd, name })
}

/// Lets this process open as many files as the system allows it.
pub fn raise_open_files() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // Where it is not allowed after all, there are fewer connections.
    let _ = setrlimit(Resource::Nofile, limit);
}

/// How many connections there may be, as far as open files go; one at least.
pub fn connections_limit() -> usize {
    use rustix::process::{Resource, getrlimit};
    let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let files = usize::try_from(files).unwrap_or(usize::MAX);
    let left = files.saturating_sub(RESERVED_FILES).max(files / 4);
    left.clamp(1, CONNECTIONS_LIMIT)
}

/// A listening socket in the poll. Its edge comes once: who is not let in now is remembered.
pub struct Acceptor {
    source: Pollable,
    /// No `accept` before this `mono_ms`.
    not_before_ms: u64,
}

impl Acceptor {
    pub fn new(listener: Listener) -> io::Result<Acceptor> {
        Ok(Acceptor {
            source: Pollable::new(listener.fd)?,
            not_before_ms: 0,
        })
    }

    pub fn register(&self, registry: &Registry, token: Token) -> io::Result<()> {
        self.source.register(registry, token, Interest::READABLE)
    }

    pub fn note(&mut self, event: &Event) {
        self.source.note(event);
    }

    /// When to try `accept`, in `mono_ms`; none where nobody is known to wait.
    pub fn retry_at_ms(&self) -> Option<u64> {
        self.source.readable().then_some(self.not_before_ms)
    }

    /// The next connection, if one can be had now.
    pub fn accept(&mut self, now_ms: u64) -> Option<Accepted> {
        while self.retry_at_ms().is_some_and(|at| at <= now_ms) {
            match self.source.accept() {
                Ok(accepted) => return accepted,
                // That one has left again.
                Err(Errno::CONNABORTED) => {}
                Err(error) => {
                    log::warn!("cannot accept a connection: {error}");
                    self.not_before_ms = now_ms + ACCEPT_PAUSE_MS;
                }
            }
        }
        None
    }

    /// Something was freed that an `accept` may have been in want of.
    pub fn resume(&mut self) {
        self.not_before_ms = 0;
    }

    pub fn close(self, registry: &Registry) {
        self.source.close(registry);
    }
}
