//! One command from its start to its end, for a program that has nothing else to do meanwhile.

use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Stdio};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::interface::event::{Command, Exit, Input};
use crate::shell::clock::Clock;
use crate::shell::limits::{ONE_SHOT_OUTPUT_LIMIT_BYTES, TURN_LIMIT_BYTES};

/// What a command has come to.
#[derive(Debug)]
pub struct Ended {
    pub exit: Exit,
    /// The first `ONE_SHOT_OUTPUT_LIMIT_BYTES` of each.
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
}

/// Runs a command, whose input fits into a pipe. An error says that it was not started, or that it was killed because
/// it had not ended in time.
pub fn run(command: &Command, limit_ms: u64) -> Result<Ended, String> {
    let name = command.argv.first().map_or("", String::as_str);
    let mut child = start(command).map_err(|error| format!("cannot start {name:?}: {error}"))?;
    let read = read_to_end(&mut child, limit_ms);
    if !matches!(read, Ok(Some(_))) {
        // It has ended, or ends by this.
        let _ = child.kill();
    }
    let status = child.wait().map_err(|error| format!("{name}: {error}"))?;
    let late = || format!("no answer within {} s", limit_ms / 1_000);
    let (stdout, stderr) = read
        .map_err(|error| format!("{name}: {error}"))?
        .ok_or_else(late)?;
    let exit = match (status.code(), status.signal()) {
        (Some(code), _) => Exit::Code(code),
        (None, signal) => Exit::Signal(signal.unwrap_or(0)),
    };
    Ok(Ended {
        exit,
        stdout,
        stderr,
    })
}

fn start(command: &Command) -> io::Result<Child> {
    let Some((program, arguments)) = command.argv.split_first() else {
        return Err(io::Error::other("no program named"));
    };
    let mut input = Vec::new();
    for part in &command.stdin {
        match part {
            Input::Bytes(bytes) => input.extend_from_slice(bytes),
            Input::File(path) => input.extend(std::fs::read(path)?),
        }
    }
    if input.len() > TURN_LIMIT_BYTES {
        return Err(io::Error::other("its input is too long"));
    }
    let mut child = std::process::Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // An empty pipe takes all of it. A child that has ended already needs none of it.
        let _ = stdin.write_all(&input);
    }
    Ok(child)
}

/// Standard output and standard error up to their ends; none if these do not come in time.
fn read_to_end(child: &mut Child, limit_ms: u64) -> io::Result<Option<(Vec<u8>, Vec<u8>)>> {
    let clock = Clock::start();
    let (mut stdout, mut stderr) = (child.stdout.take(), child.stderr.take());
    let (mut out, mut err) = (Vec::new(), Vec::new());
    while stdout.is_some() || stderr.is_some() {
        let left_ms = limit_ms.saturating_sub(clock.now().mono_ms);
        if left_ms == 0 {
            return Ok(None);
        }
        let open = [
            stdout.as_ref().map(AsFd::as_fd),
            stderr.as_ref().map(AsFd::as_fd),
        ];
        let open = open.into_iter().flatten();
        let mut fds: Vec<PollFd> = open
            .map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN))
            .collect();
        let limit = Timespec {
            tv_sec: (left_ms / 1_000) as i64,
            tv_nsec: (left_ms % 1_000 * 1_000_000) as _,
        };
        poll(&mut fds, Some(&limit))?;
        let mut ready: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
        if stderr.is_some() && ready.pop() == Some(true) {
            read_once(&mut stderr, &mut err)?;
        }
        if stdout.is_some() && ready.pop() == Some(true) {
            read_once(&mut stdout, &mut out)?;
        }
    }
    Ok(Some((out, err)))
}

/// Reads once, from a pipe that is ready; closes it at its end.
fn read_once(pipe: &mut Option<impl Read>, to: &mut Vec<u8>) -> io::Result<()> {
    let mut piece = [0; 4 << 10];
    let Some(open) = pipe else { return Ok(()) };
    let count = open.read(&mut piece)?;
    let space = ONE_SHOT_OUTPUT_LIMIT_BYTES.saturating_sub(to.len());
    to.extend_from_slice(&piece[..count.min(space)]);
    if count == 0 {
        *pipe = None;
    }
    Ok(())
}
