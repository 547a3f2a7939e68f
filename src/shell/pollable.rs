//! One polled file descriptor and its readiness.
//!
//! The poll is edge-triggered: it reports an edge once. So an event sets a flag, and only a call that would have
//! blocked clears it. The flags are private: no other code can clear them.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use mio::event::Event;
use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use rustix::io::{Errno, retry_on_intr};

use crate::base::slab::Key;
use crate::interface::peer::Peer;
use crate::shell::limits::CALL_COST_BYTES;

/// What is left of `budget` after one call that moved `count` bytes.
pub fn spend(budget: usize, count: usize) -> usize {
    budget.saturating_sub(count.max(CALL_COST_BYTES))
}

/// What a token names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Listener,
    AdminListener,
    Stop,
    Drain,
    Client,
    Stdin,
    Stdout,
    Stderr,
    Pidfd,
}

pub const KINDS: [Kind; 9] = [
    Kind::Listener,
    Kind::AdminListener,
    Kind::Stop,
    Kind::Drain,
    Kind::Client,
    Kind::Stdin,
    Kind::Stdout,
    Kind::Stderr,
    Kind::Pidfd,
];

/// A token holds the kind in the bits above the index: no slab has more than 16 million slots.
const KIND_SHIFT: u32 = 24;
pub const INDEX_MASK: u32 = (1 << KIND_SHIFT) - 1;

pub fn token(kind: Kind, key: Key) -> Token {
    assert!(key.index <= INDEX_MASK, "a slab of more than 2^24 slots");
    Token(key.to_bits() | (kind as usize) << KIND_SHIFT)
}

/// The token of a kind of which there is one.
pub fn token_of_one(kind: Kind) -> Token {
    token(kind, Key::from_bits(0))
}

/// The parts of a token that `token` made.
pub fn decode_token(token: Token) -> (Kind, Key) {
    let mut key = Key::from_bits(token.0);
    let kind = KINDS[(key.index >> KIND_SHIFT) as usize];
    key.index &= INDEX_MASK;
    (kind, key)
}

/// The result of one read or write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IoResult {
    Bytes(usize),
    /// Nothing was moved. An event says when to try again.
    Blocked,
    /// Read: the end. Write: the reader is gone.
    Ended,
    Broken,
}

/// A connection that was just accepted.
pub struct Accepted {
    pub fd: OwnedFd,
    pub from: Peer,
}

pub struct Pollable {
    fd: OwnedFd,
    readable: bool,
    writable: bool,
}

impl Pollable {
    /// Makes the descriptor non-blocking, also for every other process that shares it.
    pub fn new(fd: OwnedFd) -> io::Result<Pollable> {
        rustix::io::ioctl_fionbio(&fd, true)?;
        Ok(Pollable {
            fd,
            readable: false,
            writable: false,
        })
    }

    pub fn register(
        &self,
        registry: &Registry,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        registry.register(&mut SourceFd(&self.fd.as_raw_fd()), token, interest)
    }

    /// Deregisters as well: a copy that a child inherited by accident would keep events coming.
    pub fn close(self, registry: &Registry) {
        let _ = registry.deregister(&mut SourceFd(&self.fd.as_raw_fd()));
    }

    /// Records an event. An error or a hang-up counts as readiness: the next call finds it.
    pub fn note(&mut self, event: &Event) {
        self.readable |= event.is_readable() || event.is_read_closed() || event.is_error();
        self.writable |= event.is_writable() || event.is_write_closed() || event.is_error();
    }

    /// For a socket just accepted, whose send buffer is empty.
    pub fn assume_writable(&mut self) {
        self.writable = true;
    }

    /// For tests without a poll.
    pub fn assume_readable(&mut self) {
        self.readable = true;
    }

    pub fn readable(&self) -> bool {
        self.readable
    }

    pub fn writable(&self) -> bool {
        self.writable
    }

    pub fn read(&mut self, buffer: &mut [u8]) -> IoResult {
        match retry_on_intr(|| rustix::io::read(&self.fd, &mut *buffer)) {
            Ok(0) => IoResult::Ended,
            Ok(count) => IoResult::Bytes(count),
            Err(Errno::WOULDBLOCK) => {
                self.readable = false;
                IoResult::Blocked
            }
            Err(_) => IoResult::Broken,
        }
    }

    /// `bytes` is not empty. A Rust program ignores SIGPIPE, so EPIPE is an error here.
    pub fn write(&mut self, bytes: &[u8]) -> IoResult {
        match retry_on_intr(|| rustix::io::write(&self.fd, bytes)) {
            Ok(count) => IoResult::Bytes(count),
            Err(Errno::WOULDBLOCK) => {
                self.writable = false;
                IoResult::Blocked
            }
            Err(Errno::PIPE) => IoResult::Ended,
            Err(_) => IoResult::Broken,
        }
    }

    /// The next connection of a listening socket; none where no client waits.
    pub fn accept(&mut self) -> Result<Option<Accepted>, Errno> {
        use rustix::net::{SocketFlags, acceptfrom_with};
        match retry_on_intr(|| acceptfrom_with(&self.fd, SocketFlags::CLOEXEC)) {
            Ok((fd, address)) => {
                let address = address.and_then(|address| SocketAddr::try_from(address).ok());
                let from = Peer::from(address.map(|address| address.ip()));
                Ok(Some(Accepted { fd, from }))
            }
            Err(Errno::WOULDBLOCK) => {
                self.readable = false;
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// The process of this pidfd has not exited after all.
    pub fn not_yet(&mut self) {
        self.readable = false;
    }
}

impl AsFd for Pollable {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
