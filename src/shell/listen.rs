//! The listening socket (an address, a path, or one handed over by systemd), and its acceptor.

use std::fs;
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use mio::event::Event;
use mio::{Interest, Registry, Token};
use rustix::io::Errno;

use crate::config::limits::CONNECTIONS_LIMIT;
use crate::config::settings::Listen;
use crate::interface::peer::Peer;
use crate::shell::limits::{ACCEPT_PAUSE_MS, BACKLOG};
use crate::shell::pollable::{Accepted, Kind, Pollable, token_of_one};

pub struct Listener {
    pub fd: OwnedFd,
    /// Its name in messages: `127.0.0.1:3000`, `unix:PATH`.
    pub name: String,
}

impl Listener {
    /// A socket that this process's user and root can open, and nobody else. Errors are one line.
    pub fn open_admin(path: &Path) -> Result<Listener, String> {
        let name = format!("unix:{}", path.display());
        let socket =
            remove_stale(path).and_then(|()| bind_private(path).map_err(|e| e.to_string()));
        let fd = socket.map_err(|why| format!("cannot listen on {name}: {why}"))?;
        listen_on(fd, name)
    }

    /// The socket from systemd, if there is one, else a new one. Errors are one line.
    pub fn open(listen: &Listen) -> Result<Listener, String> {
        if let Some(fd) = inherited()? {
            return listen_on(fd, "the socket handed over".to_string());
        }
        match listen {
            Listen::Tcp(address) => bind_tcp(*address),
            Listen::Unix(path) => bind_unix(path),
        }
    }
}

/// Where a server listens.
pub struct Listeners {
    pub public: Listener,
    /// For admins; none: their calls need a token.
    pub admin: Option<Listener>,
}

impl From<Listener> for Listeners {
    fn from(public: Listener) -> Listeners {
        Listeners {
            public,
            admin: None,
        }
    }
}

fn bind_tcp(address: SocketAddr) -> Result<Listener, String> {
    let failed = |error| format!("cannot listen on {address}: {error}");
    let socket = TcpListener::bind(address).map_err(failed)?;
    let address = socket.local_addr().map_err(failed)?;
    listen_on(socket.into(), address.to_string())
}

fn bind_unix(path: &Path) -> Result<Listener, String> {
    let name = format!("unix:{}", path.display());
    remove_stale(path).map_err(|why| format!("cannot listen on {name}: {why}"))?;
    let socket = UnixListener::bind(path);
    let socket = socket.map_err(|error| format!("cannot listen on {name}: {error}"))?;
    listen_on(socket.into(), name)
}

/// A socket whose file has mode 600 from the moment it is there: the kernel takes it from the descriptor.
fn bind_private(path: &Path) -> Result<OwnedFd, Errno> {
    use rustix::fs::Mode;
    use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
    let flags = SocketFlags::CLOEXEC;
    let fd = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    rustix::fs::fchmod(&fd, Mode::RUSR | Mode::WUSR)?;
    rustix::net::bind(&fd, &SocketAddrUnix::new(path)?)?;
    Ok(fd)
}

/// Removes a socket that no server listens on from `path`. An error says why `path` is not free.
fn remove_stale(path: &Path) -> Result<(), String> {
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

/// The socket that systemd handed over to this process: sd_listen_fds(3).
#[expect(unsafe_code, reason = "the descriptor arrives as a number")]
fn inherited() -> Result<Option<OwnedFd>, String> {
    let fds = sd_notify::listen_fds();
    let mut fds = fds.map_err(|error| format!("LISTEN_FDS: the socket handed over: {error}"))?;
    let Some(fd) = fds.next() else {
        return Ok(None);
    };
    if fds.len() > 0 {
        let count = fds.len() + 1;
        return Err(format!(
            "LISTEN_FDS={count}: must be 1, one socket to listen on"
        ));
    }
    // SAFETY: `listen_fds` found it open, and by the protocol of LISTEN_PID it is ours alone. It is taken once, at
    // start, before any other code could own that number.
    let fd = unsafe { OwnedFd::from_raw_fd(fd) };
    match rustix::net::sockopt::socket_acceptconn(&fd) {
        Ok(true) => Ok(Some(fd)),
        _ => Err("LISTEN_FDS: what was handed over is not a listening socket".to_string()),
    }
}

/// Listens with our own backlog, on an inherited socket too.
fn listen_on(fd: OwnedFd, name: String) -> Result<Listener, String> {
    let listening = rustix::net::listen(&fd, BACKLOG);
    listening.map_err(|error| format!("cannot listen on {name}: {error}"))?;
    Ok(Listener { fd, name })
}

/// Raises the limit on open files to the most that the system allows.
pub fn raise_open_files() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // On failure there are fewer connections.
    let _ = setrlimit(Resource::Nofile, limit);
}

/// The most files that a server may open that is started as this program was.
pub fn open_files_limit() -> u64 {
    use rustix::process::{Resource, getrlimit};
    getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX)
}

/// The most connections that the limit on open files allows beside reserved ones; at least one.
pub fn connections_limit(reserved_files: usize) -> usize {
    use rustix::process::{Resource, getrlimit};
    let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let files = usize::try_from(files).unwrap_or(usize::MAX);
    let left = files.saturating_sub(reserved_files).max(files / 4);
    left.clamp(1, CONNECTIONS_LIMIT)
}

/// A listening socket in the poll. Its edge comes once, so it stays readable until `accept` finds no client.
pub struct Acceptor {
    socket: Pollable,
    /// No `accept` before this `mono_ms`.
    not_before_ms: u64,
}

impl Acceptor {
    pub fn new(listener: Listener) -> io::Result<Acceptor> {
        Ok(Acceptor {
            socket: Pollable::new(listener.fd)?,
            not_before_ms: 0,
        })
    }

    pub fn register(&self, registry: &Registry, token: Token) -> io::Result<()> {
        self.socket.register(registry, token, Interest::READABLE)
    }

    pub fn note(&mut self, event: &Event) {
        self.socket.note(event);
    }

    /// When to try `accept`, in `mono_ms`; none where no client is known to wait.
    pub fn retry_at_ms(&self) -> Option<u64> {
        self.socket.readable().then_some(self.not_before_ms)
    }

    /// The next connection; none where no client waits, or `accept` has to pause.
    pub fn accept(&mut self, now_ms: u64) -> Option<Accepted> {
        while self.retry_at_ms().is_some_and(|at| at <= now_ms) {
            match self.socket.accept() {
                Ok(accepted) => return accepted,
                // That client has left again.
                Err(Errno::CONNABORTED) => {}
                Err(error) => {
                    log::warn!("cannot accept a connection: {error}");
                    self.not_before_ms = now_ms + ACCEPT_PAUSE_MS;
                }
            }
        }
        None
    }

    /// Ends the pause: descriptors were freed that an `accept` may have lacked.
    pub fn resume(&mut self) {
        self.not_before_ms = 0;
    }

    pub fn close(self, registry: &Registry) {
        self.socket.close(registry);
    }
}

/// The acceptors of a server.
pub struct Acceptors {
    public: Acceptor,
    admin: Option<Acceptor>,
}

impl Acceptors {
    pub fn new(listeners: Listeners, registry: &Registry) -> io::Result<Acceptors> {
        let public = Acceptor::new(listeners.public)?;
        public.register(registry, token_of_one(Kind::Listener))?;
        let admin = listeners.admin.map(Acceptor::new).transpose()?;
        if let Some(admin) = &admin {
            admin.register(registry, token_of_one(Kind::AdminListener))?;
        }
        Ok(Acceptors { public, admin })
    }

    pub fn note(&mut self, kind: Kind, event: &Event) {
        match (kind, &mut self.admin) {
            (Kind::AdminListener, Some(admin)) => admin.note(event),
            _ => self.public.note(event),
        }
    }

    /// When to try to accept an admin, and anybody else.
    pub fn retry_at_ms(&self) -> [Option<u64>; 2] {
        let admin = self.admin.as_ref().and_then(Acceptor::retry_at_ms);
        [admin, self.public.retry_at_ms()]
    }

    /// The next admin.
    pub fn accept_admin(&mut self, now_ms: u64) -> Option<Accepted> {
        let admin = self.admin.as_mut()?;
        while let Some(accepted) = admin.accept(now_ms) {
            match admin_of(&accepted.fd) {
                Some(from) => return Some(Accepted { from, ..accepted }),
                // The mode keeps others out: somebody has changed the socket's file.
                None => log::warn!("another user was refused on the admin socket"),
            }
        }
        None
    }

    /// The next client.
    pub fn accept(&mut self, now_ms: u64) -> Option<Accepted> {
        self.public.accept(now_ms)
    }

    pub fn resume(&mut self) {
        self.public.resume();
        if let Some(admin) = &mut self.admin {
            admin.resume();
        }
    }

    pub fn close(self, registry: &Registry) {
        self.public.close(registry);
        if let Some(admin) = self.admin {
            admin.close(registry);
        }
    }
}

/// The admin behind a connection: root, or the user of this process.
fn admin_of(fd: &OwnedFd) -> Option<Peer> {
    let user = rustix::net::sockopt::socket_peercred(fd).ok()?.uid;
    let own = rustix::process::geteuid();
    let uid = user.as_raw();
    (user.is_root() || user == own).then_some(Peer::Admin { uid })
}
