//! System calls that the standard library does not have.

#![allow(
    unsafe_code,
    reason = "system calls without a crate for them: the tests compile this by rustc alone"
)]

use std::fs::{self, File};
use std::mem::ManuallyDrop;
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

mod libc {
    use std::ffi::{c_int, c_uint, c_ulong};

    #[repr(C)]
    pub struct PollFd {
        pub fd: c_int,
        pub events: i16,
        pub revents: i16,
    }

    unsafe extern "C" {
        pub fn setsid() -> c_int;
        pub fn kill(pid: c_int, signal: c_int) -> c_int;
        pub fn close(fd: c_int) -> c_int;
        pub fn fcntl(fd: c_int, command: c_int, flags: c_int) -> c_int;
        pub fn alarm(seconds: c_uint) -> c_uint;
        pub fn poll(fds: *mut PollFd, count: c_ulong, timeout_ms: c_int) -> c_int;
    }

    pub const SIGKILL: c_int = 9;
    pub const F_SETFD: c_int = 2;
    pub const POLLIN: i16 = 1;
}

/// Whether that open file is the one of that name.
pub fn is_at(file: &File, path: &Path) -> bool {
    let inode = |file: fs::Metadata| file.ino();
    let there = fs::metadata(path).ok().map(inode);
    there.is_some() && there == file.metadata().ok().map(inode)
}

/// SIGKILL to the processes of a container, if it has said which they are.
pub fn kill_all_of(container: &Path) {
    let said = fs::read_to_string(container.join("pid")).unwrap_or_default();
    if let Some(pid) = said.trim().parse::<i32>().ok().filter(|pid| *pid > 1) {
        // SAFETY: no memory is touched.
        unsafe { libc::kill(-pid, libc::SIGKILL) };
    }
}

/// The command begins a session, which no signal to its maker reaches, and keeps that file open.
pub fn in_a_session_of_its_own(command: &mut Command, kept: &File) {
    let fd = kept.as_raw_fd();
    // SAFETY: two system calls, no allocation, between fork and exec.
    unsafe {
        command.pre_exec(move || {
            libc::setsid();
            libc::fcntl(fd, libc::F_SETFD, 0);
            Ok(())
        });
    }
}

/// The end of this process after so long, whatever else happens.
pub fn end_after(seconds: u32) {
    // SAFETY: no memory is touched.
    unsafe { libc::alarm(seconds) };
}

/// Standard output or standard error without the buffers that the standard library puts before them.
pub fn output(fd: i32) -> ManuallyDrop<File> {
    // SAFETY: it is never closed by this.
    ManuallyDrop::new(unsafe { File::from_raw_fd(fd) })
}

/// Closes standard output and standard error.
pub fn close_outputs() {
    // SAFETY: whoever writes to them later gets an error.
    unsafe {
        libc::close(1);
        libc::close(2);
    }
}

/// Until the pipe ends: true; or so long.
pub fn wait_for_end(pipe: &impl AsRawFd, timeout: Duration) -> bool {
    let mut one = libc::PollFd {
        fd: pipe.as_raw_fd(),
        events: libc::POLLIN,
        revents: 0,
    };
    // SAFETY: one entry, as it is told.
    unsafe { libc::poll(&mut one, 1, timeout.as_millis() as i32) };
    one.revents != 0
}
