//! Signals, as readable pipes: SIGTERM and SIGINT ask to stop, SIGUSR1 asks to run dry.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::{SIGCHLD, SIGINT, SIGTERM, SIGUSR1};
use signal_hook::low_level::pipe;

/// What we may be asked for from outside. Each end gets one byte for each time.
pub struct SignalPipes {
    pub stop: OwnedFd,
    pub drain: OwnedFd,
}

impl SignalPipes {
    /// From here on no such signal ends the process: one that comes before the loop runs is heard
    /// in its first turn.
    pub fn listen() -> io::Result<SignalPipes> {
        // Whoever started us may have ignored SIGCHLD: then no child of ours could be waited for.
        // Any handler at all ends that.
        signal_hook::flag::register(SIGCHLD, Arc::new(AtomicBool::new(false)))?;
        #[cfg(debug_assertions)]
        hang_on_demand()?;
        Ok(SignalPipes {
            stop: pipe_for(&[SIGTERM, SIGINT])?,
            drain: pipe_for(&[SIGUSR1])?,
        })
    }
}

/// Tests want to see what becomes of a loop that hangs: SIGUSR2 never lets go of it.
#[cfg(debug_assertions)]
fn hang_on_demand() -> io::Result<()> {
    let hang = || {
        loop {
            rustix::event::pause();
        }
    };
    // SAFETY: all that the handler does is one system call.
    unsafe { signal_hook::low_level::register(signal_hook::consts::SIGUSR2, hang) }?;
    Ok(())
}

/// Handlers, not blocked signals: blocked ones would be inherited by our children.
fn pipe_for(signals: &[i32]) -> io::Result<OwnedFd> {
    let (ours, theirs) = UnixStream::pair()?;
    theirs.set_nonblocking(true)?;
    for signal in signals {
        pipe::register(*signal, theirs.try_clone()?)?;
    }
    Ok(ours.into())
}
