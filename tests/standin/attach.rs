//! Clients of a container: `run` once it is started, and `logs`.

use std::fs::{self, File};
use std::io::{self, PipeReader, Read, Write};
use std::mem::ManuallyDrop;
use std::path::Path;
use std::process::{ChildStdin, Command};
use std::time::Duration;

use crate::sys::{close_outputs, output, wait_for_end};
use crate::{Place, REFUSED, State, exit_of, no_such, refuse, state};

/// A line is passed on when it is whole, or so long.
const PART_BYTES: usize = 16 << 10;

/// Between two looks at what a container says, the shortest and the longest. (The kernel would tell,
/// but takes 20 ms to let go of whom it told.)
const PAUSES: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(8));

/// How showing a container came to its end.
enum JobEnd {
    /// The container has ended and everything was shown.
    Container,
    Engine,
    Output,
}

/// Shows both streams of a container and gives it its input; its exit code is the client's.
pub fn show(place: &Place, container: &Path, stdin: ChildStdin, begun: Vec<u8>) -> i32 {
    std::thread::spawn(move || feed(stdin, &begun));
    match follow(place, container, false) {
        Ok(JobEnd::Container) => {
            if container.join("held").exists() {
                // Somebody holds our pipes and is no child of the container's client.
                let _ = Command::new("sleep").arg("60").spawn();
            }
            exit_of(container).0
        }
        Ok(JobEnd::Engine) => refuse(REFUSED, "error waiting for container: unexpected EOF"),
        Ok(JobEnd::Output) => 1,
        Err(error) => refuse(REFUSED, &format!("docker: {error}")),
    }
}

fn feed(mut to: ChildStdin, begun: &[u8]) {
    if to.write_all(begun).is_ok() {
        let _ = io::copy(&mut io::stdin().lock(), &mut to);
    }
}

pub fn logs(place: &Place, name: &str, following: bool) -> i32 {
    let container = place.container(name);
    let Some(is) = state(&container) else {
        return no_such(name);
    };
    let driver = fs::read_to_string(container.join("driver")).unwrap_or_default();
    if driver == "none" {
        let why = "configured logging driver does not support reading";
        return refuse(1, &format!("Error response from daemon: {why}"));
    }
    let shown = match (following, is) {
        (true, State::Running) => follow(place, &container, true),
        _ => all(&container),
    };
    match shown {
        Ok(JobEnd::Container) => 0,
        Ok(JobEnd::Engine) => refuse(1, "error from daemon in stream: unexpected EOF"),
        Ok(JobEnd::Output) => 1,
        Err(error) => refuse(1, &error.to_string()),
    }
}

fn all(container: &Path) -> io::Result<JobEnd> {
    let mut streams = streams(container, false)?;
    Ok(
        match streams.iter_mut().any(|stream| stream.pass().is_err()) {
            true => JobEnd::Output,
            false => JobEnd::Container,
        },
    )
}

/// What there is and what comes, until the container ends. By lines, what stands behind the end of
/// the last one is lost, as with a real engine.
fn follow(place: &Place, container: &Path, by_lines: bool) -> io::Result<JobEnd> {
    let mut streams = streams(container, by_lines)?;
    let end = the_end(container)?;
    let closed = container.join("closed");
    let (mut open, mut over) = (true, false);
    let mut pause = PAUSES.0;
    loop {
        let mut passed = 0;
        for stream in streams.iter_mut().filter(|_| open) {
            match stream.pass() {
                Ok(bytes) => passed += bytes,
                Err(_) => return Ok(JobEnd::Output),
            }
        }
        if over {
            return Ok(JobEnd::Container);
        }
        if place.is_down() {
            return Ok(JobEnd::Engine);
        }
        if open && !by_lines && closed.exists() {
            close_outputs();
            open = false;
        }
        pause = if passed > 0 {
            PAUSES.0
        } else {
            PAUSES.1.min(pause * 2)
        };
        over = wait_for_end(&end, pause);
    }
}

/// A pipe that ends when the container does: whoever gets its lock knows that it has.
fn the_end(container: &Path) -> io::Result<PipeReader> {
    let (read, write) = io::pipe()?;
    let lock = File::open(container.join("lock"))?;
    std::thread::spawn(move || {
        let _ = lock.lock_shared();
        drop(write);
    });
    Ok(read)
}

fn streams(container: &Path, by_lines: bool) -> io::Result<[Stream; 2]> {
    let stream = |name: &str, fd: i32| -> io::Result<Stream> {
        Ok(Stream {
            from: File::open(container.join(name))?,
            to: output(fd),
            by_lines,
            held: Vec::new(),
        })
    };
    Ok([stream("stdout", 1)?, stream("stderr", 2)?])
}

/// One stream of a container, on its way to the client's own.
struct Stream {
    from: File,
    to: ManuallyDrop<File>,
    by_lines: bool,
    /// Read, and not passed on yet.
    held: Vec<u8>,
}

impl Stream {
    fn pass(&mut self) -> io::Result<usize> {
        let mut piece = [0; 64 << 10];
        let mut passed = 0;
        loop {
            let count = self.from.read(&mut piece)?;
            passed += count;
            if count == 0 {
                return Ok(passed);
            }
            if !self.by_lines {
                self.to.write_all(&piece[..count])?;
                continue;
            }
            self.held.extend(&piece[..count]);
            let end = self
                .held
                .iter()
                .rposition(|byte| *byte == b'\n')
                .map_or(0, |at| at + 1);
            let parts = (self.held.len() - end) / PART_BYTES * PART_BYTES;
            let whole: Vec<u8> = self.held.drain(..end + parts).collect();
            self.to.write_all(&whole)?;
        }
    }
}
