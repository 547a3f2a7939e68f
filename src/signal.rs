//! SIGTERM and SIGINT, as a readable pipe.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::{SIGCHLD, SIGINT, SIGTERM};
use signal_hook::low_level::pipe;

/// The end that gets one byte for each wish to stop. Handlers, not blocked signals: blocked
/// ones would be inherited by our children.
pub fn stops() -> io::Result<OwnedFd> {
    let (ours, theirs) = UnixStream::pair()?;
    theirs.set_nonblocking(true)?;
    pipe::register(SIGTERM, theirs.try_clone()?)?;
    pipe::register(SIGINT, theirs)?;
    // Whoever started us may have ignored SIGCHLD: then no child of ours could be waited for.
    // Any handler at all ends that.
    signal_hook::flag::register(SIGCHLD, Arc::new(AtomicBool::new(false)))?;
    Ok(ours.into())
}
