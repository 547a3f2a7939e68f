//! One child process: three pipes, a pidfd, its exit.

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
use crate::interface::event::{Command, Dispatcher, Event, Exit, Input, JobId, Pipe, Worker};
use crate::shell::limits::{FILE_PIECE_BYTES, TURN_LIMIT_BYTES};
use crate::shell::pollable::{IoResult, Kind, Pollable, spend, token};

/// Variables of systemd that children must not see: they do not own our listening socket and do not notify the service
/// manager.
const NOT_INHERITED: [&str; 6] = [
    "LISTEN_FDS",
    "LISTEN_PID",
    "LISTEN_FDNAMES",
    "NOTIFY_SOCKET",
    "WATCHDOG_PID",
    "WATCHDOG_USEC",
];

/// A child that has not exited, or whose pipes have not ended. The two differ: a grandchild can hold a pipe longer.
pub struct Process {
    pub job: JobId,
    child: Child,
    /// Each is closed and becomes none at its end.
    stdin: Option<StdinWriter>,
    stdout: Option<Pollable>,
    stderr: Option<Pollable>,
    pidfd: Option<Pollable>,
}

impl Process {
    /// Starts a child. An error says in words why there is none.
    pub fn start(job: JobId, command: Command) -> Result<Process, String> {
        let name = command.argv.first().cloned().unwrap_or_default();
        let started = Process::try_start(job, command);
        started.map_err(|error| format!("cannot start {name:?}: {error}"))
    }

    fn try_start(job: JobId, command: Command) -> io::Result<Process> {
        let Some((program, arguments)) = command.argv.split_first() else {
            return Err(io::Error::other("no program named"));
        };
        // Pipes of our own, so that only our ends are non-blocking: few programs expect EAGAIN.
        let (child_stdin, stdin) = io::pipe()?;
        let (stdout, child_stdout) = io::pipe()?;
        let (stderr, child_stderr) = io::pipe()?;
        let stdin = StdinWriter::new(stdin.into(), command.stdin)?;
        let stdout = Some(Pollable::new(stdout.into())?);
        let stderr = Some(Pollable::new(stderr.into())?);
        // A process group of its own: a terminal's ^C reaches only us. The statement drops the builder, and with it our
        // copies of the child's ends: while we hold those, no pipe ends.
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
            }),
            Err(error) => {
                end_now(&mut child);
                Err(error)
            }
        }
    }

    pub fn register(&self, registry: &Registry, key: Key) -> io::Result<()> {
        let pollables = [
            (
                self.stdin.as_ref().map(|stdin| &stdin.pipe),
                Kind::Stdin,
                Interest::WRITABLE,
            ),
            (self.stdout.as_ref(), Kind::Stdout, Interest::READABLE),
            (self.stderr.as_ref(), Kind::Stderr, Interest::READABLE),
            (self.pidfd.as_ref(), Kind::Pidfd, Interest::READABLE),
        ];
        for (pollable, kind, interest) in pollables {
            if let Some(pollable) = pollable {
                pollable.register(registry, token(kind, key), interest)?;
            }
        }
        Ok(())
    }

    /// Kills and reaps the child. Its own children go on.
    pub fn abandon(mut self) {
        end_now(&mut self.child);
    }

    pub fn pollable(&mut self, kind: Kind) -> Option<&mut Pollable> {
        match kind {
            Kind::Stdin => self.stdin.as_mut().map(|stdin| &mut stdin.pipe),
            Kind::Stdout => self.stdout.as_mut(),
            Kind::Stderr => self.stderr.as_mut(),
            Kind::Pidfd => self.pidfd.as_mut(),
            Kind::Listener | Kind::AdminListener | Kind::Stop | Kind::Drain | Kind::Client => None,
        }
    }

    /// Reads and writes the pipes within this turn's budget and dispatches what came.
    pub fn step<C: Worker>(
        &mut self,
        registry: &Registry,
        buffer: &mut [u8],
        dispatcher: &mut Dispatcher<'_, C>,
    ) {
        let job = self.job;
        if let Some(stdin) = self.stdin.take_if(|stdin| !stdin.step()) {
            stdin.pipe.close(registry);
        }
        for (pipe, pollable) in [
            (Pipe::Stdout, &mut self.stdout),
            (Pipe::Stderr, &mut self.stderr),
        ] {
            drain(pollable, registry, buffer, |read| match read {
                Some(bytes) => dispatcher.dispatch(Event::Output { job, pipe, bytes }),
                None => dispatcher.dispatch(Event::Eof { job, pipe }),
            });
        }
        if let Some(exit) = self.reap(registry) {
            dispatcher.dispatch(Event::Exited { job, exit });
        }
    }

    /// How the child exited, once. The same step closes the pidfd: reaping would cause an event on it.
    fn reap(&mut self, registry: &Registry) -> Option<Exit> {
        let pidfd = self.pidfd.as_mut().filter(|pidfd| pidfd.readable())?;
        let exit = match self.child.try_wait() {
            Ok(Some(status)) => exit_of(status),
            Ok(None) => {
                pidfd.not_yet();
                return None;
            }
            Err(error) => {
                log::warn!("{:?}: cannot wait for a child: {error}", self.job);
                Exit::Signal(rustix::process::Signal::KILL.as_raw())
            }
        };
        close(&mut self.pidfd, registry);
        Some(exit)
    }

    /// Sends SIGKILL. Closes the pipes instead where the child has exited already.
    pub fn kill(&mut self, registry: &Registry) {
        if self.pidfd.is_none() {
            close(&mut self.stdout, registry);
            close(&mut self.stderr, registry);
        } else if let Err(error) = self.child.kill() {
            log::warn!("{:?}: cannot kill: {error}", self.job);
        }
    }

    /// True where a pipe is ready, or the exit known, without another event.
    pub fn has_work(&self) -> bool {
        let readable = |slot: &Option<Pollable>| slot.as_ref().is_some_and(Pollable::readable);
        let stdin = self.stdin.as_ref();
        stdin.is_some_and(|stdin| stdin.pipe.writable())
            || readable(&self.stdout)
            || readable(&self.stderr)
            || readable(&self.pidfd)
    }

    /// True once its exit and the end of both output pipes were dispatched.
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
    if let Some(pollable) = slot.take() {
        pollable.close(registry);
    }
}

/// Reads the pipe within the budget and passes the bytes to `on_read`; `None` once, at its end, when it is closed.
fn drain(
    slot: &mut Option<Pollable>,
    registry: &Registry,
    buffer: &mut [u8],
    mut on_read: impl FnMut(Option<&[u8]>),
) {
    let mut budget = TURN_LIMIT_BYTES;
    while let Some(pipe) = slot.as_mut().filter(|pipe| pipe.readable() && budget > 0) {
        let limit = budget.min(buffer.len());
        match pipe.read(&mut buffer[..limit]) {
            IoResult::Bytes(count) => {
                budget = spend(budget, count);
                on_read(Some(&buffer[..count]));
            }
            IoResult::Blocked => {}
            IoResult::Ended | IoResult::Broken => {
                close(slot, registry);
                on_read(None);
            }
        }
    }
}

/// Writes a child's standard input.
struct StdinWriter {
    pipe: Pollable,
    parts: VecDeque<Input>,
    /// The file that is being read.
    file: Option<File>,
    /// `piece[sent..]` is written next.
    piece: Vec<u8>,
    sent: usize,
}

impl StdinWriter {
    fn new(pipe: OwnedFd, parts: Vec<Input>) -> io::Result<StdinWriter> {
        Ok(StdinWriter {
            pipe: Pollable::new(pipe)?,
            parts: parts.into(),
            file: None,
            piece: Vec::new(),
            sent: 0,
        })
    }

    /// False once everything is written, or the child has closed its end. A child that reads only what it needs is no
    /// error.
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

    /// False at the end. A read error ends the input early: the child knows length and hash of a source and rejects a
    /// part of it.
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

/// Opens regular files only, without blocking: a FIFO in that place would stop the whole server.
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
