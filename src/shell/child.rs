//! One child: three pipes, a pidfd, its end.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, ExitStatus};

use mio::{Interest, Registry};
use rustix::fs::OFlags;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::base::slab::Key;
use crate::interface::event::{Command, Core, Dispatcher, Event, Exit, Input, JobId, Pipe};
use crate::shell::limits::{FILE_PIECE_BYTES, TURN_LIMIT_BYTES};
use crate::shell::pollable::{IoResult, Kind, Pollable, spend, token};

/// A socket that was handed to us, and what the service manager wants to hear from us, is no
/// business of our children.
const NOT_INHERITED: [&str; 6] = [
    "LISTEN_FDS",
    "LISTEN_PID",
    "LISTEN_FDNAMES",
    "NOTIFY_SOCKET",
    "WATCHDOG_PID",
    "WATCHDOG_USEC",
];

/// A child whose end, or whose pipes' end, has not been told yet. Exit and end of pipe are two
/// things: a grandchild can hold a pipe longer.
pub struct Process {
    pub job: JobId,
    child: Child,
    /// Each is closed, and gone from here, once it has nothing more to say.
    stdin: Option<Feed>,
    stdout: Option<Pollable>,
    stderr: Option<Pollable>,
    pidfd: Option<Pollable>,
    /// It is on the reactor's list of what is ready.
    pub queued: bool,
}

impl Process {
    /// A running child, or why there is none, in words.
    pub fn start(job: JobId, command: Command) -> Result<Process, String> {
        let name = command.argv.first().cloned().unwrap_or_default();
        let started = Process::try_start(job, command);
        started.map_err(|error| format!("cannot start {name:?}: {error}"))
    }

    fn try_start(job: JobId, command: Command) -> io::Result<Process> {
        let Some((program, arguments)) = command.argv.split_first() else {
            return Err(io::Error::other("no program named"));
        };
        // Made by hand so that only our ends are non-blocking: a program meets EAGAIN badly.
        let (child_stdin, stdin) = io::pipe()?;
        let (stdout, child_stdout) = io::pipe()?;
        let (stderr, child_stderr) = io::pipe()?;
        let stdin = Feed::new(stdin.into(), command.stdin)?;
        let stdout = Some(Pollable::new(stdout.into())?);
        let stderr = Some(Pollable::new(stderr.into())?);
        // A process group of its own: a terminal's ^C is for us to act on. The builder is gone
        // with the statement, and with it our copies of the child's ends: kept, no pipe ends.
        let mut child = NOT_INHERITED
            .iter()
            .fold(&mut std::process::Command::new(program), |c, name| {
                c.env_remove(name)
            })
            .args(arguments)
            .stdin(child_stdin)
            .stdout(child_stdout)
            .stderr(child_stderr)
            .process_group(0)
            .spawn()?;
        let pidfd = pidfd_open(Pid::from_child(&child), PidfdFlags::empty());
        match pidfd.map_err(io::Error::from).and_then(Pollable::new) {
            Ok(pidfd) => Ok(Process {
                job,
                child,
                stdin: Some(stdin),
                stdout,
                stderr,
                pidfd: Some(pidfd),
                queued: false,
            }),
            Err(error) => {
                end_now(&mut child);
                Err(error)
            }
        }
    }

    pub fn register(&self, registry: &Registry, key: Key) -> io::Result<()> {
        let sources = [
            (
                self.stdin.as_ref().map(|feed| &feed.pipe),
                Kind::Stdin,
                Interest::WRITABLE,
            ),
            (self.stdout.as_ref(), Kind::Stdout, Interest::READABLE),
            (self.stderr.as_ref(), Kind::Stderr, Interest::READABLE),
            (self.pidfd.as_ref(), Kind::Pidfd, Interest::READABLE),
        ];
        for (source, kind, interest) in sources {
            if let Some(source) = source {
                source.register(registry, token(kind, key), interest)?;
            }
        }
        Ok(())
    }

    /// Ends a child that cannot be looked after. What it began goes on without it.
    pub fn abandon(mut self) {
        end_now(&mut self.child);
    }

    pub fn source(&mut self, kind: Kind) -> Option<&mut Pollable> {
        match kind {
            Kind::Stdin => self.stdin.as_mut().map(|feed| &mut feed.pipe),
            Kind::Stdout => self.stdout.as_mut(),
            Kind::Stderr => self.stderr.as_mut(),
            Kind::Pidfd => self.pidfd.as_mut(),
            Kind::Listener | Kind::Stops | Kind::Drains | Kind::Client => None,
        }
    }

    /// Moves what can be moved within this turn's budget, and tells it.
    pub fn step<C: Core>(
        &mut self,
        registry: &Registry,
        buffer: &mut [u8],
        dispatcher: &mut Dispatcher<'_, C>,
    ) {
        let job = self.job;
        if let Some(feed) = self.stdin.take_if(|feed| !feed.step()) {
            feed.pipe.close(registry);
        }
        drain(&mut self.stdout, registry, buffer, |said| match said {
            Some(bytes) => dispatcher.dispatch(Event::Output {
                job,
                pipe: Pipe::Stdout,
                bytes,
            }),
            None => dispatcher.dispatch(Event::Eof {
                job,
                pipe: Pipe::Stdout,
            }),
        });
        drain(&mut self.stderr, registry, buffer, |said| match said {
            Some(bytes) => dispatcher.dispatch(Event::Output {
                job,
                pipe: Pipe::Stderr,
                bytes,
            }),
            None => dispatcher.dispatch(Event::Eof {
                job,
                pipe: Pipe::Stderr,
            }),
        });
        if let Some(exit) = self.reap(registry) {
            dispatcher.dispatch(Event::Exited { job, exit });
        }
    }

    /// How the child ended, once. Its pidfd is closed in the same step: it would tell an event
    /// for the reaping, too.
    fn reap(&mut self, registry: &Registry) -> Option<Exit> {
        let pidfd = self.pidfd.as_mut().filter(|pidfd| pidfd.readable())?;
        let exit = match self.child.try_wait() {
            Ok(Some(status)) => exit_of(status),
            Ok(None) => {
                pidfd.not_yet();
                return None;
            }
            Err(error) => {
                log::warn!("{:?}: cannot learn how a child ended: {error}", self.job);
                Exit::Signal(rustix::process::Signal::KILL.as_raw())
            }
        };
        close(&mut self.pidfd, registry);
        Some(exit)
    }

    /// SIGKILL; of a child that has ended, what is left of it is let go.
    pub fn kill(&mut self, registry: &Registry) {
        if self.pidfd.is_none() {
            close(&mut self.stdout, registry);
            close(&mut self.stderr, registry);
        } else if let Err(error) = self.child.kill() {
            log::warn!("{:?}: cannot kill: {error}", self.job);
        }
    }

    /// Something can be moved without waiting for another event.
    pub fn has_work(&self) -> bool {
        let readable = |source: &Option<Pollable>| source.as_ref().is_some_and(Pollable::readable);
        let feed = self.stdin.as_ref();
        feed.is_some_and(|feed| feed.pipe.writable())
            || readable(&self.stdout)
            || readable(&self.stderr)
            || readable(&self.pidfd)
    }

    /// Everything about it has been told.
    pub fn is_over(&self) -> bool {
        self.pidfd.is_none() && self.stdout.is_none() && self.stderr.is_none()
    }
}

fn end_now(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

fn exit_of(status: ExitStatus) -> Exit {
    match (status.code(), status.signal()) {
        (Some(code), _) => Exit::Code(code),
        (None, signal) => Exit::Signal(signal.unwrap_or(0)),
    }
}

fn close(slot: &mut Option<Pollable>, registry: &Registry) {
    if let Some(source) = slot.take() {
        source.close(registry);
    }
}

/// Says what the pipe holds, within the budget; `None` once at its end, when it is closed.
fn drain(
    slot: &mut Option<Pollable>,
    registry: &Registry,
    buffer: &mut [u8],
    mut say: impl FnMut(Option<&[u8]>),
) {
    let mut budget = TURN_LIMIT_BYTES;
    while let Some(source) = slot
        .as_mut()
        .filter(|source| source.readable() && budget > 0)
    {
        let limit = budget.min(buffer.len());
        match source.read(&mut buffer[..limit]) {
            IoResult::Bytes(count) => {
                budget = spend(budget, count);
                say(Some(&buffer[..count]));
            }
            IoResult::Blocked => {}
            IoResult::Ended | IoResult::Broken => {
                close(slot, registry);
                say(None);
            }
        }
    }
}

/// The standard input of a child on its way there.
struct Feed {
    pipe: Pollable,
    parts: VecDeque<Input>,
    /// The part that is being read.
    file: Option<File>,
    /// `piece[sent..]` is what the pipe gets next.
    piece: Vec<u8>,
    sent: usize,
}

impl Feed {
    fn new(pipe: OwnedFd, parts: Vec<Input>) -> io::Result<Feed> {
        Ok(Feed {
            pipe: Pollable::new(pipe)?,
            parts: parts.into(),
            file: None,
            piece: Vec::new(),
            sent: 0,
        })
    }

    /// False when there is nothing more to write, or the child does not want more. A child
    /// that reads no further than it needs is no error.
    fn step(&mut self) -> bool {
        let mut budget = TURN_LIMIT_BYTES;
        loop {
            if self.sent == self.piece.len() && !self.next_piece() {
                return false;
            }
            if budget == 0 || !self.pipe.writable() {
                return true;
            }
            let end = self.piece.len().min(self.sent + budget);
            match self.pipe.write(&self.piece[self.sent..end]) {
                IoResult::Bytes(count) => {
                    budget = spend(budget, count);
                    self.sent += count;
                }
                IoResult::Blocked => {}
                IoResult::Ended | IoResult::Broken => return false,
            }
        }
    }

    /// False at the end. What cannot be read ends the input early: the child, which was told
    /// length and hash, takes half a source for none.
    fn next_piece(&mut self) -> bool {
        self.sent = 0;
        loop {
            if let Some(file) = &mut self.file {
                self.piece.resize(FILE_PIECE_BYTES, 0);
                let count = match file.read(&mut self.piece) {
                    Ok(count) => count,
                    Err(error) => {
                        log::warn!("cannot read a child's input: {error}");
                        return false;
                    }
                };
                self.piece.truncate(count);
                if count > 0 {
                    return true;
                }
                self.file = None;
            }
            match self.parts.pop_front() {
                None => return false,
                Some(Input::Bytes(bytes)) if bytes.is_empty() => {}
                Some(Input::Bytes(bytes)) => {
                    self.piece = bytes;
                    return true;
                }
                Some(Input::File(path)) => match open_regular(&path) {
                    Ok(file) => self.file = Some(file),
                    Err(error) => {
                        log::warn!("cannot open a child's input {path:?}: {error}");
                        return false;
                    }
                },
            }
        }
    }
}

/// Non-blocking and regular only: a FIFO in that place would stop the whole server.
fn open_regular(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    let options = options
        .read(true)
        .custom_flags(OFlags::NONBLOCK.bits() as i32);
    let file = options.open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    Ok(file)
}
