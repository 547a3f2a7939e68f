//! System calls that the standard library does not have.

use std::ffi::CString;
use std::fs::{self, File};
use std::mem::ManuallyDrop;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

mod libc {
    use std::ffi::{c_char, c_int, c_uint, c_ulong};

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
        pub fn inotify_init1(flags: c_int) -> c_int;
        pub fn inotify_add_watch(fd: c_int, path: *const c_char, mask: u32) -> c_int;
        pub fn poll(fds: *mut PollFd, count: c_ulong, timeout_ms: c_int) -> c_int;
    }

    pub const SIGKILL: c_int = 9;
    pub const F_SETFD: c_int = 2;
    pub const POLLIN: i16 = 1;
    pub const IN_NONBLOCK_CLOEXEC: c_int = 0o2004000;
    pub const IN_MODIFY: u32 = 0x2;
    pub const IN_MOVED_TO: u32 = 0x80;
    pub const IN_CREATE: u32 = 0x100;
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

/// Wakes when a file of some directories changes.
pub struct Watch {
    /// None where the system has no more of them: then it wakes often.
    inotify: Option<File>,
}

impl Watch {
    pub fn new() -> Watch {
        // SAFETY: the descriptor is new, and nobody else's.
        let inotify = unsafe {
            let fd = libc::inotify_init1(libc::IN_NONBLOCK_CLOEXEC);
            (fd >= 0).then(|| File::from(OwnedFd::from_raw_fd(fd)))
        };
        Watch { inotify }
    }

    /// Files that are written or appear.
    pub fn contents(&self, directory: &Path) {
        self.add(
            directory,
            libc::IN_MODIFY | libc::IN_MOVED_TO | libc::IN_CREATE,
        );
    }

    /// Files that appear.
    pub fn names(&self, directory: &Path) {
        self.add(directory, libc::IN_MOVED_TO | libc::IN_CREATE);
    }

    fn add(&self, directory: &Path, mask: u32) {
        let path = CString::new(directory.as_os_str().as_bytes()).expect("a path");
        if let Some(inotify) = &self.inotify {
            // SAFETY: the path is a string of C, and outlives the call.
            unsafe { libc::inotify_add_watch(inotify.as_raw_fd(), path.as_ptr(), mask) };
        }
    }

    /// Until something changed, or the pipe ends: true.
    pub fn wait(&mut self, pipe: &impl AsRawFd) -> bool {
        let poll = |fd: i32| libc::PollFd {
            fd,
            events: libc::POLLIN,
            revents: 0,
        };
        let inotify = self.inotify.as_ref().map_or(-1, |file| file.as_raw_fd());
        let mut both = [poll(pipe.as_raw_fd()), poll(inotify)];
        let timeout_ms = if inotify < 0 { 5 } else { 1_000 };
        // SAFETY: two entries, as it is told.
        unsafe { libc::poll(both.as_mut_ptr(), 2, timeout_ms) };
        if let Some(inotify) = &mut self.inotify {
            let mut events = [0; 4096];
            while std::io::Read::read(inotify, &mut events).is_ok_and(|count| count > 0) {}
        }
        both[0].revents != 0
    }
}
